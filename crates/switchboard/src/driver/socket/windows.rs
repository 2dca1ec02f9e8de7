//! Where `mio` watches sockets of its own types alone. They differ in what can be called through them,
//! which is nothing here: so one of them holds any socket. It must never be taken for a connection by
//! its name.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::windows::io::{AsSocket, BorrowedSocket, OwnedSocket};

use mio::event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;

pub(crate) struct Socket(TcpStream);

pub(crate) fn hold(socket: OwnedSocket) -> Socket {
    Socket(TcpStream::from_std(socket.into()))
}

/// What `mio` is told of.
pub(crate) fn source(socket: &mut Socket) -> &mut Socket {
    socket
}

impl AsSocket for Socket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.0.as_socket()
    }
}

impl event::Source for &mut Socket {
    fn register(&mut self, with: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.0.register(with, token, interests)
    }

    fn reregister(&mut self, with: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.0.reregister(with, token, interests)
    }

    fn deregister(&mut self, with: &Registry) -> io::Result<()> {
        self.0.deregister(with)
    }
}

pub(crate) fn accept(listener: BorrowedSocket<'_>) -> Result<OwnedSocket, Errno> {
    let accepted = rustix::net::accept(listener)?;
    rustix::io::ioctl_fionbio(&accepted, true)?;
    Ok(accepted)
}

/// Begins to connect a socket that does not block; how that ends is told by its readiness.
pub(crate) fn begin_connect(socket: BorrowedSocket<'_>, address: SocketAddr) -> Result<(), Errno> {
    match rustix::net::connect(socket, &address) {
        Err(Errno::WOULDBLOCK) => Ok(()),
        result => result,
    }
}

/// What we have shut down has an end, and no error.
pub(crate) fn receive(socket: BorrowedSocket<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    match rustix::net::recv(socket, buffer, RecvFlags::empty()) {
        Ok((_, n)) => Ok(n),
        Err(Errno::SHUTDOWN) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Sends many pieces in one call.
pub(crate) fn send_gathered(
    socket: BorrowedSocket<'_>,
    pieces: &[IoSlice<'_>],
) -> Result<usize, Errno> {
    let sent = SockRef::from(&socket).send_vectored(pieces);
    sent.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}

/// There are no signals.
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::empty();

pub(crate) fn is_out_of_resources(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NOBUFS)
}
