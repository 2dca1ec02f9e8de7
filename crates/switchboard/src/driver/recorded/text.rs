//! How the two sides of a divergence are shown: bytes escaped, around the place where they differ.
//! It must never print a byte as it is: what a peer has sent reaches a terminal here.

use std::fmt::Write as _;

use super::entry::{Call, Entry};
use super::replayer::text_of;
use crate::Token;

/// Bytes shown on each side of the first difference.
const AROUND: usize = 24;

/// What one side says: words, and perhaps bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    words: String,
    bytes: Option<Vec<u8>>,
}

impl Text {
    pub(super) fn plain(words: impl Into<String>) -> Text {
        Text {
            words: words.into(),
            bytes: None,
        }
    }

    pub(super) fn bytes(words: impl Into<String>, bytes: &[u8]) -> Text {
        Text {
            words: words.into(),
            bytes: Some(bytes.to_vec()),
        }
    }

    /// The text alone, with the beginning of its bytes.
    pub(super) fn show(&self) -> String {
        match &self.bytes {
            None => self.words.clone(),
            Some(bytes) => format!("{} {}", self.counted(), window(bytes, 0).0),
        }
    }

    fn counted(&self) -> String {
        let len = self.bytes.as_ref().map_or(0, Vec::len);
        format!("{} {len} bytes", self.words)
    }
}

/// Both sides, one line each, and a third line that points at the first byte that differs.
pub(super) fn side_by_side(then: &Text, now: &Text) -> String {
    let (Some(before), Some(after)) = (&then.bytes, &now.bytes) else {
        return format!("  then: {}\n  now:  {}", then.show(), now.show());
    };
    let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (then_words, now_words) = (then.counted(), now.counted());
    let width = then_words.chars().count().max(now_words.chars().count());
    let (then_bytes, column) = window(before, same);
    let (now_bytes, _) = window(after, same);
    format!(
        "  then: {then_words:width$} {then_bytes}\n  now:  {now_words:width$} {now_bytes}\n  \
         {:indent$}^ byte {same}",
        "",
        indent = 6 + width + 1 + column,
    )
}

/// The bytes around `at`, escaped and in quotes, and the column of `at` in that.
fn window(bytes: &[u8], at: usize) -> (String, usize) {
    let start = at.saturating_sub(AROUND);
    let end = bytes.len().min(at.saturating_add(AROUND));
    let mut text = String::new();
    if start > 0 {
        let _ = write!(text, "...");
    }
    text.push('"');
    let before = bytes.get(start..at.min(bytes.len())).unwrap_or_default();
    let _ = write!(text, "{}", before.escape_ascii());
    let column = text.len();
    let after = bytes.get(at..end).unwrap_or_default();
    let _ = write!(text, "{}\"", after.escape_ascii());
    if end < bytes.len() {
        let _ = write!(text, "...");
    }
    (text, column)
}

impl Entry<'_> {
    /// Whose it is, and what it says, for a reader of a divergence.
    pub(super) fn describe(&self) -> (Option<Token>, Text) {
        let plain = |token: Token, text: String| (Some(token), Text::plain(text));
        match self {
            Entry::Tick(_) => (None, Text::plain("begin the next tick")),
            Entry::Clock(_) => (None, Text::plain("use the reactor outside of a tick")),
            Entry::WallTime(_) => (None, Text::plain("set up a reactor")),
            Entry::Stop(_) => (None, Text::plain("shut the reactor down")),
            Entry::NothingMore => (None, Text::plain("nothing more in this tick")),
            Entry::Received(token, bytes) => (Some(*token), Text::bytes("(received)", bytes)),
            Entry::Datagram { token, bytes, .. } => {
                (Some(*token), Text::bytes("(datagram)", bytes))
            }
            Entry::SentDatagrams(sent) => match sent.left.first() {
                Some((to, bytes)) => (Some(sent.token), text_of(to.as_ref(), bytes)),
                None => plain(sent.token, "wait to send datagrams".to_owned()),
            },
            Entry::Happened(token, event) => plain(*token, format!("({})", event.name())),
            Entry::Done { token, .. } => plain(*token, "(job done)".to_owned()),
            Entry::Call(call, _) => call.describe(),
            Entry::Send(send) => (Some(send.token), Text::bytes("send", send.new)),
            Entry::SentAgain { token, .. } => plain(*token, "send what was received".to_owned()),
            Entry::Unflushed(token) => plain(*token, "wait for what was sent".to_owned()),
            Entry::Kept(token) => plain(*token, "wait for what was encrypted".to_owned()),
            Entry::End(_) => (None, Text::plain("the recording ends")),
        }
    }
}

impl Call {
    pub(super) fn describe(&self) -> (Option<Token>, Text) {
        let (token, text) = match self {
            Call::Bind(endpoint) => return (None, Text::plain(format!("bind {endpoint}"))),
            Call::BindUdp(to) => return (None, Text::plain(format!("bind {to} (UDP)"))),
            Call::Drop => return (None, Text::plain("drop the reactor")),
            Call::Register(token, kind) => (token, format!("register ({kind:?})")),
            Call::Listen(token, addresses) => (token, format!("listen on {addresses:?}")),
            Call::ListenUdp(token, addresses) => (token, format!("bind {addresses:?} (UDP)")),
            Call::Connect(token, address) => (token, format!("connect to {address}")),
            Call::ConnectUnix(token, address) => (token, format!("connect to {address}")),
            Call::Resolve(token, host) => (token, format!("look up {host}")),
            Call::Offload(token, job) => (token, format!("offload job {job}")),
            Call::OffloadOn(token, job, lane) => {
                (token, format!("offload job {job} on lane {lane}"))
            }
            Call::AskFile(token, what) => (token, what.clone()),
            Call::Forward(token, range) => (
                token,
                format!("send on bytes {} to {} as received", range.start, range.end),
            ),
            Call::SetReading(token, true) => (token, "read on".to_owned()),
            Call::SetReading(token, false) => (token, "pause reading".to_owned()),
            Call::SetRoom(token, room) => (token, format!("read at most {room} bytes")),
            Call::Shutdown(token, how) => (token, format!("shut down ({how:?})")),
            Call::KillChild(token, signal) => (token, format!("signal {signal} to the process")),
            Call::Close(token) => (token, "close".to_owned()),
            Call::StartTls(token, plain) => {
                return (Some(*token), Text::bytes("start TLS after", plain));
            }
        };
        (Some(*token), Text::plain(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_pointed_at() {
        let shown = side_by_side(
            &Text::bytes("send", b"Message received\n"),
            &Text::bytes("send", b"Message Received\n"),
        );
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "  then: send 17 bytes \"Message received\\n\"");
        assert_eq!(lines[1], "  now:  send 17 bytes \"Message Received\\n\"");
        let caret = lines[2].find('^').unwrap();
        assert_eq!(&lines[0][caret..=caret], "r");
        assert_eq!(&lines[1][caret..=caret], "R");
        assert!(lines[2].ends_with("^ byte 8"));
    }

    #[test]
    fn long_bytes_are_shown_around_the_difference() {
        let mut now = vec![b'a'; 10_000];
        let then = Text::bytes("send", &now);
        now[5000] = 0x1b;
        let shown = side_by_side(&then, &Text::bytes("send", &now));
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains("...\"aaa") && lines[1].contains("aaa\"..."));
        let caret = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][caret..caret + 4], "\\x1b");
        assert!(lines.iter().all(|line| line.len() < 120), "{shown}");
    }

    #[test]
    fn an_end_that_comes_early_is_pointed_at() {
        for (then, now) in [("abc", "abcdef"), ("abcdef", "abc"), ("", "x")] {
            let shown = side_by_side(
                &Text::bytes("send", then.as_bytes()),
                &Text::bytes("send", now.as_bytes()),
            );
            let same = then.len().min(now.len());
            assert!(shown.ends_with(&format!("^ byte {same}")), "{shown}");
        }
    }
}
