//! A token names one source for as long as that source lives, and nothing afterwards.

use std::net::Shutdown;
use std::time::Duration;

use switchboard::{Error, SourceOptions};

use crate::probe::Probe;
use crate::world::World;

pub fn a_stale_token_never_reaches_the_next_source_in_its_slot(world: &mut World) {
    let (old, _) = world.open(Probe::new("old"));
    world.with(|cx| cx.abort_source(old));
    world.drive_to_end("old");
    let (new, peer) = world.open(Probe::new("new"));
    // The premise: the slot is the same, and only the generation tells the two apart.
    let slot = |token| format!("{token:?}").split('.').next().map(str::to_owned);
    assert_eq!(slot(old), slot(new));
    assert_ne!(old, new);
    world.with(|cx| {
        assert!(matches!(cx.send_to(old, "x"), Err(Error::Stale(token)) if token == old));
        cx.pause_source(old);
        cx.close_source(old);
        cx.abort_source(old);
    });
    world.send(peer, "for the new one");
    world.settle();
    assert_eq!(world.log().bytes("new"), b"for the new one");
    assert!(world.log().of("new").is_empty());
    assert!(world.received(peer).is_empty());
}

pub fn a_stale_token_is_refused_by_every_call(world: &mut World) {
    let (token, _) = world.open(Probe::new("near"));
    world.with(|cx| cx.abort_source(token));
    world.drive_to_end("near");
    world.with(|cx| {
        let stale = |outcome| matches!(outcome, Err(Error::Stale(stale)) if stale == token);
        assert!(stale(cx.send_to(token, "x")));
        assert!(stale(cx.shutdown_source(token, Shutdown::Both)));
        assert!(stale(
            cx.set_source_options(token, SourceOptions::default())
        ));
        assert!(cx.source_options(token).is_none());
        assert!(!cx.is_open(token));
        assert_eq!(cx.source_outbox_len(token), 0);
        cx.resume_source(token);
    });
    world.settle();
    assert_eq!(world.log().of("near"), ["closed Aborted"]);
}

pub fn a_source_can_close_itself_inside_its_callback(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.note(cx.recv(2).escape_ascii());
        cx.abort();
        log.note(format_args!("is open: {}", cx.is_open(cx.token())));
        Ok(())
    }));
    world.send_at_once(peer, "abcdef");
    world.drive_to_end("near");
    assert_eq!(
        world.log().of("near"),
        ["ab", "is open: false", "closed Aborted"],
        "no further portion"
    );
    assert!(!world.with(|cx| cx.is_open(token)));
}

/// A descriptor and a slot are used again within the batch in which events for the old owner wait.
pub fn events_of_a_closed_source_do_not_reach_the_next_one_in_its_slot(world: &mut World) {
    let ends: Vec<_> = (0..4).map(|_| world.open(Probe::new("old"))).collect();
    for (_, peer) in &ends {
        world.send_at_once(*peer, "for the old one");
    }
    world.with(|cx| {
        for (token, _) in &ends {
            cx.abort_source(*token);
        }
    });
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert_eq!(world.reactor.sources(), 0);
    let new: Vec<_> = (0..4).map(|_| world.open(Probe::new("new"))).collect();
    world.settle();
    assert!(world.log().bytes("new").is_empty());
    for (_, peer) in &new {
        world.send(*peer, "n");
    }
    world.settle();
    assert_eq!(world.log().bytes("new"), b"nnnn");
    assert!(world.log().of("new").is_empty());
}
