//! Two reactors against one, where each message takes work: how much more they get done, and what a
//! message costs then.
//!
//! Must never let both servers work at the same time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cores::Crew;
use crate::generator::Generator;
use crate::machine::Machine;
use crate::peers::{self, Peer};
use crate::plan::Plan;
use crate::protocol::Limit;
use crate::scenario::{REFERENCE, Work};
use crate::servers::Server;
use crate::statistics::{Estimate, median};
use crate::table::Table;
use crate::{cores, interrupt};

/// CPU that a message must cost at least, or the load generator would be measured as well.
const LEAST_WORK: Duration = Duration::from_micros(20);

/// The drivers that are measured, one after the other.
const DRIVERS: [&str; 2] = ["readiness", "io_uring"];

/// A server that works, with its load, and what its slices showed.
struct Bench {
    server: Server,
    generator: Generator,
    rates: Vec<f64>,
    cpu_nanos: Vec<f64>,
    p99_nanos: Vec<f64>,
}

/// What one slice showed.
#[derive(Clone, Copy)]
struct Seen {
    rate: f64,
    cpu: f64,
}

/// Measures, and gives the report and where it is to be written if nobody says otherwise.
pub fn measure(quick: bool) -> Result<(String, PathBuf)> {
    let plan = match quick {
        true => Plan::QUICK,
        false => Plan::FULL,
    };
    let (program, target) = peers::build_work()?;
    interrupt::check()?;
    let crew = Crew::choose()?;
    cores::pin_to(&[crew.load])?;
    let mut table = Table::new([
        "reactors",
        "messages/s",
        "CPU per message",
        "p99",
        "rate × one",
        "CPU per message × one",
    ]);
    for driver in DRIVERS {
        eprintln!("{driver}: two reactors against one");
        add_driver(&mut table, driver, &program, &plan, &crew)
            .with_context(|| format!("on the driver {driver}"))?;
    }
    let default = match quick {
        true => target.join("bench-results"),
        false => Path::new(env!("CARGO_MANIFEST_DIR")).join("results"),
    };
    Ok((report(&table, &plan, &crew), default))
}

fn add_driver(
    table: &mut Table,
    driver: &str,
    program: &Path,
    plan: &Plan,
    crew: &Crew,
) -> Result<()> {
    let mut ones = vec![];
    let mut twos = vec![];
    let (mut rate_ratios, mut cpu_ratios) = (vec![], vec![]);
    for _ in 0..plan.sittings {
        let mut one = Bench::start(driver, 1, program, plan, crew)?;
        let mut two = Bench::start(driver, 2, program, plan, crew)?;
        for _ in 0..plan.rounds {
            // One, two, two, one: what drifts evenly meets both alike.
            let first = one.slice(plan)?;
            let inner = [two.slice(plan)?, two.slice(plan)?];
            let outer = [first, one.slice(plan)?];
            let sum = |seen: [Seen; 2], of: fn(Seen) -> f64| seen.map(of).iter().sum::<f64>();
            rate_ratios.push(sum(inner, |s| s.rate) / sum(outer, |s| s.rate));
            cpu_ratios.push(sum(inner, |s| s.cpu) / sum(outer, |s| s.cpu));
        }
        ones.push(one.stop()?);
        twos.push(two.stop()?);
    }
    let [rate, cpu] = [rate_ratios, cpu_ratios].map(|ratios| ratio(&ratios));
    let unity = "1".to_owned();
    for (count, stopped, ratios) in [
        ("1", ones, [unity.clone(), unity]),
        ("2", twos, [rate, cpu]),
    ] {
        let all = |of: fn(&Slices) -> &Vec<f64>| {
            let all: Vec<f64> = stopped.iter().flat_map(of).copied().collect();
            median(&all).context("nothing was measured")
        };
        let cpu = all(|slices| &slices.cpu_nanos)?;
        ensure!(
            cpu >= LEAST_WORK.as_nanos() as f64,
            "a message cost {cpu:.0} ns of CPU, less than {LEAST_WORK:?}: raise STEPS in the example `work`"
        );
        let [rate_ratio, cpu_ratio] = ratios;
        table.row([
            format!("{count} ({driver})"),
            format!("{:.0}", all(|slices| &slices.rates)?),
            format!("{:.1} µs", cpu / 1000.0),
            format!("{:.0} µs", all(|slices| &slices.p99_nanos)? / 1000.0),
            rate_ratio,
            cpu_ratio,
        ]);
    }
    Ok(())
}

/// What is left of a server that was ended.
struct Slices {
    rates: Vec<f64>,
    cpu_nanos: Vec<f64>,
    p99_nanos: Vec<f64>,
}

impl Bench {
    fn start(
        driver: &str,
        reactors: usize,
        program: &Path,
        plan: &Plan,
        crew: &Crew,
    ) -> Result<Bench> {
        let number = reactors.to_string();
        let options = ["--driver", driver, "--reactors", &number, "--pinned"];
        let peer = Peer {
            name: format!("{reactors} reactors"),
            programs: [(Work::Echo, program.to_owned())].into(),
            options: options.map(Into::into).into(),
            writes: None,
            version: String::new(),
            beside: &[],
        };
        let server = Server::start_on(&peer, Work::Echo, &crew.servers, &[])?;
        let mut generator = Generator::start(&peer.name, crew.load, server.address, &REFERENCE)?;
        generator.warm_up(plan.warm_up_millis)?;
        Ok(Bench {
            server,
            generator,
            rates: vec![],
            cpu_nanos: vec![],
            p99_nanos: vec![],
        })
    }

    fn slice(&mut self, plan: &Plan) -> Result<Seen> {
        interrupt::check()?;
        self.generator.warm_up(plan.lead_in_millis)?;
        let before = self.server.cpu_nanos()?;
        let slice = self.generator.run(Limit::Millis(plan.slice_millis))?;
        let spent = self.server.cpu_nanos()? - before;
        let seen = Seen {
            rate: slice.messages as f64 * 1e9 / slice.elapsed_nanos as f64,
            cpu: spent as f64 / slice.messages as f64,
        };
        self.rates.push(seen.rate);
        self.cpu_nanos.push(seen.cpu);
        self.p99_nanos.push(slice.p99_nanos as f64);
        Ok(seen)
    }

    fn stop(self) -> Result<Slices> {
        drop(self.generator); // first, so that its ports are free again
        self.server.stop()?;
        Ok(Slices {
            rates: self.rates,
            cpu_nanos: self.cpu_nanos,
            p99_nanos: self.p99_nanos,
        })
    }
}

fn ratio(ratios: &[f64]) -> String {
    Estimate::of(ratios).map_or_else(String::new, |it| {
        format!("{:.2} ({:.2}–{:.2})", it.median, it.low, it.high)
    })
}

fn report(table: &Table, plan: &Plan, crew: &Crew) -> String {
    let machine = Machine::read();
    let shared = match crew.is_shared() {
        true => "the second of which it shares with the load generator",
        false => "and the load generator on one of its own",
    };
    format!(
        "# Two reactors against one\n\n\
         `cargo run --release -p switchboard-bench -- reactors`, {}, {}, Linux {}.\n\n\
         64 connections, 64 B, ping-pong; a fixed computation for each message. \
         The servers run on cores {:?}, {shared}. \
         {} pairs of slices of {} ms; medians, and of the ratios the 95 % interval.\n\n{}",
        machine.date,
        machine.processor,
        machine.kernel,
        crew.servers,
        plan.sittings * plan.rounds,
        plan.slice_millis,
        table.render()
    )
}
