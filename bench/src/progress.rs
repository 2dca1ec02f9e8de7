//! What the run is doing now, on standard error.
//!
//! Must never draw over itself where there is no terminal: there it prints one
//! line for each scenario.

use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

/// The line that says what is going on.
pub struct Progress {
    start: Instant,
    terminal: bool,
    step: String,
}

impl Progress {
    /// Starts the clock that the line shows.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            terminal: stderr().is_terminal(),
            step: String::new(),
        }
    }

    /// A new part of the run.
    pub fn step(&mut self, step: &str) {
        step.clone_into(&mut self.step);
        match self.terminal {
            true => self.say(""),
            false => eprintln!("{} {step}", self.clock()),
        }
    }

    /// What that part is doing now; only a terminal shows it.
    pub fn say(&self, what: &str) {
        if self.terminal {
            eprint!("\r\x1b[K{} {}  {what}", self.clock(), self.step);
            // A terminal that is gone is no reason to stop measuring.
            let _ = stderr().flush();
        }
    }

    /// Something that stays on the screen.
    pub fn note(&self, what: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{clear}{} {}: {what}", self.clock(), self.step);
    }

    /// Clears the line.
    pub fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }

    fn clock(&self) -> String {
        let seconds = self.start.elapsed().as_secs();
        format!("[{}:{:02}]", seconds / 60, seconds % 60)
    }
}
