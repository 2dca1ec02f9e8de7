//! The scenarios: what the servers do, for how many connections, how large a message is, how many
//! are in flight.
//!
//! Must never say how anything is measured.

use serde::{Deserialize, Serialize};

/// What the servers do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Work {
    /// Send it back.
    Echo,
    /// Send it to every connection, the one that it came from among them. One connection sends;
    /// each message delivered to a connection counts as one.
    Broadcast,
}

/// One shape of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What `--scenario` takes.
    pub name: &'static str,
    /// What the report and the chart say.
    pub title: &'static str,
    /// What the servers do.
    pub work: Work,
    /// Connections that exchange messages.
    pub active: usize,
    /// Connections that never send a byte.
    pub idle: usize,
    /// Bytes of one message.
    pub size: usize,
    /// Messages that a connection has on the way at the same time.
    pub in_flight: usize,
}

/// Bytes of the largest message of any scenario.
pub const LARGEST_MESSAGE: usize = 64 * 1024;

/// The scenario whose instructions and system calls the goals speak of.
pub const REFERENCE: Scenario = Scenario {
    name: "64x64B",
    title: "64 connections, 64 B, ping-pong",
    work: Work::Echo,
    active: 64,
    idle: 0,
    size: 64,
    in_flight: 1,
};

/// One message at a time: every call is paid by one message.
pub const ALONE: Scenario = Scenario {
    name: "1x64B",
    title: "1 connection, 64 B, ping-pong",
    active: 1,
    ..REFERENCE
};

/// More connections than a turn of the loop has room for.
pub const CROWD: Scenario = Scenario {
    name: "1000x64B",
    title: "1,000 connections, 64 B, ping-pong",
    active: 1000,
    ..REFERENCE
};

/// More bytes than the kernel's buffers have room for.
pub const BULK: Scenario = Scenario {
    name: "16x64KiB",
    title: "16 connections, 64 KiB, 16 in flight",
    active: 16,
    size: LARGEST_MESSAGE,
    in_flight: 16,
    ..REFERENCE
};

/// All of them, in the order of the report.
pub const SCENARIOS: [Scenario; 7] = [
    ALONE,
    REFERENCE,
    CROWD,
    Scenario {
        name: "64x64B-pipelined",
        title: "64 connections, 64 B, 16 in flight",
        in_flight: 16,
        ..REFERENCE
    },
    BULK,
    Scenario {
        name: "64+10000idle",
        title: "64 connections, 64 B, among 10,000 idle",
        idle: 10_000,
        ..REFERENCE
    },
    Scenario {
        name: "broadcast",
        title: "64 B from one to 1,000 connections",
        work: Work::Broadcast,
        ..CROWD
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_messages_within_the_bound() {
        for (index, scenario) in SCENARIOS.iter().enumerate() {
            assert!(scenario.size <= LARGEST_MESSAGE);
            let same = SCENARIOS
                .iter()
                .position(|other| other.name == scenario.name);
            assert_eq!(same, Some(index), "{}", scenario.name);
        }
        assert!(SCENARIOS.contains(&REFERENCE));
    }
}
