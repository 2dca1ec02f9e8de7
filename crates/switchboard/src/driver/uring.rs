//! The driver for io_uring: the kernel itself receives, accepts and sends, and all that a tick has
//! asked for is submitted by the one system call that waits for the next completions.
//!
//! Memory that the kernel reads or writes, and who owns it:
//!
//! - The rings: `io_uring::IoUring`, in `uring/ring.rs`.
//! - Received bytes: `uring/buffers.rs`. The kernel writes to the buffers that it has been given and
//!   to no part of them that it has told of. The program gets a part lent at `next`, until the
//!   following one; the kernel gets it back in a `wait` after that: in the next one, or, when it is
//!   sent on, once that send has been submitted.
//!   The buffers are freed when the ring has no operation left (`Ring::drop` ends them all and waits).
//! - Sent bytes, and the arrays that point to them: `uring/sends.rs`, from `send` (or, of the loop's
//!   stage, `keep_stage`) to the end of the call that submits them. A send never waits in the kernel.
//! - What is read from files and written to them: `uring/files.rs`, until the completion.
//! - The address of a `connect`: `uring/table.rs`, until its completion.
//!
//! Descriptors: entries are queued in `wait` alone, right before they are submitted, so that none
//! names a descriptor that was closed meanwhile. A socket of ours is closed after the last completion
//! of its place. It must never be closed earlier, whatever has become of its source; a watched
//! descriptor is the program's own, no memory goes with it, and it is given back at once.

#![expect(unsafe_code, reason = "the kernel is given pointers, see above")]

mod buffers;
mod channels;
mod completions;
mod connecting;
mod datagrams;
mod files;
mod kept;
mod probe;
mod registering;
mod ring;
mod sends;
mod table;
mod tick;
mod told;

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rustix::event::EventfdFlags;

use super::batches::Inlet;
use super::results::Results;
use super::socket::shut_down;
use super::waker::Bell;
use super::watched::Watched;
use super::{Event, READ_BUFFER, Waker};
use crate::offload::Job;
use crate::outbox::Outbox;
use crate::stage::{Stage, Staged};
use crate::{Time, Token};

use buffers::Piece;
use completions::close_on;
use files::{FILE, Files};
use kept::Total;
use ring::Ring;
use sends::Sends;
use table::{ARMED, Kind, LAST_WORDS, PAUSED, Place, QUEUED, STALE, TO_ARM, Table};
use tick::WAKE;
use told::Told;

/// The sizes of a ring and its buffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) submissions: u32,
    pub(super) completions: u32,
    /// Buffers that the kernel fills piece by piece, and the bytes of each.
    pub(super) buffers: u16,
    pub(super) buffer: usize,
    /// The same for kernels that need a whole one for each piece.
    pub(super) whole_buffers: u16,
    pub(super) whole_buffer: usize,
    /// Whether completions are deferred, by kernels that can.
    pub(super) is_deferred: bool,
    /// Bytes kept for sources that do not want them now, all together.
    pub(super) max_kept: usize,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            submissions: 1024,
            completions: 4096,
            buffers: 32,
            buffer: READ_BUFFER,
            whole_buffers: 256,
            whole_buffer: 16 * 1024,
            is_deferred: true,
            max_kept: 1 << 30,
        }
    }
}

/// What `next` has lent.
enum Lent {
    Nothing,
    Piece(Piece),
    /// In `scratch`: bytes that had to be kept.
    Scratch,
}

pub(crate) struct Uring {
    /// Dropped before what its operations point to, and waits for them.
    ring: Ring,
    table: Table,
    sends: Sends,
    files: Files,
    /// Completions, of which `looked_at` have been looked at.
    told: Vec<Told>,
    looked_at: usize,
    /// Up to here they are what comes next.
    straight: usize,
    /// Those of sources that have had their share of this tick.
    put_off: Vec<Told>,
    /// Events that are no completions of the ring, or not any more; they come first.
    events: VecDeque<(Token, Event<'static>)>,
    /// Sends that failed. They come last: what the peer sent before its reset is there already.
    failed: VecDeque<(Token, i32)>,
    /// Places to arm before the next wait, each once.
    to_arm: Vec<u32>,
    /// As `to_arm`, of those that found no buffer: these come first.
    starved: Vec<u32>,
    /// Numbers of operations to cancel before the next wait.
    to_cancel: Vec<u64>,
    /// Of all sources.
    kept_bytes: Total,
    /// Places with something kept to hand out in this tick, and in the next one.
    kept: VecDeque<u32>,
    kept_next: VecDeque<u32>,
    /// Descriptors of watches.
    watched: Watched,
    /// Places whose sends did not all go; empty but for a moment.
    blocked: Vec<u32>,
    lent: Lent,
    scratch: Vec<u8>,
    inlet: Inlet,
    /// Tells one tick from the next.
    tick: u16,
    bytes_left: usize,
    accepts_left: usize,
    is_waker_armed: bool,
    waker: Arc<Waker>,
    results: Results,
    start: Instant,
}

impl Uring {
    pub(crate) fn new(threads: usize, max_buffered: usize) -> io::Result<Uring> {
        let mut setup = Setup::default();
        // The ring's memory is there in any case, so a lower bound would only make sources fail
        // that are paused, which on other drivers just wait.
        let in_ring = usize::from(setup.buffers) * setup.buffer;
        setup.max_kept = max_buffered.max(in_ring);
        Uring::with(threads, &setup)
    }

    pub(super) fn with(threads: usize, setup: &Setup) -> io::Result<Uring> {
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let waker = Arc::new(Waker::new(Bell::Event(bell)));
        Ok(Uring {
            ring: Ring::new(setup)?,
            table: Table::default(),
            sends: Sends::default(),
            files: Files::default(),
            // As many as the ring holds, so that a burst does not double it.
            told: Vec::with_capacity(setup.completions as usize),
            looked_at: 0,
            straight: 0,
            put_off: Vec::new(),
            events: VecDeque::new(),
            failed: VecDeque::new(),
            to_arm: Vec::new(),
            starved: Vec::new(),
            to_cancel: Vec::new(),
            kept: VecDeque::new(),
            kept_bytes: Total::new(setup.max_kept),
            kept_next: VecDeque::new(),
            watched: Watched::default(),
            blocked: Vec::new(),
            lent: Lent::Nothing,
            scratch: Vec::new(),
            inlet: Inlet::new(),
            tick: 0,
            bytes_left: 0,
            accepts_left: 0,
            is_waker_armed: false,
            results: Results::native(threads, &waker),
            waker,
            start: Instant::now(),
        })
    }

    /// Whether it works here, and if not, why.
    pub(crate) fn probe() -> io::Result<()> {
        // Freeing as many buffers as a driver has would make the allocator clear those of the next.
        probe::probe(&Setup {
            buffers: 2,
            whole_buffers: 2,
            ..Setup::default()
        })
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    pub(crate) fn wall_time(&self) -> SystemTime {
        SystemTime::now()
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        self.results.resolve(token, host)
    }

    pub(crate) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        self.results.offload(token, job)
    }

    #[inline]
    pub(crate) fn send(&mut self, token: Token, outbox: &mut Outbox) -> io::Result<()> {
        let Some((index, place)) = self.table.find(token) else {
            return Ok(());
        };
        let Some(fd) = place.sends_through() else {
            return self.send_through_channel(token, outbox); // or a completion will come
        };
        if outbox.is_empty() {
            return Ok(());
        }
        let sending = large_of(&mut self.sends, index, fd, place);
        if !self.sends.take_outbox(sending, outbox) {
            self.sends.await_it(sending); // the rest when that is done
        }
        Ok(())
    }

    /// How many of these bytes go out with the next wait: all or none.
    #[inline]
    pub(crate) fn send_staged(&mut self, token: Token, staged: Staged) -> usize {
        let Some((index, place)) = self.table.find(token) else {
            return 0;
        };
        // Behind a send that has begun, they go by way of the outbox.
        if !self.sends.is_due(index, place.sending)
            && let Some(fd) = place.sends_through()
            && let Some(sending) = self.sends.small(index, fd, staged)
        {
            place.sending = sending;
            return staged.len();
        }
        0
    }

    pub(crate) fn keep_stage(&mut self, stage: &mut Stage) {
        self.sends.keep_stage(stage);
    }

    #[inline]
    pub(crate) fn forward(&mut self, token: Token, lent: Range<usize>) -> io::Result<usize> {
        let Lent::Piece(piece) = self.lent else {
            return Ok(0);
        };
        let Some((index, place)) = self.table.find(token) else {
            return Ok(0);
        };
        let Some(fd) = place.sends_through() else {
            return Ok(0);
        };
        let piece = piece.part(lent.start, lent.len());
        let sending = large_of(&mut self.sends, index, fd, place);
        if !self.sends.take_piece(sending, piece) {
            return Ok(0);
        }
        self.ring.buffers.hold(piece);
        Ok(lent.len())
    }

    pub(crate) fn is_flushed(&mut self, token: Token) -> bool {
        match self.table.find(token) {
            Some((index, place)) if self.sends.is_due(index, place.sending) => {
                self.sends.await_it(place.sending);
                false
            }
            _ => true,
        }
    }

    pub(crate) fn lent(&self, range: Range<usize>) -> &[u8] {
        match self.lent {
            Lent::Nothing => &[],
            Lent::Piece(piece) => &self.ring.buffers.bytes(piece)[range],
            Lent::Scratch => &self.scratch[range],
        }
    }

    pub(crate) fn set_reading(&mut self, token: Token, reading: bool) {
        let Some((index, place)) = self.table.find(token) else {
            return;
        };
        if reading {
            place.clear(PAUSED);
            self.go_on(index);
        } else {
            place.set(PAUSED);
            if let Kind::Datagrams(socket) = &mut place.kind {
                self.inlet.keep(token, socket);
            }
            if matches!(place.kind, Kind::Watch(_)) && place.any(ARMED) {
                place.set(STALE); // others may take what it will tell of
            }
            if matches!(place.kind, Kind::Listener(_)) {
                self.cancel_main(index); // others may accept what comes meanwhile
            }
        }
    }

    pub(crate) fn set_room(&mut self, token: Token, room: usize) {
        let Some((index, place)) = self.table.find(token) else {
            return;
        };
        let had_room = place.room > 0;
        place.room = u32::try_from(room).unwrap_or(u32::MAX);
        if !had_room {
            self.go_on(index);
        }
    }

    /// Something that stopped a place is gone: what was kept comes first, then what is new.
    fn go_on(&mut self, index: u32) {
        self.hand_out_later(index);
        self.arm_later(index);
    }

    pub(crate) fn shutdown(&mut self, token: Token, how: Shutdown) {
        let Some((index, place)) = self.table.find(token) else {
            return;
        };
        if let Kind::Channel(_) = place.kind {
            return self.shutdown_channel(token, how);
        }
        let is_flushed = !self.sends.is_due(index, place.sending);
        debug_assert!(how == Shutdown::Read || is_flushed, "not flushed");
        if let Some(socket) = place.socket() {
            shut_down(socket, how);
        }
    }

    pub(crate) fn kill_child(&mut self, token: Token, signal: i32) {
        if let Some((_, place)) = self.table.find(token)
            && let Kind::Notifier(notifier) = &place.kind
        {
            notifier.kill_child(signal);
        }
    }

    pub(crate) fn close(&mut self, token: Token) {
        let Some((index, place)) = self.table.find(token) else {
            return;
        };
        self.inlet.forget(token);
        self.kept_bytes.forget(&mut place.kept);
        if self.sends.is_due(index, place.sending) {
            place.set(LAST_WORDS);
            self.sends.note_closed(index);
        }
        let watch = match &mut place.kind {
            Kind::Connecting(_) => return self.end_attempts(token, None),
            Kind::Watch(watch) => {
                self.watched.end(watch.fd);
                Some(std::mem::replace(&mut place.kind, Kind::Gone))
            }
            Kind::Listener(listener) => {
                listener.waiting.clear();
                listener.file = None; // removed while the socket is still listened on
                None // and never shut down: others may listen on the same sockets
            }
            _ => None,
        };
        self.cancel_all(index);
        self.table.close(index);
        self.table.free_if_done(index);
        drop(watch); // the program's descriptor, and so perhaps its code: last
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.ring.descriptor()
    }

    /// Has a place armed before the next wait, if it wants to be.
    fn arm_later(&mut self, index: u32) {
        let place = self.table.at(index);
        if (place.wants_arming() || place.wants_room()) && !place.any(TO_ARM) {
            place.set(TO_ARM);
            self.to_arm.push(index);
        }
    }

    /// Has what is kept of a place handed out in the next tick, if it may be.
    fn hand_out_later(&mut self, index: u32) {
        let place = self.table.at(index);
        if place.has_offer() && !place.any(QUEUED) {
            place.set(QUEUED);
            self.kept_next.push_back(index);
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if let Err(error) = self.send_the_last() {
            tracing::error!(%error, "the last bytes were not sent");
        }
        // The kernel has accepted connections on its own: their descriptors are nobody else's.
        self.take_up(); // what was looked at has its owner
        if !self.ring.end(&mut self.told) {
            self.files.leak();
        }
        for told in self.told.drain(..) {
            if told.number < FILE && told.operation() != WAKE {
                close_on(&mut self.table, &told);
            }
        }
    }
}

/// The send of a source that goes out with the next wait.
#[inline]
fn large_of(sends: &mut Sends, index: u32, fd: RawFd, place: &mut Place) -> u32 {
    if !sends.is_due(index, place.sending) {
        place.sending = sends.large(index, fd);
    }
    place.sending
}

#[cfg(test)]
mod tests;
