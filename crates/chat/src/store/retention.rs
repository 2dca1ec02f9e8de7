//! How much is kept, and what one entry counts. It must never decide by anything but what is stored:
//! every store forgets the same.

use std::time::Duration;

use super::record::{Happening, What};
use crate::chat::event::Message;

/// What is kept; without a bound, everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// What is older goes, and so do the marks of who has read until then.
    pub max_age: Option<Duration>,
    /// Of each conversation so many messages, the newest ones, and as many entries of what else
    /// happened there.
    pub max_count: Option<u64>,
    /// So many bytes in all, by [`message_bytes`] and [`happening_bytes`]; the oldest ones go. The
    /// file is about twice as large, with the index of its words and some room for more.
    pub max_bytes: Option<u64>,
}

/// What an entry takes beside its texts: its row, and its places in the indexes.
const ENTRY_BYTES: usize = 200;

/// What one call of [`Store::prune`](super::Store::prune) removes at most, in entries.
pub const PRUNE_MAX: usize = 500;

/// What a message counts.
pub fn message_bytes(message: &Message) -> u64 {
    let from = &message.from;
    let names = [&from.nick, &from.user, &from.host, &from.realname];
    let names: usize = names.iter().map(|name| name.len()).sum();
    (ENTRY_BYTES + names + content_bytes(message)) as u64
}

/// What goes when a message is redacted.
pub fn content_bytes(message: &Message) -> usize {
    let tags = message
        .tags
        .iter()
        .map(|(key, value)| key.len() + value.len());
    message.text.len() + tags.sum::<usize>()
}

/// What an entry of another kind counts.
pub fn happening_bytes(happening: &Happening) -> u64 {
    let text = match &happening.what {
        What::Joined { realname: text }
        | What::Parted(text)
        | What::Quit(text)
        | What::Kicked { reason: text, .. }
        | What::Renamed(text)
        | What::Topic(text)
        | What::Modes(text) => text.len(),
    };
    (ENTRY_BYTES + happening.source.len() + text) as u64
}
