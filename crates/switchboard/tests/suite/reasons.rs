//! Which of two reasons `handle_close` is told when both apply: the first one, unless bytes are
//! lost that were to be sent before it, or the program's code panicked.

use std::time::Duration;

use switchboard::Token;

use crate::probe::Probe;
use crate::world::{Peer, World, pattern};

const MUCH: usize = 1024 * 1024; // more than a narrow connection holds

/// A connection that was asked to close while much of what it is to send first is unsent.
fn closing(world: &mut World) -> (Token, Peer) {
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    world.with(|cx| {
        cx.send_to(token, pattern(MUCH)).expect("there is room");
        cx.close_source(token);
    });
    world.settle();
    assert!(world.reactor.buffered() > 0, "the network holds all of it");
    assert_eq!(world.log().why("near"), None);
    (token, peer)
}

pub fn a_panic_after_close_in_the_same_call_is_the_reason(world: &mut World) {
    for last_words in ["", "goodbye"] {
        let probe = Probe::new("near").on_read(move |_, cx| {
            cx.recv(usize::MAX);
            cx.send(last_words)?;
            cx.close();
            panic!("too late");
        });
        let (_, peer) = world.open(probe);
        world.send(peer, "go");
        world.drive_until("the end", |world| world.end(peer).is_some());
        let why = world.log().why("near");
        assert_eq!(why, Some("Panicked(too late)"), "{last_words:?}");
    }
}

pub fn an_abort_of_the_reactor_that_loses_bytes_is_the_reason(world: &mut World) {
    closing(world);
    world.reactor.shutdown_handle().abort();
    assert_eq!(world.drive_to_end("near"), "Shutdown");
    assert_eq!(world.log().of("near").len(), 1);
}

pub fn an_abort_of_the_reactor_that_loses_nothing_is_not(world: &mut World) {
    let (token, _) = world.open(Probe::new("near"));
    world.with(|cx| {
        cx.send_to(token, "goodbye").expect("there is room");
        cx.close_source(token);
    });
    world.settle();
    world.reactor.shutdown_handle().abort();
    assert_eq!(world.drive_to_end("near"), "Requested");
}

pub fn a_reset_that_loses_bytes_is_the_reason(world: &mut World) {
    let (_, peer) = closing(world);
    world.reset(peer);
    let why = world.drive_to_end("near");
    assert!(why.starts_with("Io("), "{why}");
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn an_abort_of_a_closing_source_is_the_reason_if_bytes_are_lost(world: &mut World) {
    let (token, _) = closing(world);
    world.with(|cx| cx.abort_source(token));
    assert_eq!(world.drive_to_end("near"), "Aborted");
    let (token, _) = world.open(Probe::new("sent"));
    world.with(|cx| {
        cx.close_source(token);
        cx.abort_source(token);
    });
    assert_eq!(world.drive_to_end("sent"), "Requested");
}

/// Nothing is left to be sent, so only the peer's own end is waited for, and not for long.
pub fn an_idle_peer_holds_a_shutdown_no_longer_than_a_close(world: &mut World) {
    const CLOSE: Duration = Duration::from_millis(50);
    world.rebuild(|builder| builder.close_timeout(CLOSE));
    world.open(Probe::new("near"));
    world.settle();
    let start = world.now();
    world.reactor.shutdown_handle().shutdown();
    assert_eq!(world.drive_to_end("near"), "Shutdown");
    let took = world.now() - start;
    assert!(
        (CLOSE..Duration::from_secs(5)).contains(&took),
        "it took {took:?}"
    );
    assert!(world.reactor.is_done());
}
