//! `watch_directory` while somebody works in the directory.

use std::fs;
use std::path::PathBuf;

use switchboard_partners::Process;

use crate::located::example;

/// A directory that nobody else has, removed when the test has passed.
fn directory(name: &str) -> PathBuf {
    let name = format!("watched-{name}-{}", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir(&path).expect("it is not there yet");
    path
}

fn watch(path: &PathBuf) -> Process {
    let mut command = example("watch_directory");
    command.arg(path);
    let mut watching = Process::start(command);
    watching.wait_for("watching ");
    watching.wait_for("\n");
    watching
}

#[test]
fn what_happens_to_files_is_said_in_its_order() {
    let path = directory("files");
    let mut watching = watch(&path);
    let (file, other) = (path.join("a"), path.join("b"));
    fs::write(&file, "new").expect("it can be made");
    watching.wait_for("made \"a\"\nwritten \"a\"\n");
    fs::write(&file, "changed").expect("it can be written");
    watching.wait_for("written \"a\"\n");
    fs::rename(&file, &other).expect("it can be renamed");
    watching.wait_for("moved away \"a\"\nmoved here \"b\"\n");
    fs::remove_file(&other).expect("it can be removed");
    watching.wait_for("removed \"b\"\n");
    fs::create_dir(&file).expect("it can be made");
    watching.wait_for("made \"a\"\n");
    watching.interrupt();
    assert_eq!(watching.finish().code(), Some(0));
    assert!(watching.output().ends_with("made \"a\"\n"));
    fs::remove_dir_all(&path).expect("it is ours");
}

#[test]
fn more_events_than_the_buffer_holds_are_all_said() {
    let path = directory("many");
    let mut watching = watch(&path);
    for number in 0..1000 {
        let file = path.join(format!("a file with a long name, number {number:04}"));
        fs::write(file, "").expect("it can be made");
    }
    for number in 0..1000 {
        watching.wait_for(&format!(
            "made \"a file with a long name, number {number:04}\"\n"
        ));
    }
    watching.interrupt();
    assert!(watching.finish().success());
    fs::remove_dir_all(&path).expect("it is ours");
}

#[test]
fn a_name_with_an_escape_sequence_is_harmless() {
    let path = directory("escape");
    let mut watching = watch(&path);
    fs::write(path.join("\x1b[2J"), "").expect("it can be made");
    watching.wait_for("made \"\\u{1b}[2J\"\n");
    drop(watching);
    fs::remove_dir_all(&path).expect("it is ours");
}

#[test]
fn a_directory_that_goes_away_ends_it() {
    let path = directory("gone");
    let mut watching = watch(&path);
    fs::remove_dir(&path).expect("it is empty");
    assert_eq!(watching.finish().code(), Some(1));
    assert!(
        watching.errors().contains("is gone"),
        "{}",
        watching.errors()
    );
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let mut command = example("watch_directory");
    command.arg("/no/such/directory");
    let mut watching = Process::start(command);
    assert_eq!(watching.finish().code(), Some(1));
    let said = watching.errors();
    assert!(
        said.contains("cannot watch \"/no/such/directory\": No such"),
        "{said}"
    );
}
