//! What is said in rooms, now and in histories, and what is answered to messages. It must never take
//! one message for two: those of several lines are put together, and each is heard once.

use super::{Batch, Event, Outgoing, PAGE, RoomClient, Said, Stage, last, nick_of, tag};
use crate::chat::names;
use crate::irc::message::Message;

/// What a server may have open at a time.
const BATCHES_MAX: usize = 64;

/// Lines of one message; what a server sends beyond that is left out.
const LINES_MAX: usize = 1000;

/// What may be said while history is asked for; what comes beyond that is told at once.
const HELD_MAX: usize = 10_000;

impl RoomClient {
    pub(super) fn batch(
        &mut self,
        message: &Message<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        let name = message.params.get(0).unwrap_or_default();
        if let Some(name) = name.strip_prefix('+') {
            if self.batches.len() >= BATCHES_MAX {
                return events.push(Event::Failed(
                    "the server opens too many batches".to_owned(),
                ));
            }
            let kind = message.params.get(1).unwrap_or_default();
            let said = (kind == "draft/multiline").then(|| self.heading(message, 2));
            let batch = Batch {
                kind: kind.to_owned(),
                parent: tag(message, "batch"),
                label: tag(message, "label").and_then(|label| label.parse().ok()),
                said,
                lines: 0,
            };
            self.batches.insert(name.to_owned(), batch);
            return;
        }
        let Some(batch) = name
            .strip_prefix('-')
            .and_then(|name| self.batches.remove(name))
        else {
            return;
        };
        if let Some(said) = batch.said {
            let is_history = self.is_history(batch.parent.as_deref());
            self.heard(said, batch.label, is_history, out, events);
        } else if batch.kind == "chathistory" && self.stage == Stage::CatchingUp {
            let is_whole = self.page < PAGE;
            let room = self.behind.front().map(|room| names::folded(room));
            let is_known = room.is_some_and(|room| self.seen.contains_key(&*room));
            if is_whole || !is_known {
                self.behind.pop_front();
            }
            self.catch_up(out, events);
        }
    }

    fn is_history(&self, batch: Option<&str>) -> bool {
        let batch = batch.and_then(|name| self.batches.get(name));
        batch.is_some_and(|batch| batch.kind == "chathistory")
    }

    /// All of a message but its text.
    fn heading(&self, message: &Message<'_>, target: usize) -> Said {
        Said {
            time: tag(message, "time").unwrap_or_default(),
            room: message.params.get(target).unwrap_or_default().to_owned(),
            nick: nick_of(message).to_owned(),
            account: tag(message, "account"),
            kind: if message.is("NOTICE") {
                "notice"
            } else {
                "message"
            },
            text: String::new(),
            msgid: tag(message, "msgid"),
        }
    }

    pub(super) fn said(
        &mut self,
        message: &Message<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        let text = message.params.get(1).unwrap_or_default();
        let batch = tag(message, "batch");
        if let Some(batch) = batch.as_deref().and_then(|name| self.batches.get_mut(name))
            && let Some(said) = &mut batch.said
        {
            let goes_on = message.tags.get("draft/multiline-concat").is_some();
            if batch.lines < LINES_MAX {
                if batch.lines > 0 && !goes_on {
                    said.text.push('\n');
                }
                said.text.push_str(text);
                batch.lines += 1;
            }
            return;
        }
        let label = tag(message, "label").and_then(|label| label.parse().ok());
        let is_history = self.is_history(batch.as_deref());
        let mut said = self.heading(message, 0);
        text.clone_into(&mut said.text);
        self.heard(said, label, is_history, out, events);
    }

    pub(super) fn heard(
        &mut self,
        mut said: Said,
        label: Option<u64>,
        is_history: bool,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        self.page += usize::from(is_history);
        if !self.rooms.iter().any(|it| names::are_same(it, &said.room)) {
            return; // to this program alone, which nobody asked it to show
        }
        if self.stage == Stage::CatchingUp && !is_history && self.held.len() < HELD_MAX {
            self.held.push((said, label));
            return;
        }
        if let Some(msgid) = &said.msgid {
            if is_history {
                self.brought.insert(msgid.clone());
            }
            let room = names::fold(&said.room).into_owned();
            self.seen.insert(room, msgid.clone());
        }
        if is_history && names::are_same(&said.nick, &self.wanted_nick) {
            let is_it = |it: &Outgoing| {
                it.is_doubtful && names::are_same(&it.room, &said.room) && it.text == said.text
            };
            let found = self.waiting.iter().position(is_it);
            if let Some(outgoing) = found.and_then(|at| self.waiting.remove(at)) {
                tracing::debug!("message {} had been stored", outgoing.number);
                events.push(Event::Stored(said.msgid.clone()));
            }
        }
        if let Some(number) = label {
            self.settle(number, Ok(said.msgid.clone()), out, events);
        }
        let action = said.text.strip_prefix("\x01ACTION ");
        if let Some(action) = action.map(|text| text.trim_end_matches('\x01').to_owned()) {
            said.kind = "action";
            said.text = action;
        }
        events.push(Event::Said(said));
    }

    /// An error in answer to a message, whatever it is called.
    pub(super) fn refused(
        &mut self,
        message: &Message<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        let is_error = message.is("FAIL")
            || (message.command.starts_with(['4', '5']) && message.command.len() == 3);
        if !is_error {
            return;
        }
        let label = tag(message, "label").and_then(|label| label.parse().ok());
        if let Some(number) = label {
            self.settle(number, Err(last(message).to_owned()), out, events);
        } else if message.is("FAIL") && message.params.get(0) == Some("CHATHISTORY") {
            self.behind.pop_front();
            self.catch_up(out, events);
        } else if !self.has("labeled-response")
            && let Some(number) = self.under_way.front().map(|it| it.number)
        {
            self.settle(number, Err(last(message).to_owned()), out, events);
        }
    }
}
