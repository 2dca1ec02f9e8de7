//! Many simulations, each from a seed of its own and with faults drawn from that seed, until one
//! fails. It must never let anything but the seed decide what a run does: not the thread that it
//! runs in, nor the runs before it.

mod again;
mod attempt;
mod failure;
mod mix;
mod progress;

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;

use super::faults::{Counts, Fault, Faults};
use super::simulation::Simulation;
use crate::Result;
use again::Again;
use attempt::{Attempt, Tell, keep_panics_quiet};
use mix::Part;
use progress::Progress;

pub use failure::Failure;

/// How many seeds are run if nobody says otherwise.
const SEEDS: u64 = 200;

/// Runs a scenario with many seeds, on all cores, until one fails.
///
/// A scenario sets hosts up in a [`Simulation`], lets time pass, and checks: by `Err`, or by a
/// panic in itself or in a handler. The faults are drawn from the seed and set before it begins:
/// about half of the kinds are off in each run, so that one kind cannot hide what another one
/// would bring out, and the others have rates from rare to wild; latencies, bandwidth, the sizes of
/// buffers and backlogs are drawn too (swarm testing: Groce and others, "Swarm Testing", ISSTA
/// 2012). A scenario that wants a calm end calls [`Simulation::faults`] itself.
///
/// ```
/// use std::time::Duration;
/// use switchboard::sim::{Fault, Swarm};
/// # use switchboard::{Context, Handler, Result, Stream};
/// # struct Echo;
/// # impl Handler<()> for Echo {
/// #     fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, s: Stream) -> Result {
/// #         cx.register(s, Echo).map(drop)
/// #     }
/// # }
///
/// // In a test of this name:
/// Swarm::new("the_server_survives").without(Fault::Crash).seeds(20).check(|sim| {
///     sim.host("server", || (), |reactor| reactor.listen("0.0.0.0:80", Echo).map(drop))?;
///     sim.run_for(Duration::from_secs(60))
/// });
/// ```
///
/// The environment overrides what the test says:
///
/// | variable | meaning |
/// |---|---|
/// | `SWITCHBOARD_SEEDS=100000` | so many seeds, from 0 on |
/// | `SWITCHBOARD_SECONDS=600` | seeds from a random one on, for so long |
/// | `SWITCHBOARD_SEED=7` | this seed alone; its story is printed |
/// | `SWITCHBOARD_WITHOUT=split,latency` | with `SWITCHBOARD_SEED`: parts of its mix to leave out |
#[derive(Clone, Debug)]
#[must_use]
pub struct Swarm {
    name: String,
    command: String,
    first: u64,
    seeds: Option<u64>,
    time: Option<Duration>,
    threads: usize,
    without: Vec<Fault>,
    again: Again,
}

/// A run of a [`Swarm`] in which nothing failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Passed {
    /// How many seeds were run.
    pub seeds: u64,
    /// How long it took, on the wall clock.
    pub took: Duration,
    /// How often each fault has happened, in all runs together.
    pub counts: Counts,
    /// Of the hashes of all logs (their exclusive or): equal for the same seeds of the same
    /// program.
    pub digest: u128,
}

/// What one thread of a swarm has seen, or all of them.
#[derive(Default)]
struct Seen {
    seeds: u64,
    counts: Counts,
    digest: u128,
    /// The smallest seed that failed.
    failed: Option<(u64, Attempt)>,
}

/// What the threads share.
struct Course {
    next: AtomicU64,
    /// The seed behind the last one.
    end: u64,
    until: Option<Instant>,
    stop: AtomicBool,
}

impl Swarm {
    /// A swarm for the test called `name`, which is said in how to run a failure again. It tries
    /// 200 seeds if nothing else is said, here or in the environment.
    ///
    /// # Panics
    /// One of the environment's variables is malformed.
    pub fn new(name: &str) -> Swarm {
        Swarm {
            name: name.to_owned(),
            command: format!("cargo test {name}"),
            first: 0,
            seeds: None,
            time: None,
            threads: thread::available_parallelism().map_or(1, NonZero::get),
            without: Vec::new(),
            again: Again::from_environment(),
        }
    }

    /// How many seeds to run, from 0 on.
    pub fn seeds(mut self, seeds: u64) -> Swarm {
        self.seeds = Some(seeds);
        self
    }

    /// For how long to run, on the wall clock; with [`seeds`](Self::seeds), whatever ends first.
    pub fn time(mut self, time: Duration) -> Swarm {
        self.time = Some(time);
        self
    }

    /// The first seed, in place of 0.
    pub fn from_seed(mut self, seed: u64) -> Swarm {
        self.first = seed;
        self
    }

    /// The command that runs this swarm, for how to run a failure again: `cargo test` and the name
    /// if nothing is said.
    pub fn command(mut self, command: &str) -> Swarm {
        command.clone_into(&mut self.command);
        self
    }

    /// Leaves a kind of fault out of all mixes, as one that the scenario cannot survive.
    pub fn without(mut self, fault: Fault) -> Swarm {
        self.without.push(fault);
        self
    }

    /// Leaves all kinds of fault but these out of all mixes.
    pub fn only(mut self, faults: &[Fault]) -> Swarm {
        let others = Fault::ALL
            .into_iter()
            .filter(|fault| !faults.contains(fault));
        self.without.extend(others);
        self
    }

    /// Runs the seeds; a failure is shrunk to the faults that it needs.
    ///
    /// The scenario runs in several threads, one simulation in each. What panics there is part of
    /// the result and not printed; the hook for panics that does so stays in place.
    ///
    /// # Errors
    /// The smallest seed that failed.
    ///
    /// # Panics
    /// No thread can be started.
    pub fn run(
        &self,
        scenario: impl Fn(&mut Simulation) -> Result + Sync,
    ) -> Result<Passed, Box<Failure>> {
        let start = Instant::now();
        if let Some(seed) = self.again.seed {
            return self.run_one(seed, &scenario, start);
        }
        let seen = self.run_many(&scenario, start);
        match seen.failed {
            None => Ok(Passed {
                seeds: seen.seeds,
                took: start.elapsed(),
                counts: seen.counts,
                digest: seen.digest,
            }),
            Some((seed, attempt)) => {
                let failure = Failure::new(self, seed, attempt, seen.seeds);
                self.again
                    .say(&format!("{}\nshrinking ...", failure.head()));
                Err(Box::new(self.shrink(failure, &scenario)))
            }
        }
    }

    /// As [`run`](Self::run), for a test.
    ///
    /// # Panics
    /// A seed failed; the text says which, how to run it again, and what happened.
    pub fn check(&self, scenario: impl Fn(&mut Simulation) -> Result + Sync) -> Passed {
        match self.run(scenario) {
            Ok(passed) => passed,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// The seeds that fail, all of them: to see how likely a scenario finds a known bug. Neither
    /// the variables of the environment nor [`time`](Self::time) matter.
    ///
    /// # Panics
    /// No thread can be started.
    pub fn survey(&self, scenario: impl Fn(&mut Simulation) -> Result + Sync) -> Vec<u64> {
        let first = self.first;
        let next = AtomicU64::new(first);
        let end = first.saturating_add(self.seeds.unwrap_or(SEEDS));
        let work = || {
            let mut failed = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return failed;
                }
                let attempt = Attempt::new(seed, &self.mix(seed), &scenario, Tell::Failures);
                if attempt.error.is_some() {
                    failed.push(seed);
                }
            }
        };
        let mut failed: Vec<u64> = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| self.spawn(scope, work)).collect();
            let seeds = threads.into_iter().flat_map(|thread| {
                let failed = thread.join();
                failed.unwrap_or_else(|panic| resume_unwind(panic))
            });
            seeds.collect()
        });
        failed.sort_unstable();
        failed
    }

    /// The faults of a seed.
    fn mix(&self, seed: u64) -> Faults {
        let mut faults = Faults::drawn(seed);
        for fault in &self.without {
            faults.set(*fault, 0.0);
        }
        for part in &self.again.without {
            part.remove(&mut faults);
        }
        faults
    }

    fn run_one(
        &self,
        seed: u64,
        scenario: &(impl Fn(&mut Simulation) -> Result + Sync),
        start: Instant,
    ) -> Result<Passed, Box<Failure>> {
        let mix = self.mix(seed);
        println!("{}, seed {seed}, with {}", self.name, mix.describe());
        let attempt = Attempt::new(seed, &mix, scenario, Tell::All);
        println!("{}log {:032x}", attempt.story, attempt.hash);
        if attempt.error.is_some() {
            return Err(Box::new(Failure::new(self, seed, attempt, 1)));
        }
        Ok(Passed {
            seeds: 1,
            took: start.elapsed(),
            counts: attempt.counts,
            digest: attempt.hash,
        })
    }

    fn course(&self, start: Instant) -> Course {
        let Again { seeds, time, .. } = self.again;
        let (first, seeds, time) = match (seeds, time) {
            (None, None) => (self.first, self.seeds, self.time),
            // Whoever gives it time wants to find what is not known yet.
            (None, Some(_)) => (fastrand::u64(..1 << 48), None, time),
            (Some(_), _) => (self.first, seeds, time),
        };
        let seeds = match (seeds, time) {
            (Some(seeds), _) => seeds,
            (None, Some(_)) => u64::MAX,
            (None, None) => SEEDS,
        };
        Course {
            next: AtomicU64::new(first),
            end: first.saturating_add(seeds),
            until: time.map(|time| start + time),
            stop: AtomicBool::new(false),
        }
    }

    fn run_many(
        &self,
        scenario: &(impl Fn(&mut Simulation) -> Result + Sync),
        start: Instant,
    ) -> Seen {
        let course = self.course(start);
        let progress = Progress::new(&self.name, &course, self.again.is_asked_for());
        let (working, ended) = unbounded();
        thread::scope(|scope| {
            let start = |_| {
                let (working, course) = (working.clone(), &course);
                self.spawn(scope, move || {
                    let seen = self.work(course, scenario);
                    drop(working);
                    seen
                })
            };
            let threads: Vec<_> = (0..self.threads).map(start).collect();
            drop(working);
            progress.show(&ended);
            let mut all = Seen::default();
            for thread in threads {
                all.add(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            all
        })
    }

    /// What one thread does: one seed after another. All seeds below one that has failed are run,
    /// so that the smallest is found, whoever is faster.
    fn work(
        &self,
        course: &Course,
        scenario: &(impl Fn(&mut Simulation) -> Result + Sync),
    ) -> Seen {
        let mut seen = Seen::default();
        while !course.stop.load(Ordering::Relaxed)
            && course.until.is_none_or(|until| Instant::now() < until)
        {
            let seed = course.next.fetch_add(1, Ordering::Relaxed);
            if seed >= course.end {
                break;
            }
            let attempt = Attempt::new(seed, &self.mix(seed), scenario, Tell::Failures);
            seen.seeds += 1;
            seen.counts.add(&attempt.counts);
            seen.digest ^= attempt.hash;
            if attempt.error.is_some() {
                course.stop.store(true, Ordering::Relaxed);
                seen.failed = Some((seed, attempt));
            }
        }
        seen
    }

    /// Leaves out one part of the mix after another while the seed goes on failing.
    fn shrink(
        &self,
        mut failure: Failure,
        scenario: &(impl Fn(&mut Simulation) -> Result + Sync),
    ) -> Failure {
        thread::scope(|scope| {
            let shrink = || {
                while self.shrink_once(&mut failure, scenario) {}
                failure
            };
            let thread = self.spawn(scope, shrink);
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Tries each part that is left. Whether one could be left out: then others may have become
    /// superfluous.
    fn shrink_once(
        &self,
        failure: &mut Failure,
        scenario: &(impl Fn(&mut Simulation) -> Result + Sync),
    ) -> bool {
        let mut shrunk = false;
        for part in Part::all() {
            let mut less = failure.left.clone();
            part.remove(&mut less);
            if less == failure.left {
                continue;
            }
            let attempt = Attempt::new(failure.seed, &less, scenario, Tell::Failures);
            failure.tries += 1;
            if attempt.error.is_some() {
                failure.shrink_to(part, less, attempt);
                shrunk = true;
            }
        }
        shrunk
    }

    /// A thread for simulations.
    fn spawn<'scope, T: Send + 'scope>(
        &self,
        scope: &'scope thread::Scope<'scope, '_>,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> thread::ScopedJoinHandle<'scope, T> {
        let thread = thread::Builder::new().name(self.name.clone());
        let started = thread.spawn_scoped(scope, || {
            keep_panics_quiet();
            work()
        });
        started.expect("the system has a thread for the swarm")
    }
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.seeds += other.seeds;
        self.counts.add(&other.counts);
        self.digest ^= other.digest;
        let seed =
            |failed: &Option<(u64, Attempt)>| failed.as_ref().map_or(u64::MAX, |(seed, _)| *seed);
        if seed(&other.failed) < seed(&self.failed) {
            self.failed = other.failed;
        }
    }
}
