//! Connections that the reactor makes: from an address or a name to `handle_connect`, or to the
//! reason why there is no connection.

use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use switchboard::{ConnectOptions, Error, Token};

use crate::peers::{End, Server};
use crate::probe::{Log, Probe};
use crate::world::{World, pattern};

/// A port on which nobody listens, and nobody can while the socket lives.
pub fn deaf_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    (socket, address.as_socket().expect("it is an IP address"))
}

/// A server that takes no further connection, so that new ones are neither made nor refused.
struct FullServer {
    address: SocketAddr,
    listener: Socket,
    waiting: Vec<Socket>,
}

impl FullServer {
    fn new() -> FullServer {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any.into()).expect("a port is free");
        listener.listen(0).expect("it is bound");
        let address = listener.local_addr().expect("it is bound");
        let mut waiting = Vec::new();
        // Systems hold a few more than the backlog that they are asked for.
        while connects(&address, &mut waiting) {
            assert!(waiting.len() < 64, "the backlog never gets full");
        }
        FullServer {
            address: address.as_socket().expect("it is an IP address"),
            listener,
            waiting,
        }
    }

    /// Has room again, for whoever has kept trying.
    fn into_server(self) -> Server {
        drop(self.waiting);
        TcpListener::from(self.listener).into()
    }
}

/// Whether one more connection is made within a short time. It stays, either way.
fn connects(address: &socket2::SockAddr, waiting: &mut Vec<Socket>) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    let connected = socket.connect_timeout(address, Duration::from_millis(50));
    waiting.push(socket);
    connected.is_ok()
}

pub fn what_is_sent_before_the_connection_is_there_goes_out_first(world: &mut World) {
    let mut listener = world.server();
    let address = listener.address();
    let probe = Probe::new("near").on_connect(|_, cx| cx.send("then this"));
    world.with(|cx| {
        let token = cx.connect(address, probe).expect("there is room");
        cx.send_to(token, "first this, ").expect("there is room");
        assert_eq!(cx.source_outbox_len(token), 12);
        assert!(cx.is_open(token));
    });
    let peer = world.accept(&mut listener);
    world.drive_until_received(peer, "first this, then this");
    world.send(peer, "an answer");
    world.settle();
    assert_eq!(world.log().bytes("near"), b"an answer");
    assert_eq!(world.log().of("near"), ["connected"]);
}

pub fn a_refused_connection_says_so(world: &mut World) {
    let (_socket, address) = deaf_port();
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        let token = token.expect("the answer comes later");
        cx.send_to(token, "in vain").expect("there is room");
    });
    let why = world.drive_to_end("near");
    assert_eq!(why, "ConnectFailed(ConnectionRefused)");
    assert_eq!(world.log().of("near").len(), 1);
    assert_eq!(world.reactor.buffered(), 0);
    assert_eq!(world.reactor.sources(), 0);
}

/// The one thread for jobs is busy all the time, and the loop waits for nobody: so both the name's
/// end and the other connection's answer come before the job is let go.
pub fn the_loop_goes_on_while_an_unknown_name_is_looked_up(world: &mut World) {
    world.rebuild(|builder| builder.threads(1));
    let (go_on, gate) = mpsc::channel::<()>();
    let mut gate = Some(gate);
    let probe = Probe::new("busy").on_read(move |_, cx| {
        cx.recv(usize::MAX);
        let gate = gate.take().expect("it is asked once");
        cx.offload(move || gate.recv().is_ok()).map(drop)
    });
    let (_, busy) = world.open(probe);
    let (_, other) = world.open(Probe::echo("other"));
    world.send(busy, "work");
    world.settle();
    let token = world.with(|cx| cx.connect("nobody.invalid:80", Probe::new("near")));
    token.expect("a name is not known to be wrong yet");
    world.settle();
    world.send(other, "still there?");
    world.drive_until_received(other, "still there?");
    let why = world.drive_to_end("near");
    assert!(why.starts_with("ConnectFailed("), "{why}");
    assert_eq!(world.log().of("near").len(), 1);
    go_on.send(()).expect("the job waits for it");
}

pub fn an_unanswered_connection_ends_at_its_deadline(world: &mut World) {
    let server = FullServer::new();
    let options = ConnectOptions::default().with_timeout(Some(Duration::from_millis(40)));
    let start = world.now();
    let token = world.with(|cx| cx.connect_with(server.address, options, Probe::new("near")));
    token.expect("there is room");
    assert_eq!(world.drive_to_end("near"), "TimedOut(Connect)");
    let took = world.now() - start;
    assert!(took >= Duration::from_millis(40), "only {took:?}");
    assert_eq!(world.log().of("near").len(), 1);
}

pub fn the_deadline_ends_with_the_attempt(world: &mut World) {
    const LARGE: usize = 16 * 1024 * 1024; // more than the network holds
    world.with_options(|options| options.with_watermarks(LARGE, LARGE));
    let mut listener = world.server();
    let address = listener.address();
    let options = ConnectOptions::default().with_timeout(Some(Duration::from_millis(30)));
    let token = world.with(|cx| cx.connect_with(address, options, Probe::new("near")));
    let token = token.expect("there is room");
    let peer = world.accept(&mut listener);
    world.drive_until("it", |world| world.log().has("near", "connected"));
    world.set_reads(peer, false);
    world.with(|cx| {
        cx.send_to(token, pattern(LARGE)).expect("there is room");
        cx.close_source(token); // has a deadline of its own
    });
    world.elapse(Duration::from_millis(60));
    assert_eq!(world.log().of("near"), ["connected"]);
    world.set_reads(peer, true);
    world.drive_until_received(peer, pattern(LARGE));
    world.leave(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
}

/// The addresses of a name are tried one after the other, so a server that listens on one of
/// them is found, whichever it is.
pub fn localhost_finds_a_server_of_either_family(world: &mut World) {
    let families = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    // Some systems have one of the families alone.
    let servers = families.map(|ip| world.server_on(ip));
    assert!(
        servers.iter().any(Option::is_some),
        "there is no loopback network"
    );
    for mut listener in servers.into_iter().flatten() {
        let port = listener.address().port();
        let connected = world.log().count("near", "connected");
        let probe = Probe::new("near").on_connect(|_, cx| cx.send("hello"));
        let token = world.with(|cx| cx.connect(("localhost", port), probe));
        token.expect("there is room");
        let peer = world.accept(&mut listener);
        world.drive_until_received(peer, "hello");
        assert_eq!(world.log().count("near", "connected"), connected + 1);
        world.leave(peer);
        world.drive_to_end("near");
    }
}

pub fn a_malformed_address_is_an_error_at_once(world: &mut World) {
    for address in [
        "",
        "localhost",
        ":80",
        "localhost:",
        "localhost:http",
        "localhost:65536",
        "::1:80",
        "[::1:80",
    ] {
        let outcome = world.with(|cx| cx.connect(address, Probe::new("near")));
        assert!(
            matches!(outcome, Err(Error::BadAddress(_))),
            "{address:?}: {outcome:?}"
        );
        let outcome = world.reactor.listen(address, Probe::new("near"));
        assert!(matches!(outcome, Err(Error::BadAddress(_))), "{address:?}");
    }
    assert_eq!(world.reactor.sources(), 0);
    world.settle();
    assert!(world.log().all().is_empty());
}

/// The connection may be made in the same moment; whoever has closed it hears no more of that.
fn assert_ends_silently(world: &mut World, address: &str, end: fn(&mut World, Token), why: &str) {
    let start = world.log().all().len();
    let token = world.with(|cx| cx.connect(address, Probe::new("near")));
    end(world, token.expect("there is room"));
    world.settle();
    let notes = &world.log().all()[start..];
    let expected = ("near", format!("closed {why}"));
    assert_eq!(notes, [expected], "{address}");
    assert_eq!(world.reactor.sources(), 0);
}

pub fn a_connection_that_is_closed_before_it_is_there_only_ends(world: &mut World) {
    let listener = world.server();
    let quick = listener.address();
    let full = FullServer::new();
    let named = format!("127.1:{}", quick.port()); // looked up as names are
    for address in [quick.to_string(), full.address.to_string(), named] {
        let close = |world: &mut World, token| world.with(|cx| cx.close_source(token));
        assert_ends_silently(world, &address, close, "Requested");
        let abort = |world: &mut World, token| world.with(|cx| cx.abort_source(token));
        assert_ends_silently(world, &address, abort, "Aborted");
    }
    drop(listener);
}

pub fn what_is_asked_and_taken_back_in_one_call_only_ends(world: &mut World) {
    let mut listener = world.server();
    let address = listener.address();
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        cx.abort_source(token.expect("there is room"));
    });
    world.settle();
    assert_eq!(world.log().of("near"), ["closed Aborted"]);
    if let Some(stream) = listener.accept() {
        let peer = world.adopt(stream);
        world.settle();
        assert!(world.end(peer).is_some(), "the socket is closed");
    }
}

pub fn a_pause_before_the_connection_is_there_holds(world: &mut World) {
    let mut listener = world.server();
    let address = listener.address();
    let name = world.name();
    let token = world.with(|cx| {
        let token = cx
            .connect((name, address.port()), Probe::new("near"))
            .expect("there is room");
        cx.pause_source(token);
        token
    });
    let peer = world.accept(&mut listener);
    world.send(peer, "early");
    world.settle();
    assert_eq!(world.log().of("near"), ["connected"]);
    assert_eq!(world.log().bytes("near"), b"");
    world.with(|cx| cx.resume_source(token));
    world.drive_until("the bytes", |world| world.log().bytes("near") == b"early");
}

pub fn a_pause_does_not_stop_the_attempt(world: &mut World) {
    let mut listener = world.server();
    let address = listener.address(); // not a name, whose look-up comes before the attempt
    let token = world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        let token = token.expect("there is room");
        cx.pause_source(token);
        token
    });
    let peer = world.accept(&mut listener);
    world.send(peer, "early");
    world.settle();
    assert_eq!(world.log().of("near"), ["connected"]);
    assert_eq!(world.log().bytes("near"), b"");
    world.with(|cx| cx.resume_source(token));
    world.drive_until("the bytes", |world| world.log().bytes("near") == b"early");
}

pub fn our_side_can_be_shut_down_before_the_connection_is_there(world: &mut World) {
    let mut listener = world.server();
    let address = listener.address();
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        let token = token.expect("there is room");
        cx.send_to(token, "a question").expect("there is room");
        cx.shutdown_source(token, Shutdown::Write).expect("it can");
    });
    let peer = world.accept(&mut listener);
    world.drive_until("our end", |world| world.end(peer).is_some());
    assert_eq!(world.end(peer), Some(End::Finished));
    world.assert_received(peer, "a question");
    world.send(peer, "an answer");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    assert_eq!(world.log().bytes("near"), b"an answer");
}

/// Whoever only has something to say need not wait for the connection.
pub fn what_is_sent_before_a_close_goes_out_once_connected(world: &mut World) {
    let mut listener = world.server();
    let address = listener.address();
    world.with(|cx| {
        let token = cx.connect(address, Probe::new("near"));
        let token = token.expect("there is room");
        cx.send_to(token, "the news").expect("there is room");
        cx.close_source(token);
        assert!(!cx.is_open(token));
        assert!(cx.send_to(token, "late").is_err());
    });
    let peer = world.accept(&mut listener);
    world.drive_until("our end", |world| world.end(peer).is_some());
    world.assert_received(peer, "the news");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    assert_eq!(world.log().of("near").len(), 1);
}

/// Large bytes that go on as they came are not in the outbox yet when `close` is called.
pub fn what_is_forwarded_before_a_close_goes_out_once_connected(world: &mut World) {
    let mut listener = world.server();
    let address = listener.address();
    let mut rest = 8192;
    let (_, source) = world.open(Probe::new("source").on_read(move |_, cx| {
        let data = cx.recv(usize::MAX);
        let next = cx.connect(address, Probe::new("near"))?;
        cx.send_to(next, data)?;
        cx.close_source(next);
        rest -= data.len();
        assert_eq!(rest, 0, "it comes in one piece");
        Ok(())
    }));
    world.send_at_once(source, pattern(8192));
    let peer = world.accept(&mut listener);
    world.drive_until("our end", |world| world.end(peer).is_some());
    world.assert_received(peer, pattern(8192));
    world.leave(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
}

/// The network tries again after a second, and that is not too late for anything.
pub fn a_connection_that_takes_long_is_as_good_as_any(world: &mut World) {
    world.with_options(|options| options.with_idle_timeout(Duration::from_millis(30)));
    let server = FullServer::new();
    world.with(|cx| {
        let token = cx.connect(server.address, Probe::new("near"));
        let token = token.expect("there is room");
        cx.send_to(token, "early").expect("there is room");
    });
    world.elapse(Duration::from_millis(60));
    assert!(world.log().all().is_empty(), "it is not idle, it connects");
    let mut listener = server.into_server();
    // Those that had been waiting before come first.
    loop {
        let peer = world.accept(&mut listener);
        world.settle();
        if world.received(peer) == b"early" {
            break;
        }
    }
    assert_eq!(world.drive_to_end("near"), "TimedOut(Idle)");
    assert_eq!(world.log().of("near")[0], "connected");
}

/// How a client reconnects: the end of one connection asks for the next.
pub fn handle_close_can_connect_again(world: &mut World) {
    fn client(address: SocketAddr, left: usize) -> Probe {
        Probe::new("near").on_close(move |_: &mut Log, cx| match left {
            0 => Ok(()),
            _ => cx.connect(address, client(address, left - 1)).map(drop),
        })
    }
    let mut listener = world.server();
    let address = listener.address();
    let token = world.with(|cx| cx.connect(address, client(address, 3)));
    token.expect("there is room");
    for made in 1..=4 {
        let peer = world.accept(&mut listener);
        world.drive_until("it", |world| world.log().count("near", "connected") == made);
        world.leave(peer);
    }
    world.drive_until("the last end", |world| world.reactor.sources() == 0);
    assert_eq!(world.log().count("near", "closed Eof"), 4);
}

/// The options of a connection hold for one that the reactor makes, too.
pub fn a_connection_that_is_made_can_be_idle_for_too_long(world: &mut World) {
    world.with_options(|options| options.with_idle_timeout(Duration::from_millis(30)));
    let mut listener = world.server();
    let address = listener.address();
    let token = world.with(|cx| cx.connect(address, Probe::new("near")));
    token.expect("there is room");
    world.accept(&mut listener);
    assert_eq!(world.drive_to_end("near"), "TimedOut(Idle)");
    assert_eq!(world.log().of("near")[0], "connected");
}
