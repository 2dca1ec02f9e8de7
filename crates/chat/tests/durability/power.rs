//! The power fails: the files as a disk may hold them then, from all that a process wrote and synced.
//!
//! Only what was synced is sure. Of each write since, the disk may hold all, nothing, or some of its
//! sectors; the length of a file and the names in the directory are as after some of the calls.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::batches::{Directory, check, open};
use crate::child::{Storing, command};
use crate::factor;
use crate::trace::{CALLS, Call, read};

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// A disk with files: what is on it for sure, and what was done since.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, Content>,
    /// Names since the directory was synced: made, or gone.
    names: Vec<(String, bool)>,
    durable_names: BTreeMap<String, bool>,
}

#[derive(Default, Clone)]
struct Content {
    durable: Vec<u8>,
    since: Vec<Call>,
}

impl Disk {
    fn apply(&mut self, call: &Call) {
        match call {
            Call::Make(name) if self.files.contains_key(name) => {}
            Call::Make(name) => {
                self.files.insert(name.clone(), Content::default());
                self.names.push((name.clone(), true));
            }
            Call::Unlink(name) => {
                self.files.remove(name);
                self.names.push((name.clone(), false));
            }
            Call::Write(name, ..) | Call::Truncate(name, _) => {
                let file = self.files.get_mut(name).expect("it is there");
                file.since.push(call.clone());
            }
            Call::Sync(name) if name.is_empty() => {
                self.durable_names.extend(self.names.drain(..));
            }
            Call::Sync(name) => {
                let file = self.files.get_mut(name).expect("it is there");
                for call in std::mem::take(&mut file.since) {
                    change(&mut file.durable, &call, |_| true);
                }
            }
            Call::Said(_) => {}
        }
    }

    /// What of it is there after a loss of power, as `fate` decides of each thing that is not sure.
    fn lose_power(&self, directory: &Path, fate: &mut impl FnMut() -> bool) {
        let mut names = self.durable_names.clone();
        for (name, there) in &self.names {
            if fate() {
                names.insert(name.clone(), *there);
            }
        }
        for (name, there) in names {
            let Some(file) = self.files.get(&name).filter(|_| there) else {
                continue;
            };
            let mut bytes = file.durable.clone();
            for call in &file.since {
                change(&mut bytes, call, |_| fate());
            }
            fs::write(directory.join(name), bytes).unwrap();
        }
    }
}

/// Does to `bytes` what `call` has done, but only those sectors that `reaches` the disk.
fn change(bytes: &mut Vec<u8>, call: &Call, mut reaches: impl FnMut(usize) -> bool) {
    match call {
        Call::Write(_, offset, written) => {
            let mut done = 0;
            while done < written.len() {
                let at = offset + done;
                let len = (SECTOR - at % SECTOR).min(written.len() - done);
                if reaches(at / SECTOR) {
                    bytes.resize(bytes.len().max(at + len), 0);
                    bytes[at..at + len].copy_from_slice(&written[done..done + len]);
                }
                done += len;
            }
        }
        Call::Truncate(_, len) if reaches(0) => bytes.resize(*len, 0),
        _ => {}
    }
}

/// All that a process did that stored some batches.
fn traced(directory: &Path) -> Vec<Call> {
    let output = Directory::new();
    let file = output.path().join("trace");
    let name = file.to_str().unwrap();
    let strace = [
        "strace", "-f", "-xx", "-s", "100000", "-e", CALLS, "-o", name,
    ];
    let mut child = Storing::start(command(&strace, directory, 24));
    let stored = std::iter::from_fn(|| child.stored()).count();
    assert!(child.wait() && stored == 24, "{stored} are stored");
    read(
        &fs::read_to_string(file).unwrap(),
        directory.to_str().unwrap(),
    )
}

fn strace_is_there() -> bool {
    let there = Command::new("strace").arg("-V").output().is_ok();
    let required = std::env::var_os("SWITCHBOARD_REQUIRE_PARTNERS").is_some();
    assert!(there || !required, "strace is missing");
    there
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    if !strace_is_there() {
        println!("not run: strace is missing");
        return;
    }
    let directory = Directory::new();
    let calls = traced(directory.path());
    let syncs = calls.iter().filter(|call| matches!(call, Call::Sync(_)));
    assert!(syncs.count() > 30, "the batches are not synced one by one");
    let (mut disk, mut acknowledged) = (Disk::default(), Vec::new());
    let mut dice = fastrand::Rng::with_seed(3);
    let mut cuts = 0;
    for (index, call) in calls.iter().enumerate() {
        // Before and after each sync, and at some moments between.
        let next = calls.get(index + 1);
        let is_sync = |call: Option<&Call>| matches!(call, Some(Call::Sync(_)));
        disk.apply(call);
        if let Call::Said(said) = call
            && let Some(number) = said.strip_prefix("stored ")
        {
            acknowledged.push(number.trim().parse().unwrap());
        }
        let often = factor() > 1 || dice.u32(0..12) == 0;
        if !(is_sync(Some(call)) || is_sync(next) || often || matches!(call, Call::Said(_))) {
            continue;
        }
        let mut fates: Vec<Box<dyn FnMut() -> bool>> = vec![Box::new(|| false), Box::new(|| true)];
        for _ in 0..2 * factor() {
            let mut dice = dice.fork();
            let share = dice.f64();
            fates.push(Box::new(move || dice.f64() < share));
        }
        for mut fate in fates {
            let after = Directory::new();
            disk.lose_power(after.path(), &mut fate);
            let store = open(after.path()).unwrap_or_else(|error| panic!("{index}: {error}"));
            check(&store, &acknowledged, 0);
            cuts += 1;
        }
    }
    assert_eq!(acknowledged.len(), 24);
    println!("the power was cut {cuts} times");
}

/// The check can fail: without syncs, what was acknowledged is lost.
#[test]
fn a_store_that_does_not_sync_would_be_found_out() {
    if !strace_is_there() {
        println!("not run: strace is missing");
        return;
    }
    let directory = Directory::new();
    let calls = traced(directory.path());
    let opened = calls
        .iter()
        .position(|call| matches!(call, Call::Said(said) if said == "open\n"));
    let opened = opened.expect("it says that it is open");
    let mut disk = Disk::default();
    for (index, call) in calls.iter().enumerate() {
        if index < opened || !matches!(call, Call::Sync(_)) {
            disk.apply(call);
        }
    }
    let after = Directory::new();
    disk.lose_power(after.path(), &mut || false);
    let store = open(after.path()).unwrap();
    assert!(crate::batches::there(&store, 0).is_empty());
}
