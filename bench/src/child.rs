//! A child process whose every wait has a bound, and that never outlives the tool.
//!
//! Must never block without a limit, and never leave a process behind.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{
    Pid, Resource, Signal, getppid, getrlimit, kill_process, set_parent_process_death_signal,
    setrlimit,
};

use crate::{cores, interrupt};

/// How often a wait looks whether Ctrl-C has come.
const LOOK: Duration = Duration::from_millis(100);
/// How long a child may take to follow SIGTERM before it is killed.
const TERMINATE_LIMIT: Duration = Duration::from_secs(5);
/// Lines of a child's standard error that a failure quotes.
const LAST_WORDS: usize = 5;

/// A line that a child has printed.
pub enum Line {
    /// On standard output.
    Out(String),
    /// On standard error.
    Err(String),
}

/// A running child.
pub struct Child {
    name: String,
    process: process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Line>,
    last_words: VecDeque<String>,
    status: Option<ExitStatus>,
}

impl Child {
    /// Starts `program` on `core`, by way of `enter`.
    pub fn start<S: AsRef<OsStr>>(
        name: &str,
        core: usize,
        program: &OsStr,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        Self::start_on(name, &[core], program, arguments)
    }

    /// The same, on several cores.
    pub fn start_on<S: AsRef<OsStr>>(
        name: &str,
        cores: &[usize],
        program: &OsStr,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let own = std::env::current_exe().context("finding this program's file")?;
        let cores = cores.iter().map(|core| format!("--core={core}"));
        let mut process = Command::new(own)
            .arg("launch")
            .args(cores)
            .arg("--")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: the terminal's Ctrl-C is for the tool, which then ends it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let (sender, lines) = channel();
        forward(process.stdout.take(), sender.clone(), Line::Out);
        forward(process.stderr.take(), sender, Line::Err);
        Ok(Self {
            name: name.to_owned(),
            stdin: process.stdin.take(),
            process,
            lines,
            last_words: VecDeque::new(),
            status: None,
        })
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Writes one line to its standard input.
    pub fn send_line(&mut self, line: &str) -> Result<()> {
        let sent = self
            .stdin
            .as_mut()
            .map(|stdin| stdin.write_all(format!("{line}\n").as_bytes()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.death()),
        }
    }

    /// Waits at most `limit` for a line for which `wanted` returns something.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Line) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            interrupt::check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(LOOK)) {
                Ok(line) => {
                    let found = wanted(&line);
                    self.remember(line);
                    if let Some(found) = found {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.death()),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    bail!("{}: no {what} within {limit:?}", self.name)
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Sends `signal`, and waits at most `limit` for the child to end by itself.
    pub fn end_with(&mut self, signal: Signal, limit: Duration) -> Result<ExitStatus> {
        self.signal(signal)?;
        self.wait_for_end(limit)
    }

    /// Sends `signal`, if it has not ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_none() {
            let pid = Pid::from_child(&self.process);
            // Not yet reaped, so the number is still its own; ESRCH cannot mean another process.
            kill_process(pid, signal).with_context(|| format!("signalling {}", self.name))?;
        }
        Ok(())
    }

    /// Waits at most `limit` for the child to end by itself.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        while self.status.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.remember(line),
                Err(RecvTimeoutError::Disconnected) => self.see_end(deadline)?,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} did not end within {limit:?}", self.name)
                }
            }
        }
        self.status.context("a child that ended has a status")
    }

    fn remember(&mut self, line: Line) {
        if let Line::Err(text) = line {
            if self.last_words.len() == LAST_WORDS {
                self.last_words.pop_front();
            }
            self.last_words.push_back(text);
        }
    }

    /// Both its outputs are closed, which `cp` does some moments before it ends: to end it by force
    /// then would make a failure of its success.
    fn see_end(&mut self, deadline: Instant) -> Result<()> {
        while self.status.is_none() {
            if Instant::now() >= deadline {
                bail!("{} closed its outputs and did not end", self.name);
            }
            self.status = self.process.try_wait()?;
            thread::yield_now();
        }
        Ok(())
    }

    fn reap(&mut self) {
        let _ = self.process.kill();
        self.status = self.process.wait().ok();
    }

    /// Whether it has ended (or does so within a tenth of a second).
    pub fn ended(&mut self) -> bool {
        self.wait_for_end(LOOK).is_ok()
    }

    /// How it ended, if it has (or does within a tenth of a second).
    pub fn ending(&mut self) -> Option<anyhow::Error> {
        self.ended().then(|| self.death())
    }

    fn death(&mut self) -> anyhow::Error {
        if self.wait_for_end(LOOK).is_err() {
            self.reap();
        }
        let status = self.status.map(|status| (status.code(), status.signal()));
        let how = match status {
            Some((Some(code), _)) => format!("ended with code {code}"),
            Some((None, Some(signal))) => format!("was ended by signal {signal}"),
            _ => "ended".to_owned(),
        };
        let words: Vec<&str> = self.last_words.iter().map(String::as_str).collect();
        match words.is_empty() {
            true => anyhow!("{} {how}", self.name),
            false => anyhow!("{} {how}: {}", self.name, words.join(" / ")),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if self.status.is_none() && self.end_with(Signal::TERM, TERMINATE_LIMIT).is_err() {
            self.reap();
        }
    }
}

/// Reads a pipe to its end on a thread of its own, which ends with the pipe.
fn forward(
    pipe: Option<impl Read + Send + 'static>,
    lines: Sender<Line>,
    wrap: impl Fn(String) -> Line + Send + 'static,
) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if lines.send(wrap(line)).is_err() {
                break;
            }
        }
    });
}

/// Turns this process into `program`: pinned, with all the descriptors that it
/// may have, and killed if the tool dies before it.
///
/// This step between stands here because only the child itself can ask for
/// these, and doing so between fork and exec would need unsafe code.
pub fn enter(cores: &[usize], program: &OsStr, arguments: &[std::ffi::OsString]) -> Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != parent {
        bail!("the tool ended");
    }
    cores::pin_to(cores)?;
    raise_descriptor_limit()?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("running {}", program.display()))
}

/// Raises the limit of open files as far as it goes, and returns it.
pub fn raise_descriptor_limit() -> Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raising the limit of open files")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
