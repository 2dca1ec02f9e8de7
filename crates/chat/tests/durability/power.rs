//! The power fails while a process stores batches.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::batches::{Directory, check, open};
use crate::child::{Storing, command};
use crate::disk::{Disk, lose_power_often};
use crate::trace::{Call, STRACE, read};

/// All that a process did that stored some batches.
fn traced(directory: &Path) -> Vec<Call> {
    let output = Directory::new();
    let file = output.path().join("trace");
    let name = file.to_str().unwrap();
    let strace = [STRACE, &["-o", name]].concat();
    let mut child = Storing::start(command(&strace, directory, 24));
    let stored = std::iter::from_fn(|| child.stored()).count();
    assert!(child.wait() && stored == 24, "{stored} are stored");
    read(
        &fs::read_to_string(file).unwrap(),
        directory.to_str().unwrap(),
    )
}

pub fn strace_is_there() -> bool {
    let there = Command::new("strace").arg("-V").output().is_ok();
    let required = std::env::var_os("SWITCHBOARD_REQUIRE_PARTNERS").is_some();
    assert!(there || !required, "strace is missing");
    if !there {
        println!("not run: strace is missing");
    }
    there
}

/// What it said that it has stored.
fn acknowledged(calls: &[Call]) -> Vec<u64> {
    let said = calls.iter().filter_map(|call| match call {
        Call::Said(said) => said.strip_prefix("stored "),
        _ => None,
    });
    said.map(|number| number.trim().parse().unwrap()).collect()
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    if !strace_is_there() {
        return;
    }
    let directory = Directory::new();
    let calls = traced(directory.path());
    let syncs = calls.iter().filter(|call| matches!(call, Call::Sync(_)));
    assert!(syncs.count() > 30, "the batches are not synced one by one");
    let mut dice = fastrand::Rng::with_seed(3);
    let mut disk = Disk::default();
    let losses = lose_power_often(&mut disk, &calls, &mut dice, |after, calls| {
        let store = open(after).unwrap_or_else(|error| panic!("{}: {error}", calls.len()));
        check(&store, &acknowledged(calls), 0);
    });
    assert_eq!(acknowledged(&calls).len(), 24);
    println!("the power was cut {losses} times");
}

/// The check can fail: without syncs, what was acknowledged is lost.
#[test]
fn a_store_that_does_not_sync_would_be_found_out() {
    if !strace_is_there() {
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
    disk.lose_power(after.path(), &mut |_| false);
    let store = open(after.path()).unwrap();
    assert!(crate::batches::there(&store, 0).is_empty());
}
