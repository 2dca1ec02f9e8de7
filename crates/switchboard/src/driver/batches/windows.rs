//! One datagram in one call, as Windows has it, to and from IP addresses. It must never give a call
//! less room than the longest datagram takes: one that is cut comes as an error there, without its
//! sender.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::{DatagramSocket, Found, UNKNOWN};
use crate::Address;
use crate::datagrams::Datagrams;
use crate::net::LONGEST_DATAGRAM;

pub(super) fn receive(
    socket: &DatagramSocket,
    buffer: &mut [u8],
    batch: &mut VecDeque<Found>,
) -> Result<(), Errno> {
    for (index, chunk) in buffer.chunks_exact_mut(LONGEST_DATAGRAM).enumerate() {
        let received = rustix::net::recvfrom(socket.as_fd(), chunk, RecvFlags::empty());
        let (len, from) = match received {
            Ok((_, len, from)) => (len, from),
            Err(_) if index > 0 => break, // told by the next call
            Err(error) => return Err(error),
        };
        let from = from.and_then(|from| SocketAddr::try_from(from).ok());
        batch.push_back(Found {
            start: index * LONGEST_DATAGRAM,
            len: len.min(socket.longest),
            from: Address::Ip(from.unwrap_or(UNKNOWN)),
            is_truncated: len > socket.longest,
        });
    }
    Ok(())
}

pub(super) fn send_some(fd: BorrowedFd<'_>, queue: &Datagrams) -> Result<usize, Errno> {
    let Some(first) = queue.front() else {
        return Ok(0);
    };
    match first.to.and_then(Address::ip) {
        Some(to) => rustix::net::sendto(fd, first.bytes, SendFlags::empty(), &to)?,
        None => rustix::net::send(fd, first.bytes, SendFlags::empty())?,
    };
    Ok(1)
}

/// Whether an error is about one datagram, and the socket is as good as before: what routers and
/// receivers say (`ICMP`; that a port is closed is a reset there, that a datagram has lived too long
/// another one), and what the system says of one that it does not send.
pub(super) fn is_of_one_datagram(error: Errno) -> bool {
    matches!(
        error,
        Errno::CONNREFUSED
            | Errno::CONNRESET
            | Errno::NETRESET
            | Errno::HOSTUNREACH
            | Errno::HOSTDOWN
            | Errno::NETUNREACH
            | Errno::NETDOWN
            | Errno::MSGSIZE
            | Errno::TIMEDOUT
            | Errno::ACCESS
            | Errno::NOBUFS
    )
}
