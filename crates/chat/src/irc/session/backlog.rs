//! What was said last in a room, for whoever comes in with a client that cannot ask for it. It must
//! never tell of a message that this client is told of as it is said, nor look like one of now.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Call;
use crate::chat::command::Kind;
use crate::chat::event::Message;
use crate::chat::ids::Msgid;
use crate::irc::caps;
use crate::irc::render::IsoTime;
use crate::irc::write::Line;
use crate::store::query::{Answer, Entry, Query, Span};

/// Rooms that this client has come into, each with the last message that those who were in were
/// told of by then: it is told of the later ones itself.
type Entered = VecDeque<(Arc<str>, Msgid)>;

impl Call<'_, '_> {
    /// A room that was just entered, if its backlog is to be shown.
    pub(super) fn with_backlog(&self, name: &str) -> Option<(Arc<str>, Msgid)> {
        let is_wanted = self.config().backlog > 0 && !self.caps().has(caps::CHATHISTORY);
        let chat = self.chat();
        let room = chat.room(name).filter(|_| is_wanted)?;
        // Many come into a big room, so nothing is sent there that was not asked for.
        let is_big = room.len() > chat.settings().big_room;
        (!is_big).then(|| (Arc::clone(room.name()), chat.last_told()))
    }

    /// Shows what was said in these rooms, in one after the other: a client has few questions.
    pub(super) fn show_backlogs(&mut self, mut rooms: Entered) {
        while let Some((name, until)) = rooms.pop_front() {
            // It may have left again, or been put out.
            let Ok((shown, conversation)) = self.readable(&name) else {
                continue;
            };
            let query = Query::History {
                conversation,
                span: Span::Latest(None),
                limit: self.config().backlog,
                happenings: false,
            };
            // Refused is only a client that asks for a lot itself.
            let _ = self.ask_aside(query, move |call, answer| {
                // Nobody has asked, so nobody is told that it failed.
                if let Ok(Answer::Entries(entries)) = answer
                    && call.readable(&shown).is_ok()
                {
                    call.show_backlog(&shown, entries, until);
                }
                call.show_backlogs(rooms);
            });
            return;
        }
    }

    fn show_backlog(&mut self, room: &str, mut entries: Vec<Entry>, until: Msgid) {
        entries.retain(|entry| match entry {
            Entry::Message(message) => {
                let is_later = message.msgid.database == until.database
                    && message.msgid.sequence > until.sequence;
                let is_shown = message.redacted.is_none() && message.kind != Kind::Tags;
                is_shown && !is_later
            }
            Entry::Happening(_) => false,
        });
        if entries.is_empty() {
            return;
        }
        if !self.caps().has(caps::SERVER_TIME) {
            entries.iter_mut().for_each(date);
        }
        if self.caps().has(caps::BATCH) {
            self.show_entries(&["chathistory", room], &entries);
            return;
        }
        // Not every client shows when it was, so that is said in words, too.
        self.note_in(room, "What was said here before you came:");
        self.show_entries(&[], &entries);
        self.note_in(room, "That was before you came.");
    }

    fn note_in(&mut self, room: &str, text: &str) {
        let server = &self.view.config.server;
        let line = Line::new(self.view.reply).from(server, "NOTICE");
        line.param(room).text(text);
    }
}

/// Says in the text when it was said: `[2026-01-31 23:59 UTC] hello`.
fn date(entry: &mut Entry) {
    let Entry::Message(message) = entry else {
        return;
    };
    let time = IsoTime(message.unix_ms).to_string();
    let date = format!("[{} {} UTC]", &time[..10], &time[11..16]);
    let text = match message.action() {
        Some(action) => format!("\x01ACTION {date} {action}\x01"),
        None => format!("{date} {}", message.text),
    };
    *message = Arc::new(Message {
        text: text.into(),
        ..Message::clone(message)
    });
}
