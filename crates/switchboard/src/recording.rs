//! What to record, and where: the public side of the recorder.
//! It must never open the file: building a reactor does.

use std::path::{Path, PathBuf};

/// A recording to be made: give it to [`Builder::record`](crate::Builder::record).
///
/// It holds everything that comes in (bytes received, connections accepted and made, signals,
/// times, results of replayable jobs), everything that goes out, and what the program asked for;
/// so whoever can read the file can read what was said. It is made for its owner alone (mode 0600),
/// and a line at `info` says that it is being made.
///
/// # What it needs of the program
/// That its handlers decide by what the reactor tells them: the bytes, [`now`], [`wall_time`],
/// [`random`], and its own state. What they read from elsewhere (files, other clocks, the order
/// of a `HashMap`) is not in the recording; if it makes a difference, the replay shows where.
/// Options set on a connection before it is registered are taken to have succeeded.
///
/// Three things cannot be recorded, since they are the program's own code: a closure that was
/// [posted](crate::Remote::post), the value of a plain [`offload`](crate::Context::offload) (use
/// [`offload_replayable`](crate::Context::offload_replayable)), and the readiness of a
/// [watched](crate::LoopContext::watch) descriptor, which the handler reads itself. At the first of
/// them the recording ends, with a warning; what was recorded until then can be replayed.
///
/// # Bounds
/// A replay begins where the program began, so the beginning is never thrown away: a recording
/// that reaches its bound (default 256 MiB) ends there, and says so. A file that is there already
/// is kept: `FILE` becomes `FILE.1`, which becomes `FILE.2`, up to three (so with the defaults all
/// of them take 1 GiB at most). A file that is no recording is never touched.
///
/// # Cost
/// The loop's thread appends what comes and goes to a buffer in memory, 32 MiB at most; a thread of
/// its own writes that to the file, every 20 ms if there is something. If that thread falls behind,
/// or cannot write (the disk is full), the recording ends with an error in the log; the program is
/// never held up. A process that is killed loses at most the last 20 ms of its recording, and what a
/// closure of [`Reactor::with`](crate::Reactor::with) did since the last tick.
///
/// An echo server with 64 connections of 64-byte messages takes 4 % more CPU while it is recorded
/// (1.035 to 1.056 times the CPU of each message, 1.041 in the median of five runs side by side of
/// `cargo run --release -p switchboard-bench -- --only "switchboard (recorded)" --scenario 64x64B`,
/// 24 November 2026, on two cores that others used, too). Bytes that go out as they came in are
/// written once; before they were, it was 1.047 to 1.065, and that is what a server pays whose
/// answers are other bytes, and as many.
///
/// [`now`]: crate::LoopContext::now
/// [`wall_time`]: crate::LoopContext::wall_time
/// [`random`]: crate::LoopContext::random
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Recording {
    pub(crate) path: PathBuf,
    pub(crate) program: String,
    pub(crate) version: String,
    pub(crate) configuration: String,
    pub(crate) max_bytes: u64,
    pub(crate) earlier: u32,
}

impl Recording {
    /// A recording to `path`, of a program and its version: a replay by any other is refused.
    ///
    /// ```no_run
    /// use switchboard::{Reactor, Recording};
    ///
    /// let recording = Recording::new("run.rec", "my-server", env!("CARGO_PKG_VERSION"));
    /// let reactor = Reactor::builder().record(recording).build(())?;
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    pub fn new(
        path: impl AsRef<Path>,
        program: impl Into<String>,
        version: impl Into<String>,
    ) -> Recording {
        Recording {
            path: path.as_ref().to_owned(),
            program: program.into(),
            version: version.into(),
            configuration: String::new(),
            max_bytes: 256 << 20,
            earlier: 3,
        }
    }

    /// What else a replay has to know, such as the program's options, in a form of its own:
    /// [`Replay::configuration`](crate::Replay::configuration) has it again.
    pub fn with_configuration(mut self, text: impl Into<String>) -> Recording {
        self.configuration = text.into();
        self
    }

    /// How long the file may become (default 256 MiB, at least 4 KiB). At the bound the recording
    /// ends; the program runs on.
    pub fn with_max_bytes(mut self, bytes: u64) -> Recording {
        self.max_bytes = bytes.max(4096);
        self
    }

    /// How many recordings of earlier runs are kept beside it, as `FILE.1` (the last one) to
    /// `FILE.3` (default 3; at 0 the one that is there is replaced).
    pub fn with_earlier(mut self, recordings: u32) -> Recording {
        self.earlier = recordings;
        self
    }
}
