//! What is known of the chat: rooms, who is there, what was said, what is on its way.
//!
//! It must never touch a socket or a clock: lines of the server go in by [`Model::line`], lines to it
//! come out by [`Model::take_out`], and somebody calls [`Model::tick`] once a second.

mod commands;
mod hearing;
mod history;
mod numerics;
mod room;
mod sending;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use crate::chat::names;
use crate::irc::write::Line;

pub use commands::Typed;
pub use room::{Kind, Member, Room, Scroll};
pub use sending::{Outgoing, State};
pub use timeline::{ENTRIES_MAX, Entry, Look, Timeline};

use hearing::Batch;

/// What is asked for, of what the server offers.
const WANTED: [&str; 13] = [
    "message-tags",
    "server-time",
    "echo-message",
    "labeled-response",
    "batch",
    "account-tag",
    "away-notify",
    "multi-prefix",
    "standard-replies",
    "draft/chathistory",
    "draft/multiline",
    "draft/read-marker",
    "soju.im/search",
];

/// Windows at a time; what comes from others beyond that is shown in the first one.
pub const ROOMS_MAX: usize = 100;

/// Names that are tried when the first one is taken.
const NAMES_MAX: u32 = 20;

/// The longest text that is kept of one message.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is being made.
    Connecting,
    /// It stands, and the server has not let us in yet.
    Greeting,
    /// One can talk.
    Online,
    /// It is gone, and will be tried again.
    Waiting {
        /// Why.
        why: String,
        /// When.
        seconds: u64,
    },
}

/// What was looked for, and what was found.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The words.
    pub words: String,
    /// What was found, each with its room.
    pub hits: Vec<(String, Entry)>,
    /// The answer is complete.
    pub is_done: bool,
    /// Which part is shown.
    pub scroll: Scroll,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Model {
    /// How the connection is.
    pub connection: Connection,
    /// What we are called.
    pub nick: String,
    /// Whether we have said that we are away.
    pub is_away: bool,
    /// The windows; the first one is the server's.
    pub rooms: Vec<Room>,
    /// The one that is shown.
    pub current: usize,
    /// A search whose results are shown instead.
    pub search: Option<Search>,
    wanted_nick: String,
    names_tried: u32,
    random: u64,
    next_id: u64,
    offered: BTreeSet<String>,
    has: BTreeSet<String>,
    lobby: Option<String>,
    page: usize,
    batches: BTreeMap<String, Batch>,
    /// A room that is to be shown once we are in it.
    wants_to_see: Option<String>,
    /// Seconds until we say again that we are typing.
    typing_rest: u8,
    out: Vec<u8>,
}

impl Model {
    /// A chat of which nothing is known yet.
    pub fn new(nick: &str, random: u64) -> Model {
        Model {
            connection: Connection::Connecting,
            nick: nick.to_owned(),
            is_away: false,
            rooms: vec![Room::new("server", Kind::Server)],
            current: 0,
            search: None,
            wanted_nick: nick.to_owned(),
            names_tried: 0,
            random,
            next_id: 1,
            offered: BTreeSet::new(),
            has: BTreeSet::new(),
            lobby: None,
            page: history::PAGE,
            batches: BTreeMap::new(),
            wants_to_see: None,
            typing_rest: 0,
            out: Vec::new(),
        }
    }

    /// Rooms to go into first, in place of the lobby.
    pub fn want(&mut self, rooms: &[String]) {
        let rooms_first = rooms.iter().map(|name| Room::new(name, Kind::Room));
        self.rooms.extend(rooms_first);
        self.wants_to_see = rooms.first().cloned();
    }

    /// The window that is shown.
    pub fn room(&self) -> &Room {
        &self.rooms[self.current]
    }

    /// What is to be sent to the server.
    pub fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// A connection is being made.
    pub fn connecting(&mut self) {
        self.connection = Connection::Connecting;
    }

    /// A connection stands.
    pub fn connected(&mut self) {
        self.connection = Connection::Greeting;
        self.names_tried = 0;
        self.nick.clone_from(&self.wanted_nick);
        self.offered.clear();
        self.has.clear();
        self.batches.clear();
        self.out.clear();
        self.say(&["CAP", "LS", "302"]);
        let nick = self.wanted_nick.clone();
        self.say(&["NICK", &nick]);
        self.say(&["USER", "switchboard", "0", "*", &nick]);
    }

    /// The connection is gone. What had no receipt is looked for in the history of the next one.
    pub fn disconnected(&mut self, why: &str, seconds: u64) {
        if self.connection == Connection::Online {
            self.tell(0, Look::Error, why);
        }
        self.connection = Connection::Waiting {
            why: why.to_owned(),
            seconds,
        };
        self.out.clear();
        self.batches.clear();
        self.is_away = false;
        for room in &mut self.rooms {
            room.disconnected();
        }
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        if let Connection::Waiting { seconds, .. } = &mut self.connection {
            *seconds = seconds.saturating_sub(1);
        }
        self.typing_rest = self.typing_rest.saturating_sub(1);
        for room in &mut self.rooms {
            room.typing.retain(|_, seconds| {
                *seconds = seconds.saturating_sub(1);
                *seconds > 0
            });
        }
        if self.connection == Connection::Online {
            self.look_again();
            self.flush();
            self.mark_read();
        }
    }

    /// Asks whether the server is still there.
    pub fn ping(&mut self) {
        self.say(&["PING", "there?"]);
    }

    /// Leaves, with a word.
    pub fn quit(&mut self) {
        if matches!(self.connection, Connection::Online | Connection::Greeting) {
            self.say(&["QUIT", "leaving"]);
        }
    }

    /// Messages that are not known to be stored.
    pub fn unsettled(&self) -> usize {
        let pending = self.rooms.iter().flat_map(|room| &room.pending);
        pending
            .filter(|it| !matches!(it.state, State::Failed(_)))
            .count()
    }

    /// Shows the window `number`, counted from 1; 0 is the tenth.
    pub fn show_room(&mut self, number: usize) {
        let index = number.checked_sub(1).unwrap_or(9);
        if index >= self.rooms.len() {
            return;
        }
        self.search = None;
        if index != self.current {
            self.rooms[self.current].timeline.line = None;
            self.current = index;
        }
        let room = &mut self.rooms[index];
        (room.unread, room.mentions) = (0, 0);
        self.mark_read();
    }

    /// Shows the next window, or the one before.
    pub fn step_room(&mut self, step: isize) {
        let count = self.rooms.len() as isize;
        let index = (self.current as isize + step).rem_euclid(count);
        self.show_room(index as usize + 1);
    }

    /// Shows the messages again; whether there was a search to close.
    pub fn close_search(&mut self) -> bool {
        self.search.take().is_some()
    }

    fn has(&self, capability: &str) -> bool {
        self.has.contains(capability)
    }

    /// Says something to the server.
    fn say(&mut self, words: &[&str]) {
        let [command, params @ ..] = words else {
            return;
        };
        let line = Line::new(&mut self.out).command(command);
        line.params(params.iter().copied()).end();
    }

    fn find(&self, name: &str) -> Option<usize> {
        let is_it = |room: &Room| room.kind != Kind::Server && names::are_same(&room.name, name);
        self.rooms.iter().position(is_it)
    }

    /// The window of a room or a person, made if there is none; the server's, if there are too many.
    fn open(&mut self, name: &str) -> usize {
        if let Some(index) = self.find(name) {
            return index;
        }
        if self.rooms.len() >= ROOMS_MAX {
            return 0;
        }
        let kind = if names::is_channel(name) {
            Kind::Room
        } else {
            Kind::Person
        };
        self.rooms.push(Room::new(name, kind));
        self.rooms.len() - 1
    }

    /// Closes a window; the server's stays.
    fn close_room(&mut self, index: usize) {
        if index == 0 {
            return;
        }
        self.rooms.remove(index);
        if self.current >= index {
            self.current -= 1;
            self.show_room(self.current + 1);
        }
    }

    /// A line of our own in a window.
    fn tell(&mut self, index: usize, look: Look, text: &str) {
        for line in text.split('\n') {
            let entry = Entry {
                look,
                text: line.to_owned(),
                ..Entry::default()
            };
            self.rooms[index].add(entry);
        }
    }

    /// The same in the window that is shown.
    fn tell_here(&mut self, look: Look, text: &str) {
        self.tell(self.current, look, text);
    }

    /// Tells the server how far we have read what is shown.
    fn mark_read(&mut self) {
        if !self.has("draft/read-marker") || self.connection != Connection::Online {
            return;
        }
        let room = &mut self.rooms[self.current];
        let newest = room.timeline.newest_time().to_owned();
        if room.kind == Kind::Room && room.is_joined && newest > room.marked {
            room.marked.clone_from(&newest);
            let name = room.name.clone();
            self.say(&["MARKREAD", &name, &format!("timestamp={newest}")]);
        }
    }

    /// What Tab may put in the place of `word`.
    pub fn completions(&self, word: &str, is_first: bool) -> Vec<String> {
        let small = word.to_lowercase();
        if is_first && word.starts_with('/') {
            let all = commands::COMMANDS.iter();
            let fitting = all.filter(|it| it.word.starts_with(small.as_str()));
            return fitting.map(|it| format!("{} ", it.word)).collect();
        }
        if names::is_channel(word) {
            let rooms = self.rooms.iter().filter(|it| it.kind == Kind::Room);
            let fitting = rooms.filter(|it| it.name.to_lowercase().starts_with(&small));
            return fitting.map(|it| format!("{} ", it.name)).collect();
        }
        let end = if is_first { ": " } else { " " };
        let members = self.room().members.values();
        let fitting = members.filter(|it| {
            it.nick.to_lowercase().starts_with(&small) && !names::are_same(&it.nick, &self.nick)
        });
        fitting.map(|it| format!("{}{end}", it.nick)).collect()
    }
}

#[cfg(test)]
#[path = "model/tests.rs"]
mod tests;
