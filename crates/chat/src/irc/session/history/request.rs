//! What a client asks for by `CHATHISTORY`, read from its words. It must never look at who asks.

use std::time::UNIX_EPOCH;

use crate::store::query::{Anchor, Span};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A part of one history.
    Span {
        command: &'static str,
        target: String,
        span: Span,
        limit: usize,
    },
    /// Which histories there are.
    Targets { between: (u64, u64), limit: usize },
}

/// Why it is none, as a standard reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: &'static str,
    /// The subcommand, and what is wrong.
    pub(super) context: Vec<String>,
    pub(super) text: &'static str,
}

/// The subcommands, and how many parameters each has.
const COMMANDS: &[(&str, usize)] = &[
    ("LATEST", 4),
    ("BEFORE", 4),
    ("AFTER", 4),
    ("AROUND", 4),
    ("BETWEEN", 5),
    ("TARGETS", 4),
];

fn wrong(command: &str, about: &[&str], text: &'static str) -> Wrong {
    let words = std::iter::once(&command).chain(about);
    let context = words.map(|word| (*word).to_owned());
    Wrong {
        code: "INVALID_PARAMS",
        context: context.collect(),
        text,
    }
}

/// Reads the parameters; no answer is longer than `limit_max`.
pub(super) fn read(params: &[&str], limit_max: usize) -> Result<Asked, Wrong> {
    let asked = params.first().copied().unwrap_or("*");
    let mut known = COMMANDS.iter();
    let known = known.find(|(name, _)| name.eq_ignore_ascii_case(asked));
    let (command, count) = *known.ok_or_else(|| wrong(asked, &[], "Unknown command"))?;
    if params.len() < count {
        return Err(wrong(command, &[], "Insufficient parameters"));
    }
    if params.len() > count {
        return Err(wrong(command, &[], "Too many parameters"));
    }
    let limit = params[count - 1];
    let number = limit.parse::<usize>().ok().filter(|limit| *limit > 0);
    let number = number.ok_or_else(|| wrong(command, &[limit], "Invalid limit"))?;
    let limit = number.min(limit_max);
    let anchor = |index: usize| anchor(command, params[1], params[index]);
    let span = match command {
        "TARGETS" => {
            let time = |index: usize| match anchor(index)? {
                Anchor::Time(unix_ms) => Ok(unix_ms),
                Anchor::Msgid(_) => Err(wrong(command, &[params[index]], "Invalid timestamp")),
            };
            let between = (time(1)?, time(2)?);
            return Ok(Asked::Targets { between, limit });
        }
        "LATEST" if params[2] == "*" => Span::Latest(None),
        "LATEST" => Span::Latest(Some(anchor(2)?)),
        "BEFORE" => Span::Before(anchor(2)?),
        "AFTER" => Span::After(anchor(2)?),
        "AROUND" => Span::Around(anchor(2)?),
        _ => Span::Between(anchor(2)?, anchor(3)?),
    };
    Ok(Asked::Span {
        command,
        target: params[1].to_owned(),
        span,
        limit,
    })
}

fn anchor(command: &str, target: &str, text: &str) -> Result<Anchor, Wrong> {
    let invalid = |why| wrong(command, &[text], why);
    match text.split_once('=') {
        Some(("msgid", msgid)) => {
            let msgid = msgid.parse().map_err(|_| invalid("Invalid msgid"))?;
            Ok(Anchor::Msgid(msgid))
        }
        Some(("timestamp", text)) => {
            let unix_ms = time(text).ok_or_else(|| invalid("Invalid timestamp"))?;
            Ok(Anchor::Time(unix_ms))
        }
        Some(_) => Err(Wrong {
            code: "INVALID_MSGREFTYPE",
            ..wrong(command, &[target, text], "msgid= and timestamp= are known")
        }),
        None => Err(invalid("Neither msgid= nor timestamp=")),
    }
}

/// A time as in the `time` tag, in milliseconds since 1970; none before.
pub(in crate::irc::session) fn time(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Result<Asked, Wrong> {
        read(&text.split(' ').collect::<Vec<_>>(), 50)
    }

    #[track_caller]
    fn is_wrong(text: &str, code: &str, context: &[&str]) {
        let wrong = words(text).unwrap_err();
        assert_eq!(
            (wrong.code, wrong.context),
            (
                code,
                context.iter().map(|word| (*word).to_owned()).collect()
            )
        );
    }

    #[test]
    fn spans_are_read() {
        let span = |text: &str| match words(text) {
            Ok(Asked::Span { span, limit, .. }) => (span, limit),
            other => panic!("{other:?}"),
        };
        let msgid = Anchor::Msgid("00000001-2".parse().unwrap());
        let time = Anchor::Time(1_546_612_406_123);
        let t = "timestamp=2019-01-04T14:33:26.123Z";
        assert_eq!(span("LATEST #a * 9"), (Span::Latest(None), 9));
        assert_eq!(
            span("latest #a msgid=00000001-2 99"),
            (Span::Latest(Some(msgid)), 50)
        );
        assert_eq!(span(&format!("BEFORE #a {t} 1")), (Span::Before(time), 1));
        assert_eq!(
            span(&format!("BETWEEN a {t} msgid=00000001-2 1")),
            (Span::Between(time, msgid), 1)
        );
        let targets = Asked::Targets {
            between: (1_546_612_406_123, 0),
            limit: 5,
        };
        assert_eq!(
            words(&format!("TARGETS {t} timestamp=1970-01-01T00:00:00Z 5")),
            Ok(targets)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        is_wrong("", "INVALID_PARAMS", &[""]);
        is_wrong("OLDEST #a * 1", "INVALID_PARAMS", &["OLDEST"]);
        is_wrong("LATEST #a *", "INVALID_PARAMS", &["LATEST"]);
        is_wrong("LATEST #a * 1 2", "INVALID_PARAMS", &["LATEST"]);
        is_wrong("LATEST #a * 0", "INVALID_PARAMS", &["LATEST", "0"]);
        is_wrong("BEFORE #a * 1", "INVALID_PARAMS", &["BEFORE", "*"]);
        is_wrong(
            "AFTER #a msgid=x 1",
            "INVALID_PARAMS",
            &["AFTER", "msgid=x"],
        );
        is_wrong(
            "AFTER #a timestamp=1 1",
            "INVALID_PARAMS",
            &["AFTER", "timestamp=1"],
        );
        is_wrong(
            "AFTER #a id=1 1",
            "INVALID_MSGREFTYPE",
            &["AFTER", "#a", "id=1"],
        );
        is_wrong(
            "TARGETS msgid=00000001-2 timestamp=1970-01-01T00:00:00Z 5",
            "INVALID_PARAMS",
            &["TARGETS", "msgid=00000001-2"],
        );
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(
            command in "LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS|.{0,4}",
            rest in prop::collection::vec("(msgid=|timestamp=)?[-0-9TZ:.*é]{0,24}", 0..6),
        ) {
            let mut params = vec![command.as_str()];
            params.extend(rest.iter().map(String::as_str));
            if let Ok(Asked::Span { limit, .. } | Asked::Targets { limit, .. }) = read(&params, 50) {
                prop_assert!((1..=50).contains(&limit));
            }
        }
    }
}
