//! What a program may ask of a connection that is still being made, and how the addresses of a name
//! are tried.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use switchboard::{ConnectOptions, Error};

use crate::connecting::deaf_port;
use crate::probe::Probe;
use crate::world::World;

pub fn what_is_sent_before_a_close_in_the_same_call_is_delivered(world: &mut World) {
    let (_, address) = world.listen(
        Probe::new("listener")
            .on_accepted(|_, cx, stream| cx.register(stream, Probe::new("far")).map(drop)),
    );
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        let token = token.expect("there is room");
        cx.send_to(token, "in passing").expect("there is room");
        cx.close_source(token);
        assert!(!cx.is_open(token));
        let sent = cx.send_to(token, "too late");
        assert!(matches!(sent, Err(Error::Stale(of)) if of == token));
        let timer = cx.set_source_timer(token, Duration::ZERO);
        assert!(matches!(timer, Err(Error::Stale(of)) if of == token));
    });
    assert_eq!(world.drive_to_end("near"), "Requested");
    assert_eq!(world.log().of("near").len(), 1, "it hears nothing else");
    assert_eq!(world.drive_to_end("far"), "Eof");
    assert_eq!(world.log().bytes("far"), b"in passing");
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn a_connect_that_fails_after_a_close_says_so_if_bytes_are_lost(world: &mut World) {
    let (_deaf, address) = deaf_port();
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        let token = token.expect("the answer comes later");
        cx.send_to(token, "in vain").expect("there is room");
        cx.close_source(token);
    });
    let why = world.drive_to_end("near");
    assert_eq!(why, "ConnectFailed(ConnectionRefused)");
    assert_eq!(world.log().of("near").len(), 1);
    assert_eq!(world.reactor.buffered(), 0);
    assert_eq!(world.reactor.sources(), 0);
}

pub fn the_reading_side_of_no_connection_yet_cannot_be_shut_down(world: &mut World) {
    let (_, address) = world.listen(
        Probe::new("listener")
            .on_accepted(|_, cx, stream| cx.register(stream, Probe::echo("far")).map(drop)),
    );
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        let token = token.expect("there is room");
        for how in [Shutdown::Read, Shutdown::Both] {
            let refused = cx.shutdown_source(token, how);
            assert!(
                matches!(refused, Err(Error::WrongKind { token: of, .. }) if of == token),
                "{how:?}: {refused:?}"
            );
        }
        let sent = cx.send_to(token, "all is well");
        sent.expect("what was refused has changed nothing");
    });
    world.drive_until("the answer", |world| {
        world.log().bytes("near") == b"all is well"
    });
    assert_eq!(world.log().of("near"), ["connected"]);
}

/// A port of `localhost` at which one family neither makes nor refuses a connection.
struct HalfDeaf {
    answers: TcpListener,
    port: u16,
    _full: Socket,
    _waiting: Vec<Socket>,
}

impl HalfDeaf {
    /// `None` on a system without the second family.
    fn new() -> Option<HalfDeaf> {
        loop {
            let full = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            full.bind(&any.into()).expect("a port is free");
            let address = full.local_addr().expect("it is bound");
            let port = address.as_socket().expect("an IP address").port();
            let answers = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
                Ok(answers) => answers,
                Err(error) if error.kind() == ErrorKind::AddrInUse => continue,
                Err(_) => return None,
            };
            full.listen(0).expect("it is bound");
            let mut waiting = Vec::new();
            // Systems hold a few more than the backlog that they are asked for.
            loop {
                assert!(waiting.len() < 64, "the backlog never gets full");
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("one more");
                let made = socket.connect_timeout(&address, Duration::from_millis(50));
                waiting.push(socket);
                if made.is_err() {
                    break;
                }
            }
            return Some(HalfDeaf {
                answers,
                port,
                _full: full,
                _waiting: waiting,
            });
        }
    }
}

/// Connects to `localhost`, one of whose addresses never answers, and gives how long that took.
fn race(world: &mut World, options: ConnectOptions) -> Option<Duration> {
    let server = HalfDeaf::new()?; // or `localhost` is one address there
    let probe = Probe::new("near").on_connect(|_, cx| cx.send("hello"));
    let start = world.now();
    let token = world.with(|cx| cx.connect_with(("localhost", server.port), options, probe));
    token.expect("there is room");
    world.drive_until("the connection", |world| !world.log().of("near").is_empty());
    assert_eq!(world.log().of("near"), ["connected"]);
    let took = world.now() - start;
    let (stream, _) = server.answers.accept().expect("it has been made");
    let peer = world.adopt(stream);
    world.drive_until_received(peer, "hello");
    world.settle();
    let next = world.reactor.next_timeout();
    assert_eq!(next, None, "no deadline outlives the attempts");
    // It is as good as any, to the end.
    world.send(peer, "an answer");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    assert_eq!(world.log().bytes("near"), b"an answer");
    assert_eq!(world.log().of("near").len(), 3, "connected, end, closed");
    Some(took)
}

pub fn an_address_that_never_answers_costs_the_delay(world: &mut World) {
    const DELAY: Duration = Duration::from_millis(40);
    let options = ConnectOptions::default().with_attempt_delay(DELAY);
    if let Some(took) = race(world, options) {
        assert!(took >= DELAY, "the second address was tried after {took:?}");
    }
}

pub fn an_address_that_never_answers_leaves_time_for_the_next(world: &mut World) {
    const TIMEOUT: Duration = Duration::from_millis(800);
    let options = ConnectOptions::default()
        .with_timeout(Some(TIMEOUT))
        .with_attempt_delay(Duration::MAX);
    if let Some(took) = race(world, options) {
        assert!(took >= TIMEOUT / 2, "it had less than its share: {took:?}");
        assert!(took < TIMEOUT, "the first address had all of {took:?}");
    }
}

pub fn addresses_that_all_refuse_are_one_failure(world: &mut World) {
    let (_deaf, address) = deaf_port();
    let port = address.port();
    let token = world.with(|cx| cx.connect(("localhost", port), Probe::new("near")));
    token.expect("the answer comes later");
    let why = world.drive_to_end("near");
    assert_eq!(why, "ConnectFailed(ConnectionRefused)");
    assert_eq!(world.log().of("near").len(), 1);
    world.settle();
    assert_eq!(world.reactor.next_timeout(), None);
}

pub fn a_pause_does_not_hide_that_nobody_listens(world: &mut World) {
    let (_deaf, address) = deaf_port();
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        cx.pause_source(token.expect("there is room"));
    });
    let why = world.drive_to_end("near");
    assert_eq!(why, "ConnectFailed(ConnectionRefused)");
}
