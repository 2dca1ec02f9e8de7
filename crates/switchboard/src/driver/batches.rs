//! Datagrams from and to a socket of the operating system, many in one system call where it has
//! such calls (`recvmmsg` and `sendmmsg`, on Linux). It must never wait, and never lose what a call
//! has brought: a socket that is paused in the middle of a batch keeps the rest of it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketAddrUnix};

use super::Datagram;
use super::datagrams::LEAST_COST;
use crate::datagrams::{Datagrams, Outgoing, Undelivered};
use crate::net::{DatagramEnd, LONGEST_DATAGRAM, UnixAddress};
use crate::{Address, Token};

/// Datagrams received, or sent, by one call.
pub(super) const BATCH: usize = 32;

/// What a driver holds of a registered socket.
pub(super) struct DatagramSocket {
    end: DatagramEnd,
    /// The rest of a batch in which it was paused: as many as one batch at most.
    kept: VecDeque<Kept>,
}

struct Kept {
    bytes: Box<[u8]>,
    from: Address,
    is_truncated: bool,
}

impl DatagramSocket {
    pub(super) fn new(end: DatagramEnd) -> DatagramSocket {
        DatagramSocket {
            end,
            kept: VecDeque::new(),
        }
    }

    #[cfg(target_os = "linux")] // a ring has to know before it asks
    pub(super) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }
}

/// What one call has brought, in a buffer that all sockets of a driver share, handed out one by one.
pub(super) struct Inlet {
    /// As long as a batch of the longest ones, once a datagram socket is there. The system takes
    /// memory for those parts only that were ever written to.
    buffer: Vec<u8>,
    batch: VecDeque<Found>,
    /// Whose batch it is.
    of: Token,
    /// What was handed out last.
    lent: Option<Found>,
}

struct Found {
    start: usize,
    len: usize,
    from: Address,
    is_truncated: bool,
}

/// What a call has brought.
pub(super) enum Caught {
    /// A batch; there may be more.
    Full,
    /// All that there was, perhaps nothing.
    All,
    /// The system tells of one that was sent earlier.
    Undelivered(io::Error),
    /// The socket is of no use any more.
    Failed(io::Error),
}

impl Inlet {
    pub(super) fn new() -> Inlet {
        Inlet {
            buffer: Vec::new(),
            batch: VecDeque::new(),
            of: Token {
                slot: 0,
                generation: 0,
            },
            lent: None,
        }
    }

    /// Whose datagrams wait to be handed out.
    pub(super) fn waiting(&self) -> Option<Token> {
        (!self.batch.is_empty()).then_some(self.of)
    }

    /// Receives what there is, up to a batch, for a socket. The last batch must have been handed
    /// out.
    pub(super) fn receive(&mut self, token: Token, socket: &DatagramSocket) -> Caught {
        debug_assert!(self.batch.is_empty(), "the last batch is not handed out");
        self.buffer.resize(BATCH * LONGEST_DATAGRAM, 0);
        self.of = token;
        match receive(socket, &mut self.buffer, &mut self.batch) {
            Ok(()) if self.batch.len() == BATCH => Caught::Full,
            Ok(()) | Err(Errno::AGAIN) => Caught::All,
            Err(Errno::INTR) => Caught::Full, // nothing is known: look again
            Err(error) if is_of_one_datagram(error) => Caught::Undelivered(error.into()),
            Err(error) => Caught::Failed(error.into()),
        }
    }

    /// Hands out the next one; false if there is none. Otherwise, `lent` has it.
    pub(super) fn hand_out(&mut self) -> bool {
        self.lent = self.batch.pop_front();
        self.lent.is_some()
    }

    /// Hands out what a socket has kept.
    pub(super) fn hand_out_kept(&mut self, socket: &mut DatagramSocket) -> bool {
        let Some(kept) = socket.kept.pop_front() else {
            return false;
        };
        let len = kept.bytes.len();
        self.buffer.resize(BATCH * LONGEST_DATAGRAM, 0);
        self.buffer[..len].copy_from_slice(&kept.bytes);
        self.lent = Some(Found {
            start: 0,
            len,
            from: kept.from,
            is_truncated: kept.is_truncated,
        });
        true
    }

    /// What was handed out last.
    pub(super) fn lent(&self) -> Option<Datagram<'_>> {
        let found = self.lent.as_ref()?;
        Some(Datagram {
            bytes: &self.buffer[found.start..found.start + found.len],
            from: &found.from,
            is_truncated: found.is_truncated,
        })
    }

    /// What that one costs of the bytes that a tick may read.
    pub(super) fn cost(&self) -> usize {
        self.lent
            .as_ref()
            .map_or(0, |lent| lent.len)
            .max(LEAST_COST)
    }

    /// Puts what is left of a socket's batch aside: it is paused.
    pub(super) fn keep(&mut self, token: Token, socket: &mut DatagramSocket) {
        if self.waiting() == Some(token) {
            let buffer = &self.buffer;
            socket.kept.extend(self.batch.drain(..).map(|found| Kept {
                bytes: buffer[found.start..found.start + found.len].into(),
                from: found.from,
                is_truncated: found.is_truncated,
            }));
        }
    }

    /// Forgets what is left of a socket's batch: it is closed.
    pub(super) fn forget(&mut self, token: Token) {
        if self.of == token {
            self.batch.clear();
        }
    }
}

#[cfg(target_os = "linux")]
fn receive(
    socket: &DatagramSocket,
    buffer: &mut [u8],
    batch: &mut VecDeque<Found>,
) -> Result<(), Errno> {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

    if socket.end.is_unix {
        return receive_each(socket, buffer, batch); // that crate does not tell their names
    }

    // New ones for each call: it notes in them how long each address is that it found, and would
    // take that for the room that there is for the next.
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut parts: [[IoSliceMut<'_>; 1]; BATCH] = {
        let mut chunks = buffer.chunks_exact_mut(LONGEST_DATAGRAM);
        std::array::from_fn(|_| {
            let chunk = chunks.next().unwrap_or_default();
            [IoSliceMut::new(&mut chunk[..socket.end.longest])]
        })
    };
    let (fd, flags) = (socket.end.fd.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
    let received = recvmmsg(fd, &mut headers, parts.iter_mut(), flags, None);
    let received = received.map_err(|error| Errno::from_raw_os_error(error as i32))?;
    batch.extend(received.enumerate().map(|(index, message)| Found {
        start: index * LONGEST_DATAGRAM,
        len: message.bytes.min(socket.end.longest),
        from: address_of(message.address.as_ref()),
        is_truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
    }));
    Ok(())
}

#[cfg(target_os = "linux")]
fn address_of(address: Option<&nix::sys::socket::SockaddrStorage>) -> Address {
    use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

    let ipv4 = address.and_then(|address| address.as_sockaddr_in());
    let ipv6 = address.and_then(|address| address.as_sockaddr_in6());
    Address::Ip(match (ipv4, ipv6) {
        (Some(ipv4), _) => SocketAddr::V4(SocketAddrV4::from(*ipv4)),
        (None, Some(ipv6)) => SocketAddr::V6(SocketAddrV6::from(*ipv6)),
        (None, None) => UNKNOWN,
    })
}

#[cfg(not(target_os = "linux"))]
fn receive(
    socket: &DatagramSocket,
    buffer: &mut [u8],
    batch: &mut VecDeque<Found>,
) -> Result<(), Errno> {
    receive_each(socket, buffer, batch)
}

/// By a call for each.
fn receive_each(
    socket: &DatagramSocket,
    buffer: &mut [u8],
    batch: &mut VecDeque<Found>,
) -> Result<(), Errno> {
    use std::io::IoSliceMut;
    use std::net::SocketAddr;

    use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags};

    for (index, chunk) in buffer.chunks_exact_mut(LONGEST_DATAGRAM).enumerate() {
        let mut part = [IoSliceMut::new(&mut chunk[..socket.end.longest])];
        let mut control = RecvAncillaryBuffer::default();
        let flags = RecvFlags::DONTWAIT;
        let message = match rustix::net::recvmsg(&socket.end.fd, &mut part, &mut control, flags) {
            Ok(message) => message,
            Err(_) if index > 0 => break, // told by the next call
            Err(error) => return Err(error),
        };
        let from = match message.address {
            from if socket.end.is_unix => unix_of(from),
            from => {
                let from = from.and_then(|from| SocketAddr::try_from(from).ok());
                Address::Ip(from.unwrap_or(UNKNOWN))
            }
        };
        batch.push_back(Found {
            start: index * LONGEST_DATAGRAM,
            len: message.bytes.min(socket.end.longest),
            from,
            is_truncated: message.flags.contains(ReturnFlags::TRUNC),
        });
    }
    Ok(())
}

fn unix_of(address: Option<SocketAddrAny>) -> Address {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

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

/// A sender that the system does not name.
const UNKNOWN: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// Whether an error is about one datagram, and the socket is as good as before: what routers and
/// receivers say (`ICMP`), what the system says of one that it does not send, and that it is out of
/// memory for the moment.
fn is_of_one_datagram(error: Errno) -> bool {
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

/// What came of sending.
pub(super) enum Sending {
    /// All went.
    Done,
    /// The system's buffer is full.
    Blocked,
    Undelivered(Undelivered),
}

/// Sends from the front of a queue until it is empty, the system takes no more, or one fails.
pub(super) fn send(fd: BorrowedFd<'_>, queue: &mut Datagrams) -> Sending {
    // On a connected socket a refusal tells of an earlier datagram, and is told once: if the same
    // one is refused again, it is this one's.
    let mut refused = None;
    while !queue.is_empty() {
        match send_some(fd, queue) {
            Ok(sent) => {
                for _ in 0..sent {
                    queue.pop();
                }
                if let Some(error) = refused.take() {
                    return Sending::Undelivered(Undelivered { to: None, error });
                }
            }
            Err(Errno::INTR) => {}
            // Nothing tells when the receiver has room, and others wait behind this one.
            Err(Errno::AGAIN) if is_to_unix(queue) => {
                let to = queue.pop().flatten();
                let error = Errno::AGAIN.into();
                return Sending::Undelivered(Undelivered { to, error });
            }
            Err(Errno::AGAIN) => return Sending::Blocked,
            Err(error) => {
                let is_connected = queue.front().is_some_and(|first| first.to.is_none());
                if error == Errno::CONNREFUSED && is_connected && refused.is_none() {
                    refused = Some(error.into());
                    continue;
                }
                let to = queue.pop().flatten();
                let error = error.into();
                return Sending::Undelivered(Undelivered { to, error });
            }
        }
    }
    Sending::Done
}

fn is_to_unix(queue: &Datagrams) -> bool {
    let first = queue.front();
    first.is_some_and(|first| matches!(first.to, Some(Address::Unix(_))))
}

/// Gives the system some of the datagrams at the front, and says how many it took.
#[cfg(target_os = "linux")]
fn send_some(fd: BorrowedFd<'_>, queue: &Datagrams) -> Result<usize, Errno> {
    use rustix::net::MMsgHdr;

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

#[cfg(not(target_os = "linux"))]
fn send_some(fd: BorrowedFd<'_>, queue: &Datagrams) -> Result<usize, Errno> {
    match queue.front() {
        Some(first) => send_one(fd, &first),
        None => Ok(0),
    }
}

fn send_one(fd: BorrowedFd<'_>, datagram: &Outgoing<'_>) -> Result<usize, Errno> {
    let part = [IoSlice::new(datagram.bytes)];
    let mut control = SendAncillaryBuffer::default();
    match datagram.to.map(any).transpose()? {
        Some(to) => rustix::net::sendmsg_addr(fd, &to, &part, &mut control, FLAGS)?,
        None => rustix::net::sendmsg(fd, &part, &mut control, FLAGS)?,
    };
    Ok(1)
}

/// An address as the system takes it.
fn any(address: &Address) -> Result<SocketAddrAny, Errno> {
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
const FLAGS: SendFlags = SendFlags::DONTWAIT;

impl DatagramSocket {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as System;

    use super::*;
    use crate::UdpSocket;

    fn pair() -> (DatagramSocket, System) {
        let near = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let here = near.local().expect("it is bound");
        let far = System::bind("127.0.0.1:0").expect("a port is free");
        far.connect(here.ip().expect("it is an IP address"))
            .expect("it is there");
        let near = near.into_end().expect("it is the system's");
        (DatagramSocket::new(near), far)
    }

    #[test]
    fn a_call_brings_a_batch_and_says_whether_that_is_all() {
        let (near, far) = pair();
        let token = Token {
            slot: 1,
            generation: 2,
        };
        for n in 0..BATCH as u8 + 3 {
            far.send(&[n]).expect("it is there");
        }
        let mut inlet = Inlet::new();
        let mut expected = 0..BATCH as u8 + 3;
        assert!(matches!(inlet.receive(token, &near), Caught::Full));
        for calls in 1..=2 {
            while inlet.hand_out() {
                let lent = inlet.lent().expect("it was handed out");
                assert_eq!(lent.bytes, [expected.next().expect("no more were sent")]);
                let from = far.local_addr().expect("it is bound");
                assert_eq!(lent.from, &Address::Ip(from));
                assert_eq!(inlet.cost(), LEAST_COST);
            }
            assert_eq!(inlet.waiting(), None);
            assert!(matches!(inlet.receive(token, &near), Caught::All));
            assert_eq!(inlet.waiting().is_some(), calls == 1);
        }
        assert_eq!(expected.next(), None);
    }

    #[test]
    fn more_than_a_batch_goes_out_whole_and_in_order() {
        let (near, far) = pair();
        let to = Address::Ip(far.local_addr().expect("it is bound"));
        let mut queue = Datagrams::default();
        for n in 0..2 * BATCH as u8 + 1 {
            queue.push(&vec![n; n.into()], Some(to.clone()));
        }
        assert!(matches!(send(near.as_fd(), &mut queue), Sending::Done));
        assert_eq!((queue.count(), queue.cost()), (0, 0));
        let mut buffer = [0; 256];
        for n in 0..2 * BATCH as u8 + 1 {
            let len = far.recv(&mut buffer).expect("it was sent");
            assert_eq!(buffer[..len], vec![n; n.into()]);
        }
    }
}
