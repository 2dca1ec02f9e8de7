//! The one system call of a tick: what is queued before it, and what is taken in after it.
//! It must never queue an entry for a place whose source has ended, nor sleep while the tick before
//! has left something over.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use io_uring::{opcode, squeue, types};
use rustix::event::PollFlags;

use super::buffers::GROUP;
use super::completions::close_on;
use super::files::FILE;
use super::table::Table;
use super::table::{
    ARMED, BLOCKED, CANCELLED, CLOSED, GREEDY, Kind, LAST_WORDS, Listening, ROOM_ARMED,
    ROOM_CANCELLED, SATED, TO_ARM,
};
use super::{Lent, Told, Uring};
use crate::driver::{Event, READ_BUFFER, TICK_ACCEPTS, TICK_BYTES};
use crate::io::Interest;
use crate::sources::Way;

/// What an operation is to its place: the one that brings its events, or the one that waits for
/// room to send. (The other parts of a number: the place in the lower half, and which socket of a
/// listener it is.)
pub(super) const MAIN: u64 = 0;
pub(super) const ROOM: u64 = 1 << 32;
pub(super) const WAKE: u64 = 2 << 32;
const SOCKET: u32 = 40;

/// So many sockets of one listener have numbers.
pub(super) const MAX_SOCKETS: usize = 1 << 16;

/// For closed places that are left when there is nothing else to do.
const REST_TRIES: usize = 100;

pub(super) fn number_of_socket(index: u32, socket: usize) -> u64 {
    MAIN | (socket as u64) << SOCKET | u64::from(index)
}

pub(super) fn socket_of(number: u64) -> usize {
    (number >> SOCKET) as usize & (MAX_SOCKETS - 1)
}

impl Uring {
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.take_up();
        self.ring.enable()?;
        self.queue_sends()?;
        self.queue_cancels()?;
        self.queue_arms()?;
        if self.has_file_to_start() {
            self.queue_files()?;
        }
        let sleeps = !self.has_leftovers() && !self.sends.is_any_awaited();
        let sleeps = sleeps && timeout != Some(Duration::ZERO);
        // It must not sleep on what became of sends, so those that are told of are enough. The
        // kernel also finishes as many other operations as are wanted, if they are there.
        let wanted = if sleeps {
            self.sends.untold().max(1)
        } else {
            0
        };
        self.ring.wait(wanted, timeout.filter(|_| sleeps))?;
        self.take_in()?;
        self.settle_sends();
        if !self.kept_next.is_empty() {
            self.kept.append(&mut self.kept_next); // behind those that the last tick has cut off
        }
        self.tick = self.tick.wrapping_add(1);
        self.bytes_left = TICK_BYTES;
        self.accepts_left = TICK_ACCEPTS;
        self.results.begin_tick();
        self.set_straight();
        Ok(())
    }

    /// What the last tick has put off comes before all that is new; of what it has looked at,
    /// nothing is needed any more.
    pub(super) fn take_up(&mut self) {
        self.lent = Lent::Nothing;
        self.told.drain(..self.looked_at);
        self.sends.note_seen(self.looked_at);
        self.looked_at = 0;
        if !self.put_off.is_empty() {
            for told in &self.put_off {
                self.table.at(told.place()).clear(SATED);
            }
            self.put_off.append(&mut self.told);
            std::mem::swap(&mut self.put_off, &mut self.told);
        }
        if self.ring.buffers.is_any_done() {
            let unread = self.told.iter().filter_map(Told::piece);
            self.ring.buffers.give_back_done(unread);
        }
    }

    /// Whether something that the ring told waits to be looked at.
    fn has_told(&self) -> bool {
        self.looked_at < self.told.len() || !self.put_off.is_empty()
    }

    pub(crate) fn has_backlog(&self) -> bool {
        // Until the next wait, the kernel knows nothing of these.
        let is_unsubmitted =
            !self.sends.is_empty() || !self.to_arm.is_empty() || !self.to_cancel.is_empty();
        let is_unsubmitted = is_unsubmitted || self.ring.may_hide_more();
        is_unsubmitted
            || self.has_file_to_start()
            || !self.is_waker_armed
            || !self.starved.is_empty()
            || self.has_leftovers()
    }

    /// Whether a tick has something to do without a completion of the kernel.
    fn has_leftovers(&self) -> bool {
        self.has_told()
            || !self.events.is_empty()
            || !self.failed.is_empty()
            || !self.kept.is_empty()
            || !self.kept_next.is_empty()
            || self.results.may_be_left()
            || self.inlet.waiting().is_some()
    }

    /// Ends the operations of closed places now, and closes their descriptors: a peer must not
    /// have to wait for a tick that whoever calls `turn` may never ask for.
    pub(crate) fn finish_closing(&mut self) -> io::Result<()> {
        let mut left = usize::MAX;
        while self.table.ended() > 0 && self.table.ended() < left && self.ring.is_enabled() {
            left = self.table.ended();
            self.queue_sends()?;
            self.queue_cancels()?;
            // So many at once, but only if they are there.
            let wanted = u32::try_from(2 * left).unwrap_or(u32::MAX);
            let wanted = wanted.saturating_add(self.sends.untold());
            self.ring.wait(wanted, Some(Duration::ZERO))?;
            self.take_in()?;
            self.settle_sends();
        }
        Ok(())
    }

    /// Submits what is left when no further tick is to come, and closes what has ended.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        for _ in 0..REST_TRIES {
            if !self.has_backlog() && self.table.ended() == 0 {
                break;
            }
            self.wait(Some(Duration::from_millis(1)))?;
            while self.next().is_some() {}
        }
        Ok(())
    }

    /// Submits what the last tick has sent, for a driver that is dropped.
    pub(super) fn send_the_last(&mut self) -> io::Result<()> {
        if !self.sends.is_empty() {
            self.ring.enable()?;
            self.queue_sends()?;
            self.ring.wait(0, None)?;
        }
        Ok(())
    }

    /// First, since others wait for them.
    fn queue_sends(&mut self) -> io::Result<()> {
        if self.sends.are_queued() {
            return Ok(());
        }
        // SAFETY: what an entry points to is in the stage or in a box of `sends`, which are
        // neither touched nor freed before `settle`, and that is called when all is submitted.
        // (The kernel does not look at it later: with `MSG_DONTWAIT` a send is never put off.)
        unsafe { self.ring.attempt_all(&mut self.sends) }
    }

    /// What the ring does not take waits for the next call, as with `queue_arms`.
    fn queue_cancels(&mut self) -> io::Result<()> {
        while let Some(&number) = self.to_cancel.last() {
            self.ring.cancel(number)?;
            self.to_cancel.pop();
        }
        Ok(())
    }

    fn queue_arms(&mut self) -> io::Result<()> {
        if !self.is_waker_armed {
            self.arm_waker()?;
        }
        if self.starved.is_empty() && self.to_arm.is_empty() {
            return Ok(());
        }
        // First those for which there was no buffer the last time.
        self.starved.append(&mut self.to_arm);
        std::mem::swap(&mut self.starved, &mut self.to_arm);
        let mut armed = 0;
        let result = loop {
            let Some(&index) = self.to_arm.get(armed) else {
                break Ok(());
            };
            if self.table.at(index).any(TO_ARM) {
                if let Err(error) = self.arm(index) {
                    break Err(error);
                }
                self.table.at(index).clear(TO_ARM);
            }
            armed += 1;
        };
        self.to_arm.drain(..armed);
        result
    }

    fn arm_waker(&mut self) -> io::Result<()> {
        if let Some(event) = self.waker.event() {
            let fd = types::Fd(event.as_raw_fd());
            let poll = opcode::PollAdd::new(fd, PollFlags::IN.bits().into()).multi(true);
            // SAFETY: it points to nothing.
            unsafe { self.ring.start(&poll.build().user_data(WAKE))? };
            self.is_waker_armed = true;
        }
        Ok(())
    }

    fn arm(&mut self, index: u32) -> io::Result<()> {
        let number = MAIN | u64::from(index);
        if self.table.at(index).wants_arming() {
            let place = self.table.at(index);
            let entry = match &mut place.kind {
                Kind::Stream(fd) => {
                    let fd = types::Fd(fd.as_raw_fd());
                    receive(fd, place.room as usize, place.any(GREEDY))
                }
                Kind::Connecting(connecting) => {
                    let (address, len) = (connecting.address.as_ptr(), connecting.address.len());
                    let fd = types::Fd(connecting.fd.as_raw_fd());
                    opcode::Connect::new(fd, address.cast(), len).build()
                }
                Kind::Watch(watch) => poll(watch.fd, watch.interest),
                Kind::Notifier(notifier) => poll(notifier.as_fd().as_raw_fd(), Interest::Read),
                Kind::Channel(channel) => {
                    let flags = match channel.way {
                        Way::Writer => PollFlags::empty(), // but that nobody reads it any more
                        _ => PollFlags::IN | PollFlags::RDHUP,
                    };
                    poll_for(channel.as_fd().as_raw_fd(), flags)
                }
                Kind::Datagrams(socket) => poll(socket.as_fd().as_raw_fd(), Interest::Read),
                Kind::Listener(_) => return self.arm_listener(index),
                Kind::Free { .. } | Kind::Gone => return Ok(()),
            };
            // SAFETY: the address of a connection lives in its place, in a box, until the last
            // completion. The others point to nothing: what is received goes to the ring's own
            // buffers.
            unsafe { self.ring.start(&entry.user_data(number))? };
            place.set(ARMED);
            place.under_way += 1;
        }
        let place = self.table.at(index);
        if place.wants_room()
            && let Some(socket) = place.socket()
        {
            // The kernel adds `RDHUP`, and so a peer that has finished would end a single poll again
            // and again. One that goes on tells of it once, and then of changes.
            let fd = types::Fd(socket.as_raw_fd());
            let poll = opcode::PollAdd::new(fd, PollFlags::OUT.bits().into());
            let entry = poll.multi(true).build();
            // SAFETY: it points to nothing.
            unsafe { self.ring.start(&entry.user_data(ROOM | u64::from(index)))? };
            place.set(ROOM_ARMED);
            place.under_way += 1;
        }
        Ok(())
    }

    fn arm_listener(&mut self, index: u32) -> io::Result<()> {
        let place = self.table.at(index);
        let Kind::Listener(listener) = &mut place.kind else {
            return Ok(());
        };
        let sockets = listener.sockets.iter_mut().enumerate();
        for (socket_index, socket) in sockets.filter(|(_, socket)| !socket.is_armed) {
            let entry = opcode::AcceptMulti::new(types::Fd(socket.fd.as_raw_fd()))
                .flags(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
                .build();
            let number = number_of_socket(index, socket_index);
            // SAFETY: it points to nothing.
            unsafe { self.ring.start(&entry.user_data(number))? };
            socket.is_armed = true;
            place.under_way += 1;
        }
        Ok(())
    }

    /// Has the operation that brings a place's events end. What it has brought comes all the same.
    pub(super) fn cancel_main(&mut self, index: u32) {
        let place = self.table.at(index);
        if let Kind::Listener(listener) = &mut place.kind {
            return cancel_listener(&mut self.to_cancel, index, listener);
        }
        if place.any(ARMED) && !place.any(CANCELLED) {
            place.set(CANCELLED);
            self.to_cancel.push(MAIN | u64::from(index));
        }
    }

    /// Has everything of a place end.
    pub(super) fn cancel_all(&mut self, index: u32) {
        self.cancel_main(index);
        self.cancel_room(index);
    }

    /// Has the poll for room end.
    #[cold]
    pub(super) fn cancel_room(&mut self, index: u32) {
        let place = self.table.at(index);
        if place.any(ROOM_ARMED) && !place.any(ROOM_CANCELLED) {
            place.set(ROOM_CANCELLED);
            self.to_cancel.push(ROOM | u64::from(index));
        }
    }

    /// Takes the completions out of the ring, so that there is room for further ones, and so that
    /// it is known what became of the sends.
    fn take_in(&mut self) -> io::Result<()> {
        // Nobody waits for those of closed places, unless others of theirs wait to be looked at.
        let may_close = self.table.ended() > 0 && !self.has_told();
        let (told, sends, table) = (&mut self.told, &mut self.sends, &mut self.table);
        let sent = |number, result| sends.note(number, result);
        self.ring.drain(told, may_close, sent, |new| {
            let is_over = may_close && is_of_closed(table, new);
            if is_over {
                close_on(table, new);
            }
            !is_over
        })
    }

    fn settle_sends(&mut self) {
        if self.sends.is_empty() || !self.ring.is_submitted() {
            return; // the kernel was out of memory: it takes the rest with the next wait
        }
        let mut blocked = std::mem::take(&mut self.blocked);
        let (table, events, failed) = (&mut self.table, &mut self.events, &mut self.failed);
        self.sends.settle(&mut self.ring.buffers, |outcome| {
            let place = table.at(outcome.place);
            if place.any(CLOSED) {
                return;
            }
            let token = place.token;
            let is_unsent = outcome.rest.is_some();
            if let Some(rest) = outcome.rest {
                events.push_back((token, Event::Unsent(rest)));
            }
            if let Some(error) = outcome.error {
                failed.push_back((token, error));
            } else if outcome.is_blocked {
                place.set(BLOCKED);
                blocked.push(outcome.place);
            } else if outcome.is_awaited && !is_unsent {
                events.push_back((token, Event::Sent));
            }
        });
        self.sends.finish(|index| {
            table.at(index).clear(LAST_WORDS);
            table.free_if_done(index);
        });
        for index in blocked.drain(..) {
            self.arm_later(index);
        }
        self.blocked = blocked; // keeps the memory
    }
}

/// Receives whatever comes, or, where there is little room or a lot to come, once and no more than
/// the share of a tick.
fn receive(fd: types::Fd, room: usize, is_greedy: bool) -> squeue::Entry {
    if room >= READ_BUFFER / 2 && !is_greedy {
        return opcode::RecvMulti::new(fd, GROUP).build();
    }
    let most = room.min(READ_BUFFER) as u32;
    let once = opcode::Recv::new(fd, std::ptr::null_mut(), most).buf_group(GROUP);
    once.build().flags(squeue::Flags::BUFFER_SELECT)
}

fn is_of_closed(table: &mut Table, told: &Told) -> bool {
    told.number < FILE && told.operation() != WAKE && table.at(told.place()).any(CLOSED)
}

fn cancel_listener(to_cancel: &mut Vec<u64>, index: u32, listener: &mut Listening) {
    for (socket_index, socket) in listener.sockets.iter_mut().enumerate() {
        if socket.is_armed && !socket.is_cancelled {
            socket.is_cancelled = true;
            to_cancel.push(number_of_socket(index, socket_index));
        }
    }
}

fn poll(fd: i32, interest: Interest) -> squeue::Entry {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN | PollFlags::RDHUP, interest.read());
    flags.set(PollFlags::OUT, interest.write());
    poll_for(fd, flags)
}

fn poll_for(fd: i32, flags: PollFlags) -> squeue::Entry {
    opcode::PollAdd::new(types::Fd(fd), flags.bits().into()).build()
}
