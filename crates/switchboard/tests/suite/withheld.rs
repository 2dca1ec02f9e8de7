//! A TLS connection that fails while what was decrypted lies behind a handler that does not take it:
//! the failure must never wait for that.

use std::io::Write;

use switchboard::tls::rustls::version::TLS13;

use crate::certificates::{Wire, server};
use crate::probe::Probe;
use crate::world::{World, pattern};

/// A handler that waits for room in its outbox leaves bytes unread meanwhile. When the connection
/// fails then, there will never be room.
pub fn a_failure_is_told_to_who_waits_for_room(world: &mut World) {
    let config = server();
    world.with_options(|options| {
        let options = options.with_watermarks(4 * 1024, 10 * 1024);
        // Or reading might stop before there is no room, depending on what arrives in one turn.
        let options = options.with_backpressure(false);
        options.with_inbox_limit(4 * 1024)
    });
    let (_, peer) = world.open_narrow(Probe::new("server").on_read(move |log, cx| {
        if cx.tls().is_none() {
            return cx.start_tls(&config);
        }
        let data = cx.data();
        let fits = cx.options().high_watermark() - cx.outbox_len();
        let part = &data[..data.len().min(fits)];
        if part.len() < data.len() {
            log.note("waits");
        }
        cx.consume(part.len());
        cx.send(part)
    }));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.shake_hands(world);
    world.set_reads(peer, false);
    for _ in 0..20 {
        wire.connection
            .writer()
            .write_all(&pattern(30_000))
            .unwrap();
        let sealed = wire.take();
        world.send(peer, sealed);
    }
    world.drive_until("no room", |world| world.log().has("server", "waits"));
    world.settle();
    world.reset(peer);
    let why = world.drive_to_end("server");
    assert!(why.starts_with("Io("), "{why}");
}

/// The same where the outbox is empty: what was in it is encrypted, and not with the kernel.
pub fn a_failure_is_told_though_all_is_encrypted(world: &mut World) {
    let config = server();
    world.with_options(|options| {
        let options = options.with_watermarks(1, 1 << 20);
        options.with_inbox_limit(4 * 1024)
    });
    let (token, peer) = world.open_narrow(Probe::new("server").on_read(move |log, cx| {
        if cx.tls().is_none() {
            return cx.start_tls(&config);
        }
        cx.recv(usize::MAX);
        cx.pause_reading(); // there is more in the record
        log.note("paused");
        Ok(())
    }));
    let mut wire = Wire::new(peer, &[&TLS13]);
    wire.shake_hands(world);
    world.set_reads(peer, false);
    wire.connection
        .writer()
        .write_all(&pattern(16_000))
        .unwrap();
    let sealed = wire.take();
    world.send(peer, sealed);
    world.drive_until("the pause", |world| world.log().has("server", "paused"));
    for sent in 1.. {
        let sending = world.with(|cx| cx.send_to(token, pattern(60_000)));
        sending.expect("there is room");
        world.settle();
        assert_eq!(world.reactor.buffered(), 0, "it is not encrypted at once");
        if world.log().count("server", "write") < sent {
            break; // the kernel has not taken all of it
        }
    }
    world.reset(peer);
    let why = world.drive_to_end("server");
    assert!(why.starts_with("Io("), "{why}");
}
