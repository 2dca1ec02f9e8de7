//! The power fails while everybody talks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::client::{Irc, Line, Lines};
use super::crowd::{OWNED, OWNER, PASSWORD};
use super::deeds::{Deed, Deeds, settings};
use super::history::{History, Rooms, Seen};
use super::{Running, again, command, data, seed};
use crate::batches::Directory;
use crate::disk::{Disk, lose_power_often};
use crate::power::strace_is_there;
use crate::trace::{Call, STRACE, read};

/// A server whose calls are written down.
pub struct Traced {
    pub server: Running,
    output: Directory,
    pid: Pid,
}

impl Traced {
    /// With further words for `strace`.
    pub fn start(directory: &Path, words: &[&str]) -> Traced {
        let output = Directory::new();
        let file = output.path().join("trace");
        let file = file.to_str().expect("it is text");
        let wrapper = [STRACE, words, &["-o", file]].concat();
        // What goes through io_uring is not seen.
        let command = command(&wrapper, directory, &["--driver", "readiness"]);
        let server = Running::started(command);
        let strace = server.process.id();
        let children = fs::read_to_string(format!("/proc/{strace}/task/{strace}/children"));
        let children = children.expect("Linux tells");
        let pid = children.trim().parse().expect("it has one child");
        Traced {
            server,
            output,
            pid: Pid::from_raw(pid).expect("it is not 0"),
        }
    }

    /// All that it did until this signal had ended it.
    pub fn end(mut self, signal: Signal, directory: &Path) -> Vec<Call> {
        kill_process(self.pid, signal).expect("it is there");
        self.server.process.finish();
        let trace = fs::read_to_string(self.output.path().join("trace")).unwrap();
        read(&trace, directory.to_str().expect("it is text"))
    }
}

/// Who talks to a server, one after the other.
struct Talk {
    speaker: Irc,
    owner: Irc,
    plain: Lines,
    deeds: Vec<Deed>,
    spoken: usize,
}

impl Talk {
    fn start(address: &str, deeds: Vec<Deed>) -> Talk {
        let password = (!deeds.is_empty()).then_some(PASSWORD);
        let mut owner = Irc::connect(address, OWNER, password);
        if password.is_none() {
            owner.say(&format!("REGISTER * * {PASSWORD}"));
            owner.wait(|line| line.is("REGISTER"));
        }
        // The first one in it owns it.
        let owner = owner.join(OWNED);
        let speaker = Irc::connect(address, "speaker", None).join(OWNED);
        Talk {
            owner,
            speaker: speaker.join("#lobby"),
            plain: Lines::connect(address),
            deeds,
            spoken: 0,
        }
    }

    /// Says something in each way; `deed`: the owner does something, too.
    fn go_on(&mut self, name: &str, deed: bool) {
        for room in [OWNED, "#lobby"] {
            let text = format!("{name} {} {}", self.spoken, "x".repeat(40));
            self.spoken += 1;
            self.speaker
                .say(&format!("@label=1 PRIVMSG {room} :{text}"));
        }
        self.plain.say(&format!("plain: {name} {}", self.spoken));
        assert_eq!(self.plain.hear().as_deref(), Some("Message received"));
        let mut receipts = 0;
        self.speaker.wait(|line| {
            receipts += usize::from(line.label().is_some());
            receipts == 2
        });
        if deed {
            let deed = Deed::new(self.deeds.len() as u32);
            self.owner.say(&deed.line(OWNED));
            self.owner.wait(|line| deed.is_acknowledged(line));
            self.deeds.push(deed);
        }
    }
}

/// What was said until a moment.
#[derive(Default)]
struct Said {
    rooms: Rooms,
    receipts: usize,
    deeds: usize,
    accounts: BTreeSet<String>,
}

impl Said {
    fn until(calls: &[Call], deeds: &[Deed]) -> Said {
        let mut all = Said::default();
        let said = calls.iter().filter_map(|call| match call {
            Call::Said(said) => Some(said.as_str()),
            _ => None,
        });
        for text in said.flat_map(str::lines) {
            if text == "Message received" {
                all.receipts += 1;
                continue;
            }
            let line = Line::read(text);
            if let Some((room, seen)) = Seen::of(&line) {
                let room = all.rooms.entry(room).or_default();
                if !room.contains(&seen) {
                    room.push(seen);
                }
            } else if line.is("REGISTER") && line.params[0] == "SUCCESS" {
                all.accounts.insert(line.params[1].clone());
            } else if deeds
                .get(all.deeds)
                .is_some_and(|deed| deed.is_acknowledged(&line))
            {
                all.deeds += 1;
            }
        }
        all
    }

    fn is_nothing(&self) -> bool {
        self.rooms.is_empty() && self.receipts + self.deeds + self.accounts.len() == 0
    }

    /// Whether all of it is there.
    fn check(&self, directory: &Path, deeds: &[Deed]) -> Result<(), String> {
        if !data(directory).exists() && self.is_nothing() {
            return Ok(());
        }
        let secret = fs::read(data(directory).join("decoys.secret"));
        if let Ok(secret) = secret
            && secret.len() != 64
        {
            return Err("a server would not start: half of a secret is there".to_owned());
        }
        let store = crate::batches::open(&data(directory)).map_err(|why| why.to_string())?;
        let stored = History::default().next(directory, &["#lobby", OWNED]);
        for (room, said) in &self.rooms {
            let there = stored.get(room).map(Vec::as_slice).unwrap_or_default();
            if !there.starts_with(said) {
                let (there, said) = (there.len(), said.len());
                return Err(format!(
                    "{said} messages were seen in {room}; of {there} there"
                ));
            }
        }
        let plain = stored["#lobby"].iter().filter(|it| it.nick == "plain/line");
        if plain.count() < self.receipts {
            return Err(format!(
                "not all of {} plain messages are there",
                self.receipts
            ));
        }
        let (settings, accounts) = settings(directory, OWNED);
        drop(store);
        if !self.accounts.is_subset(&accounts) {
            return Err(format!("{accounts:?} are left of {:?}", self.accounts));
        }
        let done = Deeds {
            done: deeds.to_vec(),
            acknowledged: self.deeds,
            ..Deeds::default()
        };
        done.check(&settings)
    }
}

/// Two servers in one directory, one after the other; the first one is stopped in peace, which copies
/// the log into the file, the second one is killed. What the second one did comes after the first
/// `usize` calls.
fn two_servers() -> (Vec<Call>, usize, Vec<Deed>) {
    let directory = Directory::new();
    let traced = Traced::start(directory.path(), &[]);
    let mut talk = Talk::start(&traced.server.address, Vec::new());
    (0..8).for_each(|round| talk.go_on("first", round % 2 == 0));
    let deeds = talk.deeds;
    let mut calls = traced.end(Signal::INT, directory.path());
    let first = calls.len();
    let traced = Traced::start(directory.path(), &[]);
    let mut talk = Talk::start(&traced.server.address, deeds);
    (0..4).for_each(|_| talk.go_on("second", false));
    let deeds = talk.deeds;
    calls.extend(traced.end(Signal::KILL, directory.path()));
    (calls, first, deeds)
}

#[test]
fn what_was_receipted_or_seen_survives_a_loss_of_power() {
    if !strace_is_there() {
        return;
    }
    let (calls, first, deeds) = two_servers();
    let unlinked = |call: &Call| matches!(call, Call::Unlink(name) if name.ends_with("-wal"));
    assert!(calls[..first].iter().any(unlinked), "the log is not copied");
    let all = Said::until(&calls, &deeds);
    let messages: BTreeMap<&str, usize> =
        all.rooms.iter().map(|it| (&**it.0, it.1.len())).collect();
    assert_eq!(messages, [(OWNED, 12), ("#lobby", 24)].into());
    assert_eq!((all.receipts, all.deeds, all.accounts.len()), (12, 4, 1));
    let seed = seed();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut disk = Disk::default();
    let losses = lose_power_often(&mut disk, &calls, &mut dice, |after, calls| {
        let said = Said::until(calls, &deeds);
        if let Err(why) = said.check(after, &deeds) {
            let last = &calls[calls.len().saturating_sub(3)..];
            panic!(
                "after {} calls, {last:?}: {why}; {}",
                calls.len(),
                again("server::power", seed)
            );
        }
    });
    println!("the power was cut {losses} times");
}

/// The check can fail: without the syncs of any one thing, something is lost.
#[test]
fn a_server_that_does_not_sync_would_be_found_out() {
    if !strace_is_there() {
        return;
    }
    let (calls, _, deeds) = two_servers();
    for name in ["", "data", "data/switchboard.db", "data/switchboard.db-wal"] {
        let is_left_out = |call: &Call| matches!(call, Call::Sync(synced) if synced == name);
        let rest: Vec<Call> = calls
            .iter()
            .filter(|it| !is_left_out(it))
            .cloned()
            .collect();
        assert!(rest.len() < calls.len(), "{name:?} is never synced");
        let mut found = None;
        let mut dice = fastrand::Rng::with_seed(seed());
        lose_power_often(&mut Disk::default(), &rest, &mut dice, |after, calls| {
            if found.is_none() {
                found = Said::until(calls, &deeds).check(after, &deeds).err();
            }
        });
        println!(
            "{name:?} is not synced: {}",
            found.expect("something is lost")
        );
    }
}
