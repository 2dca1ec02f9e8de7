//! A stream of bytes that is not received and sent as a socket of our own usually is: descriptors
//! travel with its bytes, or it is a pipe, a terminal or a file, which others may have open as well.
//! The drivers of the system poll it, and read and write it here, at once. It must never block, and
//! never change how a description behaves (`O_NONBLOCK`) that it shares.
//!
//! A description is what `open` makes; descriptors that were duplicated or inherited share it, and
//! its flags. A shell and the programs that it starts share that of the terminal: one that leaves it
//! non-blocking breaks the others. So a pipe or a terminal is opened once more, for a description of
//! our own. Where that cannot be done, each call asks first whether it would wait, and writes no more
//! than there is room for then. (Another who reads the same pipe in that very moment can still make
//! our read wait for the next bytes.)

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::socket::shut_down;
use crate::outbox::Outbox;
use crate::sources::Way;

/// Descriptors that Linux takes with one message (`SCM_MAX_FD`; others take more).
pub(crate) const MESSAGE_DESCRIPTORS: usize = 253;

/// What a pipe has room for when it says that it has any (POSIX's least value of `PIPE_BUF`, and
/// less than the page that Linux means).
const PIPE_ROOM: usize = 512;

/// The same of a terminal: Linux says so when less than 256 bytes wait in it.
const TERMINAL_ROOM: usize = 256;

/// So much is written at once to what does not make anybody wait: a file, `/dev/null`.
const CHUNK: usize = 64 * 1024;

/// The device whose every `open` makes another terminal (`/dev/ptmx`).
const MAKES_TERMINALS: (u32, u32) = (5, 2);

#[derive(Debug)]
pub(crate) struct Channel {
    fd: OwnedFd,
    kind: Kind,
    pub(crate) way: Way,
    /// How many descriptors may have come and not be taken, or wait to be sent.
    pub(crate) limit: usize,
    /// It was shut down for reading.
    is_ended: bool,
}

#[derive(Debug)]
enum Kind {
    /// Whose calls can each be told not to wait.
    Socket,
    /// On a description of our own.
    NonBlocking,
    /// On a description that others have too.
    Shared {
        /// How many bytes it has room for, if it has any.
        room: usize,
        /// It is the end of a terminal that its window has, whose reads fail when the other end is
        /// closed: that is the end of what there is to read.
        is_master: bool,
    },
}

impl Kind {
    fn shared(room: usize) -> Kind {
        let is_master = false;
        Kind::Shared { room, is_master }
    }
}

/// What one read has found.
pub(crate) struct Read {
    /// How many bytes: 0 at the end of the stream.
    pub(crate) bytes: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Channel {
    /// A Unix socket whose bytes descriptors may come and go with.
    pub(crate) fn carrying(socket: OwnedFd, limit: usize) -> Channel {
        Channel {
            limit,
            ..Channel::new(socket, Kind::Socket, Way::Connection)
        }
    }

    /// Any descriptor, to be used in this way.
    pub(crate) fn open(fd: OwnedFd, way: Way) -> io::Result<Channel> {
        let stat = rustix::fs::fstat(&fd)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => Kind::Socket,
            FileType::Fifo => Kind::shared(PIPE_ROOM),
            FileType::CharacterDevice if rustix::termios::isatty(&fd) => Kind::Shared {
                room: TERMINAL_ROOM,
                is_master: is_master(stat.st_rdev),
            },
            FileType::Directory => return Err(Errno::ISDIR.into()),
            _ => return Ok(Channel::new(fd, Kind::shared(CHUNK), way)),
        };
        // Opening a master makes another terminal.
        let may_reopen = matches!(
            kind,
            Kind::Shared {
                is_master: false,
                ..
            }
        );
        match may_reopen.then(|| reopen(&fd, way)).flatten() {
            // A FIFO whose writer has gone tells of its end only where that writer was known.
            Some(own) if !has_lost_its_writer(&fd, way) => {
                Ok(Channel::new(own, Kind::NonBlocking, way))
            }
            _ => Ok(Channel::new(fd, kind, way)),
        }
    }

    /// An end of a pipe that nobody else has: on every system, what it does can be changed.
    pub(crate) fn own_pipe(fd: OwnedFd, way: Way) -> io::Result<Channel> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Channel::new(fd, Kind::NonBlocking, way))
    }

    fn new(fd: OwnedFd, kind: Kind, way: Way) -> Channel {
        Channel {
            fd,
            kind,
            way,
            limit: 0,
            is_ended: false,
        }
    }

    pub(crate) fn is_socket(&self) -> bool {
        matches!(self.kind, Kind::Socket)
    }

    /// Reads what is there now, if anything is. Less than asked for does not mean that it was all: a
    /// read ends behind a line of a terminal, or behind the bytes that descriptors came with.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Read> {
        let bytes = match &self.kind {
            _ if self.is_ended => 0,
            Kind::Socket => return self.receive(buffer),
            Kind::NonBlocking => rustix::io::read(&self.fd, buffer)?,
            Kind::Shared { .. } if !self.is_ready(PollFlags::IN)? => {
                return Err(Errno::AGAIN.into());
            }
            Kind::Shared { is_master, .. } => match rustix::io::read(&self.fd, buffer) {
                Err(Errno::IO) if *is_master => 0,
                result => result?,
            },
        };
        Ok(Read {
            bytes,
            descriptors: Vec::new(),
        })
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Read> {
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = rustix::net::recvmsg(&self.fd, &mut slices, &mut control, RECEIVE)?;
        let rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors: Vec<OwnedFd> = rights.flatten().collect();
        #[cfg(target_vendor = "apple")]
        for descriptor in &descriptors {
            rustix::io::ioctl_fioclex(descriptor)?;
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Errno::MFILE.into()); // those that had no room in the process are lost
        }
        Ok(Read {
            bytes: message.bytes,
            descriptors,
        })
    }

    /// Sends what can be now, from the front of the outbox. False if more has to wait.
    pub(crate) fn send(&self, outbox: &mut Outbox) -> io::Result<bool> {
        while let Some((bytes, descriptors)) = outbox.parcel() {
            match self.write(bytes, descriptors) {
                Ok(n) => outbox.advance_parcel(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Writes some of these bytes, and the descriptors with the first of them.
    fn write(&self, bytes: &[u8], descriptors: &[OwnedFd]) -> Result<usize, Errno> {
        let room = match &self.kind {
            Kind::Socket => return self.transmit(bytes, descriptors),
            Kind::NonBlocking => return rustix::io::write(&self.fd, bytes),
            Kind::Shared { room, .. } => *room,
        };
        if !self.is_ready(PollFlags::OUT)? {
            return Err(Errno::AGAIN);
        }
        rustix::io::write(&self.fd, &bytes[..bytes.len().min(room)])
    }

    fn transmit(&self, bytes: &[u8], descriptors: &[OwnedFd]) -> Result<usize, Errno> {
        let slices = [IoSlice::new(bytes)];
        if descriptors.is_empty() {
            let mut none = SendAncillaryBuffer::default();
            return rustix::net::sendmsg(&self.fd, &slices, &mut none, SEND);
        }
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(Errno::INVAL);
        }
        rustix::net::sendmsg(&self.fd, &slices, &mut control, SEND)
    }

    /// Whether a call would not wait. It fails, and so does not wait, if the other end is gone.
    fn is_ready(&self, flags: PollFlags) -> Result<bool, Errno> {
        let mut fds = [PollFd::new(&self.fd, flags)];
        Ok(poll(&mut fds, Some(&Timespec::default()))? > 0)
    }

    /// Shuts a connection down. Of what others may have too, reading has ended for us alone, and that
    /// our writing has is told when it is closed.
    pub(crate) fn shutdown(&mut self, how: Shutdown) {
        match self.way {
            Way::Connection => shut_down(&self.fd, how),
            _ => self.is_ended |= how != Shutdown::Write,
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn is_master(device: rustix::fs::Dev) -> bool {
    (rustix::fs::major(device), rustix::fs::minor(device)) == MAKES_TERMINALS
}

/// Looked at once it is opened anew: of a writer that goes later, both know.
fn has_lost_its_writer(fd: &OwnedFd, way: Way) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let polled = poll(&mut fds, Some(&Timespec::default()));
    way == Way::Reader && polled.is_ok() && fds[0].revents().contains(PollFlags::HUP)
}

/// Opens what is behind a descriptor once more, so that it can be non-blocking for us alone. `None`
/// where it cannot be done: on systems that have no name for it, or without the permission.
fn reopen(fd: &OwnedFd, way: Way) -> Option<OwnedFd> {
    if !cfg!(target_os = "linux") {
        return None; // elsewhere this makes a duplicate, which shares the description
    }
    let access = match way {
        Way::Reader => OFlags::RDONLY,
        Way::Writer => OFlags::WRONLY,
        Way::Both | Way::Connection => OFlags::RDWR,
    };
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(
        format!("/proc/self/fd/{}", fd.as_raw_fd()),
        flags,
        Mode::empty(),
    )
    .ok()
}

#[cfg(not(target_vendor = "apple"))]
const RECEIVE: RecvFlags = RecvFlags::DONTWAIT.union(RecvFlags::CMSG_CLOEXEC);
#[cfg(target_vendor = "apple")]
const RECEIVE: RecvFlags = RecvFlags::DONTWAIT;

#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::DONTWAIT;

#[cfg(test)]
mod tests;
