//! TLS for connections: who we are, whom we trust, and what was agreed.
//! It must never touch a connection: the layer below the recorder does (`driver/tls.rs`).
//!
//! A handler does not know whether it runs on TLS. A [`Listener`](crate::Listener) or a
//! [`Stream`](crate::Stream) that was given a [`Server`], a `connect` that was given a [`Client`], and
//! a connection that [`start_tls`](crate::Context::start_tls) has upgraded call the same methods as any
//! other one, with the bytes as they were before encryption.
//!
//! ```no_run
//! use switchboard::{Context, Handler, Reactor, Result, Stream, tls};
//!
//! struct Echo;
//!
//! impl Handler<()> for Echo {
//!     fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
//!         cx.register(stream, Echo)?; // the handshake begins here
//!         Ok(())
//!     }
//!
//!     fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
//!         let data = cx.recv(usize::MAX);
//!         cx.send(data)
//!     }
//! }
//!
//! fn main() -> Result {
//!     let identity = tls::Identity::from_files("cert.pem", "key.pem")?;
//!     let server = tls::ServerOptions::new(identity).with_alpn(["echo"]).build()?;
//!     let mut reactor = Reactor::new(())?;
//!     reactor.listen_tls("localhost:7777", &server, Echo)?;
//!     reactor.run()
//! }
//! ```
//!
//! # What differs from a plain connection
//! - *The beginning.* What is sent before the handshake is done waits in the outbox. Then
//!   `handle_secured` is called (and `handle_connect`, for a connection that we made), and
//!   [`cx.tls()`](crate::Context::tls) says what was agreed. A handshake that takes longer than its
//!   timeout ends with `Close::TimedOut(Deadline::Handshake)`; one that fails with `Close::Io`, or
//!   `Close::ConnectFailed` on our own connections, after the peer was sent an alert.
//! - *The end.* `handle_eof` is called only if the peer has said that it has finished (by a
//!   `close_notify`, RFC 8446 section 6.1). A connection that ends without it may have been cut by
//!   somebody in between: that is `Close::Io` with
//!   [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof). Our side says so whenever it is shut down
//!   or closed, but not when it is aborted.
//! - *Time.* What arrives counts once its record is whole (up to 16 KiB): on a line so slow that a
//!   record takes longer than an [idle timeout](crate::SourceOptions::with_idle_timeout), the
//!   connection is idle.
//! - *Renegotiation and early data* (0-RTT) are not offered: the first is gone from TLS 1.3, and the
//!   second can be replayed by anybody.
//!
//! # Bounds
//! Plaintext counts in the inbox and the outbox, as everywhere. Beside these a connection holds at most
//! one read as it was decrypted (if its handler has paused or its inbox is full), one record that
//! has not arrived as a whole (about 16 KiB; 128 KiB of a message of the handshake), and about 320 KiB that are
//! encrypted and not sent.
//!
//! # Cost
//! A handshake takes the loop's own thread for some hundred microseconds, most of it for one
//! signature; a resumed one less. Encrypted bytes are copied twice more than plain ones.

mod any_client;
mod client;
mod identity;
mod role;
mod server;
mod session;

pub use rustls;

pub use client::{Client, ClientOptions};
pub use identity::{Identity, Roots};
pub use role::Role;
pub(crate) use role::Side;
pub(crate) use server::Asked;
pub use server::{Server, ServerOptions};
pub use session::{Session, Version};

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::Error;

/// The cryptography of all connections: `ring`, whatever the process has installed for others.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Tls(error.to_string())
}
