//! Syncs that fail, one in each run, and a loss of power after that.

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use switchboard_chat::store::Store;
use switchboard_chat::store::sqlite::SqliteStore;

use crate::batches::{Directory, open, there, writes};
use crate::disk::{Disk, Fate, Unsure};
use crate::power::strace_is_there;
use crate::trace::{Call, STRACE, read};

const DIRECTORY: &str = "SWITCHBOARD_FAILING_DIRECTORY";
const COPY: &str = "SWITCHBOARD_FAILING_COPY";

fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn commit(store: &mut SqliteStore, batch: u64) {
    let writes = writes(store, batch);
    say(&format!("begun {batch}\n"));
    match store.commit(&writes) {
        Ok(()) => say(&format!("stored {batch}\n")),
        Err(error) => say(&format!("not stored: {error}\n")),
    }
}

/// Nothing unless the other test runs it.
///
/// A reader that came after the second batch lets no more than that be copied into the file, until it
/// is gone; from then on the log is copied with each batch.
#[test]
fn stores_what_can_be_synced() {
    let (Ok(directory), Ok(copy)) = (std::env::var(DIRECTORY), std::env::var(COPY)) else {
        return;
    };
    let Ok(store) = open(Path::new(&directory)) else {
        return;
    };
    let Ok(mut reader) = store.archive() else {
        return;
    };
    let store = RefCell::new(store);
    (1..3).for_each(|batch| commit(&mut store.borrow_mut(), batch));
    store.borrow_mut().set_log_pages(1);
    let mut batches = 3..6;
    // That it may fail is another matter.
    let _ = reader.back_up(&Path::new(&copy).join("copy"), &mut |_, _| {
        (&mut batches).for_each(|batch| commit(&mut store.borrow_mut(), batch));
    });
    drop(reader);
    let mut store = store.into_inner();
    (6..12).for_each(|batch| commit(&mut store, batch));
    if let Err(error) = store.prune(0) {
        say(&format!("not pruned: {error}\n"));
    }
    commit(&mut store, 12);
}

/// What it does if its sync of this number fails; of all, if there is none.
fn run(fails: Option<usize>) -> Vec<Call> {
    let (directory, output) = (Directory::in_memory(), Directory::in_memory());
    let file = output.path().join("trace");
    let mut command = Command::new(STRACE[0]);
    command.args(&STRACE[1..]).arg("-o").arg(&file);
    if let Some(number) = fails {
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={number}");
        command.args(["-e", &inject]);
    }
    let status = command
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "failing::stores_what_can_be_synced",
            "--nocapture",
        ])
        .env(DIRECTORY, directory.path())
        .env(COPY, output.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let trace = fs::read_to_string(file).unwrap();
    read(&trace, directory.path().to_str().unwrap())
}

fn said<'a>(calls: &'a [Call], what: &str) -> Vec<&'a str> {
    let said = calls.iter().filter_map(|call| match call {
        Call::Said(said) => said.strip_prefix(what),
        _ => None,
    });
    said.map(str::trim).collect()
}

fn batches(calls: &[Call], what: &str) -> Vec<u64> {
    let batches = said(calls, what);
    batches.iter().map(|it| it.parse().unwrap()).collect()
}

#[test]
fn what_was_acknowledged_survives_a_sync_that_fails_and_a_loss_of_power() {
    if !strace_is_there() {
        return;
    }
    let calls = run(None);
    assert_eq!(batches(&calls, "stored "), (1..=12).collect::<Vec<u64>>());
    let mut dice = fastrand::Rng::with_seed(4);
    let (mut refused, mut given_up) = (0, 0);
    // Those of the copy are counted as well, and there are some more after a failure.
    for number in 1.. {
        let calls = run(Some(number));
        if !calls.iter().any(|call| matches!(call, Call::NotSynced(_))) && number > 40 {
            break;
        }
        refused += said(&calls, "not stored").len();
        given_up += said(&calls, "not pruned").len();
        for keeps_what_fails in [false, true] {
            let mut ends: Vec<usize> = (0..4).map(|_| dice.usize(0..calls.len())).collect();
            ends.push(calls.len());
            for end in ends {
                lose(&calls[..end], keeps_what_fails, number, &mut dice);
            }
        }
    }
    println!("{refused} batches were refused, {given_up} times nothing was copied any more");
    assert!(refused > 3 && given_up > 3);
}

fn lose(calls: &[Call], keeps_what_fails: bool, number: usize, dice: &mut fastrand::Rng) {
    let mut disk = Disk::default();
    disk.keeps_what_fails = keeps_what_fails;
    calls.iter().for_each(|call| disk.apply(call));
    let share = dice.f64();
    let mut dice = dice.fork();
    let fates: [Box<Fate>; 3] = [
        Box::new(|_| false),
        Box::new(|unsure| unsure == Unsure::Name),
        Box::new(move |_| dice.f64() < share),
    ];
    for mut fate in fates {
        let after = Directory::in_memory();
        disk.lose_power(after.path(), &mut fate);
        println!(
            "sync {number} fails, kept: {keeps_what_fails}, {} calls",
            calls.len()
        );
        let store = open(after.path()).unwrap_or_else(|error| panic!("{error}"));
        let (mut there, stored) = (there(&store, 0), batches(calls, "stored "));
        // Of the one that was under way nobody knows yet.
        let last = batches(calls, "begun ").pop();
        there.retain(|batch| Some(*batch) != last || stored.contains(batch));
        assert_eq!(there, stored);
    }
}
