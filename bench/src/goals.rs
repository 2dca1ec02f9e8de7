//! What switchboard's servers are to reach, and whether they did.
//!
//! Must never decide by more than the figures of the same run.

use crate::peers::{LIMIT, NOISE, OURS, OURS_RECORDED, OURS_URING, OURS_URING_RECORDED, YARDSTICK};
use crate::report::Report;
use crate::runner::Outcome;
use crate::scenario::{ALONE, BULK, CROWD, REFERENCE, Work};
use crate::station::{Ratios, Row};
use crate::statistics::Estimate;

/// CPU per message and latency by those of raw epoll, and p99.9 by that of the readiness driver.
const RATIO: f64 = 1.02;
/// CPU per message on io_uring by that of raw io_uring.
const BY_LIMIT: f64 = 1.05;
/// CPU per message while recording by that without.
const BY_UNRECORDED: f64 = 1.05;
/// Instructions per message of the reference scenario, in user space, on the readiness driver.
const INSTRUCTIONS: f64 = 200.0;
/// System calls per message of the reference scenario on the readiness driver.
const SYSCALLS: f64 = 2.1;
/// System calls on io_uring by the fewest of any other peer: how many messages a call finds ready
/// is chance, so that two counts of the same server differ by some percent.
const SYSCALLS_BY_FEWEST: f64 = 1.1;

/// One goal and what became of it.
#[derive(Debug)]
pub struct Verdict {
    /// The goal and the figures.
    pub text: String,
    /// Whether it is reached.
    pub met: bool,
}

/// Every goal that this run has figures for.
pub fn judge(report: &Report) -> Vec<Verdict> {
    let mut verdicts = vec![];
    for outcome in &report.outcomes {
        verdicts.extend(judge_readiness(outcome));
        verdicts.extend(judge_io_uring(outcome));
        verdicts.extend(judge_recording(outcome, OURS_RECORDED, OURS));
        verdicts.extend(judge_recording(outcome, OURS_URING_RECORDED, OURS_URING));
    }
    let counted = report.instructions.iter().find(|(peer, _)| peer == OURS);
    if let Some((_, Ok(instructions))) = counted {
        verdicts.push(Verdict {
            text: format!(
                "{}: {OURS}: at most {INSTRUCTIONS} instructions per message: {instructions:.1}",
                REFERENCE.name
            ),
            met: *instructions <= INSTRUCTIONS,
        });
    }
    verdicts
}

fn judge_readiness(outcome: &Outcome) -> Vec<Verdict> {
    let of = |what, figure| no_more(outcome, OURS, YARDSTICK, RATIO, what, figure);
    let mut verdicts = vec![of("CPU per message", cpu), of("p99 latency", p99)];
    if outcome.scenario == REFERENCE {
        verdicts.push(judge_syscalls(outcome));
    }
    verdicts.into_iter().flatten().collect()
}

fn judge_io_uring(outcome: &Outcome) -> Vec<Verdict> {
    let scenario = outcome.scenario;
    let of = |other, bound, what, figure| no_more(outcome, OURS_URING, other, bound, what, figure);
    let mut verdicts = vec![];
    if [ALONE, REFERENCE, CROWD, BULK].contains(&scenario) {
        verdicts.push(of(LIMIT, BY_LIMIT, "CPU per message", cpu));
    }
    if scenario == REFERENCE {
        verdicts.push(of(OURS, 1.0, "CPU per message", cpu));
    }
    if scenario == CROWD || scenario.work == Work::Broadcast {
        verdicts.push(ahead_of_readiness(outcome));
    }
    verdicts.push(of(OURS, RATIO, "p99.9 latency", p999));
    verdicts.push(fewest_syscalls(outcome));
    verdicts.into_iter().flatten().collect()
}

fn row<'a>(outcome: &'a Outcome, peer: &str) -> Option<&'a Row> {
    outcome.rows.iter().find(|row| row.peer == peer)
}

fn cpu(ratios: &Ratios) -> Estimate {
    ratios.cpu
}

fn p99(ratios: &Ratios) -> Estimate {
    ratios.p99
}

fn p999(ratios: &Ratios) -> Estimate {
    ratios.p999
}

fn no_more(
    outcome: &Outcome,
    peer: &str,
    other: &str,
    bound: f64,
    what: &str,
    figure: fn(&Ratios) -> Estimate,
) -> Option<Verdict> {
    let ours = figure(row(outcome, peer)?.ratios.get(other)?);
    let noise = figure(row(outcome, NOISE)?.by_yardstick()?);
    Some(Verdict {
        text: format!(
            "{}: {peer}: at most {bound} × the {what} of {other}, or an interval that overlaps \
             the noise's ({:.3}–{:.3}): {:.3} ({:.3}–{:.3})",
            outcome.scenario.name, noise.low, noise.high, ours.median, ours.low, ours.high
        ),
        met: ours.median <= bound || ours.overlaps(&noise),
    })
}

/// The noise does not excuse it, either.
fn judge_recording(outcome: &Outcome, recorded: &str, other: &str) -> Option<Verdict> {
    let ours = row(outcome, recorded)?.ratios.get(other)?.cpu;
    Some(Verdict {
        text: format!(
            "{}: {recorded}: less than {BY_UNRECORDED} × the CPU per message of {other}: \
             {:.3} ({:.3}–{:.3})",
            outcome.scenario.name, ours.median, ours.low, ours.high
        ),
        met: ours.median < BY_UNRECORDED,
    })
}

/// More than not being behind: the noise does not excuse it.
fn ahead_of_readiness(outcome: &Outcome) -> Option<Verdict> {
    let ours = row(outcome, OURS_URING)?.ratios.get(OURS)?.cpu;
    Some(Verdict {
        text: format!(
            "{}: {OURS_URING}: less CPU per message than {OURS}, by an interval below 1: \
             {:.3} ({:.3}–{:.3})",
            outcome.scenario.name, ours.median, ours.low, ours.high
        ),
        met: ours.high < 1.0,
    })
}

fn judge_syscalls(outcome: &Outcome) -> Option<Verdict> {
    let ours = row(outcome, OURS)?.syscalls.as_ref().ok()?;
    Some(Verdict {
        text: format!(
            "{}: {OURS}: at most {SYSCALLS} system calls per message: {:.3}",
            outcome.scenario.name, ours.total
        ),
        met: ours.total <= SYSCALLS,
    })
}

fn fewest_syscalls(outcome: &Outcome) -> Option<Verdict> {
    let ours = row(outcome, OURS_URING)?.syscalls.as_ref().ok()?.total;
    let is_other = |row: &&Row| ![OURS_URING, OURS_URING_RECORDED].contains(&&*row.peer);
    let others = outcome.rows.iter().filter(is_other);
    let counted = others.filter_map(|row| Some((row.syscalls.as_ref().ok()?.total, &row.peer)));
    let (fewest, whose) = counted.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(Verdict {
        text: format!(
            "{}: {OURS_URING}: the fewest system calls per message, give or take what such counts \
             differ by (at most {SYSCALLS_BY_FEWEST} × the {fewest:.4} of {whose}): {ours:.4}",
            outcome.scenario.name
        ),
        met: ours <= SYSCALLS_BY_FEWEST * fewest,
    })
}
