//! Many datagrams in one call, as Linux has it. It must never take a batch that is not full for
//! anything but all that there was.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer};

use super::unix::{FLAGS, any, receive_each, send_one};
use super::{BATCH, DatagramSocket, Found, UNKNOWN};
use crate::Address;
use crate::datagrams::Datagrams;
use crate::net::LONGEST_DATAGRAM;

pub(super) fn receive(
    socket: &DatagramSocket,
    buffer: &mut [u8],
    batch: &mut VecDeque<Found>,
) -> Result<(), Errno> {
    if socket.is_unix {
        return receive_each(socket, buffer, batch); // that crate does not tell their names
    }

    // New ones for each call: it notes in them how long each address is that it found, and would
    // take that for the room that there is for the next.
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut parts: [[IoSliceMut<'_>; 1]; BATCH] = {
        let mut chunks = buffer.chunks_exact_mut(LONGEST_DATAGRAM);
        std::array::from_fn(|_| {
            let chunk = chunks.next().unwrap_or_default();
            [IoSliceMut::new(&mut chunk[..socket.longest])]
        })
    };
    let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_DONTWAIT);
    let received = recvmmsg(fd, &mut headers, parts.iter_mut(), flags, None);
    let received = received.map_err(|error| Errno::from_raw_os_error(error as i32))?;
    batch.extend(received.enumerate().map(|(index, message)| Found {
        start: index * LONGEST_DATAGRAM,
        len: message.bytes.min(socket.longest),
        from: address_of(message.address.as_ref()),
        is_truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
    }));
    Ok(())
}

fn address_of(address: Option<&SockaddrStorage>) -> Address {
    let ipv4 = address.and_then(|address| address.as_sockaddr_in());
    let ipv6 = address.and_then(|address| address.as_sockaddr_in6());
    Address::Ip(match (ipv4, ipv6) {
        (Some(ipv4), _) => SocketAddr::V4(SocketAddrV4::from(*ipv4)),
        (None, Some(ipv6)) => SocketAddr::V6(SocketAddrV6::from(*ipv6)),
        (None, None) => UNKNOWN,
    })
}

/// Gives the system some of the datagrams at the front, and says how many it took.
pub(super) fn send_some(fd: BorrowedFd<'_>, queue: &Datagrams) -> Result<usize, Errno> {
    let Some(first) = queue.front() else {
        return Ok(0);
    };
    if queue.count() == 1 {
        return send_one(fd, &first); // nearly always, and cheaper by itself
    }
    let batch = || queue.iter().take(BATCH);
    let mut addresses = Vec::with_capacity(BATCH);
    for datagram in batch() {
        match datagram.to.map(any).transpose() {
            Ok(to) => addresses.push(to),
            Err(error) if addresses.is_empty() => return Err(error),
            Err(_) => break, // it is told when it is the first
        }
    }
    let parts: Vec<[IoSlice<'_>; 1]> = batch().map(|one| [IoSlice::new(one.bytes)]).collect();
    let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
        batch().map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<MMsgHdr<'_>> = parts
        .iter()
        .zip(&addresses)
        .zip(&mut controls)
        .map(|((part, address), control)| match address {
            Some(address) => MMsgHdr::new_with_addr(address, part, control),
            None => MMsgHdr::new(part, control),
        })
        .collect();
    rustix::net::sendmmsg(fd, &mut messages, FLAGS)
}
