//! Swarms of simulations: that they find what is wrong, and that they find nothing in the reactor.
//!
//! `SWITCHBOARD_SEEDS=20000 cargo test --profile swarm --test swarm` runs more seeds than usual;
//! see [`switchboard::sim::Swarm`] for the other variables.

#[path = "swarm/broadcast.rs"]
mod broadcast;
#[path = "swarm/canary.rs"]
mod canary;
#[path = "swarm/clockwork.rs"]
mod clockwork;
#[path = "swarm/datagrams.rs"]
mod datagrams;
#[path = "swarm/journal.rs"]
mod journal;
#[path = "swarm/ledger.rs"]
mod ledger;
#[path = "swarm/life.rs"]
mod life;
#[path = "swarm/marks.rs"]
mod marks;
#[path = "swarm/planted.rs"]
mod planted;
#[path = "swarm/proxy.rs"]
mod proxy;
#[path = "swarm/streams.rs"]
mod streams;
#[path = "swarm/talker.rs"]
mod talker;
#[path = "swarm/weather.rs"]
mod weather;
