//! What is known of every source, peer, timer, job and post while a program runs, and what went
//! wrong. The files below it judge one kind of event each; none of them must ever ask the reactor
//! for what it should be: they know it from what the program was told and asked.

mod asks;
mod calls;
mod debts;
mod reasons;

use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Duration;

use switchboard::{JobId, OutboxPolicy, Time, TimerId, Token};

use crate::program::{Bounds, Limits, Script};
use crate::streams::Content;

pub use asks::{Answer, Send};
pub use calls::Method;
pub use debts::Sight;
pub use reasons::Why;

/// Numbers of sources, peers' ends, timers: their places in the model's lists.
pub type Id = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stream,
    Listener,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Connecting,
    Open,
    /// Nothing but `handle_error` and `handle_close` may come.
    Ending,
    Ended,
}

pub struct Source {
    pub token: Token,
    pub kind: Kind,
    pub far: Option<Id>,
    /// Made by `connect`.
    pub dialled: bool,
    pub phase: Phase,
    /// How often its handler was replaced, and whether it is to be after the present call.
    pub life: usize,
    pub replaced: bool,
    pub bounds: Bounds,
    /// The highest high watermark that it had: what is over a new one stays.
    pub highest: usize,
    /// It had the policy that drops, at some time.
    pub drops: bool,
    /// All that was accepted for its peer, in order.
    pub sent: Vec<Content>,
    /// Bytes that wait in its outbox, as last seen.
    pub outbox: usize,
    /// Bytes that its handler left unread.
    pub left: usize,
    /// The most that it left in this turn, or when the last one had ended.
    pub kept: usize,
    /// What it left has to be offered to it again.
    pub offer_due: bool,
    pub paused: bool,
    pub shut_write: bool,
    pub shut_read: bool,
    pub eof_told: bool,
    /// A send was refused, or has lifted the outbox above low, since the last `handle_write`.
    pub refused: bool,
    pub refused_for_all: bool,
    pub lifted: bool,
    /// What may be the reason for its end, in the order in which it happened.
    pub causes: Vec<Why>,
    /// How often each of its methods was called.
    pub calls: [usize; Method::COUNT],
    /// What happens to it, as far as it does not depend on time.
    pub account: Vec<String>,
}

/// A peer's end of a connection.
pub struct Far {
    /// Its number among all that the world has made, unused ones included.
    pub peer: usize,
    pub source: Option<Id>,
    /// Bytes that it was given to send, and how many of them a handler has taken.
    pub given: usize,
    pub taken: usize,
    /// Where its messages end, and what their arrival does; where the first of them begins.
    pub messages: VecDeque<(usize, Script)>,
    pub message_start: usize,
    pub finished: bool,
    /// It has reset or closed its end: what is under way may be lost.
    pub gone: bool,
    pub reads: bool,
    /// There was a time in which it did not read.
    pub stalled: bool,
    /// It was made by dialling the listener.
    pub dials: bool,
    /// It was accepted, and dropped at once.
    pub dropped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Over,
}

pub struct Timer {
    /// `None` for a closure that comes later.
    pub owner: Option<Id>,
    pub id: TimerId,
    pub due: Time,
    pub every: Option<Duration>,
    pub state: State,
}

pub struct Job {
    pub owner: Id,
    pub id: JobId,
    pub panics: bool,
    pub on_lane: bool,
    pub state: State,
}

pub struct Model {
    pub limits: Limits,
    pub in_step: bool,
    pub sources: Vec<Source>,
    pub fars: Vec<Far>,
    pub timers: Vec<Timer>,
    pub jobs: Vec<Job>,
    /// The job of the lane that was told last.
    pub last_on_lane: Option<usize>,
    /// Posts that wait, by number.
    pub posts: VecDeque<usize>,
    pub posted: usize,
    /// The reactor was asked to shut down.
    pub stopping: bool,
    /// It is being dropped: posts are in vain.
    pub dropping: bool,
    /// `handle_error` must be the next call, of this source, since this happened to it.
    pub error_due: Option<(Id, Why)>,
    /// Messages that the program has made itself.
    pub fresh: usize,
    pub story: Vec<String>,
    pub violations: Vec<String>,
    /// What is made and what is dropped: handlers, posts, jobs' values.
    pub made: usize,
}

impl Model {
    pub fn new(limits: Limits, in_step: bool) -> Model {
        Model {
            limits,
            in_step,
            sources: Vec::new(),
            fars: Vec::new(),
            timers: Vec::new(),
            jobs: Vec::new(),
            last_on_lane: None,
            posts: VecDeque::new(),
            posted: 0,
            stopping: false,
            dropping: false,
            error_due: None,
            fresh: 0,
            story: Vec::new(),
            violations: Vec::new(),
            made: 0,
        }
    }

    pub fn tell(&mut self, what: impl Display) {
        self.story.push(what.to_string());
    }

    /// Something of source `id` that happens in every world alike.
    pub fn note(&mut self, id: Id, what: impl Display) {
        let what = what.to_string();
        self.story.push(format!("source {id}: {what}"));
        self.sources[id].account.push(what);
    }

    pub fn violated(&mut self, what: impl Display) {
        let what = format!("VIOLATED: {what}");
        self.story.push(what.clone());
        self.violations.push(what);
    }

    pub fn demand(&mut self, holds: bool, what: impl Display) {
        if !holds {
            self.violated(what);
        }
    }

    /// A source is there, under a token that no other one may ever have had.
    pub fn opened(&mut self, token: Token, kind: Kind, phase: Phase, far: Option<Id>) {
        let id = self.sources.len();
        let known = self.sources.iter().position(|other| other.token == token);
        if let Some(other) = known {
            self.violated(format_args!("source {id} has the token of source {other}"));
        }
        if let Some(far) = far {
            self.fars[far].source = Some(id);
        }
        let bounds = self.limits.bounds;
        self.sources.push(Source {
            token,
            kind,
            far,
            dialled: phase == Phase::Connecting,
            phase,
            life: 0,
            replaced: false,
            bounds,
            highest: bounds.high,
            drops: bounds.policy == OutboxPolicy::DropOldest,
            sent: Vec::new(),
            outbox: 0,
            left: 0,
            kept: 0,
            offer_due: false,
            paused: false,
            shut_write: false,
            shut_read: false,
            eof_told: false,
            refused: false,
            refused_for_all: false,
            lifted: false,
            causes: Vec::new(),
            calls: [0; Method::COUNT],
            account: Vec::new(),
        });
        self.note(id, format_args!("{kind:?} {phase:?} to peer {far:?}"));
    }

    pub fn far_opened(&mut self, peer: usize, dials: bool) -> Id {
        self.fars.push(Far {
            peer,
            source: None,
            given: 0,
            taken: 0,
            messages: VecDeque::new(),
            message_start: 0,
            finished: false,
            gone: false,
            reads: true,
            stalled: false,
            dials,
            dropped: false,
        });
        self.fars.len() - 1
    }

    pub fn far_of(&self, id: Id) -> Option<&Far> {
        self.sources[id].far.map(|far| &self.fars[far])
    }

    /// Something that the program asked for and that ends the source. What happens to a source
    /// that is ending is only another possible reason.
    pub fn ends(&mut self, id: Id, why: Why) {
        let source = &mut self.sources[id];
        if source.phase <= Phase::Open || source.phase == Phase::Ending && why.is_loss() {
            source.phase = Phase::Ending;
            source.causes.push(why);
            source.left = 0; // thrown away
        }
    }

    /// Whether the reactor may have ended an open source by itself, without telling so far.
    pub fn may_have_ended(&self, id: Id) -> bool {
        let source = &self.sources[id];
        self.stopping
            || source.dialled && source.far.is_none()
            || self.far_of(id).is_some_and(|far| far.gone)
            || source.shut_write && self.peer_has_ended(id)
            || source.refused_for_all
    }

    /// Whether anything is under way that something else could overtake.
    pub fn is_in_flight(&self) -> bool {
        let is_open = |id: Id| self.sources[id].phase <= Phase::Open;
        let timer =
            |timer: &Timer| timer.state == State::Pending && timer.owner.is_none_or(is_open);
        let connecting = |source: &Source| source.phase == Phase::Connecting;
        self.timers.iter().any(timer)
            || self.is_job_pending()
            || self.sources.iter().any(connecting)
    }

    /// Whether something goes on happening by itself.
    pub fn has_interval(&self) -> bool {
        let mut timers = self.timers.iter();
        timers.any(|timer| timer.state == State::Pending && timer.every.is_some())
    }

    pub fn is_job_pending(&self) -> bool {
        let is_open = |id: Id| self.sources[id].phase <= Phase::Open;
        self.jobs
            .iter()
            .any(|job| job.state == State::Pending && is_open(job.owner))
    }
}
