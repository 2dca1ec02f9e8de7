//! The whole program, as it is run, under load through its sockets, and ended in every way.
//!
//! It must never ask the server what it has stored where the files can be asked.

mod client;
mod crowd;
mod deeds;
mod failing;
mod full;
mod history;
mod killed;
mod ledger;
mod power;
mod torn;

use std::path::{Path, PathBuf};
use std::process::Command;

use switchboard_partners::Process;

/// A server that was started, which is killed when this is dropped.
pub struct Running {
    pub process: Process,
    pub address: String,
}

/// The program on the data in `directory`, behind the words of another program, if there are any.
pub fn command(wrapper: &[&str], directory: &Path, flags: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_switchboard");
    let mut words = wrapper.iter().copied().chain([program]);
    let mut command = Command::new(words.next().expect("there is the program"));
    command
        .args(words)
        .args(["serve", "--listen", "127.0.0.1:0"]);
    // Who comes back is to hear what it has not heard.
    command.args(["--rate", "off", "--quiet", "--backlog", "off"]);
    command.args(flags);
    command.arg("--data").arg(data(directory));
    command
}

/// Where a server in `directory` has its data: it makes that itself.
pub fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

pub fn database(directory: &Path) -> PathBuf {
    data(directory).join("switchboard.db")
}

impl Running {
    #[track_caller]
    pub fn start(directory: &Path) -> Running {
        Running::started(command(&[], directory, &[]))
    }

    #[track_caller]
    pub fn started(command: Command) -> Running {
        let mut process = Process::start(command);
        process.wait_for("listening on ");
        let line = process.wait_for("\n");
        process.wait_for("Ctrl-C stops it\n");
        Running {
            process,
            address: line.trim_end().to_owned(),
        }
    }

    /// `kill -9`.
    pub fn kill(self) {
        drop(self);
    }
}

/// How a failure is to be looked at again.
pub fn again(test: &str, seed: u64) -> String {
    format!(
        "again: SWITCHBOARD_CRASH_SEED={seed} cargo test -p switchboard-chat --test durability \
         {test} -- --nocapture"
    )
}

/// Where the dice begin.
pub fn seed() -> u64 {
    let seed = std::env::var("SWITCHBOARD_CRASH_SEED").ok();
    seed.map_or(6, |it| {
        it.parse().expect("SWITCHBOARD_CRASH_SEED is a number")
    })
}
