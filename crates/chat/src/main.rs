//! The `switchboard` program: what was asked for, and the exit code.

mod connect;
mod data;
mod replay;

use std::process::ExitCode;

use clap::Parser;
use switchboard_chat::cli::{Cli, Command};
use switchboard_chat::serve;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Replay(args) => return replay::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Export(args) => data::export(&args),
        Command::Import(args) => data::import(&args),
        Command::Backup(args) => data::back_up(&args),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("switchboard: {problem}");
        ExitCode::FAILURE
    })
}
