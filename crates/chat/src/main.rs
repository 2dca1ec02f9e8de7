//! The `switchboard` program: what was asked for, and the exit code.

use std::process::ExitCode;

use clap::Parser;
use switchboard_chat::cli::Cli;

fn main() -> ExitCode {
    Cli::parse();
    eprintln!("switchboard: this build has no reactor yet, so it can only show its help");
    ExitCode::FAILURE
}
