//! `MARKREAD`: up to where one has read, on all of one's clients. It must never tell anybody but the
//! owner of an account.
//!
//! The source is <https://ircv3.net/specs/extensions/read-marker>.

use std::sync::Arc;

use super::call::target;
use super::history::time;
use super::{Call, Entry};
use crate::chat::command::Command;
use crate::irc::message::Message;
use crate::irc::render::IsoTime;
use crate::irc::{caps, names};
use crate::store::StoreError;
use crate::store::query::{Answer, Query};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("MARKREAD", 0, markread)];

fn markread(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let Some(target) = message.params.get(0).filter(|target| !target.is_empty()) else {
        call.fail("MARKREAD", "NEED_MORE_PARAMS", &[], "Missing parameters");
        return;
    };
    let mut new = None;
    if let Some(text) = message.params.get(1) {
        new = text.strip_prefix("timestamp=").and_then(time);
        if new.is_none() {
            let text = [target, text];
            call.fail("MARKREAD", "INVALID_PARAMS", &text, "Invalid timestamp");
            return;
        }
    }
    if call.chat().knows_marks(call.me()) {
        call.mark(target, new);
        return;
    }
    let name = target.to_owned();
    let asked = call.account_folded().map(|account| {
        let query = Query::ReadMarks {
            account: Arc::clone(&account),
        };
        call.ask(query, move |call, answer| {
            match call.learn_marks(&account, answer) {
                Ok(()) => call.mark(&name, new),
                Err(error) => call.mark_fails(&name, &error.to_string()),
            }
        })
    });
    if let Some(Err(refusal)) = asked {
        call.mark_fails(target, &refusal.to_string());
    }
}

impl Call<'_, '_> {
    fn account_folded(&self) -> Option<Arc<str>> {
        let account = self.chat().user(self.me())?.account()?;
        Some(names::folded(account))
    }

    fn learn_marks(
        &mut self,
        account: &str,
        answer: Result<Answer, StoreError>,
    ) -> Result<(), StoreError> {
        if let Answer::ReadMarks(marks) = answer? {
            self.view.chat.learn_marks(account, &marks);
        }
        Ok(())
    }

    fn mark_fails(&mut self, target: &str, text: &str) {
        self.fail("MARKREAD", "INTERNAL_ERROR", &[target], text);
    }

    /// Sets a mark, or shows it.
    fn mark(&mut self, name: &str, new: Option<u64>) {
        let Some(unix_ms) = new else {
            self.show_mark(name);
            return;
        };
        let target = target(name);
        match self.command(Command::MarkRead { target, unix_ms }) {
            // The event tells those who have asked for it.
            Ok(()) if self.caps().has(caps::READ_MARKER) => {}
            Ok(()) => self.show_mark(name),
            Err(refusal) => self.mark_fails(name, &refusal.to_string()),
        }
    }

    fn show_mark(&mut self, name: &str) {
        let chat = self.chat();
        let shown = chat.room(name).map(|room| Arc::clone(room.name()));
        let mark = chat.mark(self.me(), name);
        let time = mark.map_or_else(|| "*".to_owned(), |at| format!("timestamp={}", IsoTime(at)));
        let server = &self.config().server;
        let line = self.line().from(server, "MARKREAD");
        line.param(shown.as_deref().unwrap_or(name))
            .param(&time)
            .end();
    }

    /// For a client that wants to know: the mark of a room that it has just come into.
    pub(super) fn show_mark_of_joined(&mut self, name: &str) {
        if !self.caps().has(caps::READ_MARKER) {
            return;
        }
        match self.chat().knows_marks(self.me()) {
            true => self.show_mark(name),
            false => self.fetch_marks(),
        }
    }

    /// For a client that wants to know, when it has logged in late: the marks of all its rooms.
    pub(super) fn show_marks(&mut self) {
        if self.caps().has(caps::READ_MARKER) && self.chat().knows_marks(self.me()) {
            for room in self.own_rooms() {
                self.show_mark(&room);
            }
        }
        self.fetch_marks();
    }

    /// Has the marks ready for the rooms that the client will come into. If it is faster than the
    /// archive, it is told of those where it is by then.
    pub(super) fn fetch_marks(&mut self) {
        let wants = self.caps().has(caps::READ_MARKER) && !self.session.fetches_marks;
        if !wants || self.chat().knows_marks(self.me()) {
            return;
        }
        let Some(account) = self.account_folded() else {
            return;
        };
        let query = Query::ReadMarks {
            account: Arc::clone(&account),
        };
        let asked = self.ask_aside(query, move |call, answer| {
            call.session.fetches_marks = false;
            // Without them, clients ask for what they need.
            if call.learn_marks(&account, answer).is_ok() {
                for room in call.own_rooms() {
                    call.show_mark(&room);
                }
            }
        });
        self.session.fetches_marks = asked.is_ok();
    }
}
