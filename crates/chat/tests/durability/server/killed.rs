//! `kill -9` at any moment, while everybody talks.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use switchboard_partners::Process;

use super::client::Irc;
use super::crowd::{Crowd, Heard, OWNED, OWNER, Outcome, PASSWORD, Plan, ROOMS};
use super::deeds::{Deeds, Settings, settings};
use super::history::{History, Rooms, Seen};
use super::ledger::{Log, check, finds_everything};
use super::{Running, again, command, seed};
use crate::batches::Directory;
use crate::factor;

/// How often the server is killed.
const ROUNDS: usize = 200;

/// The server's data, and what is known of it.
struct World {
    directory: Directory,
    history: History,
    settings: Settings,
    next_deed: u32,
    accounts: Vec<String>,
    receipts: usize,
    /// Messages that were stored, and of which their senders did not hear any more.
    unheard: usize,
}

#[test]
fn what_was_receipted_or_seen_survives_that_the_server_is_killed() {
    let seed = seed();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut world = World {
        directory: Directory::new(),
        history: History::default(),
        settings: Settings::default(),
        next_deed: 0,
        accounts: Vec::new(),
        receipts: 0,
        unheard: 0,
    };
    world.found();
    for round in 0..ROUNDS * factor() {
        let outcome = catch_unwind(AssertUnwindSafe(|| world.round(round, &mut dice)));
        if let Err(failure) = outcome {
            eprintln!(
                "round {round} of seed {seed} has failed; {}",
                again("server::killed", seed)
            );
            resume_unwind(failure);
        }
    }
    println!(
        "{} messages were receipted, {} more were stored; {} accounts",
        world.receipts,
        world.unheard,
        world.accounts.len()
    );
    assert!(world.receipts > ROUNDS && world.unheard > 0);
}

impl World {
    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The owner's account and room.
    fn found(&mut self) {
        let server = Running::start(self.path());
        let mut owner = Irc::connect(&server.address, OWNER, None);
        owner.say(&format!("REGISTER * * {PASSWORD}"));
        owner.wait(|line| line.is("REGISTER"));
        let mut owner = owner.join(OWNED);
        owner.say(&format!("MODE {OWNED} +l 999"));
        owner.wait(|line| line.is("MODE"));
        server.kill();
        self.accounts.push(OWNER.to_owned());
        self.settings.limit = Some(999);
    }

    fn round(&mut self, round: usize, dice: &mut fastrand::Rng) {
        if dice.u32(0..10) == 0 {
            self.kill_while_it_starts(dice);
        }
        let driver = ["readiness", "auto"][dice.usize(0..2)];
        let server = Running::started(command(&[], self.path(), &["--driver", driver]));
        let plan = Plan {
            round,
            speakers: dice.usize(1..=3),
            plain: dice.usize(0..=2),
            owner: (round % 4 == 1).then_some(self.next_deed),
            newcomer: round % 8 == 5,
        };
        let crowd = Crowd::start(&server.address, &plan, dice);
        if plan.newcomer && dice.bool() {
            crowd.wait(Heard::Account, 1);
        } else {
            crowd.wait(Heard::Receipt, dice.usize(0..80));
        }
        spin(dice.u32(0..200_000));
        server.kill();
        let outcome = crowd.end();
        // Every other time the next server has to make sense of what is there, before anybody looks.
        let again = round.is_multiple_of(2).then(|| Running::start(self.path()));
        let stored = self.look(&outcome);
        if round == 0 {
            finds_everything(&stored, &outcome.logs);
        }
        if let Some(server) = again {
            resume(&server.address, &outcome.logs[0], &stored);
        }
    }

    /// Of what is stored is nothing there, or a part, or all, but it can be read.
    fn kill_while_it_starts(&mut self, dice: &mut fastrand::Rng) {
        let process = Process::start(command(&[], self.path(), &[]));
        spin(dice.u32(0..20_000_000));
        drop(process);
    }

    fn look(&mut self, outcome: &Outcome) -> Rooms {
        let directory = self.directory.path();
        let stored = self.history.next(directory, &ROOMS);
        check(&stored, &outcome.logs).unwrap_or_else(|why| panic!("{why}"));
        let receipts: usize = outcome.logs.iter().map(|log| log.receipts).sum();
        self.receipts += receipts;
        self.unheard += stored.values().map(Vec::len).sum::<usize>() - receipts;
        let (there, accounts) = settings(directory, OWNED);
        let deeds = outcome.deeds.clone().unwrap_or_default();
        self.next_deed += deeds.done.len() as u32;
        let deeds = Deeds {
            before: self.settings.clone(),
            ..deeds
        };
        deeds.check(&there).unwrap_or_else(|why| panic!("{why}"));
        self.settings = there;
        let made = outcome.account.iter().filter(|(_, made)| *made);
        self.accounts.extend(made.map(|(name, _)| name.clone()));
        for account in &self.accounts {
            assert!(accounts.contains(account), "{account} is lost");
        }
        stored
    }
}

/// Who comes back and asks for what it has missed gets all of it, and nothing twice.
fn resume(address: &str, log: &Log, stored: &Rooms) {
    let mut irc = Irc::connect(address, &log.nick, None);
    for (room, seen) in &log.seen {
        irc = irc.join(room);
        let mut all = seen.clone();
        while let Some(last) = all.last() {
            irc.say(&format!("CHATHISTORY AFTER {room} msgid={} 50", last.msgid));
            let before = all.len();
            irc.wait(|line| {
                all.extend(Seen::of(line).map(|(_, seen)| seen));
                line.is("BATCH") && line.params[0].starts_with('-')
            });
            if all.len() == before {
                break;
            }
        }
        assert_eq!(all, stored[room], "{room} after a restart");
    }
}

/// A moment that depends on nothing.
fn spin(times: u32) {
    for _ in 0..times {
        std::hint::spin_loop();
    }
}
