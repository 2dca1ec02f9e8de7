//! The command line: what can be asked for, its defaults, and the help that says so.
//!
//! It must never act: it turns words into values, or into an error that says what to write.

pub mod account;
pub mod config;
pub mod data;
mod entrance;
mod serve;

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use switchboard::Driver;

use account::AccountArgs;
use config::ConfigCommand;
use data::{BackupArgs, ExportArgs, ImportArgs};

use crate::host_port::HostPort;

pub use entrance::Entrance;
use serve::room;
pub use serve::{DecoySecret, ServeArgs, Tls};

/// A chat that one command runs: clients send messages, the server shows each one and answers it.
#[derive(Debug, Clone, Parser)]
#[command(name = "switchboard", version, max_term_width = 100, after_help = TRY_IT)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const TRY_IT: &str = "Try it: run `switchboard serve` in one terminal and `switchboard connect` in \
                      a second one, type a line there and press Enter. `nc localhost 8080` works \
                      as a client too.";

const CONNECT_EXAMPLES: &str = "Examples:
  switchboard connect chat.example.org:8080 --name ann
  make 2>&1 | tail -3 | switchboard connect --room '#ops' --name builder
  switchboard connect --room '#ops' --send 'deploy done'
  switchboard connect --room '#ops' --follow --json --reconnect | jq -r .text";

const EXPORT_EXAMPLES: &str = "Examples:
  switchboard export --room '#lobby' --format html lobby.html
  switchboard export --room '#lobby' --format text --since 7d
  switchboard export all.jsonl";

const IMPORT_EXAMPLES: &str = "Examples:
  switchboard import all.jsonl
  zcat old.jsonl.gz | switchboard import -";

const BACKUP_EXAMPLES: &str = "Examples:
  switchboard backup /var/backups/chat.db
  mkdir restored && cp /var/backups/chat.db restored/switchboard.db
  switchboard export --data restored --room '#lobby' --format text";

const ACCOUNT_EXAMPLES: &str = "Examples:
  switchboard account create ann
  switchboard serve --admin ann
  printf '%s\\n' \"$PASSWORD\" | switchboard account passwd ann
  switchboard account list";

/// The two halves of a chat, its replay, and what can be done with its data.
#[derive(Debug, Clone, Subcommand)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one, for the time of a start"
)]
pub enum Command {
    /// Run the server: a chat for IRC clients, WebSocket and plain lines, all on one port.
    ///
    /// It finds out from the first bytes what a client speaks. IRC clients join rooms and talk to
    /// each other. A plain client (nc, or `switchboard connect`) talks to the lobby: each line is a
    /// message, and is answered with "Message received" when it is stored; one that has not sent a
    /// newline yet ends its message by pausing (see --pause). /listen shows it what others say.
    /// Ctrl-C stops the server; what is under way is still stored and answered.
    ///
    /// Where it listens is said on standard output. What happens is logged to standard error; what
    /// people say only with -v.
    Serve(ServeArgs),
    /// Run what `serve --record` has recorded again, without a network, and see whether the server
    /// does the same.
    ///
    /// Everything comes to the same handlers as it came then, at the same times, as fast as can be;
    /// what they send and ask for is compared with what it was. The first difference is shown with
    /// both sides. The limits are those that the server was started with.
    ///
    /// Exit status: 0 if all was the same, 1 if something differs, 2 if the file cannot be used
    /// (or the command line is wrong).
    Replay(ReplayArgs),
    /// Check a settings file for `serve --config`, or write one to begin with.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Write messages, or everything, to a file or to standard output.
    ///
    /// A server may be using the data meanwhile.
    ///
    /// Exit status: 0 if all is written, 1 if not, 2 if the command line is wrong.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Store what `export --format json` has written.
    ///
    /// No server may be using the data. What is there already is not stored twice, so an import that
    /// has ended early can simply be done again. A damaged line ends it, and says which one it is:
    /// a thousand lines at a time are stored, all of them or none.
    ///
    /// Exit status: 0 if all is stored, 1 if not, 2 if the command line is wrong.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Copy all data to one file, while a server may be using it.
    ///
    /// The copy is of one moment, and is checked before it gets its name. To go back to it, put it
    /// into an empty directory under the name switchboard.db, and name that directory by --data.
    ///
    /// Exit status: 0 if the copy is complete and good, 1 if not, 2 if the command line is wrong.
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Make accounts, give them other passwords, and list them.
    ///
    /// Users make accounts by themselves, with their IRC client, if `serve --registration` lets them.
    /// This is for the first administrator, and for passwords that were forgotten.
    ///
    /// Exit status: 0 if it is done, 1 if not, 2 if the command line is wrong.
    #[command(after_help = ACCOUNT_EXAMPLES)]
    Account(AccountArgs),
    /// Talk to a server: from the keyboard, or from a pipe.
    ///
    /// On a terminal: rooms at the left, what is said in the middle, the line that you type below. Type
    /// a line and press Enter; /help shows what else there is. A message is grey until it is stored.
    /// PageUp shows older ones, Alt-1 to Alt-9 show other rooms. When the server goes away, its return is
    /// awaited; what was missed is shown then, and what you said meanwhile is sent. Pasted lines are sent
    /// after you were asked. Ctrl-Z lends the terminal to the shell (fg brings the client back), Ctrl-C
    /// ends the program. Colours are left out if NO_COLOR is set. --plain has no screen: the answers
    /// appear above the line that you type, and arrow keys bring back earlier ones.
    ///
    /// From a pipe every line is sent, empty ones too, and the program ends when all are answered.
    ///
    /// With --room it talks to everybody in that room: lines of the input, or what --send says (also on
    /// a terminal); --follow shows what others say there.
    ///
    /// The log goes to standard error. On a terminal it would run through the line that you type,
    /// so there it is only written if you send it elsewhere, as in 2>log.txt.
    ///
    /// Exit status: 0 if the server took every message, 1 if it did not or left first, 2 if the
    /// command line is wrong.
    #[command(after_help = CONNECT_EXAMPLES)]
    Connect(ConnectArgs),
}

/// Flags of `replay`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ReplayArgs {
    /// What `serve --record` has written
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Not as fast as can be, but N times as fast as it was: 1 for the pace of then
    #[arg(long, value_name = "N", value_parser = speed)]
    pub at_speed: Option<f64>,

    /// How much to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Flags of `connect`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ConnectArgs {
    /// The server's address
    #[arg(value_name = "HOST:PORT", default_value = "localhost:8080")]
    pub address: HostPort,

    /// What to be called [default: your user name]; with --plain and from a pipe, "NAME: " is put
    /// before each of your messages
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,

    /// On a terminal: lines and answers one below the other, for the lobby alone, instead of rooms on a
    /// whole screen; it suits a screen reader
    #[arg(long)]
    pub plain: bool,

    /// Talk in a room to everybody who is there; may be given more than once. From a pipe each line of
    /// the input is a message, unless --send or --follow say otherwise. The name is that of --name,
    /// or the user's
    #[arg(long, value_name = "ROOM", value_parser = room)]
    pub room: Vec<String>,

    /// Say TEXT in the room, and end when it is stored
    #[arg(long, value_name = "TEXT", requires = "room", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub send: Option<String>,

    /// Show what is said in the room, until you end it; with --reconnect, nothing is missed and
    /// nothing shown twice while the server is away
    #[arg(long, requires = "room")]
    pub follow: bool,

    /// Show one JSON object on each line: time, room, nick, account, kind, text and msgid
    #[arg(long, requires = "follow")]
    pub json: bool,

    /// Begin with the last N messages of each room
    #[arg(long, value_name = "N", requires = "follow", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(..=100))]
    pub last: u32,

    /// When the server cannot be reached or goes away, try again, waiting longer each time; give
    /// up after so many tries in a row (10 without a number)
    #[arg(long, value_name = "TRIES", num_args = 0..=1, require_equals = true,
          default_missing_value = "10", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub reconnect: Option<u32>,

    /// How long to wait for the connection and, with piped input, for an answer; "off": for ever
    #[arg(long, value_name = "DURATION", default_value_t = Switch(Some(Duration::from_secs(10))))]
    pub timeout: Switch<Duration>,

    /// How to wait for the network: readiness (epoll or kqueue), io_uring (Linux), or auto, which
    /// takes io_uring where it works; the log says at info which it took and why
    #[arg(long, value_name = "DRIVER", default_value_t)]
    pub driver: Driver,

    /// How much to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Flags about the log; all commands have them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct LogArgs {
    /// The least important lines to log [default: info for serve, warn for the others]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,

    /// Log more: -v adds debug lines, -vv all
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with_all = ["log_level", "quiet"])]
    pub verbose: u8,

    /// Log less: -q only warnings and errors, -qq only errors
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "log_level")]
    pub quiet: u8,
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    /// What went wrong and cannot be mended here
    Error,
    /// What somebody should look at
    Warn,
    /// Clients that come and go
    Info,
    /// Why things happen, and what plain clients say
    Debug,
    /// Every event of the loop
    Trace,
}

impl LogArgs {
    /// The level that the flags ask for, starting from `default`.
    pub fn level(&self, default: LogLevel) -> LogLevel {
        match (self.log_level, self.verbose, self.quiet) {
            (Some(level), ..) => level,
            (None, 0, 0) => default,
            (None, 1, _) => LogLevel::Debug,
            (None, 2.., _) => LogLevel::Trace,
            (None, 0, 1) => LogLevel::Warn.min(default),
            (None, 0, 2..) => LogLevel::Error,
        }
    }
}

/// A name is shown before each message; it should be shorter than one.
const NAME_BYTES_MAX: usize = 64;

/// A value, or "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch<T>(pub Option<T>);

fn is_off(text: &str) -> bool {
    matches!(text, "off" | "0")
}

impl FromStr for Switch<Duration> {
    type Err = String;

    fn from_str(text: &str) -> Result<Switch<Duration>, String> {
        if is_off(text) {
            return Ok(Switch(None));
        }
        let duration = humantime::parse_duration(text).map_err(|error| {
            format!("{error}; write a duration as in 200ms, 90s or 10m, or off")
        })?;
        Ok(Switch(
            Some(duration).filter(|duration| !duration.is_zero()),
        ))
    }
}

impl FromStr for Switch<u32> {
    type Err = String;

    fn from_str(text: &str) -> Result<Switch<u32>, String> {
        if is_off(text) {
            return Ok(Switch(None));
        }
        match text.parse() {
            Ok(number) => Ok(Switch(Some(number).filter(|number| *number > 0))),
            Err(_) => Err(format!("write a whole number up to {}, or off", u32::MAX)),
        }
    }
}

impl Display for Switch<Duration> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => humantime::format_duration(duration).fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl Display for Switch<u32> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("off"),
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if speed > 0.0 && f64::is_finite(speed) => Ok(speed),
        _ => Err("write a number above 0, as in 1, 0.5 or 20".to_owned()),
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a name has at least one visible character".to_owned());
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(format!("a name has at most {NAME_BYTES_MAX} bytes"));
    }
    if !text
        .chars()
        .all(|c| c == '\\' || crate::escape::is_plain(c))
    {
        return Err("a name has no invisible characters".to_owned());
    }
    Ok(text.to_owned())
}
