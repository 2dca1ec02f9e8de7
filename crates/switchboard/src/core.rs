//! All that the loop knows apart from the program's state and the driver: sources, timers,
//! buffers' bounds, and what handlers asked for. It must never make a system call itself, and
//! never call a handler: `reactor.rs` and `closing.rs` do.

use std::collections::BTreeMap;
use std::mem;
use std::net::Shutdown;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::builder::Builder;
use crate::closing::Stop;
use crate::connecting::Attempt;
use crate::driver::{Driver, Resource};
use crate::handler::{Close, Handler};
use crate::net::Endpoint;
use crate::offload::Job;
use crate::options::SourceOptions;
use crate::outbox::{Outbox, OutboxPolicy};
use crate::payload::Payload;
use crate::remote::Posts;
use crate::sources::{Kind, Phase, Source, Sources};
use crate::timeouts::Due;
use crate::timers::Wheel;
use crate::{Error, LoopContext, Result, Time, Token};

/// From this length on, bytes that a handler sends on as it received them go from the driver's
/// buffer straight to the kernel, right after the call. Shorter ones are copied to the outbox and
/// go out with all others at the end of the tick: at 64 connections of 64-byte messages that took
/// 0.957 × the CPU of a raw epoll server, and sending each at once 0.985 ×, though it executes a
/// quarter fewer instructions (`bench/`, 24 November 2026; two runs each, within 0.002).
const FORWARD: usize = 4 * 1024;

/// Outboxes kept for the next source that sends, so that a request and its answer need no
/// allocation.
const SPARE_OUTBOXES: usize = 256;

/// What a handler asked of the driver, applied when the handler has returned.
pub(crate) enum Request {
    Register(Token, Resource),
    Resolve(Token, Endpoint),
    Attempt(Token),
    Offload(Token, Job),
    SetReading(Token, bool),
    SetRoom(Token, usize),
    Shutdown(Token, Shutdown),
}

/// A send of bytes that the driver has lent, not copied yet.
pub(crate) struct Forward {
    pub(crate) token: Token,
    pub(crate) range: Range<usize>,
}

pub(crate) struct Core<S: 'static> {
    pub(crate) config: Builder,
    pub(crate) sources: Sources<S>,
    pub(crate) timers: Wheel<Due<S>>,
    pub(crate) posts: Arc<Posts<S>>,
    pub(crate) stop: Stop,
    pub(crate) now: Time,
    pub(crate) started: SystemTime,
    pub(crate) random: fastrand::Rng,
    pub(crate) requests: Vec<Request>,
    pub(crate) forward: Option<Forward>,
    /// The handler that the one that runs now is to be replaced by.
    pub(crate) replacement: Option<Box<dyn Handler<S>>>,
    /// Connections being made and names being looked up, by source.
    pub(crate) attempts: BTreeMap<Token, Attempt>,
    /// Sources with something to flush, each once.
    pub(crate) dirty: Vec<Token>,
    /// Sources whose inbox is to be offered again, each once.
    pub(crate) again: Vec<Token>,
    /// Sources whose `handle_close` is due, each once.
    pub(crate) finishing: Vec<Token>,
    pub(crate) listeners: Vec<Token>,
    /// Listeners that wait for descriptors or slots, and when that was said last.
    pub(crate) paused_listeners: Vec<Token>,
    /// A timer of theirs is in the wheel.
    pub(crate) listeners_due: bool,
    pub(crate) said_paused: Option<Time>,
    /// Bytes in all inboxes and outboxes.
    pub(crate) buffered: usize,
    /// Sources that were refused a send for the sake of all, each once, and how many bytes were
    /// buffered then.
    pub(crate) refused: Vec<Token>,
    pub(crate) refused_at: usize,
    pub(crate) jobs: usize,
    pub(crate) next_job: u64,
    /// A panic under `OnPanic::Stop`.
    pub(crate) panicked: Option<String>,
    #[expect(
        clippy::vec_box,
        reason = "the boxes move between here and the sources"
    )]
    spare_outboxes: Vec<Box<Outbox>>,
}

impl<S: 'static> Core<S> {
    pub(crate) fn new(config: Builder, driver: &Driver) -> Core<S> {
        let waker = driver.waker();
        Core {
            sources: Sources::new(config.max_sources),
            timers: Wheel::new(config.max_timers),
            posts: Arc::new(Posts::new(config.max_posts, Arc::clone(&waker))),
            stop: Stop::new(waker),
            now: driver.now(),
            started: driver.wall_time(),
            random: config
                .seed
                .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            requests: Vec::new(),
            forward: None,
            replacement: None,
            attempts: BTreeMap::new(),
            dirty: Vec::new(),
            again: Vec::new(),
            finishing: Vec::new(),
            listeners: Vec::new(),
            paused_listeners: Vec::new(),
            listeners_due: false,
            said_paused: None,
            buffered: 0,
            refused: Vec::new(),
            refused_at: 0,
            jobs: 0,
            next_job: 0,
            panicked: None,
            spare_outboxes: Vec::new(),
            config,
        }
    }

    /// How long the next wait may sleep: not at all while something is left to do.
    pub(crate) fn timeout(&self, limit: Option<Duration>, now: Time) -> Option<Duration> {
        let idle = self.requests.is_empty()
            && self.dirty.is_empty()
            && self.again.is_empty()
            && self.finishing.is_empty()
            && self.posts.is_empty()
            && !self.stop.is_new();
        if !idle {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.next_deadline().map(|deadline| deadline - now);
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
        if self.stop.is_stopping() {
            return Err(Error::ShuttingDown);
        }
        let mut options = self.config.options;
        if phase == Phase::Connecting {
            // Of two ends that each wait for the other to read, one has to: who began.
            options.backpressure = false;
        }
        let token = self
            .sources
            .insert(kind, phase, options, self.now, Box::new(handler))?;
        tracing::debug!(%token, ?kind, "source registered");
        if kind == Kind::Listener {
            self.listeners.push(token);
        }
        if self.sources.is_full() {
            self.pause_listeners();
        }
        if kind == Kind::Stream {
            self.watch_idleness(token);
        }
        Ok(token)
    }

    /// Tells the driver what a stream's options and handler have asked for before the driver
    /// held its descriptor.
    pub(crate) fn request_flow(&mut self, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        if source.options.inbox_limit != SourceOptions::DEFAULT_INBOX {
            let room = source.options.inbox_limit as usize;
            self.requests.push(Request::SetRoom(token, room));
        }
        if !source.reads() {
            self.requests.push(Request::SetReading(token, false));
        }
    }

    /// The source of `token`, if it can still send.
    #[inline]
    pub(crate) fn sender(&mut self, token: Token) -> Result<&mut Source<S>> {
        match self.sources.get_mut(token) {
            Some(source) if source.can_send() => Ok(source),
            Some(source) if source.kind != Kind::Stream => Err(Error::WrongKind {
                token,
                asked: "send",
            }),
            Some(source) if source.phase <= Phase::Open => Err(Error::SendingEnded(token)),
            _ => Err(Error::Stale(token)),
        }
    }

    /// Appends to an outbox. `lent` is what the driver has lent to the handler that asks.
    #[inline]
    pub(crate) fn send(&mut self, token: Token, payload: Payload<'_>, lent: &[u8]) -> Result {
        if self.forward.is_some() {
            self.keep_forward(lent);
        }
        let len = payload.len();
        let fits = self.buffered + len <= self.config.max_buffered;
        let source = self.sender(token)?;
        let outbox_len = source.outbox_len() + len;
        if outbox_len > source.options.high as usize || !fits {
            self.make_room(token, len)?;
        } else if len >= FORWARD
            && outbox_len == len
            && source.options.policy != OutboxPolicy::DropOldest // its rest would look whole
            && let Payload::Copied(bytes) = payload
            && let Some(range) = range_within(lent, bytes)
        {
            self.forward = Some(Forward { token, range });
            return Ok(());
        }
        self.push(token, payload);
        Ok(())
    }

    /// A send would exceed a bound: apply the source's policy.
    #[cold]
    fn make_room(&mut self, token: Token, len: usize) -> Result {
        let max_buffered = self.config.max_buffered;
        let total = self.buffered + len;
        let source = self.sender(token)?;
        let limit = source.options.high as usize;
        let most = limit.min(max_buffered);
        if len > most {
            return Err(Error::TooLarge { len, limit: most });
        }
        let policy = source.options.policy;
        if policy == OutboxPolicy::DropOldest
            && let Some(outbox) = &mut source.outbox
        {
            let mut dropped = 0;
            while outbox.len() + len > limit || total - dropped > max_buffered {
                let Some(bytes) = outbox.drop_oldest() else {
                    break;
                };
                dropped += bytes;
            }
            self.buffered -= dropped;
            tracing::debug!(%token, dropped, "oldest sends dropped");
        }
        let total = self.buffered + len;
        let source = self.sender(token)?;
        let buffered = source.outbox_len();
        if buffered + len > limit {
            source.wants_write = true;
            if policy == OutboxPolicy::Disconnect {
                self.finish(token, Close::SlowConsumer);
            }
            return Err(Error::Full { buffered, limit });
        }
        if total > max_buffered {
            if !source.refused {
                source.refused = true;
                self.refused.push(token);
            }
            self.refused_at = self.buffered;
            return Err(Error::BufferedLimit {
                limit: max_buffered,
            });
        }
        Ok(())
    }

    #[inline(always)]
    fn push(&mut self, token: Token, payload: Payload<'_>) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let spare = &mut self.spare_outboxes;
        let outbox = source
            .outbox
            .get_or_insert_with(|| spare.pop().unwrap_or_default());
        self.buffered += payload.len();
        match payload {
            // Dropping whole sends needs their boundaries, so they are not gathered then.
            Payload::Copied(bytes) if source.options.policy == OutboxPolicy::DropOldest => {
                outbox.push_shared(bytes::Bytes::copy_from_slice(bytes));
            }
            Payload::Copied(bytes) => outbox.push(bytes),
            Payload::Shared(bytes) => outbox.push_shared(bytes),
        }
        source.wants_write |= outbox.len() > source.options.low as usize;
        if !source.dirty {
            source.dirty = true;
            self.dirty.push(token);
        }
    }

    /// Copies a pending forward after all, since something else has to follow it.
    #[cold]
    pub(crate) fn keep_forward(&mut self, lent: &[u8]) {
        if let Some(Forward { token, range }) = self.forward.take() {
            self.push(token, Payload::Copied(&lent[range]));
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

    pub(crate) fn mark_again(&mut self, token: Token) {
        if let Some(source) = self.sources.get_mut(token)
            && !source.again
        {
            source.again = true;
            self.again.push(token);
        }
    }

    /// An empty outbox, for the next source that sends.
    #[inline]
    pub(crate) fn recycle(&mut self, outbox: Box<Outbox>) {
        if self.spare_outboxes.len() < SPARE_OUTBOXES && outbox.is_reusable() {
            self.spare_outboxes.push(outbox);
        }
    }

    /// Pauses or resumes a source, for the handler (`paused`) or for the reactor (`held`).
    pub(crate) fn set_reading(&mut self, token: Token, change: impl FnOnce(&mut Source<S>)) {
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
        if source.kind != Kind::Stream {
            return Err(Error::WrongKind {
                token,
                asked: "have bounds of a connection",
            });
        }
        source.options = options;
        let room = (options.inbox_limit as usize).saturating_sub(source.inbox_len());
        self.requests.push(Request::SetRoom(token, room));
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

    #[inline]
    fn submit_forward(&mut self, driver: &mut Driver) {
        let Some(Forward { token, range }) = self.forward.take() else {
            return;
        };
        let sent = match driver.forward(token, range.clone()) {
            Ok(sent) => sent,
            Err(error) => return self.replace_reason(token, Close::Io(error)),
        };
        if sent > 0
            && let Some(source) = self.sources.get_mut(token)
        {
            source.last_active = self.now;
        }
        if sent < range.len() {
            let rest = driver.lent(range.start + sent..range.end);
            self.push(token, Payload::Copied(rest));
        }
    }

    #[cold]
    fn submit_requests(&mut self, driver: &mut Driver) {
        let mut requests = mem::take(&mut self.requests);
        for request in requests.drain(..) {
            match request {
                Request::Register(token, resource) => {
                    if let Err(error) = driver.register(token, resource) {
                        self.finish(token, Close::Io(error));
                    }
                }
                Request::Resolve(token, endpoint) => {
                    if let Err(error) = driver.resolve(token, endpoint) {
                        self.attempt_resolved(token, Err(error));
                    }
                }
                Request::Attempt(token) => self.continue_attempt(driver, token),
                Request::Offload(token, job) => {
                    if let Err(error) = driver.offload(token, job) {
                        self.jobs -= 1;
                        self.finish(token, Close::Io(error));
                    }
                }
                Request::SetReading(token, reading) => driver.set_reading(token, reading),
                Request::SetRoom(token, room) => driver.set_room(token, room),
                Request::Shutdown(token, how) => driver.shutdown(token, how),
            }
        }
        // What the above asked for in its turn (an address that failed at once) comes first.
        requests.append(&mut self.requests);
        self.requests = requests;
    }

    pub(crate) fn context(&mut self) -> LoopContext<'_, S> {
        LoopContext {
            core: self,
            lent: &[],
        }
    }

    /// Holds after every tick; checked in debug builds.
    pub(crate) fn check_invariants(&self) {
        let mut buffered = 0;
        for source in self.sources.iter() {
            buffered += source.inbox_len() + source.outbox_len();
            assert!(source.handler.is_some(), "a handler was not put back");
            assert!(
                source.phase < Phase::Finishing || self.finishing.contains(&source.token),
                "{} is never finished",
                source.token
            );
        }
        assert_eq!(
            buffered, self.buffered,
            "buffered bytes are counted wrongly"
        );
    }
}

/// Where `part` lies in `whole`, if it does.
fn range_within(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}
