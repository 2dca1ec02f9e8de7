//! All that the loop knows apart from the program's state and the driver: sources, timers,
//! buffers' bounds, and what handlers asked for. It must never make a system call itself, and
//! never call a handler: `reactor.rs` and `closing.rs` do.

use std::collections::BTreeMap;
use std::mem;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::builder::Builder;
use crate::closing::Stop;
use crate::connecting::Attempt;
#[cfg(unix)]
use crate::descriptors::Carrier;
use crate::driver::{Driver, Resource};
use crate::files::Files;
use crate::guard::guard;
use crate::handler::{Close, Handler};
use crate::io::FileAsk;
use crate::lanes::Lanes;
use crate::limits::Limited;
use crate::names::Names;
use crate::offload::Job;
use crate::options::{Bounds, SourceOptions};
use crate::outbox::Outbox;
use crate::program::Program;
use crate::remote::Posts;
use crate::sending::Forward;
#[cfg(unix)]
use crate::service::Report;
use crate::sources::{Kind, Phase, Source, Sources, Way};
use crate::stage::Stage;
use crate::timeouts::Due;
use crate::timers::Wheel;
use crate::{Error, LoopContext, Result, Time, Token};

/// When to read the wall clock again, which somebody may have set meanwhile: rarely enough that
/// a tick costs no second system call.
const WALL_CLOCK_AGE: Duration = Duration::from_secs(1);

/// What a handler asked of the driver, applied when the handler has returned.
pub(crate) enum Request {
    Register(Token, Resource),
    Resolve(Token, String),
    Attempt(Token),
    Offload(Token, Job),
    File(FileAsk),
    SetReading(Token, bool),
    StopAccepting(Token),
    SetRoom(Token, usize),
    Shutdown(Token, Shutdown),
    #[cfg(unix)]
    KillChild(Token, i32),
    #[cfg(feature = "tls")]
    StartTls(Box<crate::securing::Upgrade>),
    /// To be told to a recording.
    Unrecordable(&'static str),
}

/// What happens in a tick without a completion.
pub(crate) enum Seen {
    Timer(Option<Token>),
    Post,
    /// And why.
    Closed(Token, String),
}

pub(crate) struct Core<S: 'static> {
    pub(crate) config: Builder,
    pub(crate) sources: Sources,
    pub(crate) timers: Wheel<Due<S>>,
    pub(crate) posts: Arc<Posts<S>>,
    pub(crate) stop: Stop,
    /// Nobody is let in any more, and the last connection ends the reactor.
    pub(crate) is_draining: bool,
    pub(crate) now: Time,
    /// The wall clock when it was read last, and when that was.
    pub(crate) wall_clock: (Time, SystemTime),
    pub(crate) random: fastrand::Rng,
    pub(crate) requests: Vec<Request>,
    pub(crate) forward: Option<Forward>,
    /// Handlers of new sources, or in place of others, until the present call returns.
    pub(crate) handed_over: Vec<(Token, Box<dyn Handler<S>>)>,
    /// Whose `handle_read` runs under the tick's guard.
    pub(crate) receiver: Option<Token>,
    /// Connections being made and names being looked up, by source.
    pub(crate) attempts: BTreeMap<Token, Attempt>,
    /// Sources that descriptors travel to and from.
    #[cfg(unix)]
    pub(crate) carriers: BTreeMap<Token, Carrier>,
    /// Who speaks TLS.
    #[cfg(feature = "tls")]
    pub(crate) secure: crate::securing::Secure,
    /// Sources with something to flush, each once.
    pub(crate) dirty: Vec<Token>,
    /// Sources whose inbox is to be offered again, each once.
    pub(crate) again: Vec<Token>,
    /// Sources whose `handle_close` is due, each once.
    pub(crate) finishing: Vec<Token>,
    pub(crate) listeners: Vec<Token>,
    /// How many connections and datagram sockets there are, those being made included.
    pub(crate) streams: usize,
    /// Listeners that wait for descriptors or slots, and when that was said last.
    pub(crate) paused_listeners: Vec<Token>,
    /// A timer of theirs is in the wheel.
    pub(crate) listeners_due: bool,
    pub(crate) said_paused: Option<Time>,
    /// Bytes in all inboxes.
    pub(crate) inboxed: usize,
    /// Bytes in all outboxes, staged ones included.
    pub(crate) outboxed: usize,
    pub(crate) stage: Stage,
    /// Sources that were refused a send for the sake of all, each once, and how many bytes were
    /// buffered then.
    pub(crate) refused: Vec<Token>,
    pub(crate) refused_at: usize,
    /// Whether the datagram that a handler looks at was longer.
    pub(crate) is_truncated: bool,
    /// Jobs under way, those of lanes apart.
    pub(crate) jobs: usize,
    pub(crate) lanes: Lanes,
    pub(crate) names: Names,
    pub(crate) next_job: u64,
    pub(crate) files: Files,
    /// What has happened without the driver, for a simulation to tell; `None` elsewhere.
    pub(crate) seen: Option<Vec<Seen>>,
    /// Whether the driver is to be told of what no recording can hold.
    pub(crate) is_recorded: bool,
    /// What a service manager hears of this reactor.
    #[cfg(unix)]
    pub(crate) report: Option<Box<Report>>,
    /// A panic under `OnPanic::Stop`.
    pub(crate) panicked: Option<String>,
    #[expect(
        clippy::vec_box,
        reason = "the boxes move between here and the sources"
    )]
    pub(crate) spare_outboxes: Vec<Box<Outbox>>,
}

impl<S: 'static> Core<S> {
    pub(crate) fn new(config: Builder, driver: &mut Driver) -> Core<S> {
        let (waker, now) = (driver.waker(), driver.read_clock());
        Core {
            sources: Sources::new(config.max_sources),
            timers: Wheel::new(config.max_timers),
            posts: Arc::new(Posts::new(config.max_posts, Arc::clone(&waker))),
            stop: Stop::new(waker),
            is_draining: false,
            now,
            wall_clock: (now, driver.wall_time()),
            random: config
                .seed
                .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            requests: Vec::new(),
            forward: None,
            handed_over: Vec::new(),
            receiver: None,
            attempts: BTreeMap::new(),
            #[cfg(unix)]
            carriers: BTreeMap::new(),
            #[cfg(feature = "tls")]
            secure: crate::securing::Secure::default(),
            dirty: Vec::new(),
            again: Vec::new(),
            finishing: Vec::new(),
            listeners: Vec::new(),
            streams: 0,
            paused_listeners: Vec::new(),
            listeners_due: false,
            said_paused: None,
            inboxed: 0,
            outboxed: 0,
            stage: Stage::new(),
            refused: Vec::new(),
            refused_at: 0,
            is_truncated: false,
            jobs: 0,
            lanes: Lanes::new(config.max_lanes),
            names: Names::new(config.max_jobs, config.keep_names),
            next_job: 0,
            files: Files::default(),
            seen: matches!(driver, Driver::Simulated(_)).then(Vec::new),
            is_recorded: driver.is_recorded(),
            #[cfg(unix)]
            report: None,
            panicked: None,
            spare_outboxes: Vec::new(),
            config,
        }
    }

    pub(crate) fn begin_tick(&mut self, driver: &mut Driver) {
        self.read_clocks(driver);
        self.heed_shutdown(driver);
    }

    #[inline]
    pub(crate) fn read_clocks(&mut self, driver: &mut Driver) {
        self.now = driver.read_clock();
        if self.now - self.wall_clock.0 >= WALL_CLOCK_AGE {
            self.wall_clock = (self.now, driver.wall_time());
        }
    }

    /// How long the next wait may sleep: not at all while something is left to do.
    pub(crate) fn timeout(&self, limit: Option<Duration>, driver: &Driver) -> Option<Duration> {
        let idle = self.requests.is_empty()
            && self.dirty.is_empty()
            && self.again.is_empty()
            && self.finishing.is_empty()
            && self.posts.is_empty()
            && !self.stop.is_new();
        if !idle {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.next_deadline();
        let timer = timer.map(|deadline| deadline - driver.now());
        match (timer, limit) {
            (Some(timer), Some(limit)) => Some(timer.min(limit)),
            (timer, limit) => timer.or(limit),
        }
    }

    pub(crate) fn insert(
        &mut self,
        kind: Kind,
        phase: Phase,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        if self.stop.is_stopping() || self.is_draining && kind == Kind::Listener {
            return Err(Error::ShuttingDown);
        }
        let options = self.config.options;
        let token = self.sources.insert(kind, phase, options, self.now)?;
        self.handed_over.push((token, Box::new(handler)));
        tracing::debug!(%token, ?kind, "source registered");
        match kind {
            Kind::Listener => self.listeners.push(token),
            Kind::Stream | Kind::Datagram => self.streams += 1,
            Kind::Watch | Kind::Signals | Kind::Child | Kind::File => {}
        }
        if self.sources.is_full() {
            self.pause_listeners();
        }
        if kind == Kind::Stream {
            self.watch_idleness(token);
        }
        Ok(token)
    }

    #[cold]
    pub(crate) fn set_way(&mut self, token: Token, way: Way) {
        if let Some(source) = self.sources.get_mut(token) {
            source.way = way;
            source.write_ending = way == Way::Reader;
            source.write_ended = way == Way::Reader;
        }
    }

    /// Tells the driver what a stream's options and handler have asked for before the driver
    /// held its descriptor.
    pub(crate) fn request_flow(&mut self, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let is_usual = source.options.inbox_limit == Bounds::DEFAULT_INBOX && !source.apart;
        let reads = source.reads();
        if !is_usual {
            self.request_room(token);
        }
        if !reads {
            self.requests.push(Request::SetReading(token, false));
        }
    }

    #[inline]
    pub(crate) fn mark_dirty(&mut self, token: Token) {
        if let Some(source) = self.sources.get_mut(token)
            && !source.dirty
        {
            source.dirty = true;
            self.dirty.push(token);
        }
    }

    /// Bytes in all inboxes and outboxes.
    #[inline]
    pub(crate) fn buffered(&self) -> usize {
        self.inboxed + self.outboxed
    }

    /// Whether the handler that runs now has asked for another one in its place.
    pub(crate) fn is_replaced(&self, token: Token) -> bool {
        self.handed_over.iter().any(|(of, _)| *of == token)
    }

    /// Whether the call that has just ended has ended a pause of this source: while it ran, its
    /// inbox was lent, so `set_reading` found nothing to offer.
    pub(crate) fn is_resumed(&self, token: Token) -> bool {
        let resume =
            |request: &Request| matches!(request, Request::SetReading(of, true) if *of == token);
        self.requests.iter().any(resume)
    }

    pub(crate) fn mark_again(&mut self, token: Token) {
        if let Some(source) = self.sources.get_mut(token)
            && !source.again
        {
            source.again = true;
            self.again.push(token);
        }
    }

    /// Pauses or resumes a source, for the handler (`paused`) or for the reactor (`held`).
    pub(crate) fn set_reading(&mut self, token: Token, change: impl FnOnce(&mut Source)) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let before = source.reads();
        change(source);
        let reads = source.reads();
        if reads != before {
            self.requests.push(Request::SetReading(token, reads));
            if reads && source.has_offer() {
                self.mark_again(token);
            }
        }
    }

    pub(crate) fn set_options(&mut self, token: Token, options: SourceOptions) -> Result {
        let source = self.sources.get_mut(token).ok_or(Error::Stale(token))?;
        if !matches!(source.kind, Kind::Stream | Kind::Datagram) {
            return Err(Error::WrongKind {
                token,
                asked: "have bounds of a connection",
            });
        }
        if source.is_ending() {
            return Err(Error::Stale(token));
        }
        source.options = options.bounds;
        if source.kind == Kind::Datagram {
            self.mark_dirty(token); // as below
            return Ok(());
        }
        let is_full = source.inbox_len() >= source.options.inbox_limit as usize;
        self.change_limits(token, Limited::new(options.limits));
        self.request_room(token);
        if is_full {
            self.mark_again(token); // nothing more will be read: the last chance to consume
        }
        self.watch_idleness(token);
        self.mark_dirty(token); // the watermarks may mean something else for what is there
        Ok(())
    }

    /// Gives the driver what handlers asked for. Between two handlers this is mostly nothing.
    #[inline]
    pub(crate) fn submit(&mut self, driver: &mut Driver) {
        if self.forward.is_some() {
            self.submit_forward(driver);
        }
        if !self.requests.is_empty() {
            self.submit_requests(driver);
        }
    }

    #[cold]
    fn submit_requests(&mut self, driver: &mut Driver) {
        // Some ask for more in their turn: a listener that is bound and has to be paused at once.
        while !self.requests.is_empty() {
            for request in mem::take(&mut self.requests) {
                self.submit_request(driver, request);
            }
        }
    }

    fn submit_request(&mut self, driver: &mut Driver, request: Request) {
        match request {
            Request::Register(token, resource) => {
                // The program's own descriptor is asked and perhaps dropped in there.
                match guard(|| driver.register(token, resource)) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => self.finish(token, Close::Io(error)),
                    Err(message) => {
                        self.note_panic(message.clone());
                        self.finish(token, Close::Panicked(message));
                    }
                }
            }
            Request::Resolve(token, host) => {
                if let Err(error) = driver.resolve(token, host.clone()) {
                    self.resolved(host, &Err(error));
                }
            }
            Request::Attempt(token) => self.continue_attempt(driver, token),
            Request::Offload(token, job) => {
                let id = job.id;
                if let Err(error) = driver.offload(token, job) {
                    self.end_job(id);
                    self.finish(token, Close::Io(error));
                }
            }
            Request::File(ask) => driver.ask_file(ask),
            Request::SetReading(token, reading) => driver.set_reading(token, reading),
            Request::StopAccepting(token) => driver.stop_accepting(token),
            Request::SetRoom(token, room) => driver.set_room(token, room),
            Request::Shutdown(token, how) => driver.shutdown(token, how),
            #[cfg(unix)]
            Request::KillChild(token, signal) => driver.kill_child(token, signal),
            #[cfg(feature = "tls")]
            Request::StartTls(upgrade) => self.submit_upgrade(driver, *upgrade),
            Request::Unrecordable(what) => driver.unrecordable(what),
        }
    }

    #[inline]
    pub(crate) fn see(&mut self, event: impl FnOnce() -> Seen) {
        if let Some(seen) = &mut self.seen {
            seen.push(event());
        }
    }

    pub(crate) fn context(&mut self) -> LoopContext<'_, S> {
        LoopContext {
            core: self,
            lent: &[],
        }
    }

    /// Holds after every tick; checked in debug builds.
    pub(crate) fn check_invariants(&self, program: &mut Program<S>) {
        let (mut inboxed, mut outboxed) = (0, 0);
        for source in self.sources.iter() {
            inboxed += source.inbox_len();
            outboxed += source.outbox_len();
            assert!(
                program.parts(source.token).is_some(),
                "{} has no handler",
                source.token
            );
            assert!(
                source.phase < Phase::Finishing || self.finishing.contains(&source.token),
                "{} is never finished",
                source.token
            );
        }
        assert_eq!(
            inboxed, self.inboxed,
            "bytes in inboxes are counted wrongly"
        );
        assert_eq!(
            outboxed, self.outboxed,
            "bytes in outboxes are counted wrongly"
        );
    }
}
