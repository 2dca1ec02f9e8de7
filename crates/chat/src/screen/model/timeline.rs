//! What was said in one place, in the order of its time. It must never hold a message twice, nor more
//! than [`ENTRIES_MAX`].

use std::collections::{BTreeSet, VecDeque};

/// Entries of one window; the oldest go first, and can be loaded again.
pub const ENTRIES_MAX: usize = 5000;

/// How an entry looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// Somebody says something.
    #[default]
    Message,
    /// Somebody does something: `/me`.
    Action,
    /// A notice.
    Notice,
    /// What happened, or an answer.
    Info,
    /// What went wrong.
    Error,
}

/// One thing that was said or happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// As in `2026-11-24T19:30:00.000Z`; empty if nobody knows.
    pub time: String,
    /// Who; empty for what we say ourselves.
    pub nick: String,
    /// What.
    pub text: String,
    /// How it looks.
    pub look: Look,
    /// The name of the message.
    pub msgid: Option<String>,
    /// It speaks of us.
    pub is_mention: bool,
}

/// What is shown of one window, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    entries: VecDeque<Entry>,
    msgids: BTreeSet<String>,
    /// How many of the newest entries stand below the line that says what is new.
    pub line: Option<usize>,
}

impl Timeline {
    /// The entries, oldest first.
    pub fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }

    /// Puts an entry in its place; how many stand behind it, or `None` if it is there already.
    pub fn insert(&mut self, mut entry: Entry) -> Option<usize> {
        if let Some(msgid) = &entry.msgid
            && !self.msgids.insert(msgid.clone())
        {
            return None;
        }
        if entry.time.is_empty() {
            self.newest_time().clone_into(&mut entry.time);
        }
        let place = self.entries.partition_point(|it| it.time <= entry.time);
        let behind = self.entries.len() - place;
        self.entries.insert(place, entry);
        if let Some(line) = self.line.as_mut().filter(|line| behind < **line) {
            *line += 1;
        }
        if self.entries.len() > ENTRIES_MAX
            && let Some(oldest) = self.entries.pop_front()
            && let Some(msgid) = oldest.msgid
        {
            self.msgids.remove(&msgid);
        }
        Some(behind)
    }

    /// Whether there is room for older entries.
    pub fn has_room(&self) -> bool {
        self.entries.len() < ENTRIES_MAX
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Timeline::default();
    }

    /// The time of the newest entry.
    pub fn newest_time(&self) -> &str {
        self.entries.back().map_or("", |entry| &entry.time)
    }

    /// The newest message that has a name.
    pub fn newest_msgid(&self) -> Option<&str> {
        let named = |entry: &'_ Entry| entry.msgid.is_some();
        let newest = self.entries.iter().rev().find(|entry| named(entry))?;
        newest.msgid.as_deref()
    }

    /// The oldest message that has a name.
    pub fn oldest_msgid(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| entry.msgid.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(time: &str, msgid: &str) -> Entry {
        Entry {
            time: time.to_owned(),
            msgid: Some(msgid.to_owned()),
            text: msgid.to_owned(),
            ..Entry::default()
        }
    }

    fn texts(timeline: &Timeline) -> Vec<&str> {
        timeline
            .entries()
            .iter()
            .map(|it| it.text.as_str())
            .collect()
    }

    #[test]
    fn each_message_once_in_the_order_of_time() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.insert(entry("2", "b")), Some(0));
        assert_eq!(timeline.insert(entry("4", "d")), Some(0));
        assert_eq!(timeline.insert(entry("3", "c")), Some(1));
        assert_eq!(timeline.insert(entry("3", "c")), None);
        assert_eq!(timeline.insert(entry("1", "a")), Some(3));
        assert_eq!(texts(&timeline), ["a", "b", "c", "d"]);
        assert_eq!(timeline.oldest_msgid(), Some("a"));
        assert_eq!(timeline.newest_msgid(), Some("d"));
    }

    #[test]
    fn what_we_say_ourselves_comes_last() {
        let mut timeline = Timeline::default();
        timeline.insert(entry("2", "b"));
        timeline.insert(Entry::default());
        timeline.insert(entry("2", "c"));
        assert_eq!(texts(&timeline), ["b", "", "c"]);
    }

    #[test]
    fn the_oldest_goes_first_and_the_line_stays_in_its_place() {
        let mut timeline = Timeline::default();
        for number in 0..ENTRIES_MAX {
            timeline.insert(entry(&format!("{number:05}"), &format!("m{number}")));
        }
        assert!(!timeline.has_room());
        timeline.line = Some(1);
        timeline.insert(entry("99999", "new"));
        assert_eq!(timeline.entries().len(), ENTRIES_MAX);
        assert_eq!(timeline.oldest_msgid(), Some("m1"));
        assert_eq!(timeline.line, Some(2));
        timeline.insert(entry("00002", "old"));
        assert_eq!(timeline.line, Some(2));
    }
}
