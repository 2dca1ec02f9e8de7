//! One peer at work: its server, its load generator, and what they have shown so far.
//!
//! Must never know of other peers: `runner` decides whose turn it is.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::cores::Cores;
use crate::generator::Generator;
use crate::interrupt;
use crate::load;
use crate::peers::Peer;
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
    /// Its CPU per message by that of its neighbouring yardstick slices; none for the yardstick.
    pub ratio: Option<Estimate>,
    /// The same of the latency that 99 % of a slice's messages keep.
    pub p99_ratio: Option<Estimate>,
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
    ratios: Vec<f64>,
    p99_ratios: Vec<f64>,
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
}

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
            ratios: vec![],
            p99_ratios: vec![],
            idle_bytes: vec![],
            latency: load::histogram()?,
            syscalls: None,
        })
    }

    /// The peer's row of the report.
    pub fn into_row(self) -> Result<Row> {
        let at = |quantile| self.latency.value_at_quantile(quantile);
        let not_reached = || Err("the scenario ended before".to_owned());
        Ok(Row {
            ratio: Estimate::of(&self.ratios),
            p99_ratio: Estimate::of(&self.p99_ratios),
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
        let server = Server::start(peer, setting.cores.server)?;
        let generator = Generator::start(&peer.name, setting.cores.load, server.address, scenario)?;
        let mut station = Self {
            tally,
            server,
            generator,
        };
        station.generator.warm_up(setting.plan.warm_up_millis)?;
        if scenario.idle > 0 {
            station.server.wait_for_connections(scenario.active)?;
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
        let mut open = scenario.active;
        let all = open + scenario.idle;
        while open < all {
            let more = AT_A_TIME.min(all - open);
            self.generator.connect_idle(more)?;
            open += more;
            self.server.wait_for_connections(open)?;
        }
        Ok(())
    }

    /// The peer's name.
    pub fn name(&self) -> &str {
        &self.tally.peer.name
    }

    /// Two slices.
    pub fn visit(&mut self, plan: &Plan) -> Result<[Slice; 2]> {
        let mut slice = || self.slice(plan);
        let slices = slice().and_then(|first| Ok([first, slice()?]));
        // That the server ended says more than what the generator saw of it.
        slices.map_err(|error| self.server.ending().unwrap_or(error))
    }

    fn slice(&mut self, plan: &Plan) -> Result<Slice> {
        interrupt::check()?;
        self.generator.warm_up(plan.lead_in_millis)?;
        let before = self.server.cpu_nanos()?;
        let slice = self.generator.run(Limit::Millis(plan.slice_millis))?;
        let spent = self.server.cpu_nanos()? - before;
        ensure!(spent > 0, "the kernel accounted no time to the server");
        let cpu = spent as f64 / slice.messages as f64;
        let rate = slice.messages as f64 * 1e9 / slice.elapsed_nanos as f64;
        self.tally.cpu_nanos.push(cpu);
        self.tally.rates.push(rate);
        let p99 = slice.p99_nanos as f64;
        Ok(Slice { cpu, p99 })
    }

    /// A visit against the neighbouring slices of the yardstick's visits
    /// before and after it.
    ///
    /// Both sides are one first and one second slice of a visit, because the
    /// first still pays for caches (5 % at 1,000 connections), and both are
    /// two, because the mean of two noisy slices has another median than one
    /// of them. With less than that, identical servers would differ.
    pub fn pair(&mut self, own: [Slice; 2], before: [Slice; 2], after: [Slice; 2]) {
        let yardstick = [before[1], after[0]];
        let sum = |slices: [Slice; 2], of: fn(Slice) -> f64| slices.map(of).iter().sum::<f64>();
        let ratio = |of| sum(own, of) / sum(yardstick, of);
        self.tally.ratios.push(ratio(|slice| slice.cpu));
        self.tally.p99_ratios.push(ratio(|slice| slice.p99));
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
        syscalls::count(
            &self.server,
            &mut self.generator,
            setting.cores.load,
            setting.plan.strace_millis,
            setting.scratch,
        )
        .map_err(|error| format!("{error:#}"))
    }
}
