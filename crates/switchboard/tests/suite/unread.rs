//! What becomes of bytes that a handler leaves: the inbox, its bound, and the way back to reading
//! once there is room again.

use std::time::Duration;

use switchboard::SourceOptions;

use crate::probe::Probe;
use crate::world::{World, assert_same, pattern};

const LIMIT: usize = 4096;
const MANY: usize = 8 * 1024 * 1024; // more than the network holds for one connection

/// Takes nothing until the gate opens, then everything.
fn gated(name: &'static str) -> Probe {
    Probe::new(name).on_read(|log, cx| {
        if log.gate {
            log.keep(cx.recv(usize::MAX));
        } else {
            cx.again();
        }
        Ok(())
    })
}

pub fn a_full_inbox_makes_the_peer_wait_until_there_is_room(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(LIMIT));
    let (_, peer) = world.open_narrow(gated("near"));
    world.send(peer, pattern(MANY));
    world.drive_until("a full inbox", |world| world.reactor.buffered() >= LIMIT);
    for _ in 0..100 {
        world.turn(Duration::ZERO).expect("a turn goes well");
        assert!(world.reactor.buffered() <= LIMIT);
    }
    assert!(world.unsent(peer) > 0, "the peer does not wait");
    world.reactor.state_mut().gate = true;
    world.drive_until("all bytes", |world| world.log().bytes("near").len() == MANY);
    assert_same(world.log().bytes("near"), &pattern(MANY));
}

pub fn a_full_inbox_that_stays_untouched_closes_the_source(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(LIMIT));
    let (_, peer) = world.open(Probe::new("near").on_read(|_, _| Ok(())));
    world.send(peer, pattern(LIMIT - 1));
    world.settle();
    assert!(world.log().all().is_empty(), "there is room for one more");
    world.send(peer, "x");
    world.finish(peer);
    let why = world.drive_to_end("near");
    assert!(why.contains("inbox is full (4096 bytes)"), "{why}");
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn the_first_read_keeps_to_the_inbox_limit(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(16));
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.note(cx.data().len());
        cx.consume(cx.data().len());
        Ok(())
    }));
    world.send_at_once(peer, pattern(64));
    world.settle();
    assert_eq!(world.log().of("near"), ["16", "16", "16", "16"]);
}

pub fn the_inbox_limit_holds_for_connections_that_connect(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(16));
    let mut server = world.server();
    let address = server.address();
    let probe = Probe::new("near").on_read(|log, cx| {
        log.note(cx.data().len());
        cx.consume(cx.data().len());
        Ok(())
    });
    let token = world.with(|cx| cx.connect(address, probe));
    token.expect("the address is well-formed");
    let peer = world.accept(&mut server);
    world.drive_until("the connection", |world| {
        world.log().has("near", "connected")
    });
    world.send_at_once(peer, pattern(32));
    world.settle();
    assert_eq!(world.log().of("near"), ["connected", "16", "16"]);
}

pub fn reading_goes_on_after_a_pause_with_a_full_inbox(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(LIMIT));
    let (token, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        if cx.data().len() == LIMIT && !log.gate {
            cx.pause_reading();
            log.note("paused");
        } else if log.gate {
            log.keep(cx.recv(usize::MAX));
        }
        Ok(())
    }));
    world.send_at_once(peer, pattern(3 * LIMIT));
    world.drive_until("the pause", |world| world.log().has("near", "paused"));
    world.settle();
    world.reactor.state_mut().gate = true;
    world.with(|cx| cx.resume_source(token));
    world.drive_until("all bytes", |world| {
        world.log().bytes("near").len() == 3 * LIMIT
    });
    assert_same(world.log().bytes("near"), &pattern(3 * LIMIT));
}

pub fn reading_goes_on_when_a_timer_empties_a_full_inbox(world: &mut World) {
    world.with_options(|options| {
        // A full inbox is no dead end for a handler that waits for room in its outbox.
        options
            .with_inbox_limit(LIMIT)
            .with_watermarks(0, 1 << 20)
            .with_backpressure(false)
    });
    let probe = Probe::new("near")
        .on_read(|log, cx| {
            match cx.data().len() {
                LIMIT if !log.gate => {
                    log.gate = true;
                    cx.send(vec![0; 512 * 1024])?; // so much that it has to wait
                    cx.set_timer(Duration::from_millis(20))?;
                }
                LIMIT => {}
                _ if log.gate => log.keep(cx.recv(usize::MAX)),
                _ => {}
            }
            Ok(())
        })
        .on_timer(|log, cx, _| {
            log.keep(cx.recv(usize::MAX));
            Ok(())
        });
    let (_, peer) = world.open_narrow(probe);
    world.set_reads(peer, false);
    world.send(peer, pattern(LIMIT + 100));
    world.drive_until("all bytes", |world| {
        world.log().bytes("near").len() == LIMIT + 100
    });
    assert_same(world.log().bytes("near"), &pattern(LIMIT + 100));
}

/// A handler that takes small portions is given 64 of them in a row; meanwhile the inbox fills.
pub fn reading_goes_on_when_small_portions_let_the_inbox_fill_up(world: &mut World) {
    const ALL: usize = 64 * 1024;
    world.with_options(|options| options.with_inbox_limit(LIMIT));
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.keep(cx.recv(16));
        Ok(())
    }));
    world.send_at_once(peer, pattern(ALL));
    world.drive_until("all bytes", |world| world.log().bytes("near").len() == ALL);
    assert_same(world.log().bytes("near"), &pattern(ALL));
}

pub fn a_source_closed_with_a_full_inbox_sees_the_end_of_its_peer(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(LIMIT));
    let (token, peer) = world.open(gated("near"));
    world.send_at_once(peer, pattern(3 * LIMIT));
    world.drive_until("a full inbox", |world| world.reactor.buffered() == LIMIT);
    world.turn(Duration::ZERO).expect("a turn goes well"); // the driver has found no room
    let start = world.now();
    world.with(|cx| cx.close_source(token));
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    let took = world.now() - start;
    assert!(took < Duration::from_secs(5), "it lingered for {took:?}");
}

pub fn all_inboxes_together_keep_to_the_bound(world: &mut World) {
    world.rebuild(|builder| {
        builder
            .max_buffered(3 * 1024)
            .source_options(SourceOptions::default().with_inbox_limit(2 * 1024))
    });
    let keep_all = |name| Probe::new(name).on_read(|_, _| Ok(()));
    let (_, first) = world.open(keep_all("first"));
    let (_, second) = world.open(keep_all("second"));
    world.send(first, pattern(1900));
    world.settle();
    world.send(second, pattern(1900));
    world.finish(second);
    let why = world.drive_to_end("second");
    assert!(why.contains("3072 bytes"), "{why}");
    assert_eq!(world.log().why("first"), None);
    assert_eq!(world.reactor.buffered(), 1900);
}

/// Nothing more is read and nothing is offered: without an end it would stay for ever.
pub fn a_full_inbox_that_stays_untouched_after_a_pause_closes_the_source(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(LIMIT));
    let (token, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        if cx.data().len() == LIMIT && !log.gate {
            cx.pause_reading();
            log.note("paused");
        }
        Ok(())
    }));
    world.send_at_once(peer, pattern(LIMIT));
    world.drive_until("the pause", |world| world.log().has("near", "paused"));
    world.reactor.state_mut().gate = true;
    world.with(|cx| cx.resume_source(token));
    world.settle();
    world.leave(peer);
    let why = world.drive_to_end("near");
    assert!(why.contains("inbox is full"), "{why}");
}

pub fn a_pause_that_ends_within_the_call_offers_what_is_unread(world: &mut World) {
    let probe = Probe::new("near").on_read(|log, cx| {
        if log.has("near", "paused") {
            let data = cx.recv(usize::MAX);
            log.keep(data);
            return Ok(());
        }
        log.note("paused");
        cx.consume(1);
        cx.pause_reading();
        cx.resume_reading();
        Ok(())
    });
    let (_, peer) = world.open(probe);
    world.send_at_once(peer, "seen");
    world.drive_until("the rest", |world| world.log().bytes("near") == b"een");
}
