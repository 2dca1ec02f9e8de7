//! A disk that is full.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use switchboard_chat::store::sqlite::SqliteStore;
use switchboard_chat::store::{Store, StoreError};

use crate::batches::{Directory, check, next, open, there, writes};

pub const DIRECTORY: &str = "SWITCHBOARD_FULL_DIRECTORY";

/// Stores batches until one fails; all of them, and why.
fn fill(store: &mut SqliteStore, acknowledged: &mut Vec<u64>) -> StoreError {
    loop {
        let batch = next(store);
        let writes = writes(store, batch);
        match store.commit(&writes) {
            Ok(()) => acknowledged.push(batch),
            Err(error) => return error,
        }
        assert!(batch < 100_000, "the disk is never full");
    }
}

/// Nothing unless the other test runs it, on a small disk of its own.
#[test]
fn stores_until_the_disk_is_full() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let directory = Path::new(&directory);
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![1; 400 * 1024]).unwrap();
    let mut store = open(directory).unwrap();
    let mut acknowledged = Vec::new();
    assert_eq!(fill(&mut store, &mut acknowledged), StoreError::Full);
    assert!(acknowledged.len() > 3, "{acknowledged:?}");
    // It goes on being read, and nothing of what failed is there.
    assert_eq!(there(&store, 0), acknowledged);
    assert_eq!(fill(&mut store, &mut acknowledged), StoreError::Full);
    assert_eq!(there(&store, 0), acknowledged);
    // It recovers by itself, as soon as there is room.
    fs::remove_file(ballast).unwrap();
    let before = acknowledged.len();
    assert_eq!(fill(&mut store, &mut acknowledged), StoreError::Full);
    assert!(acknowledged.len() > before);
    assert_eq!(there(&store, 0), acknowledged);
    drop(store);
    let store = open(directory).unwrap();
    check(&store, &acknowledged, 0);
}

pub fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]);
    command
}

pub fn can_mount() -> bool {
    let script = "mount -t tmpfs -o size=64k none /mnt";
    let mounted = unshare().args(["sh", "-c", script]).status();
    let can = mounted.is_ok_and(|status| status.success());
    let required = std::env::var_os("SWITCHBOARD_REQUIRE_PARTNERS").is_some();
    assert!(can || !required, "no file system can be mounted here");
    can
}

#[test]
fn a_full_disk_loses_nothing_and_is_no_end() {
    if !can_mount() {
        println!("not run: no file system can be mounted here");
        return;
    }
    let directory = Directory::new();
    on_a_small_disk(&directory, "2m", "full::stores_until_the_disk_is_full");
}

/// Runs a test of this program with a file system of its own in the directory, which it alone sees.
pub fn on_a_small_disk(directory: &Directory, size: &str, test: &str) {
    let script = r#"mount -t tmpfs -o size="$1" none "$2" && exec "$3" --exact "$4" --nocapture"#;
    let output = unshare()
        .args(["sh", "-c", script, "sh", size])
        .arg(directory.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(DIRECTORY, directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
