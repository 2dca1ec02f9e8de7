//! One peer at work: its server, its load generator, and what they have shown so far.
//!
//! Must never know of other peers: `runner` decides whose turn it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::cores::Cores;
use crate::generator::Generator;
use crate::interrupt;
use crate::load;
use crate::peers::{Peer, YARDSTICK};
use crate::plan::Plan;
use crate::protocol::Limit;
use crate::scenario::Scenario;
use crate::servers::Server;
use crate::statistics::{Estimate, median};
use crate::syscalls::{self, Syscalls};

/// What a run needs to know everywhere.
pub struct Setting<'a> {
    /// Its extent.
    pub plan: Plan,
    /// Its cores.
    pub cores: Cores,
    /// Where traces and profiles go.
    pub scratch: &'a Path,
    /// Why strace cannot be used, if so.
    pub strace: Result<(), String>,
}

/// What one peer showed in one scenario.
#[derive(Clone, Debug)]
pub struct Row {
    /// The peer.
    pub peer: String,
    /// How it compares with each peer that was visited before and after it, by that one's name:
    /// the yardstick, unless it is itself that, and those it stands beside.
    pub ratios: BTreeMap<String, Ratios>,
    /// Nanoseconds of the server's core per message, the median of its slices.
    pub cpu_nanos: f64,
    /// Messages per second, the median of its slices.
    pub rate: f64,
    /// Of all its messages.
    pub latency: Latency,
    /// Or why they were not counted.
    pub syscalls: Result<Syscalls, String>,
    /// Bytes of its own memory per idle connection, where there are any.
    pub idle_bytes: Option<f64>,
}

impl Row {
    /// How it compares with the yardstick; nothing for the yardstick itself.
    pub fn by_yardstick(&self) -> Option<&Ratios> {
        self.ratios.get(YARDSTICK)
    }
}

/// A peer's figures by those of the neighbouring slices of another.
#[derive(Clone, Copy, Debug)]
pub struct Ratios {
    /// CPU per message.
    pub cpu: Estimate,
    /// The latency that 99 % of a slice's messages keep.
    pub p99: Estimate,
    /// The latency that 99.9 % of them keep.
    pub p999: Estimate,
}

/// Time from writing a message to having read all of its echo, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Half of the messages took at most this long.
    pub p50: u64,
    /// 99 % of them.
    pub p99: u64,
    /// 99.9 % of them.
    pub p999: u64,
}

/// What a peer has shown so far, over all sittings.
pub struct Tally {
    /// The peer.
    pub peer: Peer,
    cpu_nanos: Vec<f64>,
    rates: Vec<f64>,
    ratios: BTreeMap<String, [Vec<f64>; 3]>,
    idle_bytes: Vec<f64>,
    latency: Histogram<u64>,
    syscalls: Option<Result<Syscalls, String>>,
}

/// What one slice showed.
#[derive(Clone, Copy)]
pub struct Slice {
    /// The server's nanoseconds per message.
    cpu: f64,
    p99: f64,
    p999: f64,
}

/// What the two slices of a visit showed.
pub type Visit = [Slice; 2];

/// A peer's server with its load generator, for one sitting.
pub struct Station {
    tally: Tally,
    server: Server,
    generator: Generator,
}

impl Tally {
    /// Of a peer that has shown nothing yet.
    pub fn new(peer: &Peer) -> Result<Self> {
        Ok(Self {
            peer: peer.clone(),
            cpu_nanos: vec![],
            rates: vec![],
            ratios: BTreeMap::new(),
            idle_bytes: vec![],
            latency: load::histogram()?,
            syscalls: None,
        })
    }

    /// The peer's row of the report.
    pub fn into_row(self) -> Result<Row> {
        let at = |quantile| self.latency.value_at_quantile(quantile);
        let not_reached = || Err("the scenario ended before".to_owned());
        let ratios = self.ratios.into_iter().filter_map(|(other, pairs)| {
            let [cpu, p99, p999] = pairs.map(|ratios| Estimate::of(&ratios));
            let (cpu, p99, p999) = (cpu?, p99?, p999?);
            Some((other, Ratios { cpu, p99, p999 }))
        });
        Ok(Row {
            ratios: ratios.collect(),
            cpu_nanos: median(&self.cpu_nanos).context("it had no slice")?,
            rate: median(&self.rates).context("it had no slice")?,
            latency: Latency {
                p50: at(0.5),
                p99: at(0.99),
                p999: at(0.999),
            },
            syscalls: self.syscalls.unwrap_or_else(not_reached),
            idle_bytes: median(&self.idle_bytes),
            peer: self.peer.name,
        })
    }
}

impl Station {
    /// Starts the server, connects, and warms up.
    pub fn open(tally: Tally, scenario: &Scenario, setting: &Setting<'_>) -> Result<Self> {
        let peer = &tally.peer;
        let server = Server::start(peer, scenario.work, setting.cores.server)?;
        let generator = Generator::start(&peer.name, setting.cores.load, server.address, scenario)?;
        let mut station = Self {
            tally,
            server,
            generator,
        };
        // Who is not yet accepted would miss the first message of a broadcast.
        station.server.wait_until_accepted()?;
        station.generator.warm_up(setting.plan.warm_up_millis)?;
        if scenario.idle > 0 {
            let before = station.server.anonymous_bytes()?;
            station.connect_idle(scenario)?;
            station.generator.warm_up(setting.plan.lead_in_millis)?;
            let grown = station.server.anonymous_bytes()?.saturating_sub(before);
            let per_connection = grown as f64 / scenario.idle as f64;
            station.tally.idle_bytes.push(per_connection);
        }
        Ok(station)
    }

    /// Fewer at a time than a backlog holds: beyond it the kernel drops the
    /// request, and the next attempt follows only after a second.
    fn connect_idle(&mut self, scenario: &Scenario) -> Result<()> {
        const AT_A_TIME: usize = 1000;
        let mut left = scenario.idle;
        while left > 0 {
            let more = AT_A_TIME.min(left);
            self.generator.connect_idle(more)?;
            self.server.wait_until_accepted()?;
            left -= more;
        }
        Ok(())
    }

    /// The peer's name.
    pub fn name(&self) -> &str {
        &self.tally.peer.name
    }

    /// Two slices.
    pub fn visit(&mut self, plan: &Plan) -> Result<Visit> {
        let mut slice = || self.slice(plan);
        let slices = slice().and_then(|first| Ok([first, slice()?]));
        // That the server ended says more than what the generator saw of it.
        slices.map_err(|error| self.server.ending().unwrap_or(error))
    }

    fn slice(&mut self, plan: &Plan) -> Result<Slice> {
        interrupt::check()?;
        self.generator.warm_up(plan.lead_in_millis)?;
        let start = SystemTime::now();
        let before = self.server.cpu_nanos()?;
        let slice = self.generator.run(Limit::Millis(plan.slice_millis))?;
        let spent = self.server.cpu_nanos()? - before;
        ensure!(spent > 0, "the kernel accounted no time to the server");
        if let Some(file) = &self.tally.peer.writes {
            let written = fs::metadata(file).and_then(|data| data.modified());
            ensure!(
                written.is_ok_and(|written| written >= start),
                "it did not write to {} while it was measured",
                file.display()
            );
        }
        let cpu = spent as f64 / slice.messages as f64;
        let rate = slice.messages as f64 * 1e9 / slice.elapsed_nanos as f64;
        self.tally.cpu_nanos.push(cpu);
        self.tally.rates.push(rate);
        Ok(Slice {
            cpu,
            p99: slice.p99_nanos as f64,
            p999: slice.p999_nanos as f64,
        })
    }

    /// A visit against the neighbouring slices of another peer's visits before and after it.
    ///
    /// Both sides are one first and one second slice of a visit, because the
    /// first still pays for caches (5 % at 1,000 connections), and both are
    /// two, because the mean of two noisy slices has another median than one
    /// of them. With less than that, identical servers would differ.
    pub fn pair(&mut self, own: Visit, other: &str, before: Visit, after: Visit) {
        let neighbours = [before[1], after[0]];
        let sum = |slices: Visit, of: fn(Slice) -> f64| slices.map(of).iter().sum::<f64>();
        let [cpu, p99, p999] = self.tally.ratios.entry(other.to_owned()).or_default();
        let push = |ratios: &mut Vec<f64>, of| ratios.push(sum(own, of) / sum(neighbours, of));
        push(cpu, |slice| slice.cpu);
        push(p99, |slice| slice.p99);
        push(p999, |slice| slice.p999);
    }

    /// The peers that this one is compared with as well, the outermost first.
    pub fn beside(&self) -> &'static [&'static str] {
        self.tally.peer.beside
    }

    /// Counts the system calls unless that is done, and ends the server.
    pub fn close(mut self, setting: &Setting<'_>) -> Result<Tally> {
        for (nanos, count) in self.generator.latency()? {
            self.tally.latency.saturating_record_n(nanos, count);
        }
        if self.tally.syscalls.is_none() {
            self.tally.syscalls = Some(self.count_syscalls(setting));
        }
        // The generator first, which closes by reset: the side that closes
        // first in the ordinary way keeps its port for a minute.
        drop(self.generator);
        self.server.stop()?;
        Ok(self.tally)
    }

    fn count_syscalls(&mut self, setting: &Setting<'_>) -> Result<Syscalls, String> {
        setting.strace.clone()?;
        let load = Limit::Millis(setting.plan.strace_millis);
        syscalls::count(
            self.server.pid(),
            setting.cores.load,
            setting.scratch,
            || Ok(self.generator.run(load)?.messages),
        )
        .map_err(|error| format!("{error:#}"))
    }
}
