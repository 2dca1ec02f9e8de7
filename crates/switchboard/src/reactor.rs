//! The loop: one tick on one screen, and what each kind of completion leads to.
//! It must never reach around the seam to the operating system: the driver does, alone.

use std::fmt;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::builder::Builder;
use crate::calling::read;
use crate::closing::{Joint, ShutdownHandle};
use crate::core::Core;
use crate::driver::{Completion, Driver, Event};
use crate::guard::guard;
use crate::handler::Handler;
use crate::program::Program;
use crate::{Error, Lane, Listener, LoopContext, Remote, Result, ToEndpoint, Token, UdpSocket};
#[cfg(unix)]
use crate::{Process, UnixDatagram};

/// An event loop, the state `S` that its handlers share, and all their event sources.
///
/// ```no_run
/// use switchboard::{Context, Handler, Reactor, Result, Stream};
///
/// struct Greeter;
///
/// impl Handler<u64> for Greeter {
///     fn handle_accepted(
///         &mut self,
///         greeted: &mut u64,
///         cx: &mut Context<'_, u64>,
///         stream: Stream,
///     ) -> Result {
///         *greeted += 1;
///         let client = cx.register(stream, Greeter)?;
///         cx.send_to(client, format!("You are number {greeted}.\n"))?;
///         cx.close_source(client);
///         Ok(())
///     }
/// }
///
/// fn main() -> Result {
///     let mut reactor = Reactor::new(0)?;
///     reactor.listen("localhost:8080", Greeter)?;
///     reactor.run()
/// }
/// ```
///
/// Dropping a reactor ends its sources: each `handle_close` is called with
/// [`Close::Shutdown`](crate::Close::Shutdown).
pub struct Reactor<S: 'static> {
    program: Program<S>,
    core: Core<S>,
    driver: Driver,
}

// On one type, so that `Reactor::builder()` needs no type: the state comes with `build`.
impl Reactor<()> {
    /// Sets up a reactor with other bounds than the default ones.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl<S: 'static> Reactor<S> {
    /// A reactor with the default bounds; see [`Builder`] for those.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(state: S) -> Result<Reactor<S>> {
        Builder::default().build(state)
    }

    pub(crate) fn with_driver(config: Builder, state: S, mut driver: Driver) -> Reactor<S> {
        let core = Core::new(config, &mut driver);
        Reactor {
            program: Program::new(state),
            core,
            driver,
        }
    }

    /// Listens on every address that `endpoint` names, all under one token. Blocks while a name
    /// is looked up: in a running loop, use [`LoopContext::listen`].
    ///
    /// # Errors
    /// The address is malformed, has no host, or cannot be bound (its port is taken); there are
    /// too many sources, or the reactor is shutting down.
    pub fn listen(&mut self, endpoint: impl ToEndpoint, handler: impl Handler<S>) -> Result<Token> {
        let listener = self.bind(endpoint)?;
        self.listen_on(listener, handler)
    }

    /// As [`Listener::bind`], in the world of this reactor: a simulated or replayed one, perhaps.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn bind(&mut self, endpoint: impl ToEndpoint) -> Result<Listener> {
        Ok(self.driver.bind(&endpoint.to_endpoint()?)?)
    }

    /// Listens on sockets that are bound already.
    ///
    /// # Errors
    /// As [`LoopContext::listen_on`].
    pub fn listen_on(&mut self, listener: Listener, handler: impl Handler<S>) -> Result<Token> {
        self.with(|_, cx| cx.listen_on(listener, handler))
    }

    /// As [`UdpSocket::bind`], in the world of this reactor: a simulated or replayed one, perhaps.
    ///
    /// # Errors
    /// As [`UdpSocket::bind`].
    pub fn bind_udp(&mut self, endpoint: impl ToEndpoint) -> Result<UdpSocket> {
        let endpoint = crate::net::udp_endpoint(endpoint)?;
        Ok(self.driver.bind_udp(&endpoint)?)
    }

    /// As [`UnixDatagram::bind`], in the world of this reactor: a replayed one, perhaps.
    ///
    /// # Errors
    /// As [`UnixDatagram::bind`]; `Unsupported` in a simulation.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn bind_unix_datagram(&mut self, endpoint: impl ToEndpoint) -> Result<UnixDatagram> {
        let endpoint = crate::net::unix_endpoint(endpoint)?;
        Ok(UnixDatagram(self.driver.bind_udp(&endpoint)?))
    }

    /// Gives a UDP socket to the reactor; see [`LoopContext::register_udp`].
    ///
    /// # Errors
    /// As [`LoopContext::register_udp`].
    pub fn register_udp(&mut self, socket: UdpSocket, handler: impl Handler<S>) -> Result<Token> {
        self.with(|_, cx| cx.register_udp(socket, handler))
    }

    /// Connects to the first address of `endpoint` that answers; the outcome arrives when the
    /// reactor runs. See [`LoopContext::connect`].
    ///
    /// # Errors
    /// As [`LoopContext::connect`].
    pub fn connect(
        &mut self,
        endpoint: impl ToEndpoint,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        self.with(|_, cx| cx.connect(endpoint, handler))
    }

    /// Opens a serial lane: a thread for jobs that keep their order; see
    /// [`LoopContext::open_lane`].
    ///
    /// # Errors
    /// As [`LoopContext::open_lane`].
    pub fn open_lane(&mut self, name: &str) -> Result<Lane> {
        self.core.open_lane(name)
    }

    /// Runs a program as a child process; see [`LoopContext::spawn`].
    ///
    /// # Errors
    /// As [`LoopContext::spawn`].
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn spawn(
        &mut self,
        process: impl Into<Process>,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        self.with(|_, cx| cx.spawn(process, handler))
    }

    /// Stops at the first of these signals, and ends the process at the second one; see
    /// [`LoopContext::stop_on_signals`].
    ///
    /// # Errors
    /// As [`LoopContext::stop_on_signals`].
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn stop_on_signals(&mut self, signals: &[i32]) -> Result<Token> {
        self.with(|_, cx| cx.stop_on_signals(signals))
    }

    /// Runs `setup` with what a handler would get to ask for: connections, timers, jobs.
    ///
    /// ```
    /// # use switchboard::{Handler, Reactor};
    /// # struct Client;
    /// # impl Handler<()> for Client {}
    /// # let mut reactor = Reactor::new(())?;
    /// let token = reactor.with(|_state, cx| cx.connect("localhost:8080", Client))?;
    /// reactor.with(|_state, cx| -> switchboard::Result {
    ///     cx.send_to(token, "hello")?; // `?` in a closure needs the type that it returns
    ///     Ok(())
    /// })?;
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    pub fn with<T>(&mut self, setup: impl FnOnce(&mut S, &mut LoopContext<'_, S>) -> T) -> T {
        self.core.read_clocks(&mut self.driver);
        let result = setup(&mut self.program.state, &mut self.core.context());
        self.core.adopt_handlers(&mut self.program);
        self.core.submit(&mut self.driver);
        result
    }

    /// Runs until a shutdown is complete, or until nothing is left that could happen: no source,
    /// timer, job or posted closure, and no [`Remote`] that could post one.
    ///
    /// # Errors
    /// The driver cannot wait (the system is out of memory), or a handler panicked under
    /// [`OnPanic::Stop`](crate::OnPanic::Stop).
    pub fn run(&mut self) -> Result {
        while !self.is_done() {
            self.turn(None)?;
        }
        self.driver.rest()?;
        self.driver.end_turn()
    }

    /// Runs one tick, which sleeps no longer than `limit`: for tests, and for a reactor inside
    /// somebody else's loop, which polls [`as_fd`](AsFd::as_fd) for reading and wakes up after
    /// [`next_timeout`](Self::next_timeout) at the latest.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn turn(&mut self, limit: Option<Duration>) -> Result {
        let timeout = self.core.timeout(limit, &self.driver);
        tracing::trace!(?timeout, sources = self.core.sources.len(), "waiting");
        self.tick(timeout)?;
        self.driver.tell(&mut self.core.seen);
        if cfg!(debug_assertions) || self.core.seen.is_some() {
            self.core.check_invariants(&mut self.program);
        }
        self.core
            .panicked
            .take()
            .map_or(Ok(()), |message| Err(Error::Panicked(message)))
    }

    fn tick(&mut self, timeout: Option<Duration>) -> Result {
        let Reactor {
            program,
            core,
            driver,
        } = self;
        driver.wait(timeout)?; // 1. the only place that sleeps
        core.begin_tick(driver);
        while let Err(panic) = guard(|| core.dispatch_all(program, driver)) {
            core.receiver_panicked(program, driver, panic); // 2. goes on with the next
        }
        core.offer_unread(program);
        core.fire_timers(program); // 3.
        core.run_posted(program); // 4.
        core.submit(driver);
        core.flush_outboxes(program, driver); // 5. once for each source
        core.finish_closing(program, driver); // 6. handle_close
        core.submit(driver);
        driver.end_turn()
    }

    /// Ends the reactor as a loss of power does: no handler is told.
    pub(crate) fn abandon(mut self) {
        self.core.forget_sources();
        let _ = guard(move || drop(self)); // what the program left may panic; that ends nothing
    }

    /// How long the next [`turn`](Self::turn) would sleep: `None` for as long as it takes.
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.driver.has_backlog() {
            return Some(Duration::ZERO);
        }
        self.core.timeout(None, &self.driver)
    }

    /// Which driver the reactor runs on: never [`Driver::Auto`](crate::Driver::Auto).
    pub fn driver(&self) -> crate::Driver {
        self.driver.choice()
    }

    /// The state that the handlers share.
    pub fn state(&self) -> &S {
        &self.program.state
    }

    /// The state that the handlers share.
    pub fn state_mut(&mut self) -> &mut S {
        &mut self.program.state
    }

    /// A way to run closures in this reactor's thread from other threads.
    pub fn remote(&self) -> Remote<S> {
        Remote::new(&self.core.posts)
    }

    /// A way to shut this reactor down from anywhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.core.stop.handle().clone()
    }

    #[cfg(unix)]
    pub(crate) fn parts(&mut self) -> (&mut Core<S>, &Driver) {
        (&mut self.core, &self.driver)
    }

    /// From now on its shutdown is that of a group.
    pub(crate) fn join(&mut self, group: &Arc<Joint>) {
        self.core.stop.join(group);
    }

    /// How many sources there are.
    pub fn sources(&self) -> usize {
        self.core.sources.len()
    }

    /// Bytes in all inboxes and outboxes.
    pub fn buffered(&self) -> usize {
        self.core.buffered()
    }

    /// Whether [`run`](Self::run) would return at once.
    pub fn is_done(&self) -> bool {
        self.core.is_done(&self.driver)
    }
}

impl<S: 'static> Core<S> {
    fn dispatch_all(&mut self, program: &mut Program<S>, driver: &mut Driver) {
        match driver {
            Driver::Readiness(_) => {
                self.dispatch_through(program, driver, Driver::next_received_if_ready);
            }
            #[cfg(target_os = "linux")]
            Driver::Uring(_) => {
                self.dispatch_through(program, driver, Driver::next_received_from_ring);
            }
            Driver::Recorder(_) => {
                self.dispatch_through(program, driver, Driver::next_received_recorded);
            }
            _ => self.dispatch_through(program, driver, Driver::next_received),
        }
    }

    #[inline(never)] // the loop that has to keep its registers to itself
    fn dispatch_through(
        &mut self,
        program: &mut Program<S>,
        driver: &mut Driver,
        next_received: impl Fn(&mut Driver) -> Option<(Token, &[u8])>,
    ) {
        loop {
            if let Some((token, bytes)) = next_received(driver) {
                self.receive(program, token, bytes); // nearly always, so it goes ahead
            } else if let Some(completion) = driver.next() {
                self.dispatch(program, completion); // lends bytes until the next one
            } else {
                return;
            }
            self.submit(driver);
        }
    }

    #[inline(never)]
    fn dispatch(&mut self, program: &mut Program<S>, completion: Completion<'_>) {
        let Completion { token, event } = completion;
        tracing::trace!(%token, completion = event.name());
        match event {
            Event::Received(bytes) => self.call(program, token, bytes, read),
            #[cfg(unix)]
            Event::ReceivedWith(bytes, descriptors) => {
                self.keep_descriptors(token, descriptors);
                self.call(program, token, bytes, read);
            }
            Event::Datagram(datagram) => self.datagram(program, token, &datagram),
            Event::Undelivered(what) => self.undelivered(program, token, what),
            Event::EndOfFile => self.end_of_file(program, token),
            Event::Sent => self.mark_dirty(token), // step 5 sends more
            Event::Unsent(rest) => self.put_back(token, rest),
            Event::Accepted(stream) => self.accepted(program, token, stream),
            Event::AcceptFailed(error) => self.pause_listener(token, &error),
            Event::Connected => self.connected(program, token),
            #[cfg(feature = "tls")]
            Event::Secured(session) => self.secured(program, token, session),
            Event::Failed(error) => self.source_failed(token, error),
            Event::Resolved(host, addresses) => self.resolved(host, &addresses),
            #[cfg(unix)]
            Event::Ready(ready) => self.call(program, token, &[], |handler, state, cx| {
                handler.handle_ready(state, cx, ready)
            }),
            #[cfg(unix)]
            Event::Signal(signal) => self.call(program, token, &[], |handler, state, cx| {
                handler.handle_signal(state, cx, signal)
            }),
            #[cfg(unix)]
            Event::Exited(status) => self.exited(program, token, status),
            Event::Done(done) => {
                self.end_job(done.job);
                self.job_done(program, token, done);
            }
            Event::File(done) => self.file_done(program, token, *done),
        }
    }
}

#[cfg(unix)]
impl<S: 'static> AsFd for Reactor<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.driver.descriptor()
    }
}

impl<S: 'static> Drop for Reactor<S> {
    fn drop(&mut self) {
        self.core.end_all(&mut self.program, &mut self.driver);
    }
}

impl<S: fmt::Debug + 'static> fmt::Debug for Reactor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("state", &self.program.state)
            .field("sources", &self.sources())
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}
