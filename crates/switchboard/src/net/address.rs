//! Addresses of peers, and the names that stand for them.
//! It must never look a name up: that blocks, and belongs to `resolve.rs`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::{Path, PathBuf};

use socket2::SockAddr;

use super::UnixAddress;
use crate::replayable::Replayable;
use crate::{Error, Result};

/// The address of a peer or of our own end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The name of a Unix socket. There is none on Windows.
    Unix(UnixAddress),
}

impl Address {
    /// The IP address and port, if it is one of that kind.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The name of a Unix socket, if it is one of that kind.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn unix(&self) -> Option<&UnixAddress> {
        match self {
            Address::Unix(address) => Some(address),
            Address::Ip(_) => None,
        }
    }

    /// As a system call has answered it.
    pub(super) fn from_system(address: &SockAddr) -> Result<Address> {
        if let Some(ip) = address.as_socket() {
            return Ok(Address::Ip(ip));
        }
        let unknown = || {
            let text = "the address is neither an IP address nor a Unix socket's";
            io::Error::new(io::ErrorKind::Unsupported, text)
        };
        let unix = UnixAddress::from_system(address).ok_or_else(unknown)?;
        Ok(Address::Unix(unix))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(address) => address.fmt(f),
        }
    }
}

/// A copy: what waits to be sent has to know where to.
impl From<&Address> for Address {
    fn from(address: &Address) -> Address {
        address.clone()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl Replayable for Address {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Address::Ip(address) => {
                out.push(0);
                address.encode(out);
            }
            Address::Unix(address) => {
                out.push(1);
                address.encode(out);
            }
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Address> {
        Some(match u8::decode(bytes)? {
            0 => Address::Ip(Replayable::decode(bytes)?),
            1 => Address::Unix(Replayable::decode(bytes)?),
            _ => return None,
        })
    }
}

/// Where to listen or connect: an address, or a name that has yet to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// An address that needs no look-up.
    Ip(SocketAddr),
    /// A host name and a port.
    Name {
        /// The host's name, such as `localhost`.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket. There is none on Windows.
    Unix(UnixAddress),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Ip(address) => address.fmt(f),
            Endpoint::Name { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(address) => address.fmt(f),
        }
    }
}

/// What `listen` and `connect` take: `"localhost:8080"`, `("localhost", 8080)`, a
/// [`SocketAddr`], `"unix:///run/x.sock"`, `"unix:@name"` (see [`UnixAddress`] for the forms), a
/// [`Path`], an [`Address`] or an [`Endpoint`].
///
/// ```
/// use switchboard::ToEndpoint;
///
/// assert_eq!("localhost:8080".to_endpoint()?, ("localhost", 8080).to_endpoint()?);
/// assert_eq!("[::1]:80".to_endpoint()?.to_string(), "[::1]:80");
/// assert!("localhost".to_endpoint().is_err()); // which port?
/// # Ok::<(), switchboard::Error>(())
/// ```
pub trait ToEndpoint {
    /// Reads the address.
    ///
    /// # Errors
    /// [`Error::BadAddress`] if it is not of the form `HOST:PORT`, or `unix:` and a name.
    fn to_endpoint(&self) -> Result<Endpoint>;
}

impl ToEndpoint for str {
    fn to_endpoint(&self) -> Result<Endpoint> {
        if let Ok(address) = self.parse() {
            return Ok(Endpoint::Ip(address));
        }
        if let Some(unix) = self.strip_prefix("unix:") {
            return UnixAddress::parse(unix).map(Endpoint::Unix);
        }
        let bad = |why: &str| Error::BadAddress(format!("{self:?} is not an address: {why}"));
        let (host, port) = self
            .rsplit_once(':')
            .ok_or_else(|| bad("expected HOST:PORT, such as localhost:8080"))?;
        let port = port
            .parse()
            .map_err(|_| bad("the port must be a number from 0 to 65535"))?;
        if host.contains([':', '[', ']']) {
            return Err(bad(
                "an IPv6 address stands in brackets, such as [::1]:8080",
            ));
        }
        if host.is_empty() {
            return Err(bad(
                "the host is missing, expected HOST:PORT such as localhost:8080",
            ));
        }
        (host, port).to_endpoint()
    }
}

impl ToEndpoint for String {
    fn to_endpoint(&self) -> Result<Endpoint> {
        self.as_str().to_endpoint()
    }
}

impl ToEndpoint for (&str, u16) {
    fn to_endpoint(&self) -> Result<Endpoint> {
        let (host, port) = *self;
        Ok(match host.parse::<IpAddr>() {
            Ok(ip) => Endpoint::Ip((ip, port).into()),
            Err(_) => Endpoint::Name {
                host: host.to_owned(),
                port,
            },
        })
    }
}

impl ToEndpoint for SocketAddr {
    fn to_endpoint(&self) -> Result<Endpoint> {
        Ok(Endpoint::Ip(*self))
    }
}

impl ToEndpoint for Address {
    fn to_endpoint(&self) -> Result<Endpoint> {
        match self {
            Address::Ip(address) => Ok(Endpoint::Ip(*address)),
            Address::Unix(address) => address.to_endpoint(),
        }
    }
}

#[cfg(unix)]
impl ToEndpoint for UnixAddress {
    fn to_endpoint(&self) -> Result<Endpoint> {
        self.check()?;
        Ok(Endpoint::Unix(self.clone()))
    }
}

#[cfg(unix)]
impl ToEndpoint for Path {
    fn to_endpoint(&self) -> Result<Endpoint> {
        UnixAddress::Path(self.into()).to_endpoint()
    }
}

#[cfg(unix)]
impl ToEndpoint for PathBuf {
    fn to_endpoint(&self) -> Result<Endpoint> {
        self.as_path().to_endpoint()
    }
}

impl ToEndpoint for Endpoint {
    fn to_endpoint(&self) -> Result<Endpoint> {
        Ok(self.clone())
    }
}

impl<T: ToEndpoint + ?Sized> ToEndpoint for &T {
    fn to_endpoint(&self) -> Result<Endpoint> {
        (**self).to_endpoint()
    }
}
