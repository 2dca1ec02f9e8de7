//! The hard branches of the core: that the swarm goes through each of them. It must never run in a
//! swarm's threads: a mark is seen by the thread that hits it.

use switchboard::Result;
use switchboard::sim::{Faults, Simulation};

use crate::planted::SCENARIOS;

/// As a swarm runs them, but in this thread: enough for all marks.
fn seeds(scenario: &str) -> u64 {
    match scenario {
        "journal" => 200,
        "clockwork" => 10,
        _ => 30,
    }
}

#[test]
fn the_swarm_goes_through_the_hard_branches() -> Result {
    cov_mark::check!(partial_write);
    cov_mark::check!(full_send_buffer);
    cov_mark::check!(half_close);
    cov_mark::check!(held_back);
    cov_mark::check!(end_behind_unread);
    cov_mark::check!(end_with_data);
    cov_mark::check!(failed_while_connecting);
    cov_mark::check!(failed_while_open);
    cov_mark::check!(failed_while_flushing);
    cov_mark::check!(failed_while_lingering);
    cov_mark::check!(inbox_full);
    cov_mark::check!(stale_token);
    cov_mark::check!(oldest_dropped);
    cov_mark::check!(slow_consumer);
    cov_mark::check!(send_refused);
    cov_mark::check!(close_timed_out);
    cov_mark::check!(lingered_long_enough);
    cov_mark::check!(idle_timed_out);
    cov_mark::check!(shutdown_timed_out);
    cov_mark::check!(listener_tries_again);
    cov_mark::check!(next_address_after_delay);
    cov_mark::check!(connect_timed_out);
    cov_mark::check!(result_for_nobody);
    cov_mark::check!(torn_write);
    cov_mark::check!(datagram_swallowed);
    cov_mark::check!(datagram_without_room);
    cov_mark::check!(datagram_send_blocked);
    for (name, scenario) in SCENARIOS {
        for seed in 0..seeds(name) {
            let mut sim = Simulation::new(seed);
            sim.faults(Faults::drawn(seed));
            scenario(&mut sim)?;
        }
    }
    Ok(())
}
