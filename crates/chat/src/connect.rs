//! `switchboard connect`: a person at a terminal, or a pipe.
//!
//! It must never hold a conversation itself: it chooses between the two kinds.

mod connection;
mod person;
mod pipe;

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use switchboard_chat::cli::ConnectArgs;

/// Talks to a server until the input ends, the person leaves or the server does.
///
/// # Errors
/// One line that says what went wrong and what to do.
pub fn run(args: &ConnectArgs) -> Result<ExitCode, String> {
    if stdin().is_terminal() && stdout().is_terminal() {
        person::run(args)
    } else {
        pipe::run(args)
    }
}
