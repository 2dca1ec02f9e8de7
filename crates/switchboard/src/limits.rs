//! What a source may not take too long for, and not do too often: deadlines for reading a message
//! and for sending, and rates. It must never start a timer for a message: a moment is noted, and
//! looked at when the one timer of that kind is due.

use std::mem;

use crate::core::{Core, Request};
use crate::handler::{Close, Deadline};
use crate::options::Limits;
use crate::rate::{Bucket, Rate};
use crate::sources::{Kind, Phase, Source};
use crate::timeouts::Due;
use crate::timers::TimerId;
use crate::{Error, Result, Time, Token};

/// The limits of one source that has any, and how far it has got.
pub(crate) struct Limited {
    pub(crate) set: Limits,
    /// Since when a message is unfinished: what is unread has begun, or some of it was consumed.
    read: Watch,
    /// Since when nothing has gone out of an outbox that is not empty.
    write: Watch,
    bucket: Option<Bucket>,
    /// For the next portion of the bucket.
    refill: Option<TimerId>,
}

#[derive(Default)]
struct Watch {
    since: Option<Time>,
    timer: Option<TimerId>,
}

/// What a timer of this file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Read,
    Write,
    Rate,
}

impl Limited {
    /// `None` if nothing is limited, as for most.
    pub(crate) fn new(set: Limits) -> Option<Box<Limited>> {
        if set == Limits::default() {
            return None;
        }
        Some(Box::new(Limited {
            set,
            read: Watch::default(),
            write: Watch::default(),
            bucket: set.rate.map(Bucket::of_bytes),
            refill: None,
        }))
    }

    pub(crate) fn has_rate(&self) -> bool {
        self.bucket.is_some()
    }

    /// What may be read or accepted now.
    fn available(&self, now: Time) -> u32 {
        let bucket = self.bucket.as_ref();
        bucket.map_or(u32::MAX, |bucket| bucket.available(now))
    }

    fn timer(&mut self, limit: Limit) -> &mut Option<TimerId> {
        match limit {
            Limit::Read => &mut self.read.timer,
            Limit::Write => &mut self.write.timer,
            Limit::Rate => &mut self.refill,
        }
    }

    /// When the timer for `limit` has something to look at.
    fn due_at(&self, limit: Limit) -> Option<Time> {
        match limit {
            Limit::Read => Some(self.read.since? + self.set.read_timeout()?),
            Limit::Write => Some(self.write.since? + self.set.write_timeout()?),
            Limit::Rate => self.bucket.map(|bucket| bucket.ready_at()),
        }
    }
}

impl Source {
    /// How much may be read of it: what its inbox has room for, and its rate allows.
    pub(crate) fn room(&self, now: Time) -> usize {
        let room = (self.options.inbox_limit as usize).saturating_sub(self.inbox_len());
        match &self.limits {
            Some(limits) => room.min(limits.available(now) as usize),
            None => room,
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Option<Box<Limited>>) -> Option<Box<Limited>> {
        let has_rate = limits.as_ref().is_some_and(|limits| limits.has_rate());
        self.apart = self.eof || has_rate && self.kind == Kind::Stream;
        mem::replace(&mut self.limits, limits)
    }
}

impl<S: 'static> Core<S> {
    /// Tells the driver how much it may read of a connection: as much as there is room for in the
    /// inbox, and in the rate.
    pub(crate) fn request_room(&mut self, token: Token) {
        let Some(source) = self.sources.get(token) else {
            return;
        };
        let room = source.room(self.now);
        self.requests.push(Request::SetRoom(token, room));
    }

    /// So much has arrived (or nothing, and the bucket is looked at): it is taken out of the bucket, and when that is empty
    /// nothing more is asked of the driver until there is another portion.
    pub(crate) fn spend(&mut self, token: Token, amount: usize) {
        let now = self.now;
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let Some(limits) = &mut source.limits else {
            return;
        };
        let Some(bucket) = &mut limits.bucket else {
            return;
        };
        bucket.take(u32::try_from(amount).unwrap_or(u32::MAX), now);
        let is_empty = bucket.available(now) == 0;
        if is_empty {
            cov_mark::hit!(rate_reached);
            self.watch(token, Limit::Rate);
        }
        self.heed_rate(token, is_empty);
    }

    fn heed_rate(&mut self, token: Token, is_empty: bool) {
        match self.sources.get(token) {
            Some(source) if source.kind == Kind::Listener => {
                self.set_reading(token, |source| source.slowed = is_empty);
            }
            Some(source) if source.phase == Phase::Open => self.request_room(token),
            _ => {} // what still comes is thrown away, at any rate
        }
    }

    /// What is left unread has changed, or is still the same.
    pub(crate) fn note_unread(&mut self, token: Token, consumed: bool) {
        let now = self.now;
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let is_empty = source.inbox.is_none();
        let Some(limits) = &mut source.limits else {
            return;
        };
        limits.read.note(now, consumed, is_empty);
        self.watch(token, Limit::Read);
    }

    /// A flush has left something, or nothing, in the outbox.
    pub(crate) fn note_flush(&mut self, token: Token, sent: bool) {
        let now = self.now;
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let is_empty = source.outbox.is_none();
        let Some(limits) = &mut source.limits else {
            return;
        };
        limits.write.note(now, sent, is_empty);
        self.watch(token, Limit::Write);
    }

    /// Sees to it that there is a timer for `limit`, if there is something to look at when it is
    /// due.
    fn watch(&mut self, token: Token, limit: Limit) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let Some(limits) = &mut source.limits else {
            return;
        };
        let Some(due_at) = limits.due_at(limit) else {
            return;
        };
        if limits.timer(limit).is_some() {
            return;
        }
        match self.start_timer(due_at, Due::Limit(token, limit)) {
            Ok(id) => {
                if let Some(source) = self.sources.get_mut(token)
                    && let Some(limits) = &mut source.limits
                {
                    *limits.timer(limit) = Some(id);
                }
            }
            // As with idleness: without its timer it might stay, or wait, for ever.
            Err(error) => self.finish(token, Close::Error(error)),
        }
    }

    /// The timer for `limit` is due.
    pub(crate) fn limit_due(&mut self, token: Token, limit: Limit) {
        let now = self.now;
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        // A peer that we do not read from cannot finish its message, and one that has finished
        // sending will not.
        let is_waiting = source.is_waiting() || source.again;
        let has_ended = source.eof;
        let Some(limits) = &mut source.limits else {
            return;
        };
        *limits.timer(limit) = None;
        let deadline = match limit {
            Limit::Rate => {
                limits.read.restart(now); // only now can the rest of a message come
                return self.spend(token, 0);
            }
            Limit::Read if has_ended => {
                limits.read.since = None;
                return;
            }
            Limit::Read if is_waiting || limits.available(now) == 0 => {
                limits.read.restart(now);
                return self.watch(token, limit);
            }
            Limit::Read => Deadline::Read,
            Limit::Write => Deadline::Write,
        };
        if limits.due_at(limit).is_some_and(|due_at| due_at <= now) {
            cov_mark::hit!(limit_timed_out);
            return self.finish(token, Close::TimedOut(deadline));
        }
        self.watch(token, limit);
    }

    /// Other limits, with what has been used of the earlier ones.
    pub(crate) fn change_limits(&mut self, token: Token, limits: Option<Box<Limited>>) {
        let now = self.now;
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let earlier = source.set_limits(limits);
        let has_unread = source.inbox.is_some();
        let has_unsent = source.outbox.is_some();
        if let Some(limits) = &mut source.limits {
            limits.read.note(now, false, !has_unread);
            limits.write.note(now, false, !has_unsent);
            if let Some(earlier) = &earlier {
                limits.read.since = earlier.read.since.or(limits.read.since);
                limits.write.since = earlier.write.since.or(limits.write.since);
                if let (Some(bucket), Some(before)) = (&mut limits.bucket, &earlier.bucket) {
                    *bucket = bucket.after(before, now);
                }
            }
        }
        if let Some(earlier) = earlier {
            let timers = [earlier.read.timer, earlier.write.timer, earlier.refill];
            for id in timers.into_iter().flatten() {
                self.cancel_timer(id);
            }
        }
        self.watch(token, Limit::Read);
        self.watch(token, Limit::Write);
        self.spend(token, 0);
    }

    /// Limits how fast a listener accepts.
    pub(crate) fn set_accept_rate(&mut self, token: Token, rate: Option<Rate>) -> Result {
        let source = self.sources.get(token).ok_or(Error::Stale(token))?;
        if source.kind != Kind::Listener {
            return Err(Error::WrongKind {
                token,
                asked: "accept",
            });
        }
        if source.is_ending() {
            return Err(Error::Stale(token));
        }
        let mut limits = Limited::new(Limits::of_rate(rate));
        if let (Some(limits), Some(rate)) = (&mut limits, rate) {
            limits.bucket = Some(Bucket::new(rate, 1)); // each connection is a portion
        }
        self.change_limits(token, limits);
        if rate.is_none() {
            self.heed_rate(token, false);
        }
        Ok(())
    }
}

impl Watch {
    /// What goes on counts from now.
    fn restart(&mut self, now: Time) {
        self.since = self.since.and(Some(now));
    }

    /// Something is begun or goes on; `moved`, and it counts from now; or it `is_over`.
    fn note(&mut self, now: Time, moved: bool, is_over: bool) {
        if is_over {
            self.since = None;
        } else if moved || self.since.is_none() {
            self.since = Some(now);
        }
    }
}
