//! The `switchboard` program: what was asked for, and the exit code.

mod account;
mod connect;
mod data;
mod replay;
mod settings;

use std::process::ExitCode;

use switchboard_chat::cli::Command;
use switchboard_chat::cli::config::{self, Problem};
use switchboard_chat::serve;

/// As for a command line that is wrong.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let cli = match config::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(Problem::Usage(error)) => error.exit(),
        Err(Problem::File(problem)) => {
            eprintln!("switchboard: {problem}");
            return ExitCode::from(UNUSABLE);
        }
    };
    let outcome = match cli.command {
        Command::Config(command) => return settings::run(&command),
        Command::Serve(args) => serve::run(&args),
        Command::Replay(args) => return replay::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Account(args) => account::run(&args),
        Command::Export(args) => data::export(&args),
        Command::Import(args) => data::import(&args),
        Command::Backup(args) => data::back_up(&args),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("switchboard: {problem}");
        ExitCode::FAILURE
    })
}
