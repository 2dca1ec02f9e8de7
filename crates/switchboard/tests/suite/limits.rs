//! What a peer may not take too long for, and not do too often.

use std::time::Duration;

use switchboard::{Context, Error, Rate, Result, SourceOptions, Time};

use crate::probe::{Log, Probe};
use crate::world::{Peer, World, assert_same, pattern};

const TIMEOUT: Duration = Duration::from_millis(60);
/// For what must not time out.
const LONG: Duration = Duration::from_millis(300);

const STEP: Duration = Duration::from_millis(5);

/// Consumes whole lines only, all that are there.
fn take_lines(log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
    let lines = cx.data().iter().rposition(|byte| *byte == b'\n');
    if let Some(last) = lines {
        log.keep(&cx.data()[..=last]);
        cx.consume(last + 1);
    }
    Ok(())
}

fn reads_within(world: &mut World, timeout: Duration) {
    world.with_options(|options| options.with_read_timeout(timeout));
}

/// Has a peer send byte after byte, which is of no use to it.
fn trickle_to_the_end(world: &mut World, peer: Peer, name: &str) {
    let start = world.now();
    for steps in 0.. {
        if world.log().why(name).is_some() {
            break;
        }
        world.send(peer, ".");
        world.elapse(STEP); // or longer, if the machine is busy
        assert!(steps * STEP < 20 * TIMEOUT, "it is waited for");
    }
    assert_eq!(world.log().why(name), Some("TimedOut(Read)"));
    assert!(world.now() - start >= TIMEOUT, "too early");
}

pub fn a_message_that_trickles_in_is_not_waited_for(world: &mut World) {
    reads_within(world, TIMEOUT);
    let (_, slow) = world.open(Probe::new("slow").on_read(take_lines));
    let (_, _) = world.open(Probe::new("silent").on_read(take_lines));
    trickle_to_the_end(world, slow, "slow");
    assert_eq!(world.log().why("silent"), None, "it has begun nothing");
    assert!(world.reactor.buffered() == 0);
}

pub fn setting_the_same_deadline_again_puts_nothing_off(world: &mut World) {
    reads_within(world, TIMEOUT);
    let probe = Probe::new("near").on_read(|_, cx| cx.set_options(cx.options()));
    let (_, peer) = world.open(probe);
    trickle_to_the_end(world, peer, "near");
}

pub fn messages_that_are_finished_in_time_may_come_for_ever(world: &mut World) {
    world.in_time(LONG / 3, |world| {
        reads_within(world, LONG);
        let (_, peer) = world.open(Probe::new("near").on_read(take_lines));
        world.send(peer, "the first");
        for _ in 0..6 {
            world.elapse(LONG / 4);
            world.send(peer, "\nthe next"); // something is unread all the time
        }
        world.send(peer, "\n");
        world.settle();
        if world.log().why("near").is_some() {
            return false;
        }
        world.elapse(LONG + TIMEOUT);
        assert_eq!(world.log().why("near"), None);
        world.send(peer, "the last");
        assert_eq!(world.drive_to_end("near"), "TimedOut(Read)");
        true
    });
}

pub fn unread_bytes_in_a_pause_are_not_the_peers_fault(world: &mut World) {
    reads_within(world, TIMEOUT);
    let (token, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        if !log.gate {
            log.note("paused");
            cx.pause_reading();
        }
        Ok(())
    }));
    world.send(peer, "begun");
    world.drive_until("the pause", |world| world.log().has("near", "paused"));
    world.elapse(3 * TIMEOUT);
    assert_eq!(world.log().why("near"), None);
    world.reactor.state_mut().gate = true;
    world.with(|cx| cx.resume_source(token));
    assert_eq!(world.drive_to_end("near"), "TimedOut(Read)");
}

pub fn what_stays_unread_after_the_end_is_not_waited_for(world: &mut World) {
    reads_within(world, TIMEOUT);
    let probe = Probe::new("near").on_read(take_lines);
    let (_, peer) = world.open(probe.on_eof(|_, _| Ok(())));
    world.send(peer, "unfinished");
    world.finish(peer);
    world.drive_until("the end", |world| world.log().has("near", "eof"));
    let turns = world.elapse(5 * TIMEOUT);
    assert_eq!(world.log().of("near"), ["eof"]);
    assert!(turns < 20, "{turns} turns for nothing");
}

fn writes_within(world: &mut World, timeout: Duration) {
    world.with_options(|options| {
        options
            .with_write_timeout(timeout)
            .with_watermarks(64 * 1024, 8 << 20)
    });
}

const MUCH: usize = 4 << 20;
/// More than a narrow network holds, so that it is taken from the outbox.
const A_LITTLE: usize = 128 << 10;

pub fn a_peer_that_takes_nothing_is_not_waited_for(world: &mut World) {
    writes_within(world, TIMEOUT);
    let (token, peer) = world.open_narrow(Probe::new("near"));
    let (other, _) = world.open(Probe::new("other"));
    world.set_reads(peer, false);
    let sent = world.with(|cx| cx.send_to(other, "a little"));
    sent.expect("there is room");
    let start = world.now();
    let sent = world.with(|cx| cx.send_to(token, pattern(MUCH)));
    sent.expect("there is room");
    assert_eq!(world.drive_to_end("near"), "TimedOut(Write)");
    assert!(world.now() - start >= TIMEOUT, "too early");
    world.elapse(2 * TIMEOUT);
    assert_eq!(world.log().why("other"), None);
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn a_peer_that_takes_a_little_is_waited_for(world: &mut World) {
    world.in_time(LONG / 3, |world| {
        writes_within(world, LONG);
        let (token, peer) = world.open_narrow(Probe::new("near"));
        world.set_reads(peer, false);
        let sent = world.with(|cx| cx.send_to(token, pattern(MUCH)));
        sent.expect("there is room");
        let has_come = |world: &World, len| {
            world.received(peer).len() >= len || world.log().why("near").is_some()
        };
        for _ in 0..6 {
            world.elapse(LONG / 4);
            let goal = world.received(peer).len() + A_LITTLE;
            world.set_reads(peer, true);
            world.drive_until("some", |world| has_come(world, goal));
            world.set_reads(peer, false);
        }
        world.set_reads(peer, true);
        world.drive_until("the rest", |world| has_come(world, MUCH));
        if world.log().why("near").is_some() {
            return false;
        }
        world.elapse(2 * LONG);
        assert_eq!(world.log().why("near"), None);
        world.assert_received(peer, pattern(MUCH));
        true
    });
}

pub fn after_close_only_the_deadline_of_closing_counts(world: &mut World) {
    writes_within(world, TIMEOUT);
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    world.with(|cx| {
        cx.send_to(token, pattern(MUCH)).expect("there is room");
        cx.close_source(token);
    });
    let turns = world.elapse(4 * TIMEOUT);
    assert_eq!(world.log().why("near"), None);
    assert!(turns < 50, "{turns} turns for nothing");
    world.set_reads(peer, true);
    world.drive_until_received(peer, pattern(MUCH));
}

const BURST: usize = 1000;
const PER_SECOND: usize = 40_000;

fn rate() -> Rate {
    Rate::per_second(PER_SECOND as u32).with_burst(BURST as u32)
}

/// Whether no more than the rate allows can have come since `start`.
#[track_caller]
fn assert_within(got: usize, start: Time, now: Time) {
    let earned = (now - start).as_secs_f64() * PER_SECOND as f64;
    assert!(
        got as f64 <= BURST as f64 + earned + 1.0,
        "{got} bytes after {:?}",
        now - start
    );
}

/// Drives until `near` has received `all`, and checks the rate after each turn.
fn drive_at_rate(world: &mut World, all: usize, start: Time) {
    while world.log().bytes("near").len() < all {
        world.turn(STEP).expect("a turn goes well");
        let (got, now) = (world.log().bytes("near").len(), world.now());
        assert_within(got, start, now);
        assert_eq!(world.log().why("near"), None);
    }
}

pub fn a_read_rate_holds_at_every_moment(world: &mut World) {
    world.with_options(|options| options.with_read_rate(rate()));
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.keep(cx.recv(usize::MAX));
        cx.send(".")
    }));
    let start = world.now();
    world.send(peer, pattern(5 * BURST));
    drive_at_rate(world, 5 * BURST, start);
    assert_same(world.log().bytes("near"), &pattern(5 * BURST));
    let soonest = Duration::from_secs_f64(4.0 * BURST as f64 / PER_SECOND as f64);
    assert!(world.now() - start >= soonest);
    let reads = world.received(peer).len();
    assert!(reads < 50, "{reads} reads"); // not one for each byte that is earned
}

pub fn setting_the_same_rate_again_is_no_rest(world: &mut World) {
    world.with_options(|options| options.with_read_rate(rate()));
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.keep(cx.recv(usize::MAX));
        cx.set_options(cx.options())
    }));
    let start = world.now();
    world.send(peer, pattern(3 * BURST));
    drive_at_rate(world, 3 * BURST, start);
}

pub fn a_rate_that_is_taken_away_holds_nobody_up(world: &mut World) {
    let slowest = Rate::per_second(1).with_burst(10);
    world.with_options(|options| options.with_read_rate(slowest));
    let (token, peer) = world.open(Probe::new("near"));
    world.send(peer, pattern(100_000));
    world.settle();
    assert_eq!(world.log().bytes("near").len(), 10);
    let options = world.with(|cx| cx.source_options(token));
    let options = options.expect("it is there").with_read_rate(None);
    let set = world.with(|cx| cx.set_source_options(token, options));
    set.expect("it is there");
    world.drive_until("the rest", |world| {
        world.log().bytes("near").len() == 100_000
    });
}

pub fn a_source_that_waits_for_its_rate_can_be_closed(world: &mut World) {
    let slowest = Rate::per_second(1).with_burst(10);
    world.with_options(|options| options.with_read_rate(slowest));
    let (token, peer) = world.open(Probe::new("near"));
    world.send(peer, pattern(100_000));
    world.settle();
    let start = world.now();
    world.with(|cx| cx.close_source(token));
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    let took = world.now() - start;
    assert!(took < Duration::from_secs(5), "it lingered for {took:?}");
    assert_eq!(world.log().bytes("near").len(), 10);
}

pub fn a_source_at_its_rate_is_not_blamed_for_an_unfinished_message(world: &mut World) {
    let rate = Rate::per_second(1000).with_burst(10);
    world.with_options(|options| options.with_read_rate(rate).with_read_timeout(TIMEOUT));
    let (_, peer) = world.open(Probe::new("near").on_read(take_lines));
    let line = [pattern(0), vec![b'x'; 150], b"\n".to_vec()].concat();
    world.send(peer, &line);
    world.drive_until("the line", |world| world.log().bytes("near").len() == 151);
    assert_eq!(world.log().why("near"), None);
}

pub fn a_rate_without_a_timer_left_ends_its_source(world: &mut World) {
    world.rebuild(|builder| {
        let options = SourceOptions::default().with_read_rate(Rate::per_second(10));
        builder.max_timers(0).source_options(options)
    });
    let (_, peer) = world.open(Probe::new("near"));
    world.send(peer, pattern(100));
    let why = world.drive_to_end("near");
    assert!(why.contains("limit of 0 timers"), "{why}");
}

pub fn a_listener_accepts_no_more_than_its_rate(world: &mut World) {
    const ALL: usize = 8;
    let (listener, address) = world.listen(Probe::new("server").on_accepted(|_, _, _| Ok(())));
    let rate = Rate::per_second(100).with_burst(2);
    let set = world.with(|cx| cx.set_accept_rate(listener, rate));
    set.expect("it listens");
    let start = world.now();
    for _ in 0..ALL {
        world.dial(address);
    }
    while world.log().count("server", "accepted") < ALL {
        world.turn(STEP).expect("a turn goes well");
        let (accepted, now) = (world.log().count("server", "accepted"), world.now());
        let earned = (now - start).as_secs_f64() * 100.0;
        assert!(accepted as f64 <= 2.0 + earned, "{accepted} accepted");
    }
    assert!(world.now() - start >= Duration::from_millis(60));

    let (other, address) = world.listen(Probe::new("other").on_accepted(|_, _, _| Ok(())));
    let never = Rate::per_second(1);
    world
        .with(|cx| cx.set_accept_rate(other, never))
        .expect("it listens");
    for _ in 0..3 {
        world.dial(address);
    }
    world.drive_until("one", |world| world.log().count("other", "accepted") == 1);
    world
        .with(|cx| cx.set_accept_rate(other, None))
        .expect("it listens");
    world.drive_until("all", |world| world.log().count("other", "accepted") == 3);
}

pub fn an_accept_rate_is_for_listeners(world: &mut World) {
    let (token, _) = world.open(Probe::new("near"));
    let set = world.with(|cx| cx.set_accept_rate(token, Rate::per_second(1)));
    assert!(matches!(set, Err(Error::WrongKind { .. })));
    world.with(|cx| cx.abort_source(token));
    world.drive_to_end("near");
    let set = world.with(|cx| cx.set_accept_rate(token, Rate::per_second(1)));
    assert!(matches!(set, Err(Error::Stale(_))));
}

pub fn limits_are_told_as_they_were_set(world: &mut World) {
    let (token, _) = world.open(Probe::new("near"));
    let options = SourceOptions::default()
        .with_read_timeout(TIMEOUT)
        .with_write_timeout(2 * TIMEOUT)
        .with_read_rate(rate());
    let told = world.with(|cx| {
        cx.set_source_options(token, options).expect("it is there");
        cx.source_options(token).expect("it is there")
    });
    assert_eq!(told.read_timeout(), Some(TIMEOUT));
    assert_eq!(told.write_timeout(), Some(2 * TIMEOUT));
    assert_eq!(told.read_rate(), Some(rate()));
    world.with(|cx| {
        cx.set_source_options(token, SourceOptions::default())
            .expect("it is there")
    });
    let told = world
        .with(|cx| cx.source_options(token))
        .expect("it is there");
    assert_eq!((told.read_timeout(), told.read_rate()), (None, None));
}
