//! A process that runs, and a descriptor that is readable once it has ended.
//! It must never leave a zombie: one that is dropped before its process has ended hands it to the
//! reaper.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{self, Command, ExitStatus};
use std::sync::Arc;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::Process;
use super::reaper;

/// A thread that waits for one process calls nothing that needs more.
const WAITER_STACK: usize = 64 * 1024;

pub(crate) struct Child {
    process: process::Child,
    /// Shared with the reaper, which may have to wait longer than the source lives.
    exit: Arc<Exit>,
    kill_on_close: bool,
    has_ended: bool,
}

impl Child {
    /// Starts the program, and returns when it runs or cannot.
    pub(crate) fn spawn(process: Process) -> io::Result<Child> {
        let Process {
            mut command,
            kill_on_close,
        } = process;
        let started = command
            .spawn()
            .map_err(|error| cannot_run(&command, &error));
        drop(command); // and so our copies of the descriptors that it was given
        let mut process = started?;
        match checked(&process).and_then(Exit::of) {
            Ok(exit) => Ok(Child {
                process,
                exit: Arc::new(exit),
                kill_on_close,
                has_ended: false,
            }),
            Err(error) => {
                let _ = process.kill(); // fails if it has ended
                let _ = process.wait(); // which is soon
                Err(error)
            }
        }
    }

    /// How it has ended: told once.
    pub(crate) fn take_status(&mut self) -> Option<io::Result<ExitStatus>> {
        if self.has_ended {
            return None;
        }
        let outcome = self.process.try_wait().transpose()?;
        self.has_ended = true;
        Some(outcome.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::CHILD) => io::Error::other(
                "how the process has ended was taken by somebody else: do not call `wait` for all \
                 children, nor ignore SIGCHLD",
            ),
            _ => error,
        }))
    }

    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or(Errno::INVAL)?;
        match self.has_ended {
            true => Err(Errno::SRCH.into()), // its number may be somebody else's by now
            false => Ok(self.exit.signal(self.pid(), signal)?),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.has_ended || !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        if self.kill_on_close
            && let Err(error) = self.exit.signal(self.pid(), Signal::KILL)
        {
            tracing::warn!(pid = self.process.id(), %error, "cannot kill a child process");
        }
        reaper::adopt(self.pid(), Arc::clone(&self.exit));
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.process.id())
            .finish_non_exhaustive()
    }
}

fn cannot_run(command: &Command, error: &io::Error) -> io::Error {
    let program = command.get_program();
    let text = match command.get_current_dir() {
        Some(directory) if !directory.is_dir() => {
            format!("cannot run {program:?} in {directory:?}: there is no such directory")
        }
        _ => format!("cannot run {program:?}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Whose streams are not such that nobody would ever read or close them.
fn checked(process: &process::Child) -> io::Result<Pid> {
    if process.stdin.is_some() || process.stdout.is_some() || process.stderr.is_some() {
        let text = "`Stdio::piped()` makes a pipe that nobody would read or write: use \
                    `Process::stdin_pipe` and its like";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(Pid::from_child(process))
}

/// A descriptor that is readable once a process has ended.
pub(super) enum Exit {
    /// The kernel's own.
    #[cfg(target_os = "linux")]
    Pidfd(OwnedFd),
    /// The end of a pipe, which a thread writes to that waits for the process.
    Pipe(OwnedFd),
}

impl Exit {
    fn of(pid: Pid) -> io::Result<Exit> {
        // There is none before Linux 5.3, in some containers, and of a process that has ended and
        // left no zombie, since SIGCHLD is ignored.
        #[cfg(target_os = "linux")]
        if let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            return Ok(Exit::Pidfd(pidfd));
        }
        Exit::by_thread(pid)
    }

    fn by_thread(pid: Pid) -> io::Result<Exit> {
        let (reader, writer) = io::pipe()?;
        let name = "switchboard-child".to_owned();
        let thread = thread::Builder::new().name(name).stack_size(WAITER_STACK);
        thread.spawn(move || {
            // It stays a zombie, and so keeps its number, until its status is taken.
            let left = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while rustix::process::waitid(WaitId::Pid(pid), left).err() == Some(Errno::INTR) {}
            // Not by its end alone, which a process that was forked meanwhile may hold open.
            let _ = rustix::io::write(&writer, &[0]); // or nobody waits any more
        })?;
        Ok(Exit::Pipe(reader.into()))
    }

    /// For a process that nobody has waited for.
    fn signal(&self, pid: Pid, signal: Signal) -> Result<(), Errno> {
        match self {
            #[cfg(target_os = "linux")]
            Exit::Pidfd(pidfd) => rustix::process::pidfd_send_signal(pidfd, signal),
            Exit::Pipe(_) => rustix::process::kill_process(pid, signal),
        }
    }
}

impl AsFd for Exit {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            #[cfg(target_os = "linux")]
            Exit::Pidfd(fd) => fd.as_fd(),
            Exit::Pipe(fd) => fd.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests;
