//! What can be asked of the archive, and how it answers. It must never say who may ask.

use std::sync::Arc;

use super::place::{Place, Range};
use super::record::Happening;
use crate::chat::event::{self, Message};
use crate::chat::ids::Msgid;

/// Whose history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Conversation {
    /// A room, by its folded name.
    Room(Arc<str>),
    /// Two accounts, by their folded names.
    Between(Arc<str>, Arc<str>),
}

impl Conversation {
    /// Between two accounts, whoever is named first.
    pub fn between(one: &str, other: &str) -> Conversation {
        let mut pair = [one.to_ascii_lowercase(), other.to_ascii_lowercase()];
        pair.sort_unstable();
        let [first, second] = pair;
        Conversation::Between(first.into(), second.into())
    }

    /// Its name, as [`conversation`](super::record::conversation) makes it.
    pub fn key(&self) -> String {
        match self {
            Conversation::Room(name) => name.to_string(),
            Conversation::Between(one, other) => format!("{one} {other}"),
        }
    }
}

/// The entries of an answer, and its rows of any other kind, at most; a query that asks for more
/// gets so many.
pub const ANSWER_MAX: usize = 1000;

/// Words of one search, at most; what follows does not matter.
const WORDS_MAX: usize = 32;

/// The words of a search.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\0');
    text.split(ends)
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
}

/// A place in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// A message, whether or not it is (still) there.
    Msgid(Msgid),
    /// A time in milliseconds since 1970.
    Time(u64),
}

/// Which part of a history. All bounds are exclusive; at most `limit` entries come, in order of
/// time whatever was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// The last ones, after the anchor if there is one.
    Latest(Option<Anchor>),
    /// The last ones before it.
    Before(Anchor),
    /// The first ones after it.
    After(Anchor),
    /// About half before it, and half from it on, itself included.
    Around(Anchor),
    /// From the first towards the second, beginning at the first, either may be the later one.
    Between(Anchor, Anchor),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// A part of a history.
    History {
        /// Whose.
        conversation: Conversation,
        /// Which.
        span: Span,
        /// At most so many.
        limit: usize,
        /// With what else happened in the room (joins, topics, ...).
        happenings: bool,
    },
    /// The conversations whose last message is of between two times, both exclusive: the name of
    /// each one and that time, in order of it. If there are too many, those that come first on the
    /// way from the first time to the second one.
    Targets {
        /// The account's folded name, if the asker has one.
        account: Option<Arc<str>>,
        /// The rooms that count, by their folded names.
        rooms: Vec<Arc<str>>,
        /// Between these times, either may be the later one.
        between: (u64, u64),
        /// At most so many.
        limit: usize,
    },
    /// Full text.
    Search {
        /// Where.
        conversations: Vec<Conversation>,
        /// What, in words as people type them: all of them must be there.
        words: String,
        /// Only from this nick or account.
        from: Option<Arc<str>>,
        /// Only before this place.
        before: Option<Anchor>,
        /// At most so many, the newest ones.
        limit: usize,
    },
    /// One message.
    Message(Msgid),
    /// Up to where an account has read: all of its marks.
    ReadMarks {
        /// The account's folded name.
        account: Arc<str>,
    },
    /// The newest entries of the audit log.
    Audit {
        /// At most so many.
        limit: usize,
    },
}

/// One entry of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A message, or that there was one.
    Message(Arc<Message>),
    /// Something else.
    Happening(Arc<Happening>),
}

impl Entry {
    /// Where it is in its history.
    pub fn place(&self) -> Place {
        match self {
            Entry::Message(message) => Place::of(message.unix_ms, message.msgid),
            Entry::Happening(happening) => Place::of(happening.unix_ms, happening.msgid),
        }
    }
}

/// Those of `range`, of two lists that are each in order and within it.
pub fn merged(one: Vec<Entry>, other: Vec<Entry>, range: Range) -> Vec<Entry> {
    let mut entries = one;
    entries.extend(other);
    entries.sort_by_key(Entry::place);
    if range.newest {
        let surplus = entries.len().saturating_sub(range.limit);
        entries.drain(..surplus);
    }
    entries.truncate(range.limit);
    entries
}

impl Message {
    /// The name of its conversation as an account sees it: the room's, or that of who it talks to.
    pub fn shown_to(&self, account: &str) -> Arc<str> {
        let from = self.from.account.as_ref();
        match &self.place {
            event::Place::Room(name) => Arc::clone(name),
            event::Place::Person { nick, account: to } => {
                let own = from.is_some_and(|from| from.eq_ignore_ascii_case(account));
                let other = if own { to.as_ref() } else { from };
                Arc::clone(other.unwrap_or(nick))
            }
        }
    }
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `History` and `Search`, in order of time.
    Entries(Vec<Entry>),
    /// To `Targets`: a room's or the other account's name as it is shown, and a time in
    /// milliseconds since 1970.
    Targets(Vec<(Arc<str>, u64)>),
    /// To `Message`.
    Message(Option<Arc<Message>>),
    /// To `ReadMarks`: the target's folded name, and a time.
    ReadMarks(Vec<(Arc<str>, u64)>),
    /// To `Audit`: when, who, what.
    Audit(Vec<(u64, Arc<str>, Arc<str>)>),
}
