//! Waits for child processes that nobody waits for any more, so that they leave no zombies: one
//! thread for the whole program, started for the first of them.
//! It must never wait for a process that was not given to it: others may wait for theirs.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use mio::unix::SourceFd;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

use super::child::Exit;

/// Waiting needs little of it.
const STACK: usize = 128 * 1024;

struct Reaper {
    registry: mio::Registry,
    orphans: Arc<Orphans>,
}

/// What tells the end of each, by its number.
#[derive(Default)]
struct Orphans(Mutex<BTreeMap<usize, (Pid, Arc<Exit>)>>);

impl Orphans {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, (Pid, Arc<Exit>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // no step leaves it half done
    }
}

/// Takes over a process that nobody has waited for. `exit` is readable once it has ended.
pub(super) fn adopt(pid: Pid, exit: Arc<Exit>) {
    static REAPER: OnceLock<io::Result<Reaper>> = OnceLock::new();
    match REAPER.get_or_init(Reaper::start) {
        Ok(reaper) => reaper.adopt(pid, exit),
        Err(error) => tracing::warn!(?pid, %error, "a child process may become a zombie"),
    }
}

impl Reaper {
    fn start() -> io::Result<Reaper> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let orphans = Arc::new(Orphans::default());
        let theirs = Arc::clone(&orphans);
        thread::Builder::new()
            .name("switchboard-reaper".to_owned())
            .stack_size(STACK)
            .spawn(move || reap(poll, &theirs))?;
        Ok(Reaper { registry, orphans })
    }

    fn adopt(&self, pid: Pid, exit: Arc<Exit>) {
        let number = pid.as_raw_pid() as usize; // positive: it is one process
        let descriptor = exit.as_fd().as_raw_fd();
        let mut orphans = self.orphans.lock(); // it may have ended already
        orphans.insert(number, (pid, exit));
        let watched = self.registry.register(
            &mut SourceFd(&descriptor),
            mio::Token(number),
            mio::Interest::READABLE,
        );
        if let Err(error) = watched {
            tracing::warn!(?pid, %error, "a child process may become a zombie");
            orphans.remove(&number);
        }
    }
}

fn reap(mut poll: mio::Poll, orphans: &Orphans) {
    let mut events = mio::Events::with_capacity(64);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!(%error, "child processes may become zombies");
                return;
            }
            Ok(()) => {}
        }
        for event in &events {
            let Some((pid, exit)) = orphans.lock().remove(&event.token().0) else {
                continue;
            };
            let _ = poll
                .registry()
                .deregister(&mut SourceFd(&exit.as_fd().as_raw_fd()));
            // Does not block, since it has ended; fails if somebody else was so rash as to wait.
            while rustix::process::waitpid(Some(pid), WaitOptions::empty()).err()
                == Some(Errno::INTR)
            {}
        }
    }
}
