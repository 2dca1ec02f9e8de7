//! A seed that failed, in words: what happened, under which faults, and how to see it again.
//! It must never name a way to run it again that runs something else.

use std::fmt;

use super::attempt::Attempt;
use super::mix::Part;
use super::{Faults, Swarm};

/// Lines of the story that are shown. The whole of it is shown when the seed is run again.
const LINES: usize = 40;

/// A seed with which a scenario of a [`Swarm`] failed, shrunk to the faults that it needs.
#[derive(Clone)]
pub struct Failure {
    name: String,
    command: String,
    pub(super) seed: u64,
    mix: Faults,
    first_error: String,
    seeds: u64,
    pub(super) left: Faults,
    without: Vec<Part>,
    /// The runs that it took to shrink it.
    pub(super) tries: u64,
    error: String,
    story: String,
    hash: u128,
}

impl Failure {
    pub(super) fn new(swarm: &Swarm, seed: u64, attempt: Attempt, seeds: u64) -> Failure {
        let mix = swarm.mix(seed);
        let error = attempt.error.unwrap_or_default();
        Failure {
            name: swarm.name.clone(),
            command: swarm.command.clone(),
            seed,
            left: mix.clone(),
            mix,
            seeds,
            without: swarm.again.without.clone(),
            tries: 0,
            error: error.clone(),
            first_error: error,
            story: attempt.story,
            hash: attempt.hash,
        }
    }

    /// It fails with less, too.
    pub(super) fn shrink_to(&mut self, without: Part, left: Faults, attempt: Attempt) {
        self.without.push(without);
        self.left = left;
        self.error = attempt.error.unwrap_or_default();
        self.story = attempt.story;
        self.hash = attempt.hash;
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The faults that were drawn from the seed.
    pub fn mix(&self) -> &Faults {
        &self.mix
    }

    /// The faults without which it does not fail: the mix with all left out that could be.
    pub fn left(&self) -> &Faults {
        &self.left
    }

    /// What the scenario failed with, under the faults that are [left](Self::left).
    pub fn error(&self) -> &str {
        &self.error
    }

    /// What happened until then, under the faults that are [left](Self::left).
    pub fn story(&self) -> &str {
        &self.story
    }

    /// The hash of that run's log; see [`Simulation::log_hash`](super::Simulation::log_hash).
    pub fn log_hash(&self) -> u128 {
        self.hash
    }

    /// What is known before it is shrunk.
    pub(super) fn head(&self) -> String {
        format!(
            "{}: seed {} failed ({} seeds were run)\n{}\nwith {}\nrun it again: {}",
            self.name,
            self.seed,
            self.seeds,
            self.first_error,
            self.mix.describe(),
            self.command(&[]),
        )
    }

    fn command(&self, without: &[Part]) -> String {
        let names: Vec<&str> = without.iter().map(|part| part.name()).collect();
        let without = match names.is_empty() {
            true => String::new(),
            false => format!(" SWITCHBOARD_WITHOUT={}", names.join(",")),
        };
        let (seed, command) = (self.seed, &self.command);
        format!("SWITCHBOARD_SEED={seed}{without} {command}")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.head())?;
        if self.tries > 0 {
            writeln!(f, "\nit still fails with {}", self.left.describe())?;
            if self.error != self.first_error {
                writeln!(f, "{}", self.error)?;
            }
            writeln!(f, "run that again: {}", self.command(&self.without))?;
        }
        let lines: Vec<&str> = self.story.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LINES)..];
        writeln!(f, "\nthe last {} of {} events:", shown.len(), lines.len())?;
        for line in shown {
            writeln!(f, "{line}")?;
        }
        write!(f, "log {:032x}", self.hash)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}
