//! UDP sockets: datagrams come whole or say that they are cut, and a socket outlives what goes
//! wrong with one of them.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket as SystemSocket};

use switchboard::{Address, Error, MulticastInterface, Token, UdpSocket};

use crate::probe::{Log, Probe};
use crate::world::World;

/// A socket of the world on a free port of the loopback network.
fn socket(world: &mut World) -> (UdpSocket, Address) {
    let socket = world.reactor.bind_udp("127.0.0.1:0");
    let socket = socket.expect("a port is free");
    let address = socket.local().expect("it is bound");
    (socket, address)
}

/// The same, registered.
pub fn open(world: &mut World, probe: Probe) -> (Token, Address) {
    let (socket, address) = socket(world);
    (register(world, socket, probe), address)
}

fn register(world: &mut World, socket: UdpSocket, probe: Probe) -> Token {
    let token = world.reactor.register_udp(socket, probe);
    token.expect("there is room for it")
}

pub fn send(world: &mut World, from: Token, to: &Address, bytes: impl AsRef<[u8]>) {
    let sent = world.with(|cx| cx.send_datagram_to(from, bytes.as_ref(), to));
    sent.expect("there is room for it");
}

/// Drives until `name` has got so many datagrams.
#[track_caller]
pub fn drive_until_got(world: &mut World, name: &'static str, count: usize) {
    world.drive_until("the datagrams", |world| {
        got(world.log(), name).len() >= count
    });
}

/// What `name` has got.
pub fn got<'a>(log: &'a Log, name: &str) -> Vec<&'a str> {
    let notes = log.of(name).into_iter();
    notes.filter_map(|note| note.strip_prefix("got ")).collect()
}

pub fn a_datagram_comes_whole_with_its_sender_and_can_be_answered(world: &mut World) {
    let echo = Probe::new("server").on_datagram(|log, cx, bytes| {
        let from = log.from.clone().expect("it was noted");
        cx.send_datagram(bytes, from)
    });
    let (_, server) = open(world, echo);
    let (client, address) = open(world, Probe::new("client"));
    send(world, client, &server, "question");
    drive_until_got(world, "client", 1);
    assert_eq!(got(world.log(), "server"), ["\"question\""]);
    assert_eq!(got(world.log(), "client"), ["\"question\""]);
    assert_eq!(world.log().from, Some(server));
    assert_ne!(world.log().from, Some(address));
}

pub fn an_empty_datagram_is_one(world: &mut World) {
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    send(world, client, &server, "");
    send(world, client, &server, "x");
    drive_until_got(world, "server", 2);
    assert_eq!(got(world.log(), "server"), ["\"\"", "\"x\""]);
}

pub fn a_datagram_that_is_longer_than_wanted_says_that_it_is_cut(world: &mut World) {
    let (mut near, server) = socket(world);
    near.set_longest(4);
    register(world, near, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    for bytes in ["abc", "abcd", "abcde", "ab"] {
        send(world, client, &server, bytes);
    }
    drive_until_got(world, "server", 4);
    let expected = ["\"abc\"", "\"abcd\"", "\"abcd\", cut", "\"ab\""];
    assert_eq!(got(world.log(), "server"), expected);
}

pub fn many_datagrams_keep_their_boundaries_and_their_order(world: &mut World) {
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    let all: Vec<String> = (0..100).map(|n| format!("{n}").repeat(n % 50)).collect();
    for text in &all {
        send(world, client, &server, text);
    }
    drive_until_got(world, "server", all.len());
    let expected: Vec<String> = all.iter().map(|text| format!("{text:?}")).collect();
    assert_eq!(got(world.log(), "server"), expected);
}

pub fn a_flood_lets_others_have_their_turn(world: &mut World) {
    let (_, flooded) = open(world, Probe::new("flooded"));
    let (_, quiet) = open(world, Probe::new("quiet"));
    let (client, _) = open(world, Probe::new("client"));
    for _ in 0..100 {
        send(world, client, &flooded, "flood");
    }
    send(world, client, &quiet, "me");
    drive_until_got(world, "flooded", 100);
    let notes = world.log().all();
    let turn = notes.iter().position(|(name, _)| *name == "quiet");
    assert!(turn.is_some_and(|turn| turn < 90), "{turn:?}");
}

pub fn what_is_left_of_a_batch_in_a_pause_comes_when_it_is_resumed(world: &mut World) {
    let pauses = Probe::new("server").on_datagram(|_, cx, _| {
        cx.pause_reading();
        Ok(())
    });
    let (token, server) = open(world, pauses);
    let (client, _) = open(world, Probe::new("client"));
    for n in 0..5 {
        send(world, client, &server, n.to_string());
    }
    for n in 1..=5 {
        drive_until_got(world, "server", n);
        world.settle();
        assert_eq!(got(world.log(), "server").len(), n);
        world.with(|cx| cx.resume_source(token));
    }
    let expected = ["\"0\"", "\"1\"", "\"2\"", "\"3\"", "\"4\""];
    assert_eq!(got(world.log(), "server"), expected);
    send(world, client, &server, "5");
    drive_until_got(world, "server", 6);
}

pub fn a_socket_closed_by_its_handler_hears_nothing_more(world: &mut World) {
    let closes = Probe::new("server").on_datagram(|_, cx, _| {
        cx.close();
        Ok(())
    });
    let (token, server) = open(world, closes);
    let (client, _) = open(world, Probe::new("client"));
    for n in 0..5 {
        send(world, client, &server, n.to_string());
    }
    assert_eq!(world.drive_to_end("server"), "Requested");
    // The slot is another socket's now.
    let (next, _) = open(world, Probe::new("next"));
    assert!(!world.with(|cx| cx.is_open(token)) && world.with(|cx| cx.is_open(next)));
    world.settle();
    assert_eq!(got(world.log(), "server"), ["\"0\""]);
    assert!(world.log().of("next").is_empty());
}

pub fn an_error_of_the_handler_ends_with_its_datagram(world: &mut World) {
    let picky = Probe::new("server").on_datagram(|_, _, bytes| match &bytes[..] {
        b"bad" => Err("this is no question".into()),
        _ => Ok(()),
    });
    let (_, server) = open(world, picky);
    let (client, _) = open(world, Probe::new("client"));
    send(world, client, &server, "bad");
    send(world, client, &server, "good");
    drive_until_got(world, "server", 2);
    let notes = ["got \"bad\"", "error this is no question", "got \"good\""];
    assert_eq!(world.log().of("server"), notes);
}

pub fn a_panic_of_the_handler_closes_the_socket(world: &mut World) {
    let panics = Probe::new("server").on_datagram(|_, _, _| panic!("a bug"));
    let (_, server) = open(world, panics);
    let (client, _) = open(world, Probe::new("client"));
    send(world, client, &server, "one");
    send(world, client, &server, "two");
    assert_eq!(world.drive_to_end("server"), "Panicked(a bug)");
    assert_eq!(got(world.log(), "server").len(), 1);
    assert!(world.with(|cx| cx.is_open(client)));
}

pub fn a_handler_without_the_method_is_told_so(world: &mut World) {
    struct Silent;
    impl switchboard::Handler<Log> for Silent {
        fn handle_error(
            &mut self,
            log: &mut Log,
            _: &mut switchboard::Context<'_, Log>,
            error: &Error,
        ) {
            log.note_of("silent", error);
        }
    }
    let (near, server) = socket(world);
    world
        .reactor
        .register_udp(near, Silent)
        .expect("there is room");
    let (client, _) = open(world, Probe::new("client"));
    send(world, client, &server, "hello");
    world.drive_until("the error", |world| !world.log().of("silent").is_empty());
    let text = "the handler does not implement handle_datagram";
    assert_eq!(world.log().of("silent"), [text]);
}

pub fn a_datagram_that_is_too_long_is_refused_at_once(world: &mut World) {
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    let bytes = vec![b'x'; 65_508];
    let refused = world.with(|cx| cx.send_datagram_to(client, &bytes, &server));
    let error = refused.expect_err("UDP carries 65,507 bytes");
    let (len, limit) = (65_508, 65_507);
    assert!(
        matches!(error, Error::DatagramTooLarge { len: l, limit: m } if (l, m) == (len, limit)),
        "{error}"
    );
    send(world, client, &server, &bytes[1..]);
    drive_until_got(world, "server", 1);
    assert_eq!(got(world.log(), "server")[0].len(), limit + 2);
}

pub fn a_datagram_that_cannot_be_sent_is_told_and_the_others_go_out(world: &mut World) {
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    // The socket is an IPv4 one.
    let nowhere = Address::from(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9)));
    send(world, client, &server, "one");
    send(world, client, &nowhere, "two");
    send(world, client, &server, "three");
    drive_until_got(world, "server", 2);
    assert_eq!(got(world.log(), "server"), ["\"one\"", "\"three\""]);
    let errors = world.log().of("client");
    let [error] = &errors[..] else {
        panic!("one error is told, not {errors:?}");
    };
    let start = "error a datagram to [::1]:9 was not delivered: ";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(world.reactor.buffered(), 0);
    assert!(world.with(|cx| cx.is_open(client)));
}

pub fn one_that_answers_every_failure_with_another_does_not_hold_the_loop(world: &mut World) {
    let nowhere = Address::from(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9)));
    let to = nowhere.clone();
    let stubborn = Probe::new("client").on_error(move |_, cx| cx.send_datagram("again", &to));
    let (client, _) = open(world, stubborn);
    send(world, client, &nowhere, "first");
    for _ in 0..5 {
        let before = world.log().all().len();
        world
            .turn(std::time::Duration::ZERO)
            .expect("a turn goes well");
        assert!(world.log().all().len() <= before + 3);
    }
    assert!(world.log().all().len() >= 3, "it goes on in the next tick");
}

pub fn what_is_sent_before_a_close_goes_out(world: &mut World) {
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    send(world, client, &server, "the last words");
    world.with(|cx| cx.close_source(client));
    let refused = world.with(|cx| cx.send_datagram_to(client, "more", &server));
    assert!(matches!(refused, Err(Error::Stale(_))));
    assert_eq!(world.drive_to_end("client"), "Requested");
    drive_until_got(world, "server", 1);
    assert_eq!(got(world.log(), "server"), ["\"the last words\""]);
}

pub fn what_is_sent_before_the_socket_is_bound_goes_out_first(world: &mut World) {
    let (_, server) = open(world, Probe::new("server"));
    let name = world.name();
    let bound = world.with(|cx| {
        let client = cx.listen_udp((name, 0), Probe::new("client"))?;
        cx.send_datagram_to(client, "one", &server)?;
        let brief = cx.listen_udp("127.0.0.1:0", Probe::new("brief"))?;
        cx.send_datagram_to(brief, "from one that is closed", &server)?;
        cx.close_source(brief);
        Ok::<Token, Error>(client)
    });
    let client = bound.expect("there is room for them");
    drive_until_got(world, "server", 2);
    assert_eq!(world.drive_to_end("brief"), "Requested");
    send(world, client, &server, "two");
    drive_until_got(world, "server", 3);
    assert!(world.log().has("server", "got \"from one that is closed\""));
    assert_eq!(world.log().of("server").last(), Some(&"got \"two\""));
}

pub fn a_port_that_is_taken_ends_the_source(world: &mut World) {
    let (_, server) = open(world, Probe::new("server"));
    let taken = server.ip().expect("it is an IP address");
    let error = world.reactor.bind_udp(taken).expect_err("it is taken");
    let text = format!("cannot bind a UDP socket to {taken}: ");
    assert!(error.to_string().starts_with(&text), "{error}");
    let late = world.with(|cx| cx.listen_udp(taken, Probe::new("late")));
    late.expect("the reason comes later");
    assert_eq!(world.drive_to_end("late"), "Io(AddrInUse)");
}

pub fn a_connected_socket_speaks_to_its_peer_alone(world: &mut World) {
    let (mut near, here) = socket(world);
    let (friend, there) = open(world, Probe::new("friend"));
    let (stranger, _) = open(world, Probe::new("stranger"));
    near.connect(&there)
        .expect("it is an address of its family");
    let near = register(world, near, Probe::new("near"));
    send(world, stranger, &here, "from a stranger");
    send(world, friend, &here, "from a friend");
    let sent = world.with(|cx| cx.send_to(near, "hello, friend"));
    sent.expect("there is room for it");
    drive_until_got(world, "friend", 1);
    world.settle();
    assert_eq!(got(world.log(), "near"), ["\"from a friend\""]);
    assert_eq!(got(world.log(), "friend"), ["\"hello, friend\""]);
}

pub fn a_refusal_is_told_and_the_socket_goes_on(world: &mut World) {
    let (gone, there) = socket(world);
    drop(gone);
    world.settle();
    let (mut near, here) = socket(world);
    near.connect(&there)
        .expect("it is an address of its family");
    let near = register(world, near, Probe::new("near"));
    let sent = world.with(|cx| cx.send_to(near, "anybody?"));
    sent.expect("there is room for it");
    world.drive_until("the refusal", |world| !world.log().of("near").is_empty());
    let note = world.log().of("near")[0].to_owned();
    let start = "error a datagram was not delivered: ";
    assert!(
        note.starts_with(start) && note.contains(if cfg!(windows) { "10054" } else { "refused" }),
        "{note}"
    );
    // Somebody comes.
    let there = there.ip().expect("it is an IP address");
    let peer = world.reactor.bind_udp(there).expect("the port is free");
    let peer = register(world, peer, Probe::new("peer"));
    let sent = world.with(|cx| cx.send_to(near, "now?"));
    sent.expect("there is room for it");
    drive_until_got(world, "peer", 1);
    assert_eq!(got(world.log(), "peer"), ["\"now?\""]);
    send(world, peer, &here, "yes");
    drive_until_got(world, "near", 1);
    assert_eq!(world.log().of("near").len(), 2, "one refusal, one answer");
}

pub fn a_shutdown_sends_what_waits(world: &mut World) {
    let peer = world.server();
    drop(peer);
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    send(world, client, &server, "goodbye");
    world.reactor.shutdown_handle().shutdown();
    assert_eq!(world.drive_to_end("client"), "Shutdown");
    assert_eq!(world.drive_to_end("server"), "Shutdown");
    assert!(world.reactor.is_done());
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn datagrams_are_for_datagram_sockets_only(world: &mut World) {
    let (stream, _) = world.open(Probe::new("stream"));
    let (_, server) = open(world, Probe::new("server"));
    let refused = world.with(|cx| cx.send_datagram_to(stream, "x", &server));
    assert!(matches!(refused, Err(Error::WrongKind { .. })));
    let (gone, _) = open(world, Probe::new("gone"));
    world.with(|cx| cx.abort_source(gone));
    world.drive_to_end("gone");
    let refused = world.with(|cx| cx.send_datagram_to(gone, "x", &server));
    assert!(matches!(refused, Err(Error::Stale(_))));
}

pub fn a_group_on_the_loopback_interface_gets_what_is_sent_to_it(world: &mut World) {
    let group = Ipv4Addr::new(239, 255, 77, 7);
    let loopback = MulticastInterface::Address(Ipv4Addr::LOCALHOST);
    let first = UdpSocket::bind_shared("0.0.0.0:0").expect("a port is free");
    let port = first.local().expect("it is bound");
    let port = port.ip().expect("it is an IP address").port();
    let second = UdpSocket::bind_shared(("0.0.0.0", port)).expect("the port is shared");
    for member in [&first, &second] {
        let joined = member.join_multicast(group.into(), loopback);
        joined.expect("the loopback interface takes members");
        let again = member.join_multicast(group.into(), loopback);
        assert!(again.is_err(), "it is a member already");
    }
    second
        .leave_multicast(group.into(), loopback)
        .expect("it was a member");
    second
        .join_multicast(group.into(), loopback)
        .expect("it can come back");
    register(world, first, Probe::new("first"));
    register(world, second, Probe::new("second"));
    let (sender, _) = socket(world);
    sender
        .set_multicast_interface(loopback)
        .expect("it is ours");
    sender.set_multicast_ttl(1).expect("it is a socket");
    sender.set_multicast_loop(true).expect("it is a socket");
    sender.set_ttl(8).expect("it is a socket");
    let sender = register(world, sender, Probe::new("sender"));
    let to = Address::from(SocketAddr::from((group, port)));
    send(world, sender, &to, "to all members");
    drive_until_got(world, "first", 1);
    drive_until_got(world, "second", 1);
}

pub fn a_broadcast_has_to_be_allowed(world: &mut World) {
    let near = UdpSocket::bind("0.0.0.0:0").expect("a port is free");
    let local = near.local().expect("it is bound");
    let port = local.ip().expect("it is an IP address").port();
    register(world, near, Probe::new("server"));
    let all = Address::from(SocketAddr::from(([127, 255, 255, 255], port)));
    let (forbidden, _) = open(world, Probe::new("forbidden"));
    send(world, forbidden, &all, "may I?");
    world.drive_until("the error", |world| !world.log().of("forbidden").is_empty());
    let (allowed, _) = socket(world);
    allowed.set_broadcast(true).expect("it is a socket");
    let allowed = register(world, allowed, Probe::new("allowed"));
    send(world, allowed, &all, "hear me");
    drive_until_got(world, "server", 1);
    assert_eq!(got(world.log(), "server"), ["\"hear me\""]);
}

pub fn a_socket_of_the_standard_library_can_be_registered(world: &mut World) {
    let near = SystemSocket::bind("127.0.0.1:0").expect("a port is free");
    let address = near.local_addr().expect("it is bound");
    let near = UdpSocket::try_from(near).expect("it can be non-blocking");
    #[cfg(unix)]
    assert!(near.as_fd().is_some());
    #[cfg(windows)]
    assert!(near.as_socket().is_some());
    near.set_buffers(8192, 8192).expect("it is a socket");
    register(world, near, Probe::new("near"));
    let far = SystemSocket::bind("127.0.0.1:0").expect("a port is free");
    far.send_to(b"hello", address).expect("it is there");
    drive_until_got(world, "near", 1);
}
