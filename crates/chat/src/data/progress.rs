//! How far a long command is, on a terminal. It must never write to anything else.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// As often as people can read it.
const EVERY: Duration = Duration::from_millis(200);

/// A line on a terminal that is written over.
pub struct Progress {
    what: &'static str,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    /// `what` is done, as in "copied".
    pub fn new(what: &'static str) -> Progress {
        Progress {
            what,
            shown: None,
            is_terminal: stderr().is_terminal(),
        }
    }

    /// So much is done, of so much; 0 if nobody knows.
    pub fn show(&mut self, done: u64, all: u64) {
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= EVERY);
        if self.is_terminal && is_due && all > 0 {
            self.shown = Some(Instant::now());
            let percent = done.saturating_mul(100) / all;
            let _ = write!(stderr(), "\r{percent:3} % {}", self.what);
        }
    }

    /// The line goes.
    pub fn end(self) {
        if self.shown.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
