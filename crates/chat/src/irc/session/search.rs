//! `SEARCH`: full text in what was said. It must never look where the asker may not read.
//!
//! The source is <https://codeberg.org/emersion/soju/src/branch/master/doc/ext/search.md>.

use std::sync::Arc;

use super::history::time;
use super::{Call, Entry};
use crate::irc::message::Message;
use crate::irc::names;
use crate::irc::tags::Tags;
use crate::store::query::{Anchor, Answer, Conversation, Entry as Past, Query};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("SEARCH", 1, search)];

/// The capability, and the kind of the batch.
const NAME: &str = "soju.im/search";

/// The attributes of a search, as tags are written.
struct Asked {
    target: Option<String>,
    words: String,
    from: Option<String>,
    before: Option<Anchor>,
    /// In milliseconds since 1970.
    after: Option<u64>,
    limit: usize,
}

fn search(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let asked = match read(message.params[0], call.config().history_max) {
        Ok(asked) => asked,
        Err(attribute) => {
            let text = "this attribute is missing, or cannot be read";
            call.fail("SEARCH", "INVALID_PARAMS", &[attribute], text);
            return;
        }
    };
    let conversations = match asked.target.as_deref() {
        None => call.own_conversations(),
        Some(target) => match call.readable(target) {
            Ok((_, conversation)) => vec![conversation],
            Err(refusal) => {
                let text = refusal.to_string();
                call.fail("SEARCH", "INVALID_PARAMS", &["in"], &text);
                return;
            }
        },
    };
    let after = asked.after.unwrap_or(0);
    let query = Query::Search {
        conversations,
        words: asked.words,
        from: asked.from.map(|from| names::folded(&from)),
        before: asked.before,
        limit: asked.limit,
    };
    let failed = |call: &mut Call<'_, '_>, text: &str| {
        call.fail("SEARCH", "INTERNAL_ERROR", &[], text);
    };
    let asked = call.ask(query, move |call, answer| match answer {
        Ok(Answer::Entries(found)) => {
            let is_after = |found: &Past| match found {
                Past::Message(message) => message.unix_ms > after,
                Past::Happening(_) => false,
            };
            let found: Vec<Past> = found.into_iter().filter(is_after).collect();
            call.show_entries(&[NAME], &found);
        }
        Ok(_) => call.show_entries(&[NAME], &[]),
        Err(error) => failed(call, &error.to_string()),
    });
    if let Err(refusal) = asked {
        failed(call, &refusal.to_string());
    }
}

/// Reads the attributes, or says which one is wrong.
fn read(attributes: &str, limit_max: usize) -> Result<Asked, &'static str> {
    let attributes = Tags::new(attributes);
    let text = |key| {
        attributes
            .get(key)
            .map(|value| value.unescaped().into_owned())
    };
    let moment = |key: &'static str| {
        let text = text(key).map(|text| time(text.trim_start_matches("timestamp=")).ok_or(key));
        text.transpose()
    };
    let limit = text("limit").map(|limit| limit.parse().map_err(|_| "limit"));
    let words = text("text").filter(|words| !words.trim().is_empty());
    Ok(Asked {
        target: text("in"),
        words: words.ok_or("text")?,
        from: text("from"),
        before: moment("before")?.map(Anchor::Time),
        after: moment("after")?,
        limit: limit.transpose()?.unwrap_or(limit_max).clamp(1, limit_max),
    })
}

impl Call<'_, '_> {
    /// The rooms that this user is in.
    fn own_conversations(&self) -> Vec<Conversation> {
        let chat = self.chat();
        let rooms = chat.user(self.me()).map_or(&[][..], |me| me.rooms());
        let rooms = rooms.iter().filter_map(|id| chat.room_by_id(*id));
        rooms
            .map(|room| Conversation::Room(Arc::clone(room.folded())))
            .collect()
    }
}
