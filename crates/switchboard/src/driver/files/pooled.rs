//! The files of an operating system: a small pool does what is asked of them, apart from what a
//! driver can do itself. It must never have more threads than its bound, nor keep one for a file
//! that is idle.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Files, System, Task};
use crate::Token;
use crate::driver::Waker;
use crate::io::{FileAsk, FileDone, FileOp};
use crate::offload::{Outcome, Pool};

/// Threads for files, apart from those of jobs: a long job must not keep a program from its log.
const THREADS: usize = 4;

pub(in crate::driver) struct Pooled {
    files: Files<System>,
    pool: Pool,
    /// What the driver has to begin itself; `None` if it leaves all to the pool.
    native: Option<Vec<Task<System>>>,
    /// What has ended without a thread.
    ended: VecDeque<(Token, FileDone)>,
}

impl Pooled {
    pub(in crate::driver) fn new(waker: &Arc<Waker>) -> Pooled {
        Pooled {
            files: Files::new(System),
            pool: Pool::new(THREADS, Arc::clone(waker)),
            native: None,
            ended: VecDeque::new(),
        }
    }

    pub(in crate::driver) fn ask(&mut self, ask: FileAsk) {
        let task = self.files.ask(ask);
        self.begin(task);
    }

    /// Whether something has ended without a thread that would wake the loop.
    pub(in crate::driver) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    pub(in crate::driver) fn next(&mut self) -> Option<(Token, FileDone)> {
        if let Some(ended) = self.ended.pop_front() {
            return Some(ended);
        }
        let (token, Outcome::Done(done)) = self.pool.next()? else {
            return None; // nothing else was asked of this pool
        };
        let (done, next) = self.files.end_job(done).ok()?;
        self.begin(next);
        Some((token, done))
    }

    fn begin(&mut self, task: Option<Task<System>>) {
        let mut next = task;
        while let Some(task) = next.take() {
            let is_driver = !matches!(task.ask.op, FileOp::Open(..) | FileOp::Close);
            if let Some(native) = &mut self.native
                && is_driver
                && task.handle.is_ok()
            {
                return native.push(task);
            }
            let (token, job) = task.into_job();
            let id = job.id;
            if let Err(error) = self.pool.run(token, job)
                && let Some((done, then)) = self.files.end(id, Err(error))
            {
                self.ended.push_back((token, done));
                next = then;
            }
        }
    }
}

/// For a driver that reads, writes and syncs by itself.
#[cfg(target_os = "linux")]
impl Pooled {
    /// From now on the driver itself reads, writes and syncs. (The pool opens and closes: each is
    /// several system calls, which a ring would have threads of its own make one by one.)
    pub(in crate::driver) fn leave_to_driver(&mut self) {
        self.native = Some(Vec::new());
    }

    /// What the driver has to begin, and to [end](Self::end_native).
    pub(in crate::driver) fn take_native(&mut self) -> Vec<Task<System>> {
        self.native.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(in crate::driver) fn has_native(&self) -> bool {
        self.native.as_ref().is_some_and(|tasks| !tasks.is_empty())
    }

    pub(in crate::driver) fn end_native(
        &mut self,
        job: crate::JobId,
        result: std::io::Result<crate::io::FileOutcome>,
    ) -> Option<FileDone> {
        let (done, next) = self.files.end(job, result)?;
        self.begin(next);
        Some(done)
    }
}
