//! A program that is to run as a child process, before it runs.
//! It must never start it: the reactor does that, since it waits for its end as well.

use std::os::fd::OwnedFd;
use std::process::Command;
use std::{fmt, io};

use rustix::process::Signal;

use crate::driver::Channel;
use crate::sources::Way;
use crate::{Result, Stream};

/// A program to [spawn](crate::LoopContext::spawn), the pipes to it, and what becomes of it when its
/// source ends.
///
/// Each pipe is a stream with a handler of its own, and is registered as a connection is; so the loop
/// never waits for a process that does not read, or does not write.
///
/// ```
/// use std::process::{Command, ExitStatus};
/// use switchboard::{Context, Handler, Process, Reactor, Result};
///
/// struct Input;
/// impl Handler<String> for Input {}
///
/// struct Output;
/// impl Handler<String> for Output {
///     fn handle_read(&mut self, text: &mut String, cx: &mut Context<'_, String>) -> Result {
///         text.push_str(std::str::from_utf8(cx.recv(1024))?);
///         Ok(())
///     }
/// }
///
/// struct Exit;
/// impl Handler<String> for Exit {
///     fn handle_exit(
///         &mut self,
///         _: &mut String,
///         _: &mut Context<'_, String>,
///         status: ExitStatus,
///     ) -> Result {
///         assert!(status.success());
///         Ok(())
///     }
/// }
///
/// let mut command = Command::new("tr");
/// command.args(["a-z", "A-Z"]);
/// let mut process = Process::new(command).with_kill_on_close(true);
/// let (input, output) = (process.stdin_pipe()?, process.stdout_pipe()?);
///
/// let mut reactor = Reactor::new(String::new())?;
/// reactor.with(|_, cx| -> Result {
///     let input = cx.register(input, Input)?;
///     cx.register(output, Output)?;
///     cx.spawn(process, Exit)?;
///     cx.send_to(input, "hello")?;
///     cx.close_source(input); // when all is written, and then `tr` sees the end
///     Ok(())
/// })?;
/// reactor.run()?;
/// assert_eq!(reactor.state(), "HELLO");
/// # Ok::<(), switchboard::Error>(())
/// ```
///
/// # Platforms
/// Unix.
pub struct Process {
    pub(crate) command: Command,
    pub(crate) kill_on_close: bool,
}

impl Process {
    /// Takes a command as it is: its arguments, environment, directory and standard streams, which
    /// are those of this process unless the command says otherwise. (`Stdio::piped()` is not for a
    /// reactor: make a pipe with the methods here.)
    pub fn new(command: Command) -> Process {
        Process {
            command,
            kill_on_close: false,
        }
    }

    /// A pipe to the standard input of the process: what is sent to the stream. When that is closed
    /// (or its sending [shut down](crate::LoopContext::shutdown_source)), the process sees the end of
    /// its input; when the process closes its end or has ended, the source ends with `BrokenPipe`.
    ///
    /// While the process does not read, what is sent waits in the outbox, up to its
    /// [watermark](crate::SourceOptions::with_watermarks).
    ///
    /// # Errors
    /// There are too many descriptors.
    pub fn stdin_pipe(&mut self) -> Result<Stream> {
        let (theirs, ours) = io::pipe()?;
        self.command.stdin(theirs);
        own(ours, Way::Writer)
    }

    /// A pipe from the standard output of the process: what the stream reads. Its end
    /// (`handle_eof`) comes when the process, and all that it has started and given its output,
    /// have closed theirs: before `handle_exit` or after it.
    ///
    /// While the stream is not read, the process waits as soon as it has written what a pipe holds;
    /// when it is closed, the process gets SIGPIPE.
    ///
    /// # Errors
    /// There are too many descriptors.
    pub fn stdout_pipe(&mut self) -> Result<Stream> {
        let (ours, theirs) = io::pipe()?;
        self.command.stdout(theirs);
        own(ours, Way::Reader)
    }

    /// A pipe from the standard error of the process, as [`stdout_pipe`](Self::stdout_pipe).
    ///
    /// # Errors
    /// There are too many descriptors.
    pub fn stderr_pipe(&mut self) -> Result<Stream> {
        let (ours, theirs) = io::pipe()?;
        self.command.stderr(theirs);
        own(ours, Way::Reader)
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

fn own(end: impl Into<OwnedFd>, way: Way) -> Result<Stream> {
    Ok(Stream::of_channel(Channel::own_pipe(end.into(), way)?))
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
