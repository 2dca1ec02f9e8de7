//! What is replayed is what was: bytes, addresses, times, reasons, in every way that a program can
//! use the reactor.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use rustix::process::{Signal, getpid, kill_process};
use switchboard::{Driver, Reactor, ReplayEnd};

use crate::program::{Log, builder};
use crate::tape::{Guest, Tape};

fn a_conversation_is_replayed(tape: &Tape) {
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        assert_eq!(guest.ask("echo hello"), "echo hello");
        let mut other = Guest::new(address);
        assert_eq!(other.ask("echo hello too"), "echo hello too");
        guest.ask("random");
        guest.ask("time");
        assert_eq!(guest.ask("timer"), "timer");
        assert_eq!(guest.ask("after"), "after");
        guest.ask("random");
        guest.say("pause");
        guest.say("echo later");
        // Whether it comes before or after depends on whether both lines were read at once.
        let mut heard = [guest.hear(), guest.hear()];
        heard.sort();
        assert_eq!(heard, ["echo later", "timer"]);
        other.finish();
        assert_eq!(other.hear_all(), b"goodbye\n");
        guest.say("stop");
        guest.hear_all();
    });
    assert!(log.has("timer at") && log.has("eof"));
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn partial_writes_and_backpressure_are_replayed(tape: &Tape) {
    const BYTES: usize = 6 << 20; // more than the network holds
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.say(&format!("big {BYTES}"));
        guest.say("echo behind it"); // not read before the peer reads
        let bytes = guest.hear_bytes(BYTES);
        assert!(bytes.iter().enumerate().all(|(i, b)| *b == (i * 31) as u8));
        assert_eq!(guest.hear(), "echo behind it");
        guest.say("stop");
        guest.hear_all();
    });
    assert!(log.has("write"), "it all went at once");
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn a_feed_that_drops_the_oldest_is_replayed(tape: &Tape) {
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.say("big 8000000"); // fills the network
        guest.say("echo"); // is read when there is room again
        guest.hear_bytes(8_000_000);
        assert_eq!(guest.hear(), "echo");
        guest.say("feed 1000");
        let last = (0..).find(|_| guest.hear().trim() == "999");
        assert!(
            last.is_some_and(|lines| lines < 1000),
            "nothing was dropped"
        );
        guest.say("stop");
        guest.hear_all();
    });
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn half_closed_connections_are_replayed(tape: &Tape) {
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.say("echo last words");
        guest.say("half");
        assert_eq!(guest.hear_all(), b"echo last words\n");
        guest.finish();
        let mut other = Guest::new(address);
        assert_eq!(other.ask("echo still here"), "echo still here");
        other.say("close");
        other.hear_all();
        Guest::new(address).say("stop");
    });
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn panics_and_errors_are_replayed(tape: &Tape) {
    let log = tape.record(|address| {
        for (command, words) in [
            ("panic", "error: panicked: told to\n"),
            ("error", "error: told to\n"),
            ("nonsense", "error: what is \"nonsense\"?\n"),
        ] {
            let mut guest = Guest::new(address);
            guest.say(command);
            guest.finish();
            let heard = guest.hear_all();
            // A panic ends a source at once, with what was sent in `handle_error`.
            assert!(command == "panic" || heard == words.as_bytes(), "{command}");
        }
        Guest::new(address).say("stop");
    });
    assert!(
        log.has("panicked: told to") && log.has("closed: told to"),
        "{log:?}"
    );
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn connections_that_are_made_or_fail_are_replayed(tape: &Tape) {
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = inside.local_addr().unwrap().port();
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.say(&format!("dial {port}"));
        let (mut peer, _) = inside.accept().unwrap();
        let mut words = [0; 18];
        peer.read_exact(&mut words).unwrap();
        assert_eq!(&words, b"hello from inside\n");
        peer.write_all(&[b'x'; 4096]).unwrap(); // long enough to be forwarded
        guest.hear_bytes(4096);
        drop(peer);
        assert!(guest.hear().starts_with("dialled closed: "));
        drop(inside); // from now on it refuses
        assert!(
            guest
                .ask(&format!("dial {port}"))
                .starts_with("dialled closed: ")
        );
        assert!(
            guest
                .ask("lookup no.such.host.invalid")
                .starts_with("dialled closed: ")
        );
        guest.say("stop");
        guest.hear_all();
    });
    assert!(log.has("dialled"));
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn results_of_jobs_are_replayed_without_the_jobs(tape: &Tape) {
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        assert_eq!(guest.ask("job shout"), "SHOUT");
        assert_eq!(guest.ask("badjob"), "panicked: a bad job");
        assert_eq!(guest.ask("lane first second"), "FIRST");
        assert_eq!(guest.hear(), "SECOND");
        guest.say("job twice");
        guest.say("close"); // its result finds nobody
        guest.hear_all();
        Guest::new(address).say("stop");
    });
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn signals_are_replayed_and_not_caught(tape: &Tape) {
    let log = tape.record(|address| {
        kill_process(getpid(), Signal::USR2).unwrap();
        let mut guest = Guest::new(address);
        while guest.ask("signals") == "false" {}
        guest.say("stop");
        guest.hear_all();
    });
    assert!(log.has("signal"));
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

/// Any thread may shut a reactor down; a replay has to do so in the same tick.
fn a_shutdown_from_another_thread_is_replayed(tape: &Tape) {
    let log = Log::default();
    let setup = |builder: switchboard::Builder| {
        let mut reactor = builder.build(log.clone())?;
        let tick = std::time::Duration::from_millis(1);
        reactor.with(|_, cx| cx.after(tick, |_, _| ()))?;
        Ok::<_, switchboard::Error>(reactor)
    };
    let mut reactor = setup(
        Reactor::builder()
            .driver(tape.driver)
            .record(tape.recording()),
    )
    .unwrap();
    let remote = reactor.remote(); // keeps it running
    let handle = reactor.shutdown_handle();
    let other = thread::spawn(move || {
        handle.shutdown();
        drop(remote);
    });
    reactor.run().unwrap();
    other.join().unwrap();
    drop(reactor);

    let replay = tape.open().unwrap();
    let mut reactor = setup(Reactor::builder().replay(&replay)).unwrap();
    reactor.run().unwrap();
    drop(reactor);
    assert_eq!(replay.outcome().unwrap(), ReplayEnd::Complete);
}

fn limits_are_replayed(tape: &Tape) {
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.say("limits");
        let long = format!("echo {}", "long ".repeat(20));
        assert_eq!(guest.ask(&long), long.trim_end());
        guest.say_part("never finished");
        assert_eq!(guest.hear_all(), b"");
        Guest::new(address).say("stop");
    });
    assert!(log.has("no whole message"), "{:?}", log.notes());
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

fn two_replays_of_one_recording_are_the_same(tape: &Tape) {
    let log = tape.record(|address| {
        let mut guest = Guest::new(address);
        guest.ask("random");
        guest.say("stop");
        guest.hear_all();
    });
    tape.assert_replays(&log, &ReplayEnd::Complete);
    tape.assert_replays(&log, &ReplayEnd::Complete);
}

/// What handlers do when the reactor is dropped in the middle is compared too.
fn a_reactor_that_is_dropped_in_the_middle_is_replayed(tape: &Tape) {
    let setup = |builder: switchboard::Builder, log: &Log| {
        let mut reactor = builder.build(log.clone()).unwrap();
        let listener = reactor.bind("127.0.0.1:0").unwrap();
        let address = listener.local().unwrap().ip().unwrap();
        reactor.listen_on(listener, crate::program::Door).unwrap();
        (reactor, address)
    };
    let log = Log::default();
    let (mut reactor, address) =
        setup(builder().driver(tape.driver).record(tape.recording()), &log);
    let mut guest = Guest::new(address);
    guest.say("echo hello");
    while reactor.sources() < 2 || !log.has("guest") {
        reactor.turn(None).unwrap();
    }
    drop(reactor);
    assert!(log.has("closed"));

    let replay = tape.open().unwrap();
    let again = Log::default();
    let (mut reactor, _) = setup(builder().replay(&replay), &again);
    reactor.run().unwrap();
    drop(reactor);
    assert_eq!(replay.outcome().unwrap(), ReplayEnd::Complete);
    assert_eq!(again.notes(), log.notes());
}

/// Makes a test of each case for each driver.
macro_rules! on_each_driver {
    ($($case:ident)*) => {
        mod readiness {
            $(#[test]
            fn $case() {
                super::$case(&Tape::on(Driver::Readiness, stringify!($case)));
            })*
            use super::*;
        }

        #[cfg(target_os = "linux")]
        mod io_uring {
            $(#[test]
            fn $case() {
                if crate::drivers::working().contains(&Driver::IoUring) {
                    super::$case(&Tape::on(Driver::IoUring, stringify!($case)));
                }
            })*
            use super::*;
        }
    };
}

on_each_driver! {
    a_conversation_is_replayed
    partial_writes_and_backpressure_are_replayed
    a_feed_that_drops_the_oldest_is_replayed
    half_closed_connections_are_replayed
    panics_and_errors_are_replayed
    connections_that_are_made_or_fail_are_replayed
    results_of_jobs_are_replayed_without_the_jobs
    signals_are_replayed_and_not_caught
    a_shutdown_from_another_thread_is_replayed
    limits_are_replayed
    two_replays_of_one_recording_are_the_same
    a_reactor_that_is_dropped_in_the_middle_is_replayed
}
