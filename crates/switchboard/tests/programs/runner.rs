//! The handler of every source: it tells the model of its calls, takes its bytes in its way, and
//! runs what its program says. It must never do anything that the program does not say.

use std::panic::resume_unwind;

use switchboard::{Close, Context, Done, Error, Handler, Result, Stream, TimerId, Token};

use crate::model::{Id, Kind, Method, Phase, Why};
use crate::program::{Accept, Behaviour, Reading, Script};
use crate::state::{Counted, Lie, State};
use crate::steps::{Hand, Message, Outcome, open, run};

pub struct Runner {
    id: Id,
    life: usize,
    behaviour: Behaviour,
    accepts: Vec<Accept>,
    /// A shy one has looked, and takes what it sees next time.
    looked: bool,
    _counted: Counted,
}

impl Runner {
    /// The handler of the next source that will be opened.
    pub fn new(state: &mut State, behaviour: Behaviour) -> Runner {
        let id = state.model.sources.len();
        Runner::heir(state, id, 0, behaviour)
    }

    /// The handler that replaces the one of source `id`.
    pub fn heir(state: &mut State, id: Id, life: usize, behaviour: Behaviour) -> Runner {
        let counted = state.counted();
        if state.lies(Lie::Leak) {
            std::mem::forget(state.counted());
        }
        Runner {
            id,
            life,
            behaviour,
            accepts: Vec::new(),
            looked: false,
            _counted: counted,
        }
    }

    pub fn listener(state: &mut State) -> Runner {
        let accepts = state.model.limits.accepts.clone();
        let runner = Runner::new(state, Behaviour::default());
        Runner { accepts, ..runner }
    }

    fn called(&self, state: &mut State, token: Token, method: Method) -> usize {
        state.late = !matches!(method, Method::Read | Method::Eof);
        state.model.called(self.id, self.life, token, method)
    }

    /// Runs the script of the n-th call of a method.
    fn perform(
        &self,
        state: &mut State,
        cx: &mut Context<'_, State>,
        scripts: &[Script],
        nth: usize,
    ) -> Outcome {
        scripts.get(nth).map_or(Outcome::Done, |script| {
            run(state, &mut Hand::Source(cx, self.id), script, None)
        })
    }

    /// The same, and brings the call to its end.
    fn finish(
        &self,
        state: &mut State,
        cx: &mut Context<'_, State>,
        scripts: &[Script],
        nth: usize,
    ) -> Result {
        let outcome = self.perform(state, cx, scripts, nth);
        self.end(state, outcome)
    }

    /// What an outcome means for a call whose error is told and ends the source.
    fn end(&self, state: &mut State, outcome: Outcome) -> Result {
        let source = &mut state.model.sources[self.id];
        let replaced = std::mem::take(&mut source.replaced);
        source.life += usize::from(replaced);
        source.offer_due |= replaced;
        source.kept = source.kept.max(source.left);
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Fail => {
                state.model.error_due = Some((self.id, Why::Failed));
                Err("planned".into())
            }
            Outcome::Panic => {
                state.model.error_due = Some((self.id, Why::Panicked));
                panic();
            }
        }
    }

    /// How many of `len` unread bytes to consume now.
    fn appetite(&mut self, state: &State, len: usize) -> usize {
        match self.behaviour.reading {
            Reading::All => len,
            Reading::Portions(n) => len.min(n.max(len / 64)),
            Reading::Lagging(n) => len.saturating_sub(n),
            Reading::Shy => {
                self.looked = !self.looked;
                if self.looked { 0 } else { len }
            }
            Reading::Messages => {
                let far = state.model.far_of(self.id);
                far.map_or(0, |far| {
                    let ends = far.messages.iter().map(|(end, _)| end - far.taken);
                    ends.take_while(|end| *end <= len).last().unwrap_or(0)
                })
            }
        }
    }

    /// Consumes `n` bytes, and runs what the messages say that are complete with them.
    fn take(&self, state: &mut State, cx: &mut Context<'_, State>, n: usize) -> Outcome {
        let data = cx.data();
        let Some(far) = state.model.sources[self.id].far else {
            return Outcome::Done;
        };
        let base = state.model.fars[far].taken;
        match self.behaviour.reading {
            Reading::All | Reading::Portions(_) => drop(cx.recv(n)),
            Reading::Messages | Reading::Shy | Reading::Lagging(_) => cx.consume(n),
        }
        if n < data.len() && state.lies(Lie::TakeMore) {
            cx.consume(1);
        }
        state.model.took(self.id, n);
        loop {
            let taken = state.model.fars[far].taken;
            let start = state.model.fars[far].message_start;
            let Some((end, _)) = state.model.fars[far].messages.front() else {
                return Outcome::Done;
            };
            if *end > taken {
                return Outcome::Done;
            }
            let message = Message {
                far,
                from: start,
                len: end - start,
                data: data
                    .get(start.wrapping_sub(base)..end - base)
                    .unwrap_or(&[]),
            };
            state.model.fars[far].message_start = *end;
            let popped = state.model.fars[far].messages.pop_front();
            let Some((_, script)) = popped else {
                return Outcome::Done;
            };
            state.model.note(
                self.id,
                format_args!("message to {end}", end = start + message.len),
            );
            let mut hand = Hand::Source(cx, self.id);
            let outcome = run(state, &mut hand, &script, Some(&message));
            if outcome != Outcome::Done {
                return outcome;
            }
        }
    }
}

/// Panics without the noise of the panic hook.
pub fn panic() -> ! {
    resume_unwind(Box::new("planned"))
}

impl Handler<State> for Runner {
    fn handle_connect(&mut self, state: &mut State, cx: &mut Context<'_, State>) -> Result {
        let nth = self.called(state, cx.token(), Method::Connect);
        self.finish(state, cx, &self.behaviour.connect, nth)
    }

    fn handle_accepted(
        &mut self,
        state: &mut State,
        cx: &mut Context<'_, State>,
        stream: Stream,
    ) -> Result {
        let nth = self.called(state, cx.token(), Method::Accepted);
        let far = state.callers.pop_front();
        let outcome = match nth
            .checked_rem(self.accepts.len())
            .map(|nth| &self.accepts[nth])
        {
            Some(Accept::Register(behaviour)) => {
                if let Some(far) = far {
                    open(state, cx, far, stream, (**behaviour).clone());
                }
                return self.end(state, Outcome::Done);
            }
            Some(Accept::Drop) | None => Outcome::Done,
            Some(Accept::Fail) => Outcome::Fail,
            Some(Accept::Panic) => Outcome::Panic,
        };
        if let Some(far) = far {
            state.model.fars[far].dropped = true;
        }
        self.end(state, outcome)
    }

    fn handle_read(&mut self, state: &mut State, cx: &mut Context<'_, State>) -> Result {
        self.called(state, cx.token(), Method::Read);
        let data = cx.data();
        state.model.saw(self.id, data, Method::Read);
        let n = self.appetite(state, data.len());
        if self.looked && n == 0 {
            cx.again();
        }
        let outcome = self.take(state, cx, n);
        self.end(state, outcome)
    }

    fn handle_eof(&mut self, state: &mut State, cx: &mut Context<'_, State>) -> Result {
        if state.lies(Lie::KeepEnd) {
            return Ok(());
        }
        let nth = self.called(state, cx.token(), Method::Eof);
        let data = cx.data();
        state.model.saw(self.id, data, Method::Eof);
        let outcome = self.take(state, cx, data.len());
        if outcome != Outcome::Done {
            return self.end(state, outcome);
        }
        if self.behaviour.eof.is_empty() {
            cx.close();
            if state.model.sources[self.id].phase <= Phase::Open {
                state.model.closed(self.id);
            }
        }
        self.finish(state, cx, &self.behaviour.eof, nth)
    }

    fn handle_write(&mut self, state: &mut State, cx: &mut Context<'_, State>) -> Result {
        let nth = self.called(state, cx.token(), Method::Write);
        state.model.saw(self.id, cx.data(), Method::Write);
        if state.model.in_step {
            return Ok(()); // how far an outbox drains in one go is the driver's affair
        }
        self.finish(state, cx, &self.behaviour.write, nth)
    }

    fn handle_timer(
        &mut self,
        state: &mut State,
        cx: &mut Context<'_, State>,
        timer: TimerId,
    ) -> Result {
        let nth = self.called(state, cx.token(), Method::Timer);
        state.model.timer_fired(self.id, timer, cx.now());
        if state.model.sources[self.id].kind == Kind::Stream {
            state.model.saw(self.id, cx.data(), Method::Timer);
        }
        self.finish(state, cx, &self.behaviour.timer, nth)
    }

    fn handle_done(
        &mut self,
        state: &mut State,
        cx: &mut Context<'_, State>,
        done: Done,
    ) -> Result {
        let nth = self.called(state, cx.token(), Method::Done);
        state.model.job_done(self.id, done);
        self.finish(state, cx, &self.behaviour.done, nth)
    }

    fn handle_error(&mut self, state: &mut State, cx: &mut Context<'_, State>, error: &Error) {
        let nth = self.called(state, cx.token(), Method::Error);
        state.model.error_told(self.id, error);
        let outcome = self.perform(state, cx, &self.behaviour.error, nth);
        state.model.failed(self.id, error);
        if outcome == Outcome::Panic {
            panic();
        }
    }

    fn handle_close(&mut self, state: &mut State, cx: &mut Context<'_, State>, why: &Close) {
        let nth = self.called(state, cx.token(), Method::Close);
        state.model.ended(self.id, why.into());
        if state.lies(Lie::EndTwice) {
            state.model.ended(self.id, why.into());
        }
        if state.model.in_step {
            return; // it comes when the peer has ended, too
        }
        let outcome = self.perform(state, cx, &self.behaviour.close, nth);
        if outcome == Outcome::Panic {
            panic();
        }
    }
}
