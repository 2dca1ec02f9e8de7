//! IRC: its grammar, and clients on one chat that say and hear lines.

mod accounts;
mod administration;
mod anything;
mod archive;
mod backlog;
mod big_rooms;
mod capabilities;
mod commands;
mod grammar;
mod history;
mod marks;
mod multiline;
mod nickserv;
mod queries;
mod server;
