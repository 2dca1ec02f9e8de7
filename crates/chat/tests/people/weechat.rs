//! WeeChat without its terminal, driven by its named pipe.

use std::fs::OpenOptions;
use std::io::Write;

use switchboard_partners::{Installed, Process};

use crate::place::{Place, follow, wait_until};

/// A running WeeChat with a server called `team`.
pub struct WeeChat {
    process: Process,
    /// What is in the buffer of the lobby.
    pub lobby: Process,
    /// What is in the buffer of the server.
    pub server: Process,
    nick: String,
    /// Before 4.0, options of TLS are called `ssl`.
    is_old: bool,
    pub place: Place,
}

impl WeeChat {
    #[track_caller]
    pub fn start(weechat: &Installed, nick: &str) -> WeeChat {
        let mut version = weechat.command();
        version.arg("--version");
        let mut version = Process::start(version);
        assert!(version.finish().success());
        let is_old = version.output().starts_with(['0', '1', '2', '3']);
        let place = Place::new();
        // What it shows is to be in its logs at once.
        place.write("logger.conf", "[file]\nflush_delay = 0\n");
        let mut command = weechat.command();
        command.args(["-d", &place.path("")]);
        for (name, value) in [
            ("irc.server_default.nicks", nick),
            ("irc.server_default.username", nick),
            ("irc.server_default.anti_flood_prio_high", "0"),
            ("irc.server_default.anti_flood_prio_low", "0"),
            ("irc.server_default.anti_flood", "0"),
            ("irc.server_default.autoreconnect_delay", "1"),
        ] {
            // Versions differ in which of these there are.
            command.args(["-r", &format!("/set {name} {value}")]);
        }
        command.args(["-r", "/print -core all is set"]);
        command.env("LC_ALL", "C.UTF-8");
        let process = Process::start(command);
        follow(&place.path("logs/core.weechat.weechatlog")).wait_for("all is set");
        WeeChat {
            process,
            lobby: follow(&place.path("logs/irc.team.#lobby.weechatlog")),
            server: follow(&place.path("logs/irc.server.team.weechatlog")),
            nick: nick.to_owned(),
            is_old,
            place,
        }
    }

    /// Types a line where all commands are known.
    #[track_caller]
    pub fn types(&mut self, line: &str) {
        self.writes("core.weechat", line);
    }

    /// Types lines there.
    #[track_caller]
    pub fn types_all(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.types(line));
    }

    /// Types a line in the buffer of the server.
    #[track_caller]
    pub fn types_to_server(&mut self, line: &str) {
        self.writes("irc.server.team", line);
    }

    /// Types a line in the buffer of a room, or of a conversation.
    #[track_caller]
    pub fn types_in(&mut self, room: &str, line: &str) {
        self.writes(&format!("irc.team.{room}"), line);
    }

    #[track_caller]
    fn writes(&mut self, buffer: &str, line: &str) {
        let line = self.as_it_says(line);
        let pipe = self
            .place
            .path(&format!("weechat_fifo_{}", self.process.id()));
        let mut pipe = OpenOptions::new()
            .append(true)
            .open(pipe)
            .expect("WeeChat has made it");
        writeln!(pipe, "{buffer} *{line}").expect("WeeChat reads it");
    }

    /// A command of version 4 in the words of the one that runs.
    fn as_it_says(&self, line: &str) -> String {
        match self.is_old {
            true => line
                .replace(" -notls", "")
                .replace(" -tls", " -ssl")
                .replace(".tls", ".ssl"),
            false => line.to_owned(),
        }
    }

    /// Comes to a server, and into the lobby.
    #[track_caller]
    pub fn comes(&mut self, port: &str, fingerprint: Option<&str>) {
        match fingerprint {
            None => self.types(&format!("/server add team 127.0.0.1/{port} -notls")),
            Some(fingerprint) => {
                self.types(&format!("/server add team 127.0.0.1/{port} -tls"));
                self.types(&format!(
                    "/set irc.server.team.tls_fingerprint {fingerprint}"
                ));
            }
        }
        self.types("/connect team");
        self.server.wait_for("Welcome to Switchboard");
        self.types_to_server("/join #lobby");
        self.lobby.wait_for("Channel #lobby: ");
    }

    /// Waits until it shows so many messages of others.
    #[track_caller]
    pub fn hears(&mut self, count: usize) -> Vec<(String, String)> {
        let nick = self.nick.clone();
        wait_until(&mut self.lobby, |shown| {
            let mut all = messages(shown);
            all.retain(|(who, _)| *who != nick);
            (all.len() >= count).then_some(all)
        })
    }
}

/// `2026-11-24 18:42:38<TAB>wee<TAB>Hi from wee`
fn messages(shown: &str) -> Vec<(String, String)> {
    let messages = shown.lines().filter_map(|line| {
        let mut fields = line.splitn(3, '\t').skip(1);
        let (who, text) = (fields.next()?, fields.next()?);
        let is_nick = who.chars().all(|c| c.is_alphanumeric() || c == '/') && !who.is_empty();
        is_nick.then(|| (who.to_owned(), text.to_owned()))
    });
    messages.collect()
}
