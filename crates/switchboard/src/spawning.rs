//! Child processes as sources: how they are asked for, and what their end means.
//! It must never start or signal one itself: the driver does, unless it is a replayed or simulated
//! one.

use std::process::ExitStatus;

use crate::core::{Core, Request};
use crate::driver::Resource;
use crate::handler::{Close, Handler};
use crate::program::Program;
use crate::sources::Kind;
use crate::{Context, Error, LoopContext, Process, Result, Token};

impl<S: 'static> LoopContext<'_, S> {
    /// Runs a program as a child process: a [`Command`](std::process::Command) as it is, or a
    /// [`Process`], which says more. It is started at the end of the present call, and the loop
    /// stands still for as long as the system needs for that. If it fails (there is no such
    /// program), that arrives as `handle_close`; the end of the process arrives as `handle_exit`.
    ///
    /// It leaves no zombie, whatever happens: a process whose source (or reactor) ends before it is
    /// waited for by a thread of this library's. On Linux the kernel tells of its end (a pidfd,
    /// Linux 5.3); elsewhere one more thread waits for each process. SIGCHLD stays the program's:
    /// catch it or leave it alone, but do not ignore it, nor `wait` for all children.
    ///
    /// Ctrl-C on a terminal reaches the process too, unless its command puts it into a group of its
    /// own ([`process_group`](std::os::unix::process::CommandExt::process_group)).
    ///
    /// A replay starts nothing, and a simulation cannot.
    ///
    /// ```
    /// use std::process::{Command, ExitStatus};
    /// use switchboard::{Context, Handler, Reactor, Result};
    ///
    /// struct Job;
    ///
    /// impl Handler<Option<i32>> for Job {
    ///     fn handle_exit(
    ///         &mut self,
    ///         code: &mut Option<i32>,
    ///         _: &mut Context<'_, Option<i32>>,
    ///         status: ExitStatus,
    ///     ) -> Result {
    ///         *code = status.code();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new(None)?;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "exit 7"]);
    /// reactor.spawn(command, Job)?;
    /// reactor.run()?; // until nothing is left to wait for
    /// assert_eq!(*reactor.state(), Some(7));
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are too many sources, or the reactor is shutting down.
    ///
    /// # Platforms
    /// Unix.
    pub fn spawn(
        &mut self,
        process: impl Into<Process>,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        self.add(Kind::Child, Resource::Child(process.into()), handler)
    }

    /// Sends a signal to a child process, at the end of the present call. One that has ended
    /// already gets none, nor does another process that has its number by now.
    ///
    /// # Errors
    /// [`Error::Stale`](crate::Error::Stale) if the source is closed or closing;
    /// [`Error::WrongKind`](crate::Error::WrongKind) if it is no process; a number that is no
    /// signal's.
    ///
    /// # Platforms
    /// Unix.
    pub fn kill_child(&mut self, token: Token, signal: i32) -> Result {
        let source = self.core.sources.get(token);
        let source = source.filter(|source| !source.is_ending());
        if source.ok_or(Error::Stale(token))?.kind != Kind::Child {
            return Err(Error::WrongKind {
                token,
                asked: "get a signal as a process does",
            });
        }
        if !Process::takes(signal) {
            return Err(format!("{signal} is not the number of a signal").into());
        }
        self.core.requests.push(Request::KillChild(token, signal));
        Ok(())
    }
}

impl<S: 'static> Context<'_, S> {
    /// Sends a signal to this source's own process; see [`kill_child`](LoopContext::kill_child).
    ///
    /// # Errors
    /// As [`kill_child`](LoopContext::kill_child).
    ///
    /// # Platforms
    /// Unix.
    pub fn kill(&mut self, signal: i32) -> Result {
        let token = self.token();
        self.kill_child(token, signal)
    }
}

impl<S: 'static> Core<S> {
    /// A process has ended, and with it its source: nothing more can come of it.
    pub(crate) fn exited(&mut self, program: &mut Program<S>, token: Token, status: ExitStatus) {
        self.call(program, token, &[], |handler, state, cx| {
            handler.handle_exit(state, cx, status)
        });
        self.finish(token, Close::Exited(status));
    }
}
