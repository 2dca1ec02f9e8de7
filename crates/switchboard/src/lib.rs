//! A reactor in the callback style of Python's `asyncore`: plain structs, plain methods, plain
//! borrows, no `async`.
//!
//! ```no_run
//! use switchboard::{Context, Handler, Reactor, Result, TcpStream, Token};
//!
//! struct Echo;
//!
//! impl Handler<Vec<Token>> for Echo {
//!     fn handle_accepted(&mut self, clients: &mut Vec<Token>, cx: &mut Context<'_, Vec<Token>>, stream: TcpStream) -> Result {
//!         clients.push(cx.register(stream, Echo)?);
//!         Ok(())
//!     }
//!
//!     fn handle_read(&mut self, _: &mut Vec<Token>, cx: &mut Context<'_, Vec<Token>>) -> Result {
//!         let data = cx.recv(8192);
//!         cx.send(data)
//!     }
//! }
//!
//! fn main() -> Result {
//!     let mut reactor = Reactor::new(Vec::new())?;
//!     reactor.listen("localhost:8080", Echo)?;
//!     reactor.run()
//! }
//! ```

#[cfg(not(unix))]
compile_error!("switchboard runs on Unix: it waits for descriptors with epoll or kqueue");

mod builder;
mod closing;
mod connecting;
mod context;
mod core;
mod driver;
mod error;
mod flush;
mod guard;
mod handler;
mod inbox;
mod io;
mod loop_context;
mod net;
mod offload;
mod options;
mod outbox;
mod payload;
mod reactor;
mod reading;
mod remote;
mod sources;
mod time;
mod timeouts;
mod timers;

pub use bytes::Bytes;

pub use builder::{Builder, OnPanic};
pub use closing::ShutdownHandle;
pub use context::Context;
pub use error::{Error, Result};
pub use handler::{Close, Deadline, Handler};
pub use io::{Interest, Ready};
pub use loop_context::LoopContext;
pub use net::{Address, ConnectOptions, Endpoint, TcpListener, TcpStream, ToEndpoint};
pub use offload::{Done, JobId};
pub use options::SourceOptions;
pub use outbox::OutboxPolicy;
pub use payload::Payload;
pub use reactor::Reactor;
pub use remote::{Post, PostError, Remote};
pub use sources::Token;
pub use time::Time;
pub use timers::TimerId;

/// The numbers of the usual signals.
pub mod signal {
    pub use signal_hook::consts::signal::{
        SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
    };
}

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
