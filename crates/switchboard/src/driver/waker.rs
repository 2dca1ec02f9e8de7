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
    /// An eventfd that the driver polls. Nobody reads it: its counter holds more wake-ups than
    /// there will be, and the kernel tells of each.
    #[cfg(target_os = "linux")]
    Event(std::os::fd::OwnedFd),
}

impl Bell {
    fn ring(&self) -> std::io::Result<()> {
        match self {
            Bell::Mio(waker) => waker.wake(),
            Bell::Simulated(waker) => {
                waker.wake();
                Ok(())
            }
            #[cfg(target_os = "linux")]
            Bell::Event(fd) => Ok(rustix::io::write(fd, &1_u64.to_ne_bytes()).map(drop)?),
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

    /// The descriptor that tells of a wake-up, if the driver has made one itself.
    #[cfg(target_os = "linux")]
    pub(crate) fn event(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        match &self.bell {
            Bell::Event(fd) => Some(std::os::fd::AsFd::as_fd(fd)),
            Bell::Mio(_) | Bell::Simulated(_) => None,
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
