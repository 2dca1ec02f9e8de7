//! One step of a program: what it asks of the reactor, and what the model is told of it.
//! It must never look at the outcome itself.

use std::net::Shutdown;
use std::ops::DerefMut;
use std::time::Duration;

use switchboard::{Bytes, Context, LoopContext, Stream};

use crate::model::{Answer, Id, Kind, Phase, Send};
use crate::program::{Behaviour, How, Pick, Script, Step, Target};
use crate::runner::{Runner, panic};
use crate::state::{Lie, State};
use crate::streams::Content;

/// Who performs a step: a handler, or a closure that belongs to no source.
pub enum Hand<'h, 'c> {
    Loop(&'h mut LoopContext<'c, State>),
    Source(&'h mut Context<'c, State>, Id),
}

impl<'c> Hand<'_, 'c> {
    fn base(&mut self) -> &mut LoopContext<'c, State> {
        match self {
            Hand::Loop(cx) => cx,
            Hand::Source(cx, _) => cx.deref_mut(),
        }
    }

    fn me(&self) -> Option<Id> {
        match self {
            Hand::Loop(_) => None,
            Hand::Source(_, id) => Some(*id),
        }
    }

    fn target(&self, state: &State, target: Target) -> Option<Id> {
        match target {
            Target::Me => self.me(),
            Target::Any(pick) => pick.of(state.model.sources.len()),
        }
    }
}

/// The message that a script answers to.
pub struct Message<'d> {
    pub far: Id,
    pub from: usize,
    pub len: usize,
    /// As it lies in the bytes that were lent, if it lies there in one piece.
    pub data: &'d [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Fail,
    Panic,
}

/// Performs a script up to its end, or up to the step that fails.
pub fn run(
    state: &mut State,
    hand: &mut Hand<'_, '_>,
    script: &Script,
    message: Option<&Message<'_>>,
) -> Outcome {
    for step in script {
        if state.model.in_step && !keeps_step(state, hand, step) {
            continue;
        }
        match step {
            Step::Fail => return Outcome::Fail,
            Step::Panic => return Outcome::Panic,
            step => perform(state, hand, step, message),
        }
    }
    Outcome::Done
}

/// Whether what becomes of a step is the same in every world: it can neither overtake nor be
/// overtaken by what else is under way.
fn keeps_step(state: &State, hand: &Hand<'_, '_>, step: &Step) -> bool {
    match step {
        Step::ShutRead(_) | Step::Interval(_) => false,
        Step::Timer(..) | Step::After(..) | Step::Offload(..) | Step::Connect(..) => {
            !state.late && !state.model.is_in_flight()
        }
        // How much of what was sent before is still in the outbox depends on the driver.
        Step::Send(target, len, _) | Step::Forward(target, len) if state.late => {
            let target = hand.target(state, *target);
            target.is_some_and(|id| *len < 64 && state.model.sources[id].bounds.high >= 1 << 20)
        }
        _ => true,
    }
}

/// As [`run`], for a closure: nobody is told of what goes wrong in it.
pub fn run_in_loop(state: &mut State, cx: &mut LoopContext<'_, State>, script: &Script) {
    if run(state, &mut Hand::Loop(cx), script, None) == Outcome::Panic {
        panic();
    }
}

fn perform(state: &mut State, hand: &mut Hand<'_, '_>, step: &Step, message: Option<&Message<'_>>) {
    match step {
        Step::Send(target, len, how) => {
            if let Some(id) = look(state, hand, *target) {
                let content = Content::fresh(state.model.fresh, *len);
                state.model.fresh += 1;
                send(state, hand.base(), id, content, *how, None);
            }
        }
        Step::Forward(target, most) => {
            if let (Some(id), Some(message)) = (look(state, hand, *target), message) {
                let len = message.len.min(*most);
                let content = Content::of_peer(message.far, message.from, len);
                let data = message.data.get(..len);
                send(state, hand.base(), id, content, How::Copied, data);
            }
        }
        Step::Close(target)
        | Step::Abort(target)
        | Step::ShutWrite(target)
        | Step::ShutRead(target)
        | Step::Pause(target)
        | Step::Resume(target)
        | Step::SetBounds(target, _)
        | Step::Timer(target, _) => {
            if let Some(id) = look(state, hand, *target) {
                perform_on(state, hand.base(), step, id);
            }
        }
        Step::Cancel(pick) => cancel(state, hand.base(), *pick),
        Step::After(millis, script) => after(state, hand.base(), *millis, script),
        Step::Post(script) => post(state, hand.base(), script),
        Step::Register(behaviour) => {
            if let Some((peer, stream)) = state.supplies.streams.pop_front() {
                let far = state.model.far_opened(peer, false);
                open(state, hand.base(), far, stream, (**behaviour).clone());
            }
        }
        Step::Connect(reachable, behaviour) => {
            connect(state, hand.base(), *reachable, (**behaviour).clone());
        }
        Step::Interval(_) | Step::Offload(..) | Step::Again | Step::Replace => {
            if let Hand::Source(cx, id) = hand {
                perform_of(state, cx, step, *id);
            }
        }
        Step::Fail | Step::Panic => {}
    }
}

/// The source that a step means, after a look at whether it is open.
fn look(state: &mut State, hand: &mut Hand<'_, '_>, target: Target) -> Option<Id> {
    let id = hand.target(state, target)?;
    let is_open = hand.base().is_open(state.model.sources[id].token);
    state.model.looked_at(id, is_open);
    Some(id)
}

fn send(
    state: &mut State,
    cx: &mut LoopContext<'_, State>,
    id: Id,
    content: Content,
    how: How,
    data: Option<&[u8]>,
) {
    let mut token = state.model.sources[id].token;
    let each = state.model.sources.iter();
    let total = each.map(|one| cx.source_outbox_len(one.token)).sum();
    let before = cx.source_outbox_len(token);
    let mut bytes = content.bytes().to_vec();
    if content.len > 0 && state.model.sources.len() > 1 && state.lies(Lie::SendElsewhere) {
        token = state.model.sources[(id + 1) % state.model.sources.len()].token;
    }
    if content.len > 0 && data.is_none() && state.lies(Lie::SendMore) {
        bytes.push(0);
    }
    let result = match (data, how) {
        _ if content.len > 0 && before == 0 && state.lies(Lie::SendNothing) => Ok(()),
        (Some(data), _) => cx.send_to(token, data),
        (None, How::Copied) => cx.send_to(token, &bytes),
        (None, How::Owned) => cx.send_to(token, bytes),
        (None, How::Shared) => cx.send_to(token, Bytes::from(bytes)),
    };
    let after = cx.source_outbox_len(state.model.sources[id].token);
    let send = Send {
        content,
        before,
        after,
        total,
    };
    state.model.sent(id, &send, &result);
}

fn perform_on(state: &mut State, cx: &mut LoopContext<'_, State>, step: &Step, id: Id) {
    let token = state.model.sources[id].token;
    let living = state.model.sources[id].phase < Phase::Ended;
    match step {
        Step::Close(_) => {
            cx.close_source(token);
            state.model.closed(id);
        }
        Step::Abort(_) => {
            cx.abort_source(token);
            state.model.aborted(id);
        }
        Step::ShutWrite(_) => {
            let result = cx.shutdown_source(token, Shutdown::Write);
            state.model.shut(id, true, &result);
        }
        Step::ShutRead(_) => {
            let result = cx.shutdown_source(token, Shutdown::Read);
            state.model.shut(id, false, &result);
        }
        Step::Pause(_) => {
            cx.pause_source(token);
            state.model.set_paused(id, living);
        }
        Step::Resume(_) => {
            cx.resume_source(token);
            state.model.set_paused(id, false);
        }
        Step::SetBounds(_, bounds) => {
            let outbox = cx.source_outbox_len(token);
            let result = cx.set_source_options(token, bounds.options());
            state.model.bounds_set(id, *bounds, outbox, &result);
        }
        Step::Timer(_, millis) => {
            let delay = Duration::from_millis(*millis);
            let told = cx.now() + delay;
            let longer = Duration::from_millis(u64::from(state.lies(Lie::TimeLonger)) * 60_000);
            let result = cx.set_source_timer(token, delay + longer);
            state.model.timer_set(Some(id), &result, told, None);
        }
        _ => {}
    }
}

/// What only a handler can ask for.
fn perform_of(state: &mut State, cx: &mut Context<'_, State>, step: &Step, id: Id) {
    state.model.looked_at(id, cx.is_open(cx.token()));
    match step {
        Step::Interval(millis) => {
            let period = Duration::from_millis(*millis).max(Duration::from_millis(1));
            let due = cx.now() + period;
            let result = cx.set_interval(period);
            state.model.timer_set(Some(id), &result, due, Some(period));
        }
        Step::Offload(panics, on_lane) => offload(state, cx, id, *panics, *on_lane),
        Step::Again => cx.again(),
        Step::Replace => {
            let life = state.model.sources[id].life + 1;
            let behaviour = Behaviour::default();
            cx.replace_handler(Runner::heir(state, id, life, behaviour));
            state.model.sources[id].replaced = true;
        }
        _ => {}
    }
}

fn offload(state: &mut State, cx: &mut Context<'_, State>, id: Id, panics: bool, on_lane: bool) {
    let (value, counted) = (state.model.jobs.len(), state.counted());
    let job = move || {
        let _counted = counted;
        if panics {
            panic();
        }
        value
    };
    let result = match state.lane.filter(|_| on_lane) {
        Some(lane) => cx.offload_on(lane, job),
        None => cx.offload(job),
    };
    state.model.offloaded(id, panics, on_lane, &result);
}

fn cancel(state: &mut State, cx: &mut LoopContext<'_, State>, pick: Pick) {
    if let Some(number) = pick.of(state.model.timers.len()) {
        if let Some(owner) = state.model.timers[number].owner {
            let is_open = cx.is_open(state.model.sources[owner].token);
            state.model.looked_at(owner, is_open);
        }
        let was_pending = cx.cancel_timer(state.model.timers[number].id);
        state.model.timer_cancelled(number, was_pending);
    }
}

fn after(state: &mut State, cx: &mut LoopContext<'_, State>, millis: u64, script: &Script) {
    let number = state.model.timers.len();
    let delay = Duration::from_millis(millis);
    let due = cx.now() + delay;
    let counted = state.counted();
    let script = script.clone();
    let result = cx.after(delay, move |state, cx| {
        let _counted = counted;
        state.late = true;
        state.model.after_ran(number, cx.now());
        run_in_loop(state, cx, &script);
    });
    state.model.timer_set(None, &result, due, None);
}

fn post(state: &mut State, cx: &mut LoopContext<'_, State>, script: &Script) {
    let number = state.model.posted;
    state.model.posted += 1;
    let counted = state.counted();
    if state.lies(Lie::PostNothing) {
        return state.model.posted(number, true);
    }
    let script = script.clone();
    let posted = cx.remote().post(move |state, cx| {
        let _counted = counted;
        state.late = true;
        state.model.post_ran(number);
        run_in_loop(state, cx, &script);
    });
    state.model.posted(number, posted.is_ok());
}

/// Registers a connection to peer `far`.
pub fn open(
    state: &mut State,
    cx: &mut LoopContext<'_, State>,
    far: Id,
    stream: Stream,
    behaviour: Behaviour,
) {
    let bounds = behaviour.bounds;
    let runner = Runner::new(state, behaviour);
    let sources = cx.sources();
    let result = cx.register(stream, runner);
    match result {
        Ok(token) => {
            let id = state.model.sources.len();
            state
                .model
                .opened(token, Kind::Stream, Phase::Open, Some(far));
            if let Some(bounds) = bounds {
                let result = cx.set_source_options(token, bounds.options());
                state.model.bounds_set(id, bounds, 0, &result);
            }
        }
        Err(_) => {
            state.model.fars[far].dropped = true;
            state.model.refused(Answer::from(&result), sources);
        }
    }
}

/// Connects to a peer, or to an address at which there is none.
pub fn connect(
    state: &mut State,
    cx: &mut LoopContext<'_, State>,
    reachable: bool,
    behaviour: Behaviour,
) {
    let door = if reachable {
        state.supplies.doors.pop_front()
    } else {
        None
    };
    let Some(address) = door.map(|(_, address)| address).or(state.supplies.refusing) else {
        return;
    };
    let bounds = behaviour.bounds;
    let runner = Runner::new(state, behaviour);
    let sources = cx.sources();
    let result = cx.connect(address, runner);
    match result {
        Ok(token) => {
            let far = door.map(|(peer, _)| state.model.far_opened(peer, false));
            let id = state.model.sources.len();
            state
                .model
                .opened(token, Kind::Stream, Phase::Connecting, far);
            if let Some(bounds) = bounds {
                let result = cx.set_source_options(token, bounds.options());
                state.model.bounds_set(id, bounds, 0, &result);
            }
        }
        Err(_) => state.model.refused(Answer::from(&result), sources),
    }
}
