//! What the server says, line by line. It must never take one message for two, nor answer anything but
//! what IRC asks to be answered.

use super::history::Past;
use super::sending::ID_TAG;
use super::{Connection, Entry, Kind, Look, Model, TEXT_BYTES_MAX};
use crate::chat::names;
use crate::irc::message::Message;

/// What a server may have open at a time; further batches are left out.
const BATCHES_MAX: usize = 64;

/// Entries of one page; what a server sends beyond that is left out.
const PAGE_ENTRIES_MAX: usize = 1000;

/// Seconds for which somebody is typing, as the specification of `+typing` says.
const TYPING_SECONDS: u8 = 6;

/// Lines that belong together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    kind: String,
    target: String,
    parent: Option<String>,
    label: Option<String>,
    /// A message of several lines, as far as it has come.
    said: Option<Past>,
    lines: usize,
    page: Vec<Past>,
}

impl Batch {
    fn is_page(&self) -> bool {
        matches!(self.kind.as_str(), "chathistory" | "soju.im/search")
    }
}

impl Model {
    /// Takes one line of the server, without its newline.
    pub fn line(&mut self, line: &[u8]) {
        let Ok(message) = Message::from_server(line) else {
            return; // nothing that concerns us reads so
        };
        let param = |index| message.params.get(index).unwrap_or_default();
        let nick = nick_of(&message);
        match message.command.to_ascii_uppercase().as_str() {
            "PING" => self.say(&["PONG", param(0)]),
            "CAP" => self.capability(&message),
            "BATCH" => self.batch(&message),
            "PRIVMSG" | "NOTICE" => self.said(&message),
            "TAGMSG" => self.tagged(&message),
            _ if self.is_in_page(&message) => {}
            "JOIN" => self.joins(&message),
            "PART" => self.parts(param(0), nick, &message),
            "KICK" => self.kicked(&message),
            "QUIT" => self.quits(nick, &message),
            "NICK" => self.renames(nick, param(0), &message),
            "TOPIC" => {
                if let Some(index) = self.find(param(0)) {
                    param(1).clone_into(&mut self.rooms[index].topic);
                    let what = match param(1) {
                        "" => format!("{nick} takes the topic away"),
                        topic => format!("{nick} sets the topic: {topic}"),
                    };
                    self.rooms[index].happened(time_of(&message), what);
                }
            }
            "AWAY" => self.set_away(nick, !param(0).is_empty()),
            "MODE" => self.modes(&message),
            "INVITE" => {
                let text = format!("{nick} invites you to {0}; /join {0}", param(1));
                self.tell_here(Look::Notice, &text);
            }
            "ERROR" => self.tell(0, Look::Error, last(&message)),
            "MARKREAD" | "PONG" | "ACK" => {}
            _ => self.answered(&message),
        }
    }

    fn capability(&mut self, message: &Message<'_>) {
        let name = |it: &str| it.split('=').next().unwrap_or_default().to_owned();
        match message.params.get(1) {
            Some("LS") => {
                let names = last(message).split(' ').map(name);
                let known = names.filter(|it| super::WANTED.contains(&it.as_str()));
                self.offered.extend(known);
                if message.params.get(2) == Some("*") {
                    return; // more follow
                }
                let wanted: Vec<&str> = self.offered.iter().map(String::as_str).collect();
                let wanted = wanted.join(" ");
                match wanted.is_empty() {
                    true => self.say(&["CAP", "END"]),
                    false => self.say(&["CAP", "REQ", &wanted]),
                }
            }
            Some("ACK") => {
                let names = last(message).split(' ');
                let known = names.filter(|it| super::WANTED.contains(it));
                self.has.extend(known.map(str::to_owned));
                self.say(&["CAP", "END"]);
            }
            Some("NAK") => self.say(&["CAP", "END"]),
            Some("DEL") => {
                for name in last(message).split(' ') {
                    self.has.remove(name);
                }
            }
            _ => {}
        }
    }

    fn batch(&mut self, message: &Message<'_>) {
        let name = message.params.get(0).unwrap_or_default();
        if let Some(name) = name.strip_prefix('+') {
            if self.batches.len() >= BATCHES_MAX {
                return;
            }
            let kind = message.params.get(1).unwrap_or_default();
            let target = message.params.get(2).unwrap_or_default();
            let batch = Batch {
                kind: kind.to_owned(),
                target: target.to_owned(),
                parent: tag(message, "batch"),
                label: tag(message, "label"),
                said: (kind == "draft/multiline").then(|| self.heading(message, target)),
                ..Batch::default()
            };
            self.batches.insert(name.to_owned(), batch);
            return;
        }
        let batch = name.strip_prefix('-').map(|name| self.batches.remove(name));
        let Some(batch) = batch.flatten() else {
            return;
        };
        if let Some(said) = batch.said {
            self.heard(said, batch.label.as_deref(), batch.parent.as_deref());
        } else if batch.kind == "chathistory" {
            self.page_came(&batch.target, batch.page);
        } else if batch.kind == "soju.im/search" {
            self.found(batch.page);
        }
    }

    fn is_in_page(&self, message: &Message<'_>) -> bool {
        let batch = tag(message, "batch").and_then(|name| self.batches.get(&name));
        batch.is_some_and(Batch::is_page)
    }

    /// All of a message but its text.
    fn heading(&self, message: &Message<'_>, target: &str) -> Past {
        Past {
            target: target.to_owned(),
            own_id: tag(message, ID_TAG),
            entry: Entry {
                time: time_of(message),
                nick: nick_of(message).to_owned(),
                look: match message.is("NOTICE") {
                    true => Look::Notice,
                    false => Look::Message,
                },
                msgid: tag(message, "msgid"),
                ..Entry::default()
            },
        }
    }

    fn said(&mut self, message: &Message<'_>) {
        let text = message.params.get(1).unwrap_or_default();
        let name = tag(message, "batch");
        let batch = name.as_deref().and_then(|name| self.batches.get_mut(name));
        if let Some(batch) = batch
            && let Some(said) = &mut batch.said
        {
            let goes_on = message.tags.get("draft/multiline-concat").is_some();
            if said.entry.text.len() + text.len() < TEXT_BYTES_MAX {
                if batch.lines > 0 && !goes_on {
                    said.entry.text.push('\n');
                }
                said.entry.text.push_str(text);
            }
            batch.lines += 1;
            return;
        }
        let target = message.params.get(0).unwrap_or_default();
        let mut said = self.heading(message, target);
        text.clone_into(&mut said.entry.text);
        let label = tag(message, "label");
        self.heard(said, label.as_deref(), name.as_deref());
    }

    /// A message is complete: it goes into its page, or is news.
    fn heard(&mut self, mut said: Past, label: Option<&str>, batch: Option<&str>) {
        let entry = &mut said.entry;
        if let Some(action) = entry.text.strip_prefix("\x01ACTION ") {
            entry.look = Look::Action;
            entry.text = action.trim_end_matches('\x01').to_owned();
        }
        let is_own = names::are_same(&entry.nick, &self.nick);
        entry.is_mention = !is_own && mentions(&entry.text, &self.nick);
        let page = batch.and_then(|name| self.batches.get_mut(name));
        if let Some(page) = page.filter(|batch| batch.is_page()) {
            if page.page.len() < PAGE_ENTRIES_MAX {
                page.page.push(said);
            }
            return;
        }
        let index = self.window_of(&said, is_own);
        if is_own {
            self.settle(index, &said.entry.nick, label, said.own_id.as_deref());
        }
        let is_shown = index == self.current;
        let room = &mut self.rooms[index];
        room.typing.remove(&said.entry.nick);
        let is_mention = said.entry.is_mention;
        let msgid = said.entry.msgid.clone();
        if !room.add(said.entry) {
            return;
        }
        if room.is_caught_up && msgid.is_some() {
            room.synced = msgid;
        }
        if !is_shown && !is_own && room.kind != Kind::Server {
            room.count_unread(is_mention);
        }
    }

    fn window_of(&mut self, said: &Past, is_own: bool) -> usize {
        let target = said.target.trim_start_matches(['@', '+', '%', '&', '~']);
        let is_room = names::is_channel(target);
        let is_server = said.entry.nick.is_empty() || said.entry.nick.contains('.');
        match () {
            () if is_room => self.open(target),
            () if is_server => 0,
            () if is_own => self.open(&said.target),
            () => self.open(&said.entry.nick),
        }
    }

    fn tagged(&mut self, message: &Message<'_>) {
        let nick = nick_of(message);
        let target = message.params.get(0).unwrap_or_default();
        let place = match names::is_channel(target) {
            true => target,
            false => nick,
        };
        let (Some(index), Some(typing)) = (self.find(place), tag(message, "+typing")) else {
            return;
        };
        if !names::are_same(nick, &self.nick) {
            let seconds = match typing.as_str() {
                "active" => TYPING_SECONDS,
                _ => 0,
            };
            self.rooms[index].types(nick, seconds);
        }
    }

    fn joins(&mut self, message: &Message<'_>) {
        let name = message.params.get(0).unwrap_or_default();
        let nick = nick_of(message);
        if !names::are_same(nick, &self.nick) {
            if let Some(index) = self.find(name) {
                self.rooms[index].enter(nick);
                self.rooms[index].happened(time_of(message), format!("{nick} comes in"));
            }
            return;
        }
        let index = self.open(name);
        if index == 0 {
            return self.say(&["PART", name]); // there are too many
        }
        let room = &mut self.rooms[index];
        name.clone_into(&mut room.name);
        (room.is_joined, room.is_wanted) = (true, true);
        let wants = self.wants_to_see.as_deref();
        if wants.is_some_and(|wanted| names::are_same(wanted, name)) {
            self.wants_to_see = None;
            self.show_room(index + 1);
        }
    }

    fn parts(&mut self, name: &str, nick: &str, message: &Message<'_>) {
        let Some(index) = self.find(name) else {
            return;
        };
        if names::are_same(nick, &self.nick) {
            let room = &mut self.rooms[index];
            (room.is_joined, room.is_wanted) = (false, false);
            room.members.clear();
            return self.close_room(index);
        }
        self.goes(index, nick, message, 1);
    }

    fn goes(&mut self, index: usize, nick: &str, message: &Message<'_>, why: usize) {
        if self.rooms[index].leave(nick).is_some() {
            let why = message.params.get(why).filter(|why| !why.is_empty());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            self.rooms[index].happened(time_of(message), format!("{nick} leaves{why}"));
        }
    }

    fn kicked(&mut self, message: &Message<'_>) {
        let param = |index| message.params.get(index).unwrap_or_default();
        let Some(index) = self.find(param(0)) else {
            return;
        };
        let by = nick_of(message);
        let what = format!("{by} puts {} out: {}", param(1), param(2));
        let is_me = names::are_same(param(1), &self.nick);
        let room = &mut self.rooms[index];
        room.leave(param(1));
        room.happened(time_of(message), what);
        if is_me {
            (room.is_joined, room.is_wanted) = (false, false);
            room.members.clear();
        }
    }

    fn quits(&mut self, nick: &str, message: &Message<'_>) {
        for index in 0..self.rooms.len() {
            self.goes(index, nick, message, 0);
        }
        // Our own name was held by the connection that was lost.
        let is_ours = names::are_same(nick, &self.wanted_nick);
        if is_ours && !names::are_same(nick, &self.nick) {
            let nick = self.wanted_nick.clone();
            self.say(&["NICK", &nick]);
        }
    }

    fn renames(&mut self, old: &str, new: &str, message: &Message<'_>) {
        let is_me = names::are_same(old, &self.nick);
        if is_me {
            new.clone_into(&mut self.nick);
            if self.connection == Connection::Online {
                new.clone_into(&mut self.wanted_nick);
            }
        }
        for room in &mut self.rooms {
            if let Some(member) = room.leave(old) {
                room.enter(&format!("{}{new}", member.signs));
                let what = match is_me {
                    true => format!("you are called {new} now"),
                    false => format!("{old} is called {new} now"),
                };
                room.happened(time_of(message), what);
            } else if room.kind == Kind::Person && names::are_same(&room.name, old) {
                new.clone_into(&mut room.name);
            }
        }
    }

    pub(super) fn set_away(&mut self, nick: &str, is_away: bool) {
        let key = names::fold(nick);
        for room in &mut self.rooms {
            if let Some(member) = room.members.get_mut(&*key) {
                member.is_away = is_away;
            }
        }
    }

    /// Roles may have changed; the server knows best what they are now.
    fn modes(&mut self, message: &Message<'_>) {
        let name = message.params.get(0).unwrap_or_default();
        let Some(index) = self.find(name) else {
            return;
        };
        let words = message
            .params
            .as_slice()
            .get(1..)
            .unwrap_or_default()
            .join(" ");
        let what = format!("{} sets the mode {words}", nick_of(message));
        self.rooms[index].happened(time_of(message), what);
        let changes = message.params.get(1).unwrap_or_default();
        if changes.contains(['q', 'a', 'o', 'h', 'v']) {
            self.say(&["NAMES", name]);
        }
    }
}

pub(super) fn last<'a>(message: &Message<'a>) -> &'a str {
    message.params.last().copied().unwrap_or_default()
}

pub(super) fn tag(message: &Message<'_>, key: &str) -> Option<String> {
    let value = message.tags.get(key)?;
    Some(value.unescaped().into_owned())
}

fn time_of(message: &Message<'_>) -> String {
    tag(message, "time").unwrap_or_default()
}

pub(super) fn nick_of<'a>(message: &Message<'a>) -> &'a str {
    let source = message.source.unwrap_or_default();
    source.split('!').next().unwrap_or_default()
}

/// Whether `text` has `nick` as a word.
fn mentions(text: &str, nick: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '[' | ']' | '|' | '^');
    let mut words = text.split(|c: char| !is_part(c));
    words.any(|word| names::are_same(word, nick))
}
