//! A driver without a reactor around it, which notes what it is told.
//! It must never wait for something without a bound.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener as StdListener, TcpStream as StdStream};
use std::time::Duration;

use crate::driver::uring::*;
use crate::driver::{Completion, Resource};

/// How many ticks anything may take, of at most this long.
pub(super) const TICKS: usize = 2000;
pub(super) const TICK: Option<Duration> = Some(Duration::from_millis(5));

pub(super) const TINY: Setup = Setup {
    submissions: 4,
    completions: 8,
    buffers: 2,
    buffer: 4096,
    whole_buffers: 2,
    whole_buffer: 4096,
    is_deferred: true,
    max_kept: 1 << 20,
};

pub(super) fn token(slot: u32, generation: u32) -> Token {
    Token { slot, generation }
}

/// Both ends of a connection.
pub(super) fn pair() -> (crate::Stream, StdStream) {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let far = StdStream::connect(address).expect("it listens");
    let (near, _) = listener.accept().expect("it is connected");
    (near.try_into().expect("a socket can"), far)
}

pub(super) fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + (i >> 8) + seed) as u8).collect()
}

/// A driver, and what it has told.
pub(super) struct Rig {
    pub(super) uring: Uring,
    pub(super) bytes: BTreeMap<Token, Vec<u8>>,
    pub(super) notes: Vec<(Token, String)>,
    pub(super) accepted: Vec<crate::Stream>,
    pub(super) unsent: Vec<Outbox>,
}

impl Rig {
    pub(super) fn new(setup: &Setup) -> Rig {
        Rig {
            uring: Uring::with(1, setup).expect("io_uring works here"),
            bytes: BTreeMap::new(),
            notes: Vec::new(),
            accepted: Vec::new(),
            unsent: Vec::new(),
        }
    }

    pub(super) fn register(&mut self, token: Token) -> StdStream {
        let (near, far) = pair();
        let registered = self.uring.register(token, Resource::Stream(near));
        registered.expect("it is open");
        far
    }

    /// Has small sends staged and flushed, and says whether all of them were taken.
    pub(super) fn send(&mut self, sends: &[(Token, Vec<u8>)]) -> bool {
        let mut stage = Stage::new();
        let mut all = true;
        for (token, bytes) in sends {
            let mut staged = Staged::default();
            let room = stage.extend(&mut staged, bytes.len());
            room.expect("it is large").copy_from_slice(bytes);
            all &= self.uring.send_staged(*token, staged) == bytes.len();
        }
        self.uring.keep_stage(&mut stage);
        stage.clear();
        stage
            .extend(&mut Staged::default(), 1000)
            .expect("it is empty")
            .fill(0xff);
        all
    }

    pub(super) fn tick(&mut self) {
        self.tick_for(TICK);
    }

    pub(super) fn tick_for(&mut self, timeout: Option<Duration>) {
        self.uring.wait(timeout).expect("it can wait");
        while let Some(Completion { token, event }) = self.uring.next() {
            let note = event.name().to_owned();
            match event {
                Event::Received(bytes) => self.bytes.entry(token).or_default().extend(bytes),
                Event::Accepted(stream) => self.accepted.push(stream),
                Event::Unsent(rest) => self.unsent.push(*rest),
                _ => {}
            }
            if note != "received" {
                self.notes.push((token, note));
            }
        }
    }

    #[track_caller]
    pub(super) fn tick_until(&mut self, awaited: &str, done: impl Fn(&Rig) -> bool) {
        for _ in 0..TICKS {
            if done(self) {
                return;
            }
            self.tick();
        }
        panic!("waited in vain for: {awaited}; {:?}", self.notes);
    }

    pub(super) fn len(&self, token: Token) -> usize {
        self.bytes.get(&token).map_or(0, Vec::len)
    }

    pub(super) fn told(&self, token: Token, what: &str) -> bool {
        self.notes.contains(&(token, what.to_owned()))
    }
}

/// Whether the tests of this file can run; where not, `tests/drivers.rs` says so, unless all
/// partners are required.
pub(super) fn works() -> bool {
    let works = Uring::probe();
    let is_required = std::env::var_os("SWITCHBOARD_REQUIRE_PARTNERS").is_some();
    assert!(works.is_ok() || !is_required, "{works:?}");
    works.is_ok()
}
