//! What a simulated machine's driver holds of its sources, by the core's slot. It must never answer
//! for a token whose source has ended.

use super::datagrams::Datagramming;
use crate::Token;
use crate::sim::{EndId, ListenerId};

pub(super) enum Entry {
    Free,
    Stream(EndId),
    /// Attempts to make its connection, the earliest first.
    Connecting(Vec<EndId>),
    Listener(Vec<ListenerId>),
    #[cfg(unix)]
    Signals,
    Datagrams(Datagramming),
}

pub(super) struct Slot {
    pub(super) entry: Entry,
    pub(super) generation: u32,
    pub(super) room: usize,
    /// A send has not taken all; `Sent` is owed.
    pub(super) blocked: bool,
    pub(super) paused: bool,
    /// The end was told.
    pub(super) ended: bool,
    /// In the list of sources to look at.
    pub(super) queued: bool,
}

pub(super) fn slot_of(slots: &mut [Slot], token: Token) -> Option<&mut Slot> {
    let slot = slots.get_mut(token.slot as usize)?;
    (slot.generation == token.generation).then_some(slot)
}
