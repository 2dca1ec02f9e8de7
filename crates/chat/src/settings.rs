//! `switchboard config`: whether a settings file will do, and one to begin with. It must never start
//! or change anything.

use std::ffi::OsString;
use std::io::{Write, stdout};
use std::process::ExitCode;

use switchboard_chat::cli::Command;
use switchboard_chat::cli::config::{self, CheckArgs, ConfigCommand};
use switchboard_chat::serve;

use crate::UNUSABLE;

pub(crate) fn run(command: &ConfigCommand) -> ExitCode {
    let text = match command {
        ConfigCommand::Example => config::example(),
        ConfigCommand::Check(args) => match check(args) {
            Ok(text) => text,
            Err(problem) => {
                eprintln!("switchboard: {problem}");
                return ExitCode::from(UNUSABLE);
            }
        },
    };
    match stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // a pipe that nobody reads
    }
}

fn check(args: &CheckArgs) -> Result<String, String> {
    let words = ["switchboard", "serve", "--config"].map(OsString::from);
    let words = words.into_iter().chain([args.file.clone().into()]);
    let cli = config::parse(words).map_err(|problem| problem.to_string())?;
    if let Command::Serve(serve) = cli.command {
        serve::check(&serve)?;
    }
    Ok(format!("{}: good\n", args.file.display()))
}
