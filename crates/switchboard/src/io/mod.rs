//! What a program waits for besides the network: signals, child processes, any descriptor's
//! readiness.
//! It must never know of handlers or of a running loop.

mod child;
mod claims;
mod process;
mod ready;
mod reaper;
mod signals;

pub(crate) use child::Child;
pub use process::Process;
pub use ready::{Interest, Ready};
pub(crate) use signals::{SignalSet, Signals};
