//! Serial lanes, as the program asks for them: jobs that keep their order, apart from all others.
//! It must never run a job: the driver does, in a thread of the lane's own or in virtual time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::Core;
use crate::offload::{Codec, JobId};
use crate::{Context, Error, LoopContext, Replayable, Result};

/// Names a serial lane of one reactor; see [`open_lane`](crate::LoopContext::open_lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub(crate) u32);

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane {}", self.0)
    }
}

/// What a driver has to know of the lane of a job.
#[derive(Clone)]
pub(crate) struct OnLane {
    pub(crate) lane: Lane,
    /// What its thread is called.
    pub(crate) name: Arc<str>,
    /// The reactor ends: nothing is begun any more.
    pub(crate) is_over: Arc<AtomicBool>,
}

/// The lanes of a reactor, which stay for as long as it does.
pub(crate) struct Lanes {
    limit: usize,
    open: Vec<Open>,
    /// Jobs of lanes that are under way or waiting.
    jobs: BTreeMap<JobId, Lane>,
    is_over: Arc<AtomicBool>,
}

struct Open {
    name: Arc<str>,
    jobs: usize,
}

impl Lanes {
    pub(crate) fn new(limit: usize) -> Lanes {
        Lanes {
            limit,
            open: Vec::new(),
            jobs: BTreeMap::new(),
            is_over: Arc::default(),
        }
    }

    fn open(&mut self, name: &str) -> Result<Lane> {
        if name.contains('\0') {
            return Err(format!("{name:?} cannot be the name of a thread: it has a zero").into());
        }
        if self.open.len() >= self.limit {
            let limit = self.limit;
            return Err(Error::TooManyLanes { limit });
        }
        let lane = Lane(self.open.len() as u32); // the limit is one of these
        let name = name.into();
        self.open.push(Open { name, jobs: 0 });
        Ok(lane)
    }

    fn begin(&mut self, lane: Lane, job: JobId, limit: usize) -> Result<OnLane> {
        let Some(open) = self.open.get_mut(lane.0 as usize) else {
            return Err(format!("{lane} was not opened in this reactor: see `open_lane`").into());
        };
        if open.jobs >= limit {
            return Err(Error::TooManyJobs { limit });
        }
        open.jobs += 1;
        self.jobs.insert(job, lane);
        Ok(OnLane {
            lane,
            name: Arc::clone(&open.name),
            is_over: Arc::clone(&self.is_over),
        })
    }

    /// False if the job was none of a lane.
    fn end(&mut self, job: JobId) -> bool {
        let Some(lane) = self.jobs.remove(&job) else {
            return false;
        };
        self.open[lane.0 as usize].jobs -= 1;
        true
    }

    /// From now on no job is begun.
    pub(crate) fn end_all(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    pub(crate) fn are_idle(&self) -> bool {
        self.jobs.is_empty()
    }
}

impl<S: 'static> Core<S> {
    pub(crate) fn open_lane(&mut self, name: &str) -> Result<Lane> {
        self.lanes.open(name)
    }

    /// Gives a job its name, and counts it.
    pub(crate) fn begin_job(&mut self, lane: Option<Lane>) -> Result<(JobId, Option<OnLane>)> {
        let limit = self.config.max_jobs;
        let id = JobId(self.next_job + 1);
        let lane = match lane {
            Some(lane) => Some(self.lanes.begin(lane, id, limit)?),
            None if self.jobs >= limit => return Err(Error::TooManyJobs { limit }),
            None => {
                self.jobs += 1;
                None
            }
        };
        self.next_job = id.0;
        Ok((id, lane))
    }

    pub(crate) fn end_job(&mut self, job: JobId) {
        if !self.lanes.end(job) {
            self.jobs -= 1;
        }
    }
}

impl<S: 'static> LoopContext<'_, S> {
    /// Opens a serial lane: jobs that are [offloaded on](Context::offload_on) it run one after the
    /// other, in the order in which they were offloaded, whoever did; for a database, or whatever
    /// else must not be asked by two at once. They have a thread of their own, which is called
    /// `name` (Linux shows the first 15 bytes): they never wait for the jobs of
    /// [`offload`](Context::offload) or of other lanes, nor do those wait for them.
    ///
    /// The thread starts with the first job. There is no closing: a lane stays for as long as the
    /// reactor, so open it once, and keep it with the state or in a handler. Two lanes of one name
    /// are two.
    ///
    /// A lane has [`max_jobs`](crate::Builder::max_jobs) of its own, so that one that stands still
    /// has no other job refused. A panic in a job is that job's result; the lane goes on.
    ///
    /// # At the end
    /// [`run`](crate::Reactor::run) returns when all jobs have ended. In a shutdown it waits for
    /// those of lanes too, unless they take longer than
    /// [`shutdown_timeout`](crate::Builder::shutdown_timeout) or an
    /// [abort](crate::ShutdownHandle::abort) is asked for; their values are dropped then, since
    /// nobody is left to be told. Dropping the reactor waits for the job that runs, however long
    /// it takes, and drops those that wait without beginning them: afterwards no job of a lane
    /// runs, and for each lane those that ran were the first ones. In a simulation, jobs take
    /// virtual time, and those of a host that crashes are lost, the one that runs included.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use std::time::Duration;
    /// use switchboard::{Context, Done, Handler, Lane, Reactor, Result, TimerId};
    ///
    /// struct Books {
    ///     lane: Lane,
    ///     ledger: Arc<Mutex<Vec<i64>>>, // only jobs of the lane lock it
    /// }
    ///
    /// impl Handler<Vec<i64>> for Books {
    ///     fn handle_timer(
    ///         &mut self,
    ///         _: &mut Vec<i64>,
    ///         cx: &mut Context<'_, Vec<i64>>,
    ///         _: TimerId,
    ///     ) -> Result {
    ///         for amount in [100, -30, 5] {
    ///             let ledger = self.ledger.clone();
    ///             cx.offload_on(self.lane, move || {
    ///                 let mut entries = ledger.lock().expect("no job panics with it");
    ///                 entries.push(amount);
    ///                 entries.iter().sum::<i64>()
    ///             })?;
    ///         }
    ///         Ok(())
    ///     }
    ///
    ///     fn handle_done(
    ///         &mut self,
    ///         balances: &mut Vec<i64>,
    ///         cx: &mut Context<'_, Vec<i64>>,
    ///         done: Done,
    ///     ) -> Result {
    ///         balances.push(done.take()?);
    ///         if balances.len() == 3 {
    ///             cx.close();
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new(Vec::new())?;
    /// let (lane, ledger) = (reactor.open_lane("ledger")?, Arc::default());
    /// let books = reactor.listen("localhost:0", Books { lane, ledger })?;
    /// reactor.with(|_, cx| cx.set_source_timer(books, Duration::ZERO))?;
    /// reactor.run()?;
    /// assert_eq!(reactor.state(), &[100, 70, 75]);
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooManyLanes`]; there is a zero byte in the name.
    pub fn open_lane(&mut self, name: &str) -> Result<Lane> {
        self.core.open_lane(name)
    }
}

impl<S: 'static> Context<'_, S> {
    /// As [`offload`](Self::offload), on a [serial lane](LoopContext::open_lane): `job` begins
    /// when all jobs that were offloaded on it before have ended.
    ///
    /// # Errors
    /// [`Error::TooManyJobs`] if as many wait on the lane already; [`Error::Stale`] in
    /// `handle_close`; the lane is another reactor's. The job is dropped then.
    pub fn offload_on<T, F>(&mut self, lane: Lane, job: F) -> Result<JobId>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.start_job(Some(lane), job, None)
    }

    /// As [`offload_on`](Self::offload_on), for a value that a [recording](crate::Recording) can
    /// hold: a replay has it from there, and does not run the job.
    ///
    /// # Errors
    /// As [`offload_on`](Self::offload_on).
    pub fn offload_on_replayable<T, F>(&mut self, lane: Lane, job: F) -> Result<JobId>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Replayable + Send + 'static,
    {
        self.start_job(Some(lane), job, Some(Codec::of::<T>()))
    }
}
