//! What the program can ask of the loop as a whole, and of any source by its token.
//! It must never call a handler: what is asked for here is noted, and done after the call.

use std::fmt;
use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

#[cfg(unix)]
use crate::Interest;
use crate::closing::ShutdownHandle;
use crate::core::{Core, Request};
use crate::driver::Resource;
use crate::handler::{Close, Handler};
use crate::net::ConnectOptions;
use crate::options::Limits;
use crate::sources::{Kind, Phase, Way};
use crate::timeouts::Due;
use crate::{
    Error, Listener, Payload, Rate, Remote, Result, SourceOptions, Stream, Time, TimerId,
    ToEndpoint, Token,
};

/// What posted closures, timer closures and [`Reactor::with`](crate::Reactor::with) get, and
/// what every handler's [`Context`](crate::Context) offers too.
pub struct LoopContext<'a, S: 'static> {
    pub(crate) core: &'a mut Core<S>,
    /// What the driver has lent to the handler, to tell a forward from a copy.
    pub(crate) lent: &'a [u8],
}

impl<S: 'static> LoopContext<'_, S> {
    /// The time at which this tick began. Costs nothing.
    pub fn now(&self) -> Time {
        self.core.now
    }

    /// The time of day at which this tick began, for people. The system's clock is read again in
    /// the first tick of each second, so this follows it when it is set, and jumps with it: measure
    /// durations by [`now`](Self::now). Costs nothing.
    pub fn wall_time(&self) -> SystemTime {
        let (read, wall_clock) = self.core.wall_clock;
        wall_clock + (self.core.now - read)
    }

    /// A random number, the same ones in the same order for the same [seed](crate::Builder::seed).
    /// Not for secrets.
    pub fn random(&mut self) -> u64 {
        self.core.random.u64(..)
    }

    /// Listens on every address that `endpoint` names, all under one token. Never blocks: a
    /// failure (the port is taken, the host is unknown) arrives as `handle_close`. To learn which
    /// port 0 became, [bind](Listener::bind) first and [listen on](Self::listen_on) that.
    ///
    /// # Errors
    /// The address is malformed, there are too many sources, or the reactor is shutting down.
    pub fn listen(&mut self, endpoint: impl ToEndpoint, handler: impl Handler<S>) -> Result<Token> {
        let endpoint = endpoint.to_endpoint()?;
        let token = self
            .core
            .insert(Kind::Listener, Phase::Connecting, handler)?;
        self.core.start_attempt(token, endpoint, None);
        Ok(token)
    }

    /// Listens on sockets that are bound already.
    ///
    /// # Errors
    /// There are too many sources, or the reactor is shutting down.
    pub fn listen_on(&mut self, listener: Listener, handler: impl Handler<S>) -> Result<Token> {
        self.add(Kind::Listener, Resource::Listener(listener), handler)
    }

    /// Connects to the first address of `endpoint` that answers, with the default
    /// [`ConnectOptions`]: those of a name are tried side by side, a quarter of a second apart
    /// (RFC 8305). Never blocks: success arrives as `handle_connect`, failure as
    /// `handle_close` with the reason. What is sent before goes out after it is connected.
    ///
    /// # Errors
    /// The address is malformed, there are too many sources, or the reactor is shutting down.
    pub fn connect(
        &mut self,
        endpoint: impl ToEndpoint,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        self.connect_with(endpoint, ConnectOptions::default(), handler)
    }

    /// As [`connect`](Self::connect), with options.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        &mut self,
        endpoint: impl ToEndpoint,
        #[cfg_attr(not(feature = "tls"), allow(unused_mut, reason = "TLS takes its part"))]
        mut options: ConnectOptions,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        let endpoint = endpoint.to_endpoint()?;
        #[cfg(feature = "tls")]
        let role = self.role_to(&endpoint, &mut options)?;
        let token = self.core.insert(Kind::Stream, Phase::Connecting, handler)?;
        #[cfg(unix)]
        if let crate::Endpoint::Unix(_) = endpoint {
            self.core.carry_descriptors(token, options.descriptors);
        }
        #[cfg(feature = "tls")]
        if let Some(role) = role {
            self.core.secure(token, role, false);
        }
        self.core.start_attempt(token, endpoint, Some(options));
        Ok(token)
    }

    /// Gives a connection to the reactor, and its events to `handler`. Allocates the handler's
    /// box; makes two system calls after the present call, whose failure arrives as `handle_close`.
    ///
    /// # Errors
    /// There are too many sources, or the reactor is shutting down: the connection is closed.
    pub fn register(&mut self, stream: Stream, handler: impl Handler<S>) -> Result<Token> {
        let way = stream.way();
        #[cfg(unix)]
        let limit = stream.descriptor_limit();
        let token = self.add(Kind::Stream, Resource::Stream(stream), handler)?;
        #[cfg(unix)]
        self.core.carry_descriptors(token, limit);
        if way != Way::Connection {
            self.core.set_way(token, way);
        }
        Ok(token)
    }

    /// Watches a descriptor, which its owner reads or writes in `handle_ready`: an inotify instance,
    /// or what a library reads for itself. (Pipes and terminals can be
    /// [streams](crate::Stream::stdin), which the reactor reads.) It is told again in every tick for as long as it is ready
    /// (level-triggered), so `handle_ready` may read as little as it likes, and should make one
    /// read or write only if the descriptor is a blocking one. A regular file is always ready.
    ///
    /// The reactor has the descriptor, and closes it when the source ends; a handler that reads it
    /// has a duplicate, or reads through what it shares with it. It must be open until then: a kernel
    /// says nothing of one that somebody else has closed. One descriptor can be watched once (a
    /// duplicate is another one): the second watch ends with an error that says so.
    ///
    /// ```
    /// use std::io::{PipeReader, Read, Write, pipe};
    /// use switchboard::{Context, Handler, Interest, Reactor, Ready, Result};
    ///
    /// struct Bytes(PipeReader);
    ///
    /// impl Handler<Vec<u8>> for Bytes {
    ///     fn handle_ready(
    ///         &mut self,
    ///         seen: &mut Vec<u8>,
    ///         cx: &mut Context<'_, Vec<u8>>,
    ///         _: Ready,
    ///     ) -> Result {
    ///         let mut buffer = [0; 512];
    ///         match self.0.read(&mut buffer)? {
    ///             0 => cx.close(),
    ///             n => seen.extend_from_slice(&buffer[..n]),
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let (reader, mut writer) = pipe()?;
    /// let mut reactor = Reactor::new(Vec::new())?;
    /// let watched = reader.try_clone()?;
    /// reactor.with(|_, cx| cx.watch(watched, Interest::Read, Bytes(reader)))?;
    /// writer.write_all(b"hello")?;
    /// drop(writer);
    /// reactor.run()?;
    /// assert_eq!(reactor.state(), b"hello");
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are too many sources, or the reactor is shutting down.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn watch(
        &mut self,
        source: impl AsFd + 'static,
        interest: Interest,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        self.add(
            Kind::Watch,
            Resource::Watch(Box::new(source), interest),
            handler,
        )
    }

    pub(crate) fn add(
        &mut self,
        kind: Kind,
        #[cfg_attr(not(feature = "tls"), allow(unused_mut, reason = "TLS takes its part"))]
        mut resource: Resource,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        #[cfg(feature = "tls")]
        let role = self.role_of(&mut resource)?;
        let token = self.core.insert(kind, Phase::Open, handler)?;
        self.core.requests.push(Request::Register(token, resource));
        #[cfg(feature = "tls")]
        if let Some(role) = role {
            self.core.secure_registered(token, kind, role);
        }
        self.core.request_flow(token);
        Ok(token)
    }

    /// Whether the source of `token` is there, and is not closing.
    pub fn is_open(&self, token: Token) -> bool {
        self.core
            .sources
            .get(token)
            .is_some_and(|source| !source.is_ending())
    }

    /// Appends to the outbox of any connection. Once this is `Ok`, the bytes are sent in this
    /// order, all of them, unless the connection fails (then `handle_close` says so).
    ///
    /// Borrowed bytes are copied into the outbox, with one exception: large ones that this
    /// handler has just received are given to the kernel as they lie. Makes no system call now;
    /// whatever is in the outbox goes out at the end of the tick in one call.
    ///
    /// # Errors
    /// [`Error::Stale`](crate::Error::Stale) if the source is closed or closing;
    /// [`Error::SendingEnded`](crate::Error::SendingEnded) after our side was shut down;
    /// [`Error::Full`](crate::Error::Full) above the high watermark;
    /// [`Error::TooLarge`](crate::Error::TooLarge) for a message that could never fit;
    /// [`Error::BufferedLimit`](crate::Error::BufferedLimit) if all sources together hold too
    /// much; [`Error::WrongKind`](crate::Error::WrongKind) if it is no connection. Nothing of the
    /// message was taken then.
    #[inline]
    pub fn send_to<'p>(&mut self, token: Token, payload: impl Into<Payload<'p>>) -> Result {
        self.send(token, payload)
    }

    /// Bytes that wait in the outbox of `token`.
    pub fn source_outbox_len(&self, token: Token) -> usize {
        let forward = self
            .core
            .forward
            .as_ref()
            .filter(|forward| forward.token == token);
        self.core
            .sources
            .get(token)
            .map_or(0, |source| source.outbox_len())
            + forward.map_or(0, |forward| forward.range.len())
    }

    /// Closes a source once its outbox is empty, or after
    /// [`close_timeout`](crate::Builder::close_timeout); a connection that is still being made,
    /// once it is made and what was sent has gone. Nothing is read from it any more, and
    /// `handle_close` is its last call (after `handle_error`, if the present call fails).
    ///
    /// When all is sent, the peer is given two seconds to end its side too: a socket that is
    /// closed earlier may take back what the peer has not read yet.
    pub fn close_source(&mut self, token: Token) {
        self.core.close(token, Close::Requested);
    }

    /// Closes a source at the end of this tick, whatever is in its outbox.
    pub fn abort_source(&mut self, token: Token) {
        self.core.finish(token, Close::Aborted);
    }

    /// Shuts down one side of a connection: the writing one once the outbox is empty (the peer
    /// then sees the end of the stream), the reading one by the end of this tick (`handle_eof` is
    /// called as if the peer had finished, and its default closes).
    ///
    /// # Errors
    /// [`Error::Stale`](crate::Error::Stale) if the source is closed or closing;
    /// [`Error::SendingEnded`](crate::Error::SendingEnded) if it was shut down before;
    /// [`Error::WrongKind`](crate::Error::WrongKind) if it is no connection, or for the reading
    /// side of one that is still being made.
    pub fn shutdown_source(&mut self, token: Token, how: Shutdown) -> Result {
        let source = self.core.sender(token)?;
        if how != Shutdown::Write && source.phase == Phase::Connecting {
            let asked = "be shut down for reading before it is connected";
            return Err(crate::Error::WrongKind { token, asked });
        }
        if how != Shutdown::Read {
            source.write_ending = true;
            self.core.mark_dirty(token);
        }
        if how != Shutdown::Write {
            self.core
                .requests
                .push(Request::Shutdown(token, Shutdown::Read));
        }
        Ok(())
    }

    /// Calls no `handle_read` (or `handle_accepted`, `handle_eof`, `handle_ready`) of this source,
    /// and lets its peer wait, until [`resume_source`](Self::resume_source). That the peer has
    /// gone is noticed then, or by a send; an idle timeout goes on.
    pub fn pause_source(&mut self, token: Token) {
        // One that is closing reads on to the peer's end, and throws away what comes.
        if self.is_open(token) {
            self.core.set_reading(token, |source| source.paused = true);
        }
    }

    /// Ends a pause. What is unread already is offered in the next tick.
    pub fn resume_source(&mut self, token: Token) {
        self.core.set_reading(token, |source| source.paused = false);
    }

    /// The bounds of a source; `None` if the token is stale.
    pub fn source_options(&self, token: Token) -> Option<SourceOptions> {
        self.core.sources.get(token).map(|source| SourceOptions {
            bounds: source.options,
            limits: source
                .limits
                .as_ref()
                .map_or(Limits::default(), |limits| limits.set),
        })
    }

    /// Sets the bounds of a connection. What is over a new bound already stays.
    ///
    /// # Errors
    /// [`Error::Stale`](crate::Error::Stale) if the source is closed or closing;
    /// [`Error::WrongKind`](crate::Error::WrongKind) if it is no connection.
    pub fn set_source_options(&mut self, token: Token, options: SourceOptions) -> Result {
        self.core.set_options(token, options)
    }

    /// Sets how many connections a second a listener accepts (`None`, the default: as many as come).
    /// The others wait in the system's queue, and when that is full, at the peer.
    ///
    /// A listener that exceeds it costs a timer for each connection, another one none.
    ///
    /// # Errors
    /// [`Error::Stale`](crate::Error::Stale) if it is closed;
    /// [`Error::WrongKind`](crate::Error::WrongKind) if it is no listener.
    pub fn set_accept_rate(&mut self, token: Token, rate: impl Into<Option<Rate>>) -> Result {
        self.core.set_accept_rate(token, rate.into())
    }

    /// Calls `handle_timer` of any source once, after `delay` rounded up to milliseconds: for one
    /// that was just registered, say. The delay counts from [`now`](Self::now), the beginning of
    /// this tick. The timer ends with the source.
    ///
    /// # Errors
    /// [`Error::TooManyTimers`](crate::Error::TooManyTimers);
    /// [`Error::Stale`](crate::Error::Stale) if the source is closed or closing.
    pub fn set_source_timer(&mut self, token: Token, delay: Duration) -> Result<TimerId> {
        self.start_handler_timer(token, delay, None)
    }

    pub(crate) fn start_handler_timer(
        &mut self,
        token: Token,
        delay: Duration,
        every: Option<Duration>,
    ) -> Result<TimerId> {
        if !self.is_open(token) {
            return Err(Error::Stale(token));
        }
        let deadline = self.core.now + delay;
        self.core
            .start_timer(deadline, Due::Handler { token, every })
    }

    /// Runs `closure` in this thread after `delay`, rounded up to milliseconds, from
    /// [`now`](Self::now) on.
    ///
    /// # Errors
    /// [`Error::TooManyTimers`](crate::Error::TooManyTimers).
    pub fn after<F>(&mut self, delay: Duration, closure: F) -> Result<TimerId>
    where
        F: FnOnce(&mut S, &mut LoopContext<'_, S>) + 'static,
    {
        self.core
            .start_timer(self.core.now + delay, Due::Closure(Box::new(closure)))
    }

    /// Cancels a timer. False if it has fired (and does not repeat), or was cancelled before.
    pub fn cancel_timer(&mut self, timer: TimerId) -> bool {
        self.core.cancel_timer(timer).is_some()
    }

    /// A way to run closures in this thread from other threads.
    pub fn remote(&self) -> Remote<S> {
        Remote::new(&self.core.posts)
    }

    /// A way to shut the reactor down, from any thread.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.core.stop.handle().clone()
    }

    /// Shuts the reactor down; see [`ShutdownHandle::shutdown`].
    pub fn stop(&self) {
        self.core.stop.handle().shutdown();
    }

    /// How many sources there are.
    pub fn sources(&self) -> usize {
        self.core.sources.len()
    }
}

impl<S: 'static> fmt::Debug for LoopContext<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopContext")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}
