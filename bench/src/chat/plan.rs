//! How long a run is, and the bound on all of it.
//!
//! Must never let a run exceed ten minutes.

use std::time::Duration;

/// The extent of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often a scenario starts new servers.
    pub sittings: usize,
    /// Rounds of a sitting: in each, every peer has two slices of either kind.
    pub rounds: usize,
    /// How long a slice begins messages.
    pub slice_millis: u64,
    /// How long a new server works before its first slice.
    pub warm_up_millis: u64,
    /// How long a server works unmeasured before each slice, so that the caches are its own.
    pub lead_in_millis: u64,
    /// How long strace is attached.
    pub strace_millis: u64,
    /// Users of the crowd.
    pub crowd: usize,
    /// For the rooms, from the end of the builds; the crowds come after it.
    pub rooms_limit: Duration,
    /// For each step of a crowd.
    pub step_limit: Duration,
    /// For the crowds: none begins after it.
    pub crowds_limit: Duration,
}

impl Plan {
    /// What the committed results are made with.
    pub const FULL: Self = Self {
        sittings: 2,
        rounds: 7,
        slice_millis: 200,
        warm_up_millis: 500,
        lead_in_millis: 30,
        strace_millis: 300,
        crowd: 15_000,
        rooms_limit: Duration::from_secs(270),
        step_limit: Duration::from_secs(40),
        crowds_limit: Duration::from_secs(170),
    };

    /// The same in little: about a minute.
    pub const QUICK: Self = Self {
        sittings: 1,
        rounds: 2,
        slice_millis: 80,
        warm_up_millis: 150,
        lead_in_millis: 15,
        strace_millis: 100,
        crowd: 2000,
        rooms_limit: Duration::from_secs(40),
        step_limit: Duration::from_secs(15),
        crowds_limit: Duration::from_secs(40),
    };
}
