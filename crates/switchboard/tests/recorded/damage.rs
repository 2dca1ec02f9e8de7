//! Files that were cut, changed, filled up or never meant to be: what was recorded before is
//! replayed, and the rest is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use switchboard::{
    Context, Error, Handler, Interest, LoopContext, Reactor, Recording, ReplayEnd, Result,
};

use crate::program::{self, Log, Twist};
use crate::tape::{Guest, PROGRAM, Tape, VERSION};

fn small(name: &str) -> Tape {
    let tape = Tape::new(name);
    tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.ask("echo hello");
        guest.say("stop");
        guest.hear_all();
    });
    tape
}

/// Of a file that ends anywhere, all whole frames are replayed, and nothing differs.
#[test]
fn a_file_that_was_cut_at_any_byte_is_replayed_up_to_there() {
    let tape = small("cut");
    let whole = fs::read(&tape.path).unwrap();
    let (mut unusable, mut cut) = (0, 0);
    for len in 0..whole.len() {
        fs::write(&tape.path, &whole[..len]).unwrap();
        match tape.replay(Twist::None).1 {
            Ok(ReplayEnd::Cut { .. }) => cut += 1,
            Err(Error::Recording(why)) if cut == 0 => {
                assert!(why.contains("is not a recording") || why.contains("before it begins"));
                unusable += 1;
            }
            outcome => panic!("cut at {len} of {}: {outcome:?}", whole.len()),
        }
    }
    assert!(unusable > 0 && cut > 0 && unusable + cut == whole.len());
}

#[test]
fn a_changed_bit_is_noticed_wherever_it_is() {
    let tape = small("changed");
    let whole = fs::read(&tape.path).unwrap();
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        fs::write(&tape.path, &changed).unwrap();
        match tape.replay(Twist::None).1 {
            Err(Error::Recording(why)) => {
                let is_told = ["not a recording", "of the format", "corrupt"];
                assert!(
                    is_told.iter().any(|told| why.contains(told)),
                    "{place}: {why}"
                );
            }
            outcome => panic!("changed at {place}: {outcome:?}"),
        }
    }
}

#[test]
fn another_version_of_the_format_is_refused() {
    let tape = small("format");
    let mut bytes = fs::read(&tape.path).unwrap();
    let ours = bytes[8];
    let other = ours + 1;
    bytes[8] = other;
    fs::write(&tape.path, &bytes).unwrap();
    let why = tape.open().unwrap_err().to_string();
    let both = [
        format!("is of version {other} of the format"),
        format!("this program reads version {ours}"),
    ];
    assert!(both.iter().all(|part| why.contains(part)), "{why}");
}

#[test]
fn what_is_no_recording_is_refused_and_left_alone() {
    let tape = Tape::new("foreign");
    fs::write(&tape.path, "a diary").unwrap();
    let why = tape.open().unwrap_err().to_string();
    assert!(why.contains("is not a recording"), "{why}");
    let why = Reactor::builder().record(tape.recording()).build(());
    let why = why.unwrap_err().to_string();
    assert!(why.contains("no recording: choose another name"), "{why}");
    assert_eq!(fs::read(&tape.path).unwrap(), b"a diary");
    let absent = tape.path.with_extension("absent");
    let why = Recording::new(&absent, PROGRAM, VERSION);
    drop(Reactor::builder().record(why).build(()).unwrap());
    fs::remove_file(absent).unwrap();
}

#[test]
fn earlier_recordings_are_kept_up_to_their_number() {
    let tape = Tape::new("earlier");
    let record = |configuration: &str, earlier: u32| {
        let recording = tape.recording().with_earlier(earlier);
        let recording = recording.with_configuration(configuration);
        drop(Reactor::builder().record(recording).build(()).unwrap());
    };
    for run in ["one", "two", "three", "four"] {
        record(run, 2);
    }
    let configuration = |path: &std::path::Path| {
        let replay = switchboard::Replay::open(path, PROGRAM, VERSION).ok()?;
        Some(replay.configuration().to_owned())
    };
    assert_eq!(configuration(&tape.path).as_deref(), Some("four"));
    assert_eq!(configuration(&tape.numbered(1)).as_deref(), Some("three"));
    assert_eq!(configuration(&tape.numbered(2)).as_deref(), Some("two"));
    assert_eq!(configuration(&tape.numbered(3)), None);
    record("five", 0);
    assert_eq!(configuration(&tape.path).as_deref(), Some("five"));
    assert_eq!(configuration(&tape.numbered(1)).as_deref(), Some("three"));
}

#[test]
fn only_its_owner_can_read_a_recording() {
    let tape = small("mode");
    let mode = fs::metadata(&tape.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_recording_ends_at_its_bound_and_the_program_does_not() {
    let tape = Tape::new("bound");
    let recording = tape.recording().with_max_bytes(64 * 1024);
    let builder = program::builder().record(recording);
    let log = tape.record_with(builder, |address| {
        let mut guest = Guest::new(address);
        for _ in 0..4 {
            guest.say("big 30000");
            guest.hear_bytes(30_000);
        }
        guest.say("stop");
        guest.hear_all();
    });
    assert!(fs::metadata(&tape.path).unwrap().len() <= 64 * 1024);
    let (replayed, outcome) = tape.replay(Twist::None);
    assert_eq!(outcome.unwrap(), ReplayEnd::AtBound);
    assert!(log.notes().starts_with(&replayed.notes()[..2]));
}

/// A device that is full from the start: nothing is recorded, and nobody notices.
#[test]
fn a_full_disk_ends_the_recording_alone() {
    let recording = Recording::new("/dev/full", PROGRAM, VERSION);
    let tape = Tape::new("full");
    let log = tape.record_with(program::builder().record(recording), |address| {
        let mut guest = Guest::new(address);
        for number in 0..50 {
            let words = format!("echo {number}");
            assert_eq!(guest.ask(&words), words);
        }
        guest.say("stop");
        guest.hear_all();
    });
    assert!(log.has("guest"));
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_at_once() {
    let recording = Recording::new("/no/such/directory/run.rec", PROGRAM, VERSION);
    let why = Reactor::builder().record(recording).build(());
    let why = why.unwrap_err().to_string();
    assert!(
        why.starts_with("cannot record to /no/such/directory/run.rec: "),
        "{why}"
    );
}

fn assert_unrecordable(tape: &Tape, log: &Log, what: &str) {
    let (replayed, outcome) = tape.replay(Twist::None);
    match outcome {
        Ok(ReplayEnd::Unrecordable(found)) => assert!(found.contains(what), "{found}"),
        outcome => panic!("{outcome:?}"),
    }
    assert!(log.notes().starts_with(&replayed.notes()[..2]));
}

#[test]
fn a_recording_ends_at_the_value_of_a_plain_job() {
    let tape = Tape::new("plain");
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.ask("echo hello");
        assert_eq!(guest.ask("plainjob"), "a value");
        guest.say("stop");
        guest.hear_all();
    });
    assert_unrecordable(&tape, &log, "`offload_replayable`");
}

#[test]
fn a_recording_ends_at_a_posted_closure() {
    let tape = Tape::new("posted");
    let mut reactor = Reactor::builder()
        .record(tape.recording())
        .build(0)
        .unwrap();
    let remote = reactor.remote();
    remote.post(|count, _| *count += 1).unwrap();
    drop(remote);
    reactor.run().unwrap();
    assert_eq!(*reactor.state(), 1);
    drop(reactor);
    let replay = tape.open().unwrap();
    let mut reactor = Reactor::builder().replay(&replay).build(0).unwrap();
    reactor.run().unwrap();
    drop(reactor);
    match replay.outcome().unwrap() {
        ReplayEnd::Unrecordable(what) => assert!(what.contains("posted"), "{what}"),
        end => panic!("{end:?}"),
    }
}

/// One that was recorded without a post differs when there is one.
#[test]
fn a_closure_that_is_posted_in_a_replay_is_found() {
    let tape = Tape::new("late");
    let run = |builder: switchboard::Builder, posts: bool| {
        let mut reactor = builder.build(0).unwrap();
        reactor
            .with(|_, cx| cx.after(Duration::from_millis(1), |_, _| ()))
            .unwrap();
        if posts {
            reactor.remote().post(|_, _| ()).unwrap();
        }
        reactor.run()
    };
    run(Reactor::builder().record(tape.recording()), false).unwrap();
    let replay = tape.open().unwrap();
    let outcome = run(Reactor::builder().replay(&replay), true);
    let Err(Error::Diverged(found)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        found.sides.contains("now:  a closure that was posted"),
        "{found}"
    );
}

struct Watcher;

impl Handler<()> for Watcher {
    fn handle_ready(
        &mut self,
        _: &mut (),
        cx: &mut Context<'_, ()>,
        _: switchboard::Ready,
    ) -> Result {
        cx.close();
        Ok(())
    }
}

#[test]
fn a_recording_ends_at_the_readiness_of_a_watched_descriptor() {
    let tape = Tape::new("watched");
    let run = |builder: switchboard::Builder| {
        let mut reactor = builder.build(()).unwrap();
        let file = fs::File::open("/dev/null").unwrap();
        reactor
            .with(|_, cx| cx.watch(file, Interest::Read, Watcher))
            .unwrap();
        reactor.run().unwrap();
    };
    run(Reactor::builder().record(tape.recording()));
    let replay = tape.open().unwrap();
    run(Reactor::builder().replay(&replay));
    let end = replay.outcome().unwrap();
    assert!(matches!(end, ReplayEnd::Unrecordable(_)), "{end:?}");
}

#[test]
fn a_replay_can_keep_the_pace() {
    let tape = Tape::new("pace");
    let run = |builder: switchboard::Builder| {
        let mut reactor = builder.build(Vec::new()).unwrap();
        for millis in [1, 41] {
            let later = Duration::from_millis(millis);
            let note = |times: &mut Vec<_>, cx: &mut LoopContext<'_, _>| times.push(cx.now());
            reactor.with(|_, cx| cx.after(later, note)).unwrap();
        }
        reactor.run().unwrap();
        // On a busy machine the first one is late.
        reactor.state()[1] - reactor.state()[0]
    };
    let between = run(Reactor::builder().record(tape.recording()));
    let timed = |replay: switchboard::Replay| {
        let start = Instant::now();
        run(Reactor::builder().replay(&replay));
        assert_eq!(replay.outcome().unwrap(), ReplayEnd::Complete);
        let progress = replay.progress();
        assert!(progress.ticks >= 2 && progress.time.as_nanos() >= 41_000_000);
        start.elapsed()
    };
    let replay = || tape.open().unwrap();
    let rounding = Duration::from_micros(1);
    assert!(timed(replay().at_speed(1.0)) + rounding >= between);
    assert!(timed(replay().at_speed(0.5)) + rounding >= 2 * between);
    let progress = replay().progress();
    assert_eq!(progress.bytes, 0);
    assert_eq!(
        progress.bytes_in_all,
        fs::metadata(&tape.path).unwrap().len()
    );
}
