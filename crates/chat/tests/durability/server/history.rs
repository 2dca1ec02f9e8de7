//! Messages as they are compared: as they are stored, and as they were seen. It must never compare
//! less than what a client sees of one.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use switchboard_chat::chat::event::Message;
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::Archive;
use switchboard_chat::store::query::{Anchor, Answer, Conversation, Entry, Query, Span};
use switchboard_chat::store::sqlite::SqliteArchive;

use super::client::Line;
use super::database;

/// A message as a client with all capabilities sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub msgid: Msgid,
    pub time: String,
    pub nick: String,
    pub text: String,
}

impl Seen {
    /// The room and the message, if the line is one.
    pub fn of(line: &Line) -> Option<(String, Seen)> {
        if !line.is("PRIVMSG") {
            return None;
        }
        let [room, text] = &line.params[..] else {
            panic!("{line:?}");
        };
        let seen = Seen {
            msgid: line.tags["msgid"].parse().expect("it is a msgid"),
            time: line.tags["time"].clone(),
            nick: line.nick.clone(),
            text: text.clone(),
        };
        Some((room.clone(), seen))
    }

    fn stored(message: &Message) -> Seen {
        let time = UNIX_EPOCH + Duration::from_millis(message.unix_ms);
        Seen {
            msgid: message.msgid,
            time: humantime::format_rfc3339_millis(time).to_string(),
            nick: message.from.nick.to_string(),
            text: message.text.to_string(),
        }
    }
}

/// Messages by room, in the order of their history.
pub type Rooms = BTreeMap<String, Vec<Seen>>;

/// A database, and how far it was read.
#[derive(Default)]
pub struct History {
    /// The last message of each room, as somebody knows who comes back.
    last: BTreeMap<String, Msgid>,
    /// The last name of all.
    sequence: u64,
    time: String,
}

impl History {
    /// What has come since, in these rooms. Fails if a name comes twice, or a time goes back.
    pub fn next(&mut self, directory: &Path, rooms: &[&str]) -> Rooms {
        let mut archive = SqliteArchive::open(database(directory)).expect("it can be read");
        let mut new = Rooms::new();
        for room in rooms {
            let messages = self.since(&mut archive, room);
            if let Some(last) = messages.last() {
                self.last.insert((*room).to_owned(), last.msgid);
            }
            new.insert((*room).to_owned(), messages);
        }
        let mut all: Vec<&Seen> = new.values().flatten().collect();
        all.sort_by_key(|seen| seen.msgid.sequence);
        for seen in all {
            let (sequence, time) = (seen.msgid.sequence, &seen.time);
            assert!(sequence > self.sequence, "{seen:?} after {}", self.sequence);
            assert!(*time >= self.time, "{seen:?} after {}", self.time);
            (self.sequence, self.time) = (sequence, time.clone());
        }
        new
    }

    fn since(&self, archive: &mut SqliteArchive, room: &str) -> Vec<Seen> {
        let mut anchor = self
            .last
            .get(room)
            .map_or(Anchor::Time(0), |it| Anchor::Msgid(*it));
        let mut all: Vec<Seen> = Vec::new();
        loop {
            let query = Query::History {
                conversation: Conversation::Room(room.into()),
                span: Span::After(anchor),
                limit: 1000,
                happenings: false,
            };
            let Answer::Entries(entries) = archive.ask(&query).expect("it can be read") else {
                panic!("the archive answers something else");
            };
            if entries.is_empty() {
                let in_order =
                    all.is_sorted_by(|one, next| one.msgid.sequence < next.msgid.sequence);
                assert!(in_order, "{room} is not in order");
                return all;
            }
            all.extend(entries.iter().filter_map(|entry| match entry {
                Entry::Message(message) => Some(Seen::stored(message)),
                Entry::Happening(_) => None,
            }));
            anchor = all.last().map_or(anchor, |last| Anchor::Msgid(last.msgid));
        }
    }
}
