//! What a program implements: the trait `Handler`, and the reasons for which a source ends.
//! It must never know how events are waited for.

#[cfg(unix)]
use std::process::ExitStatus;
use std::{fmt, io};

#[cfg(unix)]
use crate::Ready;
use crate::offload::Done;
use crate::{Address, Context, Error, FileDone, Result, Stream, TimerId};

/// The methods that a reactor calls when something happens to one event source.
///
/// `S` is the state that all handlers of a reactor share: it is passed in, so nobody needs a
/// lock or a `RefCell` for it. Every method has a default; implement those that your kind of
/// source needs. Methods that return `Result` may use `?`: an `Err` closes this source alone
/// (what was sent before goes out first), and so does a panic. See [`Close`] for what
/// `handle_close` is told then.
///
/// | source | its events |
/// |---|---|
/// | [`listen`](crate::Reactor::listen) | `handle_accepted` |
/// | [`register`](crate::LoopContext::register)ed connection | `handle_read`, `handle_eof`, `handle_write` |
/// | [pipe, terminal, file](crate::Stream::stdin) | `handle_read`, `handle_eof`, `handle_write` |
/// | [`connect`](crate::LoopContext::connect) | `handle_connect`, then as a connection |
/// | [`register_udp`](crate::LoopContext::register_udp), [`listen_udp`](crate::LoopContext::listen_udp), [`register_unix_datagram`](crate::LoopContext::register_unix_datagram) | `handle_datagram`, `handle_write` |
/// | [`watch`](crate::LoopContext::watch) | `handle_ready` |
/// | [`signals`](crate::LoopContext::signals) | `handle_signal` |
/// | [`spawn`](crate::LoopContext::spawn) | `handle_exit` |
/// | [`open`](crate::LoopContext::open) | `handle_file` |
/// | all | `handle_timer`, `handle_done`, `handle_file`, `handle_error`, `handle_close` |
///
/// An event for which the handler has no method of its own is an error
/// ([`Error::Unhandled`]), not silence. No method is ever called from inside another one.
#[allow(
    unused_variables,
    reason = "the defaults name their parameters for the docs"
)]
pub trait Handler<S: 'static>: 'static {
    /// The connection that `connect` asked for is there. Not called for accepted connections.
    fn handle_connect(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        Ok(())
    }

    /// The TLS handshake of this connection is done: `cx.tls()` says what was agreed.
    /// Called before `handle_connect` and the first `handle_read`, and on TLS only: a handler need not
    /// know of it.
    fn handle_secured(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        Ok(())
    }

    /// A listener accepted `stream`: `cx.register(stream, ..)` keeps it, dropping it closes it.
    ///
    /// An `Err` concerns the one connection: it is dropped, `handle_error` is told, and the
    /// listener goes on. (A peer that is gone again before it was looked at must not end a
    /// server.) A panic closes the listener, as it closes any source.
    fn handle_accepted(
        &mut self,
        state: &mut S,
        cx: &mut Context<'_, S>,
        stream: Stream,
    ) -> Result {
        Err(Error::Unhandled("handle_accepted"))
    }

    /// Bytes have arrived: [`cx.recv`](Context::recv) or [`cx.data`](Context::data) lends them.
    fn handle_read(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        Err(Error::Unhandled("handle_read"))
    }

    /// A datagram has come, whole unless [`cx.is_truncated`](Context::is_truncated) says
    /// otherwise. It may be empty.
    ///
    /// An `Err` is told to `handle_error` and ends with this datagram: whoever can send to a socket
    /// must not be able to end it. A panic closes the socket, as it closes any source.
    fn handle_datagram(
        &mut self,
        state: &mut S,
        cx: &mut Context<'_, S>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        Err(Error::Unhandled("handle_datagram"))
    }

    /// The peer has finished sending. What is left unread is still in [`cx.data`](Context::data).
    ///
    /// The default closes once the outbox is empty. A handler that goes on writing closes
    /// (or [shuts down](crate::LoopContext::shutdown_source) its own side) when it is done.
    fn handle_eof(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        cx.close();
        Ok(())
    }

    /// The outbox has drained to its low watermark, after it had been above it or after a
    /// `send` had been refused: there is room again.
    fn handle_write(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        Ok(())
    }

    /// A watched descriptor is ready (see [`LoopContext::watch`](crate::LoopContext::watch)).
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    fn handle_ready(&mut self, state: &mut S, cx: &mut Context<'_, S>, ready: Ready) -> Result {
        Err(Error::Unhandled("handle_ready"))
    }

    /// A signal has come (see [`LoopContext::signals`](crate::LoopContext::signals)); `signal`
    /// is its number, e.g. [`SIGINT`](crate::signal::SIGINT).
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    fn handle_signal(&mut self, state: &mut S, cx: &mut Context<'_, S>, signal: i32) -> Result {
        Err(Error::Unhandled("handle_signal"))
    }

    /// The child process has ended (see [`LoopContext::spawn`](crate::LoopContext::spawn)): with a
    /// code, or by a signal ([`ExitStatusExt`](std::os::unix::process::ExitStatusExt) tells which).
    /// Then the source ends, with [`Close::Exited`].
    ///
    /// What it has written may still be on its way: its end is that of the pipe.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    fn handle_exit(
        &mut self,
        state: &mut S,
        cx: &mut Context<'_, S>,
        status: ExitStatus,
    ) -> Result {
        Err(Error::Unhandled("handle_exit"))
    }

    /// A timer of this source is due.
    fn handle_timer(&mut self, state: &mut S, cx: &mut Context<'_, S>, timer: TimerId) -> Result {
        Err(Error::Unhandled("handle_timer"))
    }

    /// A job that this source [offloaded](Context::offload) has ended, or a name that it had
    /// [looked up](Context::resolve).
    fn handle_done(&mut self, state: &mut S, cx: &mut Context<'_, S>, done: Done) -> Result {
        Err(Error::Unhandled("handle_done"))
    }

    /// Something that this source asked of a file has ended, well or not (see
    /// [`open_file`](Context::open_file)).
    fn handle_file(&mut self, state: &mut S, cx: &mut Context<'_, S>, done: FileDone) -> Result {
        Err(Error::Unhandled("handle_file"))
    }

    /// A method of this handler returned `Err` or panicked (then the error is
    /// [`Error::Panicked`]). Called before `handle_close`, unless it is about one connection of a
    /// listener, or one datagram of a socket that goes on ([`Error::Undelivered`], for one); the default logs it as a `tracing`
    /// event, which a program without a subscriber does not show.
    fn handle_error(&mut self, state: &mut S, cx: &mut Context<'_, S>, error: &Error) {
        tracing::error!(token = %cx.token(), %error, "handler failed");
    }

    /// The source has ended, for the reason `why`.
    ///
    /// Called exactly once, last, whatever ended it, and never inside another handler's call.
    /// The token is no longer valid for sending. The default does nothing.
    fn handle_close(&mut self, state: &mut S, cx: &mut Context<'_, S>, why: &Close) {}
}

/// Why a source ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Close {
    /// The program called `close`, and the outbox went out first.
    Requested,
    /// The program called `abort`.
    Aborted,
    /// The peer finished sending, and then the program (or the default `handle_eof`) called
    /// `close`, or shut its own side down.
    Eof,
    /// The child process has ended, in this way.
    #[cfg(unix)]
    Exited(ExitStatus),
    /// The connection that `connect` asked for could not be made.
    ConnectFailed(io::Error),
    /// The operating system reported a failure, such as a reset by the peer. On TLS also: what the
    /// peer sent could not be understood or trusted (`InvalidData`), or it ended the connection
    /// without saying so first (`UnexpectedEof`).
    Io(io::Error),
    /// A deadline has passed.
    TimedOut(Deadline),
    /// The outbox reached its high watermark under [`OutboxPolicy::Disconnect`](crate::OutboxPolicy).
    SlowConsumer,
    /// A method of the handler returned this error, or left more unread than the bounds allow.
    Error(Error),
    /// A method of the handler panicked, with this message.
    Panicked(String),
    /// The reactor was shut down or dropped.
    Shutdown,
}

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deadline {
    /// The connection was not made in time.
    Connect,
    /// The TLS handshake was not done in time.
    Handshake,
    /// Nothing was received or sent for as long as the idle timeout.
    Idle,
    /// No whole message came within the
    /// [read timeout](crate::SourceOptions::with_read_timeout).
    Read,
    /// The peer took nothing for as long as the
    /// [write timeout](crate::SourceOptions::with_write_timeout).
    Write,
    /// The outbox could not be sent in time after `close`.
    Close,
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Close::Requested => f.write_str("closed"),
            Close::Aborted => f.write_str("aborted"),
            Close::Eof => f.write_str("the peer has finished"),
            #[cfg(unix)]
            Close::Exited(status) => write!(f, "the process has ended: {status}"),
            Close::ConnectFailed(error) => write!(f, "cannot connect: {error}"),
            Close::Io(error) => error.fmt(f),
            Close::TimedOut(Deadline::Connect) => f.write_str("timed out while connecting"),
            Close::TimedOut(Deadline::Handshake) => {
                f.write_str("timed out during the TLS handshake")
            }
            Close::TimedOut(Deadline::Idle) => f.write_str("idle for too long"),
            Close::TimedOut(Deadline::Read) => f.write_str("no whole message came in time"),
            Close::TimedOut(Deadline::Write) => f.write_str("the peer took nothing for too long"),
            Close::TimedOut(Deadline::Close) => {
                f.write_str("the peer did not take the last bytes in time")
            }
            Close::SlowConsumer => f.write_str("the peer reads too slowly"),
            Close::Error(error) => error.fmt(f),
            Close::Panicked(message) => write!(f, "the handler panicked: {message}"),
            Close::Shutdown => f.write_str("the reactor was shut down"),
        }
    }
}
