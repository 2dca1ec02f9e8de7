//! What a program waits for besides the network: signals, and any descriptor's readiness.
//! It must never know of handlers or of a running loop.

mod ready;
mod signals;

pub use ready::{Interest, Ready};
pub(crate) use signals::SignalSet;
