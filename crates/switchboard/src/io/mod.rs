//! What a program waits for besides the network: pipes and terminals, signals, child processes, any
//! descriptor's readiness.
//! It must never know of handlers or of a running loop.

mod child;
mod claims;
mod pipes;
mod process;
mod ready;
mod reaper;
mod signals;

pub(crate) use child::Child;
pub use pipes::{TerminalSize, terminal_size};
pub use process::Process;
pub use ready::{Interest, Ready};
pub(crate) use signals::{SignalSet, Signals};
