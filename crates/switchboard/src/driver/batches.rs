//! Datagrams from and to a socket of the operating system, many in one system call where it has
//! such calls (`recvmmsg` and `sendmmsg`, on Linux). It must never wait, and never lose what a call
//! has brought: a socket that is paused in the middle of a batch keeps the rest of it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::collections::VecDeque;
use std::io;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

use super::Datagram;
use super::datagrams::LEAST_COST;
use super::socket::{Socket, hold};
use crate::datagrams::{Datagrams, Undelivered};
use crate::net::{DatagramEnd, LONGEST_DATAGRAM, SocketFile};
use crate::{Address, Token};
#[cfg(target_os = "linux")]
use linux::{receive, send_some};
#[cfg(unix)]
use unix::is_of_one_datagram;
#[cfg(all(unix, not(target_os = "linux")))]
use unix::{receive, send_some};
#[cfg(windows)]
use windows::{is_of_one_datagram, receive, send_some};

/// Datagrams received, or sent, by one call.
pub(super) const BATCH: usize = 32;

/// What a driver holds of a registered socket.
pub(super) struct DatagramSocket {
    /// Dropped first, as a listener's.
    _file: Option<SocketFile>,
    pub(super) socket: Socket,
    /// How many bytes of a datagram are wanted.
    longest: usize,
    #[cfg(unix)]
    is_unix: bool,
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
            _file: end.file,
            socket: hold(end.fd),
            longest: end.longest,
            #[cfg(unix)]
            is_unix: end.is_unix,
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

/// A sender that the system does not name.
const UNKNOWN: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

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

impl DatagramSocket {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
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
