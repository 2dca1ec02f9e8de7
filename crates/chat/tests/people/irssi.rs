//! irssi, on a terminal of its own.

use switchboard_partners::{Installed, Process, Screen};

use crate::place::{Place, follow, wait_until};

/// A running irssi. What all of its windows show is in `shown`, too.
pub struct Irssi {
    pub screen: Screen,
    pub shown: Process,
    nick: String,
    _place: Place,
}

impl Irssi {
    #[track_caller]
    pub fn start(irssi: &Installed, tmux: &Installed, nick: &str) -> Irssi {
        let place = Place::new();
        // It would send slowly, for servers that are slow to trust, and take what is typed fast for a
        // paste; and it takes its time before it comes back.
        place.write(
            "config",
            &format!(
                "settings = {{
                   core = {{ real_name = \"{nick}\"; user_name = \"{nick}\"; nick = \"{nick}\"; }};
                   \"irc/core\" = {{ cmd_queue_speed = \"10msec\"; cmds_max_at_once = \"1000\"; }};
                   \"fe-text\" = {{ paste_verify_line_count = \"0\"; paste_join_multiline = \"no\"; }};
                   \"server/reconnect\" = {{ server_reconnect_time = \"10sec\"; }};
                 }};\n"
            ),
        );
        let program = irssi.command().get_program().to_owned();
        let program = program.to_str().expect("it is UTF-8");
        let home = place.path("");
        let mut screen = Screen::start(tmux, &format!("exec '{program}' --home='{home}'"));
        screen.wait_for("[(status)]");
        let log = place.path("logs/all.log");
        let shown = follow(&log);
        let mut irssi = Irssi {
            screen,
            shown,
            nick: nick.to_owned(),
            _place: place,
        };
        irssi.types(&format!("/log open {log} ALL"));
        irssi.sees("Log opened");
        irssi
    }

    /// Types a line.
    #[track_caller]
    pub fn types(&mut self, line: &str) {
        assert!(!line.contains('\''), "{line}");
        self.screen.command(&format!("send-keys -l -- '{line}'"));
        self.screen.keys("Enter");
    }

    /// Types lines.
    #[track_caller]
    pub fn types_all(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.types(line));
    }

    /// Waits for a text that was not waited for yet.
    #[track_caller]
    pub fn sees(&mut self, text: &str) -> String {
        self.shown.wait_for(text)
    }

    /// Comes to a server, and into the lobby.
    #[track_caller]
    pub fn comes(&mut self, port: &str, fingerprint: Option<&str>) {
        match fingerprint {
            None => self.types(&format!("/connect 127.0.0.1 {port}")),
            Some(fingerprint) => self.types(&format!(
                "/connect -tls -tls_pinned_cert {} 127.0.0.1 {port}",
                with_colons(fingerprint)
            )),
        }
        self.sees("Welcome to Switchboard");
        self.types("/join #lobby");
        self.sees("Join to #lobby was synced");
    }

    /// Waits until it shows so many messages of others.
    #[track_caller]
    pub fn hears(&mut self, count: usize) -> Vec<(String, String)> {
        let nick = self.nick.clone();
        wait_until(&mut self.shown, |shown| {
            let mut all = messages(shown);
            all.retain(|(who, _)| *who != nick);
            (all.len() >= count).then_some(all)
        })
    }
}

/// `18:42 #lobby: < wee> Hi`
fn messages(shown: &str) -> Vec<(String, String)> {
    let messages = shown.lines().filter_map(|line| {
        let (_, line) = line.split_once(" #lobby: <")?;
        let (who, text) = line.split_once("> ")?;
        Some((who[1..].to_owned(), text.to_owned()))
    });
    messages.collect()
}

/// As irssi wants fingerprints.
pub fn with_colons(fingerprint: &str) -> String {
    let digits: Vec<char> = fingerprint.to_uppercase().chars().collect();
    let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    pairs.join(":")
}
