//! What the operator of a server decides about the chat. It must never change while the server runs,
//! except by being replaced as a whole.

use std::sync::Arc;
use std::time::Duration;

use crate::rate::Rate;

/// Who can make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Registration {
    /// Everybody.
    #[default]
    Open,
    /// Whoever has a code that an administrator made.
    Invitation,
    /// Nobody; administrators make them.
    Closed,
}

impl std::fmt::Display for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Registration::Open => "open",
            Registration::Invitation => "invitation",
            Registration::Closed => "closed",
        })
    }
}

/// The bounds and choices of a server's chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How the server calls itself, as in `chat.example.org`.
    pub server: Arc<str>,
    /// The room that plain clients speak in. It is always there.
    pub lobby: Arc<str>,
    /// Who can make an account.
    pub registration: Registration,
    /// The folded names of accounts whose owners are administrators. Nobody can register them.
    pub admins: Vec<Arc<str>>,
    /// A room with more members announces nobody's coming and going: otherwise a reconnect of all
    /// would cost the square of their number.
    pub big_room: usize,
    /// Users at the same time, guests included.
    pub users_max: usize,
    /// Connections from one network (an IPv4 address, an IPv6 /64) at the same time; those from this
    /// machine itself are not counted.
    pub connections_per_network: usize,
    /// Rooms that one user is in, and that one account owns by having made them.
    pub rooms_per_user: usize,
    /// Rooms in all. Near it, one that nobody is in and no account has a role in makes way: with
    /// what was said there, unless it is as a new one would be.
    pub rooms_max: usize,
    /// Accounts in all, suspended ones included.
    pub accounts_max: usize,
    /// Entries on one list of a room's.
    pub masks_per_list: usize,
    /// Nicks that one user watches.
    pub watches_per_user: usize,
    /// The longest text of one message, in bytes.
    pub text_bytes_max: usize,
    /// The longest topic, reason, realname or key, in bytes.
    pub line_bytes_max: usize,
    /// What may wait to be stored of one user: more is not taken from it for now.
    pub pending_per_user: usize,
    /// What may wait to be stored in all, in bytes: above it, messages are refused.
    pub pending_bytes_max: usize,
    /// Changes that are stored at once, at most.
    pub batch_max: usize,
    /// Messages of one user.
    pub message_rate: Option<Rate>,
    /// Joins (and nick changes, invitations and the like) of one user.
    pub join_rate: Option<Rate>,
    /// New accounts of one network.
    pub registration_rate: Option<Rate>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            server: "localhost".into(),
            lobby: "#lobby".into(),
            registration: Registration::Open,
            admins: Vec::new(),
            big_room: 500,
            users_max: 1000,
            connections_per_network: 64,
            rooms_per_user: 100,
            rooms_max: 10_000,
            accounts_max: 100_000,
            masks_per_list: 100,
            watches_per_user: 100,
            text_bytes_max: 8192,
            line_bytes_max: 390,
            pending_per_user: 256,
            pending_bytes_max: 64 * 1024 * 1024,
            batch_max: 4096,
            message_rate: Some(Rate::new(20, 200)),
            join_rate: Some(Rate::new(5, 100)),
            registration_rate: Some(Rate::every(Duration::from_secs(360), 10)),
        }
    }
}
