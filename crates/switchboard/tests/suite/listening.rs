//! Listeners: what they accept, and when they leave a connection in the kernel's queue.

use std::time::Duration;

use crate::probe::Probe;
use crate::world::{Peer, World};

/// Registers what it accepts with an echo.
fn echoes() -> Probe {
    Probe::new("listener")
        .on_accepted(|_, cx, stream| cx.register(stream, Probe::echo("near")).map(drop))
}

fn is_echoed(world: &mut World, peer: Peer) {
    world.send(peer, "hello");
    world.drive_until_received(peer, "hello");
}

pub fn at_the_bound_on_sources_new_connections_wait_for_one_to_end(world: &mut World) {
    world.rebuild(|builder| builder.max_sources(2));
    let (_, address) = world.listen(echoes());
    let first = world.dial(address);
    is_echoed(world, first);
    let second = world.dial(address);
    world.send(second, "hello");
    world.settle();
    assert_eq!(world.end(second), None, "it waits");
    world.finish(first);
    world.leave(first);
    world.drive_until_received(second, "hello");
    assert_eq!(world.log().count("listener", "accepted"), 2);
}

/// Waiting for descriptors is looked at again by itself; waiting for a slot must not be, or the
/// connection is accepted, refused and lost.
pub fn a_connection_that_waits_for_a_slot_may_wait_long(world: &mut World) {
    world.rebuild(|builder| builder.max_sources(2));
    let (_, address) = world.listen(echoes());
    let first = world.dial(address);
    is_echoed(world, first);
    let second = world.dial(address);
    let turns = world.elapse(Duration::from_millis(600));
    assert!(turns < 20, "{turns} turns in 600 ms for nothing");
    assert_eq!(world.end(second), None, "it was dropped");
    assert_eq!(world.log().count("listener", "accepted"), 1);
    world.leave(first);
    is_echoed(world, second);
}

pub fn a_listener_waits_too_when_another_source_took_the_last_slot(world: &mut World) {
    world.rebuild(|builder| builder.max_sources(2));
    let (_, address) = world.listen(echoes());
    let (other, _) = world.open(Probe::new("other"));
    let waiting = world.dial(address);
    world.settle();
    assert_eq!(world.end(waiting), None, "it was dropped");
    world.with(|cx| cx.abort_source(other));
    is_echoed(world, waiting);
}
