//! Sources that wait for something of their own: each has to come to an end of it, or be ended.

use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::time::Duration;

use crate::probe::Probe;
use crate::world::World;

/// The end of the stream comes while 872 of these are unread, and our side is shut down by then.
pub fn our_half_close_does_not_overtake_unread_bytes(world: &mut World) {
    const MESSAGES: usize = 1000;
    let mut first = true;
    let (_, peer) = world.open(Probe::new("near").on_read(move |log, cx| {
        if std::mem::take(&mut first) {
            cx.shutdown(Shutdown::Write)?;
        }
        log.note("read");
        cx.consume(1);
        cx.again();
        Ok(())
    }));
    world.send_at_once(peer, vec![b'x'; MESSAGES]);
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    assert_eq!(world.log().count("near", "read"), MESSAGES);
    assert_eq!(world.log().count("near", "eof"), 1);
}

/// No outbox holds anything, so nothing will drain: the unread bytes are all there is.
pub fn unread_bytes_that_fill_the_bound_for_all_end_their_source(world: &mut World) {
    world.rebuild(|builder| builder.max_buffered(100_000));
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        if cx.data().len() == 60_000 {
            let error = cx.send(vec![b'x'; 50_000]).expect_err("it is too much");
            assert!(error.is_full(), "{error}");
            log.note("refused");
        }
        Ok(())
    }));
    world.send_at_once(peer, vec![b'x'; 59_990]);
    world.settle();
    world.send_at_once(peer, [b'x'; 10]);
    let why = world.drive_to_end("near");
    assert!(why.contains("100000 bytes, the reactor's limit"), "{why}");
    assert_eq!(world.log().count("near", "refused"), 1);
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn a_pause_does_not_undo_a_close(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|_, cx| {
        cx.recv(usize::MAX);
        cx.send("bye")?;
        cx.close();
        cx.pause_reading();
        Ok(())
    }));
    world.send(peer, "hello");
    world.drive_until_received(peer, "bye");
    let start = world.now();
    world.leave(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    let took = world.now() - start;
    assert!(
        took < Duration::from_secs(1),
        "the peer's end was not seen: {took:?}"
    );
}

pub fn a_lowered_inbox_limit_gives_a_last_chance(world: &mut World) {
    let mut calls = 0;
    let (_, peer) = world.open(Probe::new("near").on_read(move |log, cx| {
        calls += 1;
        log.note(cx.data().len());
        if calls == 1 {
            cx.consume(10);
            cx.set_options(cx.options().with_inbox_limit(100))?;
        }
        Ok(())
    }));
    world.send_at_once(peer, [b'x'; 1000]);
    let why = world.drive_to_end("near");
    assert!(why.contains("inbox is full (100 bytes)"), "{why}");
    assert_eq!(world.log().of("near")[..2], ["1000", "990"]);
}

pub fn a_listener_that_takes_the_last_slot_accepts_nobody(world: &mut World) {
    let address = loop {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        world.rebuild(|builder| builder.max_sources(1));
        let probe = Probe::new("listener").on_accepted(|log, _, _| {
            log.note("accepted");
            Ok(())
        });
        world
            .with(|cx| cx.listen(address, probe))
            .expect("there is one slot");
        world.settle();
        // Another case may have been given the port meanwhile.
        if world.log().why("listener") != Some("Io(AddrInUse)") {
            break address;
        }
    };
    world.dial(address);
    world.settle();
    assert!(world.log().all().is_empty(), "{:?}", world.log().all());
}

pub fn a_panic_after_an_abort_is_told(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|_, cx| {
        cx.abort();
        panic!("after all");
    }));
    world.send(peer, "x");
    assert_eq!(world.drive_to_end("near"), "Panicked(after all)");
    assert_eq!(
        world
            .log()
            .of("near")
            .iter()
            .filter(|note| note.starts_with("closed"))
            .count(),
        1
    );
}
