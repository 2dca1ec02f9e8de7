//! What time brings: the timers of sources and of the loop, idle timeouts, and how traffic puts
//! those off.

use std::time::Duration;

use switchboard::{Error, TimerId};

use crate::probe::Probe;
use crate::world::World;

const IDLE: Duration = Duration::from_millis(250);

pub fn an_idle_connection_is_closed_and_a_busy_one_is_not(world: &mut World) {
    world.in_time(3 * IDLE / 4, |world| {
        world.with_options(|options| options.with_idle_timeout(IDLE));
        let (_, _) = world.open(Probe::new("idle"));
        let (_, busy) = world.open(Probe::echo("busy"));
        while world.log().why("idle").is_none() {
            world.send(busy, ".");
            world.elapse(STEP);
        }
        assert_eq!(world.log().why("idle"), Some("TimedOut(Idle)"));
        world.send(busy, ".");
        world.elapse(IDLE / 2);
        if world.log().why("busy").is_some() {
            return false;
        }
        assert_eq!(world.drive_to_end("busy"), "TimedOut(Idle)");
        true
    });
}

/// What is forwarded is traffic of the source that it is sent to, too.
pub fn forwarded_bytes_keep_their_target_from_being_idle(world: &mut World) {
    world.in_time(3 * IDLE / 4, |world| {
        world.rebuild(|builder| builder);
        let (target, peer) = world.open(Probe::new("target"));
        let (_, source) = world.open(Probe::new("source").on_read(move |_, cx| {
            let data = cx.recv(usize::MAX);
            cx.send_to(target, data)
        }));
        world
            .with(|cx| {
                let options = cx.source_options(target).expect("it is there");
                cx.set_source_options(target, options.with_idle_timeout(IDLE))
            })
            .expect("it is there");
        let end = world.now() + 3 * IDLE;
        while world.now() < end {
            world.send(source, vec![0; 8192]);
            world.elapse(STEP);
            if world.log().why("target").is_some() {
                return false;
            }
        }
        assert!(world.received(peer).len() > 8192);
        assert_eq!(world.drive_to_end("target"), "TimedOut(Idle)");
        true
    });
}

const STEP: Duration = Duration::from_millis(5);

/// A probe that runs `ask` when its peer says so.
fn asked(
    name: &'static str,
    ask: impl Fn(&mut switchboard::Context<'_, crate::probe::Log>) -> switchboard::Result + 'static,
) -> Probe {
    Probe::new(name).on_read(move |_, cx| {
        cx.recv(usize::MAX);
        ask(cx)
    })
}

pub fn an_interval_keeps_its_id_until_it_is_cancelled_in_its_own_call(world: &mut World) {
    let mut known: Option<TimerId> = None;
    let mut calls = 0;
    let probe = asked("near", |cx| cx.set_interval(STEP).map(drop));
    let (_, peer) = world.open(probe.on_timer(move |log, cx, timer| {
        assert_eq!(*known.get_or_insert(timer), timer, "one id for all calls");
        calls += 1;
        if calls == 3 {
            log.note(cx.cancel_timer(timer));
            log.note(cx.cancel_timer(timer));
        }
        Ok(())
    }));
    let start = world.now();
    world.send(peer, "go");
    world.drive_until("the end of it", |world| world.log().has("near", "false"));
    assert!(world.now() - start >= 3 * STEP, "too early");
    world.elapse(4 * STEP);
    assert_eq!(
        world.log().of("near"),
        ["timer", "timer", "timer", "true", "false"]
    );
}

pub fn a_timer_is_called_once_and_never_early(world: &mut World) {
    let probe = asked("near", |cx| cx.set_timer(4 * STEP).map(drop));
    let (_, peer) = world.open(probe.on_timer(|log, cx, timer| {
        log.note(cx.cancel_timer(timer)); // it has ended already
        Ok(())
    }));
    world.send_at_once(peer, "go");
    let start = world.now();
    world.drive_until("the timer", |world| world.log().has("near", "timer"));
    assert!(world.now() - start >= 4 * STEP, "too early");
    world.elapse(6 * STEP);
    assert_eq!(world.log().of("near"), ["timer", "false"]);
}

/// A source that has had no call yet cannot ask by itself.
pub fn any_source_can_be_given_a_timer(world: &mut World) {
    let (token, _) = world.open(Probe::new("near"));
    let timer = world.with(|cx| cx.set_source_timer(token, STEP));
    timer.expect("there is room");
    world.drive_until("the timer", |world| world.log().has("near", "timer"));
    world.elapse(3 * STEP);
    assert_eq!(world.log().of("near"), ["timer"]);
    world.with(|cx| cx.abort_source(token));
    let late = world.with(|cx| cx.set_source_timer(token, STEP));
    assert!(matches!(late, Err(Error::Stale(stale)) if stale == token));
}

pub fn timers_end_with_their_source(world: &mut World) {
    let probe = asked("near", |cx| {
        cx.set_timer(STEP)?;
        cx.set_interval(STEP)?;
        cx.abort();
        Ok(())
    });
    let (_, peer) = world.open(probe);
    world.send(peer, "go");
    world.drive_to_end("near");
    assert!(world.reactor.is_done(), "no timer is left");
    world.open(Probe::new("next")); // in the same slot
    world.elapse(4 * STEP);
    assert_eq!(world.log().of("near"), ["closed Aborted"]);
    assert!(world.log().of("next").is_empty());
}

pub fn timers_come_in_the_order_of_their_deadlines(world: &mut World) {
    world.with(|cx| {
        for steps in [3u32, 1, 4, 2] {
            cx.after(steps * STEP, move |log, _| log.note_of("timer", steps))
                .expect("there is room");
        }
    });
    world.elapse(6 * STEP);
    assert_eq!(world.log().of("timer"), ["1", "2", "3", "4"]);
    assert!(world.reactor.is_done());
}

pub fn a_closure_for_later_can_be_cancelled(world: &mut World) {
    world.with(|cx| {
        let first = cx.after(STEP, |log, _| log.note_of("timer", "first"));
        let first = first.expect("there is room");
        cx.after(STEP, |log, _| log.note_of("timer", "second"))
            .expect("there is room");
        assert!(cx.cancel_timer(first));
        assert!(!cx.cancel_timer(first));
    });
    world.elapse(3 * STEP);
    assert_eq!(world.log().of("timer"), ["second"]);
}

/// One that asks for no delay, always again, leaves everything else its turn.
pub fn timers_without_delay_do_not_hold_a_tick(world: &mut World) {
    let zero = |cx: &mut switchboard::Context<'_, _>| cx.set_timer(Duration::ZERO).map(drop);
    let probe = asked("near", zero).on_timer(move |_, cx, _| zero(cx));
    let (_, peer) = world.open(probe);
    let (_, other) = world.open(Probe::echo("other"));
    world.send(peer, "go");
    world.drive_until("many", |world| world.log().count("near", "timer") > 20);
    world.send(other, "still there?");
    world.drive_until_received(other, "still there?");
    let before = world.log().count("near", "timer");
    for turns in 1..=3 {
        world.turn(STEP).expect("a turn goes well");
        assert!(world.log().count("near", "timer") <= before + turns);
    }
}

pub fn timers_beyond_the_bound_are_refused(world: &mut World) {
    world.rebuild(|builder| builder.max_timers(2));
    world.with(|cx| {
        let first = cx.after(STEP, |_, _| ()).expect("there is room");
        cx.after(STEP, |_, _| ()).expect("there is room");
        let refused = cx.after(STEP, |_, _| ());
        assert!(matches!(refused, Err(Error::TooManyTimers { limit: 2 })));
        cx.cancel_timer(first);
        cx.after(STEP, |_, _| ()).expect("there is room again");
    });
    world.elapse(3 * STEP);
    assert!(world.reactor.is_done());
}

/// The idle timeout is one of those timers: who cannot be watched does not stay.
pub fn a_source_that_no_timer_is_left_for_ends(world: &mut World) {
    world.rebuild(|builder| builder.max_timers(0));
    let (token, _) = world.open(Probe::new("near"));
    let options = switchboard::SourceOptions::default().with_idle_timeout(IDLE);
    world
        .with(|cx| cx.set_source_options(token, options))
        .expect("it is there");
    let why = world.drive_to_end("near");
    assert!(why.starts_with("Error("), "{why}");
}
