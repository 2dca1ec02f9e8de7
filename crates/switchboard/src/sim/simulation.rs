//! The simulation as a test sees it: hosts, the passing of time, and what has happened. It must
//! never let a host run while another one does, nor while it is down or paused.

use std::fmt;
use std::time::Duration;

use super::action::Action;
use super::disk::Disk;
use super::faults::{Counts, Faults};
use super::host::{Host, HostId, ProgramOf};
use super::schedule::Running;
use super::script;
use super::socket::{Socket, SocketListener};
use super::world::{Deed, Event, Shared, World, perform};
use crate::driver::{Driver, Simulated};
use crate::{Builder, LoopContext, OnPanic, Reactor, Result, Stream, Time, ToEndpoint};

/// How much virtual time `run_until` lets pass at most.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A world of hosts that repeats exactly from its seed.
///
/// Each host has a reactor of its own, and the same handlers that run on a real network. Time is
/// virtual and jumps to whatever happens next, so a minute costs no more than what happens in it.
/// Latencies, faults, the order of simultaneous events and [`LoopContext::random`] are drawn from
/// the seed; `now`, `wall_time`, timers, jobs, look-ups of names and posted closures follow the
/// virtual clock.
///
/// ```
/// use std::time::Duration;
/// use switchboard::sim::Simulation;
/// use switchboard::{Context, Handler, Result, Stream};
///
/// struct Echo;
/// impl Handler<()> for Echo {
///     fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, s: Stream) -> Result {
///         cx.register(s, Echo).map(drop)
///     }
///     fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
///         let data = cx.recv(8192);
///         cx.send(data)
///     }
/// }
///
/// struct Client;
/// impl Handler<Vec<u8>> for Client {
///     fn handle_connect(&mut self, _: &mut Vec<u8>, cx: &mut Context<'_, Vec<u8>>) -> Result {
///         cx.send("hello")
///     }
///     fn handle_read(&mut self, got: &mut Vec<u8>, cx: &mut Context<'_, Vec<u8>>) -> Result {
///         got.extend_from_slice(cx.recv(8192));
///         Ok(())
///     }
/// }
///
/// let mut sim = Simulation::new(42);
/// sim.host("server", || (), |reactor| reactor.listen("0.0.0.0:8080", Echo).map(drop))?;
/// let client = sim.host("client", Vec::new, |reactor| {
///     reactor.connect("server:8080", Client).map(drop)
/// })?;
/// sim.run_for(Duration::from_secs(60))?;
/// assert_eq!(sim.state(client), b"hello");
/// println!("{}", sim.story());
/// # Ok::<(), switchboard::Error>(())
/// ```
pub struct Simulation {
    pub(super) world: Shared,
    pub(super) hosts: Vec<Running>,
}

impl Simulation {
    /// An empty world; everything random in it comes from `seed`.
    pub fn new(seed: u64) -> Simulation {
        Simulation {
            world: World::new(seed).into_shared(),
            hosts: Vec::new(),
        }
    }

    /// The seed that it was made with.
    pub fn seed(&self) -> u64 {
        self.world.borrow().dice.seed()
    }

    /// Sets how the network is, and what goes wrong from now on.
    pub fn faults(&mut self, faults: Faults) -> &mut Simulation {
        let mut world = self.world.borrow_mut();
        world.faults = faults;
        world.heed_rates();
        drop(world);
        self
    }

    /// How the network is now, and what goes wrong.
    pub fn current_faults(&self) -> Faults {
        self.world.borrow().faults.clone()
    }

    /// How often each fault has happened.
    pub fn counts(&self) -> Counts {
        let world = self.world.borrow();
        let mut counts = world.counts.clone();
        for machine in &world.machines {
            machine.disk.add_counts(&mut counts);
        }
        counts
    }

    /// Adds a host with a name and an address (10.0.0.1 and so on), and starts it: makes its state
    /// and its reactor, and calls `boot`, which sets up listeners, connections and timers. Both
    /// are called again whenever the host is started again after a crash.
    ///
    /// A panic in one of its handlers ends the run with an error ([`OnPanic::Stop`]): for a test,
    /// use `assert` in handlers as you please.
    ///
    /// # Errors
    /// What `boot` returns, or that the name is taken.
    pub fn host<S: 'static>(
        &mut self,
        name: &str,
        state: impl FnMut() -> S + 'static,
        boot: impl FnMut(&mut Reactor<S>) -> Result + 'static,
    ) -> Result<Host<S>> {
        let builder = Reactor::builder().on_panic(OnPanic::Stop);
        self.host_with(name, builder, state, boot)
    }

    /// As [`host`](Self::host), with other bounds than the default ones. The builder's seed is
    /// not used: it comes from the simulation's.
    ///
    /// # Errors
    /// As [`host`](Self::host).
    pub fn host_with<S: 'static>(
        &mut self,
        name: &str,
        builder: Builder,
        state: impl FnMut() -> S + 'static,
        boot: impl FnMut(&mut Reactor<S>) -> Result + 'static,
    ) -> Result<Host<S>> {
        let machine = {
            let mut world = self.world.borrow_mut();
            let machine = world.add_machine(name);
            if std::mem::replace(&mut world.machine_mut(machine).is_host, true) {
                return Err(format!("there is a host called {name:?} already").into());
            }
            world.heed_rates();
            machine
        };
        self.hosts.push(Running {
            machine,
            program: Box::new(ProgramOf {
                machine,
                builder,
                state: Box::new(state),
                boot: Box::new(boot),
                reactor: None,
            }),
            wakes: None,
            busy_until: Time::ZERO,
        });
        self.start_host(self.hosts.len() - 1)?;
        Ok(Host::new(machine))
    }

    fn start_host(&mut self, index: usize) -> Result {
        let host = &mut self.hosts[index];
        host.wakes = Some(self.world.borrow().now);
        let outcome = host.program.start(&self.world);
        outcome.map_err(|error| self.failure(index, &error))
    }

    /// A reactor on a machine of this world that the caller runs: while it waits in
    /// [`turn`](Reactor::turn), the world's time passes, though not for [hosts](Self::host). For
    /// tests that drive one reactor step by step, together with [sockets](Self::pair).
    ///
    /// # Errors
    /// What the system reports.
    pub fn reactor<S: 'static>(
        &mut self,
        machine: &str,
        builder: Builder,
        state: S,
    ) -> Result<Reactor<S>> {
        let machine = self.world.borrow_mut().add_machine(machine);
        let seed = self.world.borrow_mut().start(machine);
        let driver = Driver::Simulated(Simulated::new(self.world.clone(), machine, true)?);
        Ok(Reactor::with_driver(
            builder.simulated(seed)?,
            state,
            driver,
        ))
    }

    /// A connection that is there already: one end for a reactor on the machine `near`, the other
    /// one, on the machine `far`, for the test to read and write itself.
    pub fn pair(&mut self, near: &str, far: &str) -> (Stream, Socket) {
        let mut world = self.world.borrow_mut();
        let (near, far) = (world.add_machine(near), world.add_machine(far));
        let (stream, socket) = world.pair(near, far);
        drop(world);
        (Stream::simulated(stream), Socket::new(&self.world, socket))
    }

    /// Begins a connection from a machine to an address, for the test to read and write itself.
    /// It is there when enough time has passed.
    ///
    /// # Errors
    /// The address is malformed, or its name unknown.
    pub fn dial(&mut self, machine: &str, to: impl ToEndpoint) -> Result<Socket> {
        let endpoint = to.to_endpoint()?;
        let mut world = self.world.borrow_mut();
        let machine = world.add_machine(machine);
        let address = world.look_up(&endpoint)?[0];
        let end = world.connect(machine, address);
        drop(world);
        Ok(Socket::new(&self.world, end))
    }

    /// Listens on a machine, for the test to accept itself; port 0 is any that is free.
    ///
    /// # Errors
    /// The address is malformed or not the machine's, its name is unknown, or the port is taken.
    pub fn listen(&mut self, machine: &str, on: impl ToEndpoint) -> Result<SocketListener> {
        let endpoint = on.to_endpoint()?;
        let mut world = self.world.borrow_mut();
        let machine = world.add_machine(machine);
        let address = world.look_up(&endpoint)?[0];
        let (listener, address) = world.bind(machine, &[address])?[0];
        drop(world);
        Ok(SocketListener::new(&self.world, listener, address))
    }

    /// Lets `duration` pass.
    ///
    /// # Errors
    /// A host could not be started again, or failed: a handler panicked (see
    /// [`host`](Self::host)). The text names the host, the moment and the seed.
    pub fn run_for(&mut self, duration: Duration) -> Result {
        let until = self.now() + duration;
        self.run(until, |_| false)?;
        self.world.borrow_mut().now = until;
        Ok(())
    }

    /// Lets time pass until `done` holds, which is asked after each event.
    ///
    /// # Errors
    /// As [`run_for`](Self::run_for); that an hour has passed, or nothing is left to happen, and
    /// it does not hold.
    pub fn run_until(&mut self, done: impl FnMut(&Simulation) -> bool) -> Result {
        let until = self.now() + PATIENCE;
        if self.run(until, done)? {
            return Ok(());
        }
        let why = match self.world.borrow().agenda.next_at() {
            Some(_) => "an hour of virtual time has passed",
            None => "nothing is left to happen",
        };
        let (seed, story) = (self.seed(), self.story());
        Err(format!("{why} in vain (seed {seed}); the story:\n{story}").into())
    }

    /// The state of a host.
    ///
    /// # Panics
    /// If the host is down: see [`is_up`](Self::is_up).
    pub fn state<S: 'static>(&self, host: Host<S>) -> &S {
        let program = self.running(host.id()).program.as_any();
        let reactor = program
            .downcast_ref::<ProgramOf<S>>()
            .and_then(|program| program.reactor.as_ref());
        reactor
            .expect("a host that is down has no state: see `is_up`")
            .state()
    }

    /// The state of a host, and what a handler of it could ask for: to have it send or connect
    /// now. As [`Reactor::with`].
    ///
    /// # Panics
    /// If the host is down: see [`is_up`](Self::is_up).
    pub fn with<S: 'static, T>(
        &mut self,
        host: Host<S>,
        ask: impl FnOnce(&mut S, &mut LoopContext<'_, S>) -> T,
    ) -> T {
        let index = self.index(host.id());
        let running = &mut self.hosts[index];
        let program = running.program.as_any_mut().downcast_mut::<ProgramOf<S>>();
        let reactor = program.and_then(|program| program.reactor.as_mut());
        let result = reactor
            .expect("a host that is down has no state: see `is_up`")
            .with(ask);
        running.wakes = Some(self.world.borrow().now);
        result
    }

    /// Whether a host runs, or would if it were not paused.
    pub fn is_up(&self, host: impl Into<HostId>) -> bool {
        self.world.borrow().machine(host.into().0).up
    }

    fn index_of(&self, host: HostId) -> Option<usize> {
        let mut hosts = self.hosts.iter();
        hosts.position(|running| running.machine == host.0)
    }

    fn index(&self, host: HostId) -> usize {
        self.index_of(host)
            .expect("the host belongs to this simulation")
    }

    fn running(&self, host: HostId) -> &Running {
        &self.hosts[self.index(host)]
    }

    /// How much time has passed since the beginning.
    pub fn now(&self) -> Time {
        self.world.borrow().now
    }

    /// A hash of all that has happened, with every byte and its moment: equal for two runs of the
    /// same program with the same seed, in any process.
    pub fn log_hash(&self) -> u128 {
        self.world.borrow().story.hash()
    }

    /// What has happened, a line for each event with its moment in virtual time: the last 10,000.
    pub fn story(&self) -> String {
        let world = self.world.borrow();
        world.story.text(|id| world.machine(id).name.clone())
    }

    /// Takes the power from a host: its reactor and its state are gone without a call, its
    /// connections without a packet. Does nothing if it is down.
    pub fn crash(&mut self, host: impl Into<HostId>) {
        let id = host.into();
        if self.world.borrow_mut().power_off(id.0)
            && let Some(index) = self.index_of(id)
        {
            self.hosts[index].program.power_off();
        }
    }

    /// Starts a host again that is down. Does nothing if it is up.
    ///
    /// # Errors
    /// What its boot closure returns.
    pub fn restart(&mut self, host: impl Into<HostId>) -> Result {
        let id = host.into();
        if self.is_up(id) {
            return Ok(());
        }
        if let Some(index) = self.index_of(id) {
            return self.start_host(index);
        }
        self.world.borrow_mut().start(id.0); // sockets of a test are all that was there
        Ok(())
    }

    /// Does something to the world, now.
    ///
    /// # Errors
    /// A host could not be started again.
    pub fn act(&mut self, action: Action) -> Result {
        let deed = self.world.borrow_mut().act(action);
        deed.map_or(Ok(()), |deed| self.perform(deed))
    }

    /// Does something to the world when `at` has passed since the beginning.
    pub fn at(&mut self, at: Duration, action: Action) -> &mut Simulation {
        let mut world = self.world.borrow_mut();
        world.agenda.push(Time::ZERO + at, Event::Act(action));
        drop(world);
        self
    }

    /// Reads what is to be done to the world, one action for each line (or between semicolons).
    /// Times count from the beginning; what lasts `for` some time ends by itself.
    ///
    /// | action | what it does |
    /// |---|---|
    /// | `partition {a} from {b, c}` | nothing gets from one side to the other |
    /// | `partition {a} to {b}` | what `a` sends does not get to `b` |
    /// | `heal` | everybody reaches everybody |
    /// | `crash {a}` | `a` loses its power; `for 2 s`: and is started again then |
    /// | `restart {a}` | starts it |
    /// | `pause {a}`, `resume {a}` | its reactor does not run, and does again |
    /// | `jump the clock of {a} by -5 s` | its wall clock |
    /// | `reset {a} and {b}` | all connections between them |
    /// | `half-open {a} and {b}` | nothing more arrives on the connections between them |
    /// | `set split to 0.5 on {a}` | any [`Fault`](super::Fault)'s rate; without `on`, for all |
    /// | `latency 1 ms to 20 ms`, `bandwidth 10000` | the network |
    ///
    /// ```
    /// # use switchboard::sim::Simulation;
    /// # let mut sim = Simulation::new(1);
    /// # for name in ["server", "client"] { sim.host(name, || (), |_| Ok(()))?; }
    /// sim.script(
    ///     "at 3 s, partition {server} from {client} for 500 ms
    ///      at 10 s, crash {server} for 1 s
    ///      at 20 s, set reset to 0.1 for 5 s",
    /// )?;
    /// let error = sim.script("at 3 s, crash {sever}").unwrap_err();
    /// assert!(error.to_string().contains("no host is called \"sever\""));
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// A line is not understood; the text says which, and what was expected. Nothing of the
    /// script is done then.
    pub fn script(&mut self, script: &str) -> Result<&mut Simulation> {
        for (at, action) in script::parse(script, &|name| self.host_called(name))? {
            self.at(at, action);
        }
        Ok(self)
    }

    /// The host (or other machine) of that name, without the type of its state.
    ///
    /// # Errors
    /// There is none; the text says which there are.
    pub fn host_called(&self, name: &str) -> Result<HostId> {
        let world = self.world.borrow();
        let id = world.machine_called(name).map(HostId);
        id.ok_or_else(|| {
            let names: Vec<&str> = world.machines.iter().map(|m| m.name.as_str()).collect();
            format!(
                "no host is called {name:?}; there are: {}",
                names.join(", ")
            )
            .into()
        })
    }

    pub(super) fn perform(&mut self, deed: Deed) -> Result {
        match deed {
            Deed::Crash(machine) => self.crash(HostId(machine)),
            Deed::Start(machine) => self.restart(HostId(machine))?,
            deed @ Deed::Job { .. } => perform(&self.world, deed),
        }
        Ok(())
    }

    /// The disk of the machine of that name, which may have no host yet: what is synced to it
    /// survives a crash. Give it to the host's state or handlers.
    pub fn disk(&mut self, machine: &str) -> Disk {
        let mut world = self.world.borrow_mut();
        let machine = world.add_machine(machine);
        world.machine(machine).disk.clone()
    }

    /// Raises a signal on a host. False if none of its sources catches it.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn signal(&mut self, host: impl Into<HostId>, signal: i32) -> bool {
        self.world.borrow_mut().raise(host.into().0, signal)
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed())
            .field("now", &self.now())
            .field("hosts", &self.hosts.len())
            .finish_non_exhaustive()
    }
}
