//! What is done when a timer of the wheel is due: the handlers' timers, and the loop's own
//! (idleness, deadlines, listeners to try again).
//! It must never keep a timer per message: idleness is a stamp that is looked at when due.

use std::time::Duration;

use crate::core::{Core, Seen};
use crate::handler::{Close, Deadline};
use crate::limits::Limit;
use crate::offload::Done;
use crate::program::Program;
use crate::sources::Phase;
use crate::{LoopContext, Result, Time, TimerId, Token};

/// How long listeners wait for descriptors before they try again by themselves.
const LISTENER_RETRY: Duration = Duration::from_millis(250);

/// How long the log is spared the same news: at the limit, every connection that ends lets one
/// in, and the next one wait.
const LISTENER_SILENCE: Duration = Duration::from_secs(60);

/// A closure for later, in the loop's thread.
pub(crate) type Closure<S> = Box<dyn FnOnce(&mut S, &mut LoopContext<'_, S>)>;

/// What a timer stands for.
pub(crate) enum Due<S: 'static> {
    Handler {
        token: Token,
        every: Option<Duration>,
    },
    Closure(Closure<S>),
    Idle(Token),
    /// To connect, to agree on TLS, or to send the last bytes.
    Deadline(Token),
    /// The next address of a name is to be tried.
    Attempt(Token),
    /// What a source is to be told as the result of a job.
    Done(Token, Box<Done>),
    /// To look at a limit of a source.
    Limit(Token, Limit),
    Listeners,
    Shutdown,
    /// To tell the service manager that the loop runs.
    #[cfg(unix)]
    Report,
    /// A reactor that drains has had its time.
    Drain,
    /// A tick has to look what is left to drain.
    DrainBegins,
}

impl<S: 'static> Due<S> {
    fn owner(&self) -> Option<Token> {
        match self {
            Due::Handler { token, .. }
            | Due::Idle(token)
            | Due::Deadline(token)
            | Due::Attempt(token)
            | Due::Done(token, _)
            | Due::Limit(token, _) => Some(*token),
            Due::Closure(_) | Due::Listeners | Due::Shutdown | Due::Drain | Due::DrainBegins => {
                None
            }
            #[cfg(unix)]
            Due::Report => None,
        }
    }
}

impl<S: 'static> Core<S> {
    /// Puts a timer into the wheel, on its owner's list if it has one.
    pub(crate) fn start_timer(&mut self, deadline: Time, due: Due<S>) -> Result<TimerId> {
        let mut source = due.owner().and_then(|token| self.sources.get_mut(token));
        let owner = source.as_mut().map(|source| &mut source.timers);
        let limit = self.config.max_timers;
        let full = |_| crate::Error::TooManyTimers { limit };
        self.timers.insert(deadline, owner, due).map_err(full)
    }

    pub(crate) fn cancel_timer(&mut self, id: TimerId) -> Option<Due<S>> {
        let owner = self.timers.peek(id)?.owner();
        let mut source = owner.and_then(|token| self.sources.get_mut(token));
        self.timers
            .remove(id, source.as_mut().map(|source| &mut source.timers))
    }

    /// Step 3 of a tick. What is inserted by the handlers called here waits for the next tick.
    pub(crate) fn fire_timers(&mut self, program: &mut Program<S>) {
        self.timers.advance(self.now);
        while let Some((id, due)) = self.timers.next_due() {
            tracing::trace!(timer = ?id, "due");
            let owner = due.owner();
            if let Due::Handler { token, every } = *due {
                self.see(|| Seen::Timer(owner));
                match every {
                    Some(period) => self.timers.restart(id, self.now + period),
                    None => drop(self.cancel_timer(id)),
                }
                self.call(program, token, &[], |handler, state, cx| {
                    handler.handle_timer(state, cx, id)
                });
                continue;
            }
            self.see(|| Seen::Timer(owner));
            match self.cancel_timer(id) {
                Some(Due::Closure(closure)) => {
                    self.run_closure(program, closure);
                }
                Some(Due::Idle(token)) => self.check_idleness(token),
                Some(Due::Deadline(token)) => self.deadline_passed(token),
                Some(Due::Attempt(token)) => self.next_attempt_due(token),
                Some(Due::Done(token, done)) => self.job_done(program, token, done),
                Some(Due::Limit(token, limit)) => self.limit_due(token, limit),
                Some(Due::Listeners) => {
                    cov_mark::hit!(listener_tries_again);
                    self.listeners_due = false;
                    self.resume_listeners();
                }
                Some(Due::Shutdown) => {
                    cov_mark::hit!(shutdown_timed_out);
                    self.stop.is_overdue = true;
                    self.abort_all();
                }
                #[cfg(unix)]
                Some(Due::Report) => self.report_due(),
                Some(Due::Drain) => self.stop.shutdown_own(),
                Some(Due::Handler { .. } | Due::DrainBegins) | None => {}
            }
        }
    }

    /// Starts (or restarts) the idle timer of a source, if it has an idle timeout.
    pub(crate) fn watch_idleness(&mut self, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let earlier = source.idle_timer.take();
        let timeout = source.options.idle_timeout();
        let last_active = source.last_active;
        if let Some(id) = earlier {
            self.cancel_timer(id);
        }
        let Some(timeout) = timeout else { return };
        let timer = self.start_timer(last_active + timeout, Due::Idle(token));
        if let Some(source) = self.sources.get_mut(token) {
            match timer {
                Ok(id) => source.idle_timer = Some(id),
                // Without its timer it might stay for ever; that is what the bound forbids.
                Err(error) => self.finish(token, Close::Error(error)),
            }
        }
    }

    /// Was there traffic since the idle timer was started? Then it starts again from there.
    fn check_idleness(&mut self, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        source.idle_timer = None;
        let Some(timeout) = source.options.idle_timeout() else {
            return;
        };
        if source.phase != Phase::Open {
            return; // connecting and closing have deadlines of their own
        }
        if self.now - source.last_active >= timeout {
            cov_mark::hit!(idle_timed_out);
            self.finish(token, Close::TimedOut(Deadline::Idle));
        } else {
            self.watch_idleness(token);
        }
    }

    /// Starts the connect, handshake or close deadline of a source, in place of the one before.
    pub(crate) fn start_deadline(&mut self, token: Token, after: Duration) {
        self.stop_deadline(token);
        let timer = self.start_timer(self.now + after, Due::Deadline(token));
        match (timer, self.sources.get_mut(token)) {
            (Ok(id), Some(source)) => source.deadline = Some(id),
            (Ok(_), None) => {}
            (Err(error), _) => self.finish(token, Close::Error(error)),
        }
    }

    pub(crate) fn stop_deadline(&mut self, token: Token) {
        if let Some(source) = self.sources.get_mut(token)
            && let Some(id) = source.deadline.take()
        {
            self.cancel_timer(id);
        }
    }

    fn deadline_passed(&mut self, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        source.deadline = None;
        match source.phase {
            Phase::Connecting => self.attempts_timed_out(token),
            Phase::Flushing => {
                cov_mark::hit!(close_timed_out);
                self.finish(token, Close::TimedOut(Deadline::Close));
            }
            // All was sent; only the peer's own end is missing, and is not waited for.
            Phase::Lingering => {
                cov_mark::hit!(lingered_long_enough);
                self.finish(token, Close::Requested);
            }
            Phase::Open => self.finish(token, Close::TimedOut(Deadline::Handshake)),
            Phase::Finishing => {}
        }
    }

    /// A listener is out of descriptors or memory: it waits for a source of ours to end, or for a
    /// moment, since others may give some back too.
    pub(crate) fn pause_listener(&mut self, token: Token, why: &dyn std::fmt::Display) {
        if self
            .said_paused
            .is_none_or(|said| self.now - said >= LISTENER_SILENCE)
        {
            self.said_paused = Some(self.now);
            tracing::warn!(%token, %why, "cannot accept: paused until something is freed");
        }
        if !self.listeners_due {
            // Without a timer left, a source that ends resumes them all the same.
            self.listeners_due = self
                .start_timer(self.now + LISTENER_RETRY, Due::Listeners)
                .is_ok();
        }
        self.hold_listener(token);
    }

    /// No slot is left: connections wait in the kernel's queue until a source ends.
    pub(crate) fn pause_listeners(&mut self) {
        for token in self.listeners.clone() {
            self.hold_listener(token);
        }
    }

    fn hold_listener(&mut self, token: Token) {
        if !self.paused_listeners.contains(&token) {
            self.paused_listeners.push(token);
            self.set_reading(token, |source| source.held = true);
        }
    }

    pub(crate) fn resume_listeners(&mut self) {
        if self.sources.is_full() {
            return; // the next source that ends will call again
        }
        for token in std::mem::take(&mut self.paused_listeners) {
            self.set_reading(token, |source| source.held = false);
        }
    }
}
