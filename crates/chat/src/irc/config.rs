//! What the operator of a server decides about its IRC. It must never change while a line is being
//! handled.

use std::sync::Arc;
use std::time::Duration;

use crate::accounts::decoys::{Decoys, SECRET_BYTES};
use crate::accounts::verifier::Iterations;

/// Says that clients should come back by TLS (IRCv3 `sts`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sts {
    /// The port on which TLS is spoken.
    pub port: u16,
    /// How long a client should remember it.
    pub duration: Duration,
}

/// The choices of IRC.
#[derive(Debug)]
pub struct IrcConfig {
    /// How the server calls itself; the same as in the chat's settings.
    pub server: Arc<str>,
    /// What people call the network.
    pub network: Arc<str>,
    /// The program and its version.
    pub version: Arc<str>,
    /// When the server was started, for people.
    pub created: Arc<str>,
    /// When that was, in milliseconds since 1970, if it is known.
    pub started_unix_ms: Option<u64>,
    /// Who runs the server and how to reach them (`ADMIN`), up to three lines; none: `423`.
    pub admin_info: Vec<Arc<str>>,
    /// Entries of a history or a search that are told at once.
    pub history_max: usize,
    /// Messages that somebody who comes into a room is shown of what was said there, if the client
    /// cannot ask for them; 0: none.
    pub backlog: usize,
    /// The message of the day, by lines; none: `422`.
    pub motd: Vec<Arc<str>>,
    /// Where TLS is spoken: clients that come without it are told to come there, and those that come
    /// with it to go on doing so.
    pub sts: Option<Sts>,
    /// A client that has said nothing for so long is asked whether it is there.
    pub ping_after: Duration,
    /// It has so long to answer.
    pub ping_timeout: Duration,
    /// A client has so long to say who it is.
    pub registration_timeout: Duration,
    /// What stands in for the verifiers of accounts that there are not.
    pub decoys: Decoys,
    /// How often a new password is hashed.
    pub iterations: Iterations,
    /// Passwords may be sent by clients without TLS from other machines.
    pub passwords_in_the_clear: bool,
    /// Targets of one message.
    pub targets_max: usize,
    /// Lines of one message that comes in a batch.
    pub multiline_lines_max: usize,
}

impl IrcConfig {
    /// The usual choices, under this name. The secret is random, and the same after a restart.
    pub fn new(server: Arc<str>, secret: &[u8; SECRET_BYTES]) -> IrcConfig {
        IrcConfig {
            network: Arc::clone(&server),
            server,
            version: concat!("switchboard-", env!("CARGO_PKG_VERSION")).into(),
            created: "at some time".into(),
            started_unix_ms: None,
            admin_info: Vec::new(),
            history_max: 100,
            backlog: 0,
            motd: Vec::new(),
            sts: None,
            ping_after: Duration::from_secs(120),
            ping_timeout: Duration::from_secs(60),
            registration_timeout: Duration::from_secs(30),
            decoys: Decoys::new(secret, Iterations::DEFAULT),
            iterations: Iterations::DEFAULT,
            passwords_in_the_clear: false,
            targets_max: 4,
            multiline_lines_max: 100,
        }
    }
}
