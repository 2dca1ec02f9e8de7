//! The seam between the loop and whatever runs it: a driver speaks in completions.
//! It must never know of handlers, and readiness is a driver's private business.
//!
//! What every driver promises, method by method, as [`Driver`] forwards them:
//!
//! - `now`, `wall_time`: the clocks; the first never runs backwards.
//! - `read_clock`: the first of them again, for what the program gets to see: a recording has
//!   these answers, while `now` only says how long to sleep.
//! - `wait`: the only call that sleeps, until a completion, a wake-up or the timeout; it
//!   begins a tick and fixes how much may be dispatched in it.
//! - `next`: the tick's completions one by one. Bytes are lent until the next call of `next` or
//!   `wait`; whoever wants to keep them longer copies them. `None` ends the tick's dispatch, even
//!   if more could be read: then the next `wait` does not sleep.
//!   Descriptors that came with bytes are in the same completion (`ReceivedWith`): they are the
//!   receiver's.
//! - `next_received`: the next completion if it is a `Received`, and at hand. `None` says nothing,
//!   `next` does: a driver that gains nothing by it always answers so.
//! - `bind`: listens without a token yet; may block while a name is looked up.
//! - `register`, `listen`, `connect`, `resolve`, `offload`: begin something under a token; the
//!   outcome is a completion. An `Err` says that it could not begin. Jobs of one lane are done one
//!   after the other, in the order in which they were given, and hold nothing else up.
//! - `connect_unix`: as `connect`; whoever listens has no room for another connection at present
//!   if the `Err` is `WouldBlock`.
//!   `connect` may be called again before its `Connected`: attempts at several addresses are under
//!   way side by side then. Each that fails is a `Failed`. The first to succeed is the source's
//!   connection; the others are given up in the same moment, without a byte or a word.
//!   `resolve` looks the addresses of a host up for others too: its token only says who asked.
//! - `ask_file`: the same, in the order asked for each file; `close` of the token ends none of it.
//! - `send`: sends from the front of the outbox what it can now, and takes that out of it. When
//!   that is not all, a `Sent` completion comes as soon as it makes sense to call again. A driver
//!   may take what it will send with its next `wait`; what the kernel then refuses comes back
//!   with `Unsent`, which is the next tick's first completion.
//! - `forward`: sends a part of the bytes lent last, without a copy, and says how many went (or
//!   will go with the next `wait`, as with `send`).
//! - `send_staged`: as `forward`, for bytes of the loop's own stage. When it answers 0, they are put
//!   into the outbox, and `send` is called. `keep_stage` follows when all of a tick have been sent,
//!   and before anything else is staged: a driver whose kernel will read them later swaps the stage
//!   for an empty one.
//! - `is_flushed`: whether the kernel has all that `send` and its like took of a source. If not,
//!   the next `wait` does not sleep, and `Sent` or `Unsent` tells.
//! - `bind_udp`, `listen_udp`, `send_datagrams`: see `datagrams.rs`.
//! - `set_reading(false)`: from now on the source has no `Received`, `Datagram`, `Accepted`,
//!   `EndOfFile` or `Ready`; what has arrived already waits in the driver until `set_reading(true)`.
//! - `stop_accepting`: from now on a listener lets nobody in; who has been let in has an `Accepted`.
//!   `has_stopped_accepting` says when that was the last.
//! - `set_room`: no `Received` of the source is longer than this; at zero there is none.
//! - `keeps`: whether the driver itself holds bytes that it has taken, and has to wait until the
//!   kernel takes them. Asked when `is_flushed` has said no.
//! - `start_tls`: from now on, what the source receives and sends is encrypted on its way; `Secured`
//!   tells when, and nothing is received or taken from its outbox before.
//! - `shutdown`: half-close.
//! - `kill_child`: sends a signal to the process of a source; one that has ended gets none.
//! - `close`: ends the token; no completion with it comes afterwards. A driver whose kernel still
//!   holds memory of the source keeps that memory itself: the next source in the slot has another
//!   generation, so the two are told apart.
//! - `rest`: what `wait` would hand to the kernel, when no further tick is to come.
//! - `waker`: wakes `wait` from other threads.
//!
//! Length: the promises, and one method that forwards each of them.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::ops::Range;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::core::Seen;
#[cfg(unix)]
use crate::io::{Interest, Process, Signals};
use crate::net::{ConnectOptions, Endpoint, UnixAddress, cannot_listen};
use crate::offload::Job;
use crate::outbox::Outbox;
use crate::sources::Kind;
use crate::stage::Stage;
use crate::{Listener, Stream, Time, Token, UdpSocket};

mod batches;
#[cfg(unix)]
mod channel;
mod choice;
mod datagrams;
mod event;
mod files;
mod lanes;
#[cfg(unix)]
mod notifier;
mod readiness;
pub(crate) mod recorded;
mod results;
mod simulated;
mod socket;
mod straight;
#[cfg(feature = "tls")]
mod tls;
#[cfg(target_os = "linux")]
mod uring;
mod waker;
#[cfg(unix)]
mod watched;

#[cfg(unix)]
pub(crate) use channel::{Channel, MESSAGE_DESCRIPTORS};
pub use choice::Driver as Choice;
pub(crate) use datagrams::Datagram;
pub(crate) use event::{Completion, Event};
pub(crate) use files::{Files, Medium};
#[cfg(unix)]
pub(crate) use notifier::Notifier;
pub(crate) use readiness::Readiness;
use recorded::{Recorder, Replayer};
pub(crate) use simulated::Simulated;
#[cfg(feature = "tls")]
pub(crate) use tls::StartTls;
#[cfg(target_os = "linux")]
pub(crate) use uring::Uring;
pub(crate) use waker::Waker;

/// The longest `Received` there can be, in bytes, and one read of the readiness driver. A bulk
/// transfer is decided by the size of one read: 256 KiB took a quarter off the CPU per byte of
/// 64 KiB (see `bench/`).
pub(crate) const READ_BUFFER: usize = 256 * 1024;

/// Bytes read in one tick, whatever the number of sources: the others' timers and posts wait no
/// longer than it takes to handle these.
const TICK_BYTES: usize = 4 * 1024 * 1024;

/// Connections accepted in one tick.
const TICK_ACCEPTS: usize = 256;

/// What can be registered.
pub(crate) enum Resource {
    Stream(Stream),
    Listener(Listener),
    #[cfg(unix)]
    Watch(Box<dyn AsFd>, Interest),
    #[cfg(unix)]
    Signals(Signals),
    #[cfg(unix)]
    Child(Process),
    Datagrams(UdpSocket),
}

impl Resource {
    /// What kind of source it becomes.
    fn kind(&self) -> Kind {
        match self {
            Resource::Stream(_) => Kind::Stream,
            Resource::Listener(_) => Kind::Listener,
            #[cfg(unix)]
            Resource::Watch(..) => Kind::Watch,
            #[cfg(unix)]
            Resource::Signals(_) => Kind::Signals,
            #[cfg(unix)]
            Resource::Child(_) => Kind::Child,
            Resource::Datagrams(_) => Kind::Datagram,
        }
    }
}

/// The drivers there are: a closed set, so a call is a `match` and no `dyn`.
#[allow(
    clippy::large_enum_variant,
    reason = "one for each reactor, and a box would be one more hop for each call"
)]
pub(crate) enum Driver {
    Readiness(Readiness),
    Simulated(Simulated),
    Recorder(Box<Recorder>),
    Replayer(Box<Replayer>),
    #[cfg(target_os = "linux")]
    Uring(Uring),
    /// Around one of the operating system's, once a source speaks TLS.
    #[cfg(feature = "tls")]
    Tls(Box<tls::Layer>),
    /// Only while `start_tls` puts the driver into its layer.
    #[cfg(feature = "tls")]
    Moving,
}

macro_rules! each_driver {
    ($self:ident, $driver:ident => $call:expr) => {
        match $self {
            Driver::Readiness($driver) => $call,
            Driver::Simulated($driver) => $call,
            Driver::Recorder($driver) => $call,
            Driver::Replayer($driver) => $call,
            #[cfg(target_os = "linux")]
            Driver::Uring($driver) => $call,
            #[cfg(feature = "tls")]
            Driver::Tls($driver) => $call,
            #[cfg(feature = "tls")]
            Driver::Moving => unreachable!("nobody calls a driver while it is moved"),
        }
    };
}

impl Driver {
    pub(crate) fn choice(&self) -> Choice {
        match self {
            Driver::Readiness(_) => Choice::Readiness,
            Driver::Recorder(recorder) => recorder.choice(),
            Driver::Simulated(_) | Driver::Replayer(_) => Choice::Virtual,
            #[cfg(target_os = "linux")]
            Driver::Uring(_) => Choice::IoUring,
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.choice(),
            #[cfg(feature = "tls")]
            Driver::Moving => unreachable!("nobody calls a driver while it is moved"),
        }
    }

    pub(crate) fn now(&self) -> Time {
        each_driver!(self, driver => driver.now())
    }

    pub(crate) fn read_clock(&mut self) -> Time {
        match self {
            Driver::Recorder(recorder) => recorder.read_clock(),
            Driver::Replayer(replayer) => replayer.read_clock(),
            live => live.now(),
        }
    }

    pub(crate) fn wall_time(&mut self) -> SystemTime {
        each_driver!(self, driver => driver.wall_time())
    }

    /// How far a shutdown is to go that was asked to go as far as `asked`, when it has gone as far
    /// as `heeded`: for any thread may ask, and a recording says when it was heard.
    pub(crate) fn heed_stop(&mut self, asked: u8, heeded: u8) -> u8 {
        match self {
            Driver::Recorder(recorder) => recorder.heed_stop(asked, heeded),
            Driver::Replayer(replayer) => replayer.heed_stop(asked, heeded),
            _ => asked,
        }
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        each_driver!(self, driver => driver.wait(timeout))
    }

    pub(crate) fn next(&mut self) -> Option<Completion<'_>> {
        each_driver!(self, driver => driver.next())
    }

    /// The tick's last `close` has been called: a driver that closes with its next `wait` does it
    /// now, since there may be none.
    pub(crate) fn finish_closing(&mut self) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.finish_closing(),
            Driver::Recorder(recorder) => recorder.finish_closing(),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.finish_closing(),
            _ => Ok(()),
        }
    }

    /// After the last tick: hands to the kernel what the next `wait` would have.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.rest(),
            Driver::Recorder(recorder) => recorder.rest(),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.rest(),
            _ => Ok(()),
        }
    }

    /// Whether something is left for a tick that does not wait.
    pub(crate) fn has_backlog(&self) -> bool {
        each_driver!(self, driver => driver.has_backlog())
    }

    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        each_driver!(self, driver => driver.register(token, resource))
    }

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> io::Result<Listener> {
        let listener = match self {
            Driver::Recorder(recorder) => return recorder.bind(endpoint),
            Driver::Replayer(replayer) => return replayer.bind(endpoint),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => return layer.bind(endpoint),
            _ => each_driver!(self, driver => driver.bind(endpoint)),
        };
        listener.map_err(|error| cannot_listen(endpoint, &error))
    }

    pub(crate) fn listen(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        each_driver!(self, driver => driver.listen(token, addresses))
    }

    pub(crate) fn connect(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        each_driver!(self, driver => driver.connect(token, address, options))
    }

    pub(crate) fn connect_unix(
        &mut self,
        token: Token,
        address: &UnixAddress,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        each_driver!(self, driver => driver.connect_unix(token, address, options))
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        each_driver!(self, driver => driver.resolve(token, host))
    }

    pub(crate) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        each_driver!(self, driver => driver.offload(token, job))
    }

    #[inline]
    pub(crate) fn send(&mut self, token: Token, outbox: &mut Outbox) -> io::Result<()> {
        each_driver!(self, driver => driver.send(token, outbox))
    }

    #[inline]
    pub(crate) fn forward(&mut self, token: Token, lent: Range<usize>) -> io::Result<usize> {
        each_driver!(self, driver => driver.forward(token, lent))
    }

    pub(crate) fn is_flushed(&mut self, token: Token) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.is_flushed(token),
            Driver::Recorder(recorder) => recorder.is_flushed(token),
            Driver::Replayer(replayer) => replayer.is_flushed(token),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.is_flushed(token),
            _ => true, // what was taken has gone
        }
    }

    pub(crate) fn keep_stage(&mut self, stage: &mut Stage) {
        match self {
            Driver::Recorder(recorder) => recorder.keep_stage(stage),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.keep_stage(stage),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.keep_stage(stage),
            _ => {} // has sent it
        }
    }

    /// The bytes that the last `next` lent, as far as they are in `range`.
    pub(crate) fn lent(&self, range: Range<usize>) -> &[u8] {
        each_driver!(self, driver => driver.lent(range))
    }

    /// Whether completions of a source are wanted: bytes, connections, readiness.
    pub(crate) fn set_reading(&mut self, token: Token, reading: bool) {
        each_driver!(self, driver => driver.set_reading(token, reading));
    }

    /// A listener lets nobody in any more; who has been let in already still comes.
    pub(crate) fn stop_accepting(&mut self, token: Token) {
        match self {
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.stop_accepting(token),
            Driver::Recorder(recorder) => recorder.stop_accepting(token),
            other => other.set_reading(token, false), // a connection is accepted when it is told of
        }
    }

    /// Whether nobody comes any more after `stop_accepting`.
    pub(crate) fn has_stopped_accepting(&mut self, token: Token) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.has_stopped_accepting(token),
            Driver::Recorder(recorder) => recorder.has_stopped_accepting(token),
            _ => true,
        }
    }

    /// How many bytes one completion may bring at most.
    pub(crate) fn set_room(&mut self, token: Token, room: usize) {
        each_driver!(self, driver => driver.set_room(token, room));
    }

    pub(crate) fn shutdown(&mut self, token: Token, how: Shutdown) {
        each_driver!(self, driver => driver.shutdown(token, how));
    }

    pub(crate) fn close(&mut self, token: Token) {
        each_driver!(self, driver => driver.close(token));
    }

    /// What the loop did without the driver, for a log of all that happened.
    #[inline]
    pub(crate) fn tell(&mut self, seen: &mut Option<Vec<Seen>>) {
        if let (Driver::Simulated(driver), Some(seen)) = (self, seen) {
            driver.tell(seen.drain(..));
        }
    }

    /// A turn ends, and a recording of it is handed over; what has gone wrong with a replay in it.
    pub(crate) fn end_turn(&mut self) -> crate::Result {
        match self {
            Driver::Replayer(replayer) => replayer.end_turn(),
            Driver::Recorder(recorder) => {
                recorder.end_turn();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The reactor is being dropped; what follows is the end of its sources.
    pub(crate) fn begin_drop(&mut self) {
        match self {
            Driver::Recorder(recorder) => recorder.begin_drop(),
            Driver::Replayer(replayer) => replayer.begin_drop(),
            _ => {}
        }
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        each_driver!(self, driver => driver.waker())
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        each_driver!(self, driver => driver.descriptor())
    }
}
