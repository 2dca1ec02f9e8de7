//! How a program runs: a reactor, the peers of its connections, and the rest to which they come. It must never judge what it sees: the model does.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use switchboard::{Reactor, Time};

use crate::drivers::{Driver, Tape};
use crate::model::{Far, Id, Kind, Model, Phase, Why};
use crate::network::Network;
use crate::peers::{End, PeerEnd};
use crate::program::{Drive, Ending, Event, Happening, Limits, Pick, Program};
use crate::runner::Runner;
use crate::state::{Lie, State};
use crate::steps::{connect, open, run_in_loop};
use crate::streams::Content;

/// When nothing has moved for this time and for so many turns, nothing will; and nothing may move
/// for longer than that. Reached only by a program that fails.
const PATIENCE: Duration = Duration::from_secs(1);
const TURNS: usize = 200;
const BOUND: Duration = Duration::from_secs(20);

/// A deadline within this time is one of the program.
const SOON: Duration = Duration::from_millis(100);

/// How long a turn may sleep while something is owed.
const TURN: Duration = Duration::from_millis(1);

/// A driver, and who turns the reactor on it.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub driver: Driver,
    /// Somebody else's loop turns it, which waits for the descriptor and for `next_timeout`.
    pub embedded: bool,
}

impl Way {
    pub fn on(driver: Driver) -> Way {
        let embedded = false;
        Way { driver, embedded }
    }

    pub fn embedded(self) -> Way {
        let embedded = true;
        Way { embedded, ..self }
    }
}

/// What is left of a run.
pub struct Report {
    pub model: Model,
    /// What each peer has received, and whether the stream ended in order.
    pub received: Vec<(Vec<u8>, Option<End>)>,
}

struct World {
    way: Way,
    reactor: Reactor<State>,
    network: Network,
    listening: Option<SocketAddr>,
    kept: Receiver<Model>,
    dropped: Arc<AtomicUsize>,
    /// Outlives the reactor that writes it.
    _tape: Tape,
}

/// Runs a program, and says what became of it.
pub fn run(program: &Program, way: Way, lie: Option<Lie>) -> Report {
    let mut world = World::new(&program.limits, program.in_step, way, lie);
    for event in &program.events {
        world.happen(event);
        if !world.model().violations.is_empty() {
            break; // the first one tells most
        }
    }
    world.end(program.ending)
}

impl World {
    fn new(limits: &Limits, in_step: bool, way: Way, lie: Option<Lie>) -> World {
        let (keep, kept) = channel();
        let state = State::new(Model::new(limits.clone(), in_step), lie, keep);
        let dropped = state.dropped();
        let tape = Tape::new();
        let mut network = Network::new(way.driver, limits.narrow);
        let builder = tape
            .builder(way.driver)
            .max_sources(limits.max_sources)
            .max_buffered(limits.max_buffered)
            .max_posts(limits.max_posts)
            .max_jobs(limits.max_jobs)
            .close_timeout(Duration::from_millis(limits.close_timeout_millis))
            .source_options(limits.bounds.options())
            .threads(2);
        let mut world = World {
            way,
            reactor: network.reactor(builder, state),
            network,
            listening: None,
            kept,
            dropped,
            _tape: tape,
        };
        let lane = world.reactor.open_lane("lane");
        world.reactor.state_mut().lane = Some(lane.expect("it is the first"));
        let refusing = world.network.refusing();
        world.reactor.state_mut().supplies.refusing = Some(refusing);
        if !limits.accepts.is_empty() {
            world.listen();
        }
        world
    }

    fn listen(&mut self) {
        let listener = self.reactor.bind("localhost:0").expect("a port is free");
        let address = listener.local().expect("it is bound");
        self.listening = address.ip();
        let runner = Runner::listener(self.reactor.state_mut());
        let token = self.reactor.listen_on(listener, runner);
        let token = token.expect("it is the first source");
        let model = self.model_mut();
        model.opened(token, Kind::Listener, Phase::Open, None);
    }

    fn model(&self) -> &Model {
        &self.reactor.state().model
    }

    fn model_mut(&mut self) -> &mut Model {
        &mut self.reactor.state_mut().model
    }

    fn stock_up(&mut self) {
        self.network
            .stock_up(&mut self.reactor.state_mut().supplies);
    }

    fn happen(&mut self, event: &Event) {
        self.stock_up();
        self.model_mut().tell(format_args!("-- {:?}", event.what));
        self.let_happen(&event.what);
        match event.then {
            Drive::Rest => self.rest(),
            Drive::Turns(turns) => {
                for _ in 0..turns {
                    self.turn(Duration::ZERO);
                }
            }
        }
    }

    fn let_happen(&mut self, what: &Happening) {
        match what {
            Happening::Open(behaviour) => self.reactor.with(|state, cx| {
                if let Some((peer, stream)) = state.supplies.streams.pop_front() {
                    let far = state.model.far_opened(peer, false);
                    open(state, cx, far, stream, behaviour.clone());
                }
            }),
            Happening::Connect(behaviour) => self.reactor.with(|state, cx| {
                connect(state, cx, true, behaviour.clone());
            }),
            Happening::Ask(script) => {
                self.reactor.with(|state, cx| {
                    state.late = false;
                    // A panic in here is the caller's own.
                    let kept = script.iter().filter(|step| !step.is_panic()).cloned();
                    run_in_loop(state, cx, &kept.collect());
                });
            }
            Happening::Dial => self.dial(),
            Happening::Arrive { at, len, steps } => {
                if let Some(far) = self.peer(*at) {
                    let len = *len.min(&self.most_at_once(far));
                    let Far { given, peer, .. } = self.model().fars[far];
                    let peer = self.network.peer(peer).expect("it is there");
                    let content = Content::of_peer(far, given, len);
                    peer.send(content.bytes());
                    let far = &mut self.model_mut().fars[far];
                    far.given += len;
                    far.messages.push_back((far.given, steps.clone()));
                }
            }
            Happening::Finish(pick) => self.end_peer(*pick, PeerEnd::finish, false),
            Happening::Reset(pick) => self.end_peer(*pick, PeerEnd::reset, true),
            Happening::Leave(pick) => self.end_peer(*pick, PeerEnd::leave, true),
            Happening::SetReads(pick, reads) => {
                let far = pick.of(self.model().fars.len());
                if let Some(far) = far.filter(|far| !self.model().fars[*far].gone) {
                    self.set_reads(far, *reads);
                }
            }
            Happening::Pass(millis) => self.pass(Duration::from_millis(*millis)),
        }
    }

    /// A message as long as many inboxes would take as many turns.
    fn most_at_once(&self, far: Id) -> usize {
        let model = self.model();
        let source = model.fars[far].source.map(|id| &model.sources[id]);
        500 * source.map_or(model.limits.bounds.inbox, |source| source.bounds.inbox)
    }

    /// A peer that is there and has not ended.
    fn peer(&mut self, pick: Pick) -> Option<Id> {
        let far = pick.of(self.model().fars.len())?;
        let Far {
            peer,
            finished,
            gone,
            ..
        } = self.model().fars[far];
        let there = self.network.peer(peer).is_some();
        (there && !finished && !gone).then_some(far)
    }

    fn end_peer(&mut self, pick: Pick, end: impl FnOnce(&mut PeerEnd), gone: bool) {
        if let Some(far) = self.peer(pick) {
            let model = self.model();
            if gone && model.in_step && model.fars[far].taken < model.fars[far].given {
                return; // which of the bytes that nobody has taken are lost is the driver's affair
            }
            let known = &mut self.reactor.state_mut().model.fars[far];
            self.network.peer(known.peer).map(end);
            known.finished |= !gone;
            known.gone |= gone;
        }
    }

    fn set_reads(&mut self, far: Id, reads: bool) {
        let known = &mut self.reactor.state_mut().model.fars[far];
        known.reads = reads;
        known.stalled |= !reads;
        if let Some(peer) = self.network.peer(known.peer) {
            peer.reads = reads;
        }
    }

    fn dial(&mut self) {
        // The listener is the first source; once it ends, what a peer sees is a matter of moments.
        let listener = self.model().sources.first();
        let listens = listener.is_some_and(|listener| listener.phase <= Phase::Open);
        let address = self.listening.filter(|_| listens);
        if let Some(peer) = address.and_then(|address| self.network.dial(address)) {
            let state = self.reactor.state_mut();
            let far = state.model.far_opened(peer, true);
            state.callers.push_back(far);
        }
    }

    fn now(&mut self) -> Time {
        self.reactor.with(|_, cx| cx.now())
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now() + duration;
        loop {
            let left = end - self.now();
            if left.is_zero() {
                return;
            }
            self.turn(left);
        }
    }

    /// One turn of the peers, and one of the reactor; says whether anything has moved.
    fn turn(&mut self, limit: Duration) -> bool {
        self.stock_up();
        let moved = self.network.pump(&mut self.reactor.state_mut().model);
        let before = (self.model().story.len(), self.reactor.buffered());
        if !self.way.embedded {
            self.reactor.turn(Some(limit)).expect("a turn goes well");
        } else if self.wants_a_turn(limit) {
            let turn = self.reactor.turn(Some(Duration::ZERO));
            turn.expect("a turn goes well");
        }
        self.observe();
        moved || before != (self.model().story.len(), self.reactor.buffered())
    }

    fn wants_a_turn(&self, patience: Duration) -> bool {
        let timeout = self.reactor.next_timeout().unwrap_or(patience);
        let descriptor = self.reactor.as_fd();
        let mut descriptors = [PollFd::new(&descriptor, PollFlags::IN)];
        let wait = Timespec::try_from(timeout.min(patience)).expect("it is short");
        poll(&mut descriptors, Some(&wait)).expect("one can poll it") > 0 || timeout <= patience
    }

    fn observe(&mut self) {
        let (buffered, sources) = (self.reactor.buffered(), self.reactor.sources());
        self.reactor.with(|state, cx| {
            let each = state.model.sources.iter();
            let outboxes: Vec<usize> = each.map(|one| cx.source_outbox_len(one.token)).collect();
            state.model.observed(&outboxes, buffered, sources);
        });
    }

    /// Drives until nothing is owed and nothing moves.
    fn rest(&mut self) {
        let start = self.now();
        let mut moved = start;
        let mut quiet = 0;
        loop {
            let owed = self.debts();
            if quiet >= 2 && owed.is_empty() {
                break;
            }
            let now = self.now();
            if quiet > TURNS && now - moved > PATIENCE || now - start > BOUND {
                let model = self.model_mut();
                if now - start > BOUND && !model.has_interval() {
                    model.violated("no rest");
                }
                for debt in owed {
                    model.violated(format_args!("still owed: {debt}"));
                }
                break;
            }
            let limit = if quiet < 2 { Duration::ZERO } else { TURN };
            quiet += 1;
            if self.turn(limit) {
                quiet = 0;
                moved = now;
            }
            if !self.model().violations.is_empty() {
                break;
            }
        }
    }

    fn debts(&self) -> Vec<String> {
        let mut owed = self.model().debts(&self.network.sights(self.model()));
        let timeout = self.reactor.next_timeout();
        if timeout == Some(Duration::ZERO) {
            owed.push("the loop would not sleep".to_owned());
        }
        // Its own deadlines are seconds away.
        if !self.model().has_timer() && timeout.is_some_and(|timeout| timeout < SOON) {
            owed.push(format!("the loop wakes up for nothing after {timeout:?}"));
        }
        owed
    }

    fn end(mut self, ending: Ending) -> Report {
        self.model_mut().tell(format_args!("-- {ending:?}"));
        if self.model().violations.is_empty() {
            self.bring_to_end(ending);
        }
        self.stop();
        self.model_mut().dropping = true;
        let World {
            reactor,
            mut network,
            kept,
            dropped,
            ..
        } = self;
        drop(reactor);
        let mut model = kept.recv().expect("the reactor has dropped its state");
        if model.violations.is_empty() {
            settle_accounts(&mut model, &mut network, &dropped);
        }
        let received = model.fars.iter().map(|far| match network.peer(far.peer) {
            Some(peer) => (peer.received.clone(), peer.end),
            None => (Vec::new(), None),
        });
        let received = received.collect();
        Report { model, received }
    }

    fn bring_to_end(&mut self, ending: Ending) {
        match ending {
            Ending::CloseAll => {
                self.all_read();
                self.rest();
                self.close_rest();
                // A source may open another one in its last call.
                while self.reactor.sources() > 0 && self.model().violations.is_empty() {
                    self.rest();
                    self.close_rest();
                }
            }
            Ending::Shutdown => {
                self.all_read();
                self.reactor.shutdown_handle().shutdown();
                self.stop();
                self.rest();
            }
            Ending::Abort => {
                self.reactor.shutdown_handle().abort();
                self.stop();
                self.turn(Duration::ZERO);
            }
            Ending::Drop => return,
        }
        let (sources, buffered) = (self.reactor.sources(), self.reactor.buffered());
        let model = self.model_mut();
        model.demand(sources == 0, format_args!("{sources} sources at the end"));
        model.demand(
            buffered == 0,
            format_args!("{buffered} bytes buffered at the end"),
        );
    }

    fn close_rest(&mut self) {
        self.reactor.with(|state, cx| {
            for id in 0..state.model.sources.len() {
                if state.model.sources[id].phase <= Phase::Open {
                    cx.close_source(state.model.sources[id].token);
                    state.model.closed(id);
                }
            }
        });
    }

    fn all_read(&mut self) {
        for far in 0..self.model().fars.len() {
            self.set_reads(far, true);
        }
    }

    fn stop(&mut self) {
        self.reactor.with(|state, cx| {
            let model = &mut state.model;
            for id in 0..model.sources.len() {
                model.looked_at(id, cx.is_open(model.sources[id].token));
                model.ends(id, Why::Shutdown);
            }
            model.stopping = true;
        });
    }
}

/// What has to be right once the reactor is gone.
fn settle_accounts(model: &mut Model, network: &mut Network, dropped: &AtomicUsize) {
    model.check_ended();
    let start = Instant::now();
    loop {
        network.pass();
        network.pump(model);
        let sights = network.sights(model);
        let mut owed = model.debts_to_peers(&sights);
        let (made, gone) = (model.made, dropped.load(Ordering::SeqCst));
        if made != gone {
            owed.push(format!("{gone} handlers and closures of {made} dropped"));
        }
        if owed.is_empty() {
            let wrong = model.wrong_deliveries(&sights);
            wrong.into_iter().for_each(|what| model.violated(what));
            return;
        }
        if start.elapsed() > PATIENCE {
            for debt in owed {
                model.violated(format_args!("owed at the end: {debt}"));
            }
            return;
        }
        std::thread::yield_now(); // a job may be running, with what it holds
    }
}
