//! One reactor per core: each in a thread of its own, with its own state, sources and listening
//! sockets. It must never move a source or a message from one to another: they talk by `Remote`.

use std::sync::Arc;
use std::thread::{self, Scope};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::closing::Joint;
use crate::guard::guard;
use crate::{
    Address, Builder, Error, Listener, Reactor, Remote, Result, ShutdownHandle, ToEndpoint,
};

/// Several reactors, each in a thread of its own, that start, work and end together.
///
/// Each has its own listening sockets on the same ports (`SO_REUSEPORT`): on Linux the kernel
/// spreads new connections over them, elsewhere it may give them all to one. A connection stays
/// with the reactor that accepted it, so there is no lock on the way of a message, and handlers
/// and state need not be `Send`: they are made in the thread that they stay in. What one reactor
/// has for another goes through its [`Remote`].
///
/// ```
/// use switchboard::{Context, Handler, ReactorGroup, Result, Stream};
///
/// struct Echo;
///
/// impl Handler<u64> for Echo {
///     fn handle_accepted(&mut self, count: &mut u64, cx: &mut Context<'_, u64>, stream: Stream) -> Result {
///         *count += 1; // of this reactor: nobody else sees it
///         cx.register(stream, Echo).map(drop)
///     }
///
///     fn handle_read(&mut self, _: &mut u64, cx: &mut Context<'_, u64>) -> Result {
///         let data = cx.recv(usize::MAX);
///         cx.send(data)
///     }
/// }
///
/// let mut group = ReactorGroup::new(2);
/// println!("listening on {}", group.bind("localhost:0")?);
/// let shutdown = group.shutdown_handle();
/// # shutdown.shutdown();
/// group.run(
///     |_| 0, // the state of each
///     |reactor, mut member| {
///         for listener in member.take_listeners() {
///             reactor.listen_on(listener, Echo)?;
///         }
///         Ok(())
///     },
/// )?; // until `shutdown` is used, in whichever thread
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Debug)]
pub struct ReactorGroup {
    builder: Builder,
    name: String,
    /// What each reactor listens on.
    listeners: Vec<Vec<Listener>>,
    is_pinned: bool,
    stop: Arc<Joint>,
}

/// What the setup of one reactor of a group is told of the others, and what it listens on.
#[derive(Debug)]
pub struct Member<S: 'static> {
    index: usize,
    remotes: Arc<[Remote<S>]>,
    listeners: Vec<Listener>,
    stop: Arc<Joint>,
}

impl<S: 'static> Member<S> {
    /// Which reactor of the group this is, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Ways to run closures in all reactors of the group, in their order; that of this one
    /// included. Clone the `Arc` to keep it in a handler or in the state. While anybody has it,
    /// no reactor of the group ends for lack of sources.
    pub fn remotes(&self) -> &Arc<[Remote<S>]> {
        &self.remotes
    }

    /// This reactor's share of what was [bound](ReactorGroup::bind), in that order. The second
    /// call gives nothing; what is not taken is closed.
    pub fn take_listeners(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.listeners)
    }

    /// A way to shut the whole group down.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle::of_all(&self.stop)
    }
}

impl ReactorGroup {
    /// A group of so many reactors (at least 1), with the default bounds each.
    pub fn new(reactors: usize) -> ReactorGroup {
        ReactorGroup {
            builder: Reactor::builder(),
            name: "switchboard".to_owned(),
            listeners: (0..reactors.max(1)).map(|_| Vec::new()).collect(),
            is_pinned: false,
            stop: Arc::default(),
        }
    }

    /// As many reactors as this process may use processors.
    ///
    /// # Errors
    /// The system does not tell how many those are.
    pub fn per_core() -> Result<ReactorGroup> {
        Ok(ReactorGroup::new(thread::available_parallelism()?.get()))
    }

    /// The bounds and the driver of each reactor. A [seed](Builder::seed) is that of the first;
    /// the second has the next number, and so on.
    #[must_use]
    pub fn builder(mut self, builder: Builder) -> ReactorGroup {
        self.builder = builder;
        self
    }

    /// What the threads are called, with their numbers behind it: `switchboard-0` by default.
    /// Linux shows 15 bytes of it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> ReactorGroup {
        self.name = name.into();
        self
    }

    /// Whether each reactor keeps to one processor of those that this process may use, in turn
    /// (default false: the system moves threads as it likes). The threads that run a reactor's
    /// jobs and look-ups are started by it, so they keep to the same one.
    ///
    /// # Platforms
    /// Linux.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn pinned(mut self, is_pinned: bool) -> ReactorGroup {
        self.is_pinned = is_pinned;
        self
    }

    /// Listens on every address that `endpoint` names, once for each reactor, and gives the first
    /// address; port 0 is one that is free, and the same for all. A port that somebody listens on
    /// is taken, another group's too. Blocks while a name is looked up. From now on the kernel
    /// accepts connections, for reactors that begin with [`run`](Self::run).
    ///
    /// # Errors
    /// An address that cannot be bound; a Unix socket, which cannot be listened on twice: have one
    /// reactor listen, and hand streams to others through their remotes.
    pub fn bind(&mut self, endpoint: impl ToEndpoint) -> Result<Address> {
        let listeners = Listener::bind_several(endpoint, self.listeners.len())?;
        let address = listeners[0].local()?; // a group has one reactor at least
        self.listen_on(listeners)?;
        Ok(address)
    }

    /// Gives these listeners to the reactors, in turn: those that were
    /// [bound](Listener::bind_several) for them, inherited from a
    /// [service manager](crate::service), or taken over in an [upgrade](crate::upgrade). If there are
    /// fewer than reactors, some are listened on by several: so a single Unix socket can serve all. A
    /// system call for each of those.
    ///
    /// # Errors
    /// There is none to give; no descriptor is left; one is [simulated](crate::sim).
    pub fn listen_on(&mut self, mut listeners: Vec<Listener>) -> Result {
        let (count, reactors) = (listeners.len(), self.listeners.len());
        if count == 0 {
            return Err(Error::other(
                "there is no listener that a group could serve",
            ));
        }
        for index in count..reactors {
            let duplicate = listeners[index % count].duplicate()?;
            listeners.push(duplicate);
        }
        for (index, listener) in listeners.into_iter().enumerate() {
            self.listeners[index % reactors].push(listener);
        }
        Ok(())
    }

    /// A way to shut all reactors down, from any thread, before or while they run.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle::of_all(&self.stop)
    }

    /// Starts all reactors and waits until the last has ended. `state` makes the state of each,
    /// and `setup`, which is called when all are there, registers its sources; both run in the
    /// reactor's own thread.
    ///
    /// A reactor ends as in [`Reactor::run`]; those that still have something to do go on. A shutdown
    /// of one of them, by whatever [`ShutdownHandle`], is that of all. If one ends by an error or a
    /// panic, the others are shut down: none serves on with a part of the group missing.
    ///
    /// # Errors
    /// [`Error::Member`] with the first reactor that failed, and why: it could not be built, its
    /// setup or its `run` returned an error, or something in its thread panicked (a handler's panic
    /// is that only under [`OnPanic::Stop`](crate::OnPanic::Stop)). A group cannot be
    /// [recorded](Builder::record).
    pub fn run<S: 'static>(
        self,
        state: impl Fn(usize) -> S + Sync,
        setup: impl Fn(&mut Reactor<S>, Member<S>) -> Result + Sync,
    ) -> Result {
        if self.builder.has_tape() {
            let text = "a recording is of one reactor: record without a group, or one of its own";
            return Err(Error::other(text));
        }
        let processors = match self.is_pinned {
            true => pinning::processors()?,
            false => Vec::new(),
        };
        let (news, heard) = unbounded(); // each reactor has two things to tell at most
        let body = |place: Place<S>| place.run(&state, &setup);
        thread::scope(|scope| {
            let mut gates = Vec::new();
            for (index, listeners) in self.listeners.into_iter().enumerate() {
                let (gate, opens) = bounded(1);
                gates.push(gate);
                let place = Place {
                    index,
                    builder: self.builder.clone().seed_of_member(index),
                    processor: processors.get(index % processors.len().max(1)).copied(),
                    listeners,
                    stop: Arc::clone(&self.stop),
                    news: news.clone(),
                    opens,
                };
                let name = format!("{}-{index}", self.name);
                if let Err(error) = spawn(scope, name, move || body(place)) {
                    // The one that would have told it is gone, so nobody else does.
                    let _ = news.send((index, News::Ended(Err(error.into()))));
                }
            }
            drop(news);
            supervise(&heard, gates, &self.stop)
        })
    }
}

fn spawn<'s>(
    scope: &'s Scope<'s, '_>,
    name: String,
    body: impl FnOnce() + Send + 's,
) -> std::io::Result<()> {
    thread::Builder::new()
        .name(name)
        .spawn_scoped(scope, body)
        .map(drop)
}

enum News<S: 'static> {
    /// The reactor is there.
    Built(Remote<S>),
    /// Its thread ends.
    Ended(Result),
}

/// Lets the setups begin when all reactors are there, and ends all when one ends.
fn supervise<S: 'static>(
    heard: &Receiver<(usize, News<S>)>,
    mut gates: Vec<Sender<Arc<[Remote<S>]>>>,
    stop: &Joint,
) -> Result {
    let mut remotes: Vec<Option<Remote<S>>> = gates.iter().map(|_| None).collect();
    let mut missing = gates.len();
    let mut outcome = Ok(());
    while let Ok((index, news)) = heard.recv() {
        match news {
            News::Built(remote) => {
                remotes[index] = Some(remote);
                missing -= 1;
                if missing == 0 {
                    let all: Arc<[Remote<S>]> = remotes.drain(..).flatten().collect();
                    for gate in gates.drain(..) {
                        let _ = gate.send(Arc::clone(&all)); // one that has ended needs none
                    }
                }
            }
            News::Ended(Ok(())) => {}
            News::Ended(Err(error)) => {
                gates.clear(); // who still waits for this one waits in vain
                stop.shutdown();
                if outcome.is_ok() {
                    let error = Box::new(error);
                    outcome = Err(Error::Member { index, error });
                }
            }
        }
    }
    outcome
}

/// One reactor's thread, before it runs.
struct Place<S: 'static> {
    index: usize,
    builder: Builder,
    processor: Option<usize>,
    listeners: Vec<Listener>,
    stop: Arc<Joint>,
    news: Sender<(usize, News<S>)>,
    opens: Receiver<Arc<[Remote<S>]>>,
}

impl<S: 'static> Place<S> {
    fn run(
        self,
        state: &impl Fn(usize) -> S,
        setup: &impl Fn(&mut Reactor<S>, Member<S>) -> Result,
    ) {
        let (index, news) = (self.index, self.news.clone());
        let result = guard(|| self.work(state, setup));
        let result = result.unwrap_or_else(|message| Err(Error::Panicked(message)));
        let _ = news.send((index, News::Ended(result)));
    }

    fn work(
        self,
        state: &impl Fn(usize) -> S,
        setup: &impl Fn(&mut Reactor<S>, Member<S>) -> Result,
    ) -> Result {
        if let Some(processor) = self.processor {
            pinning::keep_to(processor)?;
        }
        let mut reactor = self.builder.build(state(self.index))?;
        reactor.join(&self.stop);
        let built = News::Built(reactor.remote());
        let _ = self.news.send((self.index, built));
        drop(self.news);
        let Ok(remotes) = self.opens.recv() else {
            return Ok(()); // another one could not be built
        };
        let member = Member {
            index: self.index,
            remotes,
            listeners: self.listeners,
            stop: self.stop,
        };
        setup(&mut reactor, member)?;
        reactor.run()
    }
}

#[cfg(target_os = "linux")]
mod pinning {
    use std::io;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// Those that this process may use.
    pub(super) fn processors() -> io::Result<Vec<usize>> {
        let allowed = sched_getaffinity(None)?;
        let all = 0..CpuSet::MAX_CPU;
        Ok(all.filter(|cpu| allowed.is_set(*cpu)).collect())
    }

    /// Has this thread run on one processor only.
    pub(super) fn keep_to(processor: usize) -> io::Result<()> {
        let mut only = CpuSet::new();
        only.set(processor);
        Ok(sched_setaffinity(None, &only)?)
    }
}

/// Nobody can ask for it there.
#[cfg(not(target_os = "linux"))]
mod pinning {
    use std::io;

    pub(super) fn processors() -> io::Result<Vec<usize>> {
        Ok(Vec::new())
    }

    pub(super) fn keep_to(_: usize) -> io::Result<()> {
        Ok(())
    }
}
