//! TCP ends that a program owns before (or without) registering them with a reactor.
//! It must never read or write: a registered stream does, through its handler.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use super::{Address, Endpoint, KnownEnds, resolve};
use crate::sim::{SimulatedListener, SimulatedStream};
use crate::{Result, ToEndpoint};

/// Connections that the kernel holds for us before we accept them. Linux caps it at
/// `net.core.somaxconn` (4096 by default since 5.4).
const BACKLOG: i32 = 4096;

/// How many ports to try when port 0 is asked for on several addresses of one name.
const PORT_TRIES: usize = 16;

/// One end of a TCP connection that no reactor has yet.
///
/// Dropped unregistered, it closes. `TCP_NODELAY` is switched on when it is registered, unless
/// [`set_nodelay`](Self::set_nodelay) said otherwise: a reactor coalesces small sends itself.
#[derive(Debug)]
pub struct Stream {
    end: StreamEnd,
    nodelay: bool,
    /// What a recording has written down of it, or a replay has found there.
    known: Option<Box<KnownEnds>>,
}

/// What a [`Stream`] is in the world that it belongs to.
#[derive(Debug)]
enum StreamEnd {
    System(OwnedFd),
    Simulated(SimulatedStream),
    /// All there is to know of it is known.
    Replayed,
}

impl Stream {
    pub(crate) fn new(fd: OwnedFd) -> Stream {
        Stream {
            end: StreamEnd::System(fd),
            nodelay: true,
            known: None,
        }
    }

    pub(crate) fn simulated(stream: SimulatedStream) -> Stream {
        Stream {
            end: StreamEnd::Simulated(stream),
            nodelay: true,
            known: None,
        }
    }

    /// The end of a connection that there was when it was recorded.
    pub(crate) fn replayed(known: KnownEnds) -> Stream {
        Stream {
            end: StreamEnd::Replayed,
            nodelay: true,
            known: Some(Box::new(known)),
        }
    }

    /// Asks for the addresses of both ends, and from then on answers what it has heard: so a
    /// recording and the program cannot be told different things. Makes two system calls.
    pub(crate) fn get_to_know(&mut self) {
        self.known = Some(Box::new(KnownEnds::new(self.peer(), self.local())));
    }

    /// What is known of both ends, if it was ever asked.
    pub(crate) fn known_ends(&self) -> Option<&KnownEnds> {
        self.known.as_deref()
    }

    /// The peer's address. Makes a system call.
    ///
    /// # Errors
    /// The peer may be gone already (`NotConnected`).
    pub fn peer(&self) -> Result<Address> {
        if let Some(known) = &self.known {
            return known.peer();
        }
        match &self.end {
            StreamEnd::System(fd) => ip_address(SockRef::from(fd).peer_addr()?),
            StreamEnd::Simulated(stream) if stream.is_gone() => {
                Err(io::Error::from(Errno::NOTCONN).into())
            }
            StreamEnd::Simulated(stream) => Ok(stream.remote.into()),
            StreamEnd::Replayed => Err(not_of_the_system().into()),
        }
    }

    /// The address of our end. Makes a system call.
    ///
    /// # Errors
    /// What the system reports.
    pub fn local(&self) -> Result<Address> {
        if let Some(known) = &self.known {
            return known.local();
        }
        match &self.end {
            StreamEnd::System(fd) => ip_address(SockRef::from(fd).local_addr()?),
            StreamEnd::Simulated(stream) => Ok(stream.local.into()),
            StreamEnd::Replayed => Err(not_of_the_system().into()),
        }
    }

    /// Whether the kernel sends small segments at once (the default) or waits to fill them.
    pub fn set_nodelay(&mut self, nodelay: bool) {
        self.nodelay = nodelay;
    }

    /// Has the kernel probe a silent peer, first after `idle`, then every `idle` / 4, in whole
    /// seconds and at least one. Makes a system call or three. Off by default.
    ///
    /// # Errors
    /// What the system reports.
    pub fn set_keepalive(&self, idle: Duration) -> io::Result<()> {
        let idle = idle.max(Duration::from_secs(1)); // the kernel counts in seconds
        let probe = (idle / 4).max(Duration::from_secs(1));
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(probe);
        match &self.end {
            StreamEnd::System(fd) => SockRef::from(fd).set_tcp_keepalive(&keepalive),
            StreamEnd::Simulated(stream) => {
                stream.set_keepalive(idle);
                Ok(())
            }
            StreamEnd::Replayed => Ok(()),
        }
    }

    /// The descriptor: `None` where the stream is not one of the operating system's.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.end {
            StreamEnd::System(fd) => Some(fd.as_fd()),
            StreamEnd::Simulated(_) | StreamEnd::Replayed => None,
        }
    }

    /// The descriptor, made ready for a driver of the operating system's sockets.
    pub(crate) fn into_descriptor(self) -> io::Result<OwnedFd> {
        match self.end {
            StreamEnd::System(fd) => {
                if self.nodelay {
                    SockRef::from(&fd).set_tcp_nodelay(true)?;
                }
                Ok(fd)
            }
            StreamEnd::Simulated(_) | StreamEnd::Replayed => Err(not_of_the_system()),
        }
    }

    /// The simulated end, if it is one.
    pub(crate) fn into_simulated(self) -> Option<SimulatedStream> {
        match self.end {
            StreamEnd::System(_) | StreamEnd::Replayed => None,
            StreamEnd::Simulated(stream) => Some(stream),
        }
    }
}

/// Makes the stream non-blocking.
impl TryFrom<std::net::TcpStream> for Stream {
    type Error = crate::Error;

    fn try_from(stream: std::net::TcpStream) -> Result<Stream> {
        stream.set_nonblocking(true)?;
        Ok(Stream::new(stream.into()))
    }
}

/// Sockets that listen on every address of one name, on the same port.
///
/// ```
/// let listener = switchboard::Listener::bind("localhost:0")?;
/// let port = listener.local()?.ip().unwrap().port(); // the same on IPv4 and IPv6
/// assert_ne!(port, 0);
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    end: ListenerEnd,
}

/// What a [`Listener`] is in the world that it belongs to.
#[derive(Debug)]
enum ListenerEnd {
    /// Never empty: the names that resolve have an address.
    System(Vec<OwnedFd>),
    Simulated(SimulatedListener),
    /// Where it listened when it was recorded.
    Replayed(Vec<SocketAddr>),
}

impl Listener {
    /// Listens on every address that `endpoint` names, with `SO_REUSEADDR` and one port for all
    /// (chosen by the system if it is 0). Blocks while a name is looked up; addresses of a kind
    /// that this machine does not have are left out if another one remains.
    ///
    /// # Errors
    /// The first address that cannot be bound, e.g. because its port is taken.
    pub fn bind(endpoint: impl ToEndpoint) -> Result<Listener> {
        let endpoint: Endpoint = endpoint.to_endpoint()?;
        let listener = resolve::resolve(&endpoint).and_then(|all| Listener::bind_all(&all));
        Ok(listener.map_err(|error| cannot_listen(&endpoint, &error))?)
    }

    /// A listener that there was when it was recorded.
    pub(crate) fn replayed(addresses: Vec<SocketAddr>) -> Listener {
        Listener {
            end: ListenerEnd::Replayed(addresses),
        }
    }

    pub(crate) fn bind_all(addresses: &[SocketAddr]) -> io::Result<Listener> {
        let mut tries = PORT_TRIES;
        loop {
            match Listener::bind_once(addresses) {
                // The port that the system chose for the first address is taken on another one.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => {
                    if addresses.iter().any(|address| address.port() != 0) {
                        return Err(error);
                    }
                    tries -= 1;
                }
                result => return result,
            }
        }
    }

    fn bind_once(addresses: &[SocketAddr]) -> io::Result<Listener> {
        let mut fds = Vec::new();
        let mut port = None;
        let mut unavailable = None;
        for address in addresses {
            let mut address = *address;
            if let Some(port) = port.filter(|_| address.port() == 0) {
                address.set_port(port);
            }
            match listen_on(address) {
                Ok(socket) => {
                    port = socket.local_addr()?.as_socket().map(|local| local.port());
                    fds.push(socket.into());
                }
                Err(error) if is_unavailable(&error) => {
                    tracing::debug!(%address, %error, "address left out");
                    unavailable = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match unavailable {
            Some(error) if fds.is_empty() => Err(error),
            _ => Ok(Listener {
                end: ListenerEnd::System(fds),
            }),
        }
    }

    /// The first address listened on. Makes a system call.
    ///
    /// # Errors
    /// What the system reports.
    pub fn local(&self) -> Result<Address> {
        match &self.end {
            ListenerEnd::System(fds) => ip_address(SockRef::from(&fds[0]).local_addr()?),
            ListenerEnd::Simulated(listener) => Ok(listener.addresses()[0].1.into()),
            ListenerEnd::Replayed(addresses) => {
                let first = addresses.first().ok_or_else(not_of_the_system)?;
                Ok(Address::Ip(*first))
            }
        }
    }

    /// Every address listened on. Makes a system call for each.
    ///
    /// # Errors
    /// What the system reports.
    pub fn locals(&self) -> Result<Vec<Address>> {
        match &self.end {
            ListenerEnd::System(fds) => fds
                .iter()
                .map(|fd| ip_address(SockRef::from(fd).local_addr()?))
                .collect(),
            ListenerEnd::Simulated(listener) => {
                let addresses = listener.addresses().iter();
                Ok(addresses.map(|(_, address)| (*address).into()).collect())
            }
            ListenerEnd::Replayed(addresses) => {
                Ok(addresses.iter().copied().map(Address::Ip).collect())
            }
        }
    }

    /// The descriptors, for a driver of the operating system's sockets.
    pub(crate) fn into_descriptors(self) -> io::Result<Vec<OwnedFd>> {
        match self.end {
            ListenerEnd::System(fds) => Ok(fds),
            ListenerEnd::Simulated(_) | ListenerEnd::Replayed(_) => Err(not_of_the_system()),
        }
    }

    pub(crate) fn simulated(listener: SimulatedListener) -> Listener {
        Listener {
            end: ListenerEnd::Simulated(listener),
        }
    }

    /// The simulated end, if it is one.
    pub(crate) fn into_simulated(self) -> Option<SimulatedListener> {
        match self.end {
            ListenerEnd::System(_) | ListenerEnd::Replayed(_) => None,
            ListenerEnd::Simulated(listener) => Some(listener),
        }
    }
}

fn not_of_the_system() -> io::Error {
    let text = "a simulated or replayed connection or listener belongs to a reactor of its world";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// The system's error, with the address as it was given.
pub(crate) fn cannot_listen(endpoint: &Endpoint, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot listen on {endpoint}: {error}"),
    )
}

fn listen_on(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    if address.is_ipv6() {
        // Otherwise `[::]:80` would take the IPv4 port too, and `0.0.0.0:80` beside it fail.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// This machine has no such address or no such protocol, as with IPv6 switched off.
fn is_unavailable(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::ADDRNOTAVAIL.raw_os_error())
        || code == Some(Errno::AFNOSUPPORT.raw_os_error())
}

/// How [`connect_with`](crate::LoopContext::connect_with) makes its connection.
///
/// ```
/// use std::time::Duration;
/// use switchboard::ConnectOptions;
///
/// let patient = ConnectOptions::default().with_timeout(Some(Duration::from_secs(120)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    pub(crate) timeout: Option<Duration>,
    nodelay: bool,
    pub(crate) keepalive: Option<Duration>,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            timeout: Some(Duration::from_secs(30)),
            nodelay: true,
            keepalive: None,
        }
    }
}

impl ConnectOptions {
    /// How long the look-up of the name and the attempts at all its addresses may take together
    /// (default 30 s); `None` leaves it to the system (minutes). Each address gets its share of
    /// what is left, so that one that never answers leaves time for the others.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> ConnectOptions {
        self.timeout = timeout;
        self
    }

    /// Whether small segments are sent at once (default true); see [`Stream::set_nodelay`].
    #[must_use]
    pub fn with_nodelay(mut self, nodelay: bool) -> ConnectOptions {
        self.nodelay = nodelay;
        self
    }

    /// Has the kernel probe a silent peer (default off); see [`Stream::set_keepalive`].
    #[must_use]
    pub fn with_keepalive(mut self, idle: Duration) -> ConnectOptions {
        self.keepalive = Some(idle);
        self
    }
}

/// A non-blocking socket of the right kind for `address`, not yet connected.
pub(crate) fn open_stream(address: SocketAddr, options: &ConnectOptions) -> io::Result<Stream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    let mut stream = Stream::new(socket.into());
    stream.set_nodelay(options.nodelay);
    if let Some(idle) = options.keepalive {
        stream.set_keepalive(idle)?;
    }
    Ok(stream)
}

fn ip_address(address: socket2::SockAddr) -> Result<Address> {
    let not_ip = || {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "the address is not an IP address",
        )
    };
    Ok(Address::Ip(address.as_socket().ok_or_else(not_ip)?))
}
