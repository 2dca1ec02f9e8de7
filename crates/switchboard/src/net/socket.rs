//! A new socket of the system's, non-blocking and closed in a program that is started, and who else
//! may bind its address. It must never take more calls for that than the system needs.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};

/// In one system call.
#[cfg(all(unix, not(target_vendor = "apple")))]
pub(crate) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking(), protocol)
}

/// There a socket gets its flags one by one.
#[cfg(any(not(unix), target_vendor = "apple"))]
pub(crate) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What is bound to its address can be again as soon as it is closed, whoever is still connected.
#[cfg(unix)]
pub(crate) fn set_rebindable(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// So it is on Windows without being asked. The option of that name gives an address away there, to
/// whoever asks for it next.
#[cfg(not(unix))]
pub(crate) fn set_rebindable(_: &Socket) -> io::Result<()> {
    Ok(())
}

/// Others that say so as well may have the same address at the same time.
pub(crate) fn set_shared(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    #[cfg(unix)] // elsewhere the first of the two means both
    socket.set_reuse_port(true)?;
    Ok(())
}
