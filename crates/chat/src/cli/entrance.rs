//! Where a server listens, and what is spoken there, as a flag says it.
//!
//! It must never look a name up: the address is what was written.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use crate::host_port::{HostPort, NotAnAddress};
use crate::serve::Protocols;
use crate::wire::detect::Detect;

/// An address to listen at, and what is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    scheme: Option<&'static str>,
    address: HostPort,
}

/// What can be put in front of an address: what is looked for, whether plain lines are spoken, and
/// whether it begins with TLS.
const SCHEMES: [(&str, Detect, bool, bool); 5] = [
    ("irc", only(false, true), false, false),
    ("ircs", only(false, true), false, true),
    ("http", only(true, false), false, false),
    ("https", only(true, false), false, true),
    ("plain", only(false, false), true, false),
];

const fn only(http: bool, irc: bool) -> Detect {
    Detect {
        tls: false,
        http,
        irc,
    }
}

impl Entrance {
    /// Where.
    pub fn address(&self) -> &HostPort {
        &self.address
    }

    /// What is spoken there.
    pub fn protocols(&self) -> Protocols {
        match self.row() {
            Some((_, detect, plain, _)) => Protocols { detect, plain },
            None => Protocols::default(),
        }
    }

    /// Whether only programs on this machine can come in there.
    pub fn is_local(&self) -> bool {
        let host = self.address.host();
        let address = host.parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether every connection begins with TLS.
    pub fn is_tls(&self) -> bool {
        self.row().is_some_and(|(.., tls)| tls)
    }

    /// Whether IRC clients can speak TLS there.
    pub fn has_ircs(&self) -> bool {
        let protocols = self.protocols();
        protocols.detect.irc && (self.is_tls() || protocols.detect.tls)
    }

    fn row(&self) -> Option<(&'static str, Detect, bool, bool)> {
        let scheme = self.scheme?;
        SCHEMES.into_iter().find(|(name, ..)| *name == scheme)
    }
}

impl FromStr for Entrance {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Entrance, NotAnAddress> {
        for (name, ..) in SCHEMES {
            let rest = text
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix("://"));
            if let Some(rest) = rest {
                return Ok(Entrance {
                    scheme: Some(name),
                    address: rest.parse()?,
                });
            }
        }
        Ok(Entrance {
            scheme: None,
            address: text.parse()?,
        })
    }
}

impl Display for Entrance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{scheme}://")?;
        }
        self.address.fmt(f)
    }
}
