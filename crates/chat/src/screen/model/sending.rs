//! What we say, until it is stored: sent once, or visibly not.
//!
//! It must never send a message again that may have arrived, before the history has said that it did
//! not.

use super::{Connection, Entry, Kind, Look, Model, Room, TEXT_BYTES_MAX};
use crate::chat::names;
use crate::irc::pieces::{TEXT_BYTES, pieces, tagged};
use crate::irc::write::{Line, cut};

/// Messages of one window that are on their way or wait for a connection.
pub const PENDING_MAX: usize = 64;

/// The tag by which we know our own messages in the history.
pub(super) const ID_TAG: &str = "+switchboard/id";

/// Seconds between two words that we are typing.
const TYPING_EVERY: u8 = 3;

/// How far a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits for a connection.
    Queued,
    /// It was sent.
    Sending,
    /// It was sent, and then the connection was lost.
    Unsure,
    /// The server did not take it, and said why.
    Failed(String),
}

/// A message of ours that is not known to be stored.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its number.
    pub(super) id: u64,
    /// What.
    pub text: String,
    /// `/me`.
    pub look: Look,
    /// How far it is.
    pub state: State,
    /// What we were called when it was sent.
    pub(super) nick: String,
}

impl Model {
    /// Says something in a window; whether there was room for it.
    pub(super) fn post(&mut self, index: usize, text: &str, look: Look) -> bool {
        let id = self.next_id;
        let room = &mut self.rooms[index];
        if room.pending.len() >= PENDING_MAX || text.len() > TEXT_BYTES_MAX {
            return false;
        }
        room.pending.push_back(Outgoing {
            id,
            text: text.to_owned(),
            look,
            state: State::Queued,
            nick: self.nick.clone(),
        });
        room.scroll = Default::default();
        room.timeline.line = None;
        self.next_id += 1;
        self.typing_rest = 0;
        self.flush_room(index);
        true
    }

    /// Sends what waits, wherever that is possible.
    pub(super) fn flush(&mut self) {
        for index in 0..self.rooms.len() {
            self.flush_room(index);
        }
    }

    pub(super) fn flush_room(&mut self, index: usize) {
        let room = &self.rooms[index];
        let can_send = match room.kind {
            Kind::Server => false,
            Kind::Room => room.is_joined && room.is_caught_up,
            Kind::Person => true,
        };
        if self.connection != Connection::Online || !can_send {
            return;
        }
        for at in 0..self.rooms[index].pending.len() {
            if self.rooms[index].pending[at].state == State::Queued {
                self.rooms[index].pending[at].state = State::Sending;
                self.rooms[index].pending[at].nick.clone_from(&self.nick);
                let outgoing = self.rooms[index].pending[at].clone();
                self.send(index, &outgoing);
            }
        }
        if !self.has("echo-message") {
            self.believe(index);
        }
    }

    /// Of a server that sends no receipts one can only believe the best.
    fn believe(&mut self, index: usize) {
        let room = &mut self.rooms[index];
        while let Some(at) = room
            .pending
            .iter()
            .position(|it| it.state == State::Sending)
        {
            if let Some(sent) = room.pending.remove(at) {
                room.add(Entry {
                    nick: sent.nick,
                    text: sent.text,
                    look: sent.look,
                    ..Entry::default()
                });
            }
        }
    }

    fn send(&mut self, index: usize, outgoing: &Outgoing) {
        let target = self.rooms[index].name.clone();
        let own_id = self.own_id(outgoing.id);
        let label = outgoing.id.to_string();
        let label = self.has("labeled-response").then_some(label);
        let own_id = self.has("message-tags").then_some(own_id);
        let tags = [("label", label.as_deref()), (ID_TAG, own_id.as_deref())];
        if outgoing.look == Look::Action {
            let text = format!("\x01ACTION {}\x01", cut(&outgoing.text, TEXT_BYTES));
            let line = tagged(&mut self.out, tags).command("PRIVMSG");
            line.param(&target).text(&text);
            return;
        }
        let pieces = pieces(&outgoing.text);
        if let [(text, _)] = &pieces[..] {
            let line = tagged(&mut self.out, tags).command("PRIVMSG");
            line.param(&target).text(text);
        } else if self.has("draft/multiline") && self.has("batch") {
            let name = format!("m{}", outgoing.id);
            let line = tagged(&mut self.out, tags).command("BATCH");
            let line = line.param(&format!("+{name}")).param("draft/multiline");
            line.param(&target).end();
            for (text, goes_on) in pieces {
                let concat = goes_on.then_some("");
                let tags = [("batch", Some(&*name)), ("draft/multiline-concat", concat)];
                let line = tagged(&mut self.out, tags).command("PRIVMSG");
                line.param(&target).text(text);
            }
            self.say(&["BATCH", &format!("-{name}")]);
        } else {
            for (text, _) in pieces {
                let line = Line::new(&mut self.out).command("PRIVMSG");
                line.param(&target).text(text);
            }
        }
    }

    pub(super) fn own_id(&self, id: u64) -> String {
        format!("{:x}-{id}", self.random)
    }

    /// A message of ours is stored: it is on its way no longer. Others can see and repeat our tags, so
    /// the name counts, too.
    pub(super) fn settle(
        &mut self,
        index: usize,
        nick: &str,
        label: Option<&str>,
        own_id: Option<&str>,
    ) {
        let number = label.and_then(|label| label.parse::<u64>().ok());
        let prefix = format!("{:x}-", self.random);
        let tagged = own_id.and_then(|it| it.strip_prefix(&prefix)?.parse::<u64>().ok());
        let pending = &mut self.rooms[index].pending;
        let is_it = |it: &Outgoing| {
            let is_named =
                tagged == Some(it.id) || (number == Some(it.id) && it.state == State::Sending);
            is_named && names::are_same(&it.nick, nick)
        };
        if let Some(at) = pending.iter().position(is_it) {
            pending.remove(at);
        }
    }

    /// A message of ours in the history that has no tag: it may be one that we are not sure of.
    pub(super) fn recognise(&mut self, index: usize, entry: &Entry) {
        let pending = &mut self.rooms[index].pending;
        let is_it = |it: &Outgoing| {
            it.state == State::Unsure
                && it.text == entry.text
                && it.look == entry.look
                && names::are_same(&it.nick, &entry.nick)
        };
        if let Some(at) = pending.iter().position(is_it) {
            pending.remove(at);
        }
    }

    /// The server does not take the message with this label; whether there is one. What will pass is
    /// tried again at the next tick.
    pub(super) fn refuse(&mut self, label: &str, code: &str, why: &str) -> bool {
        let Ok(id) = label.parse::<u64>() else {
            return false;
        };
        let pending = self.rooms.iter_mut().flat_map(|room| &mut room.pending);
        let mut pending = pending.filter(|it| it.id == id && it.state == State::Sending);
        let Some(outgoing) = pending.next() else {
            return false;
        };
        outgoing.state = match code {
            "RATE_LIMITED" | "TEMPORARILY_UNAVAILABLE" => State::Queued,
            _ => State::Failed(why.to_owned()),
        };
        true
    }

    /// The history was read up to now: what is not in it did not arrive.
    pub(super) fn resolve(&mut self, index: usize, is_known: bool) {
        for outgoing in &mut self.rooms[index].pending {
            if outgoing.state == State::Unsure {
                outgoing.state = match is_known {
                    true => State::Queued,
                    false => State::Failed(
                        "the connection was lost: it may have arrived, or not".to_owned(),
                    ),
                };
            }
        }
        self.flush_room(index);
    }

    /// What failed, once more; or not at all.
    pub(super) fn retry(&mut self, again: bool) {
        let room = &mut self.rooms[self.current];
        let is_failed = |it: &Outgoing| matches!(it.state, State::Failed(_));
        if again {
            let failed = room.pending.iter_mut().filter(|it| is_failed(it));
            failed.for_each(|it| it.state = State::Queued);
        } else {
            room.pending.retain(|it| !is_failed(it));
        }
        self.flush_room(self.current);
    }

    /// The line has changed: others see that something is being typed, but no commands.
    pub fn is_typing(&mut self, text: &str) {
        let room = self.room();
        let can = room.kind == Kind::Person || (room.kind == Kind::Room && room.is_joined);
        let is_text = !text.is_empty() && !text.starts_with('/');
        if !can || !is_text || self.typing_rest > 0 || self.connection != Connection::Online {
            return;
        }
        if self.has("message-tags") {
            let name = room.name.clone();
            self.typing_rest = TYPING_EVERY;
            let line = Line::new(&mut self.out).tag("+typing", "active");
            line.command("TAGMSG").param(&name).end();
        }
    }
}

impl Room {
    /// Messages that the server did not take.
    pub fn failed(&self) -> usize {
        let is_failed = |it: &&Outgoing| matches!(it.state, State::Failed(_));
        self.pending.iter().filter(is_failed).count()
    }
}
