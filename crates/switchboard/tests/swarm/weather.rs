//! What the scenarios have in common: whether a run may lose connections, and how it ends.
//! It must never make a run milder than its seed has drawn, but for what it says.

use std::time::Duration;

use fastrand::Rng;
use switchboard::Result;
use switchboard::sim::{Fault, Host, Simulation};

use crate::life::Alive;

/// What ends connections, or keeps hosts from each other.
const ROUGH: [Fault; 11] = [
    Fault::Reset,
    Fault::Flush,
    Fault::HalfOpen,
    Fault::Refuse,
    Fault::Unanswered,
    Fault::AbortedAccept,
    Fault::Partition,
    Fault::OneWay,
    Fault::Pause,
    Fault::Crash,
    Fault::Narrow,
];

/// Half of the seeds have no faults that end a connection: then whatever ends one, or keeps one
/// from its end, is a bug.
pub fn is_gentle(sim: &mut Simulation, rng: &mut Rng) -> bool {
    let gentle = rng.bool();
    if gentle {
        let mut faults = sim.current_faults();
        for fault in ROUGH {
            faults = faults.without(fault);
        }
        sim.faults(faults);
    }
    gentle
}

/// Shuts all hosts down, each in one of the ways there are: every source is told of its end.
pub fn shut_down<S: Alive>(sim: &mut Simulation, hosts: &[Host<S>], rng: &mut Rng) -> Result {
    sim.faults(switchboard::sim::Faults::none());
    sim.run_until(|sim| hosts.iter().all(|host| sim.is_up(*host)))?;
    for host in hosts {
        let aborts = rng.bool();
        sim.with(*host, |_, cx| match aborts {
            true => cx.shutdown_handle().abort(),
            false => cx.stop(),
        });
    }
    // More than a shutdown may take, and than a host may stay paused.
    sim.run_for(Duration::from_secs(60))?;
    for host in hosts {
        let sources = sim.with(*host, |_, cx| cx.sources());
        assert_eq!(sources, 0, "sources are left after the shutdown");
        let open = sim.with(*host, |state, _| state.lives().open());
        assert_eq!(open, 0, "sources were not told of their end");
    }
    Ok(())
}
