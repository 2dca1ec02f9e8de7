//! What a room's owner does with its settings, one thing after the other. It must never do two things
//! of which the outcome is the same.

use std::collections::BTreeSet;
use std::path::Path;

use switchboard_chat::store::record::{MaskChange, Write};
use switchboard_chat::store::sqlite::SqliteArchive;

use super::client::Line;
use super::database;

/// What is set of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub topic: Option<String>,
    pub limit: Option<u32>,
    pub bans: BTreeSet<String>,
}

/// One thing that is done.
#[derive(Debug, Clone)]
pub enum Deed {
    Topic(String),
    Limit(u32),
    Ban(String),
    Unban(String),
}

impl Deed {
    /// The one of this number.
    pub fn new(number: u32) -> Deed {
        let mask = |number: u32| format!("b{number}!*@*");
        match number % 4 {
            0 => Deed::Topic(format!("topic {number}")),
            1 => Deed::Limit(1000 + number),
            2 => Deed::Ban(mask(number)),
            _ => Deed::Unban(mask(number - 1)),
        }
    }

    /// What to type.
    pub fn line(&self, room: &str) -> String {
        match self {
            Deed::Topic(text) => format!("TOPIC {room} :{text}"),
            Deed::Limit(limit) => format!("MODE {room} +l {limit}"),
            Deed::Ban(mask) => format!("MODE {room} +b {mask}"),
            Deed::Unban(mask) => format!("MODE {room} -b {mask}"),
        }
    }

    /// Whether this says that it is done.
    pub fn is_acknowledged(&self, line: &Line) -> bool {
        let words = |mode: &str, word: &str| {
            line.is("MODE") && line.params.get(1..) == Some(&[mode.to_owned(), word.to_owned()])
        };
        match self {
            Deed::Topic(text) => line.is("TOPIC") && line.params.last() == Some(text),
            Deed::Limit(limit) => words("+l", &limit.to_string()),
            Deed::Ban(mask) => words("+b", mask),
            Deed::Unban(mask) => words("-b", mask),
        }
    }

    fn apply(&self, settings: &mut Settings) {
        match self {
            Deed::Topic(text) => settings.topic = Some(text.clone()),
            Deed::Limit(limit) => settings.limit = Some(*limit),
            Deed::Ban(mask) => drop(settings.bans.insert(mask.clone())),
            Deed::Unban(mask) => drop(settings.bans.remove(mask)),
        }
    }
}

/// Deeds upon settings, and how many are acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Deeds {
    pub before: Settings,
    pub done: Vec<Deed>,
    pub acknowledged: usize,
}

impl Deeds {
    /// Whether these settings are those after all that is acknowledged, and perhaps some more.
    pub fn check(&self, there: &Settings) -> Result<(), String> {
        let mut settings = self.before.clone();
        let mut possible = vec![settings.clone()];
        for deed in &self.done {
            deed.apply(&mut settings);
            possible.push(settings.clone());
        }
        match possible[self.acknowledged..].contains(there) {
            true => Ok(()),
            false => Err(format!("{there:?} after {self:?}")),
        }
    }
}

/// What is stored: of a room, and which accounts there are.
pub fn settings(directory: &Path, name: &str) -> (Settings, BTreeSet<String>) {
    let mut archive = SqliteArchive::open(database(directory)).expect("it can be read");
    let (mut settings, mut accounts) = (Settings::default(), BTreeSet::new());
    for write in archive.settings().expect("it can be read") {
        match write {
            Write::Room(record) if *record.name == *name => {
                settings.topic = record.topic.as_ref().map(|topic| topic.0.to_string());
                settings.limit = record.limit;
            }
            Write::Mask {
                room,
                entry: MaskChange::Added(entry),
                ..
            } if *room == *name => drop(settings.bans.insert(entry.mask.to_string())),
            Write::Account(account) => drop(accounts.insert(account.name.to_string())),
            _ => {}
        }
    }
    (settings, accounts)
}
