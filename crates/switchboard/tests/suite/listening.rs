//! Listeners: what they accept, and when they leave a connection in the kernel's queue.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use switchboard::{Error, SourceOptions};

use crate::probe::Probe;
use crate::world::{Peer, World};

/// Registers what it accepts with an echo.
fn echoes() -> Probe {
    Probe::new("listener")
        .on_accepted(|_, cx, stream| cx.register(stream, Probe::echo("near")).map(drop))
}

fn is_echoed(world: &mut World, peer: Peer) {
    world.send(peer, "hello");
    world.drive_until_received(peer, "hello");
}

pub fn at_the_bound_on_sources_new_connections_wait_for_one_to_end(world: &mut World) {
    world.rebuild(|builder| builder.max_sources(2));
    let (_, address) = world.listen(echoes());
    let first = world.dial(address);
    is_echoed(world, first);
    let second = world.dial(address);
    world.send(second, "hello");
    world.settle();
    assert_eq!(world.end(second), None, "it waits");
    world.finish(first);
    world.leave(first);
    world.drive_until_received(second, "hello");
    assert_eq!(world.log().count("listener", "accepted"), 2);
}

/// Waiting for descriptors is looked at again by itself; waiting for a slot must not be, or the
/// connection is accepted, refused and lost.
pub fn a_connection_that_waits_for_a_slot_may_wait_long(world: &mut World) {
    world.rebuild(|builder| builder.max_sources(2));
    let (_, address) = world.listen(echoes());
    let first = world.dial(address);
    is_echoed(world, first);
    let second = world.dial(address);
    let turns = world.elapse(Duration::from_millis(600));
    assert!(turns < 20, "{turns} turns in 600 ms for nothing");
    assert_eq!(world.end(second), None, "it was dropped");
    assert_eq!(world.log().count("listener", "accepted"), 1);
    world.leave(first);
    is_echoed(world, second);
}

/// As a parent's, or that of a new version which takes over.
pub fn a_listener_that_others_have_too_goes_on_without_us(world: &mut World) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let theirs = listener.try_clone().expect("a descriptor is free");
    let listener = listener.try_into().expect("it can be non-blocking");
    let token = world.reactor.listen_on(listener, echoes());
    let token = token.expect("there is room");
    let first = world.dial(address);
    is_echoed(world, first);
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("listener"), "Requested");
    let _second = TcpStream::connect(address).expect("they listen");
    theirs.accept().expect("it is in the queue");
    is_echoed(world, first);
}

/// What nobody has been told of is not ours yet.
pub fn a_connection_that_comes_in_a_pause_is_for_others_too(world: &mut World) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let theirs = listener.try_clone().expect("a descriptor is free");
    let listener = listener.try_into().expect("it can be non-blocking");
    let token = world.reactor.listen_on(listener, echoes());
    let token = token.expect("there is room");
    let first = world.dial(address);
    is_echoed(world, first);
    world.with(|cx| cx.pause_source(token));
    world.settle();
    let waits = TcpStream::connect(address).expect("there is a queue");
    world.settle();
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("listener"), "Requested");
    let (_, from) = theirs.accept().expect("it is in the queue");
    assert_eq!(from, waits.local_addr().expect("it is connected"));
}

pub fn a_listener_waits_too_when_another_source_took_the_last_slot(world: &mut World) {
    world.rebuild(|builder| builder.max_sources(2));
    let (_, address) = world.listen(echoes());
    let (other, _) = world.open(Probe::new("other"));
    let waiting = world.dial(address);
    world.settle();
    assert_eq!(world.end(waiting), None, "it was dropped");
    world.with(|cx| cx.abort_source(other));
    is_echoed(world, waiting);
}

/// The same for the last slot of all, when the listener itself has it.
pub fn a_listener_in_the_last_slot_accepts_nothing(world: &mut World) {
    world.rebuild(|builder| builder.max_sources(2));
    let (other, _) = world.open(Probe::new("other"));
    let (_, address) = world.listen(echoes());
    let waiting = world.dial(address);
    world.settle();
    assert_eq!(world.end(waiting), None, "it was dropped");
    assert!(world.log().of("listener").is_empty());
    world.with(|cx| cx.abort_source(other));
    is_echoed(world, waiting);
}

pub fn localhost_is_every_loopback_address_on_one_port_under_one_token(world: &mut World) {
    let listener = world.reactor.bind("localhost:0").expect("a port is free");
    let locals = listener.locals().expect("it is bound");
    let locals: Vec<SocketAddr> = locals.iter().filter_map(|local| local.ip()).collect();
    // Some systems have one of the families alone.
    let has_both = std::net::TcpListener::bind("[::1]:0").is_ok();
    assert_eq!(locals.len(), if has_both { 2 } else { 1 });
    let port = locals[0].port();
    assert!(port != 0 && locals.iter().all(|local| local.port() == port));
    let token = world.reactor.listen_on(listener, echoes());
    let token = token.expect("there is room");
    assert_eq!(world.reactor.sources(), 1);
    let peers: Vec<Peer> = locals.iter().map(|local| world.dial(*local)).collect();
    for peer in peers {
        is_echoed(world, peer);
    }
    assert_eq!(world.log().count("listener", "accepted"), locals.len());
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("listener"), "Requested");
    for local in locals {
        assert!(world.refuses(local));
    }
}

pub fn a_port_that_is_taken_is_an_error(world: &mut World) {
    let (_, address) = world.listen(echoes());
    match world.reactor.listen(address, Probe::new("second")) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.reactor.sources(), 1);
    let peer = world.dial(address);
    is_echoed(world, peer);
}

/// Otherwise whoever listens on all addresses could have only one of the two.
pub fn all_ipv6_addresses_leave_the_ipv4_port_free(world: &mut World) {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return; // a system without IPv6 has nothing to leave free
    }
    // By chance somebody else may have that port.
    let both = (0..16).any(|_| {
        let ipv6 = world.reactor.bind("[::]:0").expect("a port is free");
        let address = ipv6.local().expect("it is bound").ip();
        let port = address.expect("it is an IP address").port();
        let ipv4 = world.reactor.listen(("0.0.0.0", port), echoes());
        let ipv6 = world.reactor.listen_on(ipv6, echoes());
        ipv4.is_ok() && ipv6.is_ok()
    });
    assert!(both, "the port is taken on IPv4 every time");
}

/// A port that nobody else is given while the socket lives, though it can be listened on.
///
/// (On Windows there is no such socket: somebody else may take the port before us.)
fn reserved_port() -> (Option<Socket>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    socket.set_reuse_address(true).expect("a socket can");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    let address = address.as_socket().expect("it is an IP address");
    (cfg!(unix).then_some(socket), address)
}

pub fn a_running_loop_can_listen(world: &mut World) {
    let (_reserved, address) = reserved_port();
    let named = format!("localhost:{}", address.port());
    let (_, peer) = world.open(Probe::new("near").on_read(move |log, cx| {
        cx.recv(usize::MAX);
        let token = cx.listen(named.as_str(), echoes())?;
        assert!(cx.is_open(token));
        log.note("asked");
        Ok(())
    }));
    world.send(peer, "listen");
    world.drive_until("the call", |world| world.log().has("near", "asked"));
    world.settle();
    let client = world.dial(address);
    is_echoed(world, client);
}

pub fn a_running_loop_that_cannot_listen_is_told_why(world: &mut World) {
    let (_, address) = world.listen(echoes());
    world.with(|cx| {
        cx.listen(address, Probe::new("taken"))
            .expect("it is found out later");
        cx.listen("nobody.invalid:0", Probe::new("unknown"))
            .expect("it is found out later");
    });
    assert_eq!(world.drive_to_end("taken"), "Io(AddrInUse)");
    let why = world.drive_to_end("unknown");
    assert!(why.starts_with("Io("), "{why}");
    assert_eq!(world.reactor.sources(), 1);
    let peer = world.dial(address);
    is_echoed(world, peer);
}

pub fn a_listener_that_was_closed_before_it_was_there_accepts_nothing(world: &mut World) {
    let (_reserved, address) = reserved_port();
    world.with(|cx| {
        let token = cx.listen(address, echoes()).expect("there is room");
        cx.close_source(token);
    });
    world.settle();
    assert_eq!(world.log().of("listener"), ["closed Requested"]);
    assert_eq!(world.reactor.sources(), 0);
    assert!(world.refuses(address));
}

pub fn a_paused_listener_leaves_connections_in_the_queue(world: &mut World) {
    let (_reserved, address) = reserved_port();
    // Looked up as names are, so that it is paused before it is there.
    let name = format!("127.1:{}", address.port());
    let token = world.with(|cx| {
        let token = cx.listen(name, echoes()).expect("there is room");
        cx.pause_source(token);
        token
    });
    world.drive_until("a listener", |_| TcpStream::connect(address).is_ok());
    let peer = world.dial(address);
    world.settle();
    assert!(world.log().all().is_empty());
    world.with(|cx| cx.resume_source(token));
    is_echoed(world, peer);
    let before = world.log().count("listener", "accepted");
    world.with(|cx| cx.pause_source(token));
    let second = world.dial(address);
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    assert_eq!(world.log().count("listener", "accepted"), before);
    world.with(|cx| cx.resume_source(token));
    is_echoed(world, second);
}

pub fn a_burst_of_connections_is_accepted_over_several_ticks(world: &mut World) {
    let (_, address) = world.listen(echoes());
    let peers: Vec<Peer> = (0..300).map(|_| world.dial(address)).collect();
    world.turn(Duration::ZERO).expect("a turn goes well");
    let accepted = world.log().count("listener", "accepted");
    assert!((1..300).contains(&accepted), "{accepted} in one tick");
    world.drive_until("the others", |world| {
        world.log().count("listener", "accepted") == 300
    });
    is_echoed(world, peers[0]);
    is_echoed(world, peers[299]);
}

pub fn the_bounds_of_a_connection_do_not_fit_a_listener(world: &mut World) {
    let (token, _) = world.listen(echoes());
    let options = SourceOptions::default().with_idle_timeout(Duration::from_millis(1));
    let refused = world.with(|cx| cx.set_source_options(token, options));
    assert!(matches!(refused, Err(Error::WrongKind { token: t, .. }) if t == token));
    world.elapse(Duration::from_millis(10));
    assert!(world.with(|cx| cx.is_open(token)), "it goes on");
}
