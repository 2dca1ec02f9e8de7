//! The slab of registered sources, and the tokens that name them.
//! It must never let a token of an ended source reach the source that follows in its slot.

use std::fmt;

use crate::datagrams::Datagrams;
use crate::handler::Close;
use crate::inbox::Inbox;
use crate::limits::Limited;
use crate::options::{Bounds, SourceOptions};
use crate::outbox::{Outbox, OutboxPolicy};
use crate::stage::Staged;
use crate::timers::{OwnerTimers, TimerId};
use crate::{Error, Result, Time};

/// Names one source of a reactor, for as long as that source lives.
///
/// A token is a slot and the slot's generation, so one that outlives its source is stale: every
/// call with it is a clean [`Error::Stale`], never an access to another source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}.{}", self.slot, self.generation)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    Listener,
    Watch,
    Signals,
    Child,
    Datagram,
    File,
}

/// Which ways bytes go through a stream, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Connection,
    /// Not a connection: what it leaves unread is for others. Read and written.
    #[cfg(unix)]
    Both,
    /// As `Both`, read only.
    Reader,
    /// As `Both`, written only.
    Writer,
}

/// How far a source has come. The order is the order of a life; see `closing.rs` for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The name is being looked up, or the connection is being made.
    Connecting,
    /// Events reach the handler.
    Open,
    /// No event reaches the handler any more; the outbox is being sent.
    Flushing,
    /// Our side is shut down; what the peer still sends is thrown away until it finishes.
    Lingering,
    /// `handle_close` is due in this tick's last step.
    Finishing,
}

pub(crate) struct Source {
    pub(crate) token: Token,
    pub(crate) inbox: Option<Box<Inbox>>,
    /// What it has sent in this tick, if that was little and its outbox was empty.
    pub(crate) staged: Staged,
    pub(crate) outbox: Option<Box<Outbox>>,
    /// In place of an outbox, for a datagram socket that has sent something.
    pub(crate) datagrams: Option<Box<Datagrams>>,
    pub(crate) why: Option<Box<Close>>,
    pub(crate) last_active: Time,
    /// The connect deadline, later that of the handshake, and the close deadline.
    pub(crate) deadline: Option<TimerId>,
    pub(crate) timers: OwnerTimers,
    pub(crate) options: Bounds,
    /// What it is limited in besides, if it is.
    pub(crate) limits: Option<Box<Limited>>,
    pub(crate) kind: Kind,
    pub(crate) phase: Phase,
    pub(crate) way: Way,
    /// In the reactor's list of outboxes to flush.
    pub(crate) dirty: bool,
    /// In the reactor's list of inboxes to offer again.
    pub(crate) again: bool,
    /// The outbox was above low, or refused a send: `handle_write` is owed.
    pub(crate) wants_write: bool,
    /// Made by `connect`.
    pub(crate) dialled: bool,
    /// In the reactor's list of those that were refused a send for the sake of all.
    pub(crate) refused: bool,
    /// The handler paused reading.
    pub(crate) paused: bool,
    /// The reactor paused reading: the outbox is above low, or the inbox is full.
    pub(crate) held: bool,
    /// A listener has accepted as many as its rate allows.
    pub(crate) slowed: bool,
    pub(crate) eof: bool,
    /// What arrives has to go the long way: the stream has ended, or there is a rate to keep.
    pub(crate) apart: bool,
    /// The end of the stream is still to be told: the inbox is offered first.
    pub(crate) eof_due: bool,
    /// Our side was asked to be shut down once the outbox is empty.
    pub(crate) write_ending: bool,
    /// It has been.
    pub(crate) write_ended: bool,
    pub(crate) idle_timer: Option<TimerId>,
}

impl Source {
    /// Whether it is closing, or is to close once it is connected.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.phase > Phase::Open || self.why.is_some()
    }

    /// Whether its handler may leave an inbox as it is: it will consume later, when it has room
    /// to answer or reads on.
    pub(crate) fn is_waiting(&self) -> bool {
        self.wants_write || self.refused || !self.reads()
    }

    /// Whether nothing is read from the peer while it does not read. Of two ends that each wait
    /// for the other to read, one has to: by default the one that began.
    pub(crate) fn has_backpressure(&self) -> bool {
        self.options.backpressure.unwrap_or(!self.dialled)
    }

    #[inline]
    pub(crate) fn can_send(&self) -> bool {
        self.kind == Kind::Stream && !self.is_ending() && !self.write_ending
    }

    /// Whether what it sends may be staged: it goes out in this tick, as far as we know.
    #[inline]
    pub(crate) fn can_stage(&self) -> bool {
        self.phase == Phase::Open // so it is not ending
            && self.kind == Kind::Stream
            && !self.write_ending
            && self.outbox.is_none()
            && self.options.policy != OutboxPolicy::DropOldest
    }

    #[inline]
    pub(crate) fn outbox_len(&self) -> usize {
        self.staged.len()
            + match (&self.outbox, &self.datagrams) {
                (Some(outbox), _) => outbox.len(),
                (None, Some(datagrams)) => datagrams.cost(),
                (None, None) => 0,
            }
    }

    /// Drops the oldest send of which no byte has gone out, and says how many bytes that makes.
    pub(crate) fn drop_oldest(&mut self) -> Option<usize> {
        match (&mut self.outbox, &mut self.datagrams) {
            (Some(outbox), _) => outbox.drop_oldest(),
            (None, Some(datagrams)) => datagrams.drop_oldest(),
            (None, None) => None,
        }
    }

    /// Whether its events are wanted from the driver.
    pub(crate) fn reads(&self) -> bool {
        !self.paused && !self.held && !self.slowed
    }

    /// Whether there is something to offer to the handler without the driver.
    pub(crate) fn has_offer(&self) -> bool {
        self.inbox.is_some() || self.eof_due
    }

    /// Whether the handler left bytes unread while its outbox was too full: they are offered again
    /// once there is room.
    pub(crate) fn has_refused_unread(&self) -> bool {
        self.inbox.is_some() && (self.wants_write || self.refused)
    }

    /// Whether something depends on how far the outbox has drained.
    #[inline]
    pub(crate) fn is_awaiting_flush(&self) -> bool {
        // Without a jump for each: it is asked after every flush, and mostly all are false.
        self.held | self.wants_write | self.write_ending
    }

    pub(crate) fn inbox_len(&self) -> usize {
        self.inbox.as_ref().map_or(0, |inbox| inbox.len())
    }
}

enum Slot {
    Used(Source),
    /// The generation of the next source here, and the next free slot.
    Free {
        generation: u32,
        next: Option<u32>,
    },
}

/// All sources, by slot. Insert, look-up and removal take constant time.
pub(crate) struct Sources {
    slots: Vec<Slot>,
    free: Option<u32>,
    len: usize,
    limit: usize,
}

impl Sources {
    pub(crate) fn new(limit: usize) -> Sources {
        Sources {
            slots: Vec::new(),
            free: None,
            len: 0,
            limit,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    pub(crate) fn insert(
        &mut self,
        kind: Kind,
        phase: Phase,
        options: SourceOptions,
        now: Time,
    ) -> Result<Token> {
        if self.is_full() {
            return Err(Error::TooManySources { limit: self.limit });
        }
        let (slot, generation) = self.free_slot();
        let token = Token { slot, generation };
        let limits = match kind {
            Kind::Stream => Limited::new(options.limits),
            _ => None,
        };
        self.slots[slot as usize] = Slot::Used(Source {
            token,
            inbox: None,
            staged: Staged::default(),
            outbox: None,
            datagrams: None,
            why: None,
            last_active: now,
            deadline: None,
            timers: OwnerTimers::default(),
            options: options.bounds,
            apart: limits.as_ref().is_some_and(|limits| limits.has_rate()),
            limits,
            kind,
            phase,
            way: Way::Connection,
            dirty: false,
            again: false,
            wants_write: false,
            dialled: phase == Phase::Connecting,
            refused: false,
            paused: false,
            held: false,
            slowed: false,
            eof: false,
            eof_due: false,
            write_ending: false,
            write_ended: false,
            idle_timer: None,
        });
        self.len += 1;
        Ok(token)
    }

    fn free_slot(&mut self) -> (u32, u32) {
        if let Some(slot) = self.free
            && let Slot::Free { generation, next } = self.slots[slot as usize]
        {
            self.free = next;
            return (slot, generation);
        }
        // An eighth at a time keeps the unused part small: with the usual doubling it would be
        // up to as large as the used one, at 10,000 idle connections as elsewhere.
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact((self.slots.len() / 8).max(16));
        }
        self.slots.push(Slot::Free {
            generation: 0,
            next: None,
        });
        // The limit is far below `u32::MAX` (see `Builder::max_sources`).
        ((self.slots.len() - 1) as u32, 0)
    }

    #[inline]
    pub(crate) fn get(&self, token: Token) -> Option<&Source> {
        match self.slots.get(token.slot as usize) {
            Some(Slot::Used(source)) if source.token.generation == token.generation => Some(source),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Source> {
        match self.slots.get_mut(token.slot as usize) {
            Some(Slot::Used(source)) if source.token.generation == token.generation => Some(source),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Source> {
        self.get(token)?;
        // A generation may come round after 2^32 lives of one slot; a token kept that long is
        // the one stale token that is not told apart.
        let free = Slot::Free {
            generation: token.generation.wrapping_add(1),
            next: self.free,
        };
        let Slot::Used(source) = std::mem::replace(&mut self.slots[token.slot as usize], free)
        else {
            return None;
        };
        self.free = Some(token.slot);
        self.len -= 1;
        Some(source)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Used(source) => Some(source),
            Slot::Free { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests;
