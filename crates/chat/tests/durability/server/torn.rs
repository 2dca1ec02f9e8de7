//! A server on files of which a part is torn or damaged.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::client::{Irc, Lines};
use super::history::{History, Seen};
use super::{Running, again, command, data, database, seed};
use crate::batches::Directory;
use crate::factor;

const ROOM: &str = "#lobby";

/// The database and its log.
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    fn read(directory: &Directory) -> Files {
        let database = database(directory.path());
        let log = fs::read(database.with_extension("db-wal"));
        Files {
            database: fs::read(database).unwrap(),
            log: log.unwrap_or_default(),
        }
    }

    fn copy(&self) -> Directory {
        let copy = Directory::new();
        let database = database(copy.path());
        fs::create_dir(data(copy.path())).unwrap();
        fs::write(&database, &self.database).unwrap();
        fs::write(database.with_extension("db-wal"), &self.log).unwrap();
        copy
    }
}

/// Says so many messages, one after the other; what comes back, and how long the log was then.
fn speak(address: &str, directory: &Directory, messages: usize) -> Vec<(Seen, usize)> {
    let log = database(directory.path()).with_extension("db-wal");
    let mut speaker = Irc::connect(address, "speaker", None).join(ROOM);
    let say = |number| {
        speaker.say(&format!("PRIVMSG {ROOM} :{number} {}", "x".repeat(100)));
        let (_, seen) = Seen::of(&speaker.wait(|line| line.is("PRIVMSG"))).expect("it is one");
        (seen, fs::metadata(&log).unwrap().len() as usize)
    };
    (0..messages).map(say).collect()
}

#[test]
fn a_server_whose_log_is_torn_has_what_was_synced_before() {
    let directory = Directory::new();
    let server = Running::start(directory.path());
    let spoken = speak(&server.address, &directory, 12);
    server.kill();
    let whole = Files::read(&directory);
    let seed = seed();
    let mut dice = fastrand::Rng::with_seed(seed);
    let ends = spoken.iter().step_by(4).map(|it| it.1);
    let ends = ends.flat_map(|end| [end - 1, end, end + 1]);
    // The log begins when the database is made, before anybody speaks.
    let first = spoken[0].1 - 10 * 4096;
    let anywhere = (0..15 * factor()).map(|_| dice.usize(first..=whole.log.len()));
    let cuts: Vec<usize> = ends.chain(anywhere).collect();
    for cut in cuts {
        let mut log = whole.log[..cut.min(whole.log.len())].to_vec();
        // Behind the cut: the end of the file, or what the disk held there before, or what is later
        // in the log.
        match dice.u8(0..4) {
            0 => {}
            1 => log.resize(cut.next_multiple_of(4096), 0),
            2 => log.extend((0..600).map(|_| dice.u8(..))),
            _ => {
                let rest = whole.log.get(cut..).unwrap_or_default().iter();
                log.extend(rest.map(|byte| byte ^ 1).take(512));
                log.extend(whole.log.get(cut + 512..).unwrap_or_default());
            }
        }
        let torn = Files {
            database: whole.database.clone(),
            log,
        };
        let copy = torn.copy();
        let server = Running::start(copy.path());
        let there = History::default()
            .next(copy.path(), &[ROOM])
            .remove(ROOM)
            .unwrap();
        let sure = spoken.iter().filter(|(_, end)| *end <= cut).count();
        let all: Vec<Seen> = spoken.iter().map(|it| it.0.clone()).collect();
        assert!(
            all.starts_with(&there) && there.len() >= sure,
            "cut at {cut}: {} of {sure} are there; {}",
            there.len(),
            again("server::torn", seed)
        );
        let more = speak(&server.address, &copy, 1);
        assert!(more[0].0.msgid.sequence > there.len() as u64);
    }
}

#[test]
fn a_server_says_that_its_database_is_damaged() {
    let directory = Directory::new();
    let mut server = Running::start(directory.path());
    speak(&server.address, &directory, 100);
    server.process.interrupt();
    server.process.finish();
    let whole = Files::read(&directory);
    assert!(whole.log.is_empty(), "the log is not copied");
    let pages = whole.database.len() / 4096;
    let mut told = 0;
    for page in 0..pages {
        let mut damaged = Files {
            database: whole.database.clone(),
            log: Vec::new(),
        };
        damaged.database[page * 4096..][..4096].fill(0xaa);
        let copy = damaged.copy();
        // Pages that are not looked at when it starts do no harm until they are.
        let Some((code, errors)) = refuses(copy.path()) else {
            continue;
        };
        told += 1;
        assert_eq!(code, Some(1), "page {page}: {errors}");
        let is_told = errors.contains("damaged") || errors.contains("no database");
        assert!(
            is_told && errors.lines().count() == 1,
            "page {page}: {errors}"
        );
    }
    assert!(told > 3, "{told} of {pages}");
}

/// How a server ends that does not serve, and what it says.
fn refuses(directory: &Path) -> Option<(Option<i32>, String)> {
    let mut command = command(&[], directory, &[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = command.stdin(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| line != "Ctrl-C stops it")
        .collect();
    let address = lines
        .iter()
        .find_map(|line| line.strip_prefix("listening on "));
    let serves = address.is_some_and(|address| {
        let mut lines = Lines::connect(address);
        lines.say("NICK ann\r\nUSER ann 0 * :Ann\r");
        lines.hear().is_some()
    });
    if serves {
        server.kill().unwrap();
    }
    let output = server.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (!serves).then(|| (output.status.code(), errors))
}
