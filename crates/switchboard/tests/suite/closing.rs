//! How one connection closes: what still goes out, for how long, and what the peer sees.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use switchboard::Error;

use crate::peers::End;
use crate::probe::Probe;
use crate::world::{World, assert_same, pattern};

const MIB: usize = 1024 * 1024;

pub fn close_sends_what_is_in_the_outbox_first(world: &mut World) {
    world.with_options(|options| options.with_watermarks(MIB, 4 * MIB));
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    world.with(|cx| {
        cx.send_to(token, pattern(3 * MIB)).expect("there is room");
        cx.close_source(token);
    });
    world.settle();
    assert_eq!(world.log().why("near"), None, "it is not sent yet");
    world.set_reads(peer, true);
    world.drive_until("the end of the stream", |world| world.end(peer).is_some());
    world.assert_received(peer, pattern(3 * MIB));
    assert_eq!(world.end(peer), Some(End::Finished));
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
}

/// A socket closed with unread bytes resets the connection, and the reset overtakes the last
/// words: so they have to be read away first.
pub fn the_last_words_reach_a_peer_that_is_still_sending(world: &mut World) {
    let probe = Probe::new("near").on_read(|_, cx| {
        cx.recv(1);
        cx.send("too long, goodbye")?;
        cx.close();
        Ok(())
    });
    let (_, peer) = world.open(probe);
    world.set_reads(peer, false); // it reads only when it is done with sending
    world.send(peer, pattern(16 * MIB));
    world.finish(peer);
    world.drive_until("all of its bytes on their way", |world| {
        world.unsent(peer) == 0
    });
    world.set_reads(peer, true);
    assert_eq!(world.drive_to_end("near"), "Requested");
    world.drive_until("the end of the stream", |world| world.end(peer).is_some());
    world.assert_received(peer, "too long, goodbye");
    assert_eq!(world.end(peer), Some(End::Finished));
}

pub fn a_close_that_the_peer_ignores_ends_at_its_deadline(world: &mut World) {
    world.rebuild(|builder| builder.close_timeout(Duration::from_millis(40)));
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    let start = world.now();
    world.with(|cx| {
        cx.send_to(token, pattern(MIB)).expect("there is room");
        cx.close_source(token);
    });
    assert_eq!(world.drive_to_end("near"), "TimedOut(Close)");
    let took = world.now() - start;
    assert!(took >= Duration::from_millis(40), "only {took:?}");
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn a_peer_that_never_finishes_does_not_hold_a_close_beyond_its_deadline(world: &mut World) {
    const TIMEOUT: Duration = Duration::from_millis(40);
    world.rebuild(|builder| builder.close_timeout(TIMEOUT));
    let (token, peer) = world.open(Probe::new("near"));
    let start = world.now();
    world.with(|cx| {
        cx.send_to(token, "bye").expect("there is room");
        cx.close_source(token);
    });
    world.drive_until("our end", |world| world.end(peer).is_some());
    assert_eq!(world.drive_to_end("near"), "Requested", "all was sent");
    let took = world.now() - start;
    assert!(took >= TIMEOUT, "it waits for the peer's end: {took:?}");
    world.assert_received(peer, "bye");
}

pub fn abort_does_not_wait_for_the_outbox(world: &mut World) {
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    let sent = world.with(|cx| cx.send_to(token, pattern(MIB)));
    sent.expect("there is room");
    world.settle();
    world.with(|cx| cx.abort_source(token));
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert_eq!(world.log().why("near"), Some("Aborted"));
    assert_eq!(world.reactor.buffered(), 0);
    assert_eq!(world.reactor.sources(), 0);
    world.set_reads(peer, true);
    world.drive_until("the end of the stream", |world| world.end(peer).is_some());
    assert!(world.received(peer).len() < MIB);
}

pub fn nothing_is_read_after_close(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near").on_timer(|_, cx, _| {
        cx.close();
        Ok(())
    }));
    world.send(peer, "before");
    world.settle();
    world.with(|cx| cx.close_source(token));
    world.send(peer, "after");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    assert_same(world.log().bytes("near"), b"before");
    assert_eq!(world.log().of("near"), ["closed Requested"]);
}

pub fn sending_after_close_is_stale(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near"));
    world.with(|cx| {
        cx.send_to(token, "a").expect("there is room");
        cx.close_source(token);
        let sent = cx.send_to(token, "b");
        assert!(matches!(sent, Err(Error::Stale(stale)) if stale == token));
        assert!(!cx.is_open(token));
    });
    world.finish(peer);
    world.drive_to_end("near");
    world.drive_until_received(peer, "a");
}

pub fn the_default_answer_to_the_end_closes_after_the_outbox(world: &mut World) {
    let (_, peer) = world.open_narrow(Probe::echo("near"));
    world.set_reads(peer, false);
    world.send(peer, pattern(MIB));
    world.finish(peer);
    world.settle();
    world.set_reads(peer, true);
    world.drive_to_end("near");
    assert_eq!(world.log().count("near", "eof"), 1);
    world.drive_until("the end of the stream", |world| world.end(peer).is_some());
    world.assert_received(peer, pattern(MIB));
    assert_eq!(world.end(peer), Some(End::Finished));
}

pub fn a_handler_may_go_on_writing_after_the_end(world: &mut World) {
    let probe = Probe::new("near")
        .on_eof(|_, cx| {
            cx.send("still ")?;
            cx.set_timer(Duration::from_millis(5)).map(drop)
        })
        .on_timer(|_, cx, _| {
            cx.send("here")?;
            cx.close();
            Ok(())
        });
    let (_, peer) = world.open(probe);
    world.send(peer, "question");
    world.finish(peer);
    world.drive_until("the end of the stream", |world| world.end(peer).is_some());
    world.assert_received(peer, "still here");
    assert_eq!(world.end(peer), Some(End::Finished));
    world.drive_to_end("near");
    assert_eq!(world.log().count("near", "eof"), 1);
}

pub fn shutting_down_our_side_lets_the_peer_go_on(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near"));
    world.with(|cx| {
        cx.send_to(token, "all that I had").expect("there is room");
        cx.shutdown_source(token, Shutdown::Write).expect("it can");
        assert!(cx.send_to(token, "more").is_err(), "our side is closed");
    });
    world.drive_until("our end", |world| world.end(peer).is_some());
    world.assert_received(peer, "all that I had");
    world.send(peer, "but I go on");
    world.settle();
    assert_same(world.log().bytes("near"), b"but I go on");
    assert!(world.log().all().is_empty(), "it is still open");
    world.finish(peer);
    world.drive_to_end("near");
    assert_eq!(world.log().count("near", "eof"), 1);
}

pub fn both_sides_finished_is_the_end(world: &mut World) {
    let stays = |name| Probe::new(name).on_eof(|_, _| Ok(())); // does not close by itself
    let (first, first_peer) = world.open(stays("ours first"));
    let (second, second_peer) = world.open(stays("theirs first"));
    let shut = world.with(|cx| cx.shutdown_source(first, Shutdown::Write));
    shut.expect("it can");
    world.settle();
    world.finish(first_peer);
    assert_eq!(world.drive_to_end("ours first"), "Eof");
    world.finish(second_peer);
    world.settle();
    assert_eq!(
        world.log().of("theirs first"),
        ["eof"],
        "it may still write"
    );
    let shut = world.with(|cx| cx.shutdown_source(second, Shutdown::Write));
    shut.expect("it can");
    assert_eq!(world.drive_to_end("theirs first"), "Eof");
}

pub fn a_reset_is_an_io_close(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near"));
    world.send(peer, "x");
    world.settle();
    world.reset(peer);
    assert_eq!(world.drive_to_end("near"), "Io(ConnectionReset)");
    assert_eq!(world.log().of("near").len(), 1, "no end of the stream");
}

pub fn a_reset_while_sending_is_an_io_close(world: &mut World) {
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    let sent = world.with(|cx| cx.send_to(token, pattern(MIB)));
    sent.expect("there is room");
    world.settle();
    world.reset(peer);
    let why = world.drive_to_end("near");
    assert!(why.starts_with("Io("), "{why}");
    assert_eq!(world.reactor.buffered(), 0);
}

/// Whoever was promised a flush learns that it did not happen.
pub fn a_reset_while_flushing_says_so(world: &mut World) {
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    world.with(|cx| {
        cx.send_to(token, pattern(MIB)).expect("there is room");
        cx.close_source(token);
    });
    world.settle();
    world.reset(peer);
    let why = world.drive_to_end("near");
    assert!(why.starts_with("Io("), "{why}");
}

/// Bytes that go on as they came are sent after the call, so after its `close`.
pub fn a_forward_that_fails_after_close_says_so(world: &mut World) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let far = TcpStream::connect(listener.local_addr().expect("it is bound"));
    let (near, _) = listener.accept().expect("the peer has connected");
    let own = near.try_clone().expect("a descriptor is free");
    let near = near.try_into().expect("a socket can be non-blocking");
    let probe = Probe::new("near").on_read(|_, cx| {
        let data = cx.recv(usize::MAX);
        cx.send(data)?;
        cx.close();
        Ok(())
    });
    let token = world.with(|cx| cx.register(near, probe));
    token.expect("there is room");
    let peer = world.adopt(far.expect("it listens"));
    own.shutdown(Shutdown::Write).expect("it is connected"); // makes every send fail
    world.send_at_once(peer, pattern(8192));
    // The standard library has no name for what Windows says.
    let name = if cfg!(windows) {
        "Uncategorized"
    } else {
        "BrokenPipe"
    };
    assert_eq!(world.drive_to_end("near"), format!("Io({name})"));
    assert_eq!(world.log().of("near").len(), 1);
}

pub fn closing_twice_is_closing_once(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near"));
    world.with(|cx| {
        cx.close_source(token);
        cx.close_source(token);
        cx.abort_source(token);
        cx.abort_source(token);
    });
    world.settle();
    world.with(|cx| cx.abort_source(token));
    world.settle();
    // Nothing was lost by the abort, so the first reason stays.
    assert_eq!(world.log().of("near"), ["closed Requested"]);
    assert!(world.end(peer).is_some());
}
