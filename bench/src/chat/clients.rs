//! The tool's end of a process of clients: one command, one reply.
//!
//! Must never have two commands on the way.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;

use crate::chat::dialect::Dialect;
use crate::chat::protocol::{Command, Few, Offer, Reply, Slice};
use crate::chat::rooms::Latencies;
use crate::child::{Child, Line};

/// Above the process's own limits, so that it gets to say what went wrong.
const REPLY_LIMIT: Duration = Duration::from_secs(120);

/// A process of clients of one server.
pub struct Clients {
    child: Child,
}

impl Clients {
    /// Starts it on `core`; its clients are away.
    pub fn start(
        peer: &str,
        core: usize,
        address: SocketAddr,
        dialect: Dialect,
        rooms: usize,
        members: usize,
    ) -> Result<Self> {
        let own = std::env::current_exe().context("finding this program's file")?;
        let name = format!("clients of {peer}");
        let child = Child::start(&name, core, own.as_os_str(), [OsStr::new("chat-load")])?;
        let mut clients = Self { child };
        clients.ready(Command::Make {
            address,
            dialect,
            rooms,
            members,
        })?;
        Ok(clients)
    }

    /// Connects and registers the first so many, and says how many were in time.
    pub fn register(&mut self, some: Few) -> Result<(usize, Duration)> {
        self.advance(Command::Register(some))
    }

    /// Has the first so many join their rooms, and says how many were in time.
    pub fn join(&mut self, some: Few) -> Result<(usize, Duration)> {
        self.advance(Command::Join(some))
    }

    /// Says a message in each room that counts for nothing; how long until all had heard it.
    pub fn mark(&mut self, number: u64) -> Result<Duration> {
        match self.ask(Command::Mark { number })? {
            Reply::Heard { nanos } => Ok(Duration::from_nanos(nanos)),
            other => bail!("the clients answered {other:?}"),
        }
    }

    /// Ends all connections at once.
    pub fn leave(&mut self) -> Result<()> {
        self.ready(Command::Leave)
    }

    /// Exchanges messages.
    pub fn run(&mut self, offer: Offer) -> Result<Slice> {
        match self.ask(Command::Run(offer))? {
            Reply::Slice(slice) if slice.deliveries > 0 => Ok(slice),
            other => bail!("nothing was delivered: {other:?}"),
        }
    }

    /// Adds the latencies of all slices that counted.
    pub fn add_latencies(&mut self, paced: bool, to: &mut Latencies) -> Result<()> {
        match self.ask(Command::Latency { paced })? {
            Reply::Latency { delivery, receipt } => {
                add(&mut to.delivery, &delivery);
                add(&mut to.receipt, &receipt);
                Ok(())
            }
            other => bail!("the clients answered {other:?}"),
        }
    }

    fn advance(&mut self, command: Command) -> Result<(usize, Duration)> {
        match self.ask(command)? {
            Reply::Advanced { done, nanos } => Ok((done, Duration::from_nanos(nanos))),
            other => bail!("the clients answered {other:?}"),
        }
    }

    fn ready(&mut self, command: Command) -> Result<()> {
        match self.ask(command)? {
            Reply::Ready => Ok(()),
            other => bail!("the clients answered {other:?}"),
        }
    }

    fn ask(&mut self, command: Command) -> Result<Reply> {
        self.child.send_line(&serde_json::to_string(&command)?)?;
        let line = self
            .child
            .wait_for("reply", REPLY_LIMIT, |line| match line {
                Line::Out(text) => Some(text.clone()),
                Line::Err(_) => None,
            })?;
        match serde_json::from_str(&line)? {
            Reply::Failed(why) => bail!("{why}"),
            reply => Ok(reply),
        }
    }
}

fn add(histogram: &mut Histogram<u64>, pairs: &[(u64, u64)]) {
    for (nanos, count) in pairs {
        histogram.saturating_record_n(*nanos, *count);
    }
}
