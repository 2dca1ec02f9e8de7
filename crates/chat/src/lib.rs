//! The parts of the `switchboard` program that need no socket.
//!
//! Each module owns one idea and is driven by calls: bytes, keys and times go in, messages, lines
//! and bytes come out. The handlers on the reactor are a thin layer over them. This library is the
//! program's own; only the program's behaviour is stable, not these items.

pub mod accounts;
pub mod alarm;
pub mod answers;
pub mod backoff;
pub mod chat;
pub mod cli;
pub mod descriptors;
pub mod durable;
pub mod editing;
pub mod escape;
pub mod explain;
pub mod framing;
pub mod history;
pub mod host_port;
pub mod irc;
pub mod keys;
pub mod limits;
pub mod line;
pub mod line_editor;
pub mod logging;
pub mod outgoing;
pub mod piped;
pub mod rate;
pub mod receipts;
pub mod replies;
pub mod room_client;
pub mod screen;
pub mod serve;
pub mod session;
pub mod store;
pub mod stream;
pub mod talk;
pub mod terminal;
pub mod wire;
