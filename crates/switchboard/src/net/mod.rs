//! What a program registers to talk to others: addresses and TCP.
//! It must never know of handlers or of a running loop.

mod address;
mod known;
mod tcp;

pub(crate) mod resolve;

pub use address::{Address, Endpoint, ToEndpoint};
pub(crate) use known::{KnownEnds, copy_of};
pub use tcp::{ConnectOptions, Listener, Stream};
pub(crate) use tcp::{cannot_listen, open_stream};
