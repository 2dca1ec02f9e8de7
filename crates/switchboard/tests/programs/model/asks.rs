//! Judges what the reactor answers to what programs ask for, and notes what follows from it.
//! It must never judge calls of handlers: `calls.rs` does.

use std::time::Duration;

use switchboard::{Error, JobId, OutboxPolicy, Result, Time, TimerId};

use super::{Id, Job, Kind, Model, Phase, State, Timer, Why};
use crate::program::Bounds;
use crate::streams::Content;

/// An answer, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Stale,
    WrongKind,
    SendingEnded,
    TooLarge,
    Full,
    BufferedLimit,
    TooMany,
    ShuttingDown,
    Other,
}

impl<T> From<&Result<T>> for Answer {
    fn from(result: &Result<T>) -> Answer {
        match result {
            Ok(_) => Answer::Done,
            Err(Error::Stale(_)) => Answer::Stale,
            Err(Error::WrongKind { .. }) => Answer::WrongKind,
            Err(Error::SendingEnded(_)) => Answer::SendingEnded,
            Err(Error::TooLarge { .. }) => Answer::TooLarge,
            Err(Error::Full { .. }) => Answer::Full,
            Err(Error::BufferedLimit { .. }) => Answer::BufferedLimit,
            Err(Error::TooManySources { .. } | Error::TooManyJobs { .. }) => Answer::TooMany,
            Err(Error::ShuttingDown) => Answer::ShuttingDown,
            Err(_) => Answer::Other,
        }
    }
}

/// A send, and what was to be seen before and after it.
pub struct Send {
    pub content: Content,
    pub before: usize,
    pub after: usize,
    /// In the outboxes of all sources together, before.
    pub total: usize,
}

impl Model {
    /// Whether a source is open, before something is asked of it.
    pub fn looked_at(&mut self, id: Id, is_open: bool) {
        let believed = self.sources[id].phase <= Phase::Open;
        if believed && !is_open {
            let may_have = self.may_have_ended(id);
            self.demand(may_have, format_args!("source {id} is not open any more"));
            self.sources[id].phase = Phase::Ending;
            self.sources[id].causes.push(Why::Unknown);
        }
        self.demand(
            believed || !is_open,
            format_args!("source {id} is open again"),
        );
    }

    fn judge(&mut self, id: Id, asked: &str, answer: Answer, allowed: &[Answer]) {
        self.note(id, format_args!("{asked}: {answer:?}"));
        self.demand(
            allowed.contains(&answer),
            format_args!("source {id}: {asked} gives {answer:?}, not {allowed:?}"),
        );
    }

    pub fn sent(&mut self, id: Id, send: &Send, result: &Result) {
        let answer = Answer::from(result);
        let len = send.content.len;
        let allowed = self.answers_to_send(id, send);
        self.judge(id, &format!("send {len}"), answer, &allowed);
        self.judge_outbox(id, send, answer);
        let source = &mut self.sources[id];
        let bounds = source.bounds;
        match answer {
            Answer::Done if len > 0 => {
                source.sent.push(send.content);
                source.lifted |= send.after > bounds.low;
            }
            Answer::Full => source.refused = true,
            Answer::BufferedLimit => source.refused_for_all = true,
            _ => {}
        }
        if source.phase < Phase::Ended {
            source.outbox = send.after;
        }
        if answer == Answer::Full && bounds.policy == OutboxPolicy::Disconnect {
            self.ends(id, Why::SlowConsumer);
        }
    }

    fn answers_to_send(&self, id: Id, send: &Send) -> Vec<Answer> {
        let refusals = self.refusals(id);
        if !refusals.is_empty() {
            return refusals;
        }
        let bounds = self.sources[id].bounds;
        let (len, max) = (send.content.len, self.limits.max_buffered);
        let unread: usize = self.sources.iter().map(|one| one.left.max(one.kept)).sum();
        let over_high = send.before + len > bounds.high;
        let surely_fits = send.total + unread + len <= max;
        let never_fits = send.total + len > max;
        let drops = bounds.policy == OutboxPolicy::DropOldest;
        if !over_high && surely_fits {
            vec![Answer::Done]
        } else if len > bounds.high.min(max) {
            vec![Answer::TooLarge]
        } else if over_high && !drops {
            vec![Answer::Full]
        } else if over_high {
            vec![Answer::Done, Answer::Full, Answer::BufferedLimit]
        } else if never_fits && !drops {
            vec![Answer::BufferedLimit]
        } else {
            vec![Answer::Done, Answer::BufferedLimit]
        }
    }

    /// How a source answers that cannot be sent to at all.
    fn refusals(&self, id: Id) -> Vec<Answer> {
        let source = &self.sources[id];
        match (source.kind, source.phase) {
            (Kind::Listener, Phase::Ended) => vec![Answer::Stale, Answer::WrongKind],
            (Kind::Listener, _) => vec![Answer::WrongKind],
            (Kind::Stream, Phase::Ending | Phase::Ended) => vec![Answer::Stale],
            (Kind::Stream, _) if source.shut_write => vec![Answer::SendingEnded],
            (Kind::Stream, _) => vec![],
        }
    }

    /// What a send has made of the outbox.
    fn judge_outbox(&mut self, id: Id, send: &Send, answer: Answer) {
        let source = &self.sources[id];
        let Send { before, after, .. } = *send;
        let len = send.content.len;
        let high = source.bounds.high;
        let drops = source.bounds.policy == OutboxPolicy::DropOldest;
        let limited = self.limits.max_buffered < 1 << 30;
        let right = match answer {
            Answer::Done if drops && before + len > high => {
                // No more than necessary: without the last one dropped it would not have fitted.
                let largest = source.sent.iter().map(|sent| sent.len).max();
                let needed = before + len - high;
                let dropped = before + len - after.min(before + len);
                after <= high
                    && after >= len
                    && (limited || dropped < needed + largest.unwrap_or(0))
            }
            Answer::Done if drops && limited => after >= len && after <= before + len,
            Answer::Done => after == before + len,
            _ if drops => after <= before,
            _ => after == before,
        };
        self.demand(
            right,
            format_args!("source {id}: send {len} ({answer:?}) made an outbox of {before} {after}"),
        );
    }

    pub fn closed(&mut self, id: Id) {
        self.note(id, "close");
        let eof = self.sources[id].eof_told;
        self.ends(id, if eof { Why::Eof } else { Why::Requested });
    }

    pub fn aborted(&mut self, id: Id) {
        self.note(id, "abort");
        self.ends(id, Why::Aborted);
    }

    pub fn shut(&mut self, id: Id, write: bool, result: &Result) {
        let mut allowed = self.refusals(id);
        if allowed.is_empty() {
            let connecting = self.sources[id].phase == Phase::Connecting;
            allowed.push(if connecting && !write {
                Answer::WrongKind
            } else {
                Answer::Done
            });
        }
        let answer = Answer::from(result);
        self.judge(id, &format!("shut write: {write}"), answer, &allowed);
        if answer == Answer::Done {
            let source = &mut self.sources[id];
            source.shut_write |= write;
            source.shut_read |= !write;
        }
    }

    /// `pause_source` and `resume_source` do nothing to one that is ending.
    pub fn set_paused(&mut self, id: Id, paused: bool) {
        self.note(id, format_args!("paused: {paused}"));
        let source = &mut self.sources[id];
        source.offer_due |= source.paused && !paused;
        source.paused = paused;
    }

    pub fn bounds_set(&mut self, id: Id, bounds: Bounds, outbox: usize, result: &Result) {
        let source = &self.sources[id];
        let allowed = match (source.kind, source.phase) {
            (Kind::Listener, Phase::Ended) => vec![Answer::WrongKind, Answer::Stale],
            (Kind::Listener, _) => vec![Answer::WrongKind],
            (Kind::Stream, Phase::Ending | Phase::Ended) => vec![Answer::Stale],
            (Kind::Stream, _) => vec![Answer::Done],
        };
        let answer = Answer::from(result);
        self.judge(id, &format!("{bounds:?}"), answer, &allowed);
        if answer == Answer::Done {
            let source = &mut self.sources[id];
            source.bounds = Bounds {
                high: bounds.high.max(bounds.low),
                ..bounds
            };
            source.drops |= bounds.policy == OutboxPolicy::DropOldest;
            source.outbox = outbox; // io_uring may have given back some of it in this tick
            source.lifted |= outbox > bounds.low;
            source.highest = source.highest.max(source.bounds.high);
        }
    }

    /// A timer of a source was asked for, or (of no source) a closure for later.
    pub fn timer_set(
        &mut self,
        owner: Option<Id>,
        result: &Result<TimerId>,
        due: Time,
        every: Option<Duration>,
    ) {
        let is_open = owner.is_none_or(|id| self.sources[id].phase <= Phase::Open);
        let allowed = if is_open { Answer::Done } else { Answer::Stale };
        let answer = Answer::from(result);
        let number = self.timers.len();
        let asked = format!("timer {number}");
        match owner {
            Some(id) => self.judge(id, &asked, answer, &[allowed]),
            None => self.demand(answer == allowed, format_args!("{asked} gives {answer:?}")),
        }
        if let Ok(id) = *result {
            let mut others = self.timers.iter();
            let taken = others.any(|timer| timer.id == id && timer.state == State::Pending);
            self.demand(!taken, format_args!("{asked} has the id of another one"));
            self.timers.push(Timer {
                owner,
                id,
                due,
                every,
                state: State::Pending,
            });
        }
    }

    pub fn timer_cancelled(&mut self, number: usize, was_pending: bool) {
        let timer = &mut self.timers[number];
        let pending = timer.state == State::Pending;
        timer.state = State::Over;
        self.tell(format_args!("cancel timer {number}: {was_pending}"));
        let owner = self.timers[number].owner;
        // The timers of one that is ending go with it, sooner or later.
        if owner.is_none_or(|id| self.sources[id].phase <= Phase::Open) {
            self.demand(
                pending == was_pending,
                format_args!("timer {number}: pending {pending}, cancelled {was_pending}"),
            );
        }
    }

    pub fn offloaded(&mut self, id: Id, panics: bool, on_lane: bool, result: &Result<JobId>) {
        let its = self.jobs.iter().filter(|job| job.on_lane == on_lane);
        let pending = its.filter(|job| job.state == State::Pending);
        let of_living = |job: &&Job| self.sources[job.owner].phase <= Phase::Open;
        let (most, least) = (pending.clone().count(), pending.filter(of_living).count());
        let max = self.limits.max_jobs;
        let allowed: &[Answer] = if self.sources[id].phase > Phase::Open {
            &[Answer::Stale]
        } else if least >= max {
            &[Answer::TooMany]
        } else if most < max {
            &[Answer::Done]
        } else {
            &[Answer::Done, Answer::TooMany]
        };
        self.judge(id, "offload", Answer::from(result), allowed);
        if let Ok(job) = *result {
            self.jobs.push(Job {
                owner: id,
                id: job,
                panics,
                on_lane,
                state: State::Pending,
            });
        }
    }

    /// A closure was posted; `taken` tells whether the queue took it.
    pub fn posted(&mut self, number: usize, taken: bool) {
        let room = !self.dropping && self.posts.len() < self.limits.max_posts;
        self.tell(format_args!("post {number} taken: {taken}"));
        self.demand(
            room == taken,
            format_args!("post {number}: room {room}, taken {taken}"),
        );
        if taken {
            self.posts.push_back(number);
        }
    }

    /// A source that cannot be registered or connected: there are `sources` already.
    pub fn refused(&mut self, answer: Answer, sources: usize) {
        self.tell(format_args!("a further source: {answer:?}"));
        let right = match answer {
            Answer::TooMany => sources >= self.limits.max_sources,
            Answer::ShuttingDown => self.stopping,
            _ => false,
        };
        self.demand(
            right,
            format_args!("a further source beside {sources} gives {answer:?}"),
        );
    }
}
