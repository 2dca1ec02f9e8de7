//! The chat itself: users, rooms, roles, messages and limits. Commands go in, events come out.
//!
//! It must never touch a socket, a clock, a thread or a disk, and nobody is told of a message, a
//! topic or a setting before the store has said that it is durable.

pub mod command;
pub mod event;
pub mod ids;
pub mod outlet;
pub mod refusal;
