//! What is going to happen in a simulation, in order. Events of the same moment happen in the
//! order in which they were put down; it must never be left to chance which comes first.

use std::collections::BTreeMap;

use crate::Time;

/// Events by moment, and by the number that each was given when it was put down.
pub(crate) struct Agenda<E> {
    events: BTreeMap<(Time, u64), E>,
    numbers: u64,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Agenda<E> {
        Agenda {
            events: BTreeMap::new(),
            numbers: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Time, event: E) {
        self.numbers += 1;
        self.events.insert((at, self.numbers), event);
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Time, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
