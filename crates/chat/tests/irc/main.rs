//! IRC: its grammar, and clients on one chat that say and hear lines.

mod commands;
mod grammar;
mod server;
