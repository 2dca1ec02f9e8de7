//! Swarms of simulations: that they find what is wrong, and that they find nothing in the reactor.
//!
//! `SWITCHBOARD_SEEDS=20000 cargo test --profile swarm --test swarm` runs more seeds than usual;
//! see [`switchboard::sim::Swarm`] for the other variables.

#[path = "swarm/canary.rs"]
mod canary;
#[path = "swarm/example.rs"]
mod example;
#[path = "tutorial/examples.rs"]
mod examples;
