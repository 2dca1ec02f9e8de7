//! What is registered, in a table of the driver's own, whose places are not those of the core.
//! A place must never be given to another resource before the last completion of the one in it
//! has come: until then its descriptor and all that the kernel was given a pointer to live here.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use socket2::SockAddr;

use super::kept::Kept;
use crate::Token;
use crate::driver::batches::DatagramSocket;
use crate::driver::channel::Channel;
use crate::driver::{Notifier, READ_BUFFER};
use crate::io::Interest;
use crate::net::{BACKLOG, SocketFile};

/// What is registered in one place.
pub(super) enum Kind {
    Free {
        next: Option<u32>,
    },
    Stream(OwnedFd),
    /// A stream that is read and written in another way.
    Channel(Box<Channel>),
    Connecting(Box<Connecting>),
    Listener(Box<Listening>),
    Watch(Box<Watch>),
    Notifier(Box<Notifier>),
    Datagrams(Box<DatagramSocket>),
    /// A watch that has ended: its descriptor is the program's, and was given back at once.
    Gone,
}

pub(super) struct Connecting {
    pub(super) fd: OwnedFd,
    /// The kernel reads it when the operation is submitted.
    pub(super) address: SockAddr,
}

impl Connecting {
    pub(super) fn new(fd: OwnedFd, address: SocketAddr) -> Connecting {
        Connecting {
            fd,
            address: address.into(),
        }
    }
}

pub(super) struct Listening {
    /// Dropped before the sockets, since it is removed while they are still listened on.
    pub(super) file: Option<SocketFile>,
    pub(super) sockets: Vec<Socket>,
    /// Accepted in a pause, or beyond what one tick may hand out.
    pub(super) waiting: VecDeque<OwnedFd>,
    /// Who was in the queue at the end has been let in.
    pub(super) is_swept: bool,
}

impl Listening {
    /// Lets in who is in the queue. The kernel wakes a single one of those that accept on a socket, so
    /// of a connection that came right before our accepts were cancelled nobody else knows: without
    /// this it would wait until another one comes. Those that come from now on are others'.
    pub(super) fn sweep(&mut self) {
        for socket in &self.sockets {
            for _ in 0..LONGEST_QUEUE {
                match accept_with(&socket.fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                    Ok(fd) => self.waiting.push_back(fd),
                    Err(Errno::INTR | Errno::CONNABORTED) => {}
                    Err(Errno::AGAIN) => break,
                    Err(error) => {
                        tracing::warn!(%error, "connections may wait until another one comes");
                        break;
                    }
                }
            }
        }
    }
}

pub(super) struct Socket {
    pub(super) fd: OwnedFd,
    /// The kernel accepts on it.
    pub(super) is_armed: bool,
    pub(super) is_cancelled: bool,
}

impl Socket {
    pub(super) fn new(fd: OwnedFd) -> Socket {
        Socket {
            fd,
            is_armed: false,
            is_cancelled: false,
        }
    }
}

pub(super) struct Watch {
    /// Held for its descriptor's sake, which `fd` is.
    pub(super) _source: Box<dyn AsFd>,
    /// Asked of the source once: what it does when asked is the program's code.
    pub(super) fd: RawFd,
    pub(super) interest: Interest,
}

/// No queue has more: who was in one before so many were let in has been let in, too.
const LONGEST_QUEUE: usize = BACKLOG as usize + 1;

/// The kernel receives for it, or polls it.
pub(super) const ARMED: u16 = 1;
/// In the list of what to arm before the next wait.
pub(super) const TO_ARM: u16 = 1 << 1;
/// That operation is being cancelled.
pub(super) const CANCELLED: u16 = 1 << 2;
pub(super) const PAUSED: u16 = 1 << 3;
/// The stream has ended or failed: nothing is to be received any more.
pub(super) const ENDED: u16 = 1 << 4;
/// The kernel takes nothing more until it says so.
pub(super) const BLOCKED: u16 = 1 << 5;
/// The kernel watches for room to send.
pub(super) const ROOM_ARMED: u16 = 1 << 6;
/// Its token has ended, and something of it goes out with the next wait.
pub(super) const LAST_WORDS: u16 = 1 << 7;
/// Its token has ended; it waits for its last completion.
pub(super) const CLOSED: u16 = 1 << 8;
/// What its poll tells is out of date.
pub(super) const STALE: u16 = 1 << 9;
/// In the list of those with something to hand out in the next tick.
pub(super) const QUEUED: u16 = 1 << 10;
/// It has had its share of this tick: what else was told of it waits for the next.
pub(super) const SATED: u16 = 1 << 11;
/// It has had more than its share, and receives once at a time until that brings little.
pub(super) const GREEDY: u16 = 1 << 12;
/// A listener that lets nobody in any more.
pub(super) const LEAVING: u16 = 1 << 13;
/// The watch for room is being cancelled.
pub(super) const ROOM_CANCELLED: u16 = 1 << 14;

pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) kept: Option<Box<Kept>>,
    pub(super) token: Token,
    /// How many bytes one completion may bring.
    pub(super) room: u32,
    /// Where in the list of sends it has one, if it has: see `Sends::is_due`.
    pub(super) sending: u32,
    /// Operations whose last completion has not come.
    pub(super) under_way: u16,
    pub(super) flags: u16,
    /// The tick that its last bytes were handed out in, and how many 16 bytes those were.
    tick: u16,
    taken: u16,
}

/// What one source gets in one tick, as with the other drivers: its outbox must have been flushed
/// before it gets more, or an echo of it could not keep to its bounds.
const SHARE: u16 = (READ_BUFFER / 16) as u16;

impl Place {
    #[inline]
    pub(super) fn any(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flags: u16) {
        self.flags |= flags;
    }

    #[inline]
    pub(super) fn clear(&mut self, flags: u16) {
        self.flags &= !flags;
    }

    /// A stream whose bytes are handed out as they arrive.
    #[inline]
    pub(super) fn is_flowing(&self) -> bool {
        !self.any(PAUSED | CLOSED | ENDED) && self.room > 0 && self.kept.is_none()
    }

    /// Whether `len` further bytes may be handed out in this tick; if so, they are counted.
    #[inline]
    pub(super) fn may_take(&mut self, tick: u16, len: usize) -> bool {
        debug_assert!(len <= READ_BUFFER, "more than a buffer holds");
        let mut taken = len.div_ceil(16) as u16;
        if self.tick == tick {
            taken += self.taken; // both are at most SHARE
            if taken > SHARE {
                return false;
            }
        }
        self.tick = tick;
        self.taken = taken;
        true
    }

    /// How many bytes may still be handed out in this tick.
    pub(super) fn share_left(&self, tick: u16) -> usize {
        let taken = if self.tick == tick { self.taken } else { 0 };
        usize::from(SHARE - taken) * 16
    }

    /// Whether an operation should be under way that is not.
    pub(super) fn wants_arming(&self) -> bool {
        if self.any(ARMED | CLOSED | ENDED | LEAVING) {
            return false;
        }
        match &self.kind {
            Kind::Connecting(_) => true, // a pause is about what comes afterwards
            Kind::Notifier(_) => true,   // and nothing to these
            _ if self.any(PAUSED) => false,
            Kind::Stream(_) | Kind::Channel(_) => self.is_flowing(),
            Kind::Listener(listener) => {
                let is_idle = |socket: &Socket| !socket.is_armed;
                listener.waiting.is_empty() && listener.sockets.iter().any(is_idle)
            }
            Kind::Watch(_) => true,
            Kind::Datagrams(socket) => !socket.has_kept(),
            Kind::Free { .. } | Kind::Gone => false,
        }
    }

    /// Whether it has to be told when the kernel takes bytes again.
    pub(super) fn wants_room(&self) -> bool {
        self.any(BLOCKED) && !self.any(ROOM_ARMED | CLOSED)
    }

    /// Whether something is kept that may be handed out.
    pub(super) fn has_offer(&self) -> bool {
        if self.any(PAUSED | CLOSED) {
            return false;
        }
        match (&self.kind, &self.kept) {
            (Kind::Listener(listener), _) => !listener.waiting.is_empty(),
            (Kind::Datagrams(socket), _) => socket.has_kept(),
            (_, Some(kept)) => self.room > 0 || kept.bytes.is_empty(),
            _ => false,
        }
    }

    pub(super) fn kept(&mut self) -> &mut Kept {
        self.kept.get_or_insert_default()
    }

    /// The descriptor of a stream that may send.
    #[inline]
    pub(super) fn sends_through(&self) -> Option<RawFd> {
        match &self.kind {
            Kind::Stream(fd) if !self.any(BLOCKED) => Some(fd.as_raw_fd()),
            _ => None,
        }
    }

    /// The descriptor of a connection, or of a datagram socket.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Stream(fd) => Some(fd.as_fd()),
            Kind::Channel(channel) => Some(channel.as_fd()),
            Kind::Connecting(connecting) => Some(connecting.fd.as_fd()),
            Kind::Datagrams(socket) => Some(socket.as_fd()),
            _ => None,
        }
    }
}

/// All places, and which of them belongs to which slot of the core.
#[derive(Default)]
pub(super) struct Table {
    places: Vec<Place>,
    free: Option<u32>,
    /// By the core's slot: the place of what is registered there now.
    slots: Vec<Option<std::num::NonZeroU32>>,
    /// The places of sources whose connection is being made, the latest of which is in `slots`.
    attempts: BTreeMap<Token, Vec<u32>>,
    ended: usize,
}

impl Table {
    /// How many places wait for their last completion though their source has ended.
    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    pub(super) fn insert(&mut self, token: Token, kind: Kind) -> u32 {
        let place = Place {
            kind,
            kept: None,
            token,
            room: READ_BUFFER as u32,
            sending: 0,
            under_way: 0,
            flags: 0,
            tick: 0,
            taken: 0,
        };
        let index = match self.free {
            Some(index) => {
                let free = &mut self.places[index as usize];
                self.free = match free.kind {
                    Kind::Free { next } => next,
                    _ => unreachable!("it is in the list of free ones"),
                };
                *free = place;
                index
            }
            None => {
                grow(&mut self.places, 1);
                self.places.push(place);
                (self.places.len() - 1) as u32 // the core's bound on sources is far below
            }
        };
        let slot = token.slot as usize;
        if slot >= self.slots.len() {
            let missing = slot + 1 - self.slots.len();
            grow(&mut self.slots, missing);
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = std::num::NonZeroU32::new(index + 1);
        index
    }

    /// One more place for a token whose connection is being made.
    pub(super) fn insert_attempt(&mut self, token: Token, connecting: Connecting) -> u32 {
        let earlier = self.find(token).map(|(index, _)| index);
        let index = self.insert(token, Kind::Connecting(Box::new(connecting)));
        self.attempts.entry(token).or_default().push(index);
        if let Some(earlier) = earlier {
            self.copy_wishes(earlier, index);
        }
        index
    }

    /// What was asked for a token whose connection is being made is noted in its latest attempt.
    pub(super) fn carry_wishes(&mut self, token: Token, winner: u32) {
        if let Some((latest, _)) = self.find(token) {
            self.copy_wishes(latest, winner);
        }
    }

    fn copy_wishes(&mut self, from: u32, to: u32) {
        let from = &self.places[from as usize];
        let (paused, room) = (from.flags & PAUSED, from.room);
        let to = &mut self.places[to as usize];
        to.clear(PAUSED);
        to.set(paused);
        to.room = room;
    }

    /// An attempt is over, and its descriptor is closed.
    pub(super) fn attempt_failed(&mut self, index: u32) {
        let token = self.places[index as usize].token;
        let mut latest = None;
        if let Some(attempts) = self.attempts.get_mut(&token) {
            attempts.retain(|attempt| *attempt != index);
            latest = attempts.last().copied();
        }
        match latest {
            Some(latest) => self.carry_wishes(token, latest),
            None => drop(self.attempts.remove(&token)),
        }
        self.point(token, latest);
        self.end(index);
        self.free_if_done(index);
    }

    /// No attempt is left but the winner, if there is one; the others are to be ended.
    pub(super) fn take_attempts(&mut self, token: Token, winner: Option<u32>) -> Vec<u32> {
        let mut attempts = self.attempts.remove(&token).unwrap_or_default();
        attempts.retain(|attempt| Some(*attempt) != winner);
        self.point(token, winner);
        attempts
    }

    fn point(&mut self, token: Token, index: Option<u32>) {
        self.slots[token.slot as usize] =
            index.and_then(|index| std::num::NonZeroU32::new(index + 1));
    }

    /// The place of a token that has not ended.
    #[inline]
    pub(super) fn find(&mut self, token: Token) -> Option<(u32, &mut Place)> {
        let index = (*self.slots.get(token.slot as usize)?)?.get() - 1;
        let place = &mut self.places[index as usize];
        (place.token == token && !place.any(CLOSED)).then_some((index, place))
    }

    #[inline]
    pub(super) fn at(&mut self, index: u32) -> &mut Place {
        &mut self.places[index as usize]
    }

    /// The token ends. Its slot in the core may be used again from now on.
    pub(super) fn close(&mut self, index: u32) {
        let token = self.places[index as usize].token;
        self.point(token, None);
        self.end(index);
    }

    /// The place is nobody's any more, whatever the token's slot points to.
    pub(super) fn end(&mut self, index: u32) {
        self.places[index as usize].set(CLOSED);
        self.ended += 1;
    }

    /// Frees a place whose token has ended, if the kernel has nothing of it any more.
    pub(super) fn free_if_done(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        if place.under_way == 0 && place.any(CLOSED) && !place.any(LAST_WORDS) {
            place.kind = Kind::Free { next: self.free };
            place.kept = None;
            place.flags = 0;
            self.free = Some(index);
            self.ended -= 1;
        }
    }
}

/// Grows by an eighth, as the slab of sources does, and for the same reason.
fn grow<T>(table: &mut Vec<T>, more: usize) {
    if table.len() + more > table.capacity() {
        table.reserve_exact(more + (table.len() / 8).max(16));
    }
}
