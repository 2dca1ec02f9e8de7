//! A reactor in the callback style of Python's `asyncore`: plain structs, plain methods, plain
//! borrows, no `async`.
//!
//! ```no_run
//! use switchboard::{Close, Context, Handler, Reactor, Result, Stream, Token};
//!
//! #[derive(Default)]
//! struct Room {
//!     clients: Vec<Token>,
//! }
//!
//! struct Server;
//!
//! impl Handler<Room> for Server {
//!     fn handle_accepted(
//!         &mut self,
//!         room: &mut Room,
//!         cx: &mut Context<'_, Room>,
//!         stream: Stream,
//!     ) -> Result {
//!         room.clients.push(cx.register(stream, Client)?);
//!         Ok(())
//!     }
//! }
//!
//! struct Client;
//!
//! impl Handler<Room> for Client {
//!     fn handle_read(&mut self, _: &mut Room, cx: &mut Context<'_, Room>) -> Result {
//!         let data = cx.recv(8192);
//!         println!("[client] : {}", String::from_utf8_lossy(data));
//!         cx.send("Message received")
//!     }
//!
//!     fn handle_close(&mut self, room: &mut Room, cx: &mut Context<'_, Room>, why: &Close) {
//!         room.clients.retain(|client| *client != cx.token());
//!         println!("Client has left the building: {why}");
//!     }
//! }
//!
//! fn main() -> Result {
//!     let mut reactor = Reactor::new(Room::default())?;
//!     reactor.listen("localhost:8080", Server)?;
//!     reactor.run()
//! }
//! ```
//!
//! # Platforms
//! 64-bit Unix and Windows. TCP, UDP, TLS, names, timers, files, jobs, groups, codecs, simulations,
//! recordings and replays are the same on both. What one of them lacks is not in the library there, so
//! a program that asks for it does not compile:
//!
//! | | where it is |
//! |---|---|
//! | Unix sockets, and descriptors that travel over them | Unix |
//! | standard streams, pipes and terminals as sources; any descriptor's readiness | Unix |
//! | signals, child processes, service managers | Unix |
//! | io_uring, abstract socket names, credentials of a peer, pinned groups, upgrades | Linux |
//!
//! Each of these says so under this heading. On Windows a program that is to stop at Ctrl-C has
//! another library call [`ShutdownHandle::shutdown`].

#[cfg(not(any(unix, windows)))]
compile_error!(
    "switchboard waits for sockets by epoll, kqueue or AFD: it runs on Unix and Windows"
);

mod builder;
mod calling;
#[cfg(unix)]
mod catching;
mod closing;
pub mod codec;
mod connecting;
mod context;
mod core;
mod datagrams;
#[cfg(unix)]
mod descriptors;
mod draining;
mod driver;
mod error;
mod files;
mod flush;
mod group;
mod guard;
mod handler;
mod inbox;
mod io;
mod lanes;
mod limits;
mod loop_context;
mod names;
mod net;
mod offload;
mod options;
mod outbox;
mod payload;
mod program;
mod rate;
mod reactor;
mod reading;
mod recording;
mod remote;
mod replay;
mod replayable;
#[cfg(feature = "tls")]
mod securing;
mod sending;
#[cfg(unix)]
pub mod service;
pub mod sim;
mod sources;
#[cfg(unix)]
mod spawning;
mod stage;
mod time;
mod timeouts;
mod timers;
#[cfg(feature = "tls")]
pub mod tls;
mod transfers;
#[cfg(target_os = "linux")]
pub mod upgrade;

pub use bytes::Bytes;

pub use builder::{Builder, OnPanic};
pub use closing::ShutdownHandle;
pub use context::Context;
pub use driver::Choice as Driver;
pub use error::{Error, Result};
pub use group::{Member, ReactorGroup};
pub use handler::{Close, Deadline, Handler};
pub use io::{FileDone, FileId, FileOutcome, OpenOptions};
#[cfg(unix)]
pub use io::{Interest, Process, Ready, TerminalSize, terminal_size};
pub use lanes::Lane;
pub use loop_context::LoopContext;
pub use net::{
    Address, ConnectOptions, Endpoint, Listener, MulticastInterface, Stream, ToEndpoint, UdpSocket,
};
#[cfg(unix)]
pub use net::{PeerCredentials, UnixAddress, UnixDatagram};
pub use offload::{Done, JobId};
pub use options::SourceOptions;
pub use outbox::OutboxPolicy;
pub use payload::Payload;
pub use rate::Rate;
pub use reactor::Reactor;
pub use recording::Recording;
pub use remote::{Post, PostError, Remote};
pub use replay::{Divergence, Replay, ReplayEnd, ReplayProgress};
pub use replayable::Replayable;
pub use sources::Token;
pub use time::Time;
pub use timers::TimerId;

/// The numbers of the usual signals.
///
/// # Platforms
/// Unix.
#[cfg(unix)]
pub mod signal {
    pub use signal_hook::consts::signal::{
        SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP,
        SIGUSR1, SIGUSR2, SIGWINCH,
    };
}

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
