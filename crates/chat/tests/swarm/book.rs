//! What all clients have said and were told, outside of the simulated world: it survives their
//! crashes. It must never know more of the server than a client can see, and what is durable.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::text::Id;
use crate::witness::Witness;

pub const LOBBY: &str = "#lobby";
pub const ROOMS: [&str; 3] = [LOBBY, "#a", "#b"];

/// What became of a message, by the word of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was sent, and not answered: it may be stored or not.
    Sent,
    /// It is stored here.
    Receipted(u64),
    /// In these words.
    Refused(String),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All sorts of things.
    Talking,
    /// Nothing.
    Silent,
    /// All is well again: everybody comes into all rooms and says the rest.
    Settling,
    /// Everybody goes.
    Leaving,
}

/// What a connection has heard of a room.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    last: Option<u64>,
    /// It has asked for what it had missed, up to the end.
    pub caught_up: bool,
    /// Which of the joins of this connection it was.
    pub number: u32,
}

impl Heard {
    /// Nothing, yet.
    pub fn of_join(number: u32) -> Heard {
        Heard {
            last: None,
            caught_up: false,
            number,
        }
    }
}

/// What a person knows of a room, from all its connections.
#[derive(Debug, Clone, Default)]
pub struct Known {
    places: BTreeSet<u64>,
    /// From the history, on the present connection: these may be told, too.
    read: BTreeSet<u64>,
    /// Nothing up to here is missing.
    up_to: Option<u64>,
}

/// One person: on one connection after the other.
#[derive(Debug, Clone, Default)]
pub struct Person {
    pub said: u32,
    pub quota: u32,
    pub nick: String,
    /// The rooms of the present connection.
    pub rooms: BTreeMap<String, Heard>,
    /// Nothing more is to be said, and nothing to be answered.
    pub content: bool,
    /// Messages of the present connection.
    pub own: BTreeSet<Id>,
    /// Does not hear its own messages.
    pub deaf_to_itself: bool,
    /// Goes on after the last message that it knows, whenever it comes back into a room.
    pub known: BTreeMap<String, Known>,
}

#[derive(Debug)]
pub struct Pages {
    pub people: Vec<Person>,
    pub fates: BTreeMap<Id, Fate>,
}

#[derive(Debug, Clone)]
pub struct Book {
    pub witness: Witness,
    pub pages: Rc<RefCell<Pages>>,
    pub phase: Rc<Cell<Phase>>,
}

impl Book {
    pub fn new(people: Vec<Person>) -> Book {
        let pages = Pages {
            people,
            fates: BTreeMap::new(),
        };
        Book {
            witness: Witness::default(),
            pages: Rc::new(RefCell::new(pages)),
            phase: Rc::new(Cell::new(Phase::Talking)),
        }
    }

    pub fn with<T>(&self, person: usize, change: impl FnOnce(&mut Person) -> T) -> T {
        change(&mut self.pages.borrow_mut().people[person])
    }

    /// The next message of a person, which is being sent.
    pub fn say(&self, person: usize) -> Option<Id> {
        let id = self.with(person, |it| {
            let number = it.said;
            let id = (number < it.quota).then_some(Id { person, number })?;
            it.said += 1;
            it.own.insert(id);
            Some(id)
        })?;
        self.pages.borrow_mut().fates.insert(id, Fate::Sent);
        Some(id)
    }

    /// A connection has begun, or is lost.
    pub fn nothing_heard(&self, person: usize) {
        self.with(person, |it| {
            it.rooms.clear();
            it.own.clear();
            it.content = false;
            it.known.values_mut().for_each(|known| known.read.clear());
        });
    }

    /// The server has said that it is stored.
    pub fn receipted(&self, id: Id) {
        let place = self.witness.stored().place(id);
        let Some(place) = place else {
            panic!("{id} was receipted, and is not stored");
        };
        let fate = self
            .pages
            .borrow_mut()
            .fates
            .insert(id, Fate::Receipted(place));
        assert_eq!(fate, Some(Fate::Sent), "{id} was answered twice");
    }

    /// The server has said that it is not stored.
    pub fn refused(&self, id: Id, why: &str) {
        let refused = Fate::Refused(why.to_owned());
        let fate = self.pages.borrow_mut().fates.insert(id, refused);
        assert_eq!(fate, Some(Fate::Sent), "{id} was answered twice");
        let stored = self.witness.stored();
        let is_stored = stored.place(id).is_some() && !stored.is_risen(id);
        assert!(!is_stored, "{id} was refused ({why}), and is stored");
    }

    /// A person sees a message: it is durable; its place. `None`: it is what is left of one.
    pub fn seen(&self, text: &str) -> Option<(Id, u64)> {
        let Some(id) = Id::of(text) else {
            let is_torn = self.witness.stored().is_torn(text);
            assert!(is_torn, "{text:?} was never said");
            return None;
        };
        let Some(place) = self.witness.stored().place(id) else {
            panic!("{id} is seen, and not stored");
        };
        Some((id, place))
    }

    /// A person in a room sees a message there: the next one after the last that it saw.
    pub fn heard(&self, person: usize, room: &str, place: u64) {
        let stored = self.witness.stored();
        self.with(person, |it| {
            let heard = it.rooms.get_mut(room);
            let heard = heard.expect("who is not in the room hears nothing of it");
            let (own, deaf) = (&it.own, it.deaf_to_itself);
            let mut before = stored
                .before(room, place)
                .filter(|(_, id)| !deaf || !own.contains(id))
                .map(|(place, _)| place);
            if let Some(last) = heard.last {
                assert!(
                    last < place,
                    "{person} hears {place} of {room} after {last}"
                );
                let expected = before.next().filter(|before| *before >= last);
                assert_eq!(
                    expected,
                    Some(last),
                    "{person} hears {place} of {room} after {last}, not what is between"
                );
            }
            heard.last = Some(place);
            let known = it.known.entry(room.to_owned()).or_default();
            let is_new = known.places.insert(place) || known.read.contains(&place);
            if heard.caught_up {
                known.up_to = Some(place);
            }
            assert!(
                is_new,
                "{person} hears {place} of {room} on two connections"
            );
        });
    }

    /// The last message of a room up to which a person knows all.
    pub fn last_known(&self, person: usize, room: &str) -> Option<u64> {
        self.with(person, |it| it.known.get(room)?.up_to)
    }

    /// A person has read a part of a room's history: it says whether that was the end.
    pub fn read(&self, person: usize, join: (&str, u32), after: Option<u64>, page: &[u64]) -> bool {
        let (room, number) = join;
        assert!(page.is_sorted(), "a history in disorder: {page:?}");
        let is_after = page.first().is_none_or(|first| Some(*first) > after);
        assert!(is_after, "{page:?} is not after {after:?}");
        self.with(person, |it| {
            let known = it.known.entry(room.to_owned()).or_default();
            known.places.extend(page);
            known.read.extend(page);
            known.up_to = known.up_to.max(page.last().copied());
            let is_end = page.is_empty();
            // Otherwise it was asked before it left the room, and came back.
            let heard = it.rooms.get_mut(room);
            let heard = heard.filter(|heard| heard.number == number);
            if let Some(heard) = heard.filter(|_| is_end) {
                heard.caught_up = true;
                known.up_to = known.places.last().copied();
            }
            is_end
        })
    }

    /// Who asks for what it has missed knows all messages since the first one.
    pub fn check_all_known(&self) {
        let stored = self.witness.stored();
        for (number, person) in self.pages.borrow().people.iter().enumerate() {
            for (room, heard) in &person.rooms {
                let Some(known) = person.known.get(room).filter(|_| heard.caught_up) else {
                    continue;
                };
                let first = known.places.first().copied().unwrap_or(u64::MAX);
                let missed = stored.before(room, u64::MAX).find(|(place, _)| {
                    *place > first && !stored.is_redacted(*place) && !known.places.contains(place)
                });
                assert_eq!(missed, None, "{number} does not know all of {room}");
            }
        }
    }

    /// Everybody has heard the last message of each of its rooms.
    pub fn check_all_heard(&self) {
        let stored = self.witness.stored();
        for (number, person) in self.pages.borrow().people.iter().enumerate() {
            for (room, heard) in &person.rooms {
                let Some(last) = heard.last else { continue };
                let (own, deaf) = (&person.own, person.deaf_to_itself);
                let missed = stored
                    .before(room, u64::MAX)
                    .find(|(place, id)| *place > last && !(deaf && own.contains(id)));
                assert_eq!(missed, None, "{number} in {room} has heard up to {last}");
            }
        }
    }

    /// What the server has said of messages is true.
    pub fn check_fates(&self) {
        let stored = self.witness.stored();
        stored.check();
        for (id, fate) in &self.pages.borrow().fates {
            let place = stored.place(*id);
            match fate {
                Fate::Sent => {}
                Fate::Receipted(receipted) => {
                    assert_eq!(place, Some(*receipted), "{id} was receipted");
                }
                // A batch that has failed may be there after a crash.
                Fate::Refused(why) if why.contains("store") || why.contains("disk") => {
                    assert!(place.is_none() || stored.is_risen(*id), "{id}: {why}");
                }
                Fate::Refused(why) => assert_eq!(place, None, "{id}: {why}"),
            }
        }
    }
}
