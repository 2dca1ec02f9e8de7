//! What a program does otherwise than when it was recorded is found, and shown where it begins.

use std::time::Duration;

use switchboard::{Divergence, Error, Reactor, Recording, Replay, SourceOptions};

use crate::program::{Log, Twist};
use crate::tape::{Guest, PROGRAM, Tape, VERSION};

fn recorded(name: &str) -> Tape {
    let tape = Tape::new(name);
    tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.ask("echo hello, world");
        guest.ask("echo hello, world, once more");
        guest.ask("job shout");
        guest.ask("job louder");
        guest.ask("lane apart");
        guest.say("half");
        guest.hear_all();
        guest.finish();
        let mut other = Guest::new(address);
        other.say("close");
        other.hear_all();
        Guest::new(address).say("stop");
    });
    tape
}

#[track_caller]
fn divergence(tape: &Tape, twist: Twist) -> (Divergence, Log) {
    match tape.replay(twist) {
        (log, Err(Error::Diverged(divergence))) => (*divergence, log),
        (_, outcome) => panic!("not found: {outcome:?}"),
    }
}

#[test]
fn one_byte_is_found_and_pointed_at() {
    let tape = recorded("byte");
    let (found, log) = divergence(&tape, Twist::Byte);
    let shown = found.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with(&format!("differs in tick {}, at ", found.tick)));
    assert!(lines[0].ends_with(", source 2.0:"), "{shown}");
    assert_eq!(lines[1], r#"  then: send 18 bytes "echo hello, world\n""#);
    assert_eq!(lines[2], r#"  now:  send 18 bytes "echo hello, World\n""#);
    let place = lines[3].find('^').unwrap();
    assert_eq!(&lines[1][place..place + 5], "world");
    assert!(lines[3].ends_with("^ byte 12"), "{shown}");
    // The handler was not called for anything that came later.
    assert!(!log.has("closed: the peer"), "{log:?}");
}

#[test]
fn requests_that_are_missing_or_others_are_found() {
    let tape = recorded("requests");
    for (twist, then, now) in [
        (
            Twist::NoShutdown,
            "shut down (Write)",
            "nothing more in this tick",
        ),
        (
            Twist::Abort,
            "read at most 262144 bytes",
            "nothing more before the next event",
        ),
        (Twist::Pause, "nothing more in this tick", "pause reading"),
        (
            Twist::NoJob,
            "offload job 1",
            "nothing more before the next event",
        ),
        (
            Twist::OtherLane,
            "offload job 3 on lane 0",
            "offload job 3 on lane 1",
        ),
    ] {
        let (found, _) = divergence(&tape, twist);
        assert!(
            found.sides.contains(&format!("then: {then}")),
            "{twist:?}: {found}"
        );
        assert!(
            found.sides.contains(&format!("now:  {now}")),
            "{twist:?}: {found}"
        );
        assert!(found.tick > 0);
    }
}

#[test]
fn a_program_that_ends_early_is_found() {
    let tape = recorded("early");
    let replay = tape.open().unwrap();
    let reactor = crate::program::builder().replay(&replay).build(()).unwrap();
    let unfinished = replay.outcome().unwrap_err().to_string();
    assert!(
        unfinished.contains("drop the reactor first"),
        "{unfinished}"
    );
    drop(reactor);
    let Err(Error::Diverged(found)) = replay.outcome() else {
        panic!("{:?}", replay.outcome());
    };
    assert!(found.sides.contains("now:  drop the reactor"), "{found}");
}

#[test]
fn another_random_number_is_found() {
    let tape = Tape::new("random");
    tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.ask("random");
        guest.say("stop");
        guest.hear_all();
    });
    let replay = tape.open().unwrap();
    let wrong_seed = crate::program::builder().seed(1).replay(&replay).build(());
    let why = wrong_seed.unwrap_err().to_string();
    assert!(why.contains("was made with the seed"), "{why}");
}

#[test]
fn recordings_of_others_are_refused() {
    let tape = Tape::new("others");
    let recording = tape.recording();
    drop(Reactor::builder().record(recording).build(()).unwrap());
    let refused = |program: &str, version: &str| {
        let error = Replay::open(&tape.path, program, version).unwrap_err();
        assert!(matches!(error, Error::Recording(_)));
        error.to_string()
    };
    let other = refused("another program", VERSION);
    assert!(
        other.contains(r#"was made by the program "a program", not "another program""#),
        "{other}"
    );
    let other = refused(PROGRAM, "8");
    assert!(
        other.contains(r#"was made by the program's version "7", not "8""#),
        "{other}"
    );
    let replay = tape.open().unwrap();
    let other = Reactor::builder().max_sources(7).replay(&replay).build(());
    let other = other.unwrap_err().to_string();
    assert!(other.contains("max_sources at 1048576, not 7"), "{other}");
    assert!(
        other.starts_with(&tape.path.display().to_string()),
        "{other}"
    );
}

/// A bound that most reactors do not have is missing where it is not set.
#[test]
fn a_bound_that_is_set_on_one_side_only_is_refused() {
    let limited = || {
        let options = SourceOptions::default().with_read_timeout(Duration::from_secs(5));
        Reactor::builder().source_options(options)
    };
    for (then, now, shown) in [
        (
            limited(),
            Reactor::builder(),
            "read timeout at 5000000000, not none",
        ),
        (
            Reactor::builder(),
            limited(),
            "read timeout at none, not 5000000000",
        ),
    ] {
        let tape = Tape::new("one side");
        drop(then.record(tape.recording()).build(()).unwrap());
        let replay = tape.open().unwrap();
        let refused = now.replay(&replay).build(()).unwrap_err().to_string();
        assert!(refused.contains(shown), "{refused}");
    }
}

#[test]
fn the_configuration_comes_back() {
    let tape = Tape::new("configuration");
    let recording = Recording::new(&tape.path, PROGRAM, VERSION).with_configuration("--quiet");
    drop(Reactor::builder().record(recording).build(()).unwrap());
    let replay = tape.open().unwrap();
    assert_eq!(replay.configuration(), "--quiet");
    assert!(replay.recorded_at().elapsed().unwrap().as_secs() < 60);
}

#[test]
fn a_simulated_reactor_is_not_recorded() {
    let tape = Tape::new("simulated");
    let builder = Reactor::builder().record(tape.recording());
    let refused = switchboard::sim::Simulation::new(1).reactor("here", builder, ());
    let why = refused.unwrap_err().to_string();
    assert!(why.ends_with("its seed repeats it"), "{why}");
    assert!(!tape.path.exists());
}
