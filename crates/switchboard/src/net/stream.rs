//! Ends of connections that a program owns before (or without) registering them with a reactor.
//! It must never read or write: a registered stream does, through its handler.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use socket2::{Domain, SockRef, TcpKeepalive, Type};

#[cfg(unix)]
use super::UnixAddress;
use super::{Address, KnownEnds, socket};
use crate::Result;
#[cfg(unix)]
use crate::driver::Channel;
use crate::sim::SimulatedStream;
use crate::sources::Way;
#[cfg(feature = "tls")]
use crate::tls::Role;

/// One end of a connection, over TCP or a Unix socket, or of a pipe or terminal
/// ([`stdin`](Self::stdin)), that no reactor has yet.
///
/// Dropped unregistered, it closes. On TCP, `TCP_NODELAY` is switched on when it is registered,
/// unless [`set_nodelay`](Self::set_nodelay) said otherwise: a reactor coalesces small sends itself.
#[derive(Debug)]
pub struct Stream {
    end: StreamEnd,
    nodelay: bool,
    /// What a recording has written down of it, or a replay has found there.
    known: Option<Box<KnownEnds>>,
    #[cfg(feature = "tls")]
    pub(super) role: Option<Box<Role>>,
}

/// What a [`Stream`] is in the world that it belongs to.
#[derive(Debug)]
enum StreamEnd {
    System(OwnedFd),
    #[cfg(unix)]
    Channel(Box<Channel>),
    Simulated(SimulatedStream),
    /// All there is to know of it is known.
    Replayed {
        /// How many descriptors may have come and not be taken, or wait to be sent.
        #[cfg(unix)]
        limit: usize,
    },
}

impl Stream {
    pub(crate) fn new(fd: OwnedFd) -> Stream {
        Stream {
            end: StreamEnd::System(fd),
            nodelay: true,
            known: None,
            #[cfg(feature = "tls")]
            role: None,
        }
    }

    #[cfg(unix)]
    pub(crate) fn of_channel(channel: Channel) -> Stream {
        Stream {
            end: StreamEnd::Channel(Box::new(channel)),
            nodelay: false,
            known: None,
            #[cfg(feature = "tls")]
            role: None,
        }
    }

    pub(crate) fn simulated(stream: SimulatedStream) -> Stream {
        Stream {
            end: StreamEnd::Simulated(stream),
            nodelay: true,
            known: None,
            #[cfg(feature = "tls")]
            role: None,
        }
    }

    /// The end of a connection that there was when it was recorded.
    pub(crate) fn replayed(known: KnownEnds) -> Stream {
        Stream {
            end: StreamEnd::Replayed {
                #[cfg(unix)]
                limit: 0,
            },
            nodelay: true,
            known: Some(Box::new(known)),
            #[cfg(feature = "tls")]
            role: None,
        }
    }

    /// Asks for the addresses of both ends, and from then on answers what it has heard: so a
    /// recording and the program cannot be told different things. Makes two system calls, and two
    /// more for a Unix socket.
    pub(crate) fn get_to_know(&mut self) {
        let known = KnownEnds::new(self.peer(), self.local());
        #[cfg(target_os = "linux")]
        let known = known.with_credentials(|| self.peer_credentials());
        self.known = Some(Box::new(known));
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
            StreamEnd::Simulated(stream) if stream.is_gone() => {
                Err(io::Error::from(Errno::NOTCONN).into())
            }
            StreamEnd::Simulated(stream) => Ok(stream.remote.into()),
            _ => Address::from_system(&self.socket()?.peer_addr()?),
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
            StreamEnd::Simulated(stream) => Ok(stream.local.into()),
            _ => Address::from_system(&self.socket()?.local_addr()?),
        }
    }

    fn socket(&self) -> io::Result<SockRef<'_>> {
        match &self.end {
            StreamEnd::System(fd) => Ok(SockRef::from(fd)),
            #[cfg(unix)]
            StreamEnd::Channel(channel) => Ok(SockRef::from(&**channel)),
            _ => Err(not_of_the_system()),
        }
    }

    /// The process at the other end of a Unix socket: the one that called `connect`, or, of a
    /// connection that we made, `listen`; as the kernel noted it then. Makes two system calls.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use switchboard::Stream;
    ///
    /// let (near, _far) = UnixStream::pair()?;
    /// let peer = Stream::try_from(near)?.peer_credentials()?;
    /// assert_eq!(peer.pid, Some(std::process::id())); // both ends are ours here
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// It is no Unix socket, or not one of the operating system's.
    ///
    /// # Platforms
    /// Linux.
    #[cfg(target_os = "linux")]
    pub fn peer_credentials(&self) -> Result<super::PeerCredentials> {
        if let Some(known) = &self.known {
            return known.credentials();
        }
        Ok(match self.as_fd() {
            Some(fd) => super::PeerCredentials::of(&fd)?,
            None => return Err(not_of_the_system().into()),
        })
    }

    /// Lets descriptors travel with the bytes of a Unix socket, once it is registered: see
    /// [`send_with_descriptors`](crate::Context::send_with_descriptors) and
    /// [`take_descriptors`](crate::Context::take_descriptors). Of those that have come and were not
    /// taken, and of those that wait to be sent, there may be `limit` each.
    ///
    /// Such a stream takes a system call or two more for each read. On one that this was not asked
    /// of, the kernel closes the descriptors that come.
    ///
    /// # Errors
    /// It is no Unix socket, or a simulated one.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn enable_descriptors(&mut self, limit: usize) -> Result {
        self.end = match std::mem::replace(&mut self.end, StreamEnd::Replayed { limit: 0 }) {
            StreamEnd::System(fd) if is_unix(&fd) => {
                StreamEnd::Channel(Box::new(Channel::carrying(fd, limit)))
            }
            StreamEnd::Channel(mut channel) if channel.way == Way::Connection => {
                channel.limit = limit;
                StreamEnd::Channel(channel)
            }
            StreamEnd::Replayed { .. } => StreamEnd::Replayed { limit },
            other => {
                self.end = other;
                let text = "descriptors travel over Unix sockets of the system only";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text).into());
            }
        };
        Ok(())
    }

    pub(crate) fn way(&self) -> Way {
        match &self.end {
            #[cfg(unix)]
            StreamEnd::Channel(channel) => channel.way,
            _ => Way::Connection,
        }
    }

    /// How many descriptors may have come and not be taken, or wait to be sent.
    #[cfg(unix)]
    pub(crate) fn descriptor_limit(&self) -> usize {
        match &self.end {
            StreamEnd::Channel(channel) => channel.limit,
            StreamEnd::Replayed { limit } => *limit,
            StreamEnd::System(_) | StreamEnd::Simulated(_) => 0,
        }
    }

    /// Whether the kernel sends small segments at once (the default) or waits to fill them.
    pub fn set_nodelay(&mut self, nodelay: bool) {
        self.nodelay = nodelay;
    }

    /// Has the kernel probe a silent peer, first after `idle`, then every `idle` / 4, in whole
    /// seconds and at least one. Makes a system call or three. Off by default. Nothing is to be
    /// probed over a Unix socket, whose end is always told.
    ///
    /// # Errors
    /// What the system reports.
    pub fn set_keepalive(&self, idle: Duration) -> io::Result<()> {
        match &self.end {
            StreamEnd::System(fd) => {
                tcp_only(SockRef::from(fd).set_tcp_keepalive(&keepalive(idle))).map(drop)
            }
            StreamEnd::Simulated(stream) => {
                stream.set_keepalive(idle.max(Duration::from_secs(1)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The descriptor: `None` where the stream is not one of the operating system's.
    ///
    /// # Platforms
    /// Unix. Windows has `as_socket`.
    #[cfg(unix)]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor()
    }

    /// The socket: `None` where the stream is not one of the operating system's.
    ///
    /// # Platforms
    /// Windows. Unix has `as_fd`.
    #[cfg(windows)]
    pub fn as_socket(&self) -> Option<std::os::windows::io::BorrowedSocket<'_>> {
        self.descriptor()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.end {
            StreamEnd::System(fd) => Some(fd.as_fd()),
            #[cfg(unix)]
            StreamEnd::Channel(channel) => Some(channel.as_fd()),
            StreamEnd::Simulated(_) | StreamEnd::Replayed { .. } => None,
        }
    }

    /// What it is, made ready for a driver of the operating system's.
    pub(crate) fn take(self) -> io::Result<Taken> {
        match self.end {
            StreamEnd::System(fd) => {
                let is_tcp = match self.nodelay {
                    true => tcp_only(SockRef::from(&fd).set_tcp_nodelay(true))?,
                    false => !is_unix(&fd),
                };
                Ok(if is_tcp {
                    Taken::Tcp(fd)
                } else {
                    Taken::Unix(fd)
                })
            }
            #[cfg(unix)]
            StreamEnd::Channel(channel) => Ok(Taken::Channel(channel)),
            StreamEnd::Simulated(_) | StreamEnd::Replayed { .. } => Err(not_of_the_system()),
        }
    }

    /// The simulated end, if it is one.
    pub(crate) fn into_simulated(self) -> Option<SimulatedStream> {
        match self.end {
            StreamEnd::Simulated(stream) => Some(stream),
            _ => None,
        }
    }
}

fn keepalive(idle: Duration) -> TcpKeepalive {
    let idle = idle.max(Duration::from_secs(1)); // the kernel counts in seconds
    let probe = (idle / 4).max(Duration::from_secs(1));
    TcpKeepalive::new().with_time(idle).with_interval(probe)
}

/// What a driver of the operating system's takes a stream for.
pub(crate) enum Taken {
    Tcp(OwnedFd),
    Unix(OwnedFd),
    #[cfg(unix)]
    Channel(Box<Channel>),
}

/// What a Unix socket answers to an option of TCP's does not matter, but shows that it is one: then
/// it is false.
fn tcp_only(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => Ok(false),
        result => result.map(|()| true),
    }
}

fn is_unix(fd: &OwnedFd) -> bool {
    let local = SockRef::from(fd).local_addr();
    local.is_ok_and(|address| address.is_unix())
}

/// Makes the stream non-blocking.
impl TryFrom<std::net::TcpStream> for Stream {
    type Error = crate::Error;

    fn try_from(stream: std::net::TcpStream) -> Result<Stream> {
        stream.set_nonblocking(true)?;
        Ok(Stream::new(stream.into()))
    }
}

/// Makes the stream non-blocking.
#[cfg(unix)]
impl TryFrom<std::os::unix::net::UnixStream> for Stream {
    type Error = crate::Error;

    fn try_from(stream: std::os::unix::net::UnixStream) -> Result<Stream> {
        stream.set_nonblocking(true)?;
        Ok(Stream::new(stream.into()))
    }
}

/// How [`connect_with`](crate::LoopContext::connect_with) makes its connection.
///
/// ```
/// use std::time::Duration;
/// use switchboard::ConnectOptions;
///
/// let patient = ConnectOptions::default()
///     .with_timeout(Some(Duration::from_secs(120)))
///     .with_attempt_delay(Duration::from_secs(2));
/// ```
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) delay: Duration,
    nodelay: bool,
    pub(crate) keepalive: Option<Duration>,
    #[cfg(unix)]
    pub(crate) descriptors: usize,
    #[cfg(feature = "tls")]
    pub(super) role: Option<Box<Role>>,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            timeout: Some(Duration::from_secs(30)),
            delay: Duration::from_millis(250),
            nodelay: true,
            keepalive: None,
            #[cfg(unix)]
            descriptors: 0,
            #[cfg(feature = "tls")]
            role: None,
        }
    }
}

impl ConnectOptions {
    /// How long the look-up of the name and the attempts at all its addresses may take together
    /// (default 30 s); `None` leaves it to the system (minutes).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> ConnectOptions {
        self.timeout = timeout;
        self
    }

    /// After how long the next address of a name is tried beside those that have not answered
    /// (default 250 ms, the Connection Attempt Delay of RFC 8305, section 5; at least 10 ms).
    /// When one fails, the next is tried at once. If the timeout is short, the delay is too: each
    /// address that is left gets an equal share of the time.
    ///
    /// Each address under way has a socket of its own until the first is connected: of a name
    /// with many dead addresses, all that are tried (at most 32).
    #[must_use]
    pub fn with_attempt_delay(mut self, delay: Duration) -> ConnectOptions {
        self.delay = delay.max(Duration::from_millis(10));
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

    /// Lets descriptors travel over a Unix socket (default 0, not at all); see
    /// [`Stream::enable_descriptors`].
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    #[must_use]
    pub fn with_descriptors(mut self, limit: usize) -> ConnectOptions {
        self.descriptors = limit;
        self
    }
}

/// A non-blocking socket of the right kind for `address`, not yet connected.
pub(crate) fn open_stream(address: SocketAddr, options: &ConnectOptions) -> io::Result<OwnedFd> {
    let socket = socket(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(idle) = options.keepalive {
        socket.set_tcp_keepalive(&keepalive(idle))?;
    }
    if options.nodelay {
        socket.set_tcp_nodelay(true)?;
    }
    Ok(socket.into())
}

/// A connection to a Unix socket. That never takes time: whoever listens there has a queue for it,
/// or has not.
#[cfg(unix)]
pub(crate) fn dial_unix(address: &UnixAddress, options: &ConnectOptions) -> io::Result<Stream> {
    let socket = socket(Domain::UNIX, Type::STREAM, None)?;
    socket.connect(&address.to_system()?)?;
    let fd = socket.into();
    Ok(match options.descriptors {
        0 => Stream {
            nodelay: false,
            ..Stream::new(fd)
        },
        limit => Stream::of_channel(Channel::carrying(fd, limit)),
    })
}

pub(super) fn not_of_the_system() -> io::Error {
    let text = "what is simulated or replayed belongs to a reactor of its own world";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
