//! Judges the calls of handlers: which may come, when, and with which bytes.
//! It must never judge what handlers ask for in them: `asks.rs` does.

use switchboard::{Done, Error, Time, TimerId, Token};

use super::{Id, Kind, Model, Phase, State, Why};
use crate::streams::Content;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Connect,
    Accepted,
    Read,
    Eof,
    Write,
    Timer,
    Done,
    Error,
    Close,
}

impl Method {
    pub const COUNT: usize = Method::Close as usize + 1;
}

impl Model {
    /// A method is called; tells how often it was before.
    pub fn called(&mut self, id: Id, life: usize, token: Token, method: Method) -> usize {
        self.tell(format_args!("source {id}: {method:?}"));
        let source = &mut self.sources[id];
        let nth = source.calls[method as usize];
        source.calls[method as usize] += 1;
        let (phase, kind, paused) = (source.phase, source.kind, source.paused);
        let (is_known, is_latest) = (source.token == token, source.life == life);
        self.demand(is_known, format_args!("source {id} is called as {token}"));
        self.demand(
            is_latest,
            format_args!("source {id}: a former handler is called"),
        );
        let may_come = match method {
            Method::Error | Method::Close => phase < Phase::Ended,
            Method::Connect => phase == Phase::Connecting && nth == 0,
            Method::Timer | Method::Done => phase <= Phase::Open,
            Method::Accepted => phase == Phase::Open && kind == Kind::Listener,
            Method::Read | Method::Eof | Method::Write => {
                phase == Phase::Open && kind == Kind::Stream
            }
        };
        self.demand(
            may_come,
            format_args!("source {id}: {method:?} comes when it is {phase:?}"),
        );
        if matches!(method, Method::Read | Method::Eof | Method::Accepted) {
            self.demand(!paused, format_args!("source {id}: {method:?} in a pause"));
        }
        if let Some((due, _)) = self.error_due
            && (method, id) != (Method::Error, due)
        {
            self.violated(format_args!("source {due}: nobody told it of its error"));
            self.error_due = None;
        }
        self.by_method(id, method);
        nth
    }

    fn by_method(&mut self, id: Id, method: Method) {
        let source = &mut self.sources[id];
        match method {
            Method::Connect => {
                source.phase = Phase::Open;
                self.note(id, "connected");
            }
            Method::Eof => {
                let twice = std::mem::replace(&mut source.eof_told, true);
                self.demand(!twice, format_args!("source {id}: its end came twice"));
                let ended = self.peer_has_ended(id);
                self.demand(ended, format_args!("source {id}: nobody has ended"));
                self.note(id, "eof");
            }
            Method::Read => source.offer_due = false,
            Method::Write => {
                let owed = source.refused || source.lifted || source.refused_for_all;
                source.refused = false;
                source.lifted = false;
                source.refused_for_all = false;
                self.demand(owed, format_args!("source {id}: handle_write for nothing"));
            }
            _ => {}
        }
    }

    /// A handler sees these unread bytes.
    pub fn saw(&mut self, id: Id, data: &[u8], method: Method) {
        let source = &self.sources[id];
        let (left, inbox) = (source.left, source.bounds.inbox);
        let Some(far) = source.far else {
            return self.demand(data.is_empty(), "bytes of no peer");
        };
        let (taken, given) = (self.fars[far].taken, self.fars[far].given);
        let len = data.len();
        let common = Content::of_peer(far, taken, len).common(data);
        self.tell(format_args!("  {len} bytes unread, from {taken} on"));
        self.demand(
            common == len && taken + len <= given,
            format_args!(
                "source {id}: wrong bytes from {} of {given} on",
                taken + common
            ),
        );
        self.demand(
            len >= left,
            format_args!("source {id}: {left} bytes were left unread, {len} are there"),
        );
        self.demand(
            len <= inbox.max(left),
            format_args!("source {id}: {len} bytes are more than its inbox's {inbox}"),
        );
        let may_be_more = method == Method::Read && !self.sources[id].eof_told;
        self.demand(
            len == left || may_be_more,
            format_args!("source {id}: new bytes in {method:?}"),
        );
        self.sources[id].left = len;
    }

    /// A handler has consumed `n` bytes.
    pub fn took(&mut self, id: Id, n: usize) {
        // Those of a source that is ending are not counted any more.
        self.sources[id].left = self.sources[id].left.saturating_sub(n);
        if let Some(far) = self.sources[id].far {
            self.fars[far].taken += n;
        }
    }

    pub fn timer_fired(&mut self, id: Id, timer: TimerId, now: Time) {
        let mut pending = self.timers.iter_mut().enumerate();
        let found = pending.find(|(_, known)| known.id == timer && known.state == State::Pending);
        let Some((number, known)) = found else {
            return self.violated(format_args!("source {id}: a timer that is over has fired"));
        };
        let (owner, due, every) = (known.owner, known.due, known.every);
        match every {
            Some(period) => known.due = now + period,
            None => known.state = State::Over,
        }
        self.demand(
            owner == Some(id),
            format_args!("source {id}: a timer of {owner:?}"),
        );
        self.demand(
            due <= now,
            format_args!("source {id}: timer {number} came {:?} early", due - now),
        );
        if every.is_none() {
            self.note(id, format_args!("timer {number}"));
        }
    }

    /// A closure for later runs.
    pub fn after_ran(&mut self, number: usize, now: Time) {
        let timer = &mut self.timers[number];
        let (pending, due) = (timer.state == State::Pending, timer.due);
        timer.state = State::Over;
        self.tell(format_args!("closure of timer {number}"));
        self.demand(
            pending,
            format_args!("closure {number} runs though it is over"),
        );
        self.demand(due <= now, format_args!("closure {number} runs early"));
    }

    pub fn post_ran(&mut self, number: usize) {
        self.tell(format_args!("post {number}"));
        let next = self.posts.pop_front();
        self.demand(
            next == Some(number),
            format_args!("post {number} runs, {next:?} is the next"),
        );
    }

    pub fn job_done(&mut self, id: Id, done: Done) {
        let job = done.job;
        let value = done.take::<usize>();
        let mut pending = self.jobs.iter_mut().enumerate();
        let found = pending.find(|(_, known)| known.id == job && known.state == State::Pending);
        let Some((number, known)) = found else {
            return self.violated(format_args!("source {id}: a job that nobody waits for"));
        };
        known.state = State::Over;
        let right = known.owner == id
            && match &value {
                Ok(value) => *value == number && !known.panics,
                Err(error) => Why::from(error) == Why::Panicked && known.panics,
            };
        let in_order = !known.on_lane || self.last_on_lane < Some(number);
        if known.on_lane {
            self.last_on_lane = Some(number);
        }
        self.note(id, format_args!("job {number}"));
        self.demand(in_order, format_args!("job {number} overtakes on its lane"));
        self.demand(
            right,
            format_args!("source {id}: job {number} gives {value:?}"),
        );
    }

    /// `handle_error` tells of an error.
    pub fn error_told(&mut self, id: Id, error: &Error) {
        let why = Why::from(error);
        self.note(id, format_args!("error {why:?}"));
        let source = &self.sources[id];
        let fits = match self.error_due.take() {
            Some((_, due)) => due == why,
            None => match why {
                Why::InboxFull => source.left >= source.bounds.inbox,
                Why::BufferedLimit => self.buffered_at_most() > self.limits.max_buffered,
                _ => false,
            },
        };
        self.demand(fits, format_args!("source {id}: told of {error}"));
    }

    /// What an error means for its source, once it has been told: only that of a single accepted
    /// connection does not end it.
    pub fn failed(&mut self, id: Id, error: &Error) {
        let why = Why::from(error);
        if self.sources[id].kind == Kind::Stream || why == Why::Panicked {
            self.ends(id, why);
        }
    }

    fn buffered_at_most(&self) -> usize {
        let each = self.sources.iter();
        each.map(|source| source.outbox + source.left).sum()
    }
}
