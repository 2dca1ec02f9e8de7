//! Where log lines go: standard error, by a thread of its own, in colour only on a terminal.
//!
//! It must never make the loop wait: a terminal that was stopped with Ctrl-S, or a pipe that nobody
//! reads, takes no more lines, and a server that wrote to it directly would stop answering. Beyond
//! [`WAITING_LINES_MAX`] lines, further ones are dropped and counted instead.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::time::SystemTime;

use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::cli::LogLevel;

/// Log lines that wait for a slow terminal; with [`TEXT_BYTES_MAX`] some ten megabytes at most.
pub const WAITING_LINES_MAX: usize = 8192;

/// The most bytes of one message that a log line shows.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Keeps the log alive; what still waits is written when this is dropped.
#[derive(Debug)]
pub struct Log {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

impl Log {
    /// Starts the log of this process.
    ///
    /// # Panics
    /// If this process has one already.
    pub fn start(level: LogLevel) -> Log {
        Log::start_with_clock(level, SystemTime::now)
    }

    /// Starts the log of this process, whose lines bear the times that `clock` shows.
    ///
    /// # Panics
    /// If this process has one already.
    pub fn start_with_clock<C>(level: LogLevel, clock: C) -> Log
    where
        C: Fn() -> SystemTime + Send + Sync + 'static,
    {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES_MAX)
            .lossy(true)
            .thread_name("log")
            .finish(stderr());
        let dropped = writer.error_counter();
        tracing_subscriber::fmt()
            .with_max_level(Level::from(level))
            .with_timer(Clock(clock))
            .with_target(false)
            .with_ansi(colours(
                stderr().is_terminal(),
                std::env::var("NO_COLOR").ok(),
            ))
            .with_writer(writer)
            .init();
        Log {
            dropped,
            _writer: guard,
        }
    }

    /// Lines that were dropped because nobody took them: say so at the end.
    pub fn dropped_lines(&self) -> usize {
        self.dropped.dropped_lines()
    }
}

/// The time of a line, in UTC to the millisecond: finer is nothing that a person reads.
struct Clock<C>(C);

impl<C: Fn() -> SystemTime> FormatTime for Clock<C> {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{}", humantime::format_rfc3339_millis((self.0)()))
    }
}

/// Colours are for a terminal, unless NO_COLOR (no-color.org) is set and not empty.
fn colours(is_terminal: bool, no_color: Option<String>) -> bool {
    is_terminal && no_color.is_none_or(|value| value.is_empty())
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Level {
        match level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Trace => Level::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_owner_likes_them() {
        assert!(colours(true, None));
        assert!(colours(true, Some(String::new())));
        assert!(!colours(true, Some("1".to_owned())));
        assert!(!colours(false, None));
    }
}
