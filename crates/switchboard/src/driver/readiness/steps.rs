//! What one look at a ready source finds, and when to look again: a read, an accept. It must never
//! take a short read for drained when the end is known to follow: of bytes that arrive together
//! with the end, the kernel tells once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::connecting::Connecting;
use super::room::Told;
use crate::driver::batches::DatagramSocket;
use crate::driver::channel::Channel;
use crate::driver::{Event, Notifier};
use crate::io::Interest;
use crate::net::SocketFile;
use crate::{Ready, Stream, Token};

/// What is registered under a slot.
pub(super) enum Entry {
    Free,
    Stream(OwnedFd),
    /// A stream that is read and written in another way.
    Channel(Box<Channel>),
    Connecting(Box<Connecting>),
    Listener(Box<Listening>),
    Watch(Box<Watch>),
    Notifier(Box<Notifying>),
    Datagrams(Box<DatagramSocket>),
}

pub(super) struct Listening {
    /// Dropped first, since it is removed while the socket is still listened on.
    pub(super) _file: Option<SocketFile>,
    pub(super) fds: Vec<OwnedFd>,
    /// The descriptor to try next, so that a burst on one does not ask the others every time.
    pub(super) next: usize,
}

pub(super) struct Watch {
    /// Held for its descriptor's sake, which `fd` is.
    pub(super) _source: Box<dyn AsFd>,
    /// Asked of the source once: what it does when asked is the program's code.
    pub(super) fd: RawFd,
    pub(super) interest: Interest,
    /// The kernel refuses to watch it, as it does with regular files: those are always ready.
    pub(super) always: bool,
}

pub(super) struct Notifying {
    pub(super) notifier: Notifier,
    /// Taken from it, and not handed out yet.
    pub(super) pending: Vec<Event<'static>>,
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
pub(super) const CONNECTING: u8 = 1 << 6;

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
    BytesWith(usize, Vec<OwnedFd>),
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
    rustix::net::recv(fd, buffer, RecvFlags::empty()).map(|(_, n)| n)
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

pub(super) fn watch_step(
    watch: &Watch,
    flags: &mut Flags,
    token: Token,
    rearm: &mut Vec<Token>,
) -> (Option<Step>, Then) {
    let ready = Ready {
        read: flags.any(READABLE) && watch.interest.read(),
        write: flags.any(WRITABLE) && watch.interest.write(),
    };
    if flags.any(PAUSED) || !(ready.read || ready.write) {
        return (None, Then::OnEvent);
    }
    let event = Some(Step::Event(Event::Ready(ready)));
    if watch.always {
        return (event, Then::NextTick);
    }
    flags.clear(READABLE | WRITABLE | ENDING);
    rearm.push(token);
    (event, Then::OnEvent)
}

pub(super) fn notifier_step(source: &mut Notifying, flags: &mut Flags) -> (Option<Step>, Then) {
    if source.pending.is_empty() && flags.any(READABLE) {
        source.pending = source.notifier.take();
        flags.clear(READABLE);
    }
    match source.pending.pop() {
        Some(event) => (Some(Step::Event(event)), Then::Now),
        None => (None, Then::OnEvent),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn accept(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    use rustix::net::SocketFlags;
    rustix::net::accept_with(fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

#[cfg(target_vendor = "apple")]
fn accept(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let accepted = rustix::net::accept(fd)?;
    rustix::io::ioctl_fioclex(&accepted)?;
    rustix::io::ioctl_fionbio(&accepted, true)?;
    Ok(accepted)
}

fn is_out_of_resources(error: Errno) -> bool {
    matches!(
        error,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}
