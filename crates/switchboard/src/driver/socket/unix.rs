//! Where everything is a descriptor, and `mio` is told its number. It must never be told of one that
//! is closed meanwhile, and its number somebody else's.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use mio::event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

pub(crate) type Socket = OwnedFd;

#[inline(always)]
pub(crate) fn hold(socket: OwnedFd) -> Socket {
    socket
}

/// What `mio` is told of, for the length of a call.
pub(crate) struct Source(pub(crate) RawFd);

/// It takes as much of a socket as Windows needs.
pub(crate) fn source(socket: &mut Socket) -> Source {
    Source::of(socket)
}

impl Source {
    pub(crate) fn of(fd: &impl AsFd) -> Source {
        Source(fd.as_fd().as_raw_fd())
    }
}

impl event::Source for Source {
    fn register(&mut self, with: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0).register(with, token, interests)
    }

    fn reregister(&mut self, with: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0).reregister(with, token, interests)
    }

    fn deregister(&mut self, with: &Registry) -> io::Result<()> {
        SourceFd(&self.0).deregister(with)
    }
}

#[cfg(not(target_vendor = "apple"))]
pub(crate) fn accept(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = rustix::net::SocketFlags::NONBLOCK | rustix::net::SocketFlags::CLOEXEC;
    rustix::net::accept_with(fd, flags)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn accept(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let accepted = rustix::net::accept(fd)?;
    rustix::io::ioctl_fioclex(&accepted)?;
    rustix::io::ioctl_fionbio(&accepted, true)?;
    Ok(accepted)
}

/// Begins to connect a socket that does not block; how that ends is told by its readiness.
pub(crate) fn begin_connect(socket: BorrowedFd<'_>, address: SocketAddr) -> Result<(), Errno> {
    match rustix::net::connect(socket, &address) {
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(()),
        result => result,
    }
}

#[inline(always)]
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    rustix::net::recv(socket, buffer, RecvFlags::empty()).map(|(_, n)| n)
}

/// Sends many pieces in one call (`writev`, in the form that can be told not to raise a signal).
pub(crate) fn send_gathered(
    socket: BorrowedFd<'_>,
    pieces: &[IoSlice<'_>],
) -> Result<usize, Errno> {
    let mut no_control = SendAncillaryBuffer::default();
    rustix::net::sendmsg(socket, pieces, &mut no_control, NO_SIGNAL)
}

/// A peer that is gone is an error of the send, not a signal that ends the process.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::empty(); // Rust programs ignore SIGPIPE from the start

pub(crate) fn is_out_of_resources(error: Errno) -> bool {
    matches!(
        error,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}
