//! The scenarios: how many connections, how large a message, how many in flight.
//!
//! Must never say how anything is measured.

/// One shape of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What `--scenario` takes.
    pub name: &'static str,
    /// What the report and the chart say.
    pub title: &'static str,
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
    active: 64,
    idle: 0,
    size: 64,
    in_flight: 1,
};

/// All of them, in the order of the report.
pub const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "1x64B",
        title: "1 connection, 64 B, ping-pong",
        active: 1,
        ..REFERENCE
    },
    REFERENCE,
    Scenario {
        name: "1000x64B",
        title: "1,000 connections, 64 B, ping-pong",
        active: 1000,
        ..REFERENCE
    },
    Scenario {
        name: "64x64B-pipelined",
        title: "64 connections, 64 B, 16 in flight",
        in_flight: 16,
        ..REFERENCE
    },
    Scenario {
        name: "16x64KiB",
        title: "16 connections, 64 KiB, 16 in flight",
        active: 16,
        size: LARGEST_MESSAGE,
        in_flight: 16,
        ..REFERENCE
    },
    Scenario {
        name: "64+10000idle",
        title: "64 connections, 64 B, among 10,000 idle",
        idle: 10_000,
        ..REFERENCE
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
