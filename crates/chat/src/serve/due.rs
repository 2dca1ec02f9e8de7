//! The answers that a plain client is due, in the order of its messages.
//!
//! It must never let a later message's answer overtake an earlier one's, which may wait for the disk.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::answers::{Answers, Verdict};

/// Answers of one client that wait. More messages are not taken from it.
pub(super) const DUE_MAX: usize = 128;

/// One answer.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    /// The message is on its way to the disk.
    Waiting { newline: bool },
    /// It can be sent.
    Ready { verdict: Verdict, newline: bool },
    /// It can be sent, and is not one of the usual ones.
    Line(Vec<u8>),
}

/// The queue of one client.
#[derive(Debug, Default)]
pub(super) struct Due {
    entries: VecDeque<Entry>,
    /// Close when all are sent.
    pub(super) closing: bool,
    /// The client is held until there is room.
    pub(super) holding: bool,
}

impl Due {
    /// A message is on its way to the disk.
    pub(super) fn wait(&mut self, newline: bool) {
        self.entries.push_back(Entry::Waiting { newline });
    }

    /// A message has its answer at once, after those before it.
    pub(super) fn answer(&mut self, verdict: Verdict, newline: bool) {
        self.entries.push_back(Entry::Ready { verdict, newline });
    }

    /// As [`answer`](Due::answer), in other words.
    pub(super) fn line(&mut self, line: Vec<u8>) {
        self.entries.push_back(Entry::Line(line));
    }

    /// The first message that waited is stored, or was not: `refusal`, which gets its newline here.
    pub(super) fn decided(&mut self, refusal: Option<&dyn std::fmt::Display>) {
        let waiting = |entry: &&mut Entry| matches!(entry, Entry::Waiting { .. });
        let Some(entry) = self.entries.iter_mut().find(waiting) else {
            debug_assert!(false, "an answer that nobody waits for");
            return;
        };
        let Entry::Waiting { newline } = *entry else {
            return;
        };
        *entry = match refusal {
            None => Entry::Ready {
                verdict: Verdict::Received,
                newline,
            },
            Some(why) => Entry::Line(Answers::refused(&why, newline)),
        };
    }

    /// What to send next, if it is decided.
    pub(super) fn next<'a>(&'a self, answers: &'a Answers) -> Option<Cow<'a, [u8]>> {
        match self.entries.front()? {
            Entry::Waiting { .. } => None,
            Entry::Ready { verdict, newline } => {
                Some(Cow::Borrowed(answers.verdict(*verdict, *newline)))
            }
            Entry::Line(line) => Some(Cow::Borrowed(line)),
        }
    }

    /// What was next is sent.
    pub(super) fn sent(&mut self) {
        self.entries.pop_front();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= DUE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_refusal_waits_for_the_receipts_before_it() {
        let answers = Answers::new(&Limits::DEFAULT);
        let mut due = Due::default();
        due.wait(true);
        due.answer(Verdict::TooFast, true);
        due.wait(false);
        assert_eq!(due.next(&answers), None);
        due.decided(None);
        let mut sent = Vec::new();
        while let Some(bytes) = due.next(&answers) {
            sent.push(String::from_utf8(bytes.into_owned()).unwrap());
            due.sent();
        }
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], "Message received\n");
        assert!(sent[1].starts_with("Error: more than"));
        due.decided(Some(&"the disk is full"));
        assert_eq!(
            due.next(&answers).as_deref(),
            Some(&b"Error: the disk is full"[..])
        );
        due.sent();
        assert!(due.is_empty());
    }
}
