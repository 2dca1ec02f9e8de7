//! Everything that was stored, in memory, as simple as can be. It must never touch a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::place::{Place, Range, ranges, start};
use super::query::{ANSWER_MAX, Anchor, Answer, Conversation, Entry, Query, words};
use super::record::{
    AccountRecord, MaskChange, MaskEntry, RoomRecord, ServerBan, Snapshot, Write, conversation,
};
use super::retention::{PRUNE_MAX, Retention, happening_bytes, message_bytes};
use crate::chat::command::{MaskList, Role};
use crate::chat::event::{self, Message, Redaction};
use crate::chat::ids::Msgid;
use crate::chat::names::{are_same as same, folded};

/// What a store has in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    database: u32,
    last_sequence: u64,
    last_unix_ms: u64,
    entries: BTreeMap<Place, Entry>,
    names: BTreeMap<Msgid, u64>,
    rooms: BTreeMap<Arc<str>, RoomRecord>,
    masks: Vec<(Arc<str>, MaskList, MaskEntry)>,
    roles: BTreeMap<(Arc<str>, Arc<str>), Role>,
    accounts: BTreeMap<Arc<str>, AccountRecord>,
    marks: BTreeMap<(Arc<str>, Arc<str>), u64>,
    bans: Vec<ServerBan>,
    invitations: BTreeMap<Arc<str>, Option<Arc<str>>>,
    audit: Vec<(u64, Arc<str>, Arc<str>)>,
}

impl Memory {
    pub(super) fn set_database(&mut self, database: u32) {
        self.database = database;
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let roles = self.roles.iter();
        let unused = self.invitations.iter().filter(|(_, used)| used.is_none());
        Snapshot {
            database: self.database,
            last_sequence: self.last_sequence,
            last_unix_ms: self.last_unix_ms,
            rooms: self.rooms.values().cloned().collect(),
            masks: self.masks.clone(),
            roles: roles
                .map(|((room, account), role)| (room.clone(), account.clone(), *role))
                .collect(),
            accounts: self.accounts.values().cloned().collect(),
            bans: self.bans.clone(),
            invitations: unused.map(|(code, _)| code.clone()).collect(),
        }
    }

    pub(super) fn write(&mut self, write: &Write) {
        match write {
            Write::Message(message) => self.add(Entry::Message(Arc::clone(message))),
            Write::Happened(happening) => self.add(Entry::Happening(Arc::clone(happening))),
            Write::Redact { msgid, redaction } => self.redact(*msgid, redaction),
            Write::Room(room) => drop(self.rooms.insert(folded(&room.name), (**room).clone())),
            Write::NoRoom { room, history } => self.no_room(room, *history),
            Write::Mask { room, list, entry } => self.mask(room, *list, entry),
            Write::Role {
                room,
                account,
                role,
            } => {
                let key = (room.clone(), account.clone());
                match role {
                    Role::Member => drop(self.roles.remove(&key)),
                    role => drop(self.roles.insert(key, *role)),
                }
            }
            Write::Account(account) => {
                let key = folded(&account.name);
                self.accounts.insert(key, (**account).clone());
            }
            Write::ReadMark {
                account,
                target,
                unix_ms,
            } => {
                let key = (account.clone(), target.clone());
                let mark = self.marks.entry(key).or_default();
                *mark = (*unix_ms).max(*mark);
            }
            Write::ServerBan(ban) => {
                self.bans.retain(|old| !same(&old.mask, &ban.mask));
                self.bans.push((**ban).clone());
            }
            Write::NoServerBan { mask } => self.bans.retain(|old| !same(&old.mask, mask)),
            Write::Invitation { code, used_by } => {
                let used = self.invitations.entry(code.clone()).or_default();
                *used = used.take().or_else(|| used_by.clone());
            }
            Write::Audit {
                unix_ms,
                admin,
                action,
            } => {
                let entry = (*unix_ms, admin.clone(), action.clone());
                if !self.audit.contains(&entry) {
                    self.audit.push(entry);
                }
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        let place = entry.place();
        let msgid = msgid(place);
        if self.names.contains_key(&msgid) {
            return;
        }
        if place.database == self.database {
            self.last_sequence = self.last_sequence.max(place.sequence);
            self.last_unix_ms = self.last_unix_ms.max(place.unix_ms);
        }
        self.names.insert(msgid, place.unix_ms);
        self.entries.insert(place, entry);
    }

    fn redact(&mut self, msgid: Msgid, redaction: &Arc<Redaction>) {
        let place = self.names.get(&msgid);
        let entry = place.and_then(|unix_ms| self.entries.get_mut(&Place::of(*unix_ms, msgid)));
        if let Some(Entry::Message(message)) = entry
            && message.redacted.is_none()
        {
            *message = Arc::new(Message {
                text: "".into(),
                tags: Vec::new(),
                redacted: Some(Arc::clone(redaction)),
                ..(**message).clone()
            });
        }
    }

    fn no_room(&mut self, room: &Arc<str>, history: bool) {
        self.rooms.remove(room);
        self.masks.retain(|(of, ..)| of != room);
        self.roles.retain(|(of, _), _| of != room);
        if history {
            let names = &mut self.names;
            self.entries.retain(|place, entry| {
                let stays = !is_in(entry, room);
                if !stays {
                    names.remove(&msgid(*place));
                }
                stays
            });
        }
    }

    fn mask(&mut self, room: &Arc<str>, list: MaskList, change: &MaskChange) {
        let (MaskChange::Added(MaskEntry { mask, .. }) | MaskChange::Removed { mask }) = change;
        let is_it = |old: &(Arc<str>, MaskList, MaskEntry)| {
            old.0 == *room && old.1 == list && same(&old.2.mask, mask)
        };
        self.masks.retain(|old| !is_it(old));
        if let MaskChange::Added(entry) = change {
            self.masks.push((room.clone(), list, entry.clone()));
        }
    }

    pub(super) fn has_surplus(&self, unix_ms: u64, retention: &Retention) -> bool {
        let oldest = oldest(unix_ms, retention);
        self.bans.iter().any(|ban| is_over(ban, unix_ms))
            || self.marks.values().any(|mark| *mark < oldest)
            || self.surplus(oldest, retention).is_some()
    }

    pub(super) fn prune(&mut self, unix_ms: u64, retention: &Retention) {
        let oldest = oldest(unix_ms, retention);
        self.bans.retain(|ban| !is_over(ban, unix_ms));
        self.marks.retain(|_, mark| *mark >= oldest);
        for _ in 0..PRUNE_MAX {
            let Some(place) = self.surplus(oldest, retention) else {
                return;
            };
            self.entries.remove(&place);
            self.names.remove(&msgid(place));
        }
    }

    /// One entry that is not kept, the oldest of its kind.
    fn surplus(&self, oldest: u64, retention: &Retention) -> Option<Place> {
        let (first, _) = self.entries.first_key_value()?;
        if first.unix_ms < oldest {
            return Some(*first);
        }
        if let Some(max) = retention.max_count {
            let mut groups: BTreeMap<_, Vec<Place>> = BTreeMap::new();
            for (place, entry) in &self.entries {
                if let Some(key) = key(entry) {
                    let group = (matches!(entry, Entry::Message(_)), key);
                    groups.entry(group).or_default().push(*place);
                }
            }
            let surplus = groups.values().find(|group| group.len() as u64 > max);
            if let Some(group) = surplus {
                return group.first().copied();
            }
        }
        let bytes: u64 = self.entries.values().map(bytes).sum();
        (bytes > retention.max_bytes?).then_some(*first)
    }

    pub(super) fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::History {
                conversation,
                span,
                limit,
                happenings,
            } => {
                let key = conversation.key();
                let limit = (*limit).min(ANSWER_MAX);
                let ranges = ranges(*span, limit, |msgid| Ok::<_, ()>(self.place(msgid)));
                let ranges = ranges.expect("a place in memory is always found");
                let wanted = |entry: &Entry| {
                    is_in(entry, &key) && (*happenings || matches!(entry, Entry::Message(_)))
                };
                let parts = ranges
                    .into_iter()
                    .flat_map(|range| self.part(range, wanted));
                Answer::Entries(parts.collect())
            }
            Query::Targets {
                account,
                rooms,
                between,
                limit,
            } => Answer::Targets(self.targets(account.as_deref(), rooms, *between, *limit)),
            Query::Search { .. } => Answer::Entries(self.search(query)),
            Query::Message(msgid) => Answer::Message(self.message(*msgid)),
            Query::ReadMarks { account } => {
                let own = self.marks.iter().filter(|((owner, _), _)| owner == account);
                let marks = own.map(|((_, target), unix_ms)| (target.clone(), *unix_ms));
                Answer::ReadMarks(marks.take(ANSWER_MAX).collect())
            }
            Query::Audit { limit } => {
                let surplus = self.audit.len().saturating_sub((*limit).min(ANSWER_MAX));
                Answer::Audit(self.audit[surplus..].to_vec())
            }
        }
    }

    fn message(&self, msgid: Msgid) -> Option<Arc<Message>> {
        let place = Place::of(*self.names.get(&msgid)?, msgid);
        match self.entries.get(&place)? {
            Entry::Message(message) => Some(Arc::clone(message)),
            Entry::Happening(_) => None,
        }
    }

    /// See [`ranges`]: of a message that is not there, behind what came before it.
    fn place(&self, msgid: Msgid) -> Place {
        let same = |other: &&Msgid| other.database == msgid.database;
        let before = self.names.range(..=msgid).rev();
        let unix_ms = before.take_while(|(other, _)| same(other)).map(|it| *it.1);
        Place::of(unix_ms.max().unwrap_or(0), msgid)
    }

    fn part(&self, range: Range, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let within = |place: &Place| range.after < *place && *place < range.before;
        let all = self.entries.iter();
        let all = all.filter(|(place, entry)| within(place) && wanted(entry));
        let all: Vec<Entry> = all.map(|(_, entry)| entry.clone()).collect();
        let surplus = all.len().saturating_sub(range.limit);
        match range.newest {
            true => all[surplus..].to_vec(),
            false => all[..all.len() - surplus].to_vec(),
        }
    }

    fn targets(
        &self,
        account: Option<&str>,
        rooms: &[Arc<str>],
        (from, to): (u64, u64),
        limit: usize,
    ) -> Vec<(Arc<str>, u64)> {
        let mut last: BTreeMap<String, &Message> = BTreeMap::new();
        for entry in self.entries.values() {
            if let (Entry::Message(message), Some(key)) = (entry, key(entry)) {
                last.insert(key, message);
            }
        }
        let is_own = |key: &str, message: &Message| match &message.place {
            event::Place::Room(_) => rooms.iter().any(|room| **room == *key),
            event::Place::Person { .. } => {
                account.is_some_and(|account| key.split(' ').any(|name| name == account))
            }
        };
        let within = |unix_ms: u64| from.min(to) < unix_ms && unix_ms < from.max(to);
        last.retain(|key, message| is_own(key, message) && within(message.unix_ms));
        let mut found: Vec<(&String, &Message)> = last.iter().map(|it| (it.0, *it.1)).collect();
        found.sort_by_key(|(key, message)| (message.unix_ms, *key));
        let surplus = found.len().saturating_sub(limit.min(ANSWER_MAX));
        let found = match from <= to {
            true => &found[..found.len() - surplus],
            false => &found[surplus..],
        };
        let shown =
            |(_, it): &(&String, &Message)| (it.shown_to(account.unwrap_or_default()), it.unix_ms);
        found.iter().map(shown).collect()
    }

    fn search(&self, query: &Query) -> Vec<Entry> {
        let Query::Search {
            conversations,
            words: text,
            from,
            before,
            limit,
        } = query
        else {
            return Vec::new();
        };
        let wanted: Vec<Vec<String>> = words(text).map(tokens).collect();
        if wanted.iter().all(Vec::is_empty) {
            return Vec::new();
        }
        let keys: BTreeSet<String> = conversations.iter().map(Conversation::key).collect();
        let is_from = |message: &Message| {
            from.as_ref().is_none_or(|from| {
                let account = message.from.account.as_ref();
                same(&message.from.nick, from) || account.is_some_and(|own| same(own, from))
            })
        };
        let has_words = |message: &Message| {
            let there = tokens(&message.text);
            let has = |word: &Vec<String>| {
                word.is_empty() || there.windows(word.len()).any(|it| it == &word[..])
            };
            wanted.iter().all(has)
        };
        let is_found = |entry: &Entry| match entry {
            Entry::Message(message) => {
                key(entry).is_some_and(|key| keys.contains(&key))
                    && is_from(message)
                    && has_words(message)
            }
            Entry::Happening(_) => false,
        };
        let range = Range {
            after: Place::FIRST,
            before: before.map_or(Place::LAST, |anchor| self.start(anchor)),
            limit: (*limit).min(ANSWER_MAX),
            newest: true,
        };
        self.part(range, is_found)
    }

    fn start(&self, anchor: Anchor) -> Place {
        let place = start(anchor, |msgid| Ok::<_, ()>(self.place(msgid)));
        place.expect("a place in memory is always found")
    }
}

fn oldest(unix_ms: u64, retention: &Retention) -> u64 {
    let age = retention.max_age.map(|age| age.as_millis());
    let age = age.map(|age| u64::try_from(age).unwrap_or(u64::MAX));
    age.map_or(0, |age| unix_ms.saturating_sub(age))
}

fn is_over(ban: &ServerBan, unix_ms: u64) -> bool {
    ban.until_unix_ms.is_some_and(|until| until <= unix_ms)
}

fn msgid(place: Place) -> Msgid {
    Msgid {
        database: place.database,
        sequence: place.sequence,
    }
}

fn key(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Message(it) => conversation(&it.place, it.from.account.as_deref()),
        Entry::Happening(it) => Some(it.room.to_ascii_lowercase()),
    }
}

fn is_in(entry: &Entry, conversation: &str) -> bool {
    key(entry).is_some_and(|key| key == conversation)
}

fn bytes(entry: &Entry) -> u64 {
    match entry {
        Entry::Message(message) => message_bytes(message),
        Entry::Happening(happening) => happening_bytes(happening),
    }
}

/// The words of a text as FTS5's `unicode61` takes them apart, but for accents, which it leaves
/// out.
fn tokens(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}
