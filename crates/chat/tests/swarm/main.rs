//! Swarms of simulations of the whole chat server: its handlers, its store on a disk that fails, and
//! clients of all kinds.
//!
//! `SWITCHBOARD_SEEDS=100000 cargo test --profile swarm -p switchboard-chat --test swarm` runs more
//! seeds than usual; see [`switchboard::sim::Swarm`] for the other variables.

mod book;
mod carrier;
mod irc;
mod plain;
mod planted;
mod text;
mod town;
mod witness;
mod world;

use switchboard::sim::{Faults, Simulation, Swarm};

#[test]
fn what_is_receipted_is_stored_once_and_seen_in_order() {
    let name = "what_is_receipted_is_stored_once_and_seen_in_order";
    Swarm::new(name).seeds(60).check(world::chat);
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..10 {
        let run = || {
            let mut sim = Simulation::new(seed);
            sim.faults(Faults::drawn(seed));
            world::chat(&mut sim).unwrap();
            sim.log_hash()
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}
