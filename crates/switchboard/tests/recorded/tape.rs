//! The fixture: a file for a recording, the program that runs in a thread of its own while the case
//! talks to it, and its replay.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use switchboard::{Builder, Driver, Recording, Replay, ReplayEnd, Result};

use crate::program::{self, Log, Twist};

pub const PROGRAM: &str = "a program";
pub const VERSION: &str = "7";

/// How long anything may take. Reached only by a case that fails.
const BOUND: Duration = Duration::from_secs(20);

/// The file of a recording, removed with its earlier ones when the case has passed.
pub struct Tape {
    pub path: PathBuf,
    /// What the program is recorded on.
    pub driver: Driver,
}

impl Tape {
    pub fn new(name: &str) -> Tape {
        Tape::on(Driver::Readiness, name)
    }

    pub fn on(driver: Driver, name: &str) -> Tape {
        let file = format!("{name}-{driver}-{}.rec", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
        let tape = Tape { path, driver };
        tape.remove();
        tape
    }

    pub fn numbered(&self, number: usize) -> PathBuf {
        PathBuf::from(format!("{}.{number}", self.path.display()))
    }

    fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
        (1..5).for_each(|number| drop(std::fs::remove_file(self.numbered(number))));
    }

    pub fn recording(&self) -> Recording {
        Recording::new(&self.path, PROGRAM, VERSION)
    }

    /// Records the program while `talk` talks to it, which has to end it.
    pub fn record(&self, talk: impl FnOnce(SocketAddr)) -> Log {
        self.record_with(
            program::builder()
                .driver(self.driver)
                .record(self.recording()),
            talk,
        )
    }

    pub fn record_with(&self, builder: Builder, talk: impl FnOnce(SocketAddr)) -> Log {
        let log = Log::new(Twist::None);
        let theirs = log.clone();
        let (listens, address) = mpsc::channel();
        let program = thread::spawn(move || {
            program::run(builder, &theirs, |address| listens.send(address).unwrap())
        });
        talk(address.recv_timeout(BOUND).expect("it listens"));
        let outcome = program.join().expect("it does not panic");
        outcome.expect("it ends well");
        log
    }

    pub fn open(&self) -> Result<Replay> {
        Replay::open(&self.path, PROGRAM, VERSION)
    }

    /// Replays the program, perhaps with a twist, and says what came of it.
    pub fn replay(&self, twist: Twist) -> (Log, Result<ReplayEnd>) {
        let log = Log::new(twist);
        let outcome = self.open().and_then(|replay| {
            let ran = program::run(program::builder().replay(&replay), &log, |_| ());
            let outcome = replay.outcome();
            assert!(ran.is_ok() || outcome.is_err(), "{ran:?} {outcome:?}");
            outcome
        });
        (log, outcome)
    }

    /// Replays it, to find that all is as it was.
    #[track_caller]
    pub fn assert_replays(&self, recorded: &Log, end: &ReplayEnd) {
        let (log, outcome) = self.replay(Twist::None);
        assert_eq!(&outcome.expect("nothing differs"), end);
        assert_eq!(log.notes(), recorded.notes());
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.remove();
        }
    }
}

/// One who talks to the program, in the case's own thread.
pub struct Guest {
    stream: BufReader<TcpStream>,
}

impl Guest {
    pub fn new(address: SocketAddr) -> Guest {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(BOUND)).expect("a socket can");
        stream.set_nodelay(true).expect("a socket can");
        Guest {
            stream: BufReader::new(stream),
        }
    }

    pub fn say(&mut self, line: &str) {
        self.say_part(&format!("{line}\n"));
    }

    pub fn say_part(&mut self, text: &str) {
        let mut stream = self.stream.get_ref();
        stream.write_all(text.as_bytes()).expect("it reads");
    }

    /// Its next line.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }

    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    /// So many of its bytes.
    #[track_caller]
    pub fn hear_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("it sends");
        bytes
    }

    pub fn finish(&mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }

    /// All that comes until the end, or until a reset.
    pub fn hear_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes);
        bytes
    }
}
