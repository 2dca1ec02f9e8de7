//! UDP sockets that a program owns before registering them with a reactor.
//! It must never send or receive: a registered socket does, through its handler.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};

#[cfg(unix)]
use super::UnixDatagram;
use super::stream::not_of_the_system;
use super::{Address, Endpoint, SocketFile, resolve, set_shared, socket};
use crate::sim::SimulatedUdp;
use crate::{Result, ToEndpoint};

/// The longest datagram that a reactor receives: as long as UDP can say (RFC 768), without the
/// jumbograms of IPv6 (RFC 2675).
pub(crate) const LONGEST_DATAGRAM: usize = 64 * 1024;

/// A UDP socket that no reactor has yet.
///
/// ```
/// use switchboard::{Address, Context, Handler, Reactor, Result};
///
/// struct Echo;
///
/// impl Handler<u32> for Echo {
///     fn handle_datagram(
///         &mut self,
///         echoed: &mut u32,
///         cx: &mut Context<'_, u32>,
///         bytes: &[u8],
///         from: &Address,
///     ) -> Result {
///         *echoed += 1;
///         cx.send_datagram(bytes, from)
///     }
/// }
///
/// let mut reactor = Reactor::new(0)?;
/// let socket = reactor.bind_udp("localhost:0")?;
/// let here = socket.local()?;
/// reactor.register_udp(socket, Echo)?;
///
/// let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", here.ip().unwrap())?;
/// while *reactor.state() == 0 {
///     reactor.turn(None)?;
/// }
/// let mut answer = [0; 16];
/// assert_eq!(client.recv(&mut answer)?, 5);
/// assert_eq!(&answer[..5], b"hello");
/// # Ok::<(), switchboard::Error>(())
/// ```
///
/// Dropped unregistered, it closes. What its options say is for the system's sockets: a
/// [simulation](crate::sim) has neither multicast nor broadcast, and says so.
#[derive(Debug)]
pub struct UdpSocket {
    /// Dropped first, as a listener's.
    file: Option<SocketFile>,
    end: UdpEnd,
    longest: usize,
    #[cfg(unix)]
    is_unix: bool,
}

/// What a driver of the operating system's sockets has of one.
pub(crate) struct DatagramEnd {
    /// Dropped first, as a listener's.
    pub(crate) file: Option<SocketFile>,
    pub(crate) fd: OwnedFd,
    /// How many bytes of a datagram are wanted.
    pub(crate) longest: usize,
    #[cfg(unix)]
    pub(crate) is_unix: bool,
}

/// What a [`UdpSocket`] is in the world that it belongs to.
#[derive(Debug)]
enum UdpEnd {
    System(OwnedFd),
    Simulated(SimulatedUdp),
    /// Where it was bound when it was recorded.
    Replayed(Address),
}

/// The interface that multicast datagrams leave through or are received from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MulticastInterface {
    /// Whichever the system chooses.
    #[default]
    Any,
    /// The one with this IPv4 address (IPv4 only).
    Address(Ipv4Addr),
    /// The one with this number; 1 is the loopback interface on Linux.
    Index(u32),
}

impl UdpSocket {
    /// Binds the first address that `endpoint` names and this machine has: one socket is of one
    /// family (`"localhost:0"` is the IPv4 one where there is IPv4). Port 0 is any that is free.
    /// Blocks while a name is looked up. In a simulation or a replay, use
    /// [`Reactor::bind_udp`](crate::Reactor::bind_udp).
    ///
    /// # Errors
    /// The address is malformed, or cannot be bound, e.g. because its port is taken.
    pub fn bind(endpoint: impl ToEndpoint) -> Result<UdpSocket> {
        let endpoint = udp_endpoint(endpoint)?;
        let socket = resolve::resolve(&endpoint).and_then(|all| UdpSocket::bind_first(&all));
        Ok(socket.map_err(|error| cannot_bind(&endpoint, &error))?)
    }

    /// As [`bind`](Self::bind), for a port that several sockets share (`SO_REUSEADDR`, and
    /// `SO_REUSEPORT` where it is another one): each member of a multicast group on one machine
    /// gets a copy of what is sent to it. (Of other datagrams, one of them gets each.)
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_shared(endpoint: impl ToEndpoint) -> Result<UdpSocket> {
        let endpoint = udp_endpoint(endpoint)?;
        let bound =
            resolve::resolve(&endpoint).and_then(|addresses| first_bound(&addresses, set_shared));
        Ok(bound.map_err(|error| cannot_bind(&endpoint, &error))?)
    }

    pub(crate) fn bind_first(addresses: &[SocketAddr]) -> io::Result<UdpSocket> {
        first_bound(addresses, |_| Ok(()))
    }

    fn new(end: UdpEnd) -> UdpSocket {
        UdpSocket {
            file: None,
            end,
            longest: LONGEST_DATAGRAM,
            #[cfg(unix)]
            is_unix: false,
        }
    }

    fn system(fd: OwnedFd) -> UdpSocket {
        UdpSocket::new(UdpEnd::System(fd))
    }

    /// What a [`UnixDatagram`](crate::UnixDatagram) is inside.
    #[cfg(unix)]
    pub(super) fn of_unix(fd: OwnedFd, file: Option<SocketFile>) -> UdpSocket {
        UdpSocket {
            file,
            is_unix: true,
            ..UdpSocket::system(fd)
        }
    }

    pub(crate) fn simulated(socket: SimulatedUdp) -> UdpSocket {
        UdpSocket::new(UdpEnd::Simulated(socket))
    }

    /// A socket that there was when it was recorded.
    pub(crate) fn replayed(address: Address) -> UdpSocket {
        UdpSocket::new(UdpEnd::Replayed(address))
    }

    /// Binds one of the system's, of either kind. Blocks while a name is looked up.
    pub(crate) fn bind_system(endpoint: &Endpoint) -> io::Result<UdpSocket> {
        match endpoint {
            #[cfg(unix)]
            Endpoint::Unix(_) => UnixDatagram::bind_system(endpoint).map(|socket| socket.0),
            name => UdpSocket::bind_first(&resolve::resolve(name)?),
        }
    }

    /// The address that it is bound to. Makes a system call.
    ///
    /// # Errors
    /// What the system reports.
    pub fn local(&self) -> Result<Address> {
        match &self.end {
            UdpEnd::System(fd) => Address::from_system(&SockRef::from(fd).local_addr()?),
            UdpEnd::Simulated(socket) => Ok(socket.local.into()),
            UdpEnd::Replayed(address) => Ok(address.clone()),
        }
    }

    /// Exchanges datagrams with `peer` alone: those of others are not received any more, and
    /// [`send`](crate::Context::send) sends to it. That nobody is there (the peer's machine answers
    /// "port unreachable") is told as [`Error::Undelivered`](crate::Error::Undelivered) then, and
    /// does not end the socket: the peer may be there again in a moment. A system call; nothing is
    /// sent.
    ///
    /// # Errors
    /// The peer is of another family than the socket, or there is no way to it.
    pub fn connect(&mut self, peer: impl Into<Address>) -> Result {
        let peer = peer.into();
        let Some(peer) = peer.ip() else {
            return Err("a UDP socket speaks to IP addresses".into());
        };
        match &mut self.end {
            UdpEnd::System(fd) => SockRef::from(&*fd).connect(&peer.into())?,
            UdpEnd::Simulated(socket) => socket.peer = Some(peer),
            UdpEnd::Replayed(_) => {}
        }
        Ok(())
    }

    /// How many bytes of a datagram are received (default 65,536, so all; at least 1): a longer
    /// one is cut, and [`is_truncated`](crate::Context::is_truncated) says so.
    pub fn set_longest(&mut self, bytes: usize) {
        self.longest = bytes.clamp(1, LONGEST_DATAGRAM);
    }

    /// Whether datagrams may be sent to broadcast addresses (default no). A system call.
    ///
    /// # Errors
    /// What the system reports; `Unsupported` in a simulation.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.option("broadcast", |socket| socket.set_broadcast(broadcast))
    }

    /// How many routers a datagram to one receiver may pass (default: the system's, mostly 64).
    /// One or two system calls.
    ///
    /// # Errors
    /// What the system reports; `Unsupported` in a simulation.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.option("a time to live", |socket| match is_ipv6(socket)? {
            true => socket.set_unicast_hops_v6(hops),
            false => socket.set_ttl_v4(hops),
        })
    }

    /// How many routers a multicast datagram may pass (default 1: it stays in the local network).
    ///
    /// # Errors
    /// As [`set_ttl`](Self::set_ttl).
    pub fn set_multicast_ttl(&self, hops: u32) -> io::Result<()> {
        self.option("multicast", |socket| match is_ipv6(socket)? {
            true => socket.set_multicast_hops_v6(hops),
            false => socket.set_multicast_ttl_v4(hops),
        })
    }

    /// Whether members on this machine receive what is sent from it too (default yes).
    ///
    /// # Errors
    /// As [`set_ttl`](Self::set_ttl).
    pub fn set_multicast_loop(&self, loops: bool) -> io::Result<()> {
        self.option("multicast", |socket| match is_ipv6(socket)? {
            true => socket.set_multicast_loop_v6(loops),
            false => socket.set_multicast_loop_v4(loops),
        })
    }

    /// Which interface multicast datagrams leave through (default: the system's choice).
    ///
    /// # Errors
    /// As [`set_ttl`](Self::set_ttl); `InvalidInput` for an interface that is named as the other
    /// family does it: IPv4 by its address, IPv6 by its number.
    pub fn set_multicast_interface(&self, interface: MulticastInterface) -> io::Result<()> {
        use MulticastInterface::{Address, Any, Index};
        self.option("multicast", |socket| match (is_ipv6(socket)?, interface) {
            (false, Any) => socket.set_multicast_if_v4(&Ipv4Addr::UNSPECIFIED),
            (false, Address(address)) => socket.set_multicast_if_v4(&address),
            (true, Any) => socket.set_multicast_if_v6(0),
            (true, Index(index)) => socket.set_multicast_if_v6(index),
            (false, Index(_)) => Err(wrong_interface("an IPv4 socket takes an address")),
            (true, Address(_)) => Err(wrong_interface("an IPv6 socket takes a number")),
        })
    }

    /// Receives what is sent to a multicast group, on one interface. The socket has to be bound to
    /// the group's port, and to all addresses (`0.0.0.0`, `[::]`) or to the group itself.
    ///
    /// # Errors
    /// The address is no multicast one, or the socket a member already; an IPv6 group on an
    /// interface that is named by an address; what the system reports; `Unsupported` in a
    /// simulation.
    pub fn join_multicast(&self, group: IpAddr, interface: MulticastInterface) -> io::Result<()> {
        self.option("multicast", |socket| match group {
            IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &of_ipv4(interface)),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, of_ipv6(interface)?),
        })
    }

    /// Leaves a group. A socket that is closed leaves all of its groups by itself.
    ///
    /// # Errors
    /// The socket is no member of it; otherwise as [`join_multicast`](Self::join_multicast).
    pub fn leave_multicast(&self, group: IpAddr, interface: MulticastInterface) -> io::Result<()> {
        self.option("multicast", |socket| match group {
            IpAddr::V4(group) => socket.leave_multicast_v4_n(&group, &of_ipv4(interface)),
            IpAddr::V6(group) => socket.leave_multicast_v6(&group, of_ipv6(interface)?),
        })
    }

    /// How many bytes the kernel keeps for the socket before they are sent, and before they are
    /// received (Linux doubles both, for its own bookkeeping, and caps them at
    /// `net.core.wmem_max` and `rmem_max`). Datagrams that come when the latter is full are lost.
    ///
    /// # Errors
    /// What the system reports; `Unsupported` in a simulation, which has
    /// [a setting for all](crate::sim::Faults::buffers).
    pub fn set_buffers(&self, send: usize, receive: usize) -> io::Result<()> {
        self.option("buffers of one socket", |socket| {
            socket.set_send_buffer_size(send)?;
            socket.set_recv_buffer_size(receive)
        })
    }

    fn option(
        &self,
        what: &str,
        set: impl FnOnce(&SockRef<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        match &self.end {
            UdpEnd::System(fd) => set(&SockRef::from(fd)),
            UdpEnd::Simulated(_) => {
                let text = format!("a simulation does not have {what} for datagrams");
                Err(io::Error::new(io::ErrorKind::Unsupported, text))
            }
            UdpEnd::Replayed(_) => Ok(()),
        }
    }

    /// The descriptor: `None` where the socket is not one of the operating system's.
    ///
    /// # Platforms
    /// Unix. Windows has `as_socket`.
    #[cfg(unix)]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor()
    }

    /// The socket: `None` where the socket is not one of the operating system's.
    ///
    /// # Platforms
    /// Windows. Unix has `as_fd`.
    #[cfg(windows)]
    pub fn as_socket(&self) -> Option<std::os::windows::io::BorrowedSocket<'_>> {
        self.descriptor()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.end {
            UdpEnd::System(fd) => Some(fd.as_fd()),
            UdpEnd::Simulated(_) | UdpEnd::Replayed(_) => None,
        }
    }

    /// The socket, for a driver of the operating system's.
    pub(crate) fn into_end(self) -> io::Result<DatagramEnd> {
        match self.end {
            UdpEnd::System(fd) => Ok(DatagramEnd {
                file: self.file,
                fd,
                longest: self.longest,
                #[cfg(unix)]
                is_unix: self.is_unix,
            }),
            UdpEnd::Simulated(_) | UdpEnd::Replayed(_) => Err(not_of_the_system()),
        }
    }

    /// The simulated end, if it is one, and how many bytes of a datagram are wanted.
    pub(crate) fn into_simulated(self) -> Option<(SimulatedUdp, usize)> {
        match self.end {
            UdpEnd::Simulated(socket) => Some((socket, self.longest)),
            UdpEnd::System(_) | UdpEnd::Replayed(_) => None,
        }
    }
}

/// Makes the socket non-blocking.
impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = crate::Error;

    fn try_from(socket: std::net::UdpSocket) -> Result<UdpSocket> {
        socket.set_nonblocking(true)?;
        Ok(UdpSocket::system(socket.into()))
    }
}

/// An address that such a socket can have.
pub(crate) fn udp_endpoint(endpoint: impl ToEndpoint) -> Result<Endpoint> {
    match endpoint.to_endpoint()? {
        unix @ Endpoint::Unix(_) => Err(crate::Error::BadAddress(format!(
            "{unix} is no address of UDP's: bind a UnixDatagram to it"
        ))),
        endpoint => Ok(endpoint),
    }
}

/// The system's error, with the address as it was given.
pub(crate) fn cannot_bind(endpoint: &Endpoint, error: &io::Error) -> io::Error {
    let text = match endpoint {
        Endpoint::Unix(_) => format!("cannot bind a socket to {endpoint}: {error}"),
        _ => format!("cannot bind a UDP socket to {endpoint}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// A socket on the first address that can be bound; if none can, what the first one failed with.
fn first_bound(
    addresses: &[SocketAddr],
    set: impl Fn(&Socket) -> io::Result<()>,
) -> io::Result<UdpSocket> {
    let bind = |address: &SocketAddr| -> io::Result<UdpSocket> {
        let domain = Domain::for_address(*address);
        let socket = socket(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // As with listeners: the IPv4 port of that number stays free.
            socket.set_only_v6(true)?;
        }
        set(&socket)?;
        socket.bind(&(*address).into())?;
        Ok(UdpSocket::system(socket.into()))
    };
    let mut failure = None;
    for address in addresses {
        match bind(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| Errno::ADDRNOTAVAIL.into()))
}

fn is_ipv6(socket: &SockRef<'_>) -> io::Result<bool> {
    Ok(socket.local_addr()?.is_ipv6())
}

fn of_ipv4(interface: MulticastInterface) -> InterfaceIndexOrAddress {
    match interface {
        MulticastInterface::Any => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
        MulticastInterface::Address(address) => InterfaceIndexOrAddress::Address(address),
        MulticastInterface::Index(index) => InterfaceIndexOrAddress::Index(index),
    }
}

fn of_ipv6(interface: MulticastInterface) -> io::Result<u32> {
    match interface {
        MulticastInterface::Any => Ok(0),
        MulticastInterface::Index(index) => Ok(index),
        MulticastInterface::Address(_) => Err(wrong_interface("an IPv6 group takes a number")),
    }
}

fn wrong_interface(what: &str) -> io::Error {
    let text = format!("{what} for the interface");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
