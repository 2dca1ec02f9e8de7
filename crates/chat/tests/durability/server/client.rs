//! Clients on blocking sockets, for as long as their server lives. It must never take a half line
//! for one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_partners::PATIENCE;

/// Lines to and from a server.
pub struct Lines {
    stream: BufReader<TcpStream>,
}

impl Lines {
    pub fn connect(address: &str) -> Lines {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = BufReader::new(stream);
        Lines { stream }
    }

    /// Nothing happens if the server is gone: that is for `hear` to find.
    pub fn say(&mut self, line: &str) {
        let outcome = self
            .stream
            .get_mut()
            .write_all(format!("{line}\n").as_bytes());
        if let Err(error) = outcome {
            let kind = error.kind();
            assert!(kind != ErrorKind::WouldBlock, "the server does not read");
        }
    }

    /// The next line, without its end; `None` if the server is gone.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = Vec::new();
        if let Err(error) = self.stream.read_until(b'\n', &mut line) {
            let kind = error.kind();
            assert!(kind != ErrorKind::WouldBlock, "the server says nothing");
            return None;
        }
        let line = String::from_utf8(line.strip_suffix(b"\n")?.to_vec());
        Some(line.expect("it is text").trim_end_matches('\r').to_owned())
    }
}

/// One line of IRC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub tags: BTreeMap<String, String>,
    pub nick: String,
    pub command: String,
    pub params: Vec<String>,
}

impl Line {
    pub fn read(text: &str) -> Line {
        let (tags, rest) = match text.strip_prefix('@') {
            Some(tagged) => tagged.split_once(' ').expect("tags have an end"),
            None => ("", text),
        };
        let tags = tags.split(';').filter(|tag| !tag.is_empty()).map(|tag| {
            let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
            (key.to_owned(), value.to_owned())
        });
        let (source, rest) = match rest.strip_prefix(':') {
            Some(from) => from.split_once(' ').expect("a source has an end"),
            None => ("", rest),
        };
        let (rest, last) = match rest.split_once(" :") {
            Some((rest, last)) => (rest, Some(last)),
            None => (rest, None),
        };
        let mut words = rest.split(' ').chain(last).map(str::to_owned);
        Line {
            tags: tags.collect(),
            nick: source.split('!').next().unwrap_or_default().to_owned(),
            command: words.next().unwrap_or_default(),
            params: words.collect(),
        }
    }

    pub fn is(&self, command: &str) -> bool {
        self.command == command
    }

    pub fn label(&self) -> Option<usize> {
        self.tags.get("label")?.parse().ok()
    }
}

/// What is asked for by those that want to know everything.
const CAPABILITIES: &str = "message-tags server-time echo-message labeled-response batch \
                            standard-replies account-tag sasl draft/chathistory";

/// A client of IRC.
pub struct Irc {
    pub lines: Lines,
    pub nick: String,
}

impl Irc {
    /// Says who it is; with a password, logs in to the account of its name.
    pub fn connect(address: &str, nick: &str, password: Option<&str>) -> Irc {
        let mut irc = Irc {
            lines: Lines::connect(address),
            nick: nick.to_owned(),
        };
        irc.say(&format!("CAP REQ :{CAPABILITIES}"));
        irc.say(&format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}"));
        if let Some(password) = password {
            irc.say("AUTHENTICATE PLAIN");
            irc.wait(|line| line.is("AUTHENTICATE"));
            let secret = STANDARD.encode(format!("\0{nick}\0{password}"));
            irc.say(&format!("AUTHENTICATE {secret}"));
            let line = irc.wait(|line| line.is("903") || line.is("904"));
            assert!(line.is("903"), "{line:?}");
        }
        irc.say("CAP END");
        irc.wait(|line| line.is("001"));
        irc
    }

    /// Is in a room.
    pub fn join(mut self, room: &str) -> Irc {
        self.say(&format!("JOIN {room}"));
        self.wait(|line| line.is("366") && line.params[1] == room);
        self
    }

    pub fn say(&mut self, line: &str) {
        self.lines.say(&format!("{line}\r"));
    }

    pub fn hear(&mut self) -> Option<Line> {
        loop {
            let line = Line::read(&self.lines.hear()?);
            if !line.is("PING") {
                return Some(line);
            }
            self.say(&format!("PONG :{}", line.params[0]));
        }
    }

    /// Passes over all lines before one, which has to come.
    #[track_caller]
    pub fn wait(&mut self, mut is_it: impl FnMut(&Line) -> bool) -> Line {
        loop {
            let line = self.hear().expect("the server lives");
            if is_it(&line) {
                return line;
            }
        }
    }
}
