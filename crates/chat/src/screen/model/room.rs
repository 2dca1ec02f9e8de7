//! One window: a room, a person, or the server. It must never talk to the server itself.

use std::collections::{BTreeMap, VecDeque};

use super::sending::{Outgoing, State};
use super::timeline::{Entry, Look, Timeline};
use crate::chat::names;

/// Members of one room that are known by name.
pub(super) const MEMBERS_MAX: usize = 10_000;

/// People of whom it is shown that they are typing.
const TYPING_MAX: usize = 20;

/// What a window is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the server says.
    Server,
    /// A room.
    Room,
    /// One other person.
    Person,
}

/// Which part is shown: so many of the newest entries are below the screen, and so many rows of the
/// next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scroll {
    /// Whole entries.
    pub entries: usize,
    /// Rows of the entry before them.
    pub rows: usize,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// The name.
    pub nick: String,
    /// The signs of their roles, as in `@`.
    pub signs: String,
    /// They have said that they are away.
    pub is_away: bool,
}

/// A question about the history that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The newest.
    Latest,
    /// What was missed; so many pages of it have come.
    After(usize),
    /// Older ones.
    Before,
}

/// A window of the client: a room, a person, or the server itself.
#[derive(Debug)]
pub struct Room {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What it is about.
    pub topic: String,
    /// Who is there, by folded name.
    pub members: BTreeMap<String, Member>,
    /// What was said.
    pub timeline: Timeline,
    /// What we say, and is not known to be stored.
    pub pending: VecDeque<Outgoing>,
    /// Messages that were not seen.
    pub unread: usize,
    /// Those of them that speak of us.
    pub mentions: usize,
    /// Who is typing, and for how many seconds more.
    pub typing: BTreeMap<String, u8>,
    /// Which part is shown.
    pub scroll: Scroll,
    /// We are in it.
    pub is_joined: bool,
    /// We want to be in it, also after the next connection.
    pub is_wanted: bool,
    /// Nothing is older than what is here.
    pub is_whole: bool,
    /// The timeline has no hole up to now.
    pub(super) is_caught_up: bool,
    /// The newest message up to which the timeline has no hole.
    pub(super) synced: Option<String>,
    pub(super) asked: Option<Asked>,
    /// Seconds until the history is read again; 0: it is being read.
    pub(super) second_look: Option<u8>,
    /// How far we have told the server that we have read.
    pub(super) marked: String,
    /// The members are being listed.
    pub(super) is_listing: bool,
}

impl Room {
    /// An empty one.
    pub fn new(name: &str, kind: Kind) -> Room {
        Room {
            name: name.to_owned(),
            kind,
            topic: String::new(),
            members: BTreeMap::new(),
            timeline: Timeline::default(),
            pending: VecDeque::new(),
            unread: 0,
            mentions: 0,
            typing: BTreeMap::new(),
            scroll: Scroll::default(),
            is_joined: false,
            is_wanted: kind == Kind::Room,
            is_whole: kind != Kind::Room,
            is_caught_up: kind != Kind::Room,
            synced: None,
            asked: None,
            second_look: None,
            marked: String::new(),
            is_listing: false,
        }
    }

    /// Whether an answer about the history is awaited.
    pub fn is_loading(&self) -> bool {
        self.asked.is_some()
    }

    /// Puts an entry in its place; whether it is a new one.
    pub(super) fn add(&mut self, entry: Entry) -> bool {
        let Some(behind) = self.timeline.insert(entry) else {
            return false;
        };
        // Whoever reads older messages goes on reading them.
        let is_scrolled = self.scroll != Scroll::default();
        let below = self.scroll.entries.saturating_sub(self.pending.len());
        if is_scrolled && behind <= below {
            self.scroll.entries += 1;
        }
        true
    }

    pub(super) fn disconnected(&mut self) {
        if self.kind == Kind::Room {
            self.is_caught_up = false;
        }
        self.is_joined = false;
        self.asked = None;
        self.second_look = None;
        self.is_listing = false;
        self.typing.clear();
        for outgoing in &mut self.pending {
            if outgoing.state == State::Sending {
                outgoing.state = State::Unsure;
            }
        }
    }

    /// One of the members, `@` and the like before the name; there may be too many.
    pub(super) fn enter(&mut self, signed: &str) {
        let nick = signed.trim_start_matches(['~', '&', '@', '%', '+', '!']);
        let key = names::fold(nick).into_owned();
        if self.members.len() >= MEMBERS_MAX && !self.members.contains_key(&key) {
            return;
        }
        let member = self.members.entry(key).or_default();
        nick.clone_into(&mut member.nick);
        signed[..signed.len() - nick.len()].clone_into(&mut member.signs);
    }

    pub(super) fn leave(&mut self, nick: &str) -> Option<Member> {
        self.typing.remove(nick);
        self.members.remove(&*names::fold(nick))
    }

    pub(super) fn types(&mut self, nick: &str, seconds: u8) {
        if seconds == 0 {
            self.typing.remove(nick);
        } else if self.typing.len() < TYPING_MAX {
            self.typing.insert(nick.to_owned(), seconds);
        }
    }

    /// Something new that is not being looked at.
    pub(super) fn count_unread(&mut self, is_mention: bool) {
        self.unread += 1;
        self.mentions += usize::from(is_mention || self.kind == Kind::Person);
        self.timeline.line.get_or_insert(1);
    }

    /// A sentence about what happened here.
    pub(super) fn happened(&mut self, time: String, text: String) {
        self.add(Entry {
            time,
            text,
            look: Look::Info,
            ..Entry::default()
        });
    }
}
