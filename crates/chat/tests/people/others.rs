//! The clients that say lines and show lines: nc, the tutorial's, and one over WebSocket.

use switchboard_partners::{Installed, Partner, Process};

use crate::place::{House, wait_until};

/// A WebSocket client that is an IRC user.
pub struct Web {
    pub process: Process,
    nick: String,
}

impl Web {
    #[track_caller]
    pub fn comes(
        python: &Installed,
        house: &House,
        subprotocol: &str,
        nick: &str,
        tls: bool,
    ) -> Web {
        let mut command = python.command();
        let scheme = if tls { "wss" } else { "ws" };
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/people/websocket.py"
        ));
        command.arg(format!("{scheme}://127.0.0.1:{}/ws", house.port));
        command.arg(subprotocol);
        if tls {
            command.arg(&house.fingerprint);
        }
        let process = Process::start(command);
        let nick = nick.to_owned();
        let mut web = Web { process, nick };
        web.process
            .say("CAP REQ :echo-message message-tags server-time labeled-response batch draft/chathistory\n");
        web.process.say(&format!(
            "NICK {0}\nUSER {0} 0 * :{0}\nCAP END\nJOIN #lobby\n",
            web.nick
        ));
        web.process.wait_for(" 366 ");
        web
    }

    #[track_caller]
    pub fn says(&mut self, text: &str) {
        self.process.say(&format!("PRIVMSG #lobby :{text}\n"));
    }

    /// Waits until it has got so many messages, its own among them.
    #[track_caller]
    pub fn hears(&mut self, count: usize) -> Vec<(String, String)> {
        wait_until(&mut self.process, |shown| {
            let all = irc_messages(shown);
            (all.len() >= count).then_some(all)
        })
    }

    /// Its own messages came back, stored: each has a time and an id.
    pub fn receipts(&self) -> usize {
        let own = format!(" :{}!", self.nick);
        let shown = self.process.output();
        let own = shown
            .lines()
            .filter(|line| line.contains(&own) && line.contains(" PRIVMSG "));
        own.filter(|line| line.contains("msgid=") && line.contains("time="))
            .count()
    }
}

/// `@time=..;msgid=.. :ann!ann@127.0.0.1 PRIVMSG #lobby :hello`
fn irc_messages(shown: &str) -> Vec<(String, String)> {
    let messages = shown.lines().filter_map(|line| {
        let (source, text) = line.split_once(" PRIVMSG #lobby :")?;
        let (_, source) = source.rsplit_once(':')?;
        let (who, _) = source.split_once('!')?;
        Some((who.to_owned(), text.to_owned()))
    });
    messages.collect()
}

/// nc, or where there is TLS, `openssl s_client`.
#[track_caller]
pub fn plain(nc: &Installed, house: &House, tls: bool) -> Process {
    if !tls {
        let mut command = nc.command();
        command.args(["-N", "127.0.0.1", &house.port]);
        return Process::start(command);
    }
    let openssl = Partner::OPENSSL.find().expect("the test has asked for it");
    let mut command = openssl.command();
    command.args(["s_client", "-quiet", "-connect", &house.server.address]);
    Process::start(command)
}

/// What a plain client has heard: `<ann> hello`.
pub fn heard(shown: &str) -> Vec<(String, String)> {
    let messages = shown.lines().filter_map(|line| {
        let (who, text) = line.strip_prefix('<')?.split_once("> ")?;
        Some((who.to_owned(), text.to_owned()))
    });
    messages.collect()
}

/// The tutorial's client. It has no TLS: where that is spoken, socat does, which is the second
/// process.
#[track_caller]
pub fn tutorial(python: &Installed, house: &House, tls: bool) -> (Process, Option<Process>) {
    let mut socat = tls.then(|| {
        let socat = Partner::SOCAT.find().expect("the test has asked for it");
        let mut command = socat.command();
        command.args(["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1"]);
        command.arg(format!("OPENSSL:{},verify=0", house.server.address));
        Process::start(command)
    });
    let address = match &mut socat {
        None => house.server.address.clone(),
        Some(socat) => {
            socat.wait_for_error("listening on AF=2 ");
            socat.wait_for_error("\n").trim_end().to_owned()
        }
    };
    let mut command = python.command();
    let script = "/../switchboard/tests/tutorial/client.py";
    command.arg(concat!(env!("CARGO_MANIFEST_DIR")).to_owned() + script);
    command.arg(address);
    (Process::start(command), socat)
}

/// Waits until a plain client has got so many receipts.
#[track_caller]
pub fn receipts(process: &mut Process, count: usize) {
    wait_until(process, |shown| {
        (shown.matches("Message received").count() >= count).then_some(())
    });
}
