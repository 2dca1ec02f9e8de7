//! What a tick leaves to the next one, so that whoever has much to do does not keep the others
//! from their turn.

use std::sync::mpsc;
use std::time::Duration;

use crate::probe::Probe;
use crate::world::World;

/// Each result brings the next job, and there is always a result: the handler waits for it.
pub fn jobs_that_never_end_let_timers_and_connections_have_their_turn(world: &mut World) {
    const UNDER_WAY: usize = 64;
    const AHEAD: usize = 8; // more than the threads, which tell before they hand the result over
    const ENOUGH: usize = 50_000;
    let (tell, told) = mpsc::channel();
    let first = tell.clone();
    let mut handled = 0;
    let probe = Probe::new("near")
        .on_read(move |_, cx| {
            cx.recv(usize::MAX);
            cx.after(Duration::from_millis(10), |log, _| {
                log.note_of("timer", "due");
            })?;
            for _ in 0..UNDER_WAY {
                let tell = first.clone();
                cx.offload(move || tell.send(()).is_ok())?;
            }
            Ok(())
        })
        .on_done(move |log, cx, _| {
            handled += 1;
            if handled == ENOUGH {
                log.note("enough");
            }
            if log.gate || handled >= ENOUGH {
                return Ok(());
            }
            for _ in 0..if handled == 1 { AHEAD } else { 1 } {
                told.recv().expect("a job is under way");
            }
            let tell = tell.clone();
            cx.offload(move || tell.send(()).is_ok()).map(drop)
        });
    let (_, near) = world.open(probe);
    let (_, other) = world.open(Probe::echo("other"));
    world.send(near, "go");
    world.drive_until("the first results", |world| world.log().has("near", "done"));
    world.send(other, "still there?");
    world.drive_until("timer and answer", |world| {
        world.log().has("timer", "due") && world.received(other) == b"still there?"
    });
    world.reactor.state_mut().gate = true;
    let ended = world.log().has("near", "enough");
    assert!(!ended, "{ENOUGH} results had their turn first");
}

/// What a tick's bound has cut off is looked at before those who had their turn already. What is
/// heard of it meanwhile, be it the end of the stream, must not be lost.
pub fn what_a_tick_has_no_time_for_comes_first_in_the_next_and_loses_nothing(world: &mut World) {
    const TICK: usize = 4 * 1024 * 1024; // no more is read in one
    const READ: usize = 32 * 1024; // nor for one source before the others
    const FLOODS: usize = 150;
    const EACH: usize = 8 * READ;
    const LATE: usize = 20;
    world.with_options(|options| options.with_inbox_limit(READ));
    for _ in 0..FLOODS {
        let mut got = 0;
        let (_, peer) = world.open(Probe::new("flood").on_read(move |log, cx| {
            got += cx.recv(usize::MAX).len();
            assert!(got <= EACH, "{got} bytes of {EACH}");
            if got == EACH {
                log.note("all");
            }
            Ok(())
        }));
        world.send(peer, vec![7; EACH]);
    }
    let mut late = Vec::new();
    for _ in 0..LATE {
        let (_, peer) = world.open(Probe::new("late"));
        world.send(peer, "first ");
        late.push(peer);
    }
    world.turn(Duration::ZERO).expect("a turn goes well");
    let early = world.log().bytes("late").len();
    assert_eq!(early, 0, "the premise: others were before them");
    for peer in late {
        world.send(peer, "last");
        world.finish(peer);
    }
    let mut turns = 0;
    while world.log().count("late", "eof") < LATE {
        world.turn(Duration::ZERO).expect("a turn goes well");
        turns += 1;
        let most = FLOODS * READ / TICK + 1 + world.turns_to_receive();
        assert!(turns <= most, "{turns} turns");
    }
    assert_eq!(world.log().bytes("late").len(), LATE * "first last".len());
    assert!(
        !world.log().has("flood", "all"),
        "one went to its end first"
    );
    world.drive_until("all bytes", |world| {
        world.log().count("flood", "all") == FLOODS
    });
}
