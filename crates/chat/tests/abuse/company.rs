//! The good clients: IRC, WebSocket and plain lines. They talk in rounds, each of which asserts that
//! every message was receipted and has arrived, once, and in order.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::browser::Browser;
use crate::peer::Peer;

/// No round may take longer: seconds for a machine that has other things to do, too.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// What only good clients say.
const MARK: &str = "good tidings";

const ROOM: &str = "#company";

pub struct Company {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Company {
    /// Has them come in, and talk from now on.
    #[track_caller]
    pub fn start(address: &str, pace: Duration) -> Company {
        let mut people = People::come(address);
        people.round(0);
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut rounds = 1;
            while stopped.recv_timeout(pace) == Err(RecvTimeoutError::Timeout) {
                people.round(rounds);
                rounds += 1;
            }
            // What the attack has left behind must not harm them either.
            people.round(rounds);
            people.part_in_peace();
        });
        Company {
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Waits for the round under way and one more; whatever went wrong for them fails here.
    #[track_caller]
    pub fn end(&mut self) {
        self.stop = None;
        let thread = self.thread.take().expect("it ends once");
        thread.join().expect("the good clients are unharmed");
    }
}

struct People {
    sender: Peer,
    reader: Peer,
    browser: Browser,
    plain: Peer,
}

impl People {
    #[track_caller]
    fn come(address: &str) -> People {
        let mut sender = Peer::irc(address, "good-sender", "echo-message message-tags");
        sender.join(ROOM);
        let mut reader = Peer::irc(address, "good-reader", "message-tags");
        reader.join(&format!("{ROOM},#lobby"));
        reader.settle();
        let mut browser = Browser::open(address);
        for line in [
            "CAP REQ :echo-message message-tags",
            "NICK good-browser",
            "USER good 0 * :good",
            "CAP END",
            "JOIN #company",
        ] {
            browser.say(line);
        }
        browser.hear_line_with(" 366 ");
        let plain = Peer::connect(address);
        People {
            sender,
            reader,
            browser,
            plain,
        }
    }

    fn round(&mut self, number: usize) {
        let began = Instant::now();
        let said = format!("{MARK} {number} by IRC");
        self.sender.say(format!("PRIVMSG {ROOM} :{said}\r\n"));
        expect(&said, self.sender.hear_line_with(MARK));
        expect(&said, self.reader.hear_line_with(MARK));
        expect(&said, self.browser.hear_line_with(MARK));

        let said = format!("{MARK} {number} by WebSocket");
        self.browser.say(&format!("PRIVMSG {ROOM} :{said}"));
        expect(&said, self.browser.hear_line_with(MARK));
        expect(&said, self.reader.hear_line_with(MARK));
        expect(&said, self.sender.hear_line_with(MARK));

        let said = format!("{MARK} {number} by plain lines");
        self.plain.say(format!("{said}\n"));
        assert_eq!(self.plain.hear_line(), "Message received");
        expect(&said, self.reader.hear_line_with(MARK));
        let took = began.elapsed();
        assert!(took < ROUND_MAX, "round {number} took {took:?}");
    }

    /// Nothing has come twice: there is nothing left of what was said.
    fn part_in_peace(mut self) {
        let left = [
            self.sender.settle(),
            self.reader.settle(),
            self.browser.settle(),
        ];
        for line in left.iter().flatten() {
            assert!(!line.contains(MARK), "{line} has come twice");
        }
        self.plain.finish();
        assert_eq!(self.plain.hear_all_text(), "");
    }
}

/// The next message of the company is this one, with its msgid.
#[track_caller]
fn expect(said: &str, line: String) {
    assert!(line.ends_with(&format!(" :{said}")), "{line}, not {said}");
    assert!(line.contains("msgid="), "{line} has no msgid");
}
