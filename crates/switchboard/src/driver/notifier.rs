//! What brings events by a descriptor that a driver needs only poll for reading: signals, and the
//! end of a child process. It must never be paused: these come once, and wait for nobody.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::{Driver, Event};
use crate::Token;
use crate::io::{Child, Process, SignalSet, Signals};

pub(crate) enum Notifier {
    Signals(SignalSet),
    Child(Child),
}

impl Notifier {
    pub(crate) fn of_signals(signals: &Signals) -> io::Result<Notifier> {
        SignalSet::new(signals).map(Notifier::Signals)
    }

    pub(crate) fn of_child(process: Process) -> io::Result<Notifier> {
        Child::spawn(process).map(Notifier::Child)
    }

    /// What has happened since it was asked last.
    pub(crate) fn take(&mut self) -> Vec<Event<'static>> {
        match self {
            Notifier::Signals(set) => set.pending().map(Event::Signal).collect(),
            Notifier::Child(child) => {
                let status = child.take_status();
                let event = status.map(|status| match status {
                    Ok(status) => Event::Exited(status),
                    Err(error) => Event::Failed(error),
                });
                event.into_iter().collect()
            }
        }
    }

    /// Sends a signal to its process, if it is one that runs.
    pub(crate) fn kill_child(&self, signal: i32) {
        if let Notifier::Child(child) = self
            && let Err(error) = child.signal(signal)
        {
            // It has ended, and that is about to be told; or it has become another user's.
            tracing::debug!(?child, signal, %error, "cannot signal a child process");
        }
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Notifier::Signals(set) => set.as_fd(),
            Notifier::Child(child) => child.as_fd(),
        }
    }
}

impl Driver {
    pub(crate) fn kill_child(&mut self, token: Token, signal: i32) {
        match self {
            Driver::Readiness(driver) => driver.kill_child(token, signal),
            Driver::Recorder(recorder) => recorder.kill_child(token, signal),
            Driver::Replayer(replayer) => replayer.kill_child(token, signal),
            Driver::Simulated(_) => {} // has no processes
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.kill_child(token, signal),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.kill_child(token, signal),
            #[cfg(feature = "tls")]
            Driver::Moving => {}
        }
    }
}
