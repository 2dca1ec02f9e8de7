//! `filter` in front of real programs, as a shell's pipe would have them.

use std::fs::{self, File};
use std::path::PathBuf;

use switchboard_partners::Process;

use crate::located::example;

fn filter(program: &[&str]) -> Process {
    let mut command = example("filter");
    command.args(program);
    Process::start(command)
}

#[test]
fn what_is_said_to_it_comes_back_from_the_program() {
    let mut filter = filter(&["sh", "-c", "while read word; do echo $word and $word; done"]);
    filter.say("one\n");
    filter.wait_for("one and one\n");
    filter.say("two\n");
    assert_eq!(filter.finish().code(), Some(0));
    assert_eq!(filter.output(), "one and one\ntwo and two\n");
    assert_eq!(filter.errors(), "");
}

#[test]
fn it_ends_as_the_program_does() {
    let mut ended = filter(&["sh", "-c", "echo last words; exit 7"]);
    ended.wait_for("last words\n"); // its own input is still open
    assert_eq!(ended.finish().code(), Some(7));
    let mut killed = filter(&["sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.finish().code(), Some(143));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut missing = filter(&["no-such-program"]);
    assert_eq!(missing.finish().code(), Some(127));
    let said = missing.errors();
    assert!(
        said.contains("cannot run \"no-such-program\": No such"),
        "{said}"
    );
}

#[test]
fn a_program_that_takes_little_does_not_hold_it() {
    let mut head = filter(&["head", "-c", "3"]);
    head.say("four more words\n");
    assert_eq!(head.finish().code(), Some(0));
    assert_eq!(head.output(), "fou");
}

#[test]
fn ctrl_c_ends_it_and_a_program_that_does_not_end() {
    let mut filter = filter(&["sh", "-c", "trap '' INT TERM; echo ready; exec sleep 60"]);
    filter.wait_for("ready\n");
    filter.interrupt();
    assert_eq!(filter.finish().code(), Some(1));
}

/// More than all buffers between them hold.
#[test]
fn a_large_file_goes_through_whole() {
    let name = |part| format!("filtered-{part}-{}", std::process::id());
    let path = |part| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name(part));
    let (before, after) = (path("before"), path("after"));
    let bytes: Vec<u8> = (0..16 << 20)
        .map(|i: u32| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect();
    fs::write(&before, &bytes).expect("it can be made");
    let mut command = example("filter");
    let input = File::open(&before).expect("it is there");
    let output = File::create(&after).expect("it can be made");
    let status = command.arg("cat").stdin(input).stdout(output).status();
    assert_eq!(status.expect("it runs").code(), Some(0));
    assert!(fs::read(&after).expect("it is there") == bytes);
    for file in [before, after] {
        fs::remove_file(file).expect("it is ours");
    }
}
