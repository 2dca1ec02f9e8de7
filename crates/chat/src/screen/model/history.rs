//! What was said before we came, or while we were away, or before what is here. It must never leave
//! a hole in a room without knowing it: a room is caught up only when a page says that nothing is
//! left.

use super::room::Asked;
use super::{Entry, Kind, Look, Model, Search, State};
use crate::irc::write::Line;

/// Entries that are asked for at a time.
pub(super) const PAGE: usize = 100;

/// Who missed more pages sees the newest only; the rest is a hole no longer, since what was before
/// it is forgotten.
const MISSED_PAGES_MAX: usize = 40;

/// Seconds until messages that may have arrived are looked for once more. A server stores a batch in
/// much less, unless its disk is in trouble.
pub(super) const SECOND_LOOK_SECONDS: u8 = 2;

/// What is found at once.
const HITS_MAX: usize = 50;

/// An entry of a history, and the tag by which we may know it.
#[derive(Debug)]
pub(super) struct Past {
    pub target: String,
    pub entry: Entry,
    pub own_id: Option<String>,
}

impl Model {
    /// We are in a room: asks for what was said meanwhile.
    pub(super) fn catch_up(&mut self, index: usize) {
        if !self.has("draft/chathistory") || !self.has("batch") {
            let room = &mut self.rooms[index];
            (room.is_caught_up, room.is_whole) = (true, true);
            self.resolve(index, false);
            return;
        }
        match self.rooms[index].synced.clone() {
            Some(msgid) => self.ask(index, Asked::After(0), &format!("msgid={msgid}")),
            None => self.ask(index, Asked::Latest, "*"),
        }
    }

    /// A second has passed: what came over the old connection and was on its way to the disk when the
    /// history was read is there by now.
    pub(super) fn look_again(&mut self) {
        for index in 0..self.rooms.len() {
            let Some(seconds @ 1..) = self.rooms[index].second_look else {
                continue;
            };
            self.rooms[index].second_look = Some(seconds - 1);
            if seconds == 1 {
                self.catch_up(index);
            }
        }
    }

    /// Asks for what was said before what is here.
    pub fn load_older(&mut self) {
        let room = self.room();
        let can = room.kind == Kind::Room && room.is_joined && room.is_caught_up;
        if self.search.is_some() || !can || room.is_whole || room.is_loading() {
            return;
        }
        if !self.has("draft/chathistory") || !room.timeline.has_room() {
            return;
        }
        let index = self.current;
        match room.timeline.oldest_msgid().map(|it| format!("msgid={it}")) {
            Some(before) => self.ask(index, Asked::Before, &before),
            None => self.ask(index, Asked::Latest, "*"),
        }
    }

    fn ask(&mut self, index: usize, asked: Asked, from: &str) {
        let room = &mut self.rooms[index];
        room.asked = Some(asked);
        let name = room.name.clone();
        let word = match asked {
            Asked::Latest => "LATEST",
            Asked::After(_) => "AFTER",
            Asked::Before => "BEFORE",
        };
        let page = self.page.to_string();
        self.say(&["CHATHISTORY", word, &name, from, &page]);
    }

    /// A page has come.
    pub(super) fn page_came(&mut self, target: &str, page: Vec<Past>) {
        let Some(index) = self.find(target) else {
            return;
        };
        let Some(asked) = self.rooms[index].asked.take() else {
            return;
        };
        let last = page.iter().rev().find_map(|it| it.entry.msgid.clone());
        let is_empty = page.is_empty();
        for past in page {
            self.merge(index, past, asked);
        }
        let room = &mut self.rooms[index];
        match asked {
            Asked::Before => room.is_whole |= is_empty,
            Asked::Latest => {
                room.is_whole |= is_empty;
                self.caught_up(index);
            }
            Asked::After(_) if is_empty => self.caught_up(index),
            Asked::After(pages) if pages < MISSED_PAGES_MAX && last.is_some() => {
                room.synced.clone_from(&last);
                let from = format!("msgid={}", last.unwrap_or_default());
                self.ask(index, Asked::After(pages + 1), &from);
            }
            Asked::After(_) => {
                room.timeline.clear();
                room.scroll = Default::default();
                self.ask(index, Asked::Latest, "*");
            }
        }
    }

    fn merge(&mut self, index: usize, past: Past, asked: Asked) {
        let is_shown = index == self.current;
        self.settle(index, &past.entry.nick, None, past.own_id.as_deref());
        if past.own_id.is_none() && asked != Asked::Before {
            self.recognise(index, &past.entry);
        }
        let is_own = crate::chat::names::are_same(&past.entry.nick, &self.nick);
        let is_mention = past.entry.is_mention;
        let room = &mut self.rooms[index];
        let is_new = room.add(past.entry);
        if is_new && matches!(asked, Asked::After(_)) && !is_shown && !is_own {
            room.count_unread(is_mention);
        }
    }

    fn caught_up(&mut self, index: usize) {
        let room = &mut self.rooms[index];
        let is_unsure = room.pending.iter().any(|it| it.state == State::Unsure);
        if is_unsure && room.second_look.is_none() {
            room.second_look = Some(SECOND_LOOK_SECONDS);
            return;
        }
        room.second_look = None;
        room.is_caught_up = true;
        room.synced = room.timeline.newest_msgid().map(str::to_owned);
        self.resolve(index, true);
        self.mark_read();
    }

    /// The server does not give the history of a room: perhaps it does not know any more what we
    /// have last seen.
    pub(super) fn no_page(&mut self, index: usize, why: &str) {
        match self.rooms[index].asked.take() {
            Some(Asked::After(_)) => {
                self.rooms[index].synced = None;
                self.ask(index, Asked::Latest, "*");
            }
            Some(Asked::Latest) => {
                self.tell(index, Look::Error, &format!("no history: {why}"));
                self.rooms[index].is_caught_up = true;
                self.resolve(index, false);
            }
            _ => self.tell(index, Look::Error, &format!("no history: {why}")),
        }
    }

    /// Looks for words in the room that is shown, or everywhere.
    pub(super) fn look_for(&mut self, words: &str) {
        if !self.has("soju.im/search") {
            return self.tell_here(Look::Error, "this server cannot search");
        }
        self.search = Some(Search {
            words: words.to_owned(),
            ..Search::default()
        });
        let mut attributes = Vec::new();
        let line = Line::new(&mut attributes).tag("text", words);
        let line = line.tag("limit", &HITS_MAX.to_string());
        let line = match self.room().kind {
            Kind::Room => line.tag("in", &self.room().name),
            _ => line,
        };
        line.command("X").end();
        // The attributes are written as tags are: what stands between `@` and the first blank.
        let attributes = String::from_utf8_lossy(&attributes).into_owned();
        let attributes = attributes.split(' ').next().unwrap_or_default();
        let attributes = attributes.trim_start_matches('@').to_owned();
        self.say(&["SEARCH", &attributes]);
    }

    pub(super) fn found(&mut self, hits: Vec<Past>) {
        if let Some(search) = &mut self.search {
            let hits = hits.into_iter().map(|it| (it.target, it.entry));
            search.hits = hits.take(HITS_MAX).collect();
            search.is_done = true;
        }
    }
}
