//! `switchboard connect`: a person at a terminal, or a pipe.
//!
//! It must never hold a conversation itself: it chooses between the kinds.

mod connection;
mod painter;
mod person;
mod pipe;
mod rooms;
mod screen;

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use switchboard_chat::chat::names;
use switchboard_chat::cli::ConnectArgs;

/// Talks to a server until the input ends, the person leaves or the server does.
///
/// # Errors
/// One line that says what went wrong and what to do.
pub fn run(args: &ConnectArgs) -> Result<ExitCode, String> {
    let is_person = stdin().is_terminal() && stdout().is_terminal();
    if args.send.is_some() || args.follow || !args.room.is_empty() && !is_person {
        return rooms::run(args);
    }
    match is_person {
        true if args.plain => person::run(args),
        true => screen::run(args),
        false => pipe::run(args),
    }
}

/// Who has not said what to be called.
fn user_name() -> String {
    let user = std::env::var("USER").unwrap_or_default();
    let good = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
    let name: String = user.chars().filter(good).take(20).collect();
    match names::check_nick(&name) {
        Ok(()) => name,
        Err(_) => "guest".to_owned(),
    }
}
