//! How a source ends: `close` → flush the outbox → shut our side down → linger for the peer's
//! end → `finish`; and how all of them end in a shutdown. `handle_close` is called in `end_source`
//! alone, once, in the tick's last step. It must never be called inside another handler's frame.
//!
//! Lingering is not politeness: a socket closed with unread bytes in it makes the kernel reset
//! the connection, and a reset takes back what the peer has not read yet, our last words first.

use std::net::Shutdown;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::core::{Core, Seen};
use crate::driver::{Driver, Waker};
use crate::guard::guard;
use crate::handler::Close;
use crate::program::Program;
use crate::sources::{Kind, Phase, Sources, Way};
use crate::timeouts::Due;
use crate::{Context, Error, OnPanic, Token};

/// How long a closed connection waits for the peer's end once all has been sent.
const LINGER: Duration = Duration::from_secs(2);

impl<S: 'static> Core<S> {
    /// Ends a source once its outbox is empty. Does nothing if it is ending already.
    pub(crate) fn close(&mut self, token: Token, why: Close) {
        let Some(source) = self.sources.get_mut(token) else {
            return self.discard_reason(why);
        };
        if source.is_ending() {
            return self.discard_reason(why);
        }
        let connecting = source.phase == Phase::Connecting;
        let has_outbox = matches!(source.kind, Kind::Stream | Kind::Datagram);
        // A datagram socket has no peer to wait for.
        let has_nothing_to_do = connecting || source.kind == Kind::Datagram;
        if !has_outbox || has_nothing_to_do && source.outbox_len() == 0 {
            return self.finish(token, why);
        }
        let ended = source.eof && matches!(why, Close::Requested);
        source.why = Some(Box::new(if ended { Close::Eof } else { why }));
        self.stop_timers(token);
        if connecting {
            self.restart_attempt_timers(token); // flushed once it is connected
        } else {
            self.begin_flushing(token);
        }
    }

    /// Nothing would come of a closing source's timers, an interval's wake-ups least of all.
    fn stop_timers(&mut self, token: Token) {
        if let Some(source) = self.sources.get_mut(token) {
            source.idle_timer = None;
            source.deadline = None;
            source.set_limits(None); // sending the rest has a deadline of its own
            self.timers.cancel_all(&mut source.timers);
        }
    }

    pub(crate) fn begin_flushing(&mut self, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        source.phase = Phase::Flushing;
        match source.way {
            Way::Connection => self.discard_unread(token), // or the peer's end would stay unseen
            _ => self.set_reading(token, |source| source.paused = true), // it is for others
        }
        self.mark_dirty(token);
    }

    /// The outbox of a closing source has been flushed as far as possible in this tick.
    pub(crate) fn close_flushed(&mut self, driver: &mut Driver, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        if source.outbox_len() > 0 {
            if source.deadline.is_none() {
                self.start_deadline(token, self.config.close_timeout);
            }
        } else if source.eof || source.way != Way::Connection {
            #[cfg(feature = "tls")]
            if !self.says_nothing_more(driver, token) {
                return;
            }
            self.finish(token, Close::Requested);
        } else {
            source.phase = Phase::Lingering;
            driver.shutdown(token, Shutdown::Write);
            self.start_deadline(token, self.config.close_timeout.min(LINGER));
        }
    }

    /// Ends a source in this tick. If it was ending already, the earlier reason stays: unless
    /// bytes are lost now that were to be sent first, or the program's code panicked meanwhile.
    pub(crate) fn finish(&mut self, token: Token, why: Close) {
        #[cfg(feature = "tls")]
        let is_kept = self.is_kept(token);
        #[cfg(not(feature = "tls"))]
        let is_kept = false;
        let Some(source) = self.sources.get_mut(token) else {
            return self.discard_reason(why);
        };
        if source.phase == Phase::Finishing && !matches!(why, Close::Panicked(_)) {
            return self.discard_reason(why);
        }
        if source.phase != Phase::Finishing {
            source.phase = Phase::Finishing;
            self.finishing.push(token);
        }
        let stays = source.outbox_len() == 0 && !is_kept && !matches!(why, Close::Panicked(_));
        let discarded = match &mut source.why {
            Some(_) if stays => Some(why),
            Some(earlier) => Some(std::mem::replace(&mut **earlier, why)),
            earlier => {
                *earlier = Some(Box::new(why));
                None
            }
        };
        if let Some(discarded) = discarded {
            self.discard_reason(discarded);
        }
    }

    /// The program's own error may be in a reason: what its drop does is the program's code.
    fn discard_reason(&mut self, why: Close) {
        self.note_any_panic(guard(move || drop(why)));
    }

    /// A method of the handler failed: its handler is told, then the source ends.
    #[cold]
    pub(crate) fn fail(&mut self, program: &mut Program<S>, token: Token, error: Error) {
        self.tell_error(program, token, &error);
        match error {
            Error::Panicked(message) => {
                self.note_panic(message.clone());
                self.finish(token, Close::Panicked(message));
            }
            error => self.close(token, Close::Error(error)),
        }
    }

    /// Calls `handle_error`, and contains what goes wrong in it.
    pub(crate) fn tell_error(&mut self, program: &mut Program<S>, token: Token, error: &Error) {
        if self.sources.get(token).is_none() {
            return;
        }
        let Some(mut handler) = program.take(token) else {
            return;
        };
        let mut cx = Context::new(self, token, &[], &[]);
        let outcome = guard(|| handler.handle_error(&mut program.state, &mut cx, error));
        self.adopt_handlers(program);
        if let Some(late) = program.put(token, handler) {
            self.drop_handler(late); // `handle_close` is still for the one that failed
        }
        self.note_any_panic(outcome);
    }

    /// Step 6 of a tick. Sources that end because of a `handle_close` called here wait for the
    /// next tick, so that a chain of them cannot hold this one.
    pub(crate) fn finish_closing(&mut self, program: &mut Program<S>, driver: &mut Driver) {
        self.submit(driver); // what was registered and closed in one `handle_write` has to be there
        if self.is_draining {
            self.drain_on(driver);
        }
        for token in std::mem::take(&mut self.finishing) {
            self.end_source(program, driver, token);
        }
        if let Err(error) = driver.finish_closing() {
            tracing::error!(%error, "sockets are not closed yet"); // the next wait fails, too
        }
        self.tell_refused();
        if self.is_draining {
            self.end_drained();
        }
        if self.stop.is_stopping() {
            self.finish_rest();
        }
    }

    fn end_source(&mut self, program: &mut Program<S>, driver: &mut Driver, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let why = source.why.take().map_or(Close::Aborted, |why| *why);
        if let Some(mut handler) = program.take(token) {
            let mut cx = Context::new(self, token, &[], &[]);
            let told = guard(|| handler.handle_close(&mut program.state, &mut cx, &why));
            self.note_any_panic(told);
            self.adopt_handlers(program);
            if let Some(late) = program.take(token) {
                self.drop_handler(late);
            }
            self.drop_handler(handler);
        }
        // What the program's own error does when it is shown, and its own descriptor when it is
        // dropped, is the program's code too.
        self.note_any_panic(guard(|| tracing::debug!(%token, %why, "source ended")));
        if self.seen.is_some() {
            let told = guard(|| self.see(|| Seen::Closed(token, why.to_string())));
            self.note_any_panic(told);
        }
        self.discard_reason(why);
        self.note_any_panic(guard(|| driver.close(token)));
        self.attempts.remove(&token);
        #[cfg(unix)]
        self.carriers.remove(&token);
        self.names.forget(token);
        #[cfg(feature = "tls")]
        self.forget_security(token);
        self.close_files_of(token);
        if let Some(source) = self.sources.get_mut(token) {
            self.timers.cancel_all(&mut source.timers);
            self.inboxed -= source.inbox_len();
            self.outboxed -= source.outbox_len();
            match source.kind {
                Kind::Listener => self.listeners.retain(|listener| *listener != token),
                Kind::Stream | Kind::Datagram => self.streams -= 1,
                Kind::Watch | Kind::Signals | Kind::Child | Kind::File => {}
            }
        }
        self.sources.remove(token);
        self.resume_listeners(); // a slot and a descriptor are free
    }

    /// Sources that were refused a send for the sake of all try again once something has gone.
    fn tell_refused(&mut self) {
        if self.refused.is_empty() {
            return;
        }
        if self.buffered() >= self.refused_at {
            // Only what handlers left unread is in the way: that of one of them has to go, since
            // each waits for another to send.
            if self.outboxed == 0
                && let Some(token) = self.refused.pop()
            {
                let limit = self.config.max_buffered;
                self.finish(token, Close::Error(Error::BufferedLimit { limit }));
            }
            return;
        }
        for token in std::mem::take(&mut self.refused) {
            if let Some(source) = self.sources.get_mut(token) {
                source.refused = false;
                source.wants_write = true;
            }
            self.mark_dirty(token);
        }
    }
}

/// How far the shutdown has come, and who may ask for it.
pub(crate) struct Stop {
    level: Arc<AtomicU8>,
    handle: ShutdownHandle,
    /// What has been acted on.
    seen: u8,
    /// The shutdown has taken as long as it may.
    pub(crate) is_overdue: bool,
}

const RUN: u8 = 0;
const DRAIN: u8 = 1;
const ABORT: u8 = 2;

impl Stop {
    pub(crate) fn new(waker: Arc<Waker>) -> Stop {
        let level = Arc::new(AtomicU8::new(RUN));
        let one = Target::One(Arc::clone(&level), waker);
        Stop {
            level,
            handle: ShutdownHandle { target: one },
            seen: RUN,
            is_overdue: false,
        }
    }

    /// Whoever asks for this reactor's shutdown from now on asks for that of all.
    pub(crate) fn join(&mut self, joint: &Arc<Joint>) {
        joint.add(self.handle.clone());
        self.handle = ShutdownHandle::of_all(joint);
    }

    pub(crate) fn handle(&self) -> &ShutdownHandle {
        &self.handle
    }

    /// Shuts this reactor down, and no other one of its group.
    pub(crate) fn shutdown_own(&self) {
        self.level.fetch_max(DRAIN, Ordering::AcqRel);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.seen > RUN
    }

    fn waits_for_nothing(&self) -> bool {
        self.seen == ABORT || self.is_overdue
    }

    pub(crate) fn is_new(&self) -> bool {
        self.asked() != self.seen
    }

    fn asked(&self) -> u8 {
        self.level.load(Ordering::Acquire)
    }
}

/// Shuts a reactor down, or a [group](crate::ReactorGroup) of them, from any thread.
#[derive(Clone, Debug)]
pub struct ShutdownHandle {
    target: Target,
}

#[derive(Clone, Debug)]
enum Target {
    One(Arc<AtomicU8>, Arc<Waker>),
    All(Arc<Joint>),
}

/// The shutdown of all reactors of a group, those included that are not there yet.
#[derive(Debug, Default)]
pub(crate) struct Joint {
    level: AtomicU8,
    handles: Mutex<Vec<ShutdownHandle>>,
}

impl Joint {
    fn add(&self, handle: ShutdownHandle) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handle.raise(self.level.load(Ordering::Acquire)); // what was asked for earlier
        handles.push(handle);
    }

    pub(crate) fn shutdown(&self) {
        self.raise(DRAIN);
    }

    fn raise(&self, level: u8) {
        // In this order: one that is added meanwhile finds it here, or is in the list.
        self.level.fetch_max(level, Ordering::AcqRel);
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.iter().for_each(|handle| handle.raise(level));
    }
}

impl ShutdownHandle {
    /// Asks the reactor to stop: it accepts nothing new, sends what is in the outboxes, closes
    /// every source with [`Close::Shutdown`], and ends. What is not sent within
    /// [`shutdown_timeout`](crate::Builder::shutdown_timeout) is dropped.
    ///
    /// Never blocks, returns at once, and does nothing when called again.
    pub fn shutdown(&self) {
        self.raise(DRAIN);
    }

    /// As [`shutdown`](Self::shutdown), but waits for nothing.
    pub fn abort(&self) {
        self.raise(ABORT);
    }

    pub(crate) fn of_all(joint: &Arc<Joint>) -> ShutdownHandle {
        ShutdownHandle {
            target: Target::All(Arc::clone(joint)),
        }
    }

    fn raise(&self, level: u8) {
        match &self.target {
            Target::One(asked, waker) => {
                if asked.fetch_max(level, Ordering::AcqRel) < level {
                    waker.wake();
                }
            }
            Target::All(joint) => joint.raise(level),
        }
    }
}

impl<S: 'static> Core<S> {
    /// Acts on a shutdown that was asked for since the last tick.
    #[inline]
    pub(crate) fn heed_shutdown(&mut self, driver: &mut Driver) {
        let level = driver.heed_stop(self.stop.asked(), self.stop.seen);
        if level != self.stop.seen {
            self.begin_shutdown(level);
        }
    }

    #[cold]
    fn begin_shutdown(&mut self, level: u8) {
        let before = std::mem::replace(&mut self.stop.seen, level);
        if before == RUN {
            #[cfg(unix)]
            self.report_stop();
        }
        if self.stop.seen == ABORT {
            return self.abort_all();
        }
        if before == RUN {
            tracing::debug!(sources = self.sources.len(), "shutting down");
            let deadline = self.now + self.config.shutdown_timeout;
            if self.start_timer(deadline, Due::Shutdown).is_err() {
                return self.abort_all(); // no timer left to end a wait with
            }
            for (token, kind) in self.tokens() {
                // Signals, processes and watched descriptors live until the connections are done: a
                // second Ctrl-C has to be heard.
                match kind {
                    Kind::Stream | Kind::Datagram | Kind::Listener => {
                        self.close(token, Close::Shutdown);
                    }
                    Kind::Watch | Kind::Signals | Kind::Child | Kind::File => {}
                }
            }
            self.finish_rest();
        }
    }

    /// Once no connection is left in a shutdown, the rest has nobody to work for.
    fn finish_rest(&mut self) {
        if self.streams == 0 && self.listeners.is_empty() {
            self.abort_all();
        }
    }

    pub(crate) fn abort_all(&mut self) {
        for (token, _) in self.tokens() {
            self.finish(token, Close::Shutdown);
        }
    }

    fn tokens(&self) -> Vec<(Token, Kind)> {
        self.sources
            .iter()
            .map(|source| (source.token, source.kind))
            .collect()
    }

    /// Whether nothing is left that could ever happen.
    pub(crate) fn is_done(&self, driver: &Driver) -> bool {
        if let Some(is_over) = driver.is_replayed() {
            return is_over; // who else could do something is not there in a replay
        }
        if self.sources.len() > 0 || !self.finishing.is_empty() {
            return false;
        }
        let serial = self.files.are_idle() && self.lanes.are_idle();
        let ours = 0;
        #[cfg(unix)]
        let ours = ours + self.report_timers();
        let quiet = self.timers.len() == ours && self.jobs == 0 && serial;
        if self.stop.is_stopping() {
            // What was asked of files and of lanes is done, unless that takes too long.
            return self.stop.waits_for_nothing() || serial;
        }
        // In this order: the last remote may post, and then go, between the two looks.
        quiet && !self.posts.has_remotes() && self.posts.is_empty()
    }

    /// Ends every source, for a reactor that is dropped. What `handle_close` registers in its
    /// turn is refused, as in any shutdown.
    pub(crate) fn end_all(&mut self, program: &mut Program<S>, driver: &mut Driver) {
        driver.begin_drop();
        self.lanes.end_all();
        self.stop.seen = ABORT;
        self.posts.close();
        self.abort_all();
        for token in std::mem::take(&mut self.finishing) {
            self.end_source(program, driver, token);
        }
    }

    /// Has nobody told of the end.
    pub(crate) fn forget_sources(&mut self) {
        self.sources = Sources::new(0);
    }

    pub(crate) fn note_any_panic(&mut self, outcome: Result<(), String>) {
        if let Err(message) = outcome {
            self.note_panic(message);
        }
    }

    /// A panic of the program's code that belongs to no source any more (or never did).
    pub(crate) fn note_panic(&mut self, message: String) {
        tracing::error!(%message, "the program's code panicked");
        if self.config.on_panic == OnPanic::Stop {
            self.panicked.get_or_insert(message);
        }
    }
}
