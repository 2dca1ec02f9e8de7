//! IRC: its grammar, and clients on one chat that say and hear lines.

mod accounts;
mod anything;
mod capabilities;
mod commands;
mod grammar;
mod multiline;
mod server;
