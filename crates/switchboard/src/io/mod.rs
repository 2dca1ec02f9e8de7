//! What a program waits for besides the network: pipes and terminals, files, signals, child
//! processes, any descriptor's readiness.
//! It must never know of handlers or of a running loop.

mod child;
mod claims;
mod file;
mod pipes;
mod process;
mod ready;
mod reaper;
mod signals;

pub(crate) use child::Child;
pub(crate) use file::{FileAsk, FileOp, check_end};
pub use file::{FileDone, FileId, FileOutcome, OpenOptions};
pub use pipes::{TerminalSize, terminal_size};
pub use process::Process;
pub use ready::{Interest, Ready};
pub(crate) use signals::{SignalSet, Signals};
