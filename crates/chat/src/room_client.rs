//! A program's side of IRC, for a pipe: it joins rooms, sends lines, knows which of them are stored,
//! and hears what others say, each message once over all its connections.
//!
//! It must never touch a socket or a clock, nor count a message as stored of which nobody said so:
//! bytes of lines in, bytes and [`Event`]s out.

mod hearing;
mod sending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::chat::names;
use crate::irc::message::Message;
use crate::irc::write::Line;

/// What is asked for, of what the server offers.
const WANTED: [&str; 8] = [
    "message-tags",
    "server-time",
    "echo-message",
    "labeled-response",
    "batch",
    "account-tag",
    "draft/chathistory",
    "draft/multiline",
];

/// Messages that wait for their receipts; further ones are sent when there is room.
pub const UNDER_WAY_MAX: usize = 16;

/// Names that are tried when the first one is taken.
const NAMES_MAX: u32 = 5;

/// Entries that are asked for at a time.
const PAGE: usize = 100;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All rooms are joined.
    Ready,
    /// Somebody says something in a room, oneself too.
    Said(Said),
    /// A message is stored, under this name if the server gives names.
    Stored(Option<String>),
    /// The server does not take a message, and says why.
    Refused(String),
    /// Nothing can be done here, and another connection would not change that.
    Failed(String),
}

/// A message to a room.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Said {
    /// When, as in `2026-11-24T19:30:00.000Z`; empty if the server does not say.
    pub time: String,
    /// Where.
    pub room: String,
    /// Who.
    pub nick: String,
    /// The account that they are logged in to.
    pub account: Option<String>,
    /// `message`, `action` or `notice`.
    pub kind: &'static str,
    /// What; several lines if it has newlines.
    pub text: String,
    /// The name of the message.
    pub msgid: Option<String>,
}

/// A message on its way.
#[derive(Debug)]
struct Outgoing {
    number: u64,
    room: String,
    text: String,
    /// It went out on an earlier connection, so perhaps it is stored.
    is_doubtful: bool,
}

#[derive(Debug)]
struct Batch {
    kind: String,
    /// The batch that it is within.
    parent: Option<String>,
    /// The number of the message that it answers.
    label: Option<u64>,
    said: Option<Said>,
    lines: usize,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Stage {
    Offline,
    Greeting,
    Joining,
    /// What was missed is being asked for.
    CatchingUp,
    Ready,
}

/// See the [module](self).
#[derive(Debug)]
pub struct RoomClient {
    wanted_nick: String,
    nick: String,
    names_tried: u32,
    rooms: Vec<String>,
    /// Entries of each room that are shown first.
    last: usize,
    stage: Stage,
    offered: BTreeSet<String>,
    has: BTreeSet<String>,
    missing: BTreeSet<String>,
    /// Rooms whose history is being asked for.
    behind: VecDeque<String>,
    /// Entries that the present page has had.
    page: usize,
    /// What was said while history is being asked for, with the messages that it answers. It comes
    /// behind the history, which may have it, too.
    held: Vec<(Said, Option<u64>)>,
    /// What that history has brought so far.
    brought: BTreeSet<String>,
    /// The newest message that was heard in each room.
    seen: BTreeMap<String, String>,
    waiting: VecDeque<Outgoing>,
    under_way: VecDeque<Outgoing>,
    next_number: u64,
    batches: BTreeMap<String, Batch>,
}

impl RoomClient {
    /// One that will be called `nick`, or so, in these rooms, and begins with the `last` entries of
    /// each.
    pub fn new(nick: &str, rooms: Vec<String>, last: usize) -> RoomClient {
        RoomClient {
            wanted_nick: nick.to_owned(),
            nick: nick.to_owned(),
            names_tried: 0,
            rooms,
            last,
            stage: Stage::Offline,
            offered: BTreeSet::new(),
            has: BTreeSet::new(),
            missing: BTreeSet::new(),
            behind: VecDeque::new(),
            page: 0,
            held: Vec::new(),
            brought: BTreeSet::new(),
            seen: BTreeMap::new(),
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            next_number: 1,
            batches: BTreeMap::new(),
        }
    }

    /// What it is called at present.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// Messages that are not known to be stored.
    pub fn unsettled(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// Whether there is room for another message.
    pub fn wants_text(&self) -> bool {
        self.unsettled() < UNDER_WAY_MAX
    }

    /// A connection stands.
    pub fn connected(&mut self, out: &mut Vec<u8>) {
        self.stage = Stage::Greeting;
        self.names_tried = 0;
        self.nick.clone_from(&self.wanted_nick);
        self.offered.clear();
        self.has.clear();
        self.batches.clear();
        Line::new(out).command("CAP").param("LS").param("302").end();
        Line::new(out).command("NICK").param(&self.nick).end();
        let user = Line::new(out).command("USER").param("switchboard");
        user.param("0").param("*").text(&self.wanted_nick);
    }

    /// The connection is gone. What had no receipt is looked for in the history first, if there is
    /// another one.
    pub fn disconnected(&mut self) {
        self.stage = Stage::Offline;
        while let Some(mut outgoing) = self.under_way.pop_back() {
            outgoing.is_doubtful = true;
            self.waiting.push_front(outgoing);
        }
    }

    /// Says something in a room, as soon as that is possible. A text of several lines is one message
    /// where the server can do that.
    pub fn say(&mut self, room: &str, text: &str, out: &mut Vec<u8>) {
        self.waiting.push_back(Outgoing {
            number: self.next_number,
            room: room.to_owned(),
            text: text.to_owned(),
            is_doubtful: false,
        });
        self.next_number += 1;
        self.send_waiting(out);
    }

    fn send_waiting(&mut self, out: &mut Vec<u8>) {
        while self.stage == Stage::Ready
            && self.under_way.len() < UNDER_WAY_MAX
            && let Some(outgoing) = self.waiting.pop_front()
        {
            self.send(&outgoing, out);
            self.under_way.push_back(outgoing);
        }
    }

    fn has(&self, capability: &str) -> bool {
        self.has.contains(capability)
    }

    /// Takes one line of the server, without its newline. What has to be sent is appended to `out`.
    pub fn line(&mut self, line: &[u8], out: &mut Vec<u8>, events: &mut Vec<Event>) {
        let Ok(message) = Message::from_server(line) else {
            return; // nothing that concerns us reads so
        };
        let param = |index| message.params.get(index).unwrap_or_default();
        match message.command.to_ascii_uppercase().as_str() {
            "PING" => {
                Line::new(out).command("PONG").param(param(0)).end();
            }
            "CAP" => self.capability(&message, out),
            "001" => {
                param(0).clone_into(&mut self.nick);
                self.stage = Stage::Joining;
                let rooms = self.rooms.iter().map(|room| names::fold(room).into_owned());
                self.missing = rooms.collect();
                for room in &self.rooms {
                    Line::new(out).command("JOIN").param(room).end();
                }
            }
            "433" | "432" if self.stage == Stage::Greeting => {
                self.another_name(&message, out, events)
            }
            "366" => self.joined(param(1), out, events),
            "403" | "405" | "471" | "473" | "474" | "475" | "476" | "477"
                if self.stage == Stage::Joining =>
            {
                events.push(Event::Failed(format!("{}: {}", param(1), last(&message))));
            }
            "NICK" if names::are_same(nick_of(&message), &self.nick) => {
                param(0).clone_into(&mut self.nick)
            }
            "KICK" if names::are_same(param(1), &self.nick) => {
                let why = format!(
                    "{}: removed by {}: {}",
                    param(0),
                    nick_of(&message),
                    last(&message)
                );
                events.push(Event::Failed(why));
            }
            "PONG" => {
                let number = last(&message).strip_prefix("switchboard-").map(str::parse);
                if let Some(Ok(number)) = number {
                    self.settle(number, Ok(None), out, events);
                }
            }
            "BATCH" => self.batch(&message, out, events),
            "PRIVMSG" | "NOTICE" => self.said(&message, out, events),
            "ERROR" if self.stage == Stage::Greeting => {
                events.push(Event::Failed(last(&message).to_owned()));
            }
            _ => self.refused(&message, out, events),
        }
    }

    fn capability(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        match message.params.get(1) {
            Some("LS") => {
                let names = last(message).split(' ');
                let names = names.map(|it| it.split('=').next().unwrap_or_default());
                let known = names.filter(|it| WANTED.contains(it));
                self.offered.extend(known.map(str::to_owned));
                if message.params.get(2) == Some("*") {
                    return; // more follow
                }
                let wanted = WANTED.into_iter().filter(|it| self.offered.contains(*it));
                let wanted: Vec<&str> = wanted.collect();
                if wanted.is_empty() {
                    Line::new(out).command("CAP").param("END").end();
                } else {
                    let line = Line::new(out).command("CAP").param("REQ");
                    line.text(&wanted.join(" "));
                }
            }
            Some("ACK") => {
                self.has.extend(last(message).split(' ').map(str::to_owned));
                Line::new(out).command("CAP").param("END").end();
            }
            Some("NAK") => {
                Line::new(out).command("CAP").param("END").end();
            }
            _ => {}
        }
    }

    fn another_name(&mut self, message: &Message<'_>, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        self.names_tried += 1;
        if message.command == "432" || self.names_tried >= NAMES_MAX {
            let why = format!(
                "{}: {}; choose another one by --name",
                self.nick,
                last(message)
            );
            return events.push(Event::Failed(why));
        }
        self.nick = format!("{}{}", self.wanted_nick, self.names_tried + 1);
        Line::new(out).command("NICK").param(&self.nick).end();
    }

    fn joined(&mut self, room: &str, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        if self.stage != Stage::Joining || !self.missing.remove(&*names::fold(room)) {
            return;
        }
        if !self.missing.is_empty() {
            return;
        }
        if self.has("draft/chathistory") && self.has("batch") {
            self.behind = self.rooms.iter().cloned().collect();
        }
        self.stage = Stage::CatchingUp;
        self.held.clear();
        self.brought.clear();
        self.catch_up(out, events);
    }

    /// Asks for the next page of what was missed; with nothing left, everything can go out.
    fn catch_up(&mut self, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        self.page = 0;
        while let Some(room) = self.behind.front() {
            let key = names::folded(room);
            if let Some(msgid) = self.seen.get(&*key) {
                let line = Line::new(out)
                    .command("CHATHISTORY")
                    .param("AFTER")
                    .param(room);
                line.param(&format!("msgid={msgid}"))
                    .number(PAGE as u64)
                    .end();
                return;
            }
            let is_looked_for = |it: &Outgoing| it.is_doubtful && names::are_same(&it.room, room);
            let count = match self.waiting.iter().any(is_looked_for) {
                true => PAGE,
                false => self.last,
            };
            if count > 0 {
                let line = Line::new(out)
                    .command("CHATHISTORY")
                    .param("LATEST")
                    .param(room);
                line.param("*").number(count as u64).end();
                return;
            }
            self.behind.pop_front();
        }
        self.stage = Stage::Ready;
        let brought = std::mem::take(&mut self.brought);
        for (said, label) in std::mem::take(&mut self.held) {
            if said
                .msgid
                .as_ref()
                .is_none_or(|msgid| !brought.contains(msgid))
            {
                self.heard(said, label, false, out, events);
            }
        }
        // What was looked for and not found was not stored.
        for outgoing in &mut self.waiting {
            outgoing.is_doubtful = false;
        }
        events.push(Event::Ready);
        self.send_waiting(out);
    }

    fn settle(
        &mut self,
        number: u64,
        outcome: Result<Option<String>, String>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        let Some(at) = self.under_way.iter().position(|it| it.number == number) else {
            return;
        };
        self.under_way.remove(at);
        events.push(match outcome {
            Ok(msgid) => Event::Stored(msgid),
            Err(why) => Event::Refused(why),
        });
        self.send_waiting(out);
    }
}

fn last<'a>(message: &Message<'a>) -> &'a str {
    message.params.last().copied().unwrap_or_default()
}

fn tag(message: &Message<'_>, key: &str) -> Option<String> {
    let value = message.tags.get(key)?;
    Some(value.unescaped().into_owned())
}

fn nick_of<'a>(message: &Message<'a>) -> &'a str {
    let source = message.source.unwrap_or_default();
    source.split('!').next().unwrap_or_default()
}
