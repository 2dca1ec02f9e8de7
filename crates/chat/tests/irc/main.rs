//! IRC: its grammar, and clients on one chat that say and hear lines.

mod accounts;
mod commands;
mod grammar;
mod multiline;
mod server;
