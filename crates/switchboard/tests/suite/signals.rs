//! Signals as events. All cases share one process with all others, so each has signals of its own.

use switchboard::signal::{
    SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};

use crate::probe::Probe;
use crate::world::World;

pub fn a_signal_is_told_with_its_number(world: &mut World) {
    let token = world.with(|cx| cx.signals(&[SIGUSR1], Probe::new("signals")));
    let token = token.expect("it can be caught");
    let expected = format!("signal {SIGUSR1}");
    for times in 1..=3 {
        world.raise(SIGUSR1);
        world.drive_until("the signal", |world| {
            world.log().count("signals", &expected) == times
        });
    }
    world.settle();
    assert_eq!(world.log().of("signals").len(), 3);
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("signals"), "Requested");
    world.raise(SIGUSR1); // does nothing now: it does not even end the process
    world.settle();
    assert_eq!(world.log().of("signals").len(), 4);
}

pub fn a_signal_that_came_twice_before_the_tick_is_told_once(world: &mut World) {
    let token = world.with(|cx| cx.signals(&[SIGUSR2], Probe::new("signals")));
    token.expect("it can be caught");
    world.raise(SIGUSR2);
    world.raise(SIGUSR2);
    world.settle();
    assert_eq!(world.log().of("signals"), [format!("signal {SIGUSR2}")]);
}

pub fn each_signal_of_a_set_is_told(world: &mut World) {
    let token = world.with(|cx| cx.signals(&[SIGHUP, SIGWINCH], Probe::new("signals")));
    token.expect("they can be caught");
    world.raise(SIGWINCH);
    world.raise(SIGHUP);
    world.settle();
    let mut told = world.log().of("signals");
    told.sort_unstable();
    let mut expected = [format!("signal {SIGHUP}"), format!("signal {SIGWINCH}")];
    expected.sort_unstable();
    assert_eq!(told, expected);
}

pub fn a_signal_that_cannot_be_caught_is_an_error(world: &mut World) {
    const SIGKILL: i32 = 9;
    for signal in [SIGKILL, 0, -1, 4711, i32::MIN] {
        let refused = world.with(|cx| cx.signals(&[signal], Probe::new("signals")));
        let error = refused.expect_err("it cannot be caught").to_string();
        assert!(error.contains(&signal.to_string()), "{error}");
    }
    assert_eq!(world.reactor.sources(), 0);
}

/// They come once: a pause would lose them, or tell them when they mean nothing any more.
pub fn a_pause_does_not_hold_a_signal_back(world: &mut World) {
    let token = world.with(|cx| {
        let token = cx.signals(&[SIGALRM], Probe::new("signals"));
        token.inspect(|token| cx.pause_source(*token))
    });
    token.expect("it can be caught");
    world.raise(SIGALRM);
    world.settle();
    assert_eq!(world.log().of("signals"), [format!("signal {SIGALRM}")]);
}

/// Those whose default action would end this process, and those that mean nothing to most.
pub fn the_usual_signals_are_all_told(world: &mut World) {
    let usual = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGWINCH];
    let token = world.with(|cx| cx.signals(&usual, Probe::new("signals")));
    token.expect("they can be caught");
    for signal in usual {
        world.raise(signal);
        world.settle();
        assert!(world.log().has("signals", &format!("signal {signal}")));
    }
}
