//! The `switchboard` program: what was asked for, and the exit code.

mod alarm;
mod connect;
mod replay;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use switchboard_chat::cli::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Replay(args) => return replay::run(&args),
        Command::Connect(args) => connect::run(&args),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("switchboard: {problem}");
        ExitCode::FAILURE
    })
}
