//! A running server: started, measured from outside, stopped.
//!
//! Must never touch the server while a slice is running: it reads `/proc` before and after.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::child::{Child, Line};
use crate::peers::Peer;

/// Under valgrind a start takes a second or two.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Valgrind writes its profile after the signal.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const ACCEPT_LIMIT: Duration = Duration::from_secs(10);
/// Readings of the clock until two agree; the server goes to sleep within some microseconds.
const READINGS: usize = 1000;

/// A server process that listens.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts the peer on a port of the kernel's choice and waits until it listens.
    pub fn start(peer: &Peer, core: usize) -> Result<Self> {
        Self::start_under(peer, core, &[])
    }

    /// The same, with a program such as valgrind and its options in front.
    pub fn start_under(peer: &Peer, core: usize, wrapper: &[OsString]) -> Result<Self> {
        let mut line: Vec<&OsStr> = wrapper.iter().map(OsString::as_os_str).collect();
        line.push(peer.program.as_os_str());
        line.push(OsStr::new("127.0.0.1:0"));
        let mut child = Child::start(&peer.name, core, line[0], &line[1..])?;
        let address: SocketAddr = child.wait_for("`listening on ADDR`", START_LIMIT, |line| {
            let Line::Out(text) = line else { return None };
            text.strip_prefix("listening on ")?.trim().parse().ok()
        })?;
        ensure!(
            address.port() != 0,
            "{} must print the port that it got, not 0",
            peer.name
        );
        Ok(Self { child, address })
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Nanoseconds that its threads have spent on a core, in user space and in
    /// the kernel, once they have gone to sleep.
    pub fn cpu_nanos(&self) -> Result<u64> {
        let mut last = self.cpu_nanos_now()?;
        for _ in 0..READINGS {
            let now = self.cpu_nanos_now()?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        bail!("the server did not go to sleep after its last message")
    }

    fn cpu_nanos_now(&self) -> Result<u64> {
        let tasks = format!("/proc/{}/task", self.pid());
        let mut sum = 0;
        for task in fs::read_dir(&tasks).context("the server is gone")? {
            let path = task?.path().join("schedstat");
            let text = fs::read_to_string(&path).with_context(|| {
                format!(
                    "reading {} (a kernel with CONFIG_SCHED_INFO has it)",
                    path.display()
                )
            })?;
            sum += first_number(&text).context("schedstat holds no number")?;
        }
        Ok(sum)
    }

    /// Waits until the server has accepted so many connections.
    pub fn wait_for_connections(&self, count: usize) -> Result<()> {
        let descriptors = format!("/proc/{}/fd", self.pid());
        let deadline = Instant::now() + ACCEPT_LIMIT;
        loop {
            let sockets = fs::read_dir(&descriptors)
                .context("the server is gone")?
                .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
                .filter(|target| target.to_string_lossy().starts_with("socket:"))
                .count();
            // Its listener is one socket more.
            if sockets > count {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the server accepted only {sockets} of {count} connections within {ACCEPT_LIMIT:?}"
            );
        }
    }

    /// Bytes of memory that belong to the process alone and to no file: heap, stacks, data.
    pub fn anonymous_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let kibibytes = text
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"))
            .and_then(first_number)
            .with_context(|| format!("{path} holds no `Anonymous:`"))?;
        Ok(kibibytes * 1024)
    }

    /// How it ended, if it has.
    pub fn ending(&mut self) -> Option<anyhow::Error> {
        self.child.ending()
    }

    /// Asks it to end, and waits for that.
    pub fn stop(mut self) -> Result<()> {
        self.child.end_with(Signal::TERM, STOP_LIMIT).map(drop)
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
