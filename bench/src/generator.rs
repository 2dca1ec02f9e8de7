//! The tool's end of a load generator process: one command, one reply.
//!
//! Must never have two commands on the way.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::child::{Child, Line};
use crate::protocol::{Command, Limit, Reply, Slice};
use crate::scenario::Scenario;

/// Above the generator's own limits, so that it gets to say what went wrong.
const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// A load generator connected to one server.
pub struct Generator {
    child: Child,
    address: SocketAddr,
}

impl Generator {
    /// Starts it and opens the scenario's active connections.
    pub fn start(
        peer: &str,
        core: usize,
        address: SocketAddr,
        scenario: &Scenario,
    ) -> Result<Self> {
        let own = std::env::current_exe().context("finding this program's file")?;
        let name = format!("load generator of {peer}");
        let child = Child::start(&name, core, own.as_os_str(), [OsStr::new("load")])?;
        let mut generator = Self { child, address };
        generator.ready(Command::Connect {
            address,
            work: scenario.work,
            active: scenario.active,
            size: scenario.size,
            in_flight: scenario.in_flight,
        })?;
        Ok(generator)
    }

    /// Opens connections that never send.
    pub fn connect_idle(&mut self, count: usize) -> Result<()> {
        self.ready(Command::Idle {
            address: self.address,
            count,
        })
    }

    /// Exchanges messages.
    pub fn run(&mut self, limit: Limit) -> Result<Slice> {
        match self.ask(Command::Run(limit))? {
            Reply::Slice(slice) if slice.messages > 0 => Ok(slice),
            other => bail!("the load generator exchanged nothing: {other:?}"),
        }
    }

    /// Exchanges messages that count for nothing.
    pub fn warm_up(&mut self, millis: u64) -> Result<()> {
        self.ready(Command::WarmUp(Limit::Millis(millis)))
    }

    /// The latencies of all slices that were run, each with its number of messages.
    pub fn latency(&mut self) -> Result<Vec<(u64, u64)>> {
        match self.ask(Command::Latency)? {
            Reply::Latency(latency) => Ok(latency),
            other => bail!("the load generator answered {other:?}"),
        }
    }

    fn ready(&mut self, command: Command) -> Result<()> {
        match self.ask(command)? {
            Reply::Ready => Ok(()),
            other => bail!("the load generator answered {other:?}"),
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
