//! How a new process replaces the server that runs, so that nobody is refused and nothing is lost:
//! it gets the listening sockets, then the data, and the clients connect again.
//!
//! It must never have two processes with the store open: the new one waits until the old one has
//! stored what it was told, and has closed it.
//!
//! The old process takes nothing more as soon as the new one is ready, stores and receipts what it
//! has, closes the store, and tells its clients to come back; these have the time of a farewell for
//! their last answers. Whoever connects meanwhile waits in the queue of the socket, for as long as
//! one process needs to close the store and the other one to load it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use switchboard::upgrade::Upgrade;
use switchboard::{Listener, LoopContext, Reactor};

use super::{FAREWELL_TIMEOUT, Server, Stop, stop_when_settled};
use crate::cli::{Entrance, ServeArgs};

/// In the data directory.
const SOCKET: &str = "upgrade.sock";

/// The flag of a process that replaces another one.
const TAKE_OVER: &str = "--take-over";

/// This process's part, from its start to the moment when it serves.
pub(super) struct Handover {
    upgrade: Upgrade,
    /// The sockets of the process before, each under the address that it was asked for by.
    inherited: Vec<(String, Listener)>,
}

impl Handover {
    /// Asks the server that uses the same data for its sockets, if `args` say so.
    ///
    /// # Errors
    /// One line that says why that server does not give them.
    pub(super) fn begin(args: &ServeArgs) -> Result<Handover, String> {
        let upgrade = Upgrade::at(args.data.directory()?.join(SOCKET));
        let mut upgrade = upgrade.map_err(|error| error.to_string())?;
        if args.take_over && !upgrade.is_upgrade() {
            tracing::warn!("no server uses this data, so there is nothing to take over");
        }
        let names = upgrade.inherited().names().map(str::to_owned);
        let names: BTreeSet<String> = names.collect();
        let mut inherited = Vec::new();
        for name in names {
            let listeners = upgrade.inherited().take_listeners(&name);
            inherited.extend(listeners.into_iter().map(|it| (name.clone(), it)));
        }
        Ok(Handover { upgrade, inherited })
    }

    /// Whether another process has the data for the time being.
    pub(super) fn takes_over(&self) -> bool {
        self.upgrade.is_upgrade()
    }

    /// The sockets of that process for this address.
    pub(super) fn take(&mut self, entrance: &Entrance) -> Option<Listener> {
        let asked = entrance.to_string();
        let at = self.inherited.iter().position(|(name, _)| *name == asked)?;
        Some(self.inherited.remove(at).1)
    }

    /// The process that will follow can ask for these.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub(super) fn offer(&mut self, args: &ServeArgs, listeners: &[Listener]) -> Result<(), String> {
        for (entrance, listener) in args.listen.iter().zip(listeners) {
            let offered = self.upgrade.offer(&entrance.to_string(), listener);
            offered.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// This process is ready, and the one before is told. Returns when it has let the sockets go; it
    /// closes the store later.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub(super) fn complete(self, reactor: &mut Reactor<Server>) -> Result<(), String> {
        let served = self.upgrade.serve(reactor, hand_over);
        served.map(drop).map_err(|error| error.to_string())
    }
}

/// The new process is ready.
fn hand_over(server: &mut Server, cx: &mut LoopContext<'_, Server>) {
    if server.stop != Stop::No {
        return;
    }
    let seconds = FAREWELL_TIMEOUT.as_secs();
    tracing::info!(
        "another process takes over; clients have {seconds} s to take their last answers"
    );
    server.stop = Stop::Replaced;
    cx.drain(FAREWELL_TIMEOUT);
    for token in server.links.tokens() {
        cx.pause_source(token);
    }
    stop_when_settled(server, cx);
}

/// How this process was started: so is the one that replaces it.
#[derive(Debug, Clone)]
pub(super) struct Start {
    program: PathBuf,
    words: Vec<OsString>,
}

impl Start {
    /// Of this process, early: the file may have another name later.
    pub(super) fn of_this_process() -> Option<Start> {
        let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
        if !words.iter().any(|word| word == TAKE_OVER) {
            words.push(TAKE_OVER.into());
        }
        let program = std::env::current_exe().ok()?;
        Some(Start { program, words })
    }

    /// Starts a process that takes over. This one goes on, whatever becomes of that.
    pub(super) fn again(&self) {
        let program = self.program.display();
        tracing::info!("starting {program}, which will take over");
        // By it, a manager would know that it is watched, under the number of this process.
        let child = Command::new(&self.program)
            .args(&self.words)
            .env_remove("WATCHDOG_PID")
            .spawn();
        match child {
            Ok(mut child) => {
                // It ends with this process, or tells of a successor that was none.
                thread::spawn(move || match child.wait() {
                    Ok(status) if status.success() => {}
                    Ok(status) => tracing::error!(
                        "the process that should have taken over has ended ({status}): this one \
                         goes on"
                    ),
                    Err(error) => tracing::error!("{error}"),
                });
            }
            Err(error) => tracing::error!("{program} cannot be started: {error}; this one goes on"),
        }
    }
}
