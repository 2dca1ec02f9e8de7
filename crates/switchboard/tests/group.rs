//! Several reactors in one process: connections are spread over them, they talk to each other, and
//! they end together, whichever way one of them ends.

#[path = "crowd/drivers.rs"]
mod drivers;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use switchboard::{
    Address, Close, Context, Driver, Error, Handler, Listener, Member, OnPanic, Reactor,
    ReactorGroup, Result, Stream,
};

/// How long anything may take. Reached only by a case that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells each peer which reactor it has got, and then sends back what comes; `x` shuts it down,
/// `p` panics.
struct Door;

impl Handler<usize> for Door {
    fn handle_accepted(
        &mut self,
        index: &mut usize,
        cx: &mut Context<'_, usize>,
        stream: Stream,
    ) -> Result {
        let token = cx.register(stream, Door)?;
        cx.send_to(token, &[*index as u8])
    }

    fn handle_read(&mut self, _: &mut usize, cx: &mut Context<'_, usize>) -> Result {
        let data = cx.recv(usize::MAX);
        match data {
            b"x" => cx.shutdown_handle().shutdown(),
            b"p" => panic!("as asked"),
            data => cx.send(data)?,
        }
        Ok(())
    }
}

fn listen(reactor: &mut Reactor<usize>, member: &mut Member<usize>) -> Result {
    for listener in member.take_listeners() {
        reactor.listen_on(listener, Door)?;
    }
    Ok(())
}

fn group(driver: Driver, reactors: usize) -> (ReactorGroup, SocketAddr) {
    let builder = Reactor::builder().driver(driver);
    let mut group = ReactorGroup::new(reactors).builder(builder);
    let address = group.bind("127.0.0.1:0").expect("a port is free");
    let Address::Ip(address) = address else {
        panic!("{address} is no IP address");
    };
    (group, address)
}

/// A connection, and which reactor has it.
fn connect(address: SocketAddr) -> (TcpStream, u8) {
    let mut peer = TcpStream::connect(address).expect("it listens");
    peer.set_read_timeout(Some(PATIENCE)).expect("a socket can");
    let mut index = [0];
    peer.read_exact(&mut index).expect("it is told");
    (peer, index[0])
}

/// Waits for the end of a connection, and ends our side: its reactor waits for that.
fn has_ended(peer: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let told = peer.read_to_end(&mut rest);
    let ended = peer.shutdown(Shutdown::Both);
    told.is_ok_and(|_| rest.is_empty()) && ended.is_ok()
}

/// Connects until each of the reactors has one.
fn one_with_each(address: SocketAddr, reactors: usize) -> Vec<TcpStream> {
    let mut peers: Vec<Option<TcpStream>> = (0..reactors).map(|_| None).collect();
    for _ in 0..1000 {
        if peers.iter().all(Option::is_some) {
            break;
        }
        let (peer, index) = connect(address);
        peers[usize::from(index)].get_or_insert(peer);
    }
    let all: Vec<TcpStream> = peers.into_iter().flatten().collect();
    assert_eq!(all.len(), reactors, "a reactor got none of 1000");
    all
}

#[test]
fn connections_are_spread_and_one_handle_ends_all() {
    for driver in drivers::working() {
        let (group, address) = group(driver, 3);
        let shutdown = group.shutdown_handle();
        thread::scope(|scope| {
            let running = scope.spawn(move || {
                group.run(
                    |index| index,
                    |reactor, mut member| {
                        assert_eq!(reactor.driver(), driver);
                        assert_eq!(*reactor.state(), member.index());
                        listen(reactor, &mut member)
                    },
                )
            });
            let mut peers = one_with_each(address, 3);
            for peer in &mut peers {
                peer.write_all(b"hello").expect("it is connected");
                let mut echo = [0; 5];
                peer.read_exact(&mut echo).expect("it is sent back");
                assert_eq!(&echo, b"hello");
            }
            shutdown.shutdown();
            assert!(peers.iter_mut().all(has_ended));
            running.join().expect("it returns").expect("all went well");
            TcpStream::connect(address).expect_err("nobody listens any more");
        });
    }
}

#[test]
fn a_shutdown_of_one_is_that_of_all() {
    for driver in drivers::working() {
        let (group, address) = group(driver, 2);
        thread::scope(|scope| {
            let running = scope.spawn(|| {
                group.run(
                    |index| index,
                    |reactor, mut member| listen(reactor, &mut member),
                )
            });
            let mut peers = one_with_each(address, 2);
            peers[1].write_all(b"x").expect("it is connected");
            assert!(peers.iter_mut().all(has_ended));
            running.join().expect("it returns").expect("all went well");
        });
    }
}

#[test]
fn a_panic_of_one_reactor_is_reported_and_ends_all() {
    for driver in drivers::working() {
        let (group, address) = group(driver, 2);
        let builder = Reactor::builder().driver(driver).on_panic(OnPanic::Stop);
        let group = group.builder(builder);
        thread::scope(|scope| {
            let running = scope.spawn(|| {
                group.run(
                    |index| index,
                    |reactor, mut member| listen(reactor, &mut member),
                )
            });
            let mut peers = one_with_each(address, 2);
            peers[1].write_all(b"p").expect("it is connected");
            assert!(peers.iter_mut().all(has_ended));
            let error = running.join().expect("it returns").unwrap_err();
            assert_eq!(error.to_string(), "reactor 1: panicked: as asked");
        });
    }
}

/// Notes that it was told of its end.
struct Ends<'a>(&'a Mutex<Vec<String>>);

impl Handler<usize> for Ends<'static> {
    fn handle_close(&mut self, index: &mut usize, _: &mut Context<'_, usize>, why: &Close) {
        let text = format!("{index}: {why:?}");
        self.0.lock().expect("nobody panics with it").push(text);
    }
}

/// Whatever goes wrong before the loop runs: the others are told, and nobody waits for ever.
#[test]
fn what_fails_while_they_start_is_reported_with_its_index() {
    type Setup = fn(&mut Reactor<usize>, &Member<usize>) -> Result;
    let cases: [(Setup, &str); 2] = [
        (|_, _| Err("no luck".into()), "reactor 1: no luck"),
        (
            |_, _| panic!("out of luck"),
            "reactor 1: panicked: out of luck",
        ),
    ];
    for driver in drivers::working() {
        for (fails, expected) in cases {
            let ends: &'static Mutex<Vec<String>> = Box::leak(Box::default());
            let (group, address) = group(driver, 3);
            let outcome = group.run(
                |index| index,
                |reactor, member| {
                    if member.index() == 1 {
                        return fails(reactor, &member);
                    }
                    reactor.listen("localhost:0", Ends(ends)).map(drop)
                },
            );
            assert_eq!(outcome.unwrap_err().to_string(), expected);
            let mut ends = ends.lock().expect("nobody panics with it").clone();
            ends.sort();
            assert_eq!(ends, ["0: Shutdown", "2: Shutdown"]);
            TcpStream::connect(address).expect_err("nobody listens any more");
        }
        let (group, _) = group(driver, 3);
        let setups = AtomicUsize::new(0);
        let outcome = group.run(
            |index| assert_ne!(index, 2, "no state"),
            |_, _| {
                setups.fetch_add(1, Ordering::Relaxed);
                Ok(())
            },
        );
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with("reactor 2: panicked: "), "{error}");
        assert!(error.contains("no state"), "{error}");
        let setups = setups.load(Ordering::Relaxed);
        assert_eq!(setups, 0, "a setup ran though one is missing");
    }
}

/// A message goes round once, then the last one has all end. Without a source, too.
#[test]
fn reactors_reach_each_other_through_their_remotes() {
    const COUNT: usize = 4;
    for driver in drivers::working() {
        let (group, _) = group(driver, COUNT);
        let visited: &'static Mutex<Vec<usize>> = Box::leak(Box::default());
        let outcome = group.run(
            |index| index,
            |_, member| {
                assert_eq!(member.remotes().len(), COUNT);
                if member.index() == 0 {
                    pass_on(member.remotes().clone(), 0, visited)?;
                }
                Ok(())
            },
        );
        outcome.expect("all went well");
        let visited = visited.lock().expect("nobody panics with it").clone();
        assert_eq!(visited, [0, 1, 2, 3]);
    }
}

fn pass_on(
    remotes: std::sync::Arc<[switchboard::Remote<usize>]>,
    to: usize,
    visited: &'static Mutex<Vec<usize>>,
) -> Result {
    let Some(remote) = remotes.get(to) else {
        return Ok(()); // with the last remote, all have nothing left to do
    };
    let rest = remotes.clone();
    let posted = remote.post(move |index, _| {
        visited.lock().expect("nobody panics with it").push(*index);
        pass_on(rest, to + 1, visited).expect("there is room");
    });
    posted.map_err(|_| Error::other("there is no room"))
}

#[test]
fn a_shutdown_that_comes_first_is_heeded() {
    let (group, address) = group(Driver::Readiness, 2);
    group.shutdown_handle().shutdown();
    let outcome = group.run(
        |index| index,
        |reactor, mut member| {
            let refused = listen(reactor, &mut member);
            assert!(matches!(refused, Ok(()) | Err(Error::ShuttingDown)));
            Ok(())
        },
    );
    outcome.expect("all went well");
    TcpStream::connect(address).expect_err("nobody listens");
}

#[test]
fn a_port_that_somebody_listens_on_is_taken() {
    let (first, address) = group(Driver::Readiness, 2);
    let mut second = ReactorGroup::new(2);
    let error = second.bind(address).unwrap_err().to_string();
    assert!(
        error.contains(&format!("cannot listen on {address}")),
        "{error}"
    );
    Listener::bind(address).expect_err("it is taken");
    drop(first);
    second.bind(address).expect("it is free again");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = other.local_addr().expect("it is bound");
    second.bind(taken).expect_err("it is taken");
}

#[test]
fn localhost_is_every_loopback_address_on_one_port() {
    let mut group = ReactorGroup::new(2);
    group.bind("localhost:0").expect("a port is free");
    let ports = Mutex::new(BTreeSet::new());
    let sockets = AtomicUsize::new(0);
    let outcome = group.run(
        |_| (),
        |_, mut member| {
            for address in member.take_listeners()[0].locals()? {
                let address = address.ip().expect("an IP address");
                ports.lock().expect("nobody panics").insert(address.port());
                sockets.fetch_add(1, Ordering::Relaxed);
            }
            assert!(member.take_listeners().is_empty());
            Ok(())
        },
    );
    outcome.expect("without a source and a remote, each ends by itself");
    assert_eq!(ports.lock().expect("nobody panics").len(), 1);
    let sockets = sockets.load(Ordering::Relaxed);
    assert!(sockets == 4 || sockets == 2, "{sockets}"); // there may be no IPv6
}

#[test]
fn a_unix_socket_cannot_be_shared() {
    let mut group = ReactorGroup::new(2);
    let path = std::env::temp_dir().join(format!("switchboard-group-{}", std::process::id()));
    let error = group.bind(path.as_path()).unwrap_err().to_string();
    assert!(
        error.contains("cannot be listened on by several"),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn a_group_is_not_recorded() {
    let path = std::env::temp_dir().join(format!("switchboard-group-{}.rec", std::process::id()));
    let recording = switchboard::Recording::new(&path, "group", "1");
    let group = ReactorGroup::new(2).builder(Reactor::builder().record(recording));
    let error = group.run(|_| (), |_, _| Ok(())).unwrap_err().to_string();
    assert!(
        error.starts_with("a recording is of one reactor"),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn threads_have_names_and_random_numbers_of_their_own() {
    let told = Mutex::new(BTreeSet::new());
    let group = ReactorGroup::new(3).name("worker");
    let outcome = group.builder(Reactor::builder().seed(7)).run(
        |_| (),
        |reactor, member| {
            let name = thread::current().name().map(str::to_owned);
            assert_eq!(name, Some(format!("worker-{}", member.index())));
            let number = reactor.with(|_, cx| cx.random());
            told.lock().expect("nobody panics").insert(number);
            Ok(())
        },
    );
    outcome.expect("all went well");
    let told = told.into_inner().expect("nobody panics");
    assert_eq!(told.len(), 3);
    let first = Reactor::builder().seed(7).build(());
    let first = first.expect("it can be built").with(|_, cx| cx.random());
    assert!(told.contains(&first), "the seed is that of the first");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pinned_reactor_keeps_to_one_processor() {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let allowed = sched_getaffinity(None).expect("the system tells");
    let used = Mutex::new(BTreeSet::new());
    let reactors = 2 * allowed.count() as usize; // more than there are processors: in turn
    let outcome = ReactorGroup::new(reactors).pinned(true).run(
        |_| (),
        |_, _| {
            let mine = sched_getaffinity(None).expect("the system tells");
            assert_eq!(mine.count(), 1);
            let cpu = (0..CpuSet::MAX_CPU).find(|cpu| mine.is_set(*cpu));
            let cpu = cpu.expect("there is one");
            assert!(allowed.is_set(cpu));
            used.lock().expect("nobody panics").insert(cpu);
            Ok(())
        },
    );
    outcome.expect("all went well");
    let used = used.into_inner().expect("nobody panics").len();
    assert_eq!(used, allowed.count() as usize);
    let after = sched_getaffinity(None).expect("the system tells");
    assert_eq!(
        after.count(),
        allowed.count(),
        "the caller may roam as before"
    );
}
