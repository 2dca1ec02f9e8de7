//! Results of jobs and addresses of names, as completions of a tick: the part of a driver that has
//! nothing to do with the kernel. It must never hand out more in one tick than its bound.

use std::io;
use std::sync::Arc;

use super::files::Pooled;
use super::lanes::Lanes;
use super::{Event, Waker};
use crate::Token;
use crate::io::FileAsk;
use crate::names::AT_ONCE;
use crate::offload::{Job, Outcome, Pool};

/// Results handed out in one tick.
pub(super) const TICK_RESULTS: usize = 256;

pub(super) struct Results {
    jobs: Pool,
    lanes: Lanes,
    /// Apart from the jobs: four long ones must not keep every `connect` from its name.
    lookups: Pool,
    pub(super) files: Pooled,
    left: bool,
    allowed: usize,
}

impl Results {
    pub(super) fn new(threads: usize, waker: &Arc<Waker>) -> Results {
        Results {
            jobs: Pool::new(threads, Arc::clone(waker)),
            lanes: Lanes::new(Arc::clone(waker)),
            lookups: Pool::new(AT_ONCE, Arc::clone(waker)),
            files: Pooled::new(waker),
            left: false,
            allowed: 0,
        }
    }

    /// For a driver that reads and writes files itself.
    #[cfg(target_os = "linux")]
    pub(super) fn native(threads: usize, waker: &Arc<Waker>) -> Results {
        let mut results = Results::new(threads, waker);
        results.files.leave_to_driver();
        results
    }

    pub(super) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        self.lookups.resolve(token, host)
    }

    pub(super) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        match job.lane.clone() {
            Some(lane) => self.lanes.run(lane, token, job),
            None => self.jobs.run(token, job),
        }
    }

    pub(super) fn ask_file(&mut self, ask: FileAsk) {
        self.files.ask(ask);
        self.left |= self.files.has_ended();
    }

    /// The waker was heard: there may be results.
    pub(super) fn look(&mut self) {
        self.left = true;
    }

    pub(super) fn begin_tick(&mut self) {
        self.allowed = TICK_RESULTS;
    }

    /// Whether there may be some, for a tick that does not wait.
    #[inline]
    pub(super) fn may_be_left(&self) -> bool {
        self.left
    }

    #[cold]
    pub(super) fn next(&mut self) -> Option<(Token, Event<'static>)> {
        if self.allowed == 0 {
            return None; // the rest in the next tick, which does not sleep
        }
        let Some((token, outcome)) = self.lookups.next().or_else(|| self.next_of_jobs()) else {
            let Some((token, done)) = self.files.next() else {
                self.left = false;
                return None;
            };
            self.allowed -= 1;
            return Some((token, Event::File(Box::new(done))));
        };
        self.allowed -= 1;
        let event = match outcome {
            Outcome::Done(done) => Event::Done(done),
            Outcome::Resolved(host, addresses) => Event::Resolved(host, addresses),
        };
        Some((token, event))
    }
    /// By turns, so that neither many short jobs of the pool nor those of lanes hold the others'
    /// results up.
    fn next_of_jobs(&mut self) -> Option<(Token, Outcome)> {
        let of_lane = |lanes: &mut Lanes| {
            let (token, done) = lanes.next()?;
            Some((token, Outcome::Done(done)))
        };
        if self.allowed.is_multiple_of(2) {
            self.jobs.next().or_else(|| of_lane(&mut self.lanes))
        } else {
            of_lane(&mut self.lanes).or_else(|| self.jobs.next())
        }
    }
}
