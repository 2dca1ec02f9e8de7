//! Connections that begin in the clear, and then speak TLS.

use std::io::Write;

use switchboard::tls::Server;
use switchboard::tls::rustls::version::TLS13;
use switchboard::{Error, Handler, Rate};

use crate::certificates::{NAME, Wire, client, server};
use crate::probe::{Log, Probe};
use crate::world::{World, assert_same, pattern};

/// Takes lines; upgrades at `STARTTLS`, and says what it heard over TLS.
fn mail(server: Server) -> Probe {
    Probe::new("server").on_read(move |log, cx| {
        while let Some(end) = cx.data().iter().position(|byte| *byte == b'\n') {
            let line = &cx.data()[..end];
            cx.consume(end + 1);
            match cx.tls().is_some() {
                true => log.note(format_args!("secret {}", line.escape_ascii())),
                false => log.note(line.escape_ascii()),
            }
            if line == b"STARTTLS" {
                cx.send("go ahead\n")?;
                cx.start_tls(&server)?;
                assert_eq!(cx.data(), b"");
                return cx.send("welcome\n");
            }
        }
        Ok(())
    })
}

pub fn what_was_sent_before_goes_out_as_it_is(world: &mut World) {
    let (_, peer) = world.open(mail(server()));
    world.send(peer, "hello\nSTARTTLS\n");
    world.drive_until_received(peer, "go ahead\n");
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.skip(b"go ahead\n".len());
    wire.connection.writer().write_all(b"user\n").unwrap();
    wire.drive_until(world, "the welcome", |wire, world| {
        wire.received == b"welcome\n" && world.log().has("server", "secret user")
    });
    let notes = world.log().of("server");
    assert_eq!(notes, ["hello", "STARTTLS", "secured", "secret user"]);
}

pub fn a_lot_that_was_sent_before_goes_out_first(world: &mut World) {
    let config = server();
    let (_, peer) = world.open_narrow(Probe::new("server").on_read(move |_, cx| {
        cx.recv(usize::MAX);
        cx.send(pattern(500_000))?;
        cx.start_tls(&config)?;
        cx.send("secret")
    }));
    world.send(peer, "go");
    let mut wire = Wire::new(peer, &[&TLS13]);
    world.drive_until("the plain part", |world| {
        world.received(peer).len() == 500_000
    });
    world.assert_received(peer, pattern(500_000));
    wire.skip(500_000);
    wire.drive_until(world, "the secret", |wire, _| wire.received == b"secret");
}

/// Somebody on the way adds a command behind the client's own: it must not be heard as the client's.
pub fn what_came_in_the_clear_is_never_heard_as_a_secret(world: &mut World) {
    let (_, peer) = world.open(mail(server()));
    world.send_at_once(peer, "STARTTLS\ndelete everything\n");
    assert_eq!(world.drive_to_end("server"), "Io(InvalidData)");
    assert_eq!(
        world.log().of("server"),
        ["STARTTLS", "closed Io(InvalidData)"]
    );
}

/// One port can find out what a client speaks.
pub fn a_handshake_that_has_come_already_is_answered(world: &mut World) {
    let config = server();
    let (_, peer) = world.open(Probe::new("server").on_read(move |log, cx| {
        if cx.tls().is_none() && cx.data()[0] == 22 {
            return cx.start_tls(&config); // RFC 8446, section 5.1
        }
        log.keep(cx.recv(usize::MAX));
        Ok(())
    }));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the bytes", |_, world| {
        world.log().bytes("server") == b"hello"
    });
}

pub fn a_client_upgrades_too(world: &mut World) {
    let listener = world.reactor.bind("127.0.0.1:0").unwrap();
    let address = listener.local().unwrap().ip().unwrap();
    let config = server();
    let probe = Probe::new("listener").on_accepted(move |_, cx, stream| {
        cx.register(stream, mail(config.clone()))?;
        Ok(())
    });
    world.reactor.listen_on(listener, probe).unwrap();
    let probe = Probe::new("client")
        .on_connect(|_, cx| cx.send("STARTTLS\n"))
        .on_read(|log, cx| {
            let data = cx.recv(usize::MAX);
            if cx.tls().is_some() {
                log.note(data.escape_ascii());
                cx.close();
                return Ok(());
            }
            assert_eq!(data, b"go ahead\n");
            cx.start_tls(client().to(NAME)?)?;
            cx.send("user\n")
        });
    world.with(|cx| cx.connect(address, probe)).unwrap();
    assert_eq!(world.drive_to_end("client"), "Requested");
    assert_eq!(world.drive_to_end("server"), "Eof");
    assert!(world.log().has("client", r"welcome\n"));
    assert!(world.log().has("server", "secret user"));
}

pub fn once_is_enough(world: &mut World) {
    let config = server();
    let (_, peer) = world.open(Probe::new("server").on_read(move |log, cx| {
        cx.recv(usize::MAX);
        cx.start_tls(&config)?;
        let twice = cx.start_tls(&config);
        assert!(matches!(twice, Err(Error::WrongKind { .. })), "{twice:?}");
        log.note("refused");
        Ok(())
    }));
    world.send(peer, "go");
    world.drive_until("the refusal", |world| world.log().has("server", "refused"));
}

pub fn a_handler_can_be_replaced_by_one_that_knows_nothing_of_it(world: &mut World) {
    fn is_a_handler(handler: impl Handler<Log>) -> impl Handler<Log> {
        handler
    }
    let config = server();
    let (_, peer) = world.open(Probe::new("server").on_read(move |_, cx| {
        cx.recv(usize::MAX);
        cx.start_tls(&config)?;
        cx.replace_handler(is_a_handler(Probe::echo("echo")));
        Ok(())
    }));
    world.send(peer, "go");
    world.settle();
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the echo", |wire, _| wire.received == b"hello");
}

pub fn what_came_in_the_clear_and_is_sent_back_afterwards_is_encrypted(world: &mut World) {
    let config = server();
    let (_, peer) = world.open(Probe::new("server").on_read(move |_, cx| {
        if cx.tls().is_some() {
            cx.recv(usize::MAX);
            return Ok(());
        }
        let data = cx.recv(usize::MAX); // long enough to be sent on without a copy
        cx.start_tls(&config)?;
        cx.send(data)
    }));
    world.send_at_once(peer, pattern(5_000));
    world.settle();
    world.assert_received(peer, "");
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.drive_until(world, "the bytes", |wire, _| wire.received.len() == 5_000);
    assert_same(&wire.received, &pattern(5_000));
}

pub fn many_pieces_that_were_sent_before_all_go_out_first(world: &mut World) {
    let config = server();
    let all = pattern(200 * 2_000);
    let pieces = all.clone();
    let (_, peer) = world.open(Probe::new("server").on_read(move |_, cx| {
        cx.recv(usize::MAX);
        for piece in pieces.chunks(2_000) {
            cx.send(piece.to_vec())?; // each stays in one piece
        }
        cx.start_tls(&config)?;
        cx.send("secret")
    }));
    world.send(peer, "go");
    world.drive_until("the plain part", |world| {
        world.received(peer).len() == all.len()
    });
    world.assert_received(peer, &all);
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.skip(all.len());
    wire.drive_until(world, "the secret", |wire, _| wire.received == b"secret");
}

pub fn a_read_rate_holds_from_the_first_byte_on(world: &mut World) {
    const BURST: usize = 1_000;
    let rate = Rate::per_second(4_000).with_burst(BURST as u32);
    let config = server();
    world.with_options(|options| options.with_read_rate(rate));
    let (_, peer) = world.open(Probe::new("server").on_read(move |log, cx| {
        if cx.tls().is_none() {
            cx.recv(usize::MAX);
            return cx.start_tls(&config);
        }
        let data = cx.recv(usize::MAX);
        assert!(data.len() <= BURST, "{} bytes at once", data.len());
        log.keep(data);
        Ok(())
    }));
    world.send(peer, "go");
    world.settle();
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection
        .writer()
        .write_all(&pattern(3 * BURST))
        .unwrap();
    wire.drive_until(world, "all", |_, world| {
        world.log().bytes("server").len() == 3 * BURST
    });
    assert_same(world.log().bytes("server"), &pattern(3 * BURST));
}
