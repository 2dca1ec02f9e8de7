//! Listeners: what they accept, and when they leave a connection in the kernel's queue.

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
