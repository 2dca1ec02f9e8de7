//! `LIST`: which rooms there are. It must never list a secret one to somebody who is not in it.

use std::sync::Arc;

use super::{Call, Entry};
use crate::chat::RoomView;
use crate::chat::masks::glob;
use crate::irc::message::Message;
use crate::irc::names;
use crate::irc::numeric::{RPL_LIST, RPL_LISTEND, RPL_LISTSTART};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("LIST", 0, list)];

/// The conditions that are understood (`ELIST`): by time of creation, mask, mask that is not to
/// match, time of the topic, number of users.
pub(super) const ELIST: &str = "CMNTU";

/// What a room must be to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Named(String),
    NotNamed(String),
    MoreThan(usize),
    FewerThan(usize),
    /// Made longer ago than so many milliseconds, or not.
    Made(bool, u64),
    /// The same of its topic.
    TopicSet(bool, u64),
}

fn list(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let asked = message.params.get(0).unwrap_or("");
    let asked = asked.split(',').filter(|condition| !condition.is_empty());
    // Names and masks are alternatives, the others have to be met all.
    let (named, others): (Vec<_>, Vec<_>) = asked
        .map(condition)
        .partition(|condition| matches!(condition, Condition::Named(_)));
    let now = call.view.now.unix_ms;
    let is_meant = |room: &&RoomView| {
        let is_met = |condition: &Condition| is_met(condition, room, now);
        (named.is_empty() || named.iter().any(is_met)) && others.iter().all(is_met)
    };
    let rooms = call.chat().rooms().filter(|room| call.may_see(room));
    let rooms: Vec<Arc<str>> = rooms
        .filter(is_meant)
        .map(|room| Arc::clone(room.name()))
        .collect();
    let mut is_first = true;
    call.in_pieces(
        "LIST",
        rooms,
        move |call, rooms| {
            if std::mem::take(&mut is_first) {
                call.numeric(RPL_LISTSTART, &["Channel"]);
            }
            rooms.iter().for_each(|room| call.list_line(room));
        },
        |call| call.numeric(RPL_LISTEND, &[]),
    );
}

fn condition(text: &str) -> Condition {
    let minutes = |text: &str| Some(text.parse::<u64>().ok()?.saturating_mul(60_000));
    let number = |text: &str| text.parse().ok();
    let read = || {
        // A time is that of something that happened less (`<`) or more (`>`) than so long ago.
        Some(match (text.get(..1)?, text.get(1..2).unwrap_or("")) {
            (">", _) => Condition::MoreThan(number(&text[1..])?),
            ("<", _) => Condition::FewerThan(number(&text[1..])?),
            ("C" | "c", sign @ ("<" | ">")) => Condition::Made(sign == ">", minutes(&text[2..])?),
            ("T" | "t", sign @ ("<" | ">")) => {
                Condition::TopicSet(sign == ">", minutes(&text[2..])?)
            }
            ("!", _) => Condition::NotNamed(text[1..].to_owned()),
            _ => return None,
        })
    };
    read().unwrap_or_else(|| Condition::Named(text.to_owned()))
}

fn is_met(condition: &Condition, room: &RoomView, now: u64) -> bool {
    let is_older = |then: u64, age: u64| now.saturating_sub(then) > age;
    match condition {
        Condition::Named(mask) => names::are_same(mask, room.name()) || glob(mask, room.name()),
        Condition::NotNamed(mask) => !glob(mask, room.name()),
        Condition::MoreThan(count) => room.len() > *count,
        Condition::FewerThan(count) => room.len() < *count,
        Condition::Made(older, age) => is_older(room.created_unix_ms(), *age) == *older,
        Condition::TopicSet(older, age) => room
            .topic()
            .is_some_and(|(_, _, then)| is_older(then, *age) == *older),
    }
}

impl Call<'_, '_> {
    fn list_line(&mut self, name: &str) {
        let Some(room) = self.visible_room(name) else {
            return;
        };
        let (name, count) = (Arc::clone(room.name()), room.len().to_string());
        let topic = room.topic().map_or("", |(text, _, _)| text).to_owned();
        self.numeric_text(RPL_LIST, &[&name, &count], &topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_told_from_masks() {
        assert_eq!(condition(">10"), Condition::MoreThan(10));
        assert_eq!(condition("<10"), Condition::FewerThan(10));
        assert_eq!(condition("C>5"), Condition::Made(true, 300_000));
        assert_eq!(condition("t<1"), Condition::TopicSet(false, 60_000));
        assert_eq!(condition("!#a*"), Condition::NotNamed("#a*".to_owned()));
        for mask in [">x", "#c>1", "é", "*", "C", "C>"] {
            assert_eq!(condition(mask), Condition::Named(mask.to_owned()));
        }
    }
}
