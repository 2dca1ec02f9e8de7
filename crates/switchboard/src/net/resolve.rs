//! From a name to its addresses, the blocking way.
//! It must never be called in a thread that runs a loop: the offload pool calls it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::Endpoint;

/// The addresses of a name that nobody needs to be asked for, with port 0.
///
/// RFC 6761, section 6.3: `localhost` is the loopback addresses, whatever a resolver says. Many
/// machines list only one of the two in `/etc/hosts`.
pub(crate) fn known(host: &str) -> Option<[SocketAddr; 2]> {
    host.eq_ignore_ascii_case("localhost").then_some([
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0),
    ])
}

/// All addresses of `endpoint`, without doubles. Blocks while the system looks the name up.
pub(crate) fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    match endpoint {
        Endpoint::Ip(address) => Ok(vec![*address]),
        Endpoint::Unix(_) => Err(no_other_address()),
        Endpoint::Name { host, port } => match known(host) {
            Some(addresses) => Ok(with_port(&addresses, *port)),
            None => Ok(with_port(&look_up(host)?, *port)),
        },
    }
}

/// All addresses of a host, without doubles and with port 0, in the order in which the system
/// would try them (RFC 6724, by `getaddrinfo`). Blocks.
pub(crate) fn look_up(host: &str) -> io::Result<Vec<SocketAddr>> {
    let cannot = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot find the host {host:?}: {error}"),
        )
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, 0).to_socket_addrs().map_err(cannot)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let none = format!("the host {host:?} has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, none));
    }
    Ok(addresses)
}

pub(crate) fn with_port(addresses: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    let with_port = |address: &SocketAddr| {
        let mut address = *address; // keeps an IPv6 address's scope
        address.set_port(port);
        address
    };
    addresses.iter().map(with_port).collect()
}

pub(crate) fn no_other_address() -> io::Error {
    let none = "the name of a Unix socket stands for no other address";
    io::Error::new(io::ErrorKind::Unsupported, none)
}
