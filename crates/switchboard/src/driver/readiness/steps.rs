//! What one look at a ready source finds, and when to look again: a read, an accept. It must never
//! take a short read for drained when the end is known to follow: of bytes that arrive together
//! with the end, the kernel tells once.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

use super::connecting::Connecting;
#[cfg(unix)]
use super::descriptors::{Notifying, Watch};
use super::room::Told;
use crate::driver::Event;
use crate::driver::batches::DatagramSocket;
#[cfg(unix)]
use crate::driver::channel::Channel;
#[cfg(unix)]
use crate::driver::socket::Source;
use crate::driver::socket::{Socket, accept, is_out_of_resources, receive, source};
use crate::net::SocketFile;
use crate::{Stream, Token};

/// What is registered under a slot.
pub(super) enum Entry {
    Free,
    Stream(Socket),
    /// A stream that is read and written in another way.
    #[cfg(unix)]
    Channel(Box<Channel>),
    Connecting(Box<Connecting>),
    Listener(Box<Listening>),
    #[cfg(unix)]
    Watch(Box<Watch>),
    #[cfg(unix)]
    Notifier(Box<Notifying>),
    Datagrams(Box<DatagramSocket>),
}

pub(super) struct Listening {
    /// Dropped first, since it is removed while the socket is still listened on.
    pub(super) _file: Option<SocketFile>,
    pub(super) fds: Vec<Socket>,
    /// The descriptor to try next, so that a burst on one does not ask the others every time.
    pub(super) next: usize,
}

/// A read (or accept) has not said "would block" since the last event.
pub(super) const READABLE: u8 = 1;
pub(super) const WRITABLE: u8 = 1 << 1;
/// The end of the stream, or an error, has been announced: only a read of 0 or an error shows
/// that it was reached.
pub(super) const ENDING: u8 = 1 << 2;
/// A write has said "would block"; `WRITABLE` ends it.
pub(super) const BLOCKED: u8 = 1 << 3;
pub(super) const PAUSED: u8 = 1 << 4;
/// In the list of sources to look at.
pub(super) const QUEUED: u8 = 1 << 5;
/// A channel, of which it is still to be told that it is there.
#[cfg(unix)]
pub(super) const CONNECTING: u8 = 1 << 6;
/// The end of what there is to read has been told.
#[cfg(windows)]
pub(super) const ENDED: u8 = 1 << 7;

impl Entry {
    /// Shows each of what the kernel is asked about for it.
    pub(super) fn each_source(&mut self, show: &mut dyn FnMut(&mut dyn mio::event::Source)) {
        match self {
            Entry::Free => {}
            Entry::Stream(socket) => show(&mut source(socket)),
            Entry::Connecting(attempts) => {
                attempts
                    .fds
                    .iter_mut()
                    .for_each(|socket| show(&mut source(socket)));
            }
            Entry::Listener(listener) => {
                listener
                    .fds
                    .iter_mut()
                    .for_each(|socket| show(&mut source(socket)));
            }
            Entry::Datagrams(socket) => show(&mut source(&mut socket.socket)),
            #[cfg(unix)]
            Entry::Channel(channel) => show(&mut Source::of(&**channel)),
            #[cfg(unix)]
            Entry::Watch(watch) => show(&mut Source(watch.fd)),
            #[cfg(unix)]
            Entry::Notifier(source) => show(&mut Source::of(&source.notifier)),
        }
    }
}

/// What is known of the resource in a slot. The states lie in one byte, so that the usual one
/// (a stream that is readable, and nothing else) is told by one comparison.
#[derive(Default)]
pub(super) struct Flags {
    pub(super) generation: u32,
    /// How many bytes one read may bring: what the inbox has room for.
    pub(super) room: u32,
    pub(super) bits: u8,
    pub(super) told_of_room: Told,
}

impl Flags {
    #[inline]
    pub(super) fn any(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    #[inline]
    pub(super) fn set(&mut self, bits: u8) {
        self.bits |= bits;
    }

    #[inline]
    pub(super) fn clear(&mut self, bits: u8) {
        self.bits &= !bits;
    }
}

pub(super) struct Slot {
    pub(super) entry: Entry,
    pub(super) flags: Flags,
}

/// The stream of `token`, unless that is stale, or another kind of source.
#[inline]
pub(super) fn stream(slots: &mut [Slot], token: Token) -> Option<(BorrowedFd<'_>, &mut Flags)> {
    let slot = slots.get_mut(token.slot as usize)?;
    match &slot.entry {
        Entry::Stream(fd) if slot.flags.generation == token.generation => {
            Some((fd.as_fd(), &mut slot.flags))
        }
        _ => None,
    }
}

/// The outcome of looking at one ready source, by value: lending comes last (see `next`).
pub(super) enum Step {
    Bytes(usize),
    /// And descriptors that came with them.
    #[cfg(unix)]
    BytesWith(usize, Vec<std::os::fd::OwnedFd>),
    /// In the inlet.
    Datagram,
    Event(Event<'static>),
}

/// When to look at a source again.
pub(super) enum Then {
    /// After its next kernel event.
    OnEvent,
    /// In this tick, next: what follows belongs to what was just found.
    Now,
    /// At the back of the queue, so in the next tick: the others come first.
    NextTick,
}

/// A stream is ready for something: a write that was blocked, a read.
pub(super) fn stream_step(
    fd: BorrowedFd<'_>,
    flags: &mut Flags,
    buffer: &mut [u8],
) -> (Option<Step>, Then) {
    if flags.any(BLOCKED) && flags.any(WRITABLE) {
        flags.clear(BLOCKED);
        return (Some(Step::Event(Event::Sent)), Then::Now);
    }
    if !flags.any(READABLE) || flags.any(PAUSED) || buffer.is_empty() {
        return (None, Then::OnEvent);
    }
    let result = recv(fd, buffer);
    read_step(result, flags, buffer.len())
}

#[inline]
pub(super) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    receive(fd, buffer)
}

/// What a read of at most `limit` bytes has found.
pub(super) fn read_step(
    result: Result<usize, Errno>,
    flags: &mut Flags,
    limit: usize,
) -> (Option<Step>, Then) {
    let (step, then) = match result {
        Ok(0) => (Some(Step::Event(Event::EndOfFile)), Then::OnEvent),
        Ok(n) if n == limit => (Some(Step::Bytes(n)), Then::NextTick),
        // Less than asked for means drained, unless the end was announced together with it.
        Ok(n) if flags.any(ENDING) => (Some(Step::Bytes(n)), Then::Now),
        Ok(n) => (Some(Step::Bytes(n)), Then::OnEvent),
        Err(Errno::AGAIN) => (None, Then::OnEvent),
        Err(Errno::INTR) => (None, Then::NextTick),
        Err(error) => (
            Some(Step::Event(Event::Failed(error.into()))),
            Then::OnEvent,
        ),
    };
    if matches!(then, Then::OnEvent) {
        flags.clear(READABLE);
    }
    (step, then)
}

pub(super) fn listener_step(
    listener: &mut Listening,
    flags: &mut Flags,
    accepts_left: &mut usize,
) -> (Option<Step>, Then) {
    if !flags.any(READABLE) || flags.any(PAUSED) {
        return (None, Then::OnEvent);
    }
    let mut empty = 0;
    while empty < listener.fds.len() {
        if *accepts_left == 0 {
            return (None, Then::NextTick);
        }
        *accepts_left -= 1;
        match accept(listener.fds[listener.next].as_fd()) {
            Ok(fd) => {
                let event = Event::Accepted(Stream::new(fd));
                return (Some(Step::Event(event)), Then::Now);
            }
            Err(Errno::AGAIN) => {
                empty += 1;
                listener.next = (listener.next + 1) % listener.fds.len();
            }
            Err(error) if is_out_of_resources(error) => {
                flags.set(PAUSED);
                let event = Event::AcceptFailed(error.into());
                return (Some(Step::Event(event)), Then::OnEvent);
            }
            // The connection was gone before it was accepted, in one of many ways (accept(2)
            // lists them): that is the peer's affair, and the next one may be well.
            Err(error) => tracing::debug!(%error, "a connection ended before it was accepted"),
        }
    }
    flags.clear(READABLE);
    (None, Then::OnEvent)
}
