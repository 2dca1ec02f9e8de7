//! The bounds of datagrams that wait to be sent: watermarks, policies, and the total of all sources.

use switchboard::{Address, Error, OutboxPolicy, Token};

use crate::datagrams::{drive_until_got, got, open, send};
use crate::probe::Probe;
use crate::world::World;

/// A datagram counts 64 bytes more than it has.
const OVERHEAD: usize = 64;

/// Sends numbered datagrams of 36 bytes until one is refused; says how many were taken.
fn fill(world: &mut World, from: Token, to: &Address) -> (usize, Error) {
    for n in 0.. {
        let bytes = format!("{n:36}");
        if let Err(error) = world.with(|cx| cx.send_datagram_to(from, &bytes, to)) {
            return (n, error);
        }
    }
    unreachable!("an outbox has a bound");
}

pub fn a_full_outbox_refuses_the_newest_and_tells_of_room(world: &mut World) {
    world.with_options(|options| options.with_watermarks(200, 1000));
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    let (taken, error) = fill(world, client, &server);
    assert_eq!(taken, 1000 / (36 + OVERHEAD));
    assert!(
        matches!(
            error,
            Error::Full {
                buffered: 1000,
                limit: 1000
            }
        ),
        "{error}"
    );
    assert_eq!(world.reactor.buffered(), 1000);
    let empty = world.with(|cx| cx.send_datagram_to(client, "", &server));
    assert!(empty.is_err(), "an empty one takes room, too");
    drive_until_got(world, "server", taken);
    world.settle();
    assert_eq!(got(world.log(), "server").len(), taken);
    assert_eq!(world.log().count("client", "write"), 1);
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn a_full_outbox_can_drop_the_oldest(world: &mut World) {
    let drops = OutboxPolicy::DropOldest;
    world.with_options(|options| options.with_watermarks(200, 1000).with_policy(drops));
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    for n in 0..25 {
        send(world, client, &server, format!("{n:36}"));
    }
    assert_eq!(world.reactor.buffered(), 1000);
    drive_until_got(world, "server", 10);
    world.settle();
    let expected: Vec<String> = (15..25).map(|n| format!("\"{n:36}\"")).collect();
    assert_eq!(got(world.log(), "server"), expected);
}

pub fn a_full_outbox_can_close_the_socket(world: &mut World) {
    let disconnect = OutboxPolicy::Disconnect;
    world.with_options(|options| options.with_watermarks(200, 1000).with_policy(disconnect));
    let (_, server) = open(world, Probe::new("server"));
    let (client, _) = open(world, Probe::new("client"));
    fill(world, client, &server);
    assert_eq!(world.drive_to_end("client"), "SlowConsumer");
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn all_outboxes_together_keep_to_the_bound_with_datagrams(world: &mut World) {
    world.rebuild(|builder| builder.max_buffered(1000));
    let (_, server) = open(world, Probe::new("server"));
    let (one, _) = open(world, Probe::new("one"));
    let (other, _) = open(world, Probe::new("other"));
    for _ in 0..5 {
        send(world, one, &server, [b'.'; 36]);
    }
    let (taken, error) = fill(world, other, &server);
    assert_eq!(taken, 5);
    assert!(
        matches!(error, Error::BufferedLimit { limit: 1000 }),
        "{error}"
    );
    world.drive_until("room", |world| world.log().has("other", "write"));
    send(world, other, &server, "x");
    drive_until_got(world, "server", 11);
}
