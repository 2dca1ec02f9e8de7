//! A program that is to run as a child process, before it runs.
//! It must never start it: the reactor does that, since it waits for its end as well.

use std::fmt;
use std::process::Command;

use rustix::process::Signal;

/// A program to [spawn](crate::LoopContext::spawn), and what becomes of it when its source ends.
///
/// ```
/// use std::process::Command;
/// use switchboard::Process;
///
/// let mut command = Command::new("sleep");
/// command.arg("60");
/// let process = Process::new(command).with_kill_on_close(true);
/// # drop(process);
/// ```
pub struct Process {
    pub(crate) command: Command,
    pub(crate) kill_on_close: bool,
}

impl Process {
    /// Takes a command as it is: its arguments, environment, directory and standard streams, which
    /// are those of this process unless the command says otherwise.
    pub fn new(command: Command) -> Process {
        Process {
            command,
            kill_on_close: false,
        }
    }

    pub(crate) fn takes(signal: i32) -> bool {
        Signal::from_named_raw(signal).is_some()
    }

    /// Whether the process is killed (SIGKILL) when its source is closed, or the reactor shut down
    /// or dropped, before it has ended (default false). That is for the process alone: what it has
    /// started itself goes on.
    #[must_use]
    pub fn with_kill_on_close(mut self, kill: bool) -> Process {
        self.kill_on_close = kill;
        self
    }
}

impl From<Command> for Process {
    fn from(command: Command) -> Process {
        Process::new(command)
    }
}

impl fmt::Debug for Process {
    /// Without arguments and environment, in which secrets may stand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("program", &self.command.get_program())
            .field("kill_on_close", &self.kill_on_close)
            .finish_non_exhaustive()
    }
}
