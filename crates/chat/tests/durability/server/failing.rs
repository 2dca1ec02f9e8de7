//! A disk of which some syncs fail while everybody talks.

use rustix::process::Signal;

use super::Running;
use super::full::{ROOM, Talk};
use super::history::History;
use super::ledger::check;
use super::power::Traced;
use crate::batches::Directory;
use crate::power::strace_is_there;

/// Of each thread these fail: the one that stores comes so far, the others do not.
const FAILING: &str = "inject=fsync,fdatasync:error=EIO:when=30..35";

#[test]
fn a_disk_that_fails_is_told_to_senders_and_is_no_end() {
    if !strace_is_there() {
        return;
    }
    let directory = Directory::new();
    let traced = Traced::start(directory.path(), &["-e", FAILING]);
    let mut talk = Talk::start(&traced.server.address, "1");
    let mut refused = Vec::new();
    for _ in 0..30 {
        let line = talk.speak().err();
        refused.extend(line.and_then(|line| line.params.last().cloned()));
        refused.extend(talk.say().err());
    }
    assert!(refused.len() > 1, "nothing has failed");
    for why in refused {
        assert!(why.contains("the store fails: disk I/O error"), "{why}");
    }
    // It goes on, and what was refused does not come back.
    talk.go_on();
    traced.end(Signal::KILL, directory.path());
    let server = Running::start(directory.path());
    let stored = History::default().next(directory.path(), &[ROOM]);
    check(&stored, &talk.logs()).unwrap_or_else(|why| panic!("{why}"));
    server.kill();
}
