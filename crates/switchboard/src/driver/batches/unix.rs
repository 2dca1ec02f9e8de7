//! One datagram in one call, as every Unix has it, to and from IP addresses and Unix sockets. It must
//! never wait, even on a socket that the program has made blocking.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, SocketAddrAny,
    SocketAddrUnix,
};

use super::{DatagramSocket, Found, UNKNOWN};
use crate::Address;
#[cfg(not(target_os = "linux"))]
use crate::datagrams::Datagrams;
use crate::datagrams::Outgoing;
use crate::net::{LONGEST_DATAGRAM, UnixAddress};

/// By a call for each.
pub(super) fn receive_each(
    socket: &DatagramSocket,
    buffer: &mut [u8],
    batch: &mut VecDeque<Found>,
) -> Result<(), Errno> {
    for (index, chunk) in buffer.chunks_exact_mut(LONGEST_DATAGRAM).enumerate() {
        let mut part = [IoSliceMut::new(&mut chunk[..socket.longest])];
        let mut control = RecvAncillaryBuffer::default();
        let flags = RecvFlags::DONTWAIT;
        let message = match rustix::net::recvmsg(socket.as_fd(), &mut part, &mut control, flags) {
            Ok(message) => message,
            Err(_) if index > 0 => break, // told by the next call
            Err(error) => return Err(error),
        };
        let from = match message.address {
            from if socket.is_unix => unix_of(from),
            from => {
                let from = from.and_then(|from| SocketAddr::try_from(from).ok());
                Address::Ip(from.unwrap_or(UNKNOWN))
            }
        };
        batch.push_back(Found {
            start: index * LONGEST_DATAGRAM,
            len: message.bytes.min(socket.longest),
            from,
            is_truncated: message.flags.contains(ReturnFlags::TRUNC),
        });
    }
    Ok(())
}

fn unix_of(address: Option<SocketAddrAny>) -> Address {
    let Some(unix) = address.and_then(|address| SocketAddrUnix::try_from(address).ok()) else {
        return Address::Unix(UnixAddress::Unnamed);
    };
    #[cfg(target_os = "linux")]
    if let Some(name) = unix.abstract_name() {
        return Address::Unix(UnixAddress::Abstract(name.to_vec()));
    }
    Address::Unix(match unix.path_bytes() {
        Some(path) => UnixAddress::Path(OsStr::from_bytes(path).into()),
        None => UnixAddress::Unnamed,
    })
}

pub(super) fn send_one(fd: BorrowedFd<'_>, datagram: &Outgoing<'_>) -> Result<usize, Errno> {
    let part = [IoSlice::new(datagram.bytes)];
    let mut control = SendAncillaryBuffer::default();
    match datagram.to.map(any).transpose()? {
        Some(to) => rustix::net::sendmsg_addr(fd, &to, &part, &mut control, FLAGS)?,
        None => rustix::net::sendmsg(fd, &part, &mut control, FLAGS)?,
    };
    Ok(1)
}

/// An address as the system takes it.
pub(super) fn any(address: &Address) -> Result<SocketAddrAny, Errno> {
    match address {
        Address::Ip(address) => Ok((*address).into()),
        Address::Unix(UnixAddress::Path(path)) => Ok(SocketAddrUnix::new(path)?.into()),
        #[cfg(target_os = "linux")]
        Address::Unix(UnixAddress::Abstract(name)) => {
            Ok(SocketAddrUnix::new_abstract_name(name)?.into())
        }
        Address::Unix(_) => Err(Errno::DESTADDRREQ), // without a name
    }
}

/// The system's sockets are non-blocking already, unless the program has made them.
pub(super) const FLAGS: SendFlags = SendFlags::DONTWAIT;

/// Whether an error is about one datagram, and the socket is as good as before: what routers and
/// receivers say (`ICMP`), what the system says of one that it does not send, and that it is out of
/// memory for the moment.
pub(super) fn is_of_one_datagram(error: Errno) -> bool {
    matches!(
        error,
        Errno::CONNREFUSED
            | Errno::CONNRESET
            | Errno::HOSTUNREACH
            | Errno::HOSTDOWN
            | Errno::NETUNREACH
            | Errno::NETDOWN
            | Errno::MSGSIZE
            | Errno::TIMEDOUT
            | Errno::PROTO
            | Errno::PERM
            | Errno::ACCESS
            | Errno::NOBUFS
            | Errno::NOMEM
    )
}

#[cfg(not(target_os = "linux"))]
pub(super) fn receive(
    socket: &DatagramSocket,
    buffer: &mut [u8],
    batch: &mut VecDeque<Found>,
) -> Result<(), Errno> {
    receive_each(socket, buffer, batch)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn send_some(fd: BorrowedFd<'_>, queue: &Datagrams) -> Result<usize, Errno> {
    match queue.front() {
        Some(first) => send_one(fd, &first),
        None => Ok(0),
    }
}
