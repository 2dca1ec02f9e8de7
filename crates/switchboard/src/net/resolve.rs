//! From a name to its addresses, the blocking way.
//! It must never be called in a thread that runs a loop: the offload pool calls it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::Endpoint;

/// The addresses of a name that nobody needs to be asked for.
///
/// RFC 6761, section 6.3: `localhost` is the loopback addresses, whatever a resolver says. Many
/// machines list only one of the two in `/etc/hosts`.
pub(crate) fn known(endpoint: &Endpoint) -> Option<[SocketAddr; 2]> {
    match endpoint {
        Endpoint::Name { host, port } if host.eq_ignore_ascii_case("localhost") => Some([
            (Ipv4Addr::LOCALHOST, *port).into(),
            (Ipv6Addr::LOCALHOST, *port).into(),
        ]),
        _ => None,
    }
}

/// All addresses of `endpoint`, without doubles. Blocks while the system looks the name up.
pub(crate) fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    if let Some(addresses) = known(endpoint) {
        return Ok(addresses.into());
    }
    let (host, port) = match endpoint {
        Endpoint::Ip(address) => return Ok(vec![*address]),
        Endpoint::Name { host, port } => (host.as_str(), *port),
        Endpoint::Unix(_) => {
            let none = "the name of a Unix socket stands for no other address";
            return Err(io::Error::new(io::ErrorKind::Unsupported, none));
        }
    };
    let cannot = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot find the host {host:?}: {error}"),
        )
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs().map_err(cannot)? {
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
