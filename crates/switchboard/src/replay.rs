//! A recording to be replayed: the public side of the replayer, and how a replay has ended.
//! It must never show what it replays as text that a terminal would obey.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use crate::driver::recorded::{self, Header, Replayer, Shared};
use crate::{Error, Result, Time, Token};

/// A recording that [`Builder::replay`](crate::Builder::replay) feeds to the same handlers again,
/// without a network and without threads.
///
/// The program sets its reactor up as it did when it recorded, and calls
/// [`run`](crate::Reactor::run); everything comes as it came then, and everything that goes out
/// or is asked for is compared with what it was then. `run` returns when the recording ends, or
/// with [`Error::Diverged`] at the first difference.
///
/// ```no_run
/// use switchboard::{Reactor, Replay};
/// # struct Door;
/// # impl switchboard::Handler<()> for Door {}
///
/// let replay = Replay::open("run.rec", "my-server", env!("CARGO_PKG_VERSION"))?;
/// let mut reactor = Reactor::builder().replay(&replay).build(())?;
/// reactor.listen("localhost:8080", Door)?; // listens nowhere: the answer is in the recording
/// reactor.run()?;
/// drop(reactor);
/// println!("the same, to the end: {}", replay.outcome()?);
/// # Ok::<(), switchboard::Error>(())
/// ```
///
/// # As a regression test
/// Record a session once (a bug of production, say), keep the file beside the tests, and replay it
/// in a test: `examples/recorded_regression.rs` does just that, and can record again when the
/// answers are meant to change. The [tick and both sides](Divergence) of the first difference are
/// in the error.
///
/// Another version of this library may ask its driver for other things, in another order, without
/// any difference for handlers. So it refuses the recordings of earlier ones: record again.
///
/// # What is not done again
/// Values of jobs come from the recording, and the jobs are not run. What the program makes by
/// itself (a [`Listener`](crate::Listener) that it binds, threads) it makes in a replay too:
/// [`Reactor::bind`](crate::Reactor::bind) binds nothing then.
#[derive(Clone, Debug)]
pub struct Replay {
    path: PathBuf,
    header: Header,
    len: u64,
    speed: Option<f64>,
    shared: Arc<Shared>,
}

impl Replay {
    /// Opens a recording that was made of this program in this version.
    ///
    /// # Errors
    /// [`Error::Recording`], which says why it cannot be replayed: the file is no recording, is
    /// corrupt at its beginning, or was made by another program, by another version of it or of
    /// this library, in another version of the format, or on another operating system.
    pub fn open(path: impl AsRef<Path>, program: &str, version: &str) -> Result<Replay> {
        let path = path.as_ref();
        let (header, opened) = recorded::open(path, program, version)?;
        Ok(Replay {
            path: path.to_owned(),
            header,
            len: opened.len,
            speed: None,
            shared: Arc::default(),
        })
    }

    /// Replays not as fast as can be, but `speed` times as fast as it was: 1 for the pace of then.
    ///
    /// # Panics
    /// If `speed` is not a positive number.
    #[must_use]
    pub fn at_speed(mut self, speed: f64) -> Replay {
        assert!(speed > 0.0, "a speed of {speed} is not positive");
        self.speed = Some(speed);
        self
    }

    /// What the program left here with
    /// [`Recording::with_configuration`](crate::Recording::with_configuration).
    pub fn configuration(&self) -> &str {
        &self.header.configuration
    }

    /// When the recording began.
    pub fn recorded_at(&self) -> SystemTime {
        self.header.made
    }

    /// How far the replay is. Any thread may ask, with a clone of this.
    pub fn progress(&self) -> ReplayProgress {
        ReplayProgress {
            ticks: self.shared.ticks.load(Ordering::Relaxed),
            time: Time::from_nanos(self.shared.time.load(Ordering::Relaxed)),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            bytes_in_all: self.len,
        }
    }

    /// How the replay has ended. Ask when the reactor was dropped: what its handlers do then is
    /// compared as well.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the first difference; [`Error::Recording`] if the file is corrupt
    /// somewhere, or if the replay is not over.
    pub fn outcome(&self) -> Result<ReplayEnd> {
        let outcome = self.shared.outcome.lock();
        let outcome = outcome.unwrap_or_else(PoisonError::into_inner).clone();
        match outcome {
            Some(outcome) => outcome.into_result(),
            None => Err(Error::Recording(format!(
                "{} is not replayed to its end: drop the reactor first",
                self.path.display()
            ))),
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.header.seed
    }

    /// Whether a reactor of this seed (if it was given one) and with these bounds can replay it.
    pub(crate) fn check(&self, seed: Option<u64>, bounds: &[(String, u64)]) -> Result {
        self.header.check_reactor(seed, bounds).map_err(|why| {
            let path = self.path.display();
            Error::Recording(format!(
                "{path} {why}: build the reactor as it was built then"
            ))
        })
    }

    pub(crate) fn start(&self) -> Result<Replayer> {
        // Opened again: a second replay begins at the beginning too.
        let (_, opened) = recorded::open(&self.path, &self.header.program, &self.header.version)?;
        let (path, shared) = (self.path.clone(), Arc::clone(&self.shared));
        Ok(Replayer::new(path, opened, shared, self.speed)?)
    }
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayProgress {
    /// Ticks that were replayed.
    pub ticks: u64,
    /// The reactor's time, as it was then.
    pub time: Time,
    /// Bytes of the file that were replayed.
    pub bytes: u64,
    /// Bytes of the file.
    pub bytes_in_all: u64,
}

/// Where a recording ends of which everything was the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayEnd {
    /// Where the reactor was dropped.
    Complete,
    /// In the middle: the program was killed, or the file was cut.
    Cut {
        /// Bytes at the end that are no whole frame, and were left out.
        bytes: u64,
    },
    /// At the bound of its file's length.
    AtBound,
    /// Where the disk did not keep up.
    TooSlow,
    /// Where something came that cannot be recorded.
    Unrecordable(String),
}

impl fmt::Display for ReplayEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayEnd::Complete => f.write_str("it ends where the reactor was dropped"),
            ReplayEnd::Cut { bytes } => {
                write!(f, "it ends in the middle (left out: {bytes} bytes)")
            }
            ReplayEnd::AtBound => f.write_str("it ends at the bound of its length"),
            ReplayEnd::TooSlow => f.write_str("it ends where the disk did not keep up"),
            ReplayEnd::Unrecordable(what) => {
                write!(f, "it ends at what cannot be recorded: {what}")
            }
        }
    }
}

/// The first difference between a recording and its replay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// The tick, the first being 1; 0 is before the loop ran.
    pub tick: u64,
    /// The reactor's time in that tick.
    pub time: Time,
    /// Whose doing it is, if it is a source's.
    pub source: Option<Token>,
    /// What was done then and what is done now, a line each; for bytes with a line that points at
    /// the first that differs; and what the handler was called for. Bytes are escaped.
    pub sides: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Divergence { tick, time, .. } = self;
        let at = Duration::from_nanos(time.as_nanos());
        write!(f, "differs in tick {tick}, at {at:.3?}")?;
        if let Some(source) = self.source {
            write!(f, ", {source}")?;
        }
        write!(f, ":\n{}", self.sides)
    }
}
