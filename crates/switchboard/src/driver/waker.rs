//! Wakes a waiting driver from other threads, once per batch of work.
//! It must never block, and never carry what the work is: that lies in queues of its own.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::sim::MachineWaker;

/// A wake-up that is counted once, however many threads ask before the loop has looked.
#[derive(Debug)]
pub(crate) struct Waker {
    pending: AtomicBool,
    bell: Bell,
}

/// What a waiting driver hears.
#[derive(Debug)]
pub(crate) enum Bell {
    Mio(mio::Waker),
    Simulated(MachineWaker),
}

impl Bell {
    fn ring(&self) -> std::io::Result<()> {
        match self {
            Bell::Mio(waker) => waker.wake(),
            Bell::Simulated(waker) => {
                waker.wake();
                Ok(())
            }
        }
    }
}

impl Waker {
    pub(crate) fn new(bell: Bell) -> Waker {
        Waker {
            pending: AtomicBool::new(false),
            bell,
        }
    }

    /// Call after the work lies in its queue. One system call for each batch, none otherwise.
    pub(crate) fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel)
            && let Err(error) = self.bell.ring()
        {
            // Only a full eventfd counter or a lack of memory can do that. The next one to ask
            // tries again.
            self.pending.store(false, Ordering::Release);
            tracing::error!(%error, "cannot wake the reactor");
        }
    }

    /// Call before looking at the queues: work that comes later wakes anew.
    pub(crate) fn acknowledge(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}
