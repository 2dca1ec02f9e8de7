//! Clients that talk and listen, each in a thread of its own, until their server is gone. It must
//! never have one of them miss the beginning: all are there before the first one speaks.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use switchboard_partners::PATIENCE;

use super::client::{Irc, Lines};
use super::deeds::{Deed, Deeds};
use super::history::Seen;
use super::ledger::Log;

/// Where everybody is.
pub const ROOMS: [&str; 3] = ["#lobby", "#one", "#two"];

/// Whose owner sets things.
pub const OWNED: &str = "#owned";

pub const OWNER: &str = "olive";
pub const PASSWORD: &str = "correct-horse-battery";

/// What a client tells while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Receipt,
    Account,
}

/// What became of one round.
#[derive(Default)]
pub struct Outcome {
    pub logs: Vec<Log>,
    /// Of the owner, if it was there.
    pub deeds: Option<Deeds>,
    /// An account that was asked for, and whether it was made.
    pub account: Option<(String, bool)>,
}

enum Ended {
    Log(Log),
    Deeds(Deeds),
    Account(String, bool),
}

/// A running crowd.
pub struct Crowd {
    threads: Vec<JoinHandle<Ended>>,
    heard: Receiver<Heard>,
}

/// Who is in a crowd.
#[derive(Debug, Clone)]
pub struct Plan {
    pub round: usize,
    pub speakers: usize,
    pub plain: usize,
    /// The owner, and its first deed.
    pub owner: Option<u32>,
    pub newcomer: bool,
}

impl Crowd {
    /// Lets all of them in, and then speak.
    pub fn start(address: &str, plan: &Plan, dice: &mut fastrand::Rng) -> Crowd {
        let everywhere = |nick: &str| {
            let irc = Irc::connect(address, nick, None);
            ROOMS.iter().fold(irc, |irc, room| irc.join(room))
        };
        let mut crowd: Vec<Box<dyn FnOnce(Sender<Heard>) -> Ended + Send>> = Vec::new();
        for number in 0..2 {
            let reader = everywhere(&format!("reader{number}"));
            crowd.push(Box::new(move |_| Ended::Log(read(reader))));
        }
        let mut listener = Lines::connect(address);
        listener.say("/listen");
        let answer = listener.hear().expect("the server lives");
        assert!(answer.starts_with("You hear #lobby"), "{answer}");
        crowd.push(Box::new(move |_| Ended::Log(listen(listener))));
        for number in 0..plan.speakers {
            let (irc, dice) = (everywhere(&format!("speaker{number}")), dice.fork());
            let round = plan.round;
            crowd.push(Box::new(move |heard| {
                Ended::Log(speak(irc, round, dice, &heard))
            }));
        }
        for number in 0..plan.plain {
            let (lines, dice) = (Lines::connect(address), dice.fork());
            let name = format!("plain{}x{number}", plan.round);
            crowd.push(Box::new(move |heard| {
                Ended::Log(say(lines, &name, dice, &heard))
            }));
        }
        if let Some(first) = plan.owner {
            let owner = Irc::connect(address, OWNER, Some(PASSWORD)).join(OWNED);
            crowd.push(Box::new(move |_| Ended::Deeds(own(owner, first))));
        }
        if plan.newcomer {
            let newcomer = Irc::connect(address, &format!("new{}", plan.round), None);
            crowd.push(Box::new(move |heard| register(newcomer, &heard)));
        }
        let (sender, heard) = mpsc::channel();
        let threads = crowd.into_iter().map(|client| {
            let sender = sender.clone();
            thread::spawn(move || client(sender))
        });
        Crowd {
            threads: threads.collect(),
            heard,
        }
    }

    /// Waits until something was heard so many times.
    pub fn wait(&self, what: Heard, mut times: usize) {
        while times > 0 {
            let heard = self.heard.recv_timeout(PATIENCE);
            times -= usize::from(heard.expect("they go on") == what);
        }
    }

    /// What they know in the end. The server has to be gone.
    pub fn end(self) -> Outcome {
        let mut outcome = Outcome::default();
        for thread in self.threads {
            match thread.join().expect("it has not failed") {
                Ended::Log(log) => outcome.logs.push(log),
                Ended::Deeds(deeds) => outcome.deeds = Some(deeds),
                Ended::Account(name, made) => outcome.account = Some((name, made)),
            }
        }
        outcome
    }
}

fn text(round: usize, name: &str, number: usize, dice: &mut fastrand::Rng) -> String {
    let filling = "x".repeat(dice.usize(0..250));
    format!("{round} {name} {number} {filling}.")
}

fn see(log: &mut Log, message: Option<(String, Seen)>) {
    if let Some((room, seen)) = message {
        log.seen.entry(room).or_default().push(seen);
    }
}

fn read(mut irc: Irc) -> Log {
    let mut log = Log {
        nick: irc.nick.clone(),
        ..Log::default()
    };
    while let Some(line) = irc.hear() {
        see(&mut log, Seen::of(&line));
    }
    log
}

fn listen(mut lines: Lines) -> Log {
    let mut heard = Vec::new();
    while let Some(line) = lines.hear() {
        let said = line
            .strip_prefix('<')
            .and_then(|line| line.split_once("> "));
        let (nick, text) = said.unwrap_or_else(|| panic!("a message of the lobby: {line}"));
        heard.push((nick.to_owned(), text.to_owned()));
    }
    Log {
        nick: "a listener".to_owned(),
        heard: Some((ROOMS[0].to_owned(), heard)),
        ..Log::default()
    }
}

/// Keeps some messages on their way, and reads.
fn speak(mut irc: Irc, round: usize, mut dice: fastrand::Rng, heard: &Sender<Heard>) -> Log {
    let window = dice.usize(1..=8);
    let mut log = Log {
        nick: irc.nick.clone(),
        ..Log::default()
    };
    loop {
        while log.sent.len() < log.receipts + window {
            let number = log.sent.len();
            let room = dice.choice(ROOMS).expect("there are some").to_owned();
            let text = text(round, &log.nick, number, &mut dice);
            irc.say(&format!("@label={number} PRIVMSG {room} :{text}"));
            log.sent.push((room, text));
        }
        let Some(line) = irc.hear() else { return log };
        if let Some(number) = line.label() {
            let (room, seen) = Seen::of(&line).unwrap_or_else(|| panic!("a receipt: {line:?}"));
            assert_eq!(number, log.receipts, "receipts are not in order");
            assert_eq!((room, seen.text), log.sent[number]);
            log.receipts += 1;
            // The test may have enough.
            let _ = heard.send(Heard::Receipt);
        }
        see(&mut log, Seen::of(&line));
    }
}

/// The same, of a client that hears receipts only.
fn say(mut lines: Lines, name: &str, mut dice: fastrand::Rng, heard: &Sender<Heard>) -> Log {
    let window = dice.usize(1..=8);
    let mut log = Log {
        nick: format!("{name}/line"),
        ..Log::default()
    };
    loop {
        while log.sent.len() < log.receipts + window {
            let text = text(0, name, log.sent.len(), &mut dice);
            lines.say(&format!("{name}: {text}"));
            log.sent.push((ROOMS[0].to_owned(), text));
        }
        let Some(line) = lines.hear() else { return log };
        assert_eq!(line, "Message received");
        log.receipts += 1;
        let _ = heard.send(Heard::Receipt);
    }
}

fn own(mut irc: Irc, first: u32) -> Deeds {
    let mut deeds = Deeds::default();
    loop {
        let deed = Deed::new(first + deeds.acknowledged as u32);
        irc.say(&deed.line(OWNED));
        deeds.done.push(deed.clone());
        loop {
            let Some(line) = irc.hear() else { return deeds };
            assert!(!line.is("FAIL") && !line.is("482"), "{line:?}");
            if deed.is_acknowledged(&line) {
                break;
            }
        }
        deeds.acknowledged += 1;
    }
}

fn register(mut irc: Irc, heard: &Sender<Heard>) -> Ended {
    irc.say(&format!("REGISTER * * {PASSWORD}"));
    let mut made = false;
    while let Some(line) = irc.hear() {
        if line.is("REGISTER") && line.params[0] == "SUCCESS" {
            made = true;
            let _ = heard.send(Heard::Account);
        }
        assert!(!line.is("FAIL"), "{line:?}");
    }
    Ended::Account(irc.nick, made)
}
