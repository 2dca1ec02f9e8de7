//! What switchboard's echo server is to reach, and whether it did.
//!
//! Must never decide by more than the figures of the same run.

use crate::peers::{NOISE, OURS};
use crate::report::Report;
use crate::runner::Outcome;
use crate::scenario::REFERENCE;
use crate::station::Row;
use crate::statistics::Estimate;

/// CPU per message, and p99 latency, by those of raw epoll.
const RATIO: f64 = 1.02;
/// Instructions per message of the reference scenario, in user space.
const INSTRUCTIONS: f64 = 200.0;
/// System calls per message of the reference scenario.
const SYSCALLS: f64 = 2.1;

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
        verdicts.extend(judge_ratio(outcome));
        verdicts.extend(judge_tails(outcome));
        if outcome.scenario.name == REFERENCE.name {
            verdicts.extend(judge_syscalls(outcome));
        }
    }
    let counted = report.instructions.iter().find(|(peer, _)| peer == OURS);
    if let Some((_, Ok(instructions))) = counted {
        verdicts.push(Verdict {
            text: format!(
                "{}: at most {INSTRUCTIONS} instructions per message: {instructions:.1}",
                REFERENCE.name
            ),
            met: *instructions <= INSTRUCTIONS,
        });
    }
    verdicts
}

fn row<'a>(outcome: &'a Outcome, peer: &str) -> Option<&'a Row> {
    outcome.rows.iter().find(|row| row.peer == peer)
}

fn judge_ratio(outcome: &Outcome) -> Option<Verdict> {
    let ours = row(outcome, OURS)?.ratio?;
    let noise = row(outcome, NOISE)?.ratio?;
    Some(no_more(outcome, "CPU per message", &ours, &noise))
}

fn judge_tails(outcome: &Outcome) -> Option<Verdict> {
    let ours = row(outcome, OURS)?.p99_ratio?;
    let noise = row(outcome, NOISE)?.p99_ratio?;
    Some(no_more(outcome, "p99 latency", &ours, &noise))
}

fn no_more(outcome: &Outcome, what: &str, ours: &Estimate, noise: &Estimate) -> Verdict {
    Verdict {
        text: format!(
            "{}: at most {RATIO} × raw epoll's {what}, or an interval that overlaps the noise's \
             ({:.3}–{:.3}): {:.3} ({:.3}–{:.3})",
            outcome.scenario.name, noise.low, noise.high, ours.median, ours.low, ours.high
        ),
        met: ours.median <= RATIO || ours.overlaps(noise),
    }
}

fn judge_syscalls(outcome: &Outcome) -> Option<Verdict> {
    let ours = row(outcome, OURS)?.syscalls.as_ref().ok()?;
    Some(Verdict {
        text: format!(
            "{}: at most {SYSCALLS} system calls per message: {:.3}",
            REFERENCE.name, ours.total
        ),
        met: ours.total <= SYSCALLS,
    })
}
