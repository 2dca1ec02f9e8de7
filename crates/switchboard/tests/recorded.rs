//! Recordings and their replays: what is the same is found to be the same, what differs is shown,
//! and what cannot be used is refused.

#[path = "recorded/children.rs"]
mod children;
#[path = "recorded/damage.rs"]
mod damage;
#[path = "recorded/datagrams.rs"]
mod datagrams;
#[path = "recorded/difference.rs"]
mod difference;
#[path = "crowd/drivers.rs"]
mod drivers;
#[path = "recorded/files.rs"]
mod files;
#[path = "recorded/program.rs"]
mod program;
#[macro_use]
#[path = "recorded/sameness.rs"]
mod sameness;
#[path = "recorded/names.rs"]
mod names;
#[path = "recorded/pipes.rs"]
mod pipes;
#[path = "recorded/secrets.rs"]
mod secrets;
#[path = "recorded/tape.rs"]
mod tape;
#[path = "recorded/unix.rs"]
mod unix;
