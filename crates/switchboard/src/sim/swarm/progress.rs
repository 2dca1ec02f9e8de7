//! How far a swarm has come, on standard error: one line that is written over on a terminal, a line
//! every few seconds elsewhere. It must never hold the threads up that do the work.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::Course;

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);

pub(super) struct Progress<'a> {
    name: &'a str,
    course: &'a Course,
    first: u64,
    start: Instant,
    /// Somebody waits for this run, and not for a test suite that shows at its end what a failed
    /// test has printed.
    asked_for: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(name: &'a str, course: &'a Course, asked_for: bool) -> Progress<'a> {
        Progress {
            name,
            course,
            first: course.next.load(Ordering::Relaxed),
            start: Instant::now(),
            asked_for,
        }
    }

    /// Shows it until all senders of `ended` are gone.
    pub(super) fn show(&self, ended: &Receiver<()>) {
        let on_terminal = self.asked_for && stderr().is_terminal();
        let pause = if on_terminal { ON_TERMINAL } else { ELSEWHERE };
        let mut shown = false;
        while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let line = self.line();
            // A terminal that is gone does not matter to the run.
            let _ = match (on_terminal, self.asked_for) {
                (true, _) => write!(stderr(), "\r{line}\x1b[K"),
                (false, true) => writeln!(stderr(), "{line}"),
                (false, false) => {
                    eprintln!("{line}");
                    Ok(())
                }
            };
            shown = on_terminal;
        }
        if shown {
            let _ = writeln!(stderr(), "\r{}\x1b[K", self.line());
        }
    }

    fn line(&self) -> String {
        let next = self
            .course
            .next
            .load(Ordering::Relaxed)
            .min(self.course.end);
        let (seeds, seconds) = (next - self.first, self.start.elapsed().as_secs_f64());
        let rate = seeds as f64 / seconds.max(0.001);
        let of = match self.course.until {
            Some(until) => format!("{:.0} s left", (until - Instant::now()).as_secs_f64()),
            None => format!("of {}", self.course.end - self.first),
        };
        let (name, first) = (self.name, self.first);
        format!("{name}: {seeds} seeds from {first} on, {of}, {rate:.0} a second")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::*;

    #[test]
    fn a_line_says_how_far_it_has_come() {
        let course = Course {
            next: AtomicU64::new(100),
            end: 300,
            until: None,
            stop: AtomicBool::new(false),
        };
        let progress = Progress::new("swarm", &course, false);
        course.next.store(150, Ordering::Relaxed);
        let line = progress.line();
        assert!(
            line.starts_with("swarm: 50 seeds from 100 on, of 200, "),
            "{line}"
        );
        // Every thread takes one more at the end.
        course.next.store(302, Ordering::Relaxed);
        assert!(progress.line().starts_with("swarm: 200 seeds"));
    }
}
