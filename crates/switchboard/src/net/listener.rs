//! Sockets that listen, before a reactor has them.
//! It must never accept: a registered listener does, for its handler.

use std::io;
use std::net::SocketAddr;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};

use super::{Address, Endpoint, SocketFile, not_of_the_system, resolve, set_rebindable, socket};
#[cfg(unix)]
use super::{UnixAddress, socket_file};
use crate::sim::SimulatedListener;
use crate::{Result, ToEndpoint};

/// Connections that the kernel holds for us before we accept them. Linux caps it at
/// `net.core.somaxconn` (4096 by default since 5.4).
pub(crate) const BACKLOG: i32 = 4096;

/// How many ports to try when port 0 is asked for on several addresses of one name.
const PORT_TRIES: usize = 16;

/// Sockets that listen on every address of one name, on the same port; or one that listens on a
/// [`UnixAddress`].
///
/// The file of a Unix socket is removed when its listener ends, unless another has taken its place.
/// One that was left behind by a process that was killed is replaced: nobody listens on it, which a
/// connection to it shows. While somebody does, it is in use, and a file that is no socket is never
/// touched. (What another program has bound and not begun to listen on yet looks left behind. Two
/// reactors that bind at the same time are safe: each locks the directory for that moment.)
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
    #[cfg(feature = "tls")]
    pub(super) role: Option<Box<crate::tls::Role>>,
}

/// What a [`Listener`] is in the world that it belongs to.
#[derive(Debug)]
enum ListenerEnd {
    /// Never empty: the names that resolve have an address.
    System(Sockets),
    Simulated(SimulatedListener),
    /// Where it listened when it was recorded.
    Replayed(Vec<Address>),
}

/// What the system has of a listener.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Dropped first, since it is removed while the socket is still listened on.
    pub(crate) file: Option<SocketFile>,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Listener {
    /// Listens on every address that `endpoint` names, with `SO_REUSEADDR` (which means something
    /// else on Windows, and is not set there) and one port for all
    /// (chosen by the system if it is 0). Blocks while a name is looked up; addresses of a kind
    /// that this machine does not have are left out if another one remains.
    ///
    /// # Errors
    /// The first address that cannot be bound, e.g. because its port is taken.
    pub fn bind(endpoint: impl ToEndpoint) -> Result<Listener> {
        let endpoint: Endpoint = endpoint.to_endpoint()?;
        let listener = Listener::bind_system(&endpoint);
        Ok(listener.map_err(|error| cannot_listen(&endpoint, &error))?)
    }

    /// Listens on a path, whose file gets these permissions (as `chmod` takes them) before anybody
    /// can connect: `0o600` keeps all other users away. [`bind`](Self::bind) leaves it to the umask.
    ///
    /// ```
    /// # fn main() -> switchboard::Result {
    /// use switchboard::Listener;
    ///
    /// # let directory = std::env::temp_dir().join(format!("mode-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// # let path = directory.join("private.sock");
    /// let listener = Listener::bind_with_mode(&path, 0o600)?;
    /// assert!(path.exists());
    /// drop(listener);
    /// assert!(!path.exists());
    /// # std::fs::remove_dir(&directory)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`bind`](Self::bind); [`Error::BadAddress`](crate::Error::BadAddress) if it is no path.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn bind_with_mode(endpoint: impl ToEndpoint, mode: u32) -> Result<Listener> {
        let endpoint = endpoint.to_endpoint()?;
        let Endpoint::Unix(UnixAddress::Path(path)) = &endpoint else {
            let why = format!("{endpoint} has no file that could have permissions: give a path");
            return Err(crate::Error::BadAddress(why));
        };
        let bound = socket_file::open(path, Some(mode), Type::STREAM);
        let (socket, file) = bound.map_err(|error| cannot_listen(&endpoint, &error))?;
        Ok(Listener::new(vec![socket.into()], Some(file)))
    }

    fn new(fds: Vec<OwnedFd>, file: Option<SocketFile>) -> Listener {
        Listener::of(ListenerEnd::System(Sockets { file, fds }))
    }

    fn of(end: ListenerEnd) -> Listener {
        Listener {
            end,
            #[cfg(feature = "tls")]
            role: None,
        }
    }

    /// Sockets that somebody else has opened, at least one, and may listen on as well.
    pub(crate) fn inherited(fds: Vec<OwnedFd>, file: Option<SocketFile>) -> io::Result<Listener> {
        for fd in &fds {
            SockRef::from(fd).set_nonblocking(true)?;
        }
        Ok(Listener::of(ListenerEnd::System(Sockets { file, fds })))
    }

    fn sockets(&self) -> io::Result<&Sockets> {
        match &self.end {
            ListenerEnd::System(sockets) => Ok(sockets),
            _ => Err(not_of_the_system()),
        }
    }

    /// Its sockets once more, and its file.
    #[cfg(target_os = "linux")]
    pub(crate) fn share(&self) -> io::Result<(Vec<OwnedFd>, Option<super::FileClaim>)> {
        let sockets = self.sockets()?;
        let claim = sockets.file.as_ref().map(SocketFile::claim);
        Ok((copies(&sockets.fds)?, claim))
    }

    /// One more that listens on the same sockets, in the same way; the file stays with this one.
    pub(crate) fn duplicate(&self) -> io::Result<Listener> {
        let duplicate = Listener::inherited(copies(&self.sockets()?.fds)?, None)?;
        #[cfg(feature = "tls")]
        let duplicate = Listener {
            role: self.role.clone(),
            ..duplicate
        };
        Ok(duplicate)
    }

    /// A listener that there was when it was recorded.
    pub(crate) fn replayed(addresses: Vec<Address>) -> Listener {
        Listener::of(ListenerEnd::Replayed(addresses))
    }

    /// So many listeners on every address that `endpoint` names, each with sockets of its own on the
    /// same ports (`SO_REUSEPORT`), among which the system spreads connections: for the reactors of a
    /// [group](crate::ReactorGroup::listen_on). Port 0 is one that is free, and the same for all. On
    /// Windows, which spreads nothing, they have one queue, and whoever comes first accepts.
    ///
    /// # Errors
    /// An address that cannot be bound, because somebody listens there for example; a Unix socket,
    /// which cannot be listened on twice.
    pub fn bind_several(endpoint: impl ToEndpoint, count: usize) -> Result<Vec<Listener>> {
        let endpoint = endpoint.to_endpoint()?;
        let listeners = Listener::bind_shared(&endpoint, count);
        Ok(listeners.map_err(|error| cannot_listen(&endpoint, &error))?)
    }

    /// Listens on the system's sockets. Blocks while a name is looked up.
    pub(crate) fn bind_system(endpoint: &Endpoint) -> io::Result<Listener> {
        match endpoint {
            #[cfg(unix)]
            Endpoint::Unix(UnixAddress::Path(path)) => {
                let (socket, file) = socket_file::open(path, None, Type::STREAM)?;
                Ok(Listener::new(vec![socket.into()], Some(file)))
            }
            #[cfg(unix)]
            Endpoint::Unix(address) => {
                let socket = socket(Domain::UNIX, Type::STREAM, None)?;
                socket.bind(&address.to_system()?)?;
                socket.listen(BACKLOG)?;
                Ok(Listener::new(vec![socket.into()], None))
            }
            name => Listener::bind_all(&resolve::resolve(name)?),
        }
    }

    /// So many listeners on the same addresses (`SO_REUSEPORT`), among which the system distributes
    /// connections.
    pub(crate) fn bind_shared(endpoint: &Endpoint, count: usize) -> io::Result<Vec<Listener>> {
        if let Endpoint::Unix(_) = endpoint {
            let text = "a Unix socket cannot be listened on by several reactors";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        // First without sharing: who listens there already might share as well, and would get a
        // part of the connections.
        Listener::bind_system(endpoint)?.multiply(count)
    }

    #[cfg(unix)]
    fn multiply(self, count: usize) -> io::Result<Vec<Listener>> {
        let addresses = self.system_addresses()?;
        drop(self);
        let shared = || Listener::bind_once(&addresses, super::set_shared);
        (0..count).map(|_| shared()).collect()
    }

    /// Of sockets that share an address Windows gives all connections to one. So there is one, and
    /// one queue, which all accept from.
    #[cfg(not(unix))]
    fn multiply(self, count: usize) -> io::Result<Vec<Listener>> {
        (0..count).map(|_| self.duplicate()).collect()
    }

    #[cfg(unix)]
    fn system_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let ListenerEnd::System(Sockets { fds, .. }) = &self.end else {
            return Err(not_of_the_system());
        };
        let address = |fd| SockRef::from(fd).local_addr();
        let addresses = fds.iter().map(address).collect::<io::Result<Vec<_>>>()?;
        Ok(addresses
            .iter()
            .filter_map(socket2::SockAddr::as_socket)
            .collect())
    }

    pub(crate) fn bind_all(addresses: &[SocketAddr]) -> io::Result<Listener> {
        let mut tries = PORT_TRIES;
        loop {
            match Listener::bind_once(addresses, set_rebindable) {
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

    fn bind_once(addresses: &[SocketAddr], set: Set) -> io::Result<Listener> {
        let mut fds = Vec::new();
        let mut port = None;
        let mut unavailable = None;
        for address in addresses {
            let mut address = *address;
            if let Some(port) = port.filter(|_| address.port() == 0) {
                address.set_port(port);
            }
            match listen_on(address, set) {
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
            _ => Ok(Listener::new(fds, None)),
        }
    }

    /// The first address listened on. Makes a system call.
    ///
    /// # Errors
    /// What the system reports.
    pub fn local(&self) -> Result<Address> {
        match &self.end {
            ListenerEnd::System(Sockets { fds, .. }) => {
                Address::from_system(&SockRef::from(&fds[0]).local_addr()?)
            }
            ListenerEnd::Simulated(listener) => Ok(listener.addresses()[0].1.into()),
            ListenerEnd::Replayed(addresses) => {
                let first = addresses.first().ok_or_else(not_of_the_system)?;
                Ok(first.clone())
            }
        }
    }

    /// Every address listened on. Makes a system call for each.
    ///
    /// # Errors
    /// What the system reports.
    pub fn locals(&self) -> Result<Vec<Address>> {
        match &self.end {
            ListenerEnd::System(Sockets { fds, .. }) => fds
                .iter()
                .map(|fd| Address::from_system(&SockRef::from(fd).local_addr()?))
                .collect(),
            ListenerEnd::Simulated(listener) => {
                let addresses = listener.addresses().iter();
                Ok(addresses.map(|(_, address)| (*address).into()).collect())
            }
            ListenerEnd::Replayed(addresses) => Ok(addresses.clone()),
        }
    }

    /// The sockets, for a driver of the operating system's.
    pub(crate) fn into_sockets(self) -> io::Result<Sockets> {
        match self.end {
            ListenerEnd::System(sockets) => Ok(sockets),
            ListenerEnd::Simulated(_) | ListenerEnd::Replayed(_) => Err(not_of_the_system()),
        }
    }

    pub(crate) fn simulated(listener: SimulatedListener) -> Listener {
        Listener::of(ListenerEnd::Simulated(listener))
    }

    /// The simulated end, if it is one.
    pub(crate) fn into_simulated(self) -> Option<SimulatedListener> {
        match self.end {
            ListenerEnd::System(_) | ListenerEnd::Replayed(_) => None,
            ListenerEnd::Simulated(listener) => Some(listener),
        }
    }
}

/// Makes the listener non-blocking.
impl TryFrom<std::net::TcpListener> for Listener {
    type Error = crate::Error;

    fn try_from(listener: std::net::TcpListener) -> Result<Listener> {
        listener.set_nonblocking(true)?;
        Ok(Listener::new(vec![listener.into()], None))
    }
}

/// Makes the listener non-blocking. Its file is left where it is when it ends: it was made by
/// somebody else.
#[cfg(unix)]
impl TryFrom<std::os::unix::net::UnixListener> for Listener {
    type Error = crate::Error;

    fn try_from(listener: std::os::unix::net::UnixListener) -> Result<Listener> {
        listener.set_nonblocking(true)?;
        Ok(Listener::new(vec![listener.into()], None))
    }
}

/// The system's error, with the address as it was given.
pub(crate) fn cannot_listen(endpoint: &Endpoint, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot listen on {endpoint}: {error}"),
    )
}

fn copies(fds: &[OwnedFd]) -> io::Result<Vec<OwnedFd>> {
    fds.iter().map(OwnedFd::try_clone).collect()
}

/// Says who else may listen on the same address.
type Set = fn(&Socket) -> io::Result<()>;

fn listen_on(address: SocketAddr, set: Set) -> io::Result<Socket> {
    let socket = socket(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // Otherwise `[::]:80` would take the IPv4 port too, and `0.0.0.0:80` beside it fail.
        socket.set_only_v6(true)?;
    }
    set(&socket)?;
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
