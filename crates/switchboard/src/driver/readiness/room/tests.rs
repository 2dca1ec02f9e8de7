//! What a peer that takes what was sent means to the driver: nothing, unless a send waits for it.
//! No case may ever depend on when a peer does something: they are one thread.

use std::net::{TcpListener, TcpStream, UdpSocket as System};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::datagrams::Datagrams;
use crate::driver::readiness::Readiness;
use crate::driver::{Event, Resource};
use crate::outbox::Outbox;
use crate::{Address, Stream, Token, UdpSocket};

const IT: Token = Token {
    slot: 0,
    generation: 0,
};

/// Reached only by a case that fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A driver with one source, and the other end of that.
struct Rig {
    driver: Readiness,
    far: OwnedFd,
    /// Where to, if it is not a connection.
    to: Option<Address>,
    is_stream: bool,
    bytes: Outbox,
    datagrams: Datagrams,
}

impl Rig {
    fn new(near: Resource, far: impl Into<OwnedFd>) -> Rig {
        let mut driver = Readiness::new(1).expect("there is a kernel");
        let is_stream = matches!(near, Resource::Stream(_));
        driver.register(IT, near).expect("it is open");
        driver.wait(Some(Duration::ZERO)).expect("it can wait");
        Rig {
            driver,
            far: far.into(),
            to: None,
            is_stream,
            bytes: Outbox::default(),
            datagrams: Datagrams::default(),
        }
    }

    fn tcp() -> Rig {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let far = TcpStream::connect(address).expect("it listens");
        let (near, _) = listener.accept().expect("it is connected");
        let near = Stream::try_from(near).expect("a socket can");
        Rig::new(Resource::Stream(near), far)
    }

    fn unix(descriptors: usize) -> Rig {
        let (near, far) = UnixStream::pair().expect("there are descriptors");
        let mut near = Stream::try_from(near).expect("a socket can");
        if descriptors > 0 {
            near.enable_descriptors(descriptors)
                .expect("a Unix socket can");
        }
        Rig::new(Resource::Stream(near), far)
    }

    /// Its kind is found in another way.
    fn unix_with_delay() -> Rig {
        let (near, far) = UnixStream::pair().expect("there are descriptors");
        let mut near = Stream::try_from(near).expect("a socket can");
        near.set_nodelay(false);
        Rig::new(Resource::Stream(near), far)
    }

    fn unix_datagrams() -> Rig {
        let (near, far) = UnixDatagram::pair().expect("there are descriptors");
        let near = crate::UnixDatagram::try_from(near).expect("a socket can").0;
        Rig::new(Resource::Datagrams(near), far)
    }

    fn udp() -> Rig {
        let near = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let far = System::bind("127.0.0.1:0").expect("a port is free");
        let to = far.local_addr().expect("it is bound");
        Rig {
            to: Some(Address::Ip(to)),
            ..Rig::new(Resource::Datagrams(near), far)
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match self.is_stream {
            true => self.bytes.push(bytes),
            false => self.datagrams.push(bytes, self.to.clone()),
        }
    }

    /// Sends what waits, and says whether that was all.
    fn send(&mut self) -> bool {
        let sent = self.driver.send(IT, &mut self.bytes);
        sent.expect("it is connected");
        let undelivered = self.driver.send_datagrams(IT, &mut self.datagrams);
        assert!(undelivered.is_none(), "its peer is there");
        self.bytes.is_empty() && self.datagrams.is_empty()
    }

    /// How many bytes the peer takes with one call, if there are any.
    fn take(&self) -> Option<usize> {
        let mut buffer = [0; 1 << 16];
        match rustix::net::recv(&self.far, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((n, _)) => Some(n),
            Err(Errno::AGAIN) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether room was told of.
    fn has_room(&mut self, timeout: Duration) -> bool {
        self.driver.wait(Some(timeout)).expect("it can wait");
        let mut has_room = false;
        while let Some(completion) = self.driver.next() {
            assert!(matches!(completion.event, Event::Sent));
            has_room = true;
        }
        has_room
    }

    #[track_caller]
    fn assert_is_quiet(&mut self, kind: &str) {
        for _ in 0..3 {
            self.push(b"x");
            assert!(self.send(), "{kind}: there is room");
            while self.take().is_none() {} // over TCP, they are on their way
            let waited = self.driver.wait(Some(Duration::ZERO));
            waited.expect("it can wait");
            assert!(self.driver.events.is_empty(), "{kind}: a wait ends");
        }
    }
}

#[test]
fn a_peer_that_takes_what_was_sent_ends_no_wait() {
    Rig::tcp().assert_is_quiet("TCP");
    Rig::udp().assert_is_quiet("UDP");
    Rig::unix(0).assert_is_quiet("Unix");
    Rig::unix_with_delay().assert_is_quiet("Unix, without TCP_NODELAY");
    Rig::unix(1).assert_is_quiet("Unix, with descriptors");
    Rig::unix_datagrams().assert_is_quiet("Unix datagrams");
}

#[test]
fn a_send_that_waits_is_told_of_room_and_no_other_one_is() {
    // So many that the kernel has no room for all of them.
    let (pieces, length) = (40_000, 1000);
    for (kind, mut rig) in [
        ("Unix", Rig::unix(0)),
        ("Unix, with descriptors", Rig::unix(1)),
        ("Unix datagrams", Rig::unix_datagrams()),
    ] {
        for round in 0..2 {
            (0..pieces).for_each(|_| rig.push(&vec![b'x'; length]));
            assert!(!rig.send(), "{kind}: the kernel takes all");
            assert!(!rig.has_room(Duration::ZERO), "{kind}: there is none");
            let mut taken = 0;
            loop {
                while let Some(n) = rig.take() {
                    taken += n;
                }
                if taken == pieces * length {
                    break;
                }
                assert!(rig.has_room(PATIENCE), "{kind}: not told, round {round}");
                rig.send();
            }
            while rig.has_room(Duration::ZERO) {}
            rig.assert_is_quiet(kind);
        }
    }
}
