//! One scenario: every server is started once and visited in turn, each
//! peer's two slices between two of the yardstick's.
//!
//! Must never let two servers work at the same time.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::cores::Cores;
use crate::generator::Generator;
use crate::interrupt;
use crate::peers::Peer;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::protocol::{Latency, Limit};
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

/// What a scenario showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which one.
    pub scenario: Scenario,
    /// The yardstick first.
    pub rows: Vec<Row>,
    /// Peers that broke, with the reason.
    pub failures: Vec<(String, String)>,
}

/// A peer's server with its load generator.
struct Station {
    peer: String,
    server: Server,
    generator: Generator,
    cpu_nanos: Vec<f64>,
    rates: Vec<f64>,
    ratios: Vec<f64>,
    p99_ratios: Vec<f64>,
    idle_bytes: Option<f64>,
}

/// What one slice showed.
#[derive(Clone, Copy)]
struct Visit {
    /// The server's nanoseconds per message.
    cpu: f64,
    p99: f64,
}

impl Station {
    fn open(peer: &Peer, scenario: &Scenario, setting: &Setting<'_>) -> Result<Self> {
        let server = Server::start(peer, setting.cores.server)?;
        let mut generator =
            Generator::start(&peer.name, setting.cores.load, server.address, scenario)?;
        generator.warm_up(setting.plan.slice_millis)?;
        let mut idle_bytes = None;
        if scenario.idle > 0 {
            server.wait_for_connections(scenario.active)?;
            let before = server.anonymous_bytes()?;
            connect_idle(&server, &mut generator, scenario)?;
            generator.warm_up(setting.plan.slice_millis)?;
            let grown = server.anonymous_bytes()?.saturating_sub(before);
            idle_bytes = Some(grown as f64 / scenario.idle as f64);
        }
        Ok(Self {
            peer: peer.name.clone(),
            server,
            generator,
            cpu_nanos: vec![],
            rates: vec![],
            ratios: vec![],
            p99_ratios: vec![],
            idle_bytes,
        })
    }

    /// One slice.
    fn visit(&mut self, plan: &Plan) -> Result<Visit> {
        interrupt::check()?;
        self.generator.warm_up(plan.lead_in_millis)?;
        let before = self.server.cpu_nanos()?;
        let slice = self.generator.run(Limit::Millis(plan.slice_millis))?;
        let spent = self.server.cpu_nanos()? - before;
        ensure!(spent > 0, "the kernel accounted no time to the server");
        let cpu = spent as f64 / slice.messages as f64;
        self.cpu_nanos.push(cpu);
        self.rates
            .push(slice.messages as f64 * 1e9 / slice.elapsed_nanos as f64);
        Ok(Visit {
            cpu,
            p99: slice.p99_nanos as f64,
        })
    }

    /// Two slices against the yardstick's before and after them.
    ///
    /// Two against two, because the mean of two noisy slices has another
    /// median than one of them: identical servers would differ.
    fn pair(&mut self, own: [Visit; 2], yardstick: [Visit; 2]) {
        let sum = |visits: [Visit; 2], of: fn(Visit) -> f64| visits.map(of).iter().sum::<f64>();
        let ratio = |of| sum(own, of) / sum(yardstick, of);
        self.ratios.push(ratio(|visit| visit.cpu));
        self.p99_ratios.push(ratio(|visit| visit.p99));
    }

    /// Ends the measuring and the server.
    fn close(mut self, setting: &Setting<'_>) -> Result<Row> {
        let latency = self.generator.latency()?;
        let syscalls = setting.strace.clone().and_then(|()| {
            syscalls::count(
                &self.server,
                &mut self.generator,
                setting.cores.load,
                setting.plan.strace_millis,
                setting.scratch,
            )
            .map_err(|error| format!("{error:#}"))
        });
        // The generator first: the side that closes first keeps the port in
        // TIME-WAIT, and that must not be the server's.
        drop(self.generator);
        self.server.stop()?;
        Ok(Row {
            peer: self.peer,
            ratio: Estimate::of(&self.ratios),
            p99_ratio: Estimate::of(&self.p99_ratios),
            cpu_nanos: median(&self.cpu_nanos).context("it had no slice")?,
            rate: median(&self.rates).context("it had no slice")?,
            latency,
            syscalls,
            idle_bytes: self.idle_bytes,
        })
    }
}

/// Fewer at a time than a backlog holds: beyond it the kernel drops the
/// request, and the next attempt follows only after a second.
fn connect_idle(server: &Server, generator: &mut Generator, scenario: &Scenario) -> Result<()> {
    const AT_A_TIME: usize = 1000;
    let mut open = scenario.active;
    let all = open + scenario.idle;
    while open < all {
        let more = AT_A_TIME.min(all - open);
        generator.connect_idle(more)?;
        open += more;
        server.wait_for_connections(open)?;
    }
    Ok(())
}

/// Runs one scenario. The first peer is the yardstick; if it fails, so does the scenario.
pub fn run(
    scenario: Scenario,
    peers: &[Peer],
    setting: &Setting<'_>,
    deadline: Instant,
    progress: &Progress,
) -> Result<Outcome> {
    let mut failures = vec![];
    let mut stations = vec![];
    for peer in peers {
        progress.say(&format!("starting {}", peer.name));
        match Station::open(peer, &scenario, setting) {
            Ok(station) => stations.push(station),
            Err(error) => fail(&mut failures, &peer.name, &error)?,
        }
    }
    ensure!(
        stations.first().map(|s| &s.peer) == peers.first().map(|p| &p.name),
        "the yardstick failed: {failures:?}"
    );
    let mut yardstick = stations.remove(0);
    compare(
        &mut yardstick,
        &mut stations,
        &mut failures,
        &setting.plan,
        deadline,
        progress,
    )?;
    // The rounds have rotated them.
    stations.sort_by_key(|station| peers.iter().position(|peer| peer.name == station.peer));
    let mut rows = vec![];
    for station in std::iter::once(yardstick).chain(stations) {
        progress.say(&format!("counting system calls of {}", station.peer));
        let peer = station.peer.clone();
        match station.close(setting) {
            Ok(row) => rows.push(row),
            Err(error) => fail(&mut failures, &peer, &error)?,
        }
    }
    Ok(Outcome {
        scenario,
        rows,
        failures,
    })
}

/// The rounds: yardstick, X, X, yardstick, Y, Y, yardstick …
fn compare(
    yardstick: &mut Station,
    others: &mut Vec<Station>,
    failures: &mut Vec<(String, String)>,
    plan: &Plan,
    deadline: Instant,
    progress: &Progress,
) -> Result<()> {
    let rounds = plan.rounds;
    let mut before = yardstick.visit(plan)?;
    for round in 0..rounds {
        if Instant::now() > deadline {
            progress.note(&format!("out of time after {round} of {rounds} rounds"));
            break;
        }
        progress.say(&format!("round {} of {rounds}", round + 1));
        let mut index = 0;
        while index < others.len() {
            let own = visit_twice(&mut others[index], plan);
            let after = yardstick.visit(plan)?;
            match own {
                Ok(own) => {
                    others[index].pair(own, [before, after]);
                    index += 1;
                }
                Err(error) => {
                    let broken = others.remove(index);
                    fail(failures, &broken.peer, &error)?;
                }
            }
            before = after;
        }
        // So that no peer always follows the same one.
        if !others.is_empty() {
            others.rotate_left(1);
        }
    }
    Ok(())
}

fn visit_twice(station: &mut Station, plan: &Plan) -> Result<[Visit; 2]> {
    Ok([station.visit(plan)?, station.visit(plan)?])
}

/// Notes a peer's failure; Ctrl-C is not one.
fn fail(failures: &mut Vec<(String, String)>, peer: &str, error: &anyhow::Error) -> Result<()> {
    interrupt::check()?;
    failures.push((peer.to_owned(), format!("{error:#}")));
    Ok(())
}
