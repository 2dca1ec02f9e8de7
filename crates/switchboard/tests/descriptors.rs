//! What a reactor does when no descriptor is left: its listener waits without keeping the loop
//! busy, says so once, and goes on by itself when there are some again.
//!
//! Each case runs in a process of its own, this program once more, since the limit holds for a
//! whole process.

#[path = "crowd/drivers.rs"]
mod drivers;

use std::fmt::Debug;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, io};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use switchboard::{Close, Context, Handler, Listener, OnPanic, Reactor, Result};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

/// Set in the process that a case runs in: the driver that it runs on.
const CHILD: &str = "SWITCHBOARD_DESCRIPTORS_CHILD";

/// More than a reactor and the peers of a case need.
const DESCRIPTORS: u64 = 64;

/// How long anything may take. Reached only by a case that fails.
const BOUND: Duration = Duration::from_secs(10);

/// For so long the loop is watched while there is nothing that it could do.
const SHORTAGE: Duration = Duration::from_secs(1);

/// Turns that it may take in that time. It tries again four times a second, and each time has a
/// turn for the timer and one for the attempt.
const FEW: usize = 20;

fn in_child(case: &str, run: fn()) {
    if env::var_os(CHILD).is_some() {
        let limit = Rlimit {
            current: Some(DESCRIPTORS),
            maximum: Some(DESCRIPTORS),
        };
        setrlimit(Resource::Nofile, limit).expect("a limit can be lowered");
        return run();
    }
    let this = env::current_exe().expect("it runs");
    for driver in drivers::working() {
        let child = Command::new(&this)
            .args(["--exact", case, "--nocapture", "--test-threads=1"])
            .env(CHILD, driver.to_string())
            .output()
            .expect("a program can run itself");
        let told = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
        let has_passed = child.status.success() && told.contains("1 passed");
        assert!(has_passed, "{driver}: {told}");
    }
}

#[test]
fn the_loop_sleeps_while_no_descriptor_is_left() {
    in_child("the_loop_sleeps_while_no_descriptor_is_left", || {
        let mut server = Server::new();
        let mut served = server.connect();
        server.serve(&mut served);
        let waiting = server.connect();
        let _all = take_all_descriptors();
        let turns = server.elapse(SHORTAGE);
        assert!(turns <= FEW, "{turns} turns in {SHORTAGE:?} for nothing");
        assert_eq!(server.reactor.state().accepted, 1);
        server.serve(&mut served); // nobody else has to wait
        let error = waiting.peek(&mut [0]).expect_err("it was dropped");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_source_that_ends_lets_the_next_connection_in() {
    in_child("a_source_that_ends_lets_the_next_connection_in", || {
        let mut server = Server::new();
        let mut first = server.connect();
        server.serve(&mut first);
        let mut second = server.connect();
        let _all = take_all_descriptors();
        server.elapse(Duration::from_millis(50));
        assert_eq!(server.reactor.state().accepted, 1);
        // Its own end stays open: the descriptor that is free then is the reactor's.
        first.shutdown(Shutdown::Write).expect("it is connected");
        server.run_until("its end", |state| state.ended == 1);
        for _ in 0..5 {
            let at_once = Some(Duration::ZERO);
            server.reactor.turn(at_once).expect("a turn goes well");
        }
        assert_eq!(server.reactor.state().accepted, 2, "not at once");
        server.serve(&mut second);
    });
}

#[test]
fn descriptors_that_others_give_back_let_all_connections_in() {
    let case = "descriptors_that_others_give_back_let_all_connections_in";
    in_child(case, || {
        let mut server = Server::new();
        let mut waiting: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
        let all = take_all_descriptors();
        server.elapse(SHORTAGE / 3); // it has tried again in vain
        assert_eq!(server.reactor.state().accepted, 0);
        drop(all);
        server.run_until("all connections", |state| state.accepted == 5);
        for peer in &mut waiting {
            server.serve(peer);
        }
        let mut late = server.connect();
        server.serve(&mut late);
    });
}

#[test]
fn a_shortage_is_told_once() {
    in_child("a_shortage_is_told_once", || {
        let warnings = Warnings::default();
        tracing::subscriber::set_global_default(warnings.clone()).expect("there is none yet");
        let mut server = Server::new();
        let mut peer = server.connect();
        assert!(warnings.told().is_empty());
        let all = take_all_descriptors();
        server.elapse(SHORTAGE);
        let told = warnings.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("cannot accept"), "{told:?}");
        drop(all);
        server.serve(&mut peer);
        let _waiting = server.connect();
        let _all = take_all_descriptors();
        server.elapse(SHORTAGE / 3);
        assert_eq!(warnings.told().len(), 1, "so soon it is no news");
    });
}

/// A connection that the program itself asks for fails with the reason, and alone.
#[test]
fn a_connection_that_has_no_descriptor_fails_alone() {
    in_child("a_connection_that_has_no_descriptor_fails_alone", || {
        let mut server = Server::new();
        let mut peer = server.connect();
        server.serve(&mut peer);
        let address = server.address;
        let _all = take_all_descriptors();
        let client = Echo {
            expects_no_connection: true,
        };
        let asked = server.reactor.with(|_, cx| cx.connect(address, client));
        asked.expect("the answer comes later");
        server.run_until("its end", |state| state.ended == 1);
        server.serve(&mut peer);
    });
}

/// Opens what can be opened, until nothing can.
fn take_all_descriptors() -> Vec<File> {
    let mut all = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => all.push(file),
            Err(error) if is_shortage(&error) => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

fn is_shortage(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::MFILE.raw_os_error())
}

/// An echo server, driven by its case.
struct Server {
    reactor: Reactor<Counts>,
    address: SocketAddr,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: usize,
    ended: usize,
}

impl Server {
    fn new() -> Server {
        // What a handler finds wrong has to end the case.
        let driver = env::var(CHILD).expect("it is the child's");
        let driver = driver.parse().expect("it names a driver");
        let builder = Reactor::builder().driver(driver).on_panic(OnPanic::Stop);
        let mut reactor = builder
            .build(Counts::default())
            .expect("there are descriptors");
        let listener = Listener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local().expect("it is bound");
        reactor.listen_on(listener, Door).expect("there is room");
        Server {
            reactor,
            address: address.ip().expect("an IP address"),
        }
    }

    /// A peer that is in the kernel's queue: the reactor has not had its turn.
    fn connect(&self) -> TcpStream {
        let peer = TcpStream::connect(self.address).expect("it listens");
        peer.set_nonblocking(true).expect("a socket can");
        peer
    }

    fn run_until(&mut self, awaited: &str, is_over: impl Fn(&Counts) -> bool) {
        let start = Instant::now();
        while !is_over(self.reactor.state()) {
            let left = BOUND.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "waited in vain for: {awaited}");
            self.reactor.turn(Some(left)).expect("a turn goes well");
        }
    }

    /// Has a peer say something, and waits until it has been answered.
    fn serve(&mut self, peer: &mut TcpStream) {
        peer.write_all(b"x").expect("the network takes a byte");
        let start = Instant::now();
        loop {
            match peer.read(&mut [0; 2]) {
                Ok(1) => return,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => panic!("{other:?} instead of an echo"),
            }
            assert!(start.elapsed() < BOUND, "waited in vain for an echo");
            let a_moment = Some(Duration::from_millis(2));
            self.reactor.turn(a_moment).expect("a turn goes well");
        }
    }

    /// Lets time pass, and counts the turns of the loop in it.
    fn elapse(&mut self, duration: Duration) -> usize {
        let end = Instant::now() + duration;
        let mut turns = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return turns;
            }
            self.reactor.turn(Some(left)).expect("a turn goes well");
            turns += 1;
        }
    }
}

struct Door;

impl Handler<Counts> for Door {
    fn handle_accepted(
        &mut self,
        counts: &mut Counts,
        cx: &mut Context<'_, Counts>,
        stream: switchboard::Stream,
    ) -> Result {
        counts.accepted += 1;
        cx.register(stream, Echo::default()).map(drop)
    }

    fn handle_close(&mut self, _: &mut Counts, _: &mut Context<'_, Counts>, why: &Close) {
        assert!(matches!(why, Close::Shutdown), "the listener ended: {why}");
    }
}

#[derive(Default)]
struct Echo {
    expects_no_connection: bool,
}

impl Handler<Counts> for Echo {
    fn handle_read(&mut self, _: &mut Counts, cx: &mut Context<'_, Counts>) -> Result {
        let data = cx.recv(usize::MAX);
        cx.send(data)
    }

    fn handle_close(&mut self, counts: &mut Counts, _: &mut Context<'_, Counts>, why: &Close) {
        counts.ended += 1;
        if self.expects_no_connection {
            match why {
                Close::ConnectFailed(error) => assert!(is_shortage(error), "{error}"),
                other => panic!("{other}"),
            }
        }
    }
}

/// Keeps the texts of all warnings and errors.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn told(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with it").clone()
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.lock().expect("nobody panics with it").push(text.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}
