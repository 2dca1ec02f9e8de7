//! A reactor inside somebody else's loop: its descriptor and its next timeout say when it wants
//! a turn.

#[cfg(unix)]
use std::io::{Read, Write, pipe};
#[cfg(unix)]
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

#[cfg(unix)]
use switchboard::Interest;

use crate::probe::Probe;
use crate::world::World;

#[cfg(unix)]
pub fn the_descriptor_tells_that_bytes_have_come(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near"));
    world.settle();
    assert!(!world.wants_a_turn(Duration::from_millis(20)));
    world.send_at_once(peer, "x");
    assert!(world.wants_a_turn(Duration::from_secs(10)));
    world.settle();
    assert_eq!(world.log().bytes("near"), b"x");
    assert!(!world.wants_a_turn(Duration::from_millis(20)));
}

/// Nobody has asked for the descriptor before, so nobody was told.
#[cfg(unix)]
pub fn a_descriptor_that_is_asked_for_late_tells_of_what_has_come(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near"));
    world.settle();
    world.send_at_once(peer, "x");
    assert!(world.wants_a_turn(Duration::from_secs(10)));
    world.settle();
    assert_eq!(world.log().bytes("near"), b"x");
    assert!(!world.wants_a_turn(Duration::from_millis(20)));
}

/// One byte at a time, with no new write in between: every turn has to be asked for.
#[cfg(unix)]
pub fn a_watched_descriptor_that_stays_ready_is_told_again(world: &mut World) {
    let (mut near, mut far) = pipe().expect("a pipe can be made");
    let watched = near.try_clone().expect("a descriptor is free");
    let probe = Probe::new("pipe").on_ready(move |log, _, _| {
        let mut byte = [0];
        near.read_exact(&mut byte)?;
        log.keep(&byte);
        Ok(())
    });
    let token = world.with(|cx| cx.watch(watched, Interest::Read, probe));
    token.expect("there is room");
    far.write_all(b"abc").expect("it holds three bytes");
    for _ in 0..20 {
        if world.log().bytes("pipe").len() < 3 {
            assert!(
                world.wants_a_turn(Duration::from_millis(200)),
                "after {} bytes",
                world.log().bytes("pipe").len()
            );
        }
        world.turn(Duration::ZERO).expect("a turn goes well");
    }
    assert_eq!(world.log().bytes("pipe"), b"abc");
    assert!(!world.wants_a_turn(Duration::from_millis(20)));
}

pub fn a_turn_sleeps_no_longer_than_it_may(world: &mut World) {
    let limit = Duration::from_millis(20);
    world.open(Probe::new("near"));
    world.settle();
    let start = Instant::now();
    world.reactor.turn(Some(limit)).expect("a turn goes well");
    let took = start.elapsed();
    assert!((limit..Duration::from_secs(5)).contains(&took), "{took:?}");
    world
        .with(|cx| {
            cx.after(limit, |log, _| log.note_of("timer", "due"))
                .map(drop)
        })
        .expect("there is room");
    let start = Instant::now();
    while world.log().of("timer").is_empty() {
        let long = Some(Duration::from_secs(8));
        world.reactor.turn(long).expect("a turn goes well");
    }
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "the timer came after {took:?}"
    );
}

pub fn the_next_timeout_is_that_of_the_next_thing_to_do(world: &mut World) {
    let hour = Duration::from_secs(3600);
    let (token, _) = world.open(Probe::new("near"));
    world.settle();
    assert_eq!(world.reactor.next_timeout(), None, "only bytes can come");
    let timer = world.with(|cx| cx.after(hour, |_, _| ()));
    let timeout = world.reactor.next_timeout().expect("a timer is there");
    assert!(timeout <= hour + Duration::from_millis(1) && timeout > hour / 2);
    world.with(|cx| cx.cancel_timer(timer.expect("there is room")));
    assert_eq!(world.reactor.next_timeout(), None);
    world
        .with(|cx| cx.send_to(token, "unflushed"))
        .expect("there is room");
    assert_eq!(world.reactor.next_timeout(), Some(Duration::ZERO));
    world.settle();
    let remote = world.reactor.remote();
    remote.post(|_, _| ()).expect("there is room");
    assert_eq!(world.reactor.next_timeout(), Some(Duration::ZERO));
    world.settle();
    world.reactor.shutdown_handle().shutdown();
    assert_eq!(world.reactor.next_timeout(), Some(Duration::ZERO));
}

/// What a tick has left over is not in the kernel any more, so the descriptor says nothing of it.
#[cfg(unix)]
pub fn what_a_tick_has_left_over_asks_for_the_next_one(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.keep(cx.recv(10));
        Ok(())
    }));
    world.send_at_once(peer, vec![b'x'; 2000]);
    while world.log().bytes("near").len() < 2000 {
        assert!(world.wants_a_turn(Duration::from_secs(5)));
        world.turn(Duration::ZERO).expect("a turn goes well");
    }
    world.settle();
    assert!(!world.wants_a_turn(Duration::from_millis(20)));
}

/// Somebody else's loop may wait with epoll, in which ours is a descriptor among others.
#[cfg(unix)]
pub fn a_reactor_can_be_watched_by_another_one(world: &mut World) {
    let (_, peer) = world.open(Probe::echo("near"));
    let (tell, told) = std::sync::mpsc::channel();
    let mut outer = World::new(crate::drivers::Driver::Readiness);
    let descriptor = world.reactor.as_fd().try_clone_to_owned();
    let descriptor = descriptor.expect("a descriptor is free");
    let probe = Probe::new("inner").on_ready(move |_, _, _| {
        tell.send(()).expect("the case listens");
        Ok(())
    });
    let token = outer.with(|cx| cx.watch(descriptor, Interest::Read, probe));
    token.expect("there is room");
    world.settle();
    outer.settle();
    while told.try_recv().is_ok() {}
    for round in 1..=3 {
        world.send_at_once(peer, "x");
        outer.drive_until("the event", |_| told.try_recv().is_ok());
        while world.received(peer).len() < round {
            world.turn(Duration::ZERO).expect("a turn goes well");
        }
        world.settle();
        outer.settle();
        while told.try_recv().is_ok() {}
        outer.elapse(Duration::from_millis(10));
        assert!(told.try_recv().is_err(), "there was nothing to do");
    }
}
