//! How connections begin to speak TLS, how that fails, and what a server's certificates have to do
//! with it.

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use switchboard::tls::rustls::version::TLS13;
use switchboard::tls::{Client, ClientOptions, Server, ServerOptions};
use switchboard::{ConnectOptions, Error};

use crate::certificates::{
    NAME, OTHER_NAME, Wire, authority, client, client_options, server, server_options, stranger,
};
use crate::probe::Probe;
use crate::secured::{connect, listen, open};
use crate::world::World;

/// Both ends in one reactor; why each of them has ended.
fn meet(world: &mut World, server: &Server, client: &Client) -> (String, String) {
    let address = listen(world, server, || Probe::echo("server"));
    let probe = Probe::new("client")
        .on_connect(|_, cx| cx.send("hello"))
        .on_read(|log, cx| {
            log.keep(cx.recv(usize::MAX));
            cx.close();
            Ok(())
        });
    connect(world, address, client, probe);
    let client = world.drive_to_end("client");
    (world.drive_to_end("server"), client)
}

pub fn a_handshake_that_comes_byte_by_byte_is_as_good_as_any(world: &mut World) {
    let peer = open(world, &server(), Probe::echo("server"));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    while wire.received != b"hello" {
        for byte in wire.take() {
            assert!(world.log().bytes("server").is_empty());
            world.send_at_once(peer, [byte]);
            world.turn(Duration::from_millis(1)).unwrap();
        }
        world.turn(Duration::from_millis(1)).unwrap();
        wire.hear(world);
    }
}

pub fn a_handshake_that_is_cut_anywhere_ends_the_connection(world: &mut World) {
    let server = server();
    for part in 0..10 {
        let peer = open(world, &server, Probe::new("server"));
        let mut wire = Wire::new(peer, &[&TLS13]);
        let hello = wire.take();
        world.send(peer, &hello[..hello.len() * part / 10]);
        world.finish(peer);
        world.drive_until("the end", |world| {
            world.log().count("server", "closed Io(UnexpectedEof)") == part + 1
        });
    }
    assert_eq!(world.log().count("server", "eof"), 0);
}

/// The headers of the pieces are many times what is in them.
pub fn a_message_in_tiny_pieces_is_not_waited_for(world: &mut World) {
    let peer = open(world, &server(), Probe::new("server"));
    let mut pieces = vec![22, 3, 1, 0, 4, 1, 0, 0xff, 0xf0]; // a record, and a long ClientHello in it
    for _ in 0..40_000 {
        pieces.extend([22, 3, 1, 0, 1, 0]);
    }
    world.send(peer, pieces);
    assert_eq!(world.drive_to_end("server"), "Io(InvalidData)");
}

pub fn who_does_not_speak_tls_is_told_so(world: &mut World) {
    let peer = open(
        world,
        &server(),
        Probe::new("server").on_close(|log, _| {
            log.note("told");
            Ok(())
        }),
    );
    world.send(peer, "GET / HTTP/1.1\r\n\r\n");
    world.drive_until("the end", |world| world.log().has("server", "told"));
    assert!(world.log().has("server", "closed Io(InvalidData)"));
    world.drive_until("the alert", |world| world.end(peer).is_some());
    assert_eq!(world.received(peer)[0], 21, "no alert"); // RFC 8446, section 5.1
}

pub fn a_client_that_is_silent_ends_at_the_deadline(world: &mut World) {
    let server = server_options().with_handshake_timeout(Duration::from_millis(30));
    let peer = open(world, &server.build().unwrap(), Probe::new("server"));
    assert_eq!(world.drive_to_end("server"), "TimedOut(Handshake)");
    world.drive_until("the end", |world| world.end(peer).is_some());
}

pub fn a_server_that_is_silent_ends_at_the_deadline(world: &mut World) {
    let mut silent = world.server();
    let client = client_options().with_handshake_timeout(Duration::from_millis(30));
    let client = client.build().unwrap();
    let token = connect(world, silent.address(), &client, Probe::new("client"));
    world.accept(&mut silent);
    world.with(|cx| cx.send_to(token, "never seen")).unwrap();
    assert_eq!(world.drive_to_end("client"), "TimedOut(Handshake)");
    assert!(!world.log().has("client", "connected"));
}

pub fn a_handshake_that_is_done_has_no_deadline(world: &mut World) {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let server = server_options().with_handshake_timeout(TIMEOUT);
    let peer = open(world, &server.build().unwrap(), Probe::echo("server"));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.shake_hands(world);
    world.drive_until("it is done", |world| world.log().has("server", "secured"));
    world.elapse(TIMEOUT);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the echo", |wire, _| wire.received == b"hello");
}

pub fn a_pause_does_not_stop_a_handshake(world: &mut World) {
    let listener = world.reactor.bind("127.0.0.1:0").unwrap();
    let address = listener.local().unwrap().ip().unwrap();
    let probe = Probe::new("listener").on_accepted(|_, cx, stream| {
        let token = cx.register(stream, Probe::new("server"))?;
        cx.pause_source(token);
        cx.send_to(token, "welcome")
    });
    let token = world.reactor.listen_on(listener.with_tls(&server()), probe);
    token.unwrap();
    let peer = world.dial(address);
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the welcome", |wire, _| wire.received == b"welcome");
    world.settle();
    assert!(world.log().bytes("server").is_empty());
}

pub fn a_half_close_waits_for_the_handshake(world: &mut World) {
    let listener = world.reactor.bind("127.0.0.1:0").unwrap();
    let address = listener.local().unwrap().ip().unwrap();
    let probe = Probe::new("listener").on_accepted(|_, cx, stream| {
        let token = cx.register(stream, Probe::new("server"))?;
        cx.shutdown_source(token, Shutdown::Write) // it only listens
    });
    let token = world.reactor.listen_on(listener.with_tls(&server()), probe);
    token.unwrap();
    let peer = world.dial(address);
    world.settle();
    assert_eq!(world.end(peer), None);
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the bytes", |_, world| {
        world.log().bytes("server") == b"hello"
    });
    wire.drive_until(world, "the end", |_, world| world.end(peer).is_some());
    assert!(wire.is_finished, "no close_notify");
}

pub fn who_wants_to_hear_nothing_shakes_hands_all_the_same(world: &mut World) {
    let listener = world.reactor.bind("127.0.0.1:0").unwrap();
    let address = listener.local().unwrap().ip().unwrap();
    let probe = Probe::new("listener").on_accepted(|_, cx, stream| {
        let server = Probe::new("server").on_eof(|_, cx| cx.send("news"));
        let token = cx.register(stream, server)?;
        cx.shutdown_source(token, Shutdown::Read)
    });
    let token = world.reactor.listen_on(listener.with_tls(&server()), probe);
    token.unwrap();
    let peer = world.dial(address);
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.drive_until(world, "the news", |wire, _| wire.received == b"news");
    assert_eq!(world.log().of("server"), ["secured", "eof"]);
}

pub fn who_trusts_another_authority_does_not_connect(world: &mut World) {
    let client = ClientOptions::new(stranger().roots()).build().unwrap();
    let (server, client) = meet(world, &server(), &client);
    assert_eq!(client, "ConnectFailed(InvalidData)");
    assert_eq!(server, "Io(InvalidData)"); // by an alert
}

pub fn who_expects_another_name_does_not_connect(world: &mut World) {
    let address = listen(world, &server(), || Probe::new("server"));
    let role = client().to("somebody.else").unwrap();
    let options = ConnectOptions::default().with_tls(role);
    let token = world.with(|cx| cx.connect_with(address, options, Probe::new("client")));
    token.unwrap();
    assert_eq!(world.drive_to_end("client"), "ConnectFailed(InvalidData)");
}

pub fn an_address_can_be_expected_too(world: &mut World) {
    let address = listen(world, &server(), || {
        Probe::new("server").on_secured(|_, cx| {
            assert_eq!(cx.tls().unwrap().server_name(), None); // there is none to ask for
            cx.close();
            Ok(())
        })
    });
    let options = ConnectOptions::default().with_tls(&client());
    let token = world.with(|cx| cx.connect_with(address, options, Probe::new("client")));
    token.unwrap();
    assert_eq!(world.drive_to_end("client"), "Eof");
}

pub fn without_a_protocol_in_common_nothing_comes_of_it(world: &mut World) {
    let server = server_options().with_alpn(["ours"]).build().unwrap();
    let client = client_options().with_alpn(["theirs"]).build().unwrap();
    let (server, client) = meet(world, &server, &client);
    assert_eq!(client, "ConnectFailed(InvalidData)");
    assert_eq!(server, "Io(InvalidData)");
}

pub fn a_client_must_show_the_certificate_that_is_required(world: &mut World) {
    let required = || {
        let roots = authority().roots();
        let options = server_options().with_required_client_certificates(roots);
        options.build().unwrap()
    };
    let known = client_options().with_identity(authority().identity("a client"));
    assert_eq!(
        meet(world, &required(), &known.build().unwrap()),
        ("Eof".into(), "Requested".into())
    );
    for client in [
        client(),
        client_options()
            .with_identity(stranger().identity("a stranger"))
            .build()
            .unwrap(),
    ] {
        world.rebuild(|builder| builder);
        let (server, client) = meet(world, &required(), &client);
        assert_eq!(server, "Io(InvalidData)");
        // With TLS 1.3 the client is done before it hears of that.
        assert_eq!(client, "Io(InvalidData)");
    }
}

pub fn a_certificate_that_is_optional_need_not_be_shown(world: &mut World) {
    let optional = server_options()
        .with_optional_client_certificates(authority().roots())
        .build()
        .unwrap();
    let address = listen(world, &optional, || {
        Probe::new("server").on_secured(|log, cx| {
            log.note(cx.tls().unwrap().peer_certificates().len());
            cx.close();
            Ok(())
        })
    });
    let known = client_options().with_identity(authority().identity("a client"));
    for (client, certificates) in [(client(), "0"), (known.build().unwrap(), "1")] {
        connect(world, address, &client, Probe::new("client"));
        world.drive_until("the server", |world| {
            world.log().has("server", certificates)
        });
    }
}

pub fn any_certificate_of_a_client_is_taken_and_shown(world: &mut World) {
    let any = server_options()
        .with_any_client_certificates()
        .build()
        .unwrap();
    let address = listen(world, &any, || {
        Probe::new("server").on_secured(|log, cx| {
            let session = cx.tls().unwrap();
            log.note(
                session
                    .peer_certificates()
                    .map(<[u8]>::to_vec)
                    .next()
                    .map_or("none".to_owned(), |certificate| {
                        format!("{} bytes", certificate.len())
                    }),
            );
            cx.close();
            Ok(())
        })
    });
    let stranger = stranger().identity("a stranger");
    let bytes = stranger.certificates().next().unwrap().len();
    let known = client_options().with_identity(stranger);
    for (client, shown) in [
        (client(), "none".to_owned()),
        (known.build().unwrap(), format!("{bytes} bytes")),
    ] {
        connect(world, address, &client, Probe::new("client"));
        world.drive_until("the server", |world| world.log().has("server", &shown));
    }
}

pub fn a_session_is_resumed(world: &mut World) {
    let address = listen(world, &server(), || Probe::echo("server"));
    let client = client();
    for round in 0..3 {
        let probe = Probe::new("client")
            .on_connect(|log, cx| {
                log.note(cx.tls().unwrap().is_resumed());
                cx.send("hello")
            })
            .on_read(|_, cx| {
                cx.recv(usize::MAX);
                cx.close();
                Ok(())
            });
        connect(world, address, &client, probe);
        world.drive_until("the end", |world| {
            world.log().count("client", "closed Requested") == round + 1
        });
    }
    assert_eq!(world.log().count("client", "false"), 1);
    assert_eq!(world.log().count("client", "true"), 2);
}

pub fn the_name_that_is_asked_for_chooses_the_certificate(world: &mut World) {
    let other = authority().identity("third.example");
    let options = server_options()
        .with_name(OTHER_NAME, authority().identity(OTHER_NAME))
        .with_name("*.wild.example", authority().identity("*.wild.example"))
        .with_resolver(move |name| (name == "third.example").then(|| other.clone()));
    let address = listen(world, &options.build().unwrap(), || {
        Probe::new("server").on_secured(|log, cx| {
            let name = cx.tls().unwrap().server_name().unwrap_or_default();
            log.note(format_args!("asked for {name}"));
            cx.close();
            Ok(())
        })
    });
    // Each accepts no certificate but its own.
    for name in [NAME, OTHER_NAME, "a.wild.example", "third.example"] {
        let options = ConnectOptions::default().with_tls(client().to(name).unwrap());
        let token = world.with(|cx| cx.connect_with(address, options, Probe::new(name)));
        token.unwrap();
        assert_eq!(world.drive_to_end(name), "Eof");
        assert!(world.log().has("server", &format!("asked for {name}")));
    }
}

pub fn a_choice_that_panics_ends_its_connection_alone(world: &mut World) {
    let options = server_options().with_resolver(|name| match name {
        OTHER_NAME => panic!("no idea"),
        _ => None,
    });
    let address = listen(world, &options.build().unwrap(), || Probe::echo("server"));
    for (name, why) in [
        (OTHER_NAME, "ConnectFailed(UnexpectedEof)"),
        (NAME, "Requested"),
    ] {
        let options = ConnectOptions::default().with_tls(client().to(name).unwrap());
        let probe = Probe::new(name).on_connect(|_, cx| {
            cx.close();
            Ok(())
        });
        let token = world.with(|cx| cx.connect_with(address, options, probe));
        token.unwrap();
        assert_eq!(world.drive_to_end(name), why);
    }
}

pub fn certificates_change_and_connections_stay(world: &mut World) {
    let server = server();
    let address = listen(world, &server, || Probe::echo("server"));
    let before = client();
    let probe = Probe::new("before").on_connect(|_, cx| cx.send("one"));
    let token = connect(world, address, &before, probe);
    world.drive_until("the echo", |world| world.log().bytes("before") == b"one");

    let other = ServerOptions::new(stranger().identity(NAME));
    server.reload(other).unwrap();
    world.with(|cx| cx.send_to(token, "two")).unwrap();
    world.drive_until("the echo", |world| world.log().bytes("before") == b"onetwo");
    // Nor is the earlier session resumed behind the new certificate's back.
    connect(world, address, &before, Probe::new("late"));
    assert_eq!(world.drive_to_end("late"), "ConnectFailed(InvalidData)");
    let after = ClientOptions::new(stranger().roots()).build().unwrap();
    let probe = Probe::new("after").on_connect(|_, cx| cx.send("three"));
    connect(world, address, &after, probe);
    world.drive_until("the echo", |world| world.log().bytes("after") == b"three");
    assert!(world.log().why("before").is_none());
}

pub fn nobody_to_expect_is_an_error(world: &mut World) {
    let (_, _) = world.open(Probe::new("near").on_read(|log, cx| {
        let error = cx.start_tls(&client()).unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "{error}");
        log.note("refused");
        cx.recv(usize::MAX);
        Ok(())
    }));
    let error = client().to("not a name").unwrap_err();
    assert!(error.to_string().contains("not a name"), "{error}");
}
