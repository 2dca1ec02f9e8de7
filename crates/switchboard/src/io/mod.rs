//! What a program waits for besides the network: pipes and terminals, files, signals, child
//! processes, any descriptor's readiness.
//! It must never know of handlers or of a running loop.

#[cfg(unix)]
mod child;
#[cfg(unix)]
mod claims;
mod file;
#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod ready;
#[cfg(unix)]
mod reaper;
#[cfg(unix)]
mod signals;

#[cfg(unix)]
pub(crate) use child::Child;
pub(crate) use file::{FileAsk, FileOp, check_end};
pub use file::{FileDone, FileId, FileOutcome, OpenOptions};
#[cfg(unix)]
pub use pipes::{TerminalSize, terminal_size};
#[cfg(unix)]
pub use process::Process;
#[cfg(unix)]
pub use ready::{Interest, Ready};
#[cfg(unix)]
pub(crate) use signals::{SignalSet, Signals};
