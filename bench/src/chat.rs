//! Chat servers side by side: messages to rooms, and crowds of users.
//!
//! Must never measure by itself: `fanout` and `scale` visit the servers.

mod clients;
mod crowd;
mod dialect;
mod fanout;
pub mod load;
mod member;
mod peers;
mod plan;
mod protocol;
mod report;
mod rooms;
mod scale;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::chat::fanout::{SCENARIOS, Setting};
use crate::chat::peers::Field;
use crate::chat::plan::Plan;
use crate::chat::report::Report;
use crate::cores::Cores;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::{child, cores, installed, interrupt};

/// What can be asked for.
#[derive(Args)]
pub struct Arguments {
    /// Fewer and shorter slices, a smaller crowd: about a minute. Leaves bench/results alone.
    #[arg(long)]
    quick: bool,
    /// Only this server; may be repeated.
    #[arg(long, value_name = "PEER", value_parser = peers::SELECTABLE)]
    only: Vec<String>,
    /// Only this part; may be repeated.
    #[arg(long, value_name = "NAME", value_parser = PARTS)]
    scenario: Vec<String>,
    /// How many messages the sender has on the way in all rooms together.
    #[arg(long, value_name = "N", default_value_t = fanout::WINDOW, value_parser = window)]
    window: usize,
    /// Where chat.md goes.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The rooms of `SCENARIOS`, and the crowds.
const PARTS: [&str; 3] = [SCENARIOS[0].name, SCENARIOS[1].name, CROWDS];
const CROWDS: &str = "crowd";
/// Descriptors that a server or the clients need besides their connections.
const SPARE: usize = 128;

fn window(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(window @ 1..=1000) => Ok(window),
        _ => Err("a number from 1 to 1000".to_owned()),
    }
}

/// Runs all that was asked for; false if a peer failed.
pub fn measure(arguments: &Arguments) -> Result<bool> {
    interrupt::listen()?;
    let field = peers::find(&arguments.only)?;
    interrupt::check()?;
    let cores = Cores::choose()?;
    cores::pin_to(&[cores.load])?;
    let mut plan = match arguments.quick {
        true => Plan::QUICK,
        false => Plan::FULL,
    };
    fit_descriptors(&mut plan)?;
    let scratch = field.target.join("bench-chat");
    fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
    let setting = Setting {
        plan,
        cores,
        scratch: &scratch,
        strace: installed("strace"),
        window: arguments.window,
    };
    let report = run_all(&field, &setting, &arguments.scenario)?;
    let page = report.to_markdown();
    print!("{page}");
    write(&page, &out_directory(arguments, &field))?;
    Ok(report.complete())
}

/// As many users as there may be open files.
fn fit_descriptors(plan: &mut Plan) -> Result<()> {
    let limit = usize::try_from(child::raise_descriptor_limit()?).unwrap_or(usize::MAX);
    let most = SCENARIOS.map(|it| it.rooms * it.members).into_iter().max();
    let needed = most.unwrap_or(0) + SPARE;
    ensure!(
        limit >= needed,
        "{needed} open files are needed, {limit} are allowed (ulimit -Hn)"
    );
    if limit < plan.crowd + SPARE {
        plan.crowd = limit - SPARE;
        eprintln!(
            "only {} users, for want of descriptors (ulimit -Hn)",
            plan.crowd
        );
    }
    Ok(())
}

fn run_all(field: &Field, setting: &Setting<'_>, wanted: &[String]) -> Result<Report> {
    let wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let start = Instant::now();
    let mut progress = Progress::start();
    let mut report = Report {
        machine: Machine::read(),
        plan: setting.plan,
        took: Duration::ZERO,
        window: setting.window,
        versions: field
            .peers
            .iter()
            .map(|peer| (peer.name, peer.version.clone()))
            .collect(),
        missing: field.missing.clone(),
        outcomes: vec![],
        crowds: vec![],
    };
    for (name, why) in &field.missing {
        progress.note(&format!("{name} is missing: {why}"));
    }
    let rooms: Vec<_> = SCENARIOS.into_iter().filter(|it| wanted(it.name)).collect();
    let end = Instant::now() + setting.plan.rooms_limit;
    for (index, scenario) in rooms.iter().enumerate() {
        progress.step(scenario.title);
        let now = Instant::now();
        let left = u32::try_from(rooms.len() - index)?;
        let deadline = now + end.saturating_duration_since(now) / left;
        let outcome = fanout::run(*scenario, &field.peers, setting, deadline, &progress)?;
        for (peer, why) in &outcome.failures {
            progress.note(&format!("{peer} failed: {why}"));
        }
        report.outcomes.push(outcome);
    }
    if wanted(CROWDS) {
        run_crowds(field, setting, &mut progress, &mut report)?;
    }
    progress.end();
    report.took = start.elapsed();
    Ok(report)
}

fn run_crowds(
    field: &Field,
    setting: &Setting<'_>,
    progress: &mut Progress,
    report: &mut Report,
) -> Result<()> {
    progress.step(&format!("{} users", setting.plan.crowd));
    let end = Instant::now() + setting.plan.crowds_limit;
    for peer in &field.peers {
        progress.say(peer.name);
        let crowd = match Instant::now() < end {
            true => scale::measure(peer, setting).map_err(|error| format!("{error:#}")),
            false => Err("out of time".to_owned()),
        };
        interrupt::check()?;
        if let Err(why) = &crowd {
            progress.note(&format!("{} failed: {why}", peer.name));
        }
        report.crowds.push((peer.name, crowd));
    }
    Ok(())
}

fn out_directory(arguments: &Arguments, field: &Field) -> PathBuf {
    let usual = !arguments.quick && arguments.window == fanout::WINDOW;
    let full = usual && arguments.only.is_empty() && arguments.scenario.is_empty();
    match (&arguments.out, full) {
        (Some(directory), _) => directory.clone(),
        (None, true) => Path::new(env!("CARGO_MANIFEST_DIR")).join("results"),
        (None, false) => field.target.join("bench-results"),
    }
}

fn write(page: &str, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("creating {}; try --out DIR", directory.display()))?;
    let path = directory.join("chat.md");
    fs::write(&path, page).with_context(|| format!("writing {}; try --out DIR", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
