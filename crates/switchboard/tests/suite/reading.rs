//! What a handler is offered to read, and when: portions, pauses, and the end of the stream.

use std::net::Shutdown;
use std::time::Duration;

use crate::probe::Probe;
use crate::world::{World, assert_same, pattern};

pub fn recv_takes_no_more_than_it_asks_for_and_is_called_again_for_the_rest(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        let data = cx.recv(8192);
        log.note(data.len());
        log.keep(data);
        Ok(())
    }));
    world.send_at_once(peer, pattern(20_000));
    world.drive_until("all bytes", |world| {
        world.log().bytes("near").len() == 20_000
    });
    assert_same(world.log().bytes("near"), &pattern(20_000));
    let reads = world.log().of("near");
    assert!(reads.len() >= 3, "{reads:?}");
    assert!(reads.contains(&"8192"), "{reads:?}");
    let sizes = reads.iter().map(|read| read.parse::<usize>().unwrap());
    assert!(sizes.max() <= Some(8192), "{reads:?}");
}

/// A handler that takes whole lines, one for each call.
fn lines(name: &'static str) -> Probe {
    Probe::new(name).on_read(|log, cx| {
        let data = cx.data();
        log.note(data.escape_ascii());
        if let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            cx.consume(end + 1);
        }
        Ok(())
    })
}

pub fn what_is_not_consumed_is_offered_with_the_next_bytes(world: &mut World) {
    let (_, peer) = world.open(lines("near"));
    world.send(peer, "ab");
    world.settle();
    assert_eq!(world.log().of("near"), ["ab"], "a rest alone calls nobody");
    world.send(peer, "cd\nef");
    world.settle();
    world.send(peer, "\n");
    world.settle();
    assert_eq!(world.log().of("near"), ["ab", r"abcd\nef", r"ef\n"]);
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn again_after_consuming_calls_at_once(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        let data = cx.data();
        log.note(data.escape_ascii());
        cx.consume(1);
        cx.again();
        Ok(())
    }));
    world.send(peer, "abc");
    world.drive_until("the first call", |world| !world.log().all().is_empty());
    // All three in one turn: nothing else had to happen between them.
    assert_eq!(world.log().of("near"), ["abc", "bc", "c"]);
}

pub fn again_without_consuming_calls_in_the_next_tick(world: &mut World) {
    let mut calls = 0;
    let (_, peer) = world.open(Probe::new("near").on_read(move |log, cx| {
        calls += 1;
        log.note(format_args!("call {calls}"));
        match calls {
            1 => cx.again(),
            _ => cx.consume(cx.data().len()),
        }
        Ok(())
    }));
    world.send(peer, "abc");
    world.drive_until("the second call", |world| world.log().has("near", "call 2"));
    world.settle();
    assert_eq!(world.log().of("near"), ["call 1", "call 2"]);
}

pub fn paused_bytes_are_kept_and_offered_when_resumed(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        let data = cx.data();
        log.note(data.escape_ascii());
        if data == b"ab" {
            cx.pause_reading(); // with two bytes unread
        } else {
            cx.consume(data.len());
        }
        Ok(())
    }));
    world.send(peer, "ab");
    world.settle();
    world.send(peer, "cd");
    world.settle();
    assert_eq!(world.log().of("near"), ["ab"], "nothing while it is paused");
    world.with(|cx| cx.resume_source(token));
    world.drive_until("the new bytes", |world| {
        world.log().of("near").contains(&"abcd")
    });
}

pub fn a_source_that_resumes_in_its_own_timer_is_offered_what_it_left(world: &mut World) {
    let (_, peer) = world.open(
        Probe::new("near")
            .on_read(|log, cx| {
                log.keep(cx.recv(2));
                cx.pause_reading();
                cx.set_timer(Duration::from_millis(1)).map(drop)
            })
            .on_timer(|_, cx, _| {
                cx.resume_reading();
                Ok(())
            }),
    );
    world.send_at_once(peer, "abcdef");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    assert_eq!(world.log().bytes("near"), b"abcdef");
}

pub fn a_pause_inside_handle_read_stops_the_portions(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.note(cx.recv(2).escape_ascii());
        cx.pause_reading();
        Ok(())
    }));
    world.send_at_once(peer, "abcdef");
    world.settle();
    assert_eq!(world.log().of("near"), ["ab"]);
    world.with(|cx| cx.resume_source(token));
    world.settle();
    assert_eq!(world.log().of("near"), ["ab", "cd"]);
    world.with(|cx| cx.resume_source(token));
    world.settle();
    assert_eq!(world.log().of("near"), ["ab", "cd", "ef"]);
}

/// The kernel announces them once; whoever stops half-way has to come back by himself.
pub fn more_bytes_than_one_tick_may_read_are_all_read(world: &mut World) {
    const EACH: usize = 768 * 1024;
    let peers: Vec<_> = (0..8).map(|_| world.open(Probe::new("near")).1).collect();
    for peer in peers {
        world.send(peer, pattern(EACH));
        world.finish(peer);
    }
    world.drive_until("all bytes and ends", |world| {
        world.log().bytes("near").len() == 8 * EACH && world.log().count("near", "eof") == 8
    });
}

/// The same in small: ten bytes lie in the kernel, and one read may bring four.
pub fn bytes_beyond_a_tiny_inbox_are_all_read(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(4));
    let (_, peer) = world.open(Probe::new("near"));
    world.send_at_once(peer, "0123456789");
    world.drive_until("all bytes", |world| world.log().bytes("near").len() == 10);
    assert_same(world.log().bytes("near"), b"0123456789");
}

/// A short read means "drained" unless the end is known to follow.
pub fn data_that_comes_with_the_end_is_read_first(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.note(cx.recv(usize::MAX).escape_ascii());
        Ok(())
    }));
    world.finish(peer);
    world.send_at_once(peer, "last words");
    world.drive_to_end("near");
    assert_eq!(world.log().of("near")[..2], ["last words", "eof"]);
}

pub fn data_that_comes_with_the_end_passes_a_tiny_inbox(world: &mut World) {
    world.with_options(|options| options.with_inbox_limit(4));
    let (_, peer) = world.open(Probe::new("near"));
    world.finish(peer);
    world.send_at_once(peer, "0123456789");
    world.drive_to_end("near");
    assert_same(world.log().bytes("near"), b"0123456789");
    assert_eq!(world.log().of("near")[0], "eof");
}

pub fn the_end_comes_after_all_portions(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        let data = cx.recv(7);
        log.keep(data);
        log.note("read");
        Ok(())
    }));
    world.finish(peer);
    world.send_at_once(peer, pattern(7000)); // more portions than one tick allows
    world.drive_to_end("near");
    assert_same(world.log().bytes("near"), &pattern(7000));
    let notes = world.log().of("near");
    assert_eq!(
        notes[notes.len() - 2],
        "eof",
        "nothing is read after the end"
    );
    assert_eq!(world.log().count("near", "eof"), 1);
}

pub fn an_unread_rest_is_visible_at_the_end(world: &mut World) {
    let (_, peer) = world.open(lines("near").on_eof(|log, cx| {
        log.note(format_args!("left {}", cx.data().escape_ascii()));
        cx.close();
        Ok(())
    }));
    world.finish(peer);
    world.send_at_once(peer, "a\nrest");
    world.drive_to_end("near");
    assert_eq!(
        world.log().of("near")[..3],
        [r"a\nrest", "eof", "left rest"]
    );
}

pub fn a_paused_source_learns_of_the_end_when_resumed(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near"));
    world.with(|cx| cx.pause_source(token));
    world.finish(peer);
    world.send_at_once(peer, "ab");
    world.settle();
    assert!(world.log().all().is_empty(), "it is paused");
    world.with(|cx| cx.resume_source(token));
    world.drive_to_end("near");
    assert_same(world.log().bytes("near"), b"ab");
    assert_eq!(world.log().of("near")[0], "eof");
}

pub fn bytes_kept_in_a_pause_come_before_the_end(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.note(cx.recv(4).escape_ascii());
        if !log.gate {
            cx.pause_reading();
        }
        Ok(())
    }));
    world.finish(peer);
    world.send_at_once(peer, "0123456789");
    world.settle();
    assert_eq!(world.log().of("near"), ["0123"]);
    world.reactor.state_mut().gate = true;
    world.with(|cx| cx.resume_source(token));
    world.drive_to_end("near");
    assert_eq!(world.log().of("near")[..4], ["0123", "4567", "89", "eof"]);
}

pub fn a_replaced_handler_leaves_its_unread_bytes_to_the_next(world: &mut World) {
    let (_, peer) = world.open(Probe::new("first").on_read(|log, cx| {
        log.note(cx.data().escape_ascii());
        cx.consume(2);
        cx.replace_handler(Probe::new("second").on_read(|log, cx| {
            log.note(cx.recv(usize::MAX).escape_ascii());
            Ok(())
        }));
        Ok(())
    }));
    world.send_at_once(peer, "abcdef");
    world.settle();
    world.send(peer, "gh");
    world.finish(peer);
    world.drive_to_end("second");
    assert_eq!(world.log().of("first"), ["abcdef"]);
    assert_eq!(world.log().of("second")[..3], ["cdef", "gh", "eof"]);
}

pub fn after_our_side_has_stopped_reading_nothing_more_comes(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near").on_eof(|_, _| Ok(())));
    world.with(|cx| {
        cx.shutdown_source(token, Shutdown::Read)
            .expect("it is open");
    });
    world.drive_until("the end", |world| world.log().has("near", "eof"));
    world.send(peer, "too late");
    world.settle();
    world.with(|cx| cx.send_to(token, "bye").expect("this side is open"));
    world.drive_until_received(peer, "bye");
    assert!(world.log().bytes("near").is_empty());
}
