//! How a program runs over the loopback network: a reactor, the peers of its connections, and the
//! rest to which they come. It must never judge what it sees: the model does.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;
use switchboard::{Builder, Reactor};

use crate::model::{Id, Kind, Model, Phase, Why};
use crate::network::{FarEnd, address_of, bound, dial, peer_of, pump, sights, stock_up};
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

/// How long a turn may sleep while something is owed.
const TURN: Duration = Duration::from_millis(1);

/// What a reactor runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    Readiness,
    IoUring,
}

impl Driver {
    pub const ALL: [Driver; 2] = [Driver::Readiness, Driver::IoUring];

    fn builder(self) -> Builder {
        Reactor::builder().driver(match self {
            Driver::Readiness => switchboard::Driver::Readiness,
            Driver::IoUring => switchboard::Driver::IoUring,
        })
    }
}

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

    pub fn name(self) -> &'static str {
        match self.driver {
            Driver::Readiness => "readiness",
            Driver::IoUring => "io_uring",
        }
    }

    /// Whether a reactor can be built on it here, and if not, why.
    pub fn works(self) -> Result<(), String> {
        let built = self.driver.builder().build(());
        built.map(drop).map_err(|error| error.to_string())
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
    peers: Vec<FarEnd>,
    narrow: Option<usize>,
    listening: Option<SocketAddr>,
    kept: Receiver<Model>,
    dropped: Arc<AtomicUsize>,
    /// Bound, so that nobody else listens at its address.
    _refusing: Socket,
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
        let builder = way.driver.builder();
        let reactor = builder
            .max_sources(limits.max_sources)
            .max_buffered(limits.max_buffered)
            .max_posts(limits.max_posts)
            .max_jobs(limits.max_jobs)
            .close_timeout(Duration::from_millis(limits.close_timeout_millis))
            .source_options(limits.bounds.options())
            .threads(2)
            .build(state)
            .expect("a reactor can be built");
        let refusing = bound();
        let mut world = World {
            way,
            reactor,
            peers: Vec::new(),
            narrow: limits.narrow,
            listening: None,
            kept,
            dropped,
            _refusing: refusing,
        };
        let address = address_of(&world._refusing);
        world.reactor.state_mut().supplies.refusing = Some(address);
        if !limits.accepts.is_empty() {
            world.listen();
        }
        world
    }

    fn listen(&mut self) {
        let listener = switchboard::TcpListener::bind("127.0.0.1:0").expect("a port is free");
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
        let supplies = &mut self.reactor.state_mut().supplies;
        stock_up(supplies, &mut self.peers, self.narrow);
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
                if let Some((far, peer)) = self.peer(*at) {
                    let len = *len.min(&self.most_at_once(far));
                    let given = self.model().fars[far].given;
                    peer_of(&mut self.peers[peer]).send(Content::of_peer(far, given, len).bytes());
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

    /// A peer that is there and has not ended, by its numbers as a far end and in our list.
    fn peer(&self, pick: Pick) -> Option<(Id, usize)> {
        let far = pick.of(self.model().fars.len())?;
        let known = &self.model().fars[far];
        let there = matches!(self.peers[known.peer], FarEnd::There(_));
        (there && !known.finished && !known.gone).then_some((far, known.peer))
    }

    fn end_peer(&mut self, pick: Pick, end: impl FnOnce(&mut PeerEnd), gone: bool) {
        if let Some((far, peer)) = self.peer(pick) {
            end(peer_of(&mut self.peers[peer]));
            let far = &mut self.model_mut().fars[far];
            far.finished |= !gone;
            far.gone |= gone;
        }
    }

    fn set_reads(&mut self, far: Id, reads: bool) {
        let known = &mut self.model_mut().fars[far];
        known.reads = reads;
        known.stalled |= !reads;
        let peer = known.peer;
        if let FarEnd::There(peer) = &mut self.peers[peer] {
            peer.reads = reads;
        }
    }

    fn dial(&mut self) {
        let Some(stream) = self
            .listening
            .and_then(|address| dial(address, self.narrow).ok())
        else {
            return; // nobody listens any more
        };
        let port = stream.local_addr().expect("it is connected").port();
        let peer = self.peers.len();
        self.peers.push(FarEnd::There(PeerEnd::new(stream)));
        let state = self.reactor.state_mut();
        let far = state.model.far_opened(peer, true);
        state.callers.insert(port, far);
    }

    fn pass(&mut self, duration: Duration) {
        let start = Instant::now();
        while let Some(left) = duration.checked_sub(start.elapsed())
            && !left.is_zero()
        {
            self.turn(left);
        }
    }

    /// One turn of the peers, and one of the reactor; says whether anything has moved.
    fn turn(&mut self, limit: Duration) -> bool {
        self.stock_up();
        let mut moved = false;
        for far in 0..self.model().fars.len() {
            moved |= self.pump(far);
        }
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

    fn pump(&mut self, far: Id) -> bool {
        let model = &mut self.reactor.state_mut().model;
        pump(&mut self.peers[model.fars[far].peer], model, far)
    }

    /// Drives until nothing is owed and nothing moves.
    fn rest(&mut self) {
        let start = Instant::now();
        let mut moved = start;
        let mut quiet = 0;
        loop {
            let owed = self.debts();
            if quiet >= 2 && owed.is_empty() {
                break;
            }
            if quiet > TURNS && moved.elapsed() > PATIENCE || start.elapsed() > BOUND {
                for debt in owed {
                    self.model_mut()
                        .violated(format_args!("still owed: {debt}"));
                }
                break;
            }
            let limit = if quiet < 2 { Duration::ZERO } else { TURN };
            quiet += 1;
            if self.turn(limit) {
                quiet = 0;
                moved = Instant::now();
            }
            if !self.model().violations.is_empty() {
                break;
            }
        }
    }

    fn debts(&self) -> Vec<String> {
        self.model().debts(&sights(self.model(), &self.peers))
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
            mut peers,
            kept,
            dropped,
            ..
        } = self;
        drop(reactor);
        let mut model = kept.recv().expect("the reactor has dropped its state");
        if model.violations.is_empty() {
            settle_accounts(&mut model, &mut peers, &dropped);
        }
        let received = model.fars.iter().map(|far| match &peers[far.peer] {
            FarEnd::There(peer) => (peer.received.clone(), peer.end),
            FarEnd::Door(_) => (Vec::new(), None),
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
fn settle_accounts(model: &mut Model, peers: &mut [FarEnd], dropped: &AtomicUsize) {
    model.check_ended();
    let start = Instant::now();
    loop {
        for far in 0..model.fars.len() {
            pump(&mut peers[model.fars[far].peer], model, far);
        }
        let sights = sights(model, peers);
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
