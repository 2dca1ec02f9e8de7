//! The driver for readiness (epoll, kqueue, AFD), on `mio`: it reads when a source is readable and
//! hands out what it read as a completion.
//!
//! `mio` is edge-triggered: it tells once that a source became ready. So this file remembers
//! which sources may still be ready, in `ready`, and `wait` does not sleep while any is. It must
//! never lose such a note before the kernel has said "would block" (or given less than was asked
//! for, which means the same).

mod asking;
#[cfg(unix)]
mod channels;
mod connecting;
mod datagrams;
#[cfg(unix)]
mod descriptors;
#[cfg(not(unix))]
mod no_channels;
mod registering;
mod room;
mod sending;
mod steps;

use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::fd::AsFd;
use rustix::io::Errno;

use super::batches::Inlet;
use super::results::Results;
use super::socket::shut_down;
use super::waker::Bell;
#[cfg(unix)]
use super::watched::Watched;
use super::{Completion, Event, READ_BUFFER, TICK_ACCEPTS, TICK_BYTES, Waker};
use crate::io::FileAsk;
use crate::offload::Job;
use crate::outbox::Outbox;
use crate::{Time, Token};
use registering::unpack;
use room::Told;
use steps::{
    BLOCKED, ENDING, Entry, Flags, PAUSED, QUEUED, READABLE, Slot, Step, Then, WRITABLE, stream,
};

/// Kernel events taken by one wait. What does not fit comes with the next.
const EVENTS: usize = 1024;

const WAKE: mio::Token = mio::Token(usize::MAX);

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a token (slot and generation) travels through the kernel in one 64-bit word");

pub(crate) struct Readiness {
    poll: mio::Poll,
    events: mio::Events,
    slots: Vec<Slot>,
    /// Sources that may be ready, and what the kernel said of them, in the order in which they
    /// are looked at in this tick; `looked_at` of them are done with.
    ready: Vec<(Token, u8)>,
    looked_at: usize,
    /// Those to look at in the next tick, each once (`QUEUED`), without a new kernel event.
    next_tick: Vec<(Token, u8)>,
    /// Bytes and accepts left in this tick.
    bytes_left: usize,
    accepts_left: usize,
    #[cfg(unix)]
    watched: Watched,
    /// Sources of which the kernel is to be asked anew before the next wait.
    rearm: Vec<Token>,
    /// What a read has found that was not just bytes to be handed out: `next` goes on from there.
    unusual_read: Option<(Token, (Option<Step>, Then))>,
    buffer: Box<[u8]>,
    inlet: Inlet,
    results: Results,
    waker: Arc<Waker>,
    start: Instant,
}

impl Readiness {
    pub(crate) fn new(threads: usize) -> io::Result<Readiness> {
        let poll = mio::Poll::new()?;
        let bell = Bell::Mio(mio::Waker::new(poll.registry(), WAKE)?);
        let waker = Arc::new(Waker::new(bell));
        Ok(Readiness {
            poll,
            events: mio::Events::with_capacity(EVENTS),
            slots: Vec::new(),
            ready: Vec::new(),
            looked_at: 0,
            next_tick: Vec::new(),
            bytes_left: 0,
            accepts_left: 0,
            #[cfg(unix)]
            watched: Watched::default(),
            rearm: Vec::new(),
            unusual_read: None,
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            inlet: Inlet::new(),
            results: Results::new(threads, &waker),
            waker,
            start: Instant::now(),
        })
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    pub(crate) fn wall_time(&self) -> SystemTime {
        SystemTime::now()
    }

    pub(crate) fn has_backlog(&self) -> bool {
        self.looked_at < self.ready.len()
            || !self.next_tick.is_empty()
            || asking::keeps_silent(&self.rearm)
            || self.results.may_be_left()
            || self.inlet.waiting().is_some()
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.rearm();
        let timeout = if self.has_backlog() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            result => result?,
        }
        // First what the last tick's bounds have cut off, then what is new, then what had its
        // turn already and has more.
        self.ready.drain(..self.looked_at);
        self.looked_at = 0;
        let crowded = !self.ready.is_empty();
        if crowded {
            self.mark_leftovers();
        }
        for event in &self.events {
            if event.token() == WAKE {
                self.waker.acknowledge();
                self.results.look();
                continue;
            }
            let mut bits = 0;
            if event.is_readable() {
                bits |= READABLE;
            }
            if event.is_writable() {
                bits |= WRITABLE;
            }
            if event.is_read_closed() || event.is_write_closed() || event.is_error() {
                bits |= READABLE | WRITABLE | ENDING;
            }
            let token = unpack(event.token());
            if !crowded || !note_queued(&mut self.slots, token, bits) {
                self.ready.push((token, bits));
            }
        }
        self.ready.append(&mut self.next_tick);
        self.bytes_left = TICK_BYTES;
        self.accepts_left = TICK_ACCEPTS;
        self.results.begin_tick();
        Ok(())
    }

    /// What a tick's bounds have cut off is in the list already; further events of the same
    /// sources must not make it longer, or a flood would.
    #[cold]
    fn mark_leftovers(&mut self) {
        let slots = &mut self.slots;
        self.ready.retain_mut(|(token, bits)| {
            let Some(slot) = slots.get_mut(token.slot as usize) else {
                return false;
            };
            if slot.flags.generation != token.generation {
                return false;
            }
            if slot.flags.any(QUEUED) && *bits & QUEUED == 0 {
                slot.flags.set(*bits); // its turn comes with its other entry
                return false;
            }
            slot.flags.set(QUEUED);
            *bits |= QUEUED;
            true
        });
    }

    /// The usual case, written out: the next source to look at is a stream that is readable and
    /// nothing else, and a read drains it.
    #[inline(always)]
    pub(crate) fn next_received(&mut self) -> Option<(Token, &[u8])> {
        let &(token, bits) = self.ready.get(self.looked_at)?;
        let slot = self.slots.get_mut(token.slot as usize)?;
        let Entry::Stream(fd) = &slot.entry else {
            return None;
        };
        let bits = slot.flags.bits | bits;
        let limit = self.bytes_left.min(slot.flags.room as usize);
        if bits & !WRITABLE != READABLE
            || slot.flags.generation != token.generation
            || limit == 0
            || self.results.may_be_left()
        {
            return None;
        }
        self.looked_at += 1;
        slot.flags.bits = bits;
        match steps::recv(fd.as_fd(), self.buffer.get_mut(..limit)?) {
            Ok(n) if n > 0 && n < limit => {
                slot.flags.clear(READABLE);
                asking::drained(token, &mut self.rearm);
                self.bytes_left -= n;
                return Some((token, &self.buffer[..n]));
            }
            Ok(n) => self.note_read(token, Ok(n), limit),
            Err(error) => self.note_read(token, Err(error), limit),
        }
        None
    }

    #[cold]
    fn note_read(&mut self, token: Token, result: Result<usize, Errno>, limit: usize) {
        if let Some(slot) = self.slots.get_mut(token.slot as usize) {
            let found = steps::read_step(result, &mut slot.flags, limit);
            self.unusual_read = Some((token, found));
        }
    }

    #[inline(never)]
    pub(crate) fn next(&mut self) -> Option<Completion<'_>> {
        let (token, step) = self.step()?;
        let event = match step {
            Step::Bytes(n) => Event::Received(&self.buffer[..n]),
            #[cfg(unix)]
            Step::BytesWith(n, descriptors) => Event::ReceivedWith(&self.buffer[..n], descriptors),
            Step::Event(event) => event,
            Step::Datagram => Event::Datagram(self.inlet.lent()?),
        };
        Some(Completion { token, event })
    }

    /// Looks at one ready source after the other until something is found.
    fn step(&mut self) -> Option<(Token, Step)> {
        if let Some((token, found)) = self.unusual_read.take()
            && let Some(step) = self.settle(token, found)
        {
            return Some((token, step));
        }
        if self.results.may_be_left()
            && let Some((token, event)) = self.results.next()
        {
            return Some((token, Step::Event(event)));
        }
        if let Some(token) = self.hand_out_datagram() {
            return Some((token, Step::Datagram));
        }
        while self.bytes_left > 0
            && let Some(&(token, bits)) = self.ready.get(self.looked_at)
        {
            self.looked_at += 1;
            let Some(slot) = self.slots.get_mut(token.slot as usize) else {
                continue;
            };
            if slot.flags.generation != token.generation {
                continue; // closed in this batch or before
            }
            slot.flags.bits = (slot.flags.bits | bits) & !(bits & QUEUED);
            let limit = self.bytes_left.min(slot.flags.room as usize);
            if let Some(step) = self.look(token, limit) {
                return Some((token, step));
            }
        }
        None
    }

    fn look(&mut self, token: Token, limit: usize) -> Option<Step> {
        let Slot { entry, flags } = self.slots.get_mut(token.slot as usize)?;
        if flags.any(QUEUED) {
            return None; // has its turn later in this tick
        }
        let found = match entry {
            Entry::Stream(fd) => steps::stream_step(fd.as_fd(), flags, &mut self.buffer[..limit]),
            Entry::Listener(listener) => {
                steps::listener_step(listener, flags, &mut self.accepts_left)
            }
            #[cfg(unix)]
            Entry::Channel(channel) => {
                channels::channel_step(channel, flags, &mut self.buffer[..limit])
            }
            #[cfg(unix)]
            Entry::Watch(watch) => descriptors::watch_step(watch, flags, token, &mut self.rearm),
            #[cfg(unix)]
            Entry::Notifier(source) => descriptors::notifier_step(source, flags),
            Entry::Connecting(_) => self.look_at_attempts(token),
            Entry::Datagrams(socket) => datagrams::step(socket, flags, token, &mut self.inlet),
            Entry::Free => return None,
        };
        self.settle(token, found)
    }

    /// Notes when to look at a source again, and what the found bytes cost.
    fn settle(&mut self, token: Token, (step, then): (Option<Step>, Then)) -> Option<Step> {
        let flags = &mut self.slots.get_mut(token.slot as usize)?.flags;
        match then {
            Then::OnEvent => asking::looked_at(token, flags, step.as_ref(), &mut self.rearm),
            Then::Now => {
                self.looked_at -= 1;
                self.ready[self.looked_at].1 = 0; // told already
            }
            Then::NextTick => enqueue(&mut self.next_tick, token, flags),
        }
        match &step {
            Some(Step::Bytes(n)) => self.bytes_left -= n,
            #[cfg(unix)]
            Some(Step::BytesWith(n, _)) => self.bytes_left -= n,
            Some(Step::Datagram) => self.count_datagram(),
            Some(Step::Event(Event::Sent)) if flags.told_of_room == Told::Asked => {
                self.rearm.push(token);
            }
            _ => {}
        }
        step
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        self.results.resolve(token, host)
    }

    pub(crate) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        self.results.offload(token, job)
    }

    pub(crate) fn ask_file(&mut self, ask: FileAsk) {
        self.results.ask_file(ask);
    }

    #[inline]
    pub(crate) fn send(&mut self, token: Token, outbox: &mut Outbox) -> io::Result<()> {
        let Some((fd, flags)) = stream(&mut self.slots, token) else {
            return self.send_through_channel(token, outbox);
        };
        if flags.any(BLOCKED) {
            return Ok(()); // a `Sent` completion will come
        }
        while !outbox.is_empty() {
            let (asked, result) = match outbox.single() {
                Some(bytes) => (bytes.len(), sending::single(fd, bytes)),
                None => sending::gathered(fd, outbox),
            };
            match result {
                Ok(n) => {
                    outbox.advance(n);
                    if n < asked {
                        flags.block(token, &mut self.rearm);
                        return Ok(());
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    flags.block(token, &mut self.rearm);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(crate) fn forward(&mut self, token: Token, lent: Range<usize>) -> io::Result<usize> {
        match stream(&mut self.slots, token) {
            Some((fd, flags)) => {
                let whose = (token, &mut self.rearm);
                sending::some(fd, flags, whose, &self.buffer[lent])
            }
            None => Ok(0),
        }
    }

    #[inline(always)]
    pub(crate) fn send_bytes(&mut self, token: Token, bytes: &[u8]) -> io::Result<usize> {
        match stream(&mut self.slots, token) {
            Some((fd, flags)) => sending::some(fd, flags, (token, &mut self.rearm), bytes),
            None => Ok(0),
        }
    }

    pub(crate) fn lent(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    pub(crate) fn set_reading(&mut self, token: Token, reading: bool) {
        let Some(slot) = self.slots.get_mut(token.slot as usize) else {
            return;
        };
        if slot.flags.generation != token.generation {
            return;
        }
        slot.flags.set(PAUSED);
        if let Entry::Datagrams(socket) = &mut slot.entry {
            self.inlet.keep(token, socket);
        }
        if reading {
            slot.flags.clear(PAUSED);
            #[cfg(unix)]
            if let Entry::Watch(watch) = &slot.entry
                && !watch.always
            {
                // What was told in the pause may have been taken by others: ask again.
                slot.flags.clear(READABLE | WRITABLE | ENDING);
                self.rearm.push(token);
            }
            enqueue(&mut self.next_tick, token, &mut slot.flags);
        }
    }

    pub(crate) fn set_room(&mut self, token: Token, room: usize) {
        let Some(slot) = self.slots.get_mut(token.slot as usize) else {
            return;
        };
        if slot.flags.generation == token.generation {
            let had_room = slot.flags.room > 0;
            slot.flags.room = room.min(READ_BUFFER) as u32;
            if !had_room {
                enqueue(&mut self.next_tick, token, &mut slot.flags); // it may wait for that
            }
        }
    }

    pub(crate) fn shutdown(&mut self, token: Token, how: Shutdown) {
        if let Some((fd, _)) = stream(&mut self.slots, token) {
            shut_down(fd, how);
            if !asking::TELLS_OF_SHUTDOWN {
                self.look_again(token);
            }
        } else {
            self.shut_channel(token, how);
        }
    }

    fn look_again(&mut self, token: Token) {
        if let Some(slot) = self.slots.get_mut(token.slot as usize) {
            slot.flags.set(READABLE);
            enqueue(&mut self.next_tick, token, &mut slot.flags);
        }
    }

    pub(crate) fn close(&mut self, token: Token) {
        if let Some(slot) = self.slots.get_mut(token.slot as usize)
            && slot.flags.generation == token.generation
        {
            let entry = std::mem::replace(&mut slot.entry, Entry::Free);
            slot.flags = Flags {
                generation: token.generation,
                ..Flags::default()
            };
            self.inlet.forget(token);
            #[cfg(unix)]
            if let Entry::Watch(watch) = &entry {
                self.watched.end(watch.fd);
            }
            self.disarm(entry);
        }
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }
}

/// For an event of a source that is in the list already: only what it says is new.
#[cold]
fn note_queued(slots: &mut [Slot], token: Token, bits: u8) -> bool {
    let Some(slot) = slots.get_mut(token.slot as usize) else {
        return false;
    };
    let queued = slot.flags.generation == token.generation && slot.flags.any(QUEUED);
    if queued {
        slot.flags.set(bits);
    }
    queued
}

#[inline]
fn enqueue(next_tick: &mut Vec<(Token, u8)>, token: Token, flags: &mut Flags) {
    if !flags.any(QUEUED) {
        flags.set(QUEUED);
        next_tick.push((token, QUEUED));
    }
}

#[cfg(test)]
mod tests;
