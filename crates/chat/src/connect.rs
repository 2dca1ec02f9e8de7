//! `switchboard connect`: a person at a terminal, or a pipe.
//!
//! It must never hold a conversation itself: it chooses between the kinds.

mod connection;
mod painter;
mod person;
mod pipe;
mod screen;

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use switchboard_chat::cli::ConnectArgs;

/// Talks to a server until the input ends, the person leaves or the server does.
///
/// # Errors
/// One line that says what went wrong and what to do.
pub fn run(args: &ConnectArgs) -> Result<ExitCode, String> {
    match stdin().is_terminal() && stdout().is_terminal() {
        true if args.plain => person::run(args),
        true => screen::run(args),
        false => pipe::run(args),
    }
}
