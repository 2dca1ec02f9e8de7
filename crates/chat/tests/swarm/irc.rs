//! An IRC client: what it does by chance, and what it must be told. It must never ask for what the
//! server may not do.

use std::collections::{BTreeMap, BTreeSet};

use switchboard::{Close, Context, Handler, Result, Time, TimerId};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::irc::message::Message;

use crate::book::{Fate, Heard, Phase, ROOMS};
use crate::carrier::Carrier;
use crate::text::Id;
use crate::town::{self, Speech, Town};
use crate::witness::DATABASE;

const CAPS: &str = "batch draft/chathistory draft/message-redaction echo-message extended-join \
                    labeled-response message-tags multi-prefix server-time standard-replies";

/// A part of a history that was asked for.
#[derive(Debug, Clone)]
struct Page {
    room: String,
    join: u32,
    after: Option<u64>,
    places: Vec<u64>,
}

/// In a question whether the server is there, when all is well.
const SETTLED: &str = "settled";

pub struct Irc {
    me: usize,
    speech: Speech,
    carrier: Carrier,
    nick: String,
    /// And what it was called before: what is stored meanwhile was for that one.
    nicks: BTreeSet<String>,
    /// It has been let in.
    is_in: bool,
    heard: Time,
    /// What is not answered, by its label.
    waiting: BTreeMap<u32, Id>,
    labels: u32,
    joins: u32,
    /// What is asked of histories, by the label.
    asked: BTreeMap<u32, Page>,
    /// The page that is coming, and the name of its batch.
    page: Option<(String, Page)>,
    /// Direct messages.
    told: BTreeSet<u64>,
    ended: bool,
    /// The connection was there when all was well.
    checked: bool,
}

impl Irc {
    pub fn new(me: usize, speech: Speech) -> Irc {
        Irc {
            me,
            speech,
            carrier: match speech {
                Speech::WebSocket => Carrier::WebSocket { open: false },
                _ => Carrier::Stream,
            },
            nick: format!("p{me}"),
            nicks: BTreeSet::new(),
            is_in: false,
            heard: Time::ZERO,
            waiting: BTreeMap::new(),
            labels: 0,
            joins: 0,
            asked: BTreeMap::new(),
            page: None,
            told: BTreeSet::new(),
            ended: false,
            checked: false,
        }
    }

    fn has_caps(&self) -> bool {
        self.speech != Speech::OldIrc
    }

    fn act(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        if town::is_lost(cx, self.heard) {
            cx.abort();
            return Ok(());
        }
        let phase = town.book.phase.get();
        cx.resume_reading();
        if self.ended || !self.is_in {
            if phase == Phase::Leaving {
                cx.abort();
            }
            return Ok(());
        }
        match phase {
            Phase::Talking => self.do_something(town, cx)?,
            Phase::Silent => {}
            Phase::Settling => self.settle(town, cx)?,
            Phase::Leaving => self.leave(cx)?,
        }
        self.look(town);
        Ok(())
    }

    fn do_something(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        let room = ROOMS[town::draw(cx, 3) as usize];
        let somebody = self.somebody(town, cx);
        let line = match town::draw(cx, 25) {
            0..9 => return self.say(room, town, cx),
            9 => {
                let several = 0..town::draw(cx, 8);
                return several
                    .into_iter()
                    .try_for_each(|_| self.say(room, town, cx));
            }
            10 | 11 => return self.say(&somebody, town, cx),
            12..15 => format!("JOIN {room}"),
            15 => format!("PART {room} :for now"),
            16 => format!("NICK p{}x{}", self.me, town::draw(cx, 4)),
            17 => format!("TOPIC {room} :{}", town::draw(cx, 100)),
            18 => {
                let modes = ["+m", "-m", "+n", "-n", "+t", "-t"];
                format!("MODE {room} {}", modes[town::draw(cx, 6) as usize])
            }
            19 => {
                let modes = ["+v", "-v", "+o"];
                format!(
                    "MODE {room} {} {somebody}",
                    modes[town::draw(cx, 3) as usize]
                )
            }
            20 if town::draw(cx, 3) == 0 => format!("KICK {room} {somebody} :out"),
            21 => match self.receipted(town, cx) {
                Some(place) if self.has_caps() => format!("REDACT {room} {place} :no"),
                _ => return Ok(()),
            },
            22 if town::draw(cx, 3) == 0 => return self.leave(cx),
            23 if town::draw(cx, 4) == 0 => {
                cx.pause_reading(); // up to the next thing that it does
                return Ok(());
            }
            _ => format!("PING {}", self.me),
        };
        self.carrier.send(&(line + "\r\n"), cx)
    }

    /// Somebody who may be there.
    fn somebody(&self, town: &Town, cx: &mut Context<'_, Town>) -> String {
        let people = &town.book.pages.borrow().people;
        let person = town::draw(cx, people.len() as u64) as usize;
        match people[person].nick.is_empty() {
            true => format!("p{person}"),
            false => people[person].nick.clone(),
        }
    }

    /// A message of somebody's that was receipted.
    fn receipted(&self, town: &Town, cx: &mut Context<'_, Town>) -> Option<Msgid> {
        let pages = town.book.pages.borrow();
        let places = pages.fates.values().filter_map(|fate| match fate {
            Fate::Receipted(place) => Some(*place),
            _ => None,
        });
        let places: Vec<u64> = places.collect();
        let index = town::draw(cx, places.len().max(1) as u64);
        let sequence = *places.get(index as usize)?;
        Some(msgid(sequence))
    }

    fn say(&mut self, to: &str, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        let Some(id) = town.book.say(self.me) else {
            return Ok(());
        };
        let text = id.text();
        if self.has_caps() {
            self.labels += 1;
            self.waiting.insert(self.labels, id);
            let line = format!("@label={} PRIVMSG {to} :{text}\r\n", self.labels);
            self.carrier.send(&line, cx)
        } else {
            let line = format!("PRIVMSG {to} :{text}\r\n");
            self.carrier.send(&line, cx)
        }
    }

    /// Into all rooms, and all said.
    fn settle(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        let rooms = town.book.with(self.me, |it| it.rooms.clone());
        for room in ROOMS {
            match rooms.get(room) {
                None => self.carrier.send(&format!("JOIN {room}\r\n"), cx)?,
                Some(heard) if !heard.caught_up && self.has_caps() => {
                    let coming = self.page.iter().map(|(_, page)| page);
                    let mut asked = self.asked.values().chain(coming);
                    if !asked.any(|page| page.room == room) {
                        self.ask(room, town, cx)?;
                    }
                }
                Some(_) => {}
            }
        }
        if rooms.len() == ROOMS.len() {
            let room = ROOMS[town::draw(cx, 3) as usize];
            self.say(room, town, cx)?;
        }
        let ping = format!("PING {SETTLED}\r\n");
        self.carrier.send(&ping, cx)
    }

    /// What was said in a room after the last message that is known.
    fn ask(&mut self, room: &str, town: &Town, cx: &mut Context<'_, Town>) -> Result {
        let after = town.book.last_known(self.me, room);
        let limit = town::draw(cx, 30) + 1;
        let what = match after.map(msgid) {
            Some(msgid) => format!("AFTER {room} msgid={msgid}"),
            None => format!("AFTER {room} timestamp=2000-01-01T00:00:00.000Z"),
        };
        self.labels += 1;
        let join = town
            .book
            .with(self.me, |it| Some(it.rooms.get(room)?.number));
        let page = Page {
            room: room.to_owned(),
            join: join.unwrap_or_default(),
            after,
            places: Vec::new(),
        };
        self.asked.insert(self.labels, page);
        let line = format!("@label={} CHATHISTORY {what} {limit}\r\n", self.labels);
        self.carrier.send(&line, cx)
    }

    fn batch(&mut self, message: &Message<'_>, town: &Town, cx: &mut Context<'_, Town>) -> Result {
        let name = message.params[0];
        if let Some(begun) = name.strip_prefix('+') {
            if let Some(label) = message.tags.get("label") {
                let label = label.unescaped().parse().expect("only numbers are labels");
                let page = self.asked.remove(&label);
                assert!(page.is_some(), "a batch for {label}");
                self.page = page.map(|page| (begun.to_owned(), page));
            }
            return Ok(());
        }
        let is_it = |page: &mut (String, Page)| name.strip_prefix('-') == Some(&page.0);
        if let Some((_, page)) = self.page.take_if(is_it) {
            let is_in = town
                .book
                .with(self.me, |it| it.rooms.contains_key(&page.room));
            let join = (&*page.room, page.join);
            let is_end = town.book.read(self.me, join, page.after, &page.places);
            if !is_end && is_in {
                self.ask(&page.room, town, cx)?;
            }
        }
        Ok(())
    }

    fn leave(&mut self, cx: &mut Context<'_, Town>) -> Result {
        self.ended = true;
        match town::draw(cx, 2) {
            0 => self.carrier.send("QUIT :enough\r\n", cx),
            _ => town::go(cx),
        }
    }

    fn look(&self, town: &Town) {
        let content = self.checked && self.waiting.is_empty();
        town.book.with(self.me, |it| {
            let is_caught_up = !self.has_caps() || it.rooms.values().all(|it| it.caught_up);
            let all = it.said >= it.quota && it.rooms.len() == ROOMS.len() && is_caught_up;
            it.content = content && all;
        });
    }

    fn hear(&mut self, line: &[u8], town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        if !self.is_in && line.starts_with(b"Error: ") {
            return Ok(()); // to whom the server is full, before it knows what is spoken
        }
        let message = match Message::from_server(line) {
            Ok(message) => message,
            Err(error) => panic!("{error}: {}", line.escape_ascii()),
        };
        let param = |index| message.params.get(index).unwrap_or("");
        let source = message.source.unwrap_or("");
        let by = source.split('!').next().unwrap_or("");
        let is_own = self.is_in && by == self.nick;
        match message.command {
            "001" => {
                self.is_in = true;
                self.call_myself(param(0), town);
                let rooms = ROOMS.iter().filter(|_| cx.random().is_multiple_of(2));
                for room in rooms.copied().collect::<Vec<_>>() {
                    self.carrier.send(&format!("JOIN {room}\r\n"), cx)?;
                }
            }
            "433" if !self.is_in => {
                self.nick = format!("p{}y{}", self.me, town::draw(cx, 100));
                self.carrier.send(&format!("NICK {}\r\n", self.nick), cx)?;
            }
            "PING" => self.carrier.send(&format!("PONG {}\r\n", param(0)), cx)?,
            "BATCH" => return self.batch(&message, town, cx),
            "PONG" if param(1) == SETTLED => self.checked = true,
            "NICK" if is_own => self.call_myself(param(0), town),
            "JOIN" if is_own => {
                town.book.with(self.me, |it| {
                    self.joins += 1;
                    let heard = Heard::of_join(self.joins);
                    let before = it.rooms.insert(param(0).to_owned(), heard);
                    assert!(before.is_none(), "{} is in {} twice", self.me, param(0));
                });
                if self.has_caps() {
                    self.ask(param(0), town, cx)?;
                }
            }
            "PART" if is_own => self.is_out(param(0), town),
            "KICK" if param(1) == self.nick => self.is_out(param(0), town),
            "PRIVMSG" => return self.told(&message, town),
            "REDACT" => {
                let msgid: Msgid = param(1).parse().expect("a message's name");
                let stored = town.book.witness.stored();
                assert!(
                    stored.is_redacted(msgid.sequence),
                    "redacted, and not stored"
                );
            }
            _ => {}
        }
        if let Some(id) = self.answered(&message) {
            let is_refusal = message.command == "FAIL" || message.command.starts_with(['4', '2']);
            assert!(is_refusal, "{id}: {}", line.escape_ascii());
            let why = format!("{} {}", message.command, message.params.join(" "));
            town.book.refused(id, &why);
        }
        Ok(())
    }

    fn call_myself(&mut self, nick: &str, town: &Town) {
        nick.clone_into(&mut self.nick);
        self.nicks.insert(nick.to_owned());
        town.book.with(self.me, |it| nick.clone_into(&mut it.nick));
    }

    fn is_out(&self, room: &str, town: &Town) {
        let was_in = town.book.with(self.me, |it| it.rooms.remove(room));
        assert!(was_in.is_some(), "{} is out of {room} twice", self.me);
    }

    /// The message that this line is the answer to.
    fn answered(&mut self, message: &Message<'_>) -> Option<Id> {
        let label = message.tags.get("label")?.unescaped();
        let label: u32 = label.parse().expect("only numbers are labels");
        if let Some(page) = self.asked.remove(&label) {
            assert_eq!(message.command, "FAIL", "the answer to {page:?}");
            return None;
        }
        let id = self.waiting.remove(&label);
        assert!(id.is_some(), "{label} was answered twice");
        id
    }

    fn told(&mut self, message: &Message<'_>, town: &mut Town) -> Result {
        let (to, text) = (message.params[0], message.params[1]);
        let seen = town.book.seen(text);
        let msgid = message.tags.get("msgid").map(|msgid| {
            let msgid = msgid.unescaped().parse::<Msgid>();
            msgid.expect("a message's name").sequence
        });
        if let Some(((id, place), msgid)) = seen.zip(msgid) {
            assert_eq!(msgid, place, "{id} is called otherwise");
        }
        if message.tags.get("batch").is_some() {
            let (_, page) = self
                .page
                .as_mut()
                .expect("what was asked for comes in a batch");
            page.places.extend(msgid);
            return Ok(());
        }
        let Some((id, place)) = seen else {
            return Ok(());
        };
        let answered = self.answered(message);
        match answered {
            Some(answered) => {
                assert_eq!(answered, id, "the answer to another message");
                town.book.receipted(id);
            }
            None => {
                let waits = self.waiting.values().any(|waiting| *waiting == id);
                assert!(!waits, "{id} came back without its label");
            }
        }
        if !to.starts_with('#') {
            assert!(self.told.insert(place), "{id} is told twice");
            let is_for_me = self.nicks.contains(to);
            assert!(answered.is_some() || is_for_me, "{id} is told to {to}");
            return Ok(());
        }
        let is_in = town.book.with(self.me, |it| it.rooms.contains_key(to));
        if is_in {
            town.book.heard(self.me, to, place);
        } else {
            assert!(
                answered.is_some(),
                "{} is not in {to} and hears {id}",
                self.me
            );
        }
        Ok(())
    }
}

fn msgid(sequence: u64) -> Msgid {
    Msgid {
        database: DATABASE,
        sequence,
    }
}

impl Handler<Town> for Irc {
    fn handle_connect(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        self.heard = cx.now();
        let deaf = !self.has_caps();
        town.book.with(self.me, |it| it.deaf_to_itself = deaf);
        let greeting = match self.has_caps() {
            true => format!(
                "CAP REQ :{CAPS}\r\nNICK {}\r\nUSER p 0 * :p\r\nCAP END\r\n",
                self.nick
            ),
            false => format!("NICK {}\r\nUSER p 0 * :p\r\n", self.nick),
        };
        self.carrier.begin(cx)?;
        self.carrier.send(&greeting, cx)?;
        town::wait(town, cx)
    }

    fn handle_timer(&mut self, town: &mut Town, cx: &mut Context<'_, Town>, _: TimerId) -> Result {
        self.act(town, cx)?;
        town::wait(town, cx)
    }

    fn handle_read(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        while let Some(line) = self.carrier.line(cx)? {
            self.heard = cx.now();
            self.hear(&line, town, cx)?;
        }
        self.look(town);
        Ok(())
    }

    fn handle_close(&mut self, town: &mut Town, cx: &mut Context<'_, Town>, _: &Close) {
        town::come_back(town, cx, self.me, self.speech);
    }
}
