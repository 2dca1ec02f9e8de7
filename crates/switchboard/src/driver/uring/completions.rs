//! From what the ring has told to the events of a tick, one by one.
//! It must never hand out a byte out of turn: behind something that is kept, all is kept.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue;
use rustix::event::PollFlags;

use super::buffers::Piece;
use super::files::FILE;
use super::kept::End;
use super::table::Table;
use super::table::{
    ARMED, BLOCKED, CANCELLED, CLOSED, ENDED, GREEDY, Kind, PAUSED, QUEUED, ROOM_ARMED,
    ROOM_CANCELLED, SATED, STALE, TO_ARM,
};
use super::tick::{ROOM, WAKE, socket_of};
use super::told::{is_harmless, is_out_of_resources};
use super::{Lent, READ_BUFFER, Told, Uring};
use crate::driver::{Completion, Event};
use crate::{Ready, Stream, Token};

/// What a look at something told or kept has found, by value: lending comes last.
pub(super) enum Found {
    /// What was lent lies in `lent`.
    Bytes,
    /// And descriptors that came with them.
    BytesWith(Vec<OwnedFd>),
    Event(Event<'static>),
    /// In the inlet.
    Datagram,
}

/// From this many bytes on, the rest of a share is handed out by itself.
const WORTH: usize = 4096;

impl Uring {
    /// The usual case, written out: bytes of a stream that are wanted, all of them, and more to
    /// come.
    #[inline(always)]
    pub(crate) fn next_received(&mut self) -> Option<(Token, &[u8])> {
        let told = self
            .straight
            .checked_sub(self.looked_at)
            .filter(|left| *left > 0);
        let told = told.and_then(|_| self.told.get(self.looked_at))?;
        if told.number >= ROOM || told.result <= 0 || !told.goes_on() || self.bytes_left == 0 {
            return None;
        }
        let (place, len) = (self.table.at(told.place()), told.result as usize);
        if !matches!(place.kind, Kind::Stream(_))
            || place.any(PAUSED | CLOSED | ENDED | SATED)
            || place.kept.is_some()
            || len > place.room as usize
            || !place.may_take(self.tick, len)
        {
            return None;
        }
        let piece = told.piece()?;
        self.looked_at += 1;
        self.bytes_left = self.bytes_left.saturating_sub(len);
        self.lent = Lent::Piece(piece);
        Some((place.token, self.ring.buffers.bytes(piece)))
    }

    /// Until where nothing stands in front of what the ring has told: whoever puts something there
    /// calls this.
    pub(super) fn set_straight(&mut self) {
        let is_straight =
            self.events.is_empty() && self.kept.is_empty() && !self.results.may_be_left();
        self.straight = if is_straight { self.told.len() } else { 0 };
    }

    #[inline(never)]
    pub(crate) fn next(&mut self) -> Option<Completion<'_>> {
        self.lent = Lent::Nothing;
        let found = self.find();
        self.set_straight();
        let (token, found) = found?;
        let bytes = match self.lent {
            Lent::Piece(piece) => self.ring.buffers.bytes(piece),
            Lent::Scratch => &self.scratch,
            Lent::Nothing => &[],
        };
        let event = match found {
            Found::Event(event) => event,
            Found::Bytes => Event::Received(bytes),
            Found::BytesWith(descriptors) => Event::ReceivedWith(bytes, descriptors),
            Found::Datagram => Event::Datagram(self.inlet.lent()?),
        };
        Some(Completion { token, event })
    }

    fn find(&mut self) -> Option<(Token, Found)> {
        while let Some((token, event)) = self.events.pop_front() {
            if self.table.find(token).is_some() {
                return Some((token, Found::Event(event)));
            }
        }
        if self.results.may_be_left()
            && let Some((token, event)) = self.results.next()
        {
            return Some((token, Found::Event(event)));
        }
        if let Some(token) = self.hand_out_datagram() {
            return Some((token, Found::Datagram));
        }
        while self.bytes_left > 0
            && let Some(index) = self.kept.pop_front()
        {
            if let Some(found) = self.hand_out(index) {
                return Some(found);
            }
        }
        while self.bytes_left > 0
            && let Some(&told) = self.told.get(self.looked_at)
        {
            self.looked_at += 1;
            if let Some(found) = self.look_at(told) {
                return Some(found);
            }
        }
        while let Some((token, error)) = self.failed.pop_front() {
            if self.table.find(token).is_some() {
                let error = io::Error::from_raw_os_error(error);
                return Some((token, Found::Event(Event::Failed(error))));
            }
        }
        None
    }

    fn look_at(&mut self, told: Told) -> Option<(Token, Found)> {
        if told.operation() == WAKE {
            self.is_waker_armed &= told.more();
            self.waker.acknowledge();
            self.results.look();
            let (token, event) = self.results.next()?;
            return Some((token, Found::Event(event)));
        }
        if told.number >= FILE {
            return self.file_told(&told);
        }
        let index = told.place();
        if self.table.at(index).any(CLOSED) {
            close_on(&mut self.table, &told);
            return None;
        }
        if told.operation() == ROOM {
            return self.room_to_send(index, &told);
        }
        match &self.table.at(index).kind {
            Kind::Stream(_) => self.received(index, told),
            Kind::Channel(_) => self.readable(index, told),
            Kind::Listener(_) => self.accepted(index, told),
            Kind::Connecting(_) => self.connected(index, told),
            Kind::Watch(_) => self.polled(index, told),
            Kind::Notifier(_) => self.notified(index),
            Kind::Datagrams(_) => self.datagrams_ready(index),
            Kind::Gone | Kind::Free { .. } => None, // these are closed
        }
    }

    /// The last completion of what brings the events of a place.
    pub(super) fn main_ended(&mut self, index: u32) {
        let place = self.table.at(index);
        place.clear(ARMED | CANCELLED);
        place.under_way -= 1;
    }

    fn received(&mut self, index: u32, told: Told) -> Option<(Token, Found)> {
        let len = told.result.max(0) as usize;
        let place = self.table.at(index);
        let is_wanted = len > 0 && place.is_flowing();
        if place.any(SATED) || is_wanted && !place.may_take(self.tick, len) {
            return self.put_off(index, told);
        }
        let piece = told.piece();
        if !told.more() {
            self.main_ended(index);
        }
        let place = self.table.at(index);
        // That of a full buffer may have been cut off.
        if len < READ_BUFFER / 2 && cqueue::buffer_more(told.flags) {
            place.clear(GREEDY);
        }
        if let Some(piece) = piece
            && len > 0
            && place.is_flowing()
            && len <= place.room as usize
        {
            let token = place.token;
            if !place.any(ARMED) {
                self.arm_later(index);
            }
            self.bytes_left = self.bytes_left.saturating_sub(len);
            self.lent = Lent::Piece(piece);
            return Some((token, Found::Bytes));
        }
        self.received_otherwise(index, piece, told.result)
    }

    /// A source has more than its share of this tick. It gets what is left of that, and the rest in
    /// the next one, which does not sleep: without the former it would get half a share on average,
    /// and the kernel be called twice as often, since the end of a buffer may be anywhere.
    #[cold]
    fn put_off(&mut self, index: u32, mut told: Told) -> Option<(Token, Found)> {
        let place = self.table.at(index);
        let share = place.share_left(self.tick);
        let is_first = !place.any(SATED);
        place.set(SATED | GREEDY);
        let mut found = None;
        if is_first
            && place.is_flowing()
            && (WORTH..=place.room as usize).contains(&share)
            && let Some(piece) = told.piece()
        {
            let token = place.token;
            self.bytes_left = self.bytes_left.saturating_sub(share);
            self.lent = Lent::Piece(piece.part(0, share));
            told.start += share as u32;
            told.result -= share as i32; // more than that, or it might be taken
            found = Some((token, Found::Bytes));
        }
        self.put_off.push(told);
        found
    }

    #[cold]
    fn received_otherwise(
        &mut self,
        index: u32,
        piece: Option<Piece>,
        result: i32,
    ) -> Option<(Token, Found)> {
        let place = self.table.at(index);
        if place.any(ENDED) {
            return None; // it was told
        }
        if let Some(piece) = piece
            && piece.len > 0
        {
            let bytes = self.ring.buffers.bytes(piece);
            if !self.kept_bytes.keep(place.kept(), bytes) {
                return Some(self.keeps_too_much(index));
            }
        }
        // A send that failed has taken the socket's error: what is left of it looks like an end.
        let token = place.token;
        if result == 0 && self.failed.iter().any(|(failed, _)| *failed == token) {
            place.set(ENDED);
            return None;
        }
        if result == -libc::ENOBUFS && place.wants_arming() && !place.any(TO_ARM) {
            place.set(TO_ARM);
            self.starved.push(index);
        }
        let end = match result {
            1.. => None,
            0 => Some(End::Eof),
            // No buffer was free, or it was we who ended it: what is still wanted is armed anew.
            _ if is_harmless(-result) => None,
            _ => Some(End::Failed(-result)),
        };
        if let Some(end) = end {
            place.set(ENDED);
            if place.kept.is_some() || place.any(PAUSED) || place.room == 0 {
                place.kept().end = Some(end);
            } else {
                return Some((place.token, Found::Event(event_of(end))));
            }
        }
        if place.kept.is_some() {
            self.cancel_main(index); // until it has been handed out, nothing more is wanted
        }
        self.go_on(index);
        None
    }

    /// The bound is reached: a gap in what a source receives is its end.
    fn keeps_too_much(&mut self, index: u32) -> (Token, Found) {
        let place = self.table.at(index);
        place.set(ENDED);
        self.kept_bytes.forget(&mut place.kept);
        let token = place.token;
        self.cancel_main(index);
        let text = "more bytes came while reading was paused than `max_buffered` allows for \
                    all sources";
        (token, Found::Event(Event::Failed(io::Error::other(text))))
    }

    /// Hands out a part of what was kept.
    fn hand_out(&mut self, index: u32) -> Option<(Token, Found)> {
        let place = self.table.at(index);
        place.clear(QUEUED);
        if !place.has_offer() {
            self.table.free_if_done(index);
            return None;
        }
        let token = place.token;
        if let Kind::Datagrams(_) = place.kind {
            return self.hand_out_kept_datagram(index);
        }
        if let Kind::Listener(listener) = &mut place.kind {
            if self.accepts_left == 0 {
                self.hand_out_later(index);
                return None;
            }
            let fd = listener.waiting.pop_front()?;
            self.accepts_left -= 1;
            if !listener.waiting.is_empty() {
                place.set(QUEUED);
                self.kept.push_front(index);
            }
            self.arm_later(index);
            let accepted = Event::Accepted(Stream::new(fd));
            return Some((token, Found::Event(accepted)));
        }
        let room = (place.room as usize).min(READ_BUFFER);
        let room = room.min(self.bytes_left);
        let kept = place.kept.as_mut()?;
        let part = &kept.bytes[kept.taken..];
        let part = &part[..part.len().min(room)];
        if part.is_empty() {
            let end = kept.end?;
            place.kept = None; // nothing is left in it
            return Some((token, Found::Event(event_of(end))));
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(part);
        let len = part.len();
        self.kept_bytes.take(kept, len);
        if kept.bytes.is_empty() && kept.end.is_none() {
            place.kept = None;
        }
        self.bytes_left -= len;
        self.go_on(index);
        self.lent = Lent::Scratch;
        Some((token, Found::Bytes))
    }

    /// The poll for room has told something: of room, or only that the peer has finished.
    fn room_to_send(&mut self, index: u32, told: &Told) -> Option<(Token, Found)> {
        let place = self.table.at(index);
        if !told.more() {
            place.clear(ROOM_ARMED | ROOM_CANCELLED);
            place.under_way -= 1;
        }
        let token = place.token;
        if !place.any(BLOCKED) {
            self.cancel_room(index); // or a Unix socket's would tell of all that its peer takes
            return None;
        }
        if told.result > 0 && told.result & ROOM_OR_FAILURE != 0 {
            place.clear(BLOCKED);
            return Some((token, Found::Event(Event::Sent)));
        }
        self.arm_later(index);
        None
    }

    fn accepted(&mut self, index: u32, told: Told) -> Option<(Token, Found)> {
        let place = self.table.at(index);
        let token = place.token;
        let is_paused = place.any(PAUSED);
        let Kind::Listener(listener) = &mut place.kind else {
            return None;
        };
        if !told.more() {
            if let Some(socket) = listener.sockets.get_mut(socket_of(told.number)) {
                socket.is_armed = false;
                socket.is_cancelled = false;
            }
            place.under_way -= 1;
        }
        if told.result >= 0 {
            // SAFETY: the kernel has made this descriptor for us, and tells of it once.
            let fd = unsafe { OwnedFd::from_raw_fd(told.result) };
            if is_paused || self.accepts_left == 0 || !listener.waiting.is_empty() {
                listener.waiting.push_back(fd);
                self.cancel_main(index); // until it has been handed out, nobody else is wanted
                self.hand_out_later(index);
                return None;
            } else {
                self.accepts_left -= 1;
                self.arm_later(index);
                let accepted = Event::Accepted(Stream::new(fd));
                return Some((token, Found::Event(accepted)));
            }
        }
        match -told.result {
            error if is_out_of_resources(error) && !is_paused => {
                place.set(PAUSED);
                let error = io::Error::from_raw_os_error(error);
                return Some((token, Found::Event(Event::AcceptFailed(error))));
            }
            error @ (libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP) => {
                place.set(ENDED);
                let error = io::Error::from_raw_os_error(error);
                return Some((token, Found::Event(Event::Failed(error))));
            }
            // The connection was gone before it was accepted, in one of many ways (accept(2)
            // lists them): that is the peer's affair, and the next one may be well.
            _ => self.arm_later(index),
        }
        None
    }

    fn connected(&mut self, index: u32, told: Told) -> Option<(Token, Found)> {
        self.main_ended(index);
        let place = self.table.at(index);
        let token = place.token;
        if told.result < 0 {
            self.table.attempt_failed(index);
            let error = io::Error::from_raw_os_error(-told.result);
            return Some((token, Found::Event(Event::Failed(error))));
        }
        let kind = std::mem::replace(&mut place.kind, Kind::Gone);
        if let Kind::Connecting(connecting) = kind {
            place.kind = Kind::Stream(connecting.fd);
        }
        self.table.carry_wishes(token, index);
        self.end_attempts(token, Some(index));
        self.arm_later(index);
        Some((token, Found::Event(Event::Connected)))
    }

    fn polled(&mut self, index: u32, told: Told) -> Option<(Token, Found)> {
        self.main_ended(index);
        let place = self.table.at(index);
        let Kind::Watch(watch) = &place.kind else {
            return None;
        };
        let (token, interest) = (place.token, watch.interest);
        let is_stale = place.any(STALE | PAUSED);
        place.clear(STALE);
        self.arm_later(index); // for as long as it is ready, it is told
        if is_stale {
            return None;
        }
        // An error is for the handler's own read or write to find.
        let flags =
            u16::try_from(told.result).map_or(PollFlags::all(), PollFlags::from_bits_retain);
        let both = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let read = both | PollFlags::IN | PollFlags::RDHUP;
        let ready = Ready {
            read: interest.read() && flags.intersects(read),
            write: interest.write() && flags.intersects(both | PollFlags::OUT),
        };
        Some((token, Found::Event(Event::Ready(ready))))
    }

    fn notified(&mut self, index: u32) -> Option<(Token, Found)> {
        self.main_ended(index);
        let place = self.table.at(index);
        let token = place.token;
        let Kind::Notifier(notifier) = &mut place.kind else {
            return None;
        };
        let events = notifier.take().into_iter();
        self.events.extend(events.map(|event| (token, event)));
        self.arm_later(index);
        let (token, event) = self.events.pop_front()?;
        Some((token, Found::Event(event)))
    }
}

/// Something told of a place whose source has ended: nobody's any more.
pub(super) fn close_on(table: &mut Table, told: &Told) {
    let index = told.place();
    let place = table.at(index);
    if let Kind::Listener(_) = place.kind
        && told.result >= 0
    {
        // SAFETY: the kernel has made this descriptor for us, and tells of it once.
        drop(unsafe { OwnedFd::from_raw_fd(told.result) });
    }
    if !told.more() {
        let ended = if told.operation() == ROOM {
            ROOM_ARMED
        } else {
            ARMED
        };
        place.clear(ended);
        place.under_way -= 1;
    }
    table.free_if_done(index);
}

/// What of a poll says that sending makes sense, if only to learn why it fails.
const ROOM_OR_FAILURE: i32 = (libc::POLLOUT | libc::POLLERR | libc::POLLHUP) as i32;

fn event_of(end: End) -> Event<'static> {
    match end {
        End::Eof => Event::EndOfFile,
        End::Failed(error) => Event::Failed(io::Error::from_raw_os_error(error)),
    }
}
