//! A reactor inside somebody else's loop: its descriptor and its next timeout say when it wants
//! a turn.

use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use switchboard::Interest;

use crate::probe::Probe;
use crate::world::World;

/// Waits as somebody else's loop does, and says whether the reactor wants a turn.
fn wants_a_turn(world: &World, patience: Duration) -> bool {
    let timeout = world.reactor.next_timeout();
    if timeout.is_some_and(|timeout| timeout <= patience) {
        return true;
    }
    let descriptor = world.reactor.as_fd();
    let mut descriptors = [PollFd::new(&descriptor, PollFlags::IN)];
    let patience = Timespec::try_from(patience).expect("it is short");
    poll(&mut descriptors, Some(&patience)).expect("one can poll it") > 0
}

pub fn the_descriptor_tells_that_bytes_have_come(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near"));
    world.settle();
    assert!(!wants_a_turn(world, Duration::from_millis(20)));
    world.send_at_once(peer, "x");
    assert!(wants_a_turn(world, Duration::from_secs(10)));
    world.settle();
    assert_eq!(world.log().bytes("near"), b"x");
    assert!(!wants_a_turn(world, Duration::from_millis(20)));
}

/// One byte at a time, with no new write in between: every turn has to be asked for.
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
                wants_a_turn(world, Duration::from_millis(200)),
                "after {} bytes",
                world.log().bytes("pipe").len()
            );
        }
        world.turn(Duration::ZERO).expect("a turn goes well");
    }
    assert_eq!(world.log().bytes("pipe"), b"abc");
    assert!(!wants_a_turn(world, Duration::from_millis(20)));
}
