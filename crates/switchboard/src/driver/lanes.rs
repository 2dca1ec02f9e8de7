//! The threads of serial lanes, one for each that has had a job. They must never begin a job when
//! one that came before it on the same lane was dropped, nor run on when the driver is gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use super::Waker;
use crate::guard::guard;
use crate::lanes::OnLane;
use crate::offload::{Done, Job};
use crate::{Lane, Token};

/// The queues have no bound of their own: the core counts what is under way and refuses more.
pub(super) struct Lanes {
    threads: BTreeMap<Lane, Thread>,
    results: Receiver<(Token, Box<Done>)>,
    answers: Sender<(Token, Box<Done>)>,
    waker: Arc<Waker>,
}

struct Thread {
    jobs: Sender<(Token, Job)>,
    handle: JoinHandle<()>,
}

impl Lanes {
    pub(super) fn new(waker: Arc<Waker>) -> Lanes {
        let (answers, results) = unbounded();
        Lanes {
            threads: BTreeMap::new(),
            results,
            answers,
            waker,
        }
    }

    pub(super) fn run(&mut self, on: OnLane, token: Token, job: Job) -> io::Result<()> {
        let lane = on.lane;
        if !self.threads.contains_key(&lane) {
            let thread = self.start_thread(on)?;
            self.threads.insert(lane, thread);
        }
        let thread = &self.threads[&lane];
        // The thread ends with this sender, so the channel cannot be disconnected.
        let _ = thread.jobs.send((token, job));
        thread.handle.thread().unpark();
        Ok(())
    }

    /// The next result, if there is one.
    pub(super) fn next(&mut self) -> Option<(Token, Box<Done>)> {
        self.results.try_recv().ok()
    }

    fn start_thread(&self, on: OnLane) -> io::Result<Thread> {
        let (jobs, queue) = unbounded::<(Token, Job)>();
        let answers = self.answers.clone();
        let waker = Arc::clone(&self.waker);
        let builder = thread::Builder::new().name(on.name.as_ref().into());
        let handle = builder.spawn(move || {
            while let Some((token, job)) = next(&queue) {
                if on.is_over.load(Ordering::Acquire) {
                    let _ = guard(move || drop(job)); // what it holds may panic; the rest goes, too
                    continue;
                }
                let _ = answers.send((token, Box::new(job.perform())));
                waker.wake();
            }
        })?;
        Ok(Thread { jobs, handle })
    }
}

/// The next job; nothing when there will be none. It sleeps at once: the channel's own way to wait spins
/// first, for some microseconds of each job, which the loop could use.
fn next(queue: &Receiver<(Token, Job)>) -> Option<(Token, Job)> {
    loop {
        match queue.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => thread::park(), // whoever sends, or ends, unparks after it
        }
    }
}

/// Waits for the jobs that run.
impl Drop for Lanes {
    fn drop(&mut self) {
        let threads = std::mem::take(&mut self.threads).into_values();
        // All are told before one is waited for: each is disconnected here.
        let handles: Vec<_> = threads.map(|thread| thread.handle).collect();
        handles.iter().for_each(|handle| handle.thread().unpark());
        for handle in handles {
            let _ = handle.join(); // a job's panic is its result
        }
        while let Some(result) = self.next() {
            let _ = guard(move || drop(result)); // as with a job
        }
    }
}
