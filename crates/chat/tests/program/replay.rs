//! `switchboard serve --record` and `switchboard replay`: a session, and the same again.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use switchboard_partners::PATIENCE;

use crate::speaker::Speaker;
use crate::world::{Server, switchboard};

const RECEIPT: &str = "Message received\n";

/// A file that is gone when the test has passed.
struct Tape(PathBuf);

impl Tape {
    fn new(name: &str) -> Tape {
        let file = format!("{name}-{}.rec", std::process::id());
        Tape(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Starts a server that is recorded.
    fn serve(&self, flags: &[&str]) -> Server {
        let _ = fs::remove_file(&self.0);
        Server::start(&[&["--record", self.path()], flags].concat())
    }

    fn replay(&self, flags: &[&str]) -> Output {
        let mut command = switchboard(&["replay", self.path()]);
        command.args(flags).output().unwrap()
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.0);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Log lines without their times.
fn without_times(log: &str) -> Vec<&str> {
    let lines = log.lines();
    lines
        .filter_map(|line| Some(line.split_once(' ')?.1))
        .collect()
}

/// Several clients, in all the ways that they can behave.
fn session(server: &mut Server) {
    let mut first = Speaker::connect(&server.address);
    let mut second = Speaker::connect(&server.address);
    first.say("hello\n\x1b[2J\n");
    first.hear(&RECEIPT.repeat(2));
    second.say("without a newline");
    second.hear("Message received");
    second.say("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n");
    second.finish();
    assert!(second.hear_all().contains("was not taken"));
    first.say("x".repeat(9000));
    assert!(first.hear_all().contains("longer than"));
    let mut third = Speaker::connect(&server.address);
    third.say("the end");
    third.finish();
    third.hear("Message received");
    third.hear_all();
    let mut fourth = Speaker::connect(&server.address);
    fourth.say("gone\n");
    server.process.wait_for_error(": gone");
    drop(fourth); // with an answer unread
    server.process.wait_for_error(" left");
}

#[test]
fn a_session_of_several_clients_is_replayed() {
    let tape = Tape::new("session");
    let mut server = tape.serve(&["-v", "--rate", "1", "--pause", "30ms"]);
    session(&mut server);
    server.process.interrupt();
    assert!(server.process.finish().success());
    let log = server.process.errors();
    let told = format!("recording to {} all that is received and sent", tape.path());
    assert!(log.contains(&told), "{log}");

    let replay = tape.replay(&["-v"]);
    let (said, replayed) = (text(&replay.stdout), text(&replay.stderr));
    assert_eq!(replay.status.code(), Some(0), "{replayed}");
    assert!(
        said.starts_with(&format!("{}: all ", tape.path())),
        "{said}"
    );
    assert!(
        said.ends_with("ticks are the same; it ends where the reactor was dropped\n"),
        "{said}"
    );
    // The server's own words, but for those about its start and its end.
    let log = without_times(&log);
    let recorded: Vec<&str> = log[1..log.len() - 1].to_vec();
    assert_eq!(without_times(&replayed), recorded);
}

#[test]
fn what_a_killed_server_has_recorded_is_replayed() {
    let tape = Tape::new("killed");
    let mut server = tape.serve(&[]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("hello\n");
    speaker.hear(RECEIPT);
    let start = Instant::now();
    while !holds(&fs::read(&tape.0).unwrap(), RECEIPT.as_bytes()) {
        assert!(start.elapsed() < PATIENCE, "the answer is not written");
        std::thread::yield_now();
    }
    let pid = Pid::from_raw(server.process.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    assert!(!server.process.finish().success());
    let replay = tape.replay(&[]);
    let said = text(&replay.stdout);
    assert_eq!(replay.status.code(), Some(0), "{}", text(&replay.stderr));
    assert!(
        said.contains("are the same; it ends in the middle"),
        "{said}"
    );
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_server() {
    let mut server = Server::start(&["--record", "/dev/full"]);
    let mut speaker = Speaker::connect(&server.address);
    let told = "the recording to /dev/full ends, the program goes on: No space left on device";
    server.process.wait_for_error(told);
    speaker.say("hello\n");
    speaker.hear(RECEIPT);
    server.process.interrupt();
    assert!(server.process.finish().success());
}

/// The recording says with which limits the server ran; with others, its clients are told other
/// things.
#[test]
fn a_server_that_answers_otherwise_is_shown() {
    let tape = Tape::new("otherwise");
    let mut server = tape.serve(&["--rate", "900"]);
    let mut speaker = Speaker::connect(&server.address);
    for _ in 0..20 {
        speaker.say("hello\n");
        speaker.hear(RECEIPT);
    }
    server.process.interrupt();
    assert!(server.process.finish().success());
    let mut bytes = fs::read(&tape.0).unwrap();
    replace_in_header(&mut bytes, b"--rate=900", b"--rate=001");
    fs::write(&tape.0, bytes).unwrap();

    let replay = tape.replay(&[]);
    let shown = text(&replay.stderr);
    assert_eq!(replay.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains(&format!("{} differs in tick ", tape.path())),
        "{shown}"
    );
    // What was stored then is refused now.
    assert!(shown.contains("\n  then: "), "{shown}");
    assert!(shown.contains("\n  now:  "), "{shown}");
    assert_eq!(text(&replay.stdout), "");
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Changes the text in the first frame, which begins at byte 9 with the payload's length, its
/// checksum, and the checksum of both.
fn replace_in_header(file: &mut [u8], from: &[u8], to: &[u8]) {
    let len = u32::from_le_bytes(file[9..13].try_into().unwrap()) as usize;
    let (head, payload) = file[9..].split_at_mut(12);
    let payload = &mut payload[..len];
    let place = payload.windows(from.len()).position(|part| part == from);
    payload[place.unwrap()..][..to.len()].copy_from_slice(to);
    head[4..8].copy_from_slice(&crc32(payload).to_le_bytes());
    let own = crc32(&head[..8]);
    head[8..].copy_from_slice(&own.to_le_bytes());
}

/// Of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_file_that_cannot_be_used_is_refused() {
    let tape = Tape::new("unusable");
    let missing = tape.replay(&[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("cannot be read: No such file"));
    fs::write(&tape.0, "a diary").unwrap();
    let foreign = tape.replay(&[]);
    assert_eq!(foreign.status.code(), Some(2));
    assert!(text(&foreign.stderr).contains("is not a recording"));
    let refused = switchboard(&["serve", "--listen", "127.0.0.1:0", "--record", tape.path()]);
    let refused = { refused }.output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(
        told.contains("is there and is no recording: choose another name"),
        "{told}"
    );
}

#[test]
fn a_replay_at_the_speed_of_then_takes_as_long() {
    let tape = Tape::new("speed");
    let mut server = tape.serve(&["--pause", "100ms"]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("no newline");
    speaker.hear("Message received");
    server.process.interrupt();
    assert!(server.process.finish().success());
    let start = Instant::now();
    let replay = tape.replay(&["--at-speed", "1"]);
    assert_eq!(replay.status.code(), Some(0), "{}", text(&replay.stderr));
    assert!(start.elapsed().as_millis() >= 100);
}
