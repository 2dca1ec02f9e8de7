//! The drivers that the suite runs on, and what each needs around it: a file to record to, a network
//! in memory. It must never know what a case is about.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard::sim::{Faults, Simulation};
use switchboard::{Builder, Reactor, Recording};

/// The drivers there are.
#[derive(Clone, Copy, Debug)]
pub enum Driver {
    Readiness,
    #[cfg(target_os = "linux")]
    IoUring,
    /// The readiness driver, while all that passes is recorded: nobody may notice.
    Recorded,
    /// On a network in memory, in virtual time.
    Simulated,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Driver::Readiness => "readiness",
            #[cfg(target_os = "linux")]
            Driver::IoUring => "io_uring",
            Driver::Recorded => "recorded",
            Driver::Simulated => "simulated",
        })
    }
}

impl Driver {
    pub const ALL: &[Driver] = &[
        Driver::Readiness,
        #[cfg(target_os = "linux")]
        Driver::IoUring,
        Driver::Recorded,
        Driver::Simulated,
    ];

    /// Whether a reactor can be built on it here, and if not, why.
    pub fn works(self) -> std::result::Result<(), String> {
        let built = Tape::new().builder(self).build(());
        built.map(drop).map_err(|error| error.to_string())
    }

    /// Whether its reactors deal with an operating system: with descriptors, threads, signals.
    pub fn has_a_system(self) -> bool {
        !matches!(self, Driver::Simulated)
    }

    /// The world of its reactors, if that is not the operating system's.
    pub fn simulation(self) -> Option<Simulation> {
        if self.has_a_system() {
            return None;
        }
        let mut simulation = Simulation::new(0);
        simulation.faults(network());
        Some(simulation)
    }
}

/// The file of a recording that nobody will replay.
pub struct Tape(PathBuf);

impl Tape {
    pub fn new() -> Tape {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("suite-{}-{number}.rec", std::process::id());
        Tape(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub fn builder(&self, driver: Driver) -> Builder {
        match driver {
            Driver::Readiness | Driver::Simulated => Reactor::builder(),
            #[cfg(target_os = "linux")]
            Driver::IoUring => Reactor::builder().driver(switchboard::Driver::IoUring),
            Driver::Recorded => {
                let recording = Recording::new(&self.0, "the suite", "1").with_earlier(0);
                Reactor::builder().record(recording)
            }
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // where there is one
    }
}

/// What a simulated network holds for each direction, at each end: about as much as Linux does.
pub const NETWORK: usize = 4 * 1024 * 1024;

pub fn network() -> Faults {
    let faults = Faults::none().buffers(NETWORK, NETWORK);
    faults.backlog(4096)
}
