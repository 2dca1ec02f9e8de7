//! What the tool and a process of clients say to each other: one JSON value a line.
//!
//! Must never carry anything while something is being measured.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::chat::dialect::Dialect;

/// From the tool.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Makes clients, all away.
    Make {
        /// The server.
        address: SocketAddr,
        /// How it is spoken to.
        dialect: Dialect,
        /// How many rooms.
        rooms: usize,
        /// How many listen in each; one more speaks in all.
        members: usize,
    },
    /// Connects and registers the first so many.
    Register(Few),
    /// Has the first so many join their rooms.
    Join(Few),
    /// Says a message in each room that counts for nothing, and waits until all have heard it.
    Mark {
        /// Its number.
        number: u64,
    },
    /// Ends all connections at once.
    Leave,
    /// Sends messages and counts who has heard them.
    Run(Offer),
    /// Asks for the latencies of all slices with this offer that counted.
    Latency {
        /// Of those at a fixed rate, or of those as fast as the window allows.
        paced: bool,
    },
}

/// Some of the clients.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Few {
    /// How many.
    pub count: usize,
    /// So many of them on the way at the same time.
    pub at_once: usize,
    /// They get no more time than this.
    pub limit_millis: u64,
}

/// What is offered to a server in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// How long messages are begun.
    pub millis: u64,
    /// Messages that not all have heard yet (or that have no receipt yet, if they are asked for).
    pub window: usize,
    /// Messages a second; else as many as the window allows.
    pub per_second: Option<u32>,
    /// Whether a receipt is asked for where that takes a message of its own.
    pub asks_receipts: bool,
    /// Whether its latencies count.
    pub counts: bool,
}

/// To the tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// It is done.
    Ready,
    /// Clients have come as far as they should.
    Advanced {
        /// How many, in the time that they had.
        done: usize,
        /// Until the last of them.
        nanos: u64,
    },
    /// All have heard the message, so long after it was sent.
    Heard {
        /// The last of them.
        nanos: u64,
    },
    /// A slice is over; all have heard all.
    Slice(Slice),
    /// Latencies in nanoseconds, each with how often it was seen.
    Latency {
        /// From writing a message to having read it at a member.
        delivery: Vec<(u64, u64)>,
        /// From writing it to having read its receipt.
        receipt: Vec<(u64, u64)>,
    },
    /// Why the command failed; the process ends after it.
    Failed(String),
}

/// What a slice showed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Slice {
    /// Messages sent.
    pub messages: u64,
    /// Messages received by members.
    pub deliveries: u64,
    /// From the first message to the last delivery or receipt.
    pub elapsed_nanos: u64,
    /// Nanoseconds of a core that the clients took.
    pub load_nanos: u64,
    /// Median latency of a delivery.
    pub delivery_p50: u64,
    /// The latency that 99 % of the deliveries kept.
    pub delivery_p99: u64,
}
