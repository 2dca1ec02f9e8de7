//! A running `switchboard serve`, for a test to talk to.

use std::process::Command;

use switchboard_partners::Process;

/// The program under test.
pub fn switchboard(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments);
    command
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
