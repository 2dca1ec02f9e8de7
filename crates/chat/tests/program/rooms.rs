//! `connect --room`: what scripts see of a room, and what they are told.

use std::process::Command;

use switchboard_partners::Process;

use crate::world::{Server, switchboard};

fn client(server: &Server, flags: &[&str]) -> Process {
    Process::start(command(&server.address, flags))
}

fn command(address: &str, flags: &[&str]) -> Command {
    switchboard(&[&["connect", address, "--room", "#ops"], flags].concat())
}

#[test]
fn what_a_script_sends_is_stored_when_it_ends_and_shown_to_who_follows() {
    let server = Server::start(&[]);
    let mut shown = client(&server, &["--follow", "--name", "eve", "--last", "10"]);
    let mut json = client(
        &server,
        &["--follow", "--json", "--name", "joe", "--last", "10"],
    );
    // Whether they come before or after what is said, they see it.
    let mut ann = client(&server, &["--name", "ann"]);
    ann.say("first\n\nsecond \u{1b}[2J\n");
    ann.close_input();
    assert!(ann.finish().success(), "{}", ann.errors());
    let mut bob = client(&server, &["--send", "deploy done", "--name", "bob"]);
    assert!(bob.finish().success(), "{}", bob.errors());
    assert_eq!((bob.output(), bob.errors()), (String::new(), String::new()));
    let mut last = client(&server, &["--follow", "--last", "2", "--name", "lea"]);
    last.wait_for("ann: second \\x1b[2J\n");
    last.wait_for("bob: deploy done\n");
    assert!(!last.output().contains("first"));
    shown.wait_for("deploy done\n");
    let line = json.wait_for("\"text\":\"deploy done\"");
    assert!(
        line.contains("\"room\":\"#ops\",\"nick\":\"bob\",\"account\":null,\"kind\":\"message\"")
    );
    assert!(!shown.output().contains('\u{1b}'));
}

#[test]
fn what_is_refused_is_told_and_the_status_says_so() {
    let server = Server::start(&["--max-message", "20"]);
    let mut process = client(&server, &["--send", &"x".repeat(30), "--name", "ann"]);
    assert_eq!(process.finish().code(), Some(1));
    assert!(
        process.errors().starts_with("switchboard: not sent: "),
        "{}",
        process.errors()
    );
    let mut process = client(&server, &["--send", "x", "--name", "a b"]);
    assert_eq!(process.finish().code(), Some(1));
    let said = process.errors();
    assert!(
        said.contains("choose another one by --name") && said.contains("not known to be stored"),
        "{said}"
    );
    let mut process = client(&server, &["--name", "ann"]);
    process.say("good\n");
    process.close_input();
    assert!(process.finish().success());
}

#[test]
fn who_follows_misses_nothing_and_sees_nothing_twice_when_the_server_is_killed() {
    let data = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("rooms-{}", std::process::id()));
    let data_path = data.to_str().unwrap();
    let mut server = Server::start(&["--data", data_path]);
    let mut follower = client(
        &server,
        &["--follow", "--name", "eve", "--reconnect", "--last", "10"],
    );
    let mut sender = client(&server, &["--name", "ann", "--reconnect"]);
    let address = server.address.clone();
    for round in 0..3 {
        sender.say(&format!("before {round}.\n"));
        follower.wait_for(&format!("before {round}.\n"));
        drop(server); // as kill -9 does
        sender.say(&format!("meanwhile {round}.\n"));
        follower.wait_for_error(" of 10 in ");
        let mut process = Process::start(switchboard(&[
            "serve", "--listen", &address, "--data", data_path,
        ]));
        process.wait_for("Ctrl-C stops it\n");
        server = Server {
            process,
            address: address.clone(),
        };
        follower.wait_for(&format!("meanwhile {round}.\n"));
    }
    sender.close_input();
    assert!(sender.finish().success(), "{}", sender.errors());
    let output = follower.output();
    for round in 0..3 {
        for word in ["before", "meanwhile"] {
            assert_eq!(
                output.matches(&format!("{word} {round}.")).count(),
                1,
                "{output}"
            );
        }
    }
    drop(server);
    let _ = std::fs::remove_dir_all(data);
}

#[test]
fn flags_that_need_each_other_are_asked_for() {
    for (flags, expected) in [
        (&["--send", "x"][..], "--room <ROOM>"),
        (&["--room", "#a", "--json"], "--follow"),
        (&["--room", "a", "--send", "x"], "a room begins with #"),
        (&["--room", "#a", "--send", ""], "a value is required"),
    ] {
        let mut process = Process::start(switchboard(&[&["connect"], flags].concat()));
        assert_eq!(process.finish().code(), Some(2));
        assert!(process.errors().contains(expected), "{}", process.errors());
    }
}
