//! The results as tables: for the terminal, and as the page that is committed.
//!
//! Must never leave out a peer without saying why.

use crate::goals;
use crate::machine::Machine;
use crate::peers::{Field, NOISE, YARDSTICK};
use crate::plan::Plan;
use crate::runner::Outcome;
use crate::scenario::REFERENCE;
use crate::station::{Ratios, Row, Setting};
use crate::statistics::Estimate;
use crate::syscalls::Syscalls;
use crate::table::{Table, three_digits, time};

/// All that a run has shown.
#[derive(Debug)]
pub struct Report {
    /// Where and when.
    pub machine: Machine,
    /// Peers with their versions.
    pub versions: Vec<(String, String)>,
    /// Peers left out, with the reason.
    pub skipped: Vec<(String, String)>,
    /// The compilers.
    pub compilers: String,
    /// The extent of the run.
    pub plan: Plan,
    /// Server and load share one core.
    pub one_core: bool,
    /// By scenario.
    pub outcomes: Vec<Outcome>,
    /// Instructions per message by peer, or why they were not counted.
    pub instructions: Vec<(String, Result<f64, String>)>,
}

impl Report {
    /// An empty report.
    pub fn new(machine: Machine, field: &Field, setting: &Setting<'_>) -> Self {
        let versions = field.peers.iter().filter(|peer| peer.name != NOISE);
        Self {
            machine,
            versions: versions
                .map(|peer| (peer.name.clone(), peer.version.clone()))
                .collect(),
            skipped: field.skipped.clone(),
            compilers: field.compilers.clone(),
            plan: setting.plan,
            one_core: setting.cores.shared(),
            outcomes: vec![],
            instructions: vec![],
        }
    }

    /// Whether no peer failed (one that is left out has not).
    pub fn complete(&self) -> bool {
        self.outcomes.iter().all(|o| o.failures.is_empty())
    }

    /// For the terminal.
    pub fn to_text(&self) -> String {
        format!("\n{}\n{}", self.overview().render(), self.body("\n"))
    }

    /// The page `echo.md`.
    pub fn to_markdown(&self) -> String {
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|(peer, version)| format!("{peer} ({version})"))
            .collect();
        let Plan {
            sittings,
            rounds,
            slice_millis,
            ..
        } = self.plan;
        format!(
            "# Echo, side by side\n\n\
             Written by `cargo run --release -p switchboard-bench`; \
             [what each figure means](../README.md).\n\n\
             - Date: {}\n- Kernel: Linux {}\n- Processor: {}\n- Compilers: {}\n- Peers: {}\n\
             - Extent: {sittings} sittings of {rounds} visits to each peer, two slices of {slice_millis} ms each\n{}\n\
             ![CPU per message relative to raw epoll](echo.svg)\n\n\
             ## Server CPU per message, relative to raw epoll\n\n\
             The median of the paired ratios, with its 95 % interval. \
             `{NOISE}` is a second copy of the yardstick: what it shows is noise.\n\n{}\n{}",
            self.machine.date,
            self.machine.kernel,
            self.machine.processor,
            self.compilers,
            versions.join(", "),
            self.remarks(),
            self.overview().render(),
            self.body("\n## "),
        )
    }

    fn remarks(&self) -> String {
        let mut text = String::new();
        if self.one_core {
            text.push_str("- Only one core: server and load generator shared it\n");
        }
        for (peer, why) in &self.skipped {
            text.push_str(&format!("- Left out: {peer}: {why}\n"));
        }
        text
    }

    fn overview(&self) -> Table {
        let others = self.versions.iter().map(|(peer, _)| peer.as_str());
        let others = others.filter(|peer| *peer != YARDSTICK);
        let peers: Vec<&str> = std::iter::once(NOISE).chain(others).collect();
        let mut table = Table::new(std::iter::once("scenario").chain(peers.iter().copied()));
        for outcome in &self.outcomes {
            let cells = peers.iter().map(|peer| {
                let row = outcome.rows.iter().find(|row| row.peer == *peer);
                let cpu = row.and_then(|row| Some(row.by_yardstick()?.cpu));
                match outcome.failures.iter().any(|(failed, _)| failed == peer) {
                    true => "failed".to_owned(),
                    false => cpu.map_or_else(dash, |cpu| estimate(&cpu)),
                }
            });
            table.row(std::iter::once(outcome.scenario.title.to_owned()).chain(cells));
        }
        table
    }

    /// Everything below the overview; `heading` stands before each title.
    fn body(&self, heading: &str) -> String {
        let mut text = String::new();
        for outcome in &self.outcomes {
            text.push_str(&format!(
                "{heading}{} (`{}`)\n\n{}",
                outcome.scenario.title,
                outcome.scenario.name,
                scenario_table(outcome).render()
            ));
            if let Some(table) = pairs_table(outcome) {
                text.push_str(&format!("\n{}", table.render()));
            }
            for (peer, why) in &outcome.failures {
                text.push_str(&format!("\n**{peer} failed**: {why}\n"));
            }
        }
        text.push_str(&format!(
            "{heading}Counted, not timed\n\n{}",
            self.counts().render()
        ));
        for (peer, why) in &self.skipped {
            text.push_str(&format!("\n{peer} is left out: {why}\n"));
        }
        let verdicts = goals::judge(self);
        if !verdicts.is_empty() {
            text.push_str(&format!("{heading}Goals\n\n"));
        }
        for verdict in verdicts {
            let word = if verdict.met { "met" } else { "**missed**" };
            text.push_str(&format!("- {word}: {}\n", verdict.text));
        }
        text
    }

    fn counts(&self) -> Table {
        let mut table = Table::new([
            "peer",
            "instructions per message",
            "system calls per message",
            "bytes per idle connection",
        ]);
        for (peer, _) in &self.versions {
            let find = |outcome: &&Outcome| outcome.rows.iter().any(|row| row.peer == *peer);
            let row_in = |wanted: &dyn Fn(&Outcome) -> bool| -> Option<&Row> {
                let outcome = self.outcomes.iter().filter(find).find(|o| wanted(o))?;
                outcome.rows.iter().find(|row| row.peer == *peer)
            };
            let instructions = self.instructions.iter().find(|(name, _)| name == peer);
            let reference = row_in(&|o| o.scenario.name == REFERENCE.name);
            let idle = row_in(&|o| o.scenario.idle > 0).and_then(|row| row.idle_bytes);
            table.row([
                peer.clone(),
                instructions.map_or_else(dash, |(_, counted)| {
                    counted
                        .as_ref()
                        .map_or_else(not_measured, |n| format!("{n:.1}"))
                }),
                reference.map_or_else(dash, |row| calls(&row.syscalls)),
                idle.map_or_else(dash, |bytes| format!("{bytes:.0}")),
            ]);
        }
        table
    }
}

fn scenario_table(outcome: &Outcome) -> Table {
    let mut table = Table::new([
        "peer",
        "× raw epoll",
        "pairs",
        "CPU per message",
        "messages/s",
        "p50",
        "p99",
        "p99.9",
        "p99 × raw epoll",
        "p99.9 × raw epoll",
        "system calls per message",
    ]);
    for row in &outcome.rows {
        let latency = [row.latency.p50, row.latency.p99, row.latency.p999];
        let [p50, p99, p999] = latency.map(|nanos| time(nanos as f64));
        let ratios = row.by_yardstick();
        let one_or = |of: fn(&Ratios) -> &Estimate| {
            ratios.map_or_else(|| "1".to_owned(), |ratios| estimate(of(ratios)))
        };
        table.row([
            row.peer.clone(),
            one_or(|ratios| &ratios.cpu),
            ratios.map_or_else(dash, |ratios| ratios.cpu.count.to_string()),
            time(row.cpu_nanos),
            format!("{} k", three_digits(row.rate / 1e3)),
            p50,
            p99,
            p999,
            one_or(|ratios| &ratios.p99),
            one_or(|ratios| &ratios.p999),
            calls(&row.syscalls),
        ]);
    }
    table
}

/// The peers that were paired with others than the yardstick.
fn pairs_table(outcome: &Outcome) -> Option<Table> {
    let mut table = Table::new(["paired", "pairs", "CPU per message", "p99", "p99.9"]);
    let mut empty = true;
    for row in &outcome.rows {
        for (other, ratios) in row.ratios.iter().filter(|(other, _)| *other != YARDSTICK) {
            empty = false;
            table.row([
                format!("{} × {other}", row.peer),
                ratios.cpu.count.to_string(),
                estimate(&ratios.cpu),
                estimate(&ratios.p99),
                estimate(&ratios.p999),
            ]);
        }
    }
    (!empty).then_some(table)
}

fn dash() -> String {
    "–".to_owned()
}

fn not_measured(why: &String) -> String {
    format!("not measured ({why})")
}

fn estimate(estimate: &Estimate) -> String {
    let Estimate {
        median, low, high, ..
    } = estimate;
    format!("{median:.3} ({low:.3}–{high:.3})")
}

fn calls(syscalls: &Result<Syscalls, String>) -> String {
    let syscalls = match syscalls {
        Ok(syscalls) => syscalls,
        Err(why) => return not_measured(why),
    };
    let digits = if syscalls.total < 0.095 { 4 } else { 2 };
    let parts: Vec<String> = syscalls
        .by_name
        .iter()
        .map(|(name, rate)| format!("{name} {rate:.digits$}"))
        .collect();
    format!("{:.digits$} ({})", syscalls.total, parts.join(", "))
}

/// A small report for the tests of all that show one.
#[cfg(test)]
pub mod sample {
    use super::*;
    use crate::peers::{LIMIT, OURS, OURS_RECORDED, OURS_URING};
    use crate::scenario::SCENARIOS;
    use crate::station::Latency;

    fn around(median: f64) -> Estimate {
        Estimate {
            median,
            low: median - 0.01,
            high: median + 0.01,
            coverage: 0.96,
            count: 30,
        }
    }

    /// All three ratios alike.
    pub fn ratios(median: f64) -> Ratios {
        let same = around(median);
        Ratios {
            cpu: same,
            p99: same,
            p999: same,
        }
    }

    /// A peer of those ratios by others.
    pub fn row(peer: &str, by: &[(&str, f64)]) -> Row {
        let by = by.iter();
        Row {
            peer: peer.to_owned(),
            ratios: by
                .map(|(other, median)| ((*other).to_owned(), ratios(*median)))
                .collect(),
            cpu_nanos: 3210.0,
            rate: 301_000.0,
            latency: Latency {
                p50: 190_000,
                p99: 400_000,
                p999: 900_000,
            },
            syscalls: Ok(Syscalls {
                by_name: [("read".to_owned(), 1.0), ("write".to_owned(), 1.0)].into(),
                total: 2.016,
            }),
            idle_bytes: None,
        }
    }

    /// All scenarios, with raw epoll, its copy, switchboard and mio.
    pub fn report() -> Report {
        let outcomes = SCENARIOS.into_iter().map(|scenario| Outcome {
            scenario,
            rows: vec![
                row(YARDSTICK, &[]),
                row(NOISE, &[(YARDSTICK, 1.0)]),
                row(OURS, &[(YARDSTICK, 1.015)]),
                row(LIMIT, &[(YARDSTICK, 0.94)]),
                row(
                    OURS_URING,
                    &[(YARDSTICK, 0.96), (OURS, 0.95), (LIMIT, 1.02)],
                ),
                row(OURS_RECORDED, &[(YARDSTICK, 1.03), (OURS, 1.02)]),
                row("mio", &[(YARDSTICK, 0.97)]),
            ],
            failures: vec![],
        });
        let peers = [YARDSTICK, LIMIT, OURS, OURS_URING, "mio"];
        Report {
            machine: Machine {
                date: "2026-01-02 03:04 UTC".to_owned(),
                kernel: "6.18".to_owned(),
                processor: "a processor, 2 cores".to_owned(),
            },
            versions: peers.map(|p| (p.to_owned(), "1.2.3".to_owned())).into(),
            skipped: vec![("libuv".to_owned(), "its headers are missing".to_owned())],
            compilers: "rustc, cc".to_owned(),
            plan: Plan::FULL,
            one_core: false,
            outcomes: outcomes.collect(),
            instructions: peers.map(|p| (p.to_owned(), Ok(150.0))).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample;
    use crate::peers::{LIMIT, OURS, OURS_URING, YARDSTICK};
    use crate::scenario::{BULK, CROWD};

    #[test]
    fn page_names_every_scenario_peer_and_who_is_left_out() {
        let report = sample::report();
        let page = report.to_markdown();
        for outcome in &report.outcomes {
            assert!(page.contains(&format!("(`{}`)", outcome.scenario.name)));
        }
        assert!(page.contains("- Date: 2026-01-02 03:04 UTC"));
        assert!(page.contains("1.015 (1.005–1.025)"));
        assert!(page.contains("- Left out: libuv: its headers are missing"));
        assert!(report.to_text().contains("libuv is left out"));
        assert!(report.complete());
    }

    #[test]
    fn a_peer_that_failed_is_named_with_its_reason_and_spoils_the_run() {
        let mut report = sample::report();
        report.outcomes[1].rows.retain(|row| row.peer != "mio");
        report.outcomes[1]
            .failures
            .push(("mio".to_owned(), "was ended by signal 11".to_owned()));
        let text = report.to_text();
        assert!(text.contains("**mio failed**: was ended by signal 11"));
        assert!(text.contains("failed |"), "also in the overview");
        assert!(!report.complete());
    }

    #[test]
    fn what_was_not_measured_says_why() {
        let mut report = sample::report();
        report.instructions[0].1 = Err("install valgrind".to_owned());
        for row in &mut report.outcomes[1].rows {
            row.syscalls = Err("install strace".to_owned());
        }
        let text = report.to_text();
        assert!(text.contains("not measured (install valgrind)"));
        assert!(text.contains("not measured (install strace)"));
    }

    #[test]
    fn goals_are_judged_by_the_figures() {
        let mut report = sample::report();
        assert!(!report.to_text().contains("missed"));
        let bulk = report.outcomes.iter_mut().find(|o| o.scenario == BULK);
        for row in &mut bulk.expect("the sample has all scenarios").rows {
            match row.peer.as_str() {
                OURS => row
                    .ratios
                    .extend([(YARDSTICK.to_owned(), sample::ratios(1.05))]),
                OURS_URING => row
                    .ratios
                    .extend([(LIMIT.to_owned(), sample::ratios(1.08))]),
                _ => {}
            }
        }
        for (peer, counted) in &mut report.instructions {
            if peer == OURS {
                *counted = Ok(201.0);
            }
        }
        let text = report.to_text();
        for missed in [
            "16x64KiB: switchboard (readiness): at most 1.02 × the CPU per message of raw epoll",
            "16x64KiB: switchboard (readiness): at most 1.02 × the p99 latency of raw epoll",
            "16x64KiB: switchboard (io_uring): at most 1.05 × the CPU per message of raw io_uring",
            "64x64B: switchboard (readiness): at most 200 instructions per message: 201.0",
        ] {
            assert!(text.contains(&format!("**missed**: {missed}")), "{missed}");
        }
        assert_eq!(text.matches("**missed**").count(), 4);
    }

    #[test]
    fn ahead_is_judged_without_regard_to_noise_and_system_calls_by_the_fewest() {
        let mut report = sample::report();
        let crowd = report.outcomes.iter_mut().find(|o| o.scenario == CROWD);
        for row in &mut crowd.expect("the sample has all scenarios").rows {
            if row.peer == OURS_URING {
                row.ratios
                    .extend([(OURS.to_owned(), sample::ratios(0.995))]);
                row.syscalls.as_mut().expect("the sample has them").total = 2.3;
            }
        }
        let text = report.to_text();
        assert!(text.contains("**missed**: 1000x64B: switchboard (io_uring): less CPU"));
        assert!(text.contains("**missed**: 1000x64B: switchboard (io_uring): the fewest"));
        assert_eq!(text.matches("**missed**").count(), 2);
    }

    #[test]
    fn peers_that_stand_beside_others_have_a_table_of_their_own() {
        let text = sample::report().to_text();
        assert!(text.contains("| switchboard (io_uring) × raw io_uring"));
        assert!(!text.contains("| mio × "));
    }
}
