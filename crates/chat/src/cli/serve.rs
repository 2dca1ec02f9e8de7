//! The flags of `serve`.
//!
//! It must never act: it turns words into values, or into an error that says what to write.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, ValueHint};
use switchboard::Driver;

use super::data::DataArgs;
use super::entrance::Entrance;
use super::{Cli, Command, LogArgs, Switch};
use crate::accounts::decoys::SECRET_BYTES;
use crate::chat::names;
use crate::chat::settings::{Registration, Settings};
use crate::limits::Limits;
use crate::store::retention::Retention;

/// Flags of `serve`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ServeArgs {
    /// Take the settings that are not on the command line from FILE, which is in TOML: each flag
    /// is a key there, without its dashes. `switchboard config example` writes one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Where to listen; give it more than once to listen at several addresses. localhost: only
    /// programs on this machine; 0.0.0.0: everyone who can reach this machine. All protocols are
    /// spoken there, unless one is put in front: irc://, ircs://, http://, https:// or plain://
    #[arg(
        long,
        value_name = "[PROTOCOL://]HOST:PORT",
        default_value = "localhost:8080"
    )]
    pub listen: Vec<Entrance>,

    /// Where messages, rooms and accounts are kept.
    #[command(flatten)]
    pub data: DataArgs,

    /// Replace the server that uses the same data: take its sockets, so that nobody is refused, and
    /// let it tell its clients to connect again. (On SIGUSR2 a server starts its program so.) One that
    /// records neither takes over nor can be replaced
    #[arg(long, conflicts_with = "record")]
    pub take_over: bool,

    /// What unknown accounts are answered with; for a replay, which has it from the recording.
    #[arg(long, hide = true)]
    pub decoys: Option<DecoySecret>,

    /// Speak TLS, too: with the certificate in FILE and those that lead to its root (and
    /// --tls-key), or "self-signed", which makes one in the data directory and says its
    /// fingerprint. Give it more than once for several: a client is shown the one that is for the
    /// host it asks for, or the first. SIGHUP has the files read again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tls: Vec<Tls>,

    /// The key of the certificate in --tls FILE; as often as that, in the same order
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tls_key: Vec<PathBuf>,

    /// How long IRC clients should remember to come by TLS alone (IRCv3 "sts"). They are told if
    /// there is a certificate that is not self-signed; a client that knows refuses to come without
    /// TLS, or with a certificate that it cannot check, until the time is over. "off": they are not
    /// told; 1s: they forget it soon
    #[arg(long, value_name = "DURATION", default_value_t = Switch(Some(STS_DURATION)))]
    pub sts_duration: Switch<Duration>,

    /// The port on which they find TLS, if it is another one for them than here. Given, they are
    /// told whatever the certificate
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub sts_port: Option<u16>,

    /// Listen without TLS even where everyone can connect from everywhere
    #[arg(long)]
    pub allow_plaintext: bool,

    /// How the server calls itself, as in chat.example.org
    #[arg(long, value_name = "NAME", default_value = "localhost", value_parser = server_name)]
    pub name: String,

    /// What people call this chat
    #[arg(long, value_name = "NAME", default_value = "Switchboard", value_parser = server_name)]
    pub network: String,

    /// The room that plain clients talk to
    #[arg(long, value_name = "ROOM", default_value = "#lobby", value_parser = room)]
    pub lobby: String,

    /// Who can make an account
    #[arg(long, value_enum, default_value_t)]
    pub registration: Registration,

    /// Who logs in to this account is an administrator of the server; give it more than once for
    /// several. Nobody can register the name: `switchboard account create` makes the account
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub admin: Vec<String>,

    /// Greet IRC clients with the text in FILE, of which 100 lines are shown
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub motd: Option<PathBuf>,

    /// The lines of that file; for a replay, which has them from the recording.
    #[arg(long, hide = true)]
    pub motd_line: Vec<String>,

    /// Show whoever comes into a room the last N messages, if the client cannot ask for them by
    /// CHATHISTORY (up to 1000); "off": none
    #[arg(long, value_name = "N", default_value_t = Switch(Some(BACKLOG)))]
    pub backlog: Switch<u32>,

    /// Who runs the server and how to reach them, for /ADMIN; up to three lines, each with the flag
    #[arg(long, value_name = "TEXT", value_parser = contact)]
    pub contact: Vec<String>,

    /// Remove messages that are older than this, as in 30d or 1y; "off": keep them
    #[arg(long, value_name = "DURATION", default_value_t = Switch(None))]
    pub keep_for: Switch<Duration>,

    /// Keep the newest N messages of each room; "off": all
    #[arg(long, value_name = "N", default_value_t = Switch(None))]
    pub keep_messages: Switch<u32>,

    /// Keep the messages of all rooms within so many MiB, the newest ones; "off": all
    #[arg(long, value_name = "MIB", default_value_t = Switch(None))]
    pub keep_mib: Switch<u32>,

    /// Tell whoever asks at /metrics what the server has to do, for Prometheus
    #[arg(long)]
    pub metrics: bool,

    /// Let web pages of this origin connect, too, as in `https://example.org`
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,

    /// A name under which browsers may know this server, as in chat.example.org; give it more than
    /// once for several. With one, requests for any other name are refused. Without one, a server
    /// that listens at localhost lets no page connect that came under another name (but for --name)
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    pub allow_host: Vec<String>,

    /// How many connections one network (an IPv4 address, an IPv6 /64) may have at the same time;
    /// those from this machine are not counted
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_per_network: u32,

    /// The longest message, without its newline. A client that sends a longer one is told so and
    /// disconnected
    #[arg(long, value_name = "BYTES", default_value_t = Limits::DEFAULT.message_bytes_max as u32,
          value_parser = clap::value_parser!(u32).range(1..=MESSAGE_BYTES_MAX))]
    pub max_message: u32,

    /// How many clients may be connected at the same time. The next one is told that the server is
    /// full, and disconnected
    #[arg(long, value_name = "N", default_value_t = Limits::DEFAULT.clients_max as u32,
          value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub max_clients: u32,

    /// How long a client may send no message before it is disconnected, as in 90s, 10m or 1h 30m;
    /// "off": for ever
    #[arg(long, value_name = "DURATION", default_value_t = Switch(Limits::DEFAULT.idle))]
    pub idle_timeout: Switch<Duration>,

    /// How long a client may take to say what it speaks: a whole greeting, a TLS handshake, the head
    /// of a request. An IRC client may take three times as long to say who it is
    #[arg(long, value_name = "DURATION", default_value_t = HandshakeTimeout::DEFAULT)]
    pub handshake_timeout: HandshakeTimeout,

    /// How many messages a second one client may send; ten seconds' worth may come at once. A
    /// message above that is not taken, and its sender is told so. "off": no limit
    #[arg(long, value_name = "N", default_value_t = Switch(Limits::DEFAULT.rate.map(|r| r.per_second())))]
    pub rate: Switch<u32>,

    /// The gap that ends a message of a client that has not sent a newline yet, as in 200ms or 1s;
    /// "off": such a client is answered when it has finished sending
    #[arg(long, value_name = "DURATION", default_value_t = Switch(Limits::DEFAULT.pause))]
    pub pause: Switch<Duration>,

    /// How to wait for the network: readiness (epoll or kqueue), io_uring (Linux), or auto, which
    /// takes io_uring where it works; the log says at info which it took and why
    #[arg(long, value_name = "DRIVER", default_value_t)]
    pub driver: Driver,

    /// Write all that is received and sent to FILE, for `switchboard replay`. Only its owner can
    /// read it. At 256 MiB the recording ends, and the server goes on; a recording that is there
    /// already becomes FILE.1, and so on up to FILE.3
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,

    /// How much to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// A limit is a number of bytes that one client makes the server hold.
const MESSAGE_BYTES_MAX: i64 = 1024 * 1024;

/// About two screens.
const BACKLOG: u32 = 50;

/// More than any process has descriptors for.
const CLIENTS_MAX: i64 = 1024 * 1024;

/// A day: whoever comes daily never comes in the clear again, and who has done away with the
/// certificate has lost nobody for long.
const STS_DURATION: Duration = Duration::from_secs(24 * 3600);

impl ServeArgs {
    /// The flags as limits.
    pub fn limits(&self) -> Limits {
        Limits {
            message_bytes_max: self.max_message as usize,
            clients_max: self.max_clients as usize,
            idle: self.idle_timeout.0,
            rate: self.rate.0.map(Limits::rate_with_burst),
            pause: self.pause.0,
        }
    }

    /// The flags as the chat's settings.
    pub fn settings(&self) -> Settings {
        Settings {
            server: self.name.as_str().into(),
            lobby: self.lobby.as_str().into(),
            registration: self.registration,
            admins: self.admin.iter().map(|name| names::folded(name)).collect(),
            users_max: self.max_clients as usize,
            connections_per_network: self.max_per_network as usize,
            text_bytes_max: self.max_message as usize,
            message_rate: self.rate.0.map(Limits::rate_with_burst),
            ..Settings::default()
        }
    }

    /// What of the history is kept.
    pub fn retention(&self) -> Retention {
        Retention {
            max_age: self.keep_for.0,
            max_count: self.keep_messages.0.map(u64::from),
            max_bytes: self.keep_mib.0.map(|mib| u64::from(mib) * 1024 * 1024),
        }
    }

    /// The flags that make one server answer otherwise than another, a line each, for a recording.
    pub fn to_lines(&self) -> String {
        let mut lines = String::new();
        for address in &self.listen {
            lines.push_str(&format!("--listen={address}\n"));
        }
        if let Some(decoys) = &self.decoys {
            lines.push_str(&format!("--decoys={decoys}\n"));
        }
        if !self.tls.is_empty() {
            // Which one does not matter where no bytes are encrypted.
            lines.push_str("--tls=self-signed\n");
        }
        let more = [
            ("admin", &self.admin),
            ("contact", &self.contact),
            ("motd-line", &self.motd_line),
        ];
        for (flag, values) in more {
            for value in values {
                lines.push_str(&format!("--{flag}={value}\n"));
            }
        }
        lines.push_str(&format!("--sts-duration={}\n", self.sts_duration));
        if let Some(port) = self.sts_port {
            lines.push_str(&format!("--sts-port={port}\n"));
        }
        for origin in &self.allow_origin {
            lines.push_str(&format!("--allow-origin={origin}\n"));
        }
        for host in &self.allow_host {
            lines.push_str(&format!("--allow-host={host}\n"));
        }
        lines.push_str(&format!("--backlog={}\n", self.backlog));
        if self.metrics {
            lines.push_str("--metrics\n");
        }
        lines.push_str(&format!(
            "--name={}\n--network={}\n--lobby={}\n--registration={}\n--max-per-network={}\n",
            self.name, self.network, self.lobby, self.registration, self.max_per_network
        ));
        lines
            + &format!(
                "--max-message={}\n--max-clients={}\n--idle-timeout={}\n--rate={}\n--pause={}\n\
                 --handshake-timeout={}\n",
                self.max_message,
                self.max_clients,
                self.idle_timeout,
                self.rate,
                self.pause,
                self.handshake_timeout
            )
    }

    /// What [`to_lines`](Self::to_lines) has written.
    ///
    /// # Errors
    /// What is wrong with one of the lines.
    pub fn from_lines(lines: &str) -> Result<ServeArgs, String> {
        let words = ["switchboard", "serve"].into_iter().chain(lines.lines());
        match Cli::try_parse_from(words) {
            Ok(Cli {
                command: Command::Serve(args),
            }) => Ok(args),
            Ok(_) => Err("they are another command's".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// How long a client may take to greet. There is no "off": whoever sends half a greeting would be
/// waited for without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeTimeout(pub Duration);

impl HandshakeTimeout {
    const DEFAULT: HandshakeTimeout = HandshakeTimeout(Duration::from_secs(10));
    const MAX: Duration = Duration::from_secs(3600);
}

impl Display for HandshakeTimeout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for HandshakeTimeout {
    type Err = String;

    fn from_str(text: &str) -> Result<HandshakeTimeout, String> {
        match humantime::parse_duration(text) {
            Ok(time) if !time.is_zero() && time <= Self::MAX => Ok(HandshakeTimeout(time)),
            _ => Err("write a duration up to 1h, as in 500ms, 10s or 1m".to_owned()),
        }
    }
}

/// See [`Decoys`](crate::accounts::decoys::Decoys).
#[derive(Clone, PartialEq, Eq)]
pub struct DecoySecret(pub [u8; SECRET_BYTES]);

impl fmt::Debug for DecoySecret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("DecoySecret(..)")
    }
}

impl Display for DecoySecret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for DecoySecret {
    type Err = String;

    fn from_str(text: &str) -> Result<DecoySecret, String> {
        let mut secret = [0; SECRET_BYTES];
        let bad = || format!("write {} hexadecimal digits", 2 * SECRET_BYTES);
        if text.len() != 2 * SECRET_BYTES || !text.is_ascii() {
            return Err(bad());
        }
        for (index, byte) in secret.iter_mut().enumerate() {
            let digits = &text[2 * index..2 * index + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(DecoySecret(secret))
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Made here.
    SelfSigned,
    /// From a file.
    File(PathBuf),
}

impl FromStr for Tls {
    type Err = String;

    fn from_str(text: &str) -> Result<Tls, String> {
        Ok(match text {
            "self-signed" => Tls::SelfSigned,
            file => Tls::File(file.into()),
        })
    }
}

fn server_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if text.is_empty() || text.len() > 63 || !text.chars().all(good) {
        return Err("write up to 63 letters, digits, dots and dashes".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn room(text: &str) -> Result<String, String> {
    match names::check_channel(text).is_ok() {
        true => Ok(text.to_owned()),
        false => Err(
            "a room begins with #, and has no spaces, commas or invisible characters".to_owned(),
        ),
    }
}

fn account(text: &str) -> Result<String, String> {
    match names::check_nick(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(why) => Err(why.to_string()),
    }
}

fn contact(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_control) {
        true => Err("write one line; give the flag again for the next one".to_owned()),
        false => Ok(text.to_owned()),
    }
}
