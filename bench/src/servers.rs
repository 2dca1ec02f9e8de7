//! A running server: started, measured from outside, stopped.
//!
//! Must never touch the server while a slice is running: it reads `/proc` before and after.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::child::{Child, Line};
use crate::peers::Peer;
use crate::process;
use crate::scenario::Work;

/// Under valgrind a start takes a second or two.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Valgrind writes its profile after the signal.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const ACCEPT_LIMIT: Duration = Duration::from_secs(10);

/// A server process that listens.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The directory of what it writes.
    written: Option<PathBuf>,
}

/// Recordings are large.
impl Drop for Server {
    fn drop(&mut self) {
        if let Some(directory) = &self.written {
            // What cannot be removed harms no measurement.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

impl Server {
    /// Starts the peer on a port of the kernel's choice and waits until it listens.
    pub fn start(peer: &Peer, work: Work, core: usize) -> Result<Self> {
        Self::start_under(peer, work, core, &[])
    }

    /// The same, with a program such as valgrind and its options in front.
    pub fn start_under(peer: &Peer, work: Work, core: usize, wrapper: &[OsString]) -> Result<Self> {
        Self::start_on(peer, work, &[core], wrapper)
    }

    /// The same, on several cores.
    pub fn start_on(
        peer: &Peer,
        work: Work,
        cores: &[usize],
        wrapper: &[OsString],
    ) -> Result<Self> {
        let program = peer.programs.get(&work);
        let program = program.with_context(|| format!("{} has no server for this", peer.name))?;
        let mut line: Vec<&OsStr> = wrapper.iter().map(OsString::as_os_str).collect();
        line.push(program.as_os_str());
        line.extend(peer.options.iter().map(OsString::as_os_str));
        line.push(OsStr::new("127.0.0.1:0"));
        let written = peer.writes.as_deref().and_then(Path::parent);
        if let Some(directory) = written {
            fs::create_dir_all(directory)?;
        }
        let mut child = Child::start_on(&peer.name, cores, line[0], &line[1..])?;
        let address: SocketAddr = child.wait_for("`listening on ADDR`", START_LIMIT, |line| {
            let Line::Out(text) = line else { return None };
            text.strip_prefix("listening on ")?.trim().parse().ok()
        })?;
        ensure!(
            address.port() != 0,
            "{} must print the port that it got, not 0",
            peer.name
        );
        Ok(Self {
            child,
            address,
            written: written.map(Path::to_path_buf),
        })
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Nanoseconds that its threads have spent on a core, in user space and in
    /// the kernel, once they have gone to sleep.
    pub fn cpu_nanos(&self) -> Result<u64> {
        process::cpu_nanos(self.pid())
    }

    /// Waits until the server has accepted every connection that was made so far.
    ///
    /// The kernel's queue says so, not the server's table of descriptors: a connection that an
    /// io_uring server accepts into the ring's own table has none.
    pub fn wait_until_accepted(&self) -> Result<()> {
        let deadline = Instant::now() + ACCEPT_LIMIT;
        loop {
            let waiting = self.waiting_to_be_accepted()?;
            if waiting == 0 {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the server left {waiting} connections unaccepted for {ACCEPT_LIMIT:?}"
            );
        }
    }

    /// The queue of its listener, whose line shows it where a connection's shows unread bytes
    /// (`proc_net_tcp` in the kernel's documentation). Listeners come first in that table, which
    /// may go on for a hundred thousand connections.
    fn waiting_to_be_accepted(&self) -> Result<u64> {
        let table = BufReader::new(File::open("/proc/net/tcp").context("reading /proc/net/tcp")?);
        for line in table.lines() {
            if let Some(waiting) = accept_queue(&line?, self.address.port()) {
                return Ok(waiting);
            }
        }
        bail!("/proc/net/tcp does not show the server's listener")
    }

    /// Bytes of memory that belong to the process alone and to no file: heap, stacks, data.
    pub fn anonymous_bytes(&self) -> Result<u64> {
        process::anonymous_bytes(self.pid())
    }

    /// Has it do what `signal` asks for, and waits for the line that says so: what follows
    /// `prefix` in it.
    pub fn have_done(&mut self, signal: Signal, prefix: &str, limit: Duration) -> Result<String> {
        self.child.signal(signal)?;
        self.child.wait_for(prefix, limit, |line| match line {
            Line::Out(text) => text.strip_prefix(prefix).map(str::to_owned),
            Line::Err(_) => None,
        })
    }

    /// How it ended, if it has.
    pub fn ending(&mut self) -> Option<anyhow::Error> {
        self.child.ending()
    }

    /// Ends it without asking.
    pub fn kill(mut self) -> Result<()> {
        self.child.end_with(Signal::KILL, STOP_LIMIT).map(drop)
    }

    /// Asks it to end, and waits for that.
    pub fn stop(mut self) -> Result<()> {
        self.child.end_with(Signal::TERM, STOP_LIMIT).map(drop)
    }
}

/// `1: 0100007F:1F90 00000000:0000 0A 00000000:00000003 …`: the last number, of the listener (0A)
/// on that port.
fn accept_queue(line: &str, port: u16) -> Option<u64> {
    let mut columns = line.split_whitespace().skip(1);
    let local = columns.next()?;
    let state = columns.nth(1)?;
    let (_, queue) = columns.next()?.split_once(':')?;
    let (_, local_port) = local.split_once(':')?;
    let listens = state == "0A" && u16::from_str_radix(local_port, 16).ok()? == port;
    listens.then(|| u64::from_str_radix(queue, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::accept_queue;

    #[test]
    fn reads_the_accept_queue_of_the_listener_alone() {
        let listener = "  1: 0100007F:1F90 00000000:0000 0A 00000000:0000001F 00:00000000 0 0 0 7";
        assert_eq!(accept_queue(listener, 8080), Some(31));
        assert_eq!(accept_queue(listener, 8081), None);
        let connection = listener.replace(" 0A ", " 01 ");
        assert_eq!(accept_queue(&connection, 8080), None);
        assert_eq!(
            accept_queue("  sl  local_address rem_address   st", 8080),
            None
        );
    }
}
