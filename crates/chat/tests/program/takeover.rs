//! A server that is replaced by a new process while clients talk to it, and one that a service
//! manager watches.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use switchboard_partners::{PATIENCE, Process};

use crate::speaker::Speaker;
use crate::world::switchboard;

const RECEIPT: &str = "Message received\n";

/// The data of one server after the other.
struct Data(PathBuf);

impl Data {
    fn new() -> Data {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("takeover-{}-{number}", std::process::id());
        Data(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("it is text")
    }

    fn serve(&self, flags: &[&str]) -> Command {
        let words = ["serve", "--listen", "127.0.0.1:0", "--data", self.path()];
        switchboard(&[&words, flags].concat())
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until a server says that it is there, and where.
fn address(process: &mut Process) -> String {
    process.wait_for("listening on ");
    let line = process.wait_for("\n");
    process.wait_for("Ctrl-C stops it\n");
    line.trim_end().to_owned()
}

fn signal(id: u32, signal: Signal) {
    let pid = Pid::from_raw(id.cast_signed()).expect("it is a process");
    kill_process(pid, signal).expect("it runs");
}

/// The process that has the data.
fn owner(data: &Data) -> u32 {
    let text = std::fs::read_to_string(data.0.join("switchboard.db.lock")).expect("there is one");
    text.trim().parse().expect("its number is in it")
}

/// Talks until it is told to end, over one connection after the other. Returns the texts that were
/// receipted, and how many connections that took.
fn talk(address: &str, name: &str, ends: &AtomicBool) -> (Vec<String>, usize) {
    let (mut receipted, mut connections, mut number) = (Vec::new(), 0, 0);
    while !ends.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(address).expect("nobody is refused");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is not zero");
        connections += 1;
        while !ends.load(Ordering::Relaxed) {
            number += 1;
            let text = format!("{name} {number}.");
            if stream.write_all(format!("{text}\n").as_bytes()).is_err() {
                break;
            }
            let mut answer = vec![0; RECEIPT.len()];
            if stream.read_exact(&mut answer).is_err() {
                break; // perhaps stored, but nobody said so
            }
            assert_eq!(String::from_utf8_lossy(&answer), RECEIPT);
            receipted.push(text);
        }
    }
    (receipted, connections)
}

#[test]
fn nobody_is_refused_and_nothing_is_lost_while_one_server_follows_the_other() {
    const FOLLOWERS: usize = 4;
    let data = Data::new();
    let mut process = Process::start(data.serve(&["--rate", "off"]));
    let address = address(&mut process);
    let ends = AtomicBool::new(false);
    let talked = thread::scope(|scope| {
        let talkers: Vec<_> = ["ann", "bob", "cid"]
            .map(|name| scope.spawn(|| talk(&address, name, &ends)))
            .into_iter()
            .collect();
        for _ in 0..FOLLOWERS {
            let before = owner(&data);
            signal(before, Signal::USR2);
            process.wait_for_error("another process takes over");
            process.wait_for("Ctrl-C stops it\n");
            process.wait_for_error("stopped\n");
            assert_ne!(owner(&data), before);
        }
        ends.store(true, Ordering::Relaxed);
        let ends = talkers
            .into_iter()
            .map(|talker| talker.join().expect("it talks"));
        ends.collect::<Vec<_>>()
    });
    signal(owner(&data), Signal::TERM);
    process.wait_for_error("stopped\n");
    assert!(process.finish().success()); // the first one

    let words = [
        "export",
        "--room",
        "#lobby",
        "--format",
        "text",
        "--data",
        data.path(),
    ];
    let output = switchboard(&words).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("it is text");
    let mut stored: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        for name in ["ann ", "bob ", "cid "] {
            if let Some(at) = line.rfind(name) {
                *stored.entry(&line[at..]).or_default() += 1;
            }
        }
    }
    for (receipted, connections) in &talked {
        assert!(*connections >= FOLLOWERS, "{connections}");
        assert!(receipted.len() > FOLLOWERS, "{receipted:?}");
        for message in receipted {
            assert_eq!(
                stored.get(message.as_str()),
                Some(&1),
                "{message} in\n{text}"
            );
        }
    }
}

#[test]
fn a_successor_that_cannot_start_changes_nothing() {
    let data = Data::new();
    let mut process = Process::start(data.serve(&[]));
    let address = address(&mut process);
    let mut speaker = Speaker::connect(&address);
    speaker.say("one\n");
    speaker.hear(RECEIPT);
    let flags = [
        "--take-over",
        "--tls",
        "missing.pem",
        "--tls-key",
        "missing.key",
    ];
    let mut successor = Process::start(data.serve(&flags));
    assert_eq!(successor.finish().code(), Some(1));
    assert!(
        successor.errors().contains("missing.pem"),
        "{}",
        successor.errors()
    );
    let mut second = Process::start(data.serve(&[]));
    assert_eq!(second.finish().code(), Some(1));
    let said = second.errors();
    assert!(
        said.contains(&format!("process {} has", process.id())),
        "{said}"
    );
    speaker.say("two\n");
    speaker.hear(RECEIPT);
    process.interrupt();
    drop(speaker);
    assert!(process.finish().success());
}

#[test]
fn who_has_nobody_to_take_over_from_just_starts() {
    let data = Data::new();
    let mut process = Process::start(data.serve(&["--take-over"]));
    let address = address(&mut process);
    process.wait_for_error("there is nothing to take over");
    let mut speaker = Speaker::connect(&address);
    speaker.say("one\n");
    speaker.hear(RECEIPT);
    process.interrupt();
    drop(speaker);
    assert!(process.finish().success());
}

#[test]
fn a_service_manager_hears_that_it_is_ready_and_which_process_follows() {
    let data = Data::new();
    std::fs::create_dir_all(&data.0).expect("it can be made");
    let socket = data.0.join("notify");
    let manager = UnixDatagram::bind(&socket).expect("the name is free");
    manager
        .set_read_timeout(Some(PATIENCE))
        .expect("it is not zero");
    let hear = || {
        let mut message = [0; 4096];
        let length = loop {
            match manager.recv(&mut message) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {} // stopped, and continued
                other => break other.expect("it is told"),
            }
        };
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = data.serve(&[]);
    command.env("NOTIFY_SOCKET", &socket);
    let mut process = Process::start(command);
    address(&mut process);
    assert_eq!(hear(), "READY=1");
    signal(process.id(), Signal::USR2);
    process.wait_for("Ctrl-C stops it\n"); // says the one that follows, which has the data
    process.wait_for_error("stopped\n");
    let follower = owner(&data);
    let mut heard = Vec::new();
    while !heard.contains(&format!("MAINPID={follower}")) || !heard.contains(&"READY=1".to_owned())
    {
        heard.push(hear());
    }
    // The one that goes is not the service any more.
    assert!(!heard.contains(&"STOPPING=1".to_owned()), "{heard:?}");
    signal(follower, Signal::TERM);
    while hear() != "STOPPING=1" {}
    process.wait_for_error("stopped\n");
}
