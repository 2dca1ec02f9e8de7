//! The disk is full while everybody talks.

use std::fs;
use std::path::Path;

use super::Running;
use super::client::{Irc, Line, Lines};
use super::history::{History, Seen};
use super::ledger::{Log, check};
use crate::batches::Directory;
use crate::full::{DIRECTORY, can_mount, on_a_small_disk};

pub const ROOM: &str = "#lobby";

/// Who talks, and who listens.
pub struct Talk {
    speaker: Irc,
    spoken: Log,
    plain: Lines,
    said: Log,
    reader: Irc,
    read: Log,
}

impl Talk {
    pub fn start(address: &str, name: &str) -> Talk {
        let log = |nick: String| Log {
            nick,
            ..Log::default()
        };
        let speaker = format!("speaker{name}");
        Talk {
            speaker: Irc::connect(address, &speaker, None).join(ROOM),
            spoken: log(speaker),
            plain: Lines::connect(address),
            said: log(format!("plain{name}/line")),
            reader: Irc::connect(address, "reader", None).join(ROOM),
            read: log("reader".to_owned()),
        }
    }

    /// Says something over IRC; what was answered if it was refused.
    pub fn speak(&mut self) -> Result<(), Line> {
        let number = self.spoken.sent.len();
        let text = format!("{number} {}", "x".repeat(300));
        self.speaker
            .say(&format!("@label={number} PRIVMSG {ROOM} :{text}"));
        self.spoken.sent.push((ROOM.to_owned(), text));
        let answer = self.speaker.wait(|line| line.label() == Some(number));
        if Seen::of(&answer).is_some() {
            self.spoken.receipts += 1;
            return Ok(());
        }
        self.spoken.refused.push(number);
        Err(answer)
    }

    /// The same in plain lines.
    pub fn say(&mut self) -> Result<(), String> {
        let number = self.said.sent.len();
        let text = format!("{number} {}", "y".repeat(300));
        let name = self.said.nick.trim_end_matches("/line");
        self.plain.say(&format!("{name}: {text}"));
        self.said.sent.push((ROOM.to_owned(), text));
        let answer = self.plain.hear().expect("the server lives");
        if answer == "Message received" {
            self.said.receipts += 1;
            return Ok(());
        }
        self.said.refused.push(number);
        Err(answer)
    }

    /// Until both are refused.
    fn fill(&mut self) {
        let mut count = 0;
        loop {
            let (spoken, said) = (self.speak(), self.say());
            if let (Err(line), Err(answer)) = (&spoken, &said) {
                assert!(
                    line.is("FAIL") && line.params[1] == "CANNOT_STORE",
                    "{line:?}"
                );
                for text in [line.params.last().expect("a text"), answer] {
                    assert!(text.contains("the disk is full"), "{text}");
                }
                assert!(answer.starts_with("Error: "), "{answer}");
                break;
            }
            count += 1;
            assert!(count < 10_000, "the disk is never full");
        }
        // Who reads is served all the same.
        self.reader.say(&format!("NAMES {ROOM}"));
        let read = &mut self.read;
        self.reader.wait(|line| {
            if let Some((room, seen)) = Seen::of(line) {
                read.seen.entry(room).or_default().push(seen);
            }
            line.is("366")
        });
    }

    /// Until both are stored.
    pub fn go_on(&mut self) {
        while self.speak().is_err() {}
        while self.say().is_err() {}
    }

    fn receipts(&self) -> usize {
        self.spoken.receipts + self.said.receipts
    }

    pub fn logs(self) -> [Log; 3] {
        [self.spoken, self.said, self.read]
    }
}

/// Nothing unless the other test runs it, on a small disk of its own.
#[test]
fn serves_until_the_disk_is_full() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let directory = Path::new(&directory);
    let ballast = [directory.join("one"), directory.join("other")];
    for file in &ballast {
        fs::write(file, vec![1; 500 * 1024]).unwrap();
    }
    let server = Running::start(directory);
    let mut talk = Talk::start(&server.address, "1");
    talk.fill();
    let before = talk.receipts();
    assert!(before > 10, "{before} receipts");
    // Again, since a failure may leave something behind; and newcomers come in.
    talk.fill();
    Irc::connect(&server.address, "newcomer", None).join(ROOM);
    fs::remove_file(&ballast[0]).unwrap();
    // It recovers by itself, as soon as it tries again.
    talk.go_on();
    talk.fill();
    assert!(talk.receipts() > before + 10);
    server.kill();
    // It starts on a full disk, too, and recovers from that.
    let server = Running::start(directory);
    let mut history = History::default();
    let stored = history.next(directory, &[ROOM]);
    check(&stored, &talk.logs()).unwrap_or_else(|why| panic!("{why}"));
    let mut talk = Talk::start(&server.address, "2");
    talk.fill();
    fs::remove_file(&ballast[1]).unwrap();
    talk.go_on();
    server.kill();
    let stored = history.next(directory, &[ROOM]);
    check(&stored, &talk.logs()).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_full_disk_is_told_to_senders_and_is_no_end() {
    if !can_mount() {
        println!("not run: no file system can be mounted here");
        return;
    }
    let directory = Directory::new();
    on_a_small_disk(
        &directory,
        "4m",
        "server::full::serves_until_the_disk_is_full",
    );
}
