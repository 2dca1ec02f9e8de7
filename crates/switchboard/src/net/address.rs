//! Addresses of peers, and the names that stand for them.
//! It must never look a name up: that blocks, and belongs to `resolve.rs`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::{Error, Result};

/// The address of a peer or of our own end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
}

impl Address {
    /// The IP address and port, if it is one of that kind.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
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
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Ip(address) => address.fmt(f),
            Endpoint::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// What `listen` and `connect` take: `"localhost:8080"`, `("localhost", 8080)`, a
/// [`SocketAddr`], an [`Address`] or an [`Endpoint`].
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
    /// [`Error::BadAddress`] if it is not of the form `HOST:PORT`.
    fn to_endpoint(&self) -> Result<Endpoint>;
}

impl ToEndpoint for str {
    fn to_endpoint(&self) -> Result<Endpoint> {
        if let Ok(address) = self.parse() {
            return Ok(Endpoint::Ip(address));
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
        }
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
