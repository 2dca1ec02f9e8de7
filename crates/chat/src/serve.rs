//! `switchboard serve`: the chat server on the reactor.
//!
//! It must never decide what a client is told: the chat (`chat/`) and the sessions (`session.rs`,
//! `irc/session.rs`) do, and the handlers in here carry it out.

mod certificate;
mod dice;
mod door;
mod due;
mod exposure;
mod greeting;
#[cfg(target_os = "linux")]
mod handover;
mod http;
mod irc_client;
mod links;
mod motd;
#[cfg(not(target_os = "linux"))]
mod no_handover;
mod plain;
mod server;
mod storage;
mod sts;

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use switchboard::service::ServiceManager;
use switchboard::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use switchboard::{
    Builder, Close, Context, Error, Handler, Listener, LoopContext, Reactor, Recording, Result,
    SourceOptions,
};

use crate::cli::{Entrance, LogLevel, ServeArgs, Tls};
use crate::descriptors;
use crate::escape::Escaped;
use crate::explain;
use crate::framing::Decoder;
use crate::host_port::HostPort;
use crate::logging::Log;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;
use certificate::Files;
use door::Door;
use greeting::Visitor;
#[cfg(target_os = "linux")]
use handover::{Handover, Start};
#[cfg(not(target_os = "linux"))]
use no_handover::{Handover, Start};
use storage::Keeper;

pub use storage::Storage;

pub use server::{Protocols, Server, Stop};

/// Whose recordings these are: a replay by another version is refused.
pub const PROGRAM: &str = "switchboard";

/// See [`PROGRAM`].
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Clients too many that are being told so at the same time. Further ones wait in the kernel's
/// queue until one of these (or a client) has left.
const TURNED_AWAY_MAX: usize = 16;

/// How long a client has for reading its last answers and leaving, when it was told to go and when
/// Ctrl-C stops the server.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// One read of a client brings at most this much, or one message of the longest kind.
const INBOX_BYTES_MIN: usize = 16 * 1024;

/// What waits for a client that does not read: whoever has more than the second number waiting is
/// disconnected.
const OUTBOX_WATERMARKS: (usize, usize) = (64 * 1024, 1024 * 1024);

/// What waits for all clients together, at most.
const OUTBOXES_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Runs the server until a signal ends it.
///
/// # Errors
/// One line that says why it cannot run and what to do.
pub fn run(args: &ServeArgs) -> std::result::Result<ExitCode, String> {
    let log = Log::start(args.log.level(LogLevel::Info));
    let (mut reactor, greeting) = set_up(args)?;
    // Whoever started it without a standard output does not need to be told.
    let _ = stdout().write_all(greeting.as_bytes());
    let outcome = reactor.run();
    if log.dropped_lines() > 0 {
        let dropped = log.dropped_lines();
        tracing::warn!("{dropped} log lines were dropped, since nobody took them in time");
    }
    outcome.map_err(|error| error.to_string())?;
    match reactor.state().stop {
        Stop::AtOnce => Ok(ExitCode::FAILURE),
        Stop::Graceful | Stop::Replaced | Stop::No => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A server that has its addresses and its data, and what it says of itself.
fn set_up(args: &ServeArgs) -> std::result::Result<(Reactor<Server>, String), String> {
    let say = |error: Error| error.to_string();
    // Nobody else may have the data, but for a server that is asked for its sockets first.
    args.data.make_database()?;
    let mut opened = None;
    if !args.take_over {
        opened = Some(storage(args, SqliteStore::open)?);
    }
    let mut handover = Handover::begin(args)?;
    if opened.is_none() && !handover.takes_over() {
        opened = Some(storage(args, SqliteStore::open)?);
    }
    let mut args = args.clone();
    args.decoys = Some(certificate::decoy_secret(&args.data.directory()?)?);
    args.motd_line = motd::lines(args.motd.as_deref())?;
    let certificate = certificate::of(&args)?;
    let is_checkable = certificate.as_ref().is_some_and(|it| !it.is_self_signed);
    sts::settle(&mut args, is_checkable)?;
    let args = &args;
    let seed =
        getrandom::u64().map_err(|error| format!("the system has no randomness: {error}"))?;
    let mut builder = Reactor::builder().driver(args.driver).seed(seed);
    if let Some(file) = &args.record {
        let recording = Recording::new(file, PROGRAM, VERSION);
        builder = builder.record(recording.with_configuration(args.to_lines()));
    }
    let has_data = opened.is_some();
    let mut reactor =
        reactor(args, builder, opened.unwrap_or_else(Storage::absent)).map_err(say)?;
    reactor.state_mut().tls = certificate
        .as_ref()
        .map(|tls| (tls.server.clone(), tls.files.clone()));
    reactor.state_mut().again = Start::of_this_process();
    let listeners = bind(args, &mut reactor, |entrance| handover.take(entrance))?;
    if let Some(shortage) = descriptors::make_room(args.max_clients as usize) {
        tracing::warn!("{shortage}");
    }
    let mut greeting = greeting(args, &listeners).map_err(say)?;
    if let Some(fingerprint) = certificate.and_then(|tls| tls.fingerprint) {
        let _ = writeln!(
            greeting,
            "its certificate has the SHA-256 fingerprint {fingerprint}"
        );
    }
    handover.offer(args, &listeners)?;
    start(args, &mut reactor, listeners).map_err(say)?;
    if let Some(manager) = ServiceManager::from_env().map_err(say)? {
        reactor.report_to(manager).map_err(say)?;
    }
    if args.record.is_none() {
        // A recording cannot hold how one server follows the other.
        handover.complete(&mut reactor)?; // from here on, nothing fails but for the data
    }
    if !has_data {
        let storage = storage(args, SqliteStore::open_when_free)?;
        reactor.state_mut().storage.fill(storage);
    }
    Ok((reactor, greeting))
}

/// Whether a server could be started with `args`. Makes nothing, and binds nothing.
///
/// # Errors
/// One line that says why not and what to do.
pub fn check(args: &ServeArgs) -> std::result::Result<(), String> {
    let is_made_here = args.tls == [Tls::SelfSigned] && args.tls_key.is_empty();
    if !is_made_here {
        certificate::of(args)?;
    }
    sts::check(args)?;
    let directory = args.data.directory()?;
    if !directory.is_dir() && directory.exists() {
        return Err(format!("{} is not a directory", directory.display()));
    }
    for entrance in &args.listen {
        let address = entrance.address();
        let there = (address.host(), address.port()).to_socket_addrs();
        for there in there.map_err(|error| explain::cannot_listen(address, &error))? {
            exposure::check(args, there)?;
        }
    }
    motd::lines(args.motd.as_deref()).map(drop)
}

/// The store in the data directory.
fn storage(
    args: &ServeArgs,
    open: impl FnOnce(PathBuf) -> std::result::Result<SqliteStore, StoreError>,
) -> std::result::Result<Storage, String> {
    let path = args.data.make_database()?;
    let say = |error: StoreError| format!("{}: {error}", path.display());
    let mut store = open(path.clone()).map_err(say)?;
    store.set_retention(args.retention());
    let archive = store.archive().map_err(say)?;
    Ok(Storage::new(Box::new(store), Box::new(archive)))
}

/// The server that `args` ask for, before it listens.
///
/// # Errors
/// What the system reports; why a recording cannot be made, or cannot be replayed.
pub fn reactor(args: &ServeArgs, builder: Builder, storage: Storage) -> Result<Reactor<Server>> {
    bounded(args, builder).build(Server::new(args, storage))
}

/// With the bounds of a server that `args` ask for.
pub fn bounded(args: &ServeArgs, builder: Builder) -> Builder {
    let limits = args.limits();
    let inbox = Decoder::new(limits.message_bytes_max).buffer_bytes_max();
    let (low, high) = OUTBOX_WATERMARKS;
    let options = SourceOptions::default()
        .with_inbox_limit(inbox.max(INBOX_BYTES_MIN))
        .with_watermarks(low, high);
    let others = args.listen.len() + 1; // the signals
    builder
        .max_sources(limits.clients_max + TURNED_AWAY_MAX + others)
        .max_buffered(OUTBOXES_BYTES_MAX)
        .source_options(options)
        .close_timeout(FAREWELL_TIMEOUT)
        .shutdown_timeout(FAREWELL_TIMEOUT)
}

/// Binds all addresses, but for those that `taken` has a listener for.
///
/// # Errors
/// One line that says which cannot be bound, and what to do.
pub fn bind(
    args: &ServeArgs,
    reactor: &mut Reactor<Server>,
    mut taken: impl FnMut(&Entrance) -> Option<Listener>,
) -> std::result::Result<Vec<Listener>, String> {
    let bind = |entrance: &Entrance| {
        let address = entrance.address();
        let cannot = |error| cannot_listen(address, error);
        let listener = match taken(entrance) {
            Some(listener) => listener,
            None => {
                let bound = reactor.bind((address.host(), address.port()));
                bound.map_err(cannot)?
            }
        };
        for address in listener.locals().map_err(cannot)? {
            if let Some(address) = address.ip() {
                exposure::check(args, address)?;
            }
        }
        Ok(listener)
    };
    args.listen.iter().map(bind).collect()
}

/// Has the store loaded, and then listens to clients; to signals at once.
///
/// # Errors
/// There are too few descriptors.
pub fn start(args: &ServeArgs, reactor: &mut Reactor<Server>, listeners: Vec<Listener>) -> Result {
    if reactor.state().tls.is_none() && !args.tls.is_empty() {
        let server = certificate::for_a_replay()?;
        reactor.state_mut().tls = Some((server, Files::default()));
    }
    let told = sts::of(args, &listeners)?;
    let entrances = args.listen.iter().zip(listeners);
    let entrances = entrances.map(|(entrance, listener)| {
        let listener = match (&reactor.state().tls, entrance.is_tls()) {
            (Some((tls, _)), true) => listener.with_tls(tls),
            _ => listener,
        };
        let door = Door {
            protocols: entrance.protocols(),
            tls: entrance.is_tls(),
            local: entrance.is_local(),
        };
        (listener, door)
    });
    let entrances = entrances.collect();
    reactor.with(|server, cx| {
        server.entrances = entrances;
        // Nobody has it yet but the server.
        if let Some(irc) = Arc::get_mut(&mut server.irc) {
            irc.sts = told;
        }
        let keeper = cx.signals(&[SIGINT, SIGTERM, SIGHUP, SIGUSR2], Keeper::default())?;
        Keeper::start(server, cx, keeper)
    })
}

/// The store is loaded: clients may come.
fn open_doors(server: &mut Server, cx: &mut LoopContext<'_, Server>) -> Result {
    for (listener, door) in std::mem::take(&mut server.entrances) {
        cx.listen_on(listener, door)?;
    }
    Ok(())
}

fn cannot_listen(address: &HostPort, error: Error) -> String {
    match error {
        Error::Io(error) => explain::cannot_listen(address, &error),
        error => format!("cannot listen at {address}: {error}"),
    }
}

/// Where the server is, and what to type to talk to it.
fn greeting(args: &ServeArgs, listeners: &[Listener]) -> Result<String> {
    let mut text = String::new();
    for listener in listeners {
        for address in listener.locals()? {
            writeln!(text, "listening on {address}")?;
        }
    }
    if let (Some(entrance), Some(listener)) = (args.listen.first(), listeners.first()) {
        let asked = entrance.address();
        let port = listener.local()?.ip().map_or(asked.port(), |ip| ip.port());
        let (host, there) = match asked.host() {
            "0.0.0.0" | "::" => ("localhost", format!("localhost:{port}")),
            host => (host, asked.with_port(port).to_string()),
        };
        // As this program was called, so that the line can be copied into another terminal.
        let program = std::env::args().next().unwrap_or_default();
        let program = Escaped::new(program.as_bytes());
        writeln!(
            text,
            "talk to it in another terminal: {program} connect {there}"
        )?;
        writeln!(text, "or with any other client:       nc {host} {port}")?;
        if entrance.protocols().detect.http {
            let scheme = if entrance.is_tls() { "https" } else { "http" };
            writeln!(text, "or in a browser:                {scheme}://{there}/")?;
        }
    }
    text.push_str("Ctrl-C stops it\n");
    Ok(text)
}

/// Ctrl-C once: finish what is under way. Twice: do not.
///
/// (`stop_on_signals` would end the process then, without the log's last lines and a recording's end.)
fn signal(server: &mut Server, cx: &mut LoopContext<'_, Server>) {
    match server.stop {
        Stop::No => {
            let seconds = FAREWELL_TIMEOUT.as_secs();
            tracing::info!(
                "stopping; clients have {seconds} s to take their last answers (Ctrl-C again: at \
                 once)"
            );
            server.stop = Stop::Graceful;
            // What waits is stored first, and receipted; nothing more is taken.
            for token in server.links.tokens() {
                cx.pause_source(token);
            }
            stop_when_settled(server, cx);
        }
        Stop::Graceful | Stop::Replaced | Stop::AtOnce => {
            tracing::warn!("stopped at once; last answers may be missing");
            server.stop = Stop::AtOnce;
            cx.shutdown_handle().abort();
        }
    }
}

fn stop_when_settled(server: &mut Server, cx: &mut LoopContext<'_, Server>) {
    if !server.chat.is_settled() {
        return;
    }
    match server.stop {
        Stop::Graceful => {
            let stops = (links::GOES_AWAY, "the server stops");
            server.links.say_goodbye(cx, stops);
            cx.stop();
        }
        Stop::Replaced => {
            let restarts = (links::RESTARTS, "the server restarts: connect again");
            server.links.say_goodbye(cx, restarts);
            // It fails for want of timers only. Then the other process has the data at the end.
            if let Err(error) = server.storage.call(cx) {
                tracing::error!("the store is not closed: {error}");
                cx.stop();
            }
        }
        Stop::No | Stop::AtOnce => {}
    }
}

/// A connection that counted has ended.
fn departed(server: &mut Server, cx: &mut LoopContext<'_, Server>, visitor: Visitor, why: &Close) {
    server.clients -= 1;
    if let Some(admission) = visitor.admission {
        server.chat.departed(admission, storage::moment(cx));
    }
    let peer = &visitor.peer;
    match why {
        Close::Requested | Close::Eof => tracing::info!("{peer} left"),
        Close::Io(error) if is_plain_departure(error) => tracing::info!("{peer} left"),
        Close::Shutdown => tracing::info!("{peer} was disconnected: the server stops"),
        why => tracing::warn!("{peer} was disconnected: {why}"),
    }
}

/// A client that was killed, or left with answers unread, is nothing to worry about.
fn is_plain_departure(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), ConnectionReset | BrokenPipe)
}

/// A connection whose visitor has been said goodbye to.
struct Gone;

impl Handler<Server> for Gone {
    fn handle_read(&mut self, _: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        cx.consume(cx.data().len());
        Ok(())
    }
}
