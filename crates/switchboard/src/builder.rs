//! How a reactor is set up: its bounds, with their defaults.
//! It must never hold anything that changes while the reactor runs.

use std::time::Duration;

use crate::driver::recorded::{Header, Recorder};
use crate::driver::{Choice, Driver};
use crate::options::{Bounds, SourceOptions};
use crate::{Error, Reactor, Recording, Replay, Result};

/// What a panic in the program's code means for the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPanic {
    /// The source whose handler panicked is closed, and the loop runs on.
    #[default]
    Continue,
    /// As `Continue`, but `run` and `turn` then return [`Error::Panicked`](crate::Error): for
    /// programs whose state cannot be trusted once a change to it was left half done.
    Stop,
}

/// Sets up a [`Reactor`].
///
/// ```
/// use std::time::Duration;
/// use switchboard::{Reactor, SourceOptions};
///
/// let reactor = Reactor::builder()
///     .max_sources(10_000)
///     .source_options(SourceOptions::default().with_idle_timeout(Duration::from_secs(600)))
///     .build(())?;
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) max_sources: usize,
    pub(crate) max_buffered: usize,
    pub(crate) max_timers: usize,
    pub(crate) max_posts: usize,
    pub(crate) max_jobs: usize,
    pub(crate) max_lanes: usize,
    pub(crate) keep_names: Duration,
    pub(crate) max_files: usize,
    pub(crate) max_file_bytes: usize,
    pub(crate) threads: usize,
    pub(crate) options: SourceOptions,
    pub(crate) close_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) on_panic: OnPanic,
    pub(crate) seed: Option<u64>,
    driver: Choice,
    tape: Tape,
}

/// What a reactor has to do with recordings.
#[derive(Clone, Debug)]
enum Tape {
    None,
    Record(Recording),
    Replay(Replay),
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            max_sources: 1 << 20,
            max_buffered: 1 << 30,
            max_timers: 1 << 22,
            max_posts: 1024,
            max_jobs: 1024,
            max_lanes: 16,
            keep_names: Duration::from_secs(1),
            max_files: 1024,
            max_file_bytes: 64 << 20,
            threads: 4,
            options: SourceOptions::default(),
            close_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            on_panic: OnPanic::Continue,
            seed: None,
            driver: Choice::default(),
            tape: Tape::None,
        }
    }
}

impl Builder {
    /// How many sources there may be at once (default 1,048,576, at most 2³¹). At the bound
    /// `register` and its like fail with [`Error::TooManySources`](crate::Error), and listeners
    /// leave new connections in the kernel's queue until a source ends.
    pub fn max_sources(mut self, sources: usize) -> Builder {
        self.max_sources = sources.min(1 << 31);
        self
    }

    /// How many bytes all inboxes and outboxes together may hold (default 1 GiB). At the bound
    /// `send` fails with [`Error::BufferedLimit`](crate::Error), and a source whose handler
    /// leaves bytes unread is closed with that error.
    ///
    /// On io_uring the kernel receives on its own, and what it has received for sources that are
    /// paused waits in the driver: up to as many bytes again, or 8 MiB if that is more. At that
    /// bound, the source for which further ones come fails.
    pub fn max_buffered(mut self, bytes: usize) -> Builder {
        self.max_buffered = bytes;
        self
    }

    /// How many timers there may be at once, the loop's own included: up to two for each source
    /// (default 4,194,304). At the bound `set_timer` and its like fail with
    /// [`Error::TooManyTimers`](crate::Error).
    pub fn max_timers(mut self, timers: usize) -> Builder {
        self.max_timers = timers;
        self
    }

    /// How many posted closures may wait (default 1024, at least 1). At the bound
    /// [`Remote::post`](crate::Remote::post) gives the closure back.
    pub fn max_posts(mut self, posts: usize) -> Builder {
        self.max_posts = posts.max(1);
        self
    }

    /// How many jobs may be under way or waiting, what is asked of files included, as many on each
    /// serial lane, and as many look-ups of names (default 1024). At the bound `offload`, `resolve`, `read_file` and their
    /// like fail with [`Error::TooManyJobs`](crate::Error), and a `connect` to a name ends with it.
    pub fn max_jobs(mut self, jobs: usize) -> Builder {
        self.max_jobs = jobs;
        self
    }

    /// How many serial lanes may be opened, each with a thread once it has a job (default 16, at
    /// most 65,536). At the bound [`open_lane`](crate::LoopContext::open_lane) fails with
    /// [`Error::TooManyLanes`](crate::Error).
    pub fn max_lanes(mut self, lanes: usize) -> Builder {
        self.max_lanes = lanes.min(1 << 16);
        self
    }

    /// For how long the addresses of a name, or that it has none, are given to whoever else asks
    /// (default 1 s; zero: only to who asks while it is being looked up). The system's resolver
    /// does not say for how long an answer holds; who knows may say so here. At most 1,024 answers
    /// are kept.
    pub fn keep_names(mut self, time: Duration) -> Builder {
        self.keep_names = time;
        self
    }

    /// How many files may be open (default 1024). At the bound `open_file` fails with
    /// [`Error::TooManyFiles`](crate::Error).
    pub fn max_files(mut self, files: usize) -> Builder {
        self.max_files = files;
        self
    }

    /// How many bytes may be on their way to and from files (default 64 MiB): those that are to be
    /// written, and as many as were asked for by reads. At the bound `write_file`, `read_file` and
    /// their like fail with [`Error::FileBytes`](crate::Error).
    pub fn max_file_bytes(mut self, bytes: usize) -> Builder {
        self.max_file_bytes = bytes;
        self
    }

    /// How many threads may run jobs (default 4, at least 1). They start when there is something
    /// for them to do; up to two more look names up, up to four are for files, and each serial lane
    /// has one.
    pub fn threads(mut self, threads: usize) -> Builder {
        self.threads = threads.max(1);
        self
    }

    /// What a source starts with; see also
    /// [`set_source_options`](crate::LoopContext::set_source_options).
    pub fn source_options(mut self, options: SourceOptions) -> Builder {
        self.options = options;
        self
    }

    /// How long a closed source may take to send its last bytes (default 10 s). After that, or
    /// after two seconds if this is longer, the peer's end is not waited for either.
    pub fn close_timeout(mut self, timeout: Duration) -> Builder {
        self.close_timeout = timeout;
        self
    }

    /// How long a shutdown waits for the sources to send their last bytes (default 10 s).
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Builder {
        self.shutdown_timeout = timeout;
        self
    }

    /// What a panic in a handler, posted closure or timer closure means (default
    /// [`OnPanic::Continue`]).
    pub fn on_panic(mut self, on_panic: OnPanic) -> Builder {
        self.on_panic = on_panic;
        self
    }

    /// The seed of [`random`](crate::LoopContext::random) (default: drawn from the system).
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// What the reactor waits with (default [`Driver::Readiness`](crate::Driver)). A recording can be
    /// made on any, and replayed without it.
    pub fn driver(mut self, driver: Choice) -> Builder {
        self.driver = driver;
        self
    }

    /// Records all that comes and goes, so that it can be [replayed](Self::replay); see
    /// [`Recording`] for what it costs, and for what cannot be recorded. (A
    /// [simulated](crate::sim) reactor refuses it: its seed repeats it.)
    pub fn record(mut self, recording: Recording) -> Builder {
        self.tape = Tape::Record(recording);
        self
    }

    /// Replays a recording, in place of a world of its own. The seed comes from there; the other
    /// bounds must be those that the recording was made with.
    pub fn replay(mut self, replay: &Replay) -> Builder {
        self.tape = Tape::Replay(replay.clone());
        self
    }

    /// Builds the reactor, with the state that its handlers share.
    ///
    /// Allocates the read buffer (256 KiB; with io_uring 4 MiB of buffers) and opens two
    /// descriptors (with io_uring three).
    ///
    /// # Errors
    /// What the system reports, e.g. that no descriptor is left; why io_uring does not work, if
    /// that was asked for by name; that the file of a recording
    /// cannot be made; [`Error::Recording`](crate::Error::Recording) if the one to replay was made
    /// with other bounds than these.
    pub fn build<S: 'static>(mut self, state: S) -> Result<Reactor<S>> {
        let driver = match std::mem::replace(&mut self.tape, Tape::None) {
            Tape::None => self.live_driver()?,
            Tape::Record(recording) => {
                let seed = *self.seed.get_or_insert_with(|| fastrand::u64(..));
                let header = Header::new(&recording, seed, self.bounds());
                let recorder = Recorder::new(self.live_driver()?, &recording, &header)?;
                Driver::Recorder(Box::new(recorder))
            }
            Tape::Replay(replay) => {
                replay.check(self.seed, &self.bounds())?;
                self.seed = Some(replay.seed());
                Driver::Replayer(Box::new(replay.start()?))
            }
        };
        Ok(Reactor::with_driver(self, state, driver))
    }

    /// Whether it is recorded or replayed.
    pub(crate) fn has_tape(&self) -> bool {
        !matches!(self.tape, Tape::None)
    }

    /// Random numbers of its own for each reactor of a group.
    pub(crate) fn seed_of_member(mut self, index: usize) -> Builder {
        self.seed = self.seed.map(|seed| seed.wrapping_add(index as u64));
        self
    }

    /// For a reactor of a simulated world, which its seed repeats: a recording would hold no more.
    pub(crate) fn simulated(self, seed: u64) -> Result<Builder> {
        match self.tape {
            Tape::None => Ok(self.seed(seed)),
            Tape::Record(_) | Tape::Replay(_) => {
                let text =
                    "a simulated reactor is neither recorded nor replayed: its seed repeats it";
                Err(Error::other(text))
            }
        }
    }

    fn live_driver(&self) -> Result<Driver> {
        Ok(self.driver.start(self.threads, self.max_buffered)?)
    }

    /// All that makes one reactor decide otherwise than another, by name, for a recording.
    fn bounds(&self) -> Vec<(String, u64)> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let Bounds {
            inbox_limit,
            low,
            high,
            policy,
            backpressure,
            ..
        } = self.options.bounds;
        let idle = self.options.idle_timeout().map_or(0, nanos);
        let limits = [
            ("read timeout", self.options.read_timeout().map(nanos)),
            ("write timeout", self.options.write_timeout().map(nanos)),
            (
                "read rate",
                self.options.read_rate().map(|rate| rate.parts()[0].into()),
            ),
            (
                "read burst",
                self.options.read_rate().map(|rate| rate.parts()[1].into()),
            ),
        ];
        let limits = limits.into_iter();
        [
            ("max_sources", self.max_sources as u64),
            ("max_buffered", self.max_buffered as u64),
            ("max_timers", self.max_timers as u64),
            ("max_jobs", self.max_jobs as u64),
            ("max_lanes", self.max_lanes as u64),
            ("keep_names", nanos(self.keep_names)),
            ("max_files", self.max_files as u64),
            ("max_file_bytes", self.max_file_bytes as u64),
            ("close_timeout", nanos(self.close_timeout)),
            ("shutdown_timeout", nanos(self.shutdown_timeout)),
            ("on_panic", self.on_panic as u64),
            ("inbox limit", inbox_limit.into()),
            ("low watermark", low.into()),
            ("high watermark", high.into()),
            ("idle timeout", idle),
            ("outbox policy", policy as u64),
            ("backpressure", backpressure.map_or(2, u64::from)),
        ]
        .into_iter()
        .chain(limits.filter_map(|(name, value)| Some((name, value?))))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}
