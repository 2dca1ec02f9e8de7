//! A new socket of the system's: non-blocking, and closed in a program that is started. It must
//! never take more calls for that than the system needs.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};

/// In one system call.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking(), protocol)
}

/// There a socket gets its flags one by one.
#[cfg(target_vendor = "apple")]
pub(crate) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
