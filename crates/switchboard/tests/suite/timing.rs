//! What time brings: idle timeouts, and how traffic puts them off.

use std::time::Duration;

use crate::probe::Probe;
use crate::world::World;

const IDLE: Duration = Duration::from_millis(60);

pub fn an_idle_connection_is_closed_and_a_busy_one_is_not(world: &mut World) {
    world.with_options(|options| options.with_idle_timeout(IDLE));
    let (_, _) = world.open(Probe::new("idle"));
    let (_, busy) = world.open(Probe::echo("busy"));
    while world.log().why("idle").is_none() {
        world.send(busy, ".");
        world.elapse(Duration::from_millis(5));
    }
    assert_eq!(world.log().why("idle"), Some("TimedOut(Idle)"));
    world.send(busy, ".");
    world.elapse(IDLE / 2);
    assert_eq!(world.log().why("busy"), None);
    assert_eq!(world.drive_to_end("busy"), "TimedOut(Idle)");
}

/// What is forwarded is traffic of the source that it is sent to, too.
pub fn forwarded_bytes_keep_their_target_from_being_idle(world: &mut World) {
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
        world.elapse(Duration::from_millis(5));
        assert_eq!(world.log().why("target"), None);
    }
    assert!(world.received(peer).len() > 8192);
    assert_eq!(world.drive_to_end("target"), "TimedOut(Idle)");
}
