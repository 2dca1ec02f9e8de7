//! What the tool and a load generator say to each other: one JSON value a line.
//!
//! Must never carry anything while a slice is being measured.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::scenario::Work;

/// From the tool to a load generator.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Opens the connections that exchange messages.
    Connect {
        /// The server.
        address: SocketAddr,
        /// What it does.
        work: Work,
        /// How many connections.
        active: usize,
        /// Bytes of one message.
        size: usize,
        /// Messages that each connection keeps on the way.
        in_flight: usize,
    },
    /// Opens connections that never send.
    Idle {
        /// The server.
        address: SocketAddr,
        /// How many connections.
        count: usize,
    },
    /// Exchanges messages that count for nothing, and answers `Ready`.
    WarmUp(Limit),
    /// Exchanges messages, and answers when the last echo has come back.
    Run(Limit),
    /// Asks for the latencies of all slices that were run.
    Latency,
}

/// When a slice begins no further message.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Limit {
    /// After so many milliseconds.
    Millis(u64),
    /// After so many messages on each connection.
    MessagesEach(u64),
}

/// From a load generator to the tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The command is carried out.
    Ready,
    /// A slice is over and all of it was echoed.
    Slice(Slice),
    /// Latencies in nanoseconds, each with the number of messages that took so long.
    Latency(Vec<(u64, u64)>),
    /// Why the command failed; the generator ends after it.
    Failed(String),
}

/// What one slice exchanged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// Messages sent, echoed and checked.
    pub messages: u64,
    /// From the first byte sent to the last one echoed.
    pub elapsed_nanos: u64,
    /// The latency that 99 % of them kept.
    pub p99_nanos: u64,
    /// The latency that 99.9 % of them kept.
    pub p999_nanos: u64,
}
