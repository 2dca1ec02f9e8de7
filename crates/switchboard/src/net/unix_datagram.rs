//! Datagram sockets on this machine that a program owns before registering them with a reactor.
//! It must never send or receive: a registered socket does, through its handler.

use std::io;
use std::os::fd::BorrowedFd;

use socket2::{Domain, SockRef, Type};

use super::socket_file;
use super::udp::{UdpSocket, cannot_bind};
use super::{Address, Endpoint, UnixAddress, socket};
use crate::{Error, Result, ToEndpoint};

/// A datagram socket for this machine alone, that no reactor has yet: as a
/// [`UdpSocket`](crate::UdpSocket), but nothing is lost on the way, and whoever has its file can be
/// kept away by the file's permissions.
///
/// A sender without a name ([`UnixAddress::Unnamed`]) cannot be answered. A receiver that is not there
/// or has no room (Linux keeps ten datagrams that were not read) is told as
/// [`Error::Undelivered`](crate::Error::Undelivered); a [connected](Self::connect) socket waits until
/// there is room, and what is sent meanwhile waits in its outbox. The file goes with the socket, and
/// one that was left behind is replaced, as with a [`Listener`](crate::Listener).
///
/// ```
/// use switchboard::{Address, Context, Handler, Reactor, Result, UnixDatagram};
///
/// struct Log;
///
/// impl Handler<Vec<String>> for Log {
///     fn handle_datagram(
///         &mut self,
///         lines: &mut Vec<String>,
///         cx: &mut Context<'_, Vec<String>>,
///         bytes: &[u8],
///         _from: &Address,
///     ) -> Result {
///         lines.push(String::from_utf8_lossy(bytes).into_owned());
///         cx.close();
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result {
/// # let path = std::env::temp_dir().join(format!("log-{}", std::process::id()));
/// let mut reactor = Reactor::new(Vec::new())?;
/// let socket = reactor.bind_unix_datagram(&path)?; // as in `unix:///run/log.sock`
/// reactor.with(|_, cx| cx.register_unix_datagram(socket, Log))?;
///
/// let program = std::os::unix::net::UnixDatagram::unbound()?;
/// program.send_to(b"it begins", &path)?;
/// reactor.run()?;
/// assert_eq!(reactor.state(), &["it begins"]);
/// # Ok(())
/// # }
/// ```
///
/// Dropped unregistered, it closes. There are none in a [simulation](crate::sim).
///
/// # Platforms
/// Unix.
#[derive(Debug)]
pub struct UnixDatagram(pub(crate) UdpSocket);

impl UnixDatagram {
    /// Binds a path or an abstract name. In a replay, use
    /// [`Reactor::bind_unix_datagram`](crate::Reactor::bind_unix_datagram).
    ///
    /// # Errors
    /// The address is malformed or no Unix socket's, or somebody has it.
    pub fn bind(endpoint: impl ToEndpoint) -> Result<UnixDatagram> {
        let endpoint = unix_endpoint(endpoint)?;
        let socket = UnixDatagram::bind_system(&endpoint);
        Ok(socket.map_err(|error| cannot_bind(&endpoint, &error))?)
    }

    /// A socket without a name, to send from.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn unbound() -> Result<UnixDatagram> {
        let socket = socket(Domain::UNIX, Type::DGRAM, None)?;
        Ok(UnixDatagram(UdpSocket::of_unix(socket.into(), None)))
    }

    pub(crate) fn bind_system(endpoint: &Endpoint) -> io::Result<UnixDatagram> {
        let (socket, file) = match endpoint {
            Endpoint::Unix(UnixAddress::Path(path)) => {
                let (socket, file) = socket_file::open(path, None, Type::DGRAM)?;
                (socket, Some(file))
            }
            Endpoint::Unix(address) => {
                let socket = socket(Domain::UNIX, Type::DGRAM, None)?;
                socket.bind(&address.to_system()?)?;
                (socket, None)
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(UnixDatagram(UdpSocket::of_unix(socket.into(), file)))
    }

    /// Exchanges datagrams with `peer` alone: [`send`](crate::Context::send) sends to it, and waits
    /// while it has no room. A system call.
    ///
    /// # Errors
    /// Nobody has that name, or what has it is no datagram socket.
    pub fn connect(&mut self, peer: impl ToEndpoint) -> Result {
        let Endpoint::Unix(peer) = unix_endpoint(peer)? else {
            return Ok(());
        };
        if let Some(fd) = self.0.as_fd() {
            SockRef::from(&fd).connect(&peer.to_system()?)?;
        }
        Ok(())
    }

    /// The name that it is bound to. Makes a system call.
    ///
    /// # Errors
    /// What the system reports.
    pub fn local(&self) -> Result<Address> {
        self.0.local()
    }

    /// How many bytes of a datagram are received; see
    /// [`UdpSocket::set_longest`](crate::UdpSocket::set_longest).
    pub fn set_longest(&mut self, bytes: usize) {
        self.0.set_longest(bytes);
    }

    /// The descriptor: `None` where the socket is not one of the operating system's.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_fd()
    }
}

/// Makes the socket non-blocking. Its file is left where it is: it was made by somebody else.
impl TryFrom<std::os::unix::net::UnixDatagram> for UnixDatagram {
    type Error = Error;

    fn try_from(socket: std::os::unix::net::UnixDatagram) -> Result<UnixDatagram> {
        socket.set_nonblocking(true)?;
        Ok(UnixDatagram(UdpSocket::of_unix(socket.into(), None)))
    }
}

/// An address that such a socket can have.
pub(crate) fn unix_endpoint(endpoint: impl ToEndpoint) -> Result<Endpoint> {
    match endpoint.to_endpoint()? {
        unix @ Endpoint::Unix(_) => Ok(unix),
        other => Err(Error::BadAddress(format!(
            "{other} is not a Unix socket's address: expected unix://PATH"
        ))),
    }
}
