//! What is durable, by the word of the store and by what is on its disk after each crash. It must
//! never change what the store does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard::sim::Disk;
use switchboard_chat::chat::event::{Message, Place};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::log::{LogArchive, LogStore};
use switchboard_chat::store::query::{Answer, Conversation, Query, Span};
use switchboard_chat::store::record::{Snapshot, Write};
use switchboard_chat::store::retention::Retention;
use switchboard_chat::store::{Archive, Store, StoreError};

use crate::text::Id;

/// Of all messages of the world's only database.
pub const DATABASE: u32 = 1;

/// How often a server tries to open its store on a disk that fails.
const ATTEMPTS: usize = 1000;

/// What is durable. Of the clients' messages only: nothing else is said.
#[derive(Debug, Default)]
pub struct Stored {
    messages: BTreeMap<u64, Id>,
    places: BTreeMap<Id, u64>,
    /// By the room's name, in order.
    rooms: BTreeMap<Arc<str>, Vec<u64>>,
    redacted: BTreeSet<u64>,
    /// Where the connection of a plain client ends, its message does, too: this is what is left of
    /// those that did not get through, and where.
    torn: BTreeMap<Arc<str>, BTreeSet<u64>>,
    /// There after a crash, though the store had never said so.
    risen: BTreeSet<Id>,
    wrong: Option<String>,
}

impl Stored {
    fn wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// What the store did wrong, if it did.
    pub fn check(&self) {
        assert_eq!(self.wrong, None, "the store");
    }

    /// The place of a message, once it is durable.
    pub fn place(&self, id: Id) -> Option<u64> {
        self.places.get(&id).copied()
    }

    pub fn is_redacted(&self, place: u64) -> bool {
        self.redacted.contains(&place)
    }

    pub fn is_risen(&self, id: Id) -> bool {
        self.risen.contains(&id)
    }

    /// The messages of a room that stand before `place`, the nearest first.
    pub fn before(&self, room: &str, place: u64) -> impl Iterator<Item = (u64, Id)> + '_ {
        let all = self.rooms.get(room).map_or(&[][..], Vec::as_slice);
        let end = all.partition_point(|other| *other < place);
        let before = all[..end].iter().rev();
        before.map(|place| (*place, self.messages[place]))
    }

    /// Whether a message is less than what was said, as it may be.
    pub fn is_torn(&self, text: &str) -> bool {
        self.torn.contains_key(text)
    }

    fn add(&mut self, message: &Message) {
        let place = message.msgid.sequence;
        let Some(id) = Id::of(&message.text) else {
            if !message.from.nick.ends_with("/line") {
                self.wrong(format!("{:?} was said by nobody", message.text));
            }
            let places = self.torn.entry(Arc::clone(&message.text)).or_default();
            places.insert(place);
            return;
        };
        if self.messages.insert(place, id).is_some() {
            self.wrong(format!("two messages are called {place}"));
        }
        if let Some(before) = self.places.insert(id, place) {
            self.wrong(format!("{id} is stored twice, as {before} and {place}"));
        }
        if let Place::Room(room) = &message.place {
            let room = self.rooms.entry(Arc::clone(room)).or_default();
            let last = room.last().copied();
            room.push(place);
            if last.is_some_and(|last| last > place) {
                self.wrong(format!("{place} is stored after {last:?}"));
            }
        }
    }

    fn wrote(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Message(message) => self.add(message),
                Write::Redact { msgid, .. } => {
                    self.redacted.insert(msgid.sequence);
                }
                _ => {}
            }
        }
    }

    /// Compares with what is on the disk after a crash: nothing is lost, and what is there beyond
    /// that may be there from now on.
    fn compare(&mut self, last: u64, archive: &mut LogArchive) {
        let newest = self.messages.keys().next_back().copied();
        for place in 1..=last {
            let msgid = Msgid {
                database: DATABASE,
                sequence: place,
            };
            let found = match archive.ask(&Query::Message(msgid)) {
                Ok(Answer::Message(found)) => found,
                other => return self.wrong(format!("{other:?} for a message")),
            };
            match (self.messages.get(&place), found) {
                (None, None) => {}
                (None, Some(message)) => {
                    let is_known = self.torn.get(&message.text);
                    if is_known.is_some_and(|places| places.contains(&place)) {
                        continue;
                    }
                    if newest.is_some_and(|newest| place < newest) {
                        let text = format!("{place} has risen, which failed before {newest:?}");
                        return self.wrong(text);
                    }
                    self.add(&message);
                    self.risen.extend(Id::of(&message.text));
                }
                (Some(id), None) => return self.wrong(format!("{id} is lost")),
                (Some(id), Some(message)) => {
                    let is_redacted = message.redacted.is_some();
                    if is_redacted {
                        self.redacted.insert(place);
                    } else if self.redacted.contains(&place) {
                        return self.wrong(format!("that {id} was redacted is lost"));
                    } else if Id::of(&message.text) != Some(*id) {
                        return self.wrong(format!("{id} has become {:?}", message.text));
                    }
                }
            }
        }
        if let Some(lost) = self.messages.keys().find(|place| **place > last) {
            return self.wrong(format!("{lost} is lost, the last one is {last}"));
        }
        for (room, places) in &self.rooms {
            let query = Query::History {
                conversation: Conversation::Room(Arc::clone(room)),
                span: Span::Latest(None),
                limit: usize::MAX,
                happenings: false,
            };
            let Ok(Answer::Entries(entries)) = archive.ask(&query) else {
                return self.wrong("a room has no history".to_owned());
            };
            let history = entries.iter().map(|entry| entry.place().sequence);
            let torn: BTreeSet<u64> = self.torn.values().flatten().copied().collect();
            let history = history.filter(|place| !torn.contains(place));
            if !history.eq(places.iter().copied()) {
                let text = format!("the history of {room} is not {places:?}: {entries:?}");
                return self.wrong(text);
            }
        }
    }
}

/// Shared by all that look.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<Stored>>);

impl Witness {
    pub fn stored(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the store, and looks at what a crash has left.
    pub fn open(&self, disk: &Disk) -> (Watched, LogArchive) {
        let open = || LogStore::open(disk, DATABASE, Retention::default());
        let mut opened = open();
        for _ in 0..ATTEMPTS {
            if opened.is_ok() {
                break;
            }
            opened = open();
        }
        let mut store = opened.unwrap_or_else(|error| panic!("the store is not opened: {error}"));
        let mut archive = store.archive();
        let last = store.load().map_or(0, |snapshot| snapshot.last_sequence);
        self.stored().compare(last, &mut archive);
        let watched = Watched {
            store,
            witness: self.clone(),
        };
        (watched, archive)
    }
}

/// A store of which is noted what it says.
#[derive(Debug)]
pub struct Watched {
    store: LogStore,
    witness: Witness,
}

impl Store for Watched {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.store.commit(writes)?;
        self.witness.stored().wrote(writes);
        Ok(())
    }

    fn prune(&mut self, unix_ms: u64) -> Result<bool, StoreError> {
        self.store.prune(unix_ms)
    }
}
