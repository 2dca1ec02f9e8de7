//! Work off the loop: a bounded pool of threads, and the results that come back as completions.
//! It must never run a job in the loop's thread, nor touch a source: the driver delivers.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::core::Core;
use crate::driver::Waker;
use crate::guard::{guard, panic_message};
use crate::lanes::OnLane;
use crate::net::resolve;
use crate::program::Program;
use crate::{Error, Replayable, Result, Token};

/// Names one job that a source has [offloaded](crate::Context::offload).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(crate) u64);

/// A job that has ended, and what it returned.
pub struct Done {
    /// The job, as [`Context::offload`](crate::Context::offload) named it.
    pub job: JobId,
    pub(crate) value: Result<Box<dyn Any + Send>>,
}

impl Done {
    /// What the job returned.
    ///
    /// # Errors
    /// [`Error::Panicked`] if the job panicked; [`Error::Other`] if it returned another type
    /// than `T`.
    pub fn take<T: 'static>(self) -> Result<T> {
        match self.value?.downcast::<T>() {
            Ok(value) => Ok(*value),
            Err(_) => Err(Error::other(format!(
                "the job did not return a {}",
                std::any::type_name::<T>()
            ))),
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done")
            .field("job", &self.job)
            .finish_non_exhaustive()
    }
}

/// What a job returns, before anybody knows its type.
pub(crate) type Value = Box<dyn Any + Send>;

/// How values of one type are written to a recording, and read again.
#[derive(Clone, Copy)]
pub(crate) struct Codec {
    pub(crate) encode: fn(&(dyn Any + Send), &mut Vec<u8>),
    pub(crate) decode: fn(&[u8]) -> Option<Value>,
}

impl Codec {
    pub(crate) fn of<T: Replayable + Send + 'static>() -> Codec {
        Codec {
            encode: |value, out| {
                // It is what a job of this type has returned.
                if let Some(value) = value.downcast_ref::<T>() {
                    value.encode(out);
                }
            },
            decode: |mut bytes| {
                let value = T::decode(&mut bytes)?;
                bytes.is_empty().then(|| Box::new(value) as Value)
            },
        }
    }
}

/// A job, before anybody has run it.
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// `None`: whichever thread is free.
    pub(crate) lane: Option<OnLane>,
    /// `None`: no recording can hold what it returns.
    pub(crate) codec: Option<Codec>,
    pub(crate) run: Box<dyn FnOnce() -> Value + Send>,
}

impl Job {
    /// Runs it here and now. A panic in it is its result.
    pub(crate) fn perform(self) -> Done {
        let value = catch_unwind(AssertUnwindSafe(self.run))
            .map_err(|payload| Error::Panicked(panic_message(payload)));
        Done {
            job: self.id,
            value,
        }
    }
}

enum Task {
    Job(Job),
    Resolve(String),
}

/// What a thread of the pool hands back.
pub(crate) enum Outcome {
    Done(Box<Done>),
    /// A name, and its addresses.
    Resolved(String, std::io::Result<Vec<std::net::SocketAddr>>),
}

/// The threads, which start when the first job comes and end with the pool.
///
/// The queues have no bound of their own: the core counts what is under way and refuses more.
pub(crate) struct Pool {
    tasks: Sender<(Token, Task)>,
    queue: Receiver<(Token, Task)>,
    results: Receiver<(Token, Outcome)>,
    answers: Sender<(Token, Outcome)>,
    waker: Arc<Waker>,
    threads: usize,
    limit: usize,
    under_way: usize,
}

impl Pool {
    pub(crate) fn new(limit: usize, waker: Arc<Waker>) -> Pool {
        let (tasks, queue) = unbounded();
        let (answers, results) = unbounded();
        Pool {
            tasks,
            queue,
            results,
            answers,
            waker,
            threads: 0,
            limit,
            under_way: 0,
        }
    }

    pub(crate) fn run(&mut self, token: Token, job: Job) -> std::io::Result<()> {
        self.submit(token, Task::Job(job))
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> std::io::Result<()> {
        self.submit(token, Task::Resolve(host))
    }

    /// The next result, if there is one.
    pub(crate) fn next(&mut self) -> Option<(Token, Outcome)> {
        let result = self.results.try_recv().ok()?;
        self.under_way -= 1;
        Some(result)
    }

    fn submit(&mut self, token: Token, task: Task) -> std::io::Result<()> {
        if self.threads < self.limit && self.threads <= self.under_way {
            match self.start_thread() {
                Err(error) if self.threads == 0 => return Err(error),
                Err(error) => tracing::warn!(%error, "no further thread for jobs"),
                Ok(()) => {}
            }
        }
        self.under_way += 1;
        // We hold a receiver ourselves, so the channel cannot be disconnected.
        let _ = self.tasks.send((token, task));
        Ok(())
    }

    fn start_thread(&mut self) -> std::io::Result<()> {
        let queue = self.queue.clone();
        let answers = self.answers.clone();
        let waker = Arc::clone(&self.waker);
        thread::Builder::new()
            .name("switchboard-job".into())
            .spawn(move || {
                // Ends when the pool, and with it the last sender, is dropped.
                while let Ok((token, task)) = queue.recv() {
                    let outcome = perform(task);
                    let _ = answers.send((token, outcome));
                    waker.wake();
                }
            })?;
        self.threads += 1;
        Ok(())
    }
}

/// What no thread has begun by then is never begun.
impl Drop for Pool {
    fn drop(&mut self) {
        while let Ok(task) = self.queue.try_recv() {
            let _ = guard(move || drop(task)); // what a job holds may panic; that ends nothing
        }
    }
}

fn perform(task: Task) -> Outcome {
    match task {
        Task::Resolve(host) => {
            let addresses = resolve::look_up(&host);
            Outcome::Resolved(host, addresses)
        }
        Task::Job(job) => Outcome::Done(Box::new(job.perform())),
    }
}

impl<S: 'static> Core<S> {
    /// Hands a result to the source that asked. If that is gone or closing, the value is dropped
    /// here, where a panic in its `Drop` ends nothing.
    pub(crate) fn job_done(&mut self, program: &mut Program<S>, token: Token, done: Box<Done>) {
        let mut done = Some(done);
        self.call(program, token, &[], |handler, state, cx| {
            match done.take() {
                Some(done) => handler.handle_done(state, cx, *done),
                None => Ok(()),
            }
        });
        if done.is_some() {
            cov_mark::hit!(result_for_nobody);
        }
        self.note_any_panic(guard(move || drop(done)));
    }
}
