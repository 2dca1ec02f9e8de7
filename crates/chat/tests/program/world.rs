//! A running `switchboard serve`, for a test to talk to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_partners::Process;

/// The program under test. Each one keeps its data in a directory of its own.
pub fn switchboard(arguments: &[&str]) -> Command {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments);
    command.env("XDG_STATE_HOME", states().join(number.to_string()));
    command
}

/// Where the servers of this process keep their data. What those of processes that have ended have
/// left is removed.
fn states() -> PathBuf {
    static TIDY: Once = Once::new();
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("states");
    TIDY.call_once(|| {
        for left in fs::read_dir(&all).into_iter().flatten().flatten() {
            if !Path::new("/proc").join(left.file_name()).exists() {
                // Another process may be at the same work.
                let _ = fs::remove_dir_all(left.path());
            }
        }
    });
    all.join(process::id().to_string())
}

/// A server that is ready for clients.
pub struct Server {
    /// Its process; the log is its standard error.
    pub process: Process,
    /// Where it listens.
    pub address: String,
}

impl Server {
    /// Starts it on a free port, with further flags.
    #[track_caller]
    pub fn start(flags: &[&str]) -> Server {
        let mut process = Process::start(switchboard(
            &[&["serve", "--listen", "127.0.0.1:0"], flags].concat(),
        ));
        process.wait_for("listening on ");
        let line = process.wait_for("\n");
        process.wait_for("Ctrl-C stops it\n");
        Server {
            process,
            address: line.trim_end().to_owned(),
        }
    }
}
