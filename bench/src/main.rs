//! The side-by-side echo benchmark: what to run, in which order, and where the results go.
//!
//! Must never measure by itself: `runner` visits the servers, `report` and
//! `chart` show what came of it.

mod chart;
mod chat;
mod child;
mod copy;
mod cores;
mod generator;
mod goals;
mod instructions;
mod interrupt;
mod load;
mod machine;
mod pattern;
mod peers;
mod plan;
mod process;
mod progress;
mod protocol;
mod reactors;
mod report;
mod runner;
mod scenario;
mod servers;
mod station;
mod statistics;
mod syscalls;
mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::cores::Cores;
use crate::machine::Machine;
use crate::peers::Field;
use crate::plan::{Budget, Plan};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::{SCENARIOS, Scenario};
use crate::station::Setting;

/// Compares switchboard's echo server, on both drivers, with raw epoll and raw io_uring in C, mio,
/// libuv and tokio.
///
/// Builds all of them, visits them in turn for under ten minutes on two cores,
/// prints a table, and writes bench/results/echo.md and echo.svg.
/// bench/README.md says what each figure means.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// All scenarios with 2 sittings of 3 short rounds instead of 3 of 8: little more than a minute, wide intervals.
    #[arg(long)]
    quick: bool,
    /// Only this peer beside the yardstick and its copy; may be repeated.
    #[arg(long, value_name = "PEER", value_parser = peers::SELECTABLE)]
    only: Vec<String>,
    /// Only this scenario; may be repeated.
    #[arg(long, value_name = "NAME", value_parser = SCENARIOS.map(|scenario| scenario.name))]
    scenario: Vec<String>,
    /// Where echo.md and echo.svg go. A full run replaces those in bench/results,
    /// any other leaves them alone and writes to TARGET/bench-results.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(subcommand)]
    task: Option<Task>,
}

/// Another benchmark, or what the tool starts from its own file.
#[derive(Subcommand)]
enum Task {
    /// Measures the echo of 1,000 connections while their server copies a file, against the same
    /// while `cp` does.
    Copy(copy::Arguments),
    /// Compares two reactors with one, where each message takes some 40 µs of computing.
    Reactors {
        /// Fewer and shorter slices; leaves bench/results alone.
        #[arg(long)]
        quick: bool,
        /// Where reactors.md goes.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Compares our chat server with ngircd, InspIRCd and redis: messages to rooms, crowds of users.
    Chat(chat::Arguments),
    /// Is the clients of a chat server, as told on standard input.
    #[command(hide = true)]
    ChatLoad,
    /// Generates load as told on standard input.
    #[command(hide = true)]
    Load,
    /// Becomes a program that ends with the tool.
    #[command(hide = true)]
    Launch {
        #[arg(long)]
        core: Vec<usize>,
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.task {
        Some(Task::Copy(arguments)) => copy::measure(arguments),
        Some(Task::Chat(arguments)) => chat::measure(arguments),
        Some(Task::ChatLoad) => chat::load::obey_commands().map(|()| true),
        Some(Task::Load) => load::obey_commands().map(|()| true),
        Some(Task::Launch { core, program }) => {
            child::enter(core, &program[0], &program[1..]).map(|()| true)
        }
        Some(Task::Reactors { quick, out }) => {
            compare_reactors(*quick, out.as_deref()).map(|()| true)
        }
        None => measure(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("switchboard-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Two reactors against one.
fn compare_reactors(quick: bool, out: Option<&Path>) -> Result<()> {
    interrupt::listen()?;
    let (report, directory) = reactors::measure(quick)?;
    print!("{report}");
    let directory = out.unwrap_or(&directory);
    fs::create_dir_all(directory)
        .with_context(|| format!("creating {}; try --out DIR", directory.display()))?;
    let path = directory.join("reactors.md");
    fs::write(&path, report)
        .with_context(|| format!("writing {}; try --out DIR", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Runs all that was asked for; false if a peer failed.
fn measure(arguments: &Arguments) -> Result<bool> {
    interrupt::listen()?;
    let field = peers::build(&arguments.only)?;
    interrupt::check()?;
    let cores = Cores::choose()?;
    cores::pin_to(&[cores.load])?;
    let descriptors = child::raise_descriptor_limit()?;
    let scratch = field.target.join("bench-peers");
    let setting = Setting {
        plan: match arguments.quick {
            true => Plan::QUICK,
            false => Plan::FULL,
        },
        cores,
        scratch: &scratch,
        strace: installed("strace"),
    };
    let scenarios = chosen_scenarios(&arguments.scenario, descriptors)?;
    let report = run_all(&field, &scenarios, &setting)?;
    print!("{}", report.to_text());
    write_results(&report, &out_directory(arguments, &field))?;
    Ok(report.complete())
}

fn run_all(field: &Field, scenarios: &[Scenario], setting: &Setting<'_>) -> Result<Report> {
    let mut progress = Progress::start();
    let budget = Budget::start(&setting.plan);
    let mut report = Report::new(Machine::read(), field, setting);
    for (index, scenario) in scenarios.iter().enumerate() {
        let left = scenarios.len() - index;
        progress.step(&format!(
            "scenario {} of {}: {}",
            index + 1,
            scenarios.len(),
            scenario.title
        ));
        let deadline = budget.deadline(left);
        let outcome = runner::run(*scenario, &field.peers, setting, deadline, &progress)
            .with_context(|| format!("scenario {}", scenario.name))?;
        for (peer, why) in &outcome.failures {
            progress.note(&format!("{peer} failed: {why}"));
        }
        report.outcomes.push(outcome);
    }
    progress.step("instructions per message");
    let valgrind = installed("valgrind");
    for peer in &field.peers {
        if peer.name == peers::NOISE {
            continue;
        }
        progress.say(&peer.name);
        let counted = match &valgrind {
            Err(why) => Err(why.clone()),
            Ok(()) if !budget.may_count_instructions() => Err("out of time".to_owned()),
            Ok(()) => instructions::per_message(peer, setting.cores, setting.scratch)
                .map_err(|error| format!("{error:#}")),
        };
        interrupt::check()?;
        report.instructions.push((peer.name.clone(), counted));
    }
    progress.end();
    Ok(report)
}

/// The scenarios to run, with as many idle connections as the descriptors allow.
fn chosen_scenarios(names: &[String], descriptors: u64) -> Result<Vec<Scenario>> {
    /// Descriptors that a server or a generator needs besides its connections.
    const SPARE: u64 = 64;
    let mut chosen = vec![];
    for mut scenario in SCENARIOS {
        if !names.is_empty() && !names.iter().any(|name| name == scenario.name) {
            continue;
        }
        let room = usize::try_from(descriptors.saturating_sub(SPARE)).unwrap_or(usize::MAX);
        if room < scenario.active {
            bail!(
                "{} needs {} descriptors of the {descriptors} allowed (ulimit -Hn)",
                scenario.name,
                scenario.active
            );
        }
        let idle = scenario.idle.min(room - scenario.active);
        if idle < scenario.idle {
            eprintln!(
                "{}: only {idle} idle connections, for want of descriptors (ulimit -Hn)",
                scenario.name
            );
        }
        scenario.idle = idle;
        chosen.push(scenario);
    }
    Ok(chosen)
}

/// Says what to install when a tool is missing.
fn installed(tool: &str) -> Result<(), String> {
    Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
        .map_err(|_| format!("install {tool}"))
}

fn out_directory(arguments: &Arguments, field: &Field) -> PathBuf {
    let full = !arguments.quick && arguments.only.is_empty() && arguments.scenario.is_empty();
    match (&arguments.out, full) {
        (Some(directory), _) => directory.clone(),
        (None, true) => Path::new(env!("CARGO_MANIFEST_DIR")).join("results"),
        (None, false) => field.target.join("bench-results"),
    }
}

fn write_results(report: &Report, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("creating {}; try --out DIR", directory.display()))?;
    for (file, text) in [
        ("echo.md", report.to_markdown()),
        ("echo.svg", chart::draw(report)),
    ] {
        let path = directory.join(file);
        fs::write(&path, text)
            .with_context(|| format!("writing {}; try --out DIR", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
