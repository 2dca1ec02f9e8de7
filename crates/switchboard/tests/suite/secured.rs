//! Connections that speak TLS: what a handler sees of it, which is next to nothing.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use switchboard::codec::{FrameContext, FrameHandler, Framed, Lines};
use switchboard::tls::rustls::version::{TLS12, TLS13};
use switchboard::tls::{Client, Server, Session, Version};
use switchboard::{ConnectOptions, Context, Result, Token};

use crate::certificates::{Wire, client, client_options, server, server_options};
use crate::peers::End;
use crate::probe::{Log, Probe};
use crate::world::{Peer, World, assert_same, pattern};

/// A listener whose connections are served by what `serve` makes.
pub fn listen(
    world: &mut World,
    server: &Server,
    mut serve: impl FnMut() -> Probe + 'static,
) -> SocketAddr {
    let listener = world.reactor.bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local().expect("it is bound");
    let probe = Probe::new("listener").on_accepted(move |_, cx, stream| {
        cx.register(stream, serve())?;
        Ok(())
    });
    let token = world.reactor.listen_on(listener.with_tls(server), probe);
    token.expect("there is room for it");
    address.ip().expect("it is an IP address")
}

pub fn connect(world: &mut World, address: SocketAddr, client: &Client, probe: Probe) -> Token {
    let options = ConnectOptions::default().with_tls(client);
    let endpoint = ("localhost", address.port());
    let token = world.with(|cx| cx.connect_with(endpoint, options, probe));
    token.expect("there is room for it")
}

/// A peer of a handler that speaks TLS, whose own end the case drives.
pub fn open(world: &mut World, server: &Server, probe: Probe) -> Peer {
    let mut probe = Some(probe);
    let address = listen(world, server, move || probe.take().expect("only one comes"));
    world.dial(address)
}

pub fn an_echo_is_as_without_it(world: &mut World) {
    let server = server_options().with_alpn(["echo"]).build().unwrap();
    let client = client_options()
        .with_alpn(["other", "echo"])
        .build()
        .unwrap();
    let address = listen(world, &server, || Probe::echo("server"));
    let probe = Probe::new("client").on_connect(|log, cx| {
        let session = cx.tls().expect("the handshake is done");
        assert_eq!(session.version(), Version::Tls13);
        assert_eq!(session.alpn(), Some(&b"echo"[..]));
        assert_eq!(session.server_name(), Some("localhost"));
        assert_eq!(session.peer_certificates().len(), 1);
        assert!(session.cipher().starts_with("TLS13_"));
        log.note("saw");
        cx.send("hello")
    });
    let token = connect(world, address, &client, probe);
    world.with(|cx| cx.send_to(token, "early, ")).unwrap();
    world.drive_until("the echo", |world| world.log().bytes("client").len() == 12);
    assert_eq!(world.log().bytes("client"), b"early, hello");
    assert_eq!(world.log().of("client"), ["secured", "connected", "saw"]);
    world.with(|cx| cx.close_source(token));
    world.drive_until("both ends", |world| {
        world.log().why("client").is_some() && world.log().why("server").is_some()
    });
    assert_eq!(world.log().why("client"), Some("Requested"));
    assert_eq!(world.log().of("server"), ["secured", "eof", "closed Eof"]);
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn an_old_version_works_too(world: &mut World) {
    let peer = open(world, &server(), Probe::echo("server"));
    let mut wire = Wire::new(peer, &[&TLS12]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the echo", |wire, _| wire.received == b"hello");
}

const ALL: usize = 6 * 1024 * 1024;

/// Sends what there is room for, and says so when that was all.
fn fill(cx: &mut Context<'_, Log>, sent: &AtomicUsize) -> Result {
    let all = pattern(ALL);
    loop {
        let from = sent.load(Ordering::Relaxed);
        if from == ALL {
            return Ok(());
        }
        let to = (from + 100_000).min(ALL);
        match cx.send(&all[from..to]) {
            Ok(()) => sent.store(to, Ordering::Relaxed),
            Err(error) if error.is_full() => return Ok(()),
            Err(error) => return Err(error),
        }
        if to == ALL {
            cx.shutdown(Shutdown::Write)?;
        }
    }
}

pub fn megabytes_go_both_ways_at_once(world: &mut World) {
    let address = listen(world, &server(), || {
        Probe::new("server").on_read(|_, cx| {
            let data = cx.data();
            // What does not fit waits for room.
            let fits = cx.options().high_watermark() - cx.outbox_len();
            let part = &data[..data.len().min(fits)];
            cx.consume(part.len());
            cx.send(part)
        })
    });
    let sent = Arc::new(AtomicUsize::new(0));
    let go_on = Arc::clone(&sent);
    let probe = Probe::new("client")
        .on_connect(move |_, cx| fill(cx, &sent))
        .on_write(move |_, cx| fill(cx, &go_on));
    connect(world, address, &client(), probe);
    world.drive_until("all of it", |world| world.log().why("client").is_some());
    assert_same(world.log().bytes("client"), &pattern(ALL));
    assert_eq!(world.log().why("client"), Some("Eof"));
}

pub fn a_half_close_lets_the_other_side_go_on(world: &mut World) {
    let address = listen(world, &server(), || {
        Probe::new("server").on_eof(|_, cx| {
            cx.send(pattern(300_000))?;
            cx.close();
            Ok(())
        })
    });
    let probe = Probe::new("client").on_connect(|_, cx| {
        cx.send("that is all")?;
        cx.shutdown(Shutdown::Write)
    });
    connect(world, address, &client(), probe);
    assert_eq!(world.drive_to_end("client"), "Eof");
    assert_same(world.log().bytes("client"), &pattern(300_000));
    assert_eq!(world.drive_to_end("server"), "Eof");
    assert_eq!(world.log().bytes("server"), b"that is all");
}

pub fn a_close_says_so_first(world: &mut World) {
    let peer = open(
        world,
        &server(),
        Probe::new("server").on_read(|_, cx| {
            cx.recv(usize::MAX);
            cx.send("bye")?;
            cx.close();
            Ok(())
        }),
    );
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the end", |_, world| world.end(peer).is_some());
    assert_eq!(wire.received, b"bye");
    assert!(wire.is_finished, "no close_notify");
    assert_eq!(world.end(peer), Some(End::Finished));
}

pub fn the_answer_to_the_end_of_the_peer_says_so_too(world: &mut World) {
    let peer = open(world, &server(), Probe::echo("server"));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.shake_hands(world);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.connection.send_close_notify();
    wire.drive_until(world, "the end", |_, world| world.end(peer).is_some());
    assert_eq!(wire.received, b"hello");
    assert!(wire.is_finished, "no close_notify");
    assert_eq!(world.drive_to_end("server"), "Eof");
    assert_eq!(world.end(peer), Some(End::Finished));
}

pub fn an_abort_does_not(world: &mut World) {
    let peer = open(
        world,
        &server(),
        Probe::new("server").on_read(|_, cx| {
            cx.recv(usize::MAX);
            cx.abort();
            Ok(())
        }),
    );
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the end", |_, world| world.end(peer).is_some());
    assert!(!wire.is_finished, "a close_notify");
}

pub fn a_connection_that_is_cut_is_told_from_one_that_ends(world: &mut World) {
    let peer = open(world, &server(), Probe::new("server"));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"not all").unwrap();
    wire.drive_until(world, "the bytes", |_, world| {
        world.log().bytes("server") == b"not all"
    });
    world.finish(peer); // without a word
    assert_eq!(world.drive_to_end("server"), "Io(UnexpectedEof)");
    assert!(!world.log().has("server", "eof"));
}

pub fn a_record_that_was_changed_on_its_way_ends_the_connection(world: &mut World) {
    let peer = open(world, &server(), Probe::new("server"));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"first").unwrap();
    wire.drive_until(world, "the bytes", |_, world| {
        world.log().bytes("server") == b"first"
    });
    wire.connection.writer().write_all(b"second").unwrap();
    let mut record = wire.take();
    *record.last_mut().unwrap() ^= 1;
    world.send(peer, record);
    assert_eq!(world.drive_to_end("server"), "Io(InvalidData)");
    wire.drive_until(world, "the alert", |wire, _| wire.error.is_some());
    assert_eq!(world.log().bytes("server"), b"first");
}

pub fn a_pause_holds_what_was_decrypted(world: &mut World) {
    let peer = open(
        world,
        &server(),
        Probe::new("server")
            .on_read(|log, cx| {
                log.keep(cx.recv(4));
                cx.pause_reading();
                cx.set_timer(Duration::from_millis(1)).map(drop)
            })
            .on_timer(|_, cx, _| {
                cx.resume_reading();
                Ok(())
            }),
    );
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.shake_hands(world);
    for part in pattern(60).chunks(7) {
        wire.connection.writer().write_all(part).unwrap();
    }
    wire.connection.send_close_notify();
    wire.drive_until(world, "the end", |_, world| {
        world.log().has("server", "eof")
    });
    assert_same(world.log().bytes("server"), &pattern(60));
}

pub fn a_tiny_inbox_gets_all(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(3));
    let peer = open(
        world,
        &server(),
        Probe::new("server").on_read(|log, cx| {
            assert!(cx.data().len() <= 3, "{} bytes", cx.data().len());
            log.keep(cx.recv(2));
            Ok(())
        }),
    );
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.shake_hands(world);
    wire.connection.writer().write_all(&pattern(500)).unwrap();
    wire.connection.send_close_notify();
    wire.drive_until(world, "the end", |_, world| {
        world.log().has("server", "eof")
    });
    assert_same(world.log().bytes("server"), &pattern(500));
}

pub fn bytes_are_sent_on_from_tls_to_plain_and_back(world: &mut World) {
    let (plain, far) = world.open(Probe::new("plain"));
    let peer = open(
        world,
        &server(),
        Probe::new("server").on_read(move |_, cx| {
            let data = cx.recv(usize::MAX);
            cx.send_to(plain, data)?;
            cx.send(data)
        }),
    );
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection
        .writer()
        .write_all(&pattern(50_000))
        .unwrap();
    wire.drive_until(world, "both", |wire, world| {
        wire.received.len() == 50_000 && world.received(far).len() == 50_000
    });
    assert_same(&wire.received, &pattern(50_000));
    world.assert_received(far, pattern(50_000));
}

pub fn plain_bytes_are_sent_on_over_tls(world: &mut World) {
    let (tell, told) = channel();
    let probe = Probe::new("server").on_read(move |_, cx| {
        cx.recv(usize::MAX);
        tell.send(cx.token()).map_err(|_| "nobody asks".into())
    });
    let peer = open(world, &server(), probe);
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"here").unwrap();
    let mut target = None;
    while target.is_none() {
        wire.pump(world);
        world.turn(Duration::from_millis(1)).unwrap();
        target = told.try_recv().ok();
    }
    let target = target.expect("it was waited for");
    let (_, far) = world.open(Probe::new("plain").on_read(move |_, cx| {
        let data = cx.recv(usize::MAX);
        cx.send_to(target, data)
    }));
    world.send_at_once(far, pattern(40_000));
    wire.drive_until(world, "all", |wire, _| wire.received.len() == 40_000);
    assert_same(&wire.received, &pattern(40_000));
}

pub fn a_peer_that_does_not_read_holds_a_close_no_longer_than_its_deadline(world: &mut World) {
    world.rebuild(|builder| builder.close_timeout(Duration::from_millis(50)));
    let peer = open(
        world,
        &server(),
        Probe::new("server").on_read(|_, cx| {
            cx.recv(usize::MAX);
            let mut options = cx.options();
            options = options.with_watermarks(64 * 1024, 64 << 20);
            cx.set_options(options)?;
            cx.send(pattern(16 << 20))?;
            cx.close();
            Ok(())
        }),
    );
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.shake_hands(world);
    world.set_reads(peer, false);
    assert_eq!(world.drive_to_end("server"), "TimedOut(Close)");
    assert_eq!(world.reactor.buffered(), 0);
}

#[cfg(unix)]
pub fn a_unix_socket_can_speak_it_too(world: &mut World) {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let [near, far] = [near, far].map(|end| switchboard::Stream::try_from(end).unwrap());
    let near = near.with_tls(&server());
    let far = far.with_tls(client().to("localhost").unwrap());
    world.with(|cx| {
        cx.register(near, Probe::echo("server")).unwrap();
        let token = cx.register(far, Probe::new("client")).unwrap();
        cx.send_to(token, "hello").unwrap();
    });
    world.drive_until("the echo", |world| world.log().bytes("client") == b"hello");
}

/// What is encrypted ahead of a peer that does not read has a bound; all else is in the outbox, and
/// counted.
pub fn little_is_encrypted_ahead_of_a_peer_that_does_not_read(world: &mut World) {
    const ALL: usize = 32 << 20;
    let probe = Probe::new("server").on_read(|_, cx| {
        cx.recv(usize::MAX);
        let options = cx.options().with_watermarks(64 * 1024, 64 << 20);
        cx.set_options(options)?;
        cx.send(pattern(ALL))
    });
    let peer = open(world, &server(), probe);
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.shake_hands(world);
    wire.connection.writer().write_all(b"go").unwrap();
    let bytes = wire.take();
    world.set_reads(peer, false);
    world.send(peer, bytes);
    world.drive_until("a full network", |world| world.reactor.buffered() > 0);
    world.settle();
    // What the kernel holds is a few MiB at most.
    assert!(
        world.reactor.buffered() > ALL - (12 << 20),
        "{}",
        world.reactor.buffered()
    );
    world.set_reads(peer, true);
    wire.drive_until(world, "all of it", |wire, _| wire.received.len() == ALL);
    assert_same(&wire.received, &pattern(ALL));
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn bytes_that_are_lost_by_a_close_are_the_reason(world: &mut World) {
    let peer = open(
        world,
        &server(),
        Probe::new("server")
            .on_read(|log, cx| {
                log.keep(cx.recv(usize::MAX));
                cx.pause_reading(); // the loss is seen by the send first
                cx.set_timer(Duration::from_millis(30)).map(drop)
            })
            .on_timer(|_, cx, _| {
                cx.send("lost")?;
                cx.close();
                Ok(())
            }),
    );
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello").unwrap();
    wire.drive_until(world, "the bytes", |_, world| {
        world.log().bytes("server") == b"hello"
    });
    world.reset(peer);
    let why = world.drive_to_end("server");
    assert!(why.starts_with("Io("), "{why}");
}

/// Sends a line back once it knows with whom it speaks.
struct Greeter;

impl FrameHandler<Log> for Greeter {
    type Codec = Lines;

    fn handle_secured(&mut self, _: &mut Log, cx: &mut FrameContext<'_, Log, Lines>) -> Result {
        let text = format!("{:?}", cx.tls().map(Session::version));
        cx.send_frame(text)
    }

    fn handle_frame(
        &mut self,
        _: &mut Log,
        cx: &mut FrameContext<'_, Log, Lines>,
        line: &[u8],
    ) -> Result {
        cx.send_frame(line)
    }
}

pub fn a_handler_of_frames_hears_of_it_as_well(world: &mut World) {
    let listener = world.reactor.bind("127.0.0.1:0").unwrap();
    let address = listener.local().unwrap().ip().unwrap();
    let probe = Probe::new("listener").on_accepted(|_, cx, stream| {
        let handler = Framed::new(Lines::new(), Greeter);
        cx.register(stream, handler).map(drop)
    });
    let token = world.reactor.listen_on(listener.with_tls(&server()), probe);
    token.unwrap();
    let peer = world.dial(address);
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.connection.writer().write_all(b"hello\n").unwrap();
    wire.drive_until(world, "both lines", |wire, _| {
        wire.received == b"Some(Tls13)\nhello\n"
    });
}
