//! `switchboard serve`: the listeners, the limits that all clients share, and the way to an end.
//!
//! It must never decide what a client is told: `session.rs` does, and `serve/client.rs` asks it.

mod client;

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use switchboard::signal::{SIGINT, SIGTERM};
use switchboard::{
    Address, Builder, Context, Error, Handler, Listener, Reactor, Recording, Result, SourceOptions,
    Stream,
};
use switchboard_chat::answers::{Answers, Farewell};
use switchboard_chat::cli::{LogLevel, ServeArgs};
use switchboard_chat::descriptors;
use switchboard_chat::escape::Escaped;
use switchboard_chat::explain;
use switchboard_chat::framing::Decoder;
use switchboard_chat::host_port::HostPort;
use switchboard_chat::limits::Limits;
use switchboard_chat::logging::Log;

use client::Client;

/// Whose recordings these are: a replay by another version is refused.
pub const PROGRAM: &str = env!("CARGO_BIN_NAME");

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

/// Answers that wait for a client that does not read: nothing more is read from it above the first
/// number, and no message of what was read is taken above the second.
const OUTBOX_WATERMARKS: (usize, usize) = (16 * 1024, 64 * 1024);

/// A peer that vanished without a word is found after this time where no idle limit does it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// What the handlers of the server share.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    answers: Answers,
    /// Clients that count against the limit.
    clients: usize,
    stop: Stop,
}

/// How far Ctrl-C has come.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    No,
    Graceful,
    AtOnce,
}

/// Runs the server until a signal ends it.
///
/// # Errors
/// One line that says why it cannot run and what to do.
pub fn run(args: &ServeArgs) -> std::result::Result<ExitCode, String> {
    let log = Log::start(args.log.level(LogLevel::Info));
    let mut builder = Reactor::builder().driver(args.driver);
    if let Some(file) = &args.record {
        let recording = Recording::new(file, PROGRAM, VERSION);
        builder = builder.record(recording.with_configuration(args.to_lines()));
    }
    let mut reactor = reactor(args, builder).map_err(|error| error.to_string())?;
    let listeners = bind(args, &mut reactor)?;
    if let Some(shortage) = descriptors::make_room(args.max_clients as usize) {
        tracing::warn!("{shortage}");
    }
    let greeting = greeting(args, &listeners).map_err(|error| error.to_string())?;
    // Whoever started it without a standard output does not need to be told.
    let _ = stdout().write_all(greeting.as_bytes());
    let outcome = start(&mut reactor, listeners).and_then(|()| reactor.run());
    if log.dropped_lines() > 0 {
        let dropped = log.dropped_lines();
        tracing::warn!("{dropped} log lines were dropped, since nobody took them in time");
    }
    outcome.map_err(|error| error.to_string())?;
    match reactor.state().stop {
        Stop::AtOnce => Ok(ExitCode::FAILURE),
        Stop::Graceful | Stop::No => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The server that `args` ask for, before it listens.
///
/// # Errors
/// What the system reports; why a recording cannot be made, or cannot be replayed.
pub fn reactor(args: &ServeArgs, builder: Builder) -> Result<Reactor<Server>> {
    let limits = args.limits();
    let inbox = Decoder::new(limits.message_bytes_max).buffer_bytes_max();
    let (low, high) = OUTBOX_WATERMARKS;
    let options = SourceOptions::default()
        .with_inbox_limit(inbox.max(INBOX_BYTES_MIN))
        .with_watermarks(low, high);
    let others = args.listen.len() + 1; // the signals
    builder
        .max_sources(limits.clients_max + TURNED_AWAY_MAX + others)
        .source_options(options)
        .close_timeout(FAREWELL_TIMEOUT)
        .shutdown_timeout(FAREWELL_TIMEOUT)
        .build(Server {
            answers: Answers::new(&limits),
            limits,
            clients: 0,
            stop: Stop::No,
        })
}

/// Binds all addresses.
///
/// # Errors
/// One line that says which cannot be bound, and what to do.
pub fn bind(
    args: &ServeArgs,
    reactor: &mut Reactor<Server>,
) -> std::result::Result<Vec<Listener>, String> {
    let bind = |address: &HostPort| {
        reactor
            .bind((address.host(), address.port()))
            .map_err(|error| cannot_listen(address, error))
    };
    args.listen.iter().map(bind).collect()
}

/// Listens, to clients and to signals.
///
/// # Errors
/// There are too few descriptors.
pub fn start(reactor: &mut Reactor<Server>, listeners: Vec<Listener>) -> Result {
    reactor.with(|_, cx| cx.signals(&[SIGINT, SIGTERM], Signals))?;
    for listener in listeners {
        reactor.listen_on(listener, Door)?;
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
    if let (Some(asked), Some(listener)) = (args.listen.first(), listeners.first()) {
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
    }
    text.push_str("Ctrl-C stops it\n");
    Ok(text)
}

/// Lets clients in, and tells those who are too many.
struct Door;

impl Handler<Server> for Door {
    fn handle_accepted(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        stream: Stream,
    ) -> Result {
        let Ok(peer) = stream.peer() else {
            // Reset before it was looked at, as port scanners do: nothing to alarm anybody with.
            tracing::debug!("a client was gone before it was let in");
            return Ok(());
        };
        if server.clients >= server.limits.clients_max {
            return turn_away(server, cx, stream, &peer);
        }
        if server.limits.idle.is_none() {
            stream.set_keepalive(KEEPALIVE_IDLE)?;
        }
        tracing::info!("{peer} connected");
        let client = Client::new(peer, &server.limits, cx.now().as_nanos());
        let token = cx.register(stream, client)?;
        server.clients += 1;
        if let Some(idle) = server.limits.idle {
            cx.set_source_timer(token, idle)?; // one that never speaks has no other
        }
        Ok(())
    }
}

fn turn_away(
    server: &Server,
    cx: &mut Context<'_, Server>,
    stream: Stream,
    peer: &Address,
) -> Result {
    tracing::info!("{peer} was turned away: the server is full");
    let token = cx.register(stream, TurnedAway)?;
    cx.send_to(token, server.answers.farewell(Farewell::Full))?;
    cx.close_source(token);
    Ok(())
}

/// A client too many. It is closed from the start, so nothing of what it does is heard.
struct TurnedAway;

impl Handler<Server> for TurnedAway {}

/// Ctrl-C once: finish what is under way. Twice: do not.
///
/// (`stop_on_signals` would end the process then, without the log's last lines and a recording's end.)
struct Signals;

impl Handler<Server> for Signals {
    fn handle_signal(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        _signal: i32,
    ) -> Result {
        match server.stop {
            Stop::No => {
                let seconds = FAREWELL_TIMEOUT.as_secs();
                tracing::info!(
                    "stopping; clients have {seconds} s to take their last answers \
                     (Ctrl-C again: at once)"
                );
                server.stop = Stop::Graceful;
                cx.stop();
            }
            Stop::Graceful | Stop::AtOnce => {
                tracing::warn!("stopped at once; last answers may be missing");
                server.stop = Stop::AtOnce;
                cx.shutdown_handle().abort();
            }
        }
        Ok(())
    }
}
