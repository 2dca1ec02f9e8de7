//! How long a run is: rounds, slices, and the bound on all of it.
//!
//! Must never let a run exceed ten minutes.

use std::time::{Duration, Instant};

/// The extent of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often a scenario starts new servers: where a server's memory lies
    /// and how its sockets' buffers grow is chance, and stays for its life.
    pub sittings: usize,
    /// Visits to each peer in a sitting, of two slices each.
    pub rounds: usize,
    /// How long a slice begins messages.
    pub slice_millis: u64,
    /// How long a new server works before its first visit.
    pub warm_up_millis: u64,
    /// How long a server works unmeasured first, so that the caches are its own.
    pub lead_in_millis: u64,
    /// How long strace is attached.
    pub strace_millis: u64,
    /// Of the whole run, from the end of the builds.
    pub limit: Duration,
}

/// What the callgrind runs at the end may need.
const RESERVE: Duration = Duration::from_secs(75);

impl Plan {
    /// What the committed results are made with: about eight minutes.
    pub const FULL: Self = Self {
        sittings: 3,
        rounds: 6,
        slice_millis: 80,
        warm_up_millis: 300,
        lead_in_millis: 12,
        strace_millis: 300,
        limit: Duration::from_secs(9 * 60),
    };

    /// All scenarios, a stated slice of the rounds: little more than a minute.
    pub const QUICK: Self = Self {
        sittings: 2,
        rounds: 3,
        slice_millis: 40,
        warm_up_millis: 150,
        lead_in_millis: 8,
        strace_millis: 100,
        limit: Duration::from_secs(3 * 60),
    };
}

/// Time that is left, shared out among what is still to be done.
pub struct Budget {
    end: Instant,
}

impl Budget {
    /// Starts now.
    pub fn start(plan: &Plan) -> Self {
        Self {
            end: Instant::now() + plan.limit - RESERVE,
        }
    }

    /// Until when the next of `scenarios` scenarios may start another round.
    pub fn deadline(&self, scenarios: usize) -> Instant {
        let now = Instant::now();
        now + self.end.saturating_duration_since(now) / u32::try_from(scenarios.max(1)).unwrap_or(1)
    }

    /// Whether there is still time for another callgrind run.
    pub fn may_count_instructions(&self) -> bool {
        Instant::now() < self.end + RESERVE
    }
}
