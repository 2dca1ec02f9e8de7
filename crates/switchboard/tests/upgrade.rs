//! Replacing a server by a new process, as a user does it with `examples/upgradable.rs`, while clients
//! come, talk and go: none is refused, and none is broken off before the limit.
#![cfg(target_os = "linux")]

#[path = "crowd/drivers.rs"]
mod drivers;
#[path = "tutorial/examples.rs"]
mod examples;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use switchboard::sim::Simulation;
use switchboard::upgrade::Upgrade;
use switchboard::{Driver, Listener, Reactor};
use switchboard_partners::{PATIENCE, Process};

/// Clients that come and go all the time, and those that stay.
const CALLERS: usize = 3;
const TALKERS: usize = 4;

/// How many of the former have to be served before and after each upgrade.
const CALLS: usize = 100;

/// A directory of a test's own, removed with all that is in it.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Directory {
        let name = format!("switchboard-upgrade-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("it is new");
        Directory(path)
    }

    fn upgrade(&self) -> PathBuf {
        self.0.join("upgrade.sock")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that runs, and where.
struct Server {
    process: Process,
    address: String,
}

impl Server {
    fn start(driver: Driver, reactors: usize, path: &Path, rest: &[&str]) -> Server {
        let mut command = examples::example("upgradable");
        command.arg("--driver").arg(driver.to_string());
        command.arg("--reactors").arg(reactors.to_string());
        command.arg("--upgrade").arg(path).args(rest);
        let mut process = Process::start(command);
        process.wait_for("listening on ");
        let address = process.wait_for("\n").trim().to_owned();
        process.wait_for("serving\n");
        Server { process, address }
    }

    /// Its clients have ended, so it does, and well.
    fn ends(mut self) {
        self.process.wait_for("over\n");
        assert_eq!(self.process.finish().code(), Some(0));
    }
}

/// Says something, and is told the same.
fn talk(mut stream: impl Read + Write, text: &[u8; 5]) -> std::io::Result<()> {
    stream.write_all(text)?;
    let mut echo = [0; 5];
    stream.read_exact(&mut echo)?;
    assert_eq!(&echo, text);
    Ok(())
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Tells of each success, until it is to stop or somebody is refused.
fn again_and_again(
    stop: &AtomicBool,
    news: &Sender<()>,
    mut once: impl FnMut() -> std::io::Result<()>,
) {
    while !stop.load(Ordering::Acquire) {
        once().expect("nobody is refused, and no connection is broken off");
        if news.send(()).is_err() {
            return; // the test has heard enough
        }
    }
}

#[track_caller]
fn hear(news: &Receiver<()>, count: usize) {
    while news.try_recv().is_ok() {} // what was before is of no interest
    for _ in 0..count {
        news.recv_timeout(PATIENCE).expect("clients are served");
    }
}

/// Connections that talk until they are told to stop.
fn talkers<'s>(
    scope: &'s Scope<'s, '_>,
    address: &str,
    stop: &'s AtomicBool,
    news: &Sender<()>,
) -> Vec<ScopedJoinHandle<'s, ()>> {
    let start = |_| {
        let (stream, news) = (connect(address).expect("it listens"), news.clone());
        scope.spawn(move || again_and_again(stop, &news, || talk(&stream, b"long\n")))
    };
    (0..TALKERS).map(start).collect()
}

fn upgrades_under_load(driver: Driver, reactors: usize) {
    let directory = Directory::new(&format!("load-{driver}-{reactors}"));
    let path = directory.upgrade();
    let mut old = Server::start(driver, reactors, &path, &["127.0.0.1:0"]);
    let address = old.address.clone();
    let over = AtomicBool::new(false);
    let generations: Vec<AtomicBool> = (0..3).map(|_| AtomicBool::default()).collect();
    thread::scope(|scope| {
        let (called, calls) = mpsc::channel();
        for _ in 0..CALLERS {
            let (called, address, over) = (called.clone(), &address, &over);
            scope.spawn(move || {
                again_and_again(over, &called, || talk(connect(address)?, b"short"));
            });
        }
        for stop in &generations {
            let (talked, talks) = mpsc::channel();
            let talkers = talkers(scope, &address, stop, &talked);
            hear(&calls, CALLS);
            let new = Server::start(driver, reactors, &path, &["127.0.0.1:0"]);
            assert_eq!(new.address, address, "it has not taken the listeners");
            old.process.wait_for("handed over\n");
            hear(&calls, CALLS);
            hear(&talks, CALLS); // with the old one, to which they are connected
            stop.store(true, Ordering::Release);
            for talker in talkers {
                talker.join().expect("it was served to its end");
            }
            std::mem::replace(&mut old, new).ends();
        }
        hear(&calls, CALLS);
        over.store(true, Ordering::Release);
    });
    old.process.interrupt();
    old.ends();
    assert!(!path.exists(), "the upgrade socket is left behind");
}

#[test]
fn nobody_is_refused_or_broken_off_in_an_upgrade() {
    for driver in drivers::working() {
        upgrades_under_load(driver, 1);
    }
}

#[test]
fn nobody_is_refused_or_broken_off_in_an_upgrade_of_two_reactors() {
    for driver in drivers::working() {
        upgrades_under_load(driver, 2);
    }
}

/// From one reactor to three and back to two: each listener is served by somebody.
#[test]
fn the_number_of_reactors_may_change() {
    let directory = Directory::new("number");
    let path = directory.upgrade();
    let mut old = Server::start(Driver::Readiness, 1, &path, &["127.0.0.1:0"]);
    for reactors in [3, 2] {
        let new = Server::start(Driver::Readiness, reactors, &path, &[]);
        std::mem::replace(&mut old, new).ends();
        for _ in 0..50 {
            talk(connect(&old.address).unwrap(), b"hello").unwrap();
        }
    }
}

/// Who does not end is ended, but not before.
#[test]
fn the_limit_ends_what_does_not_end_by_itself() {
    for driver in drivers::working() {
        let directory = Directory::new(&format!("limit-{driver}"));
        let path = directory.upgrade();
        let mut old = Server::start(driver, 1, &path, &["--limit", "1", "127.0.0.1:0"]);
        let mut idle = connect(&old.address).unwrap();
        talk(&idle, b"hello").unwrap();
        let before = Instant::now();
        let new = Server::start(driver, 1, &path, &[]);
        old.process.wait_for("handed over\n");
        talk(&idle, b"still").unwrap();
        let rest = idle.read_to_end(&mut Vec::new());
        assert_eq!(rest.expect("an end, and no reset"), 0);
        assert!(before.elapsed() >= Duration::from_secs(1));
        drop(idle);
        old.ends();
        talk(connect(&new.address).unwrap(), b"hello").unwrap();
    }
}

/// Until the new process is ready, nothing has happened.
#[test]
fn a_new_process_that_fails_does_no_harm() {
    for driver in drivers::working() {
        let directory = Directory::new(&format!("fails-{driver}"));
        let path = directory.upgrade();
        let old = Server::start(driver, 2, &path, &["127.0.0.1:0"]);
        let mut fails = Upgrade::at(&path).unwrap();
        assert!(fails.is_upgrade());
        let listeners = fails.inherited().take_listeners("echo");
        assert_eq!(listeners.len(), 2);
        let address = listeners[1].local().unwrap();
        assert_eq!(address.to_string(), old.address);
        let error = Upgrade::at(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("another process is about to take over"),
            "{error}"
        );
        drop(listeners);
        drop(fails);
        for _ in 0..50 {
            talk(connect(&old.address).unwrap(), b"hello").unwrap();
        }
        // It may have to notice first that the other one has gone.
        let begun = Instant::now();
        while Upgrade::at(&path).is_err() {
            assert!(begun.elapsed() < PATIENCE, "it waits for one that is gone");
            thread::yield_now();
        }
    }
}

#[test]
fn the_file_of_a_unix_socket_stays_until_the_last_one_ends() {
    for driver in drivers::working() {
        let directory = Directory::new(&format!("unix-{driver}"));
        let (path, socket) = (directory.upgrade(), directory.0.join("echo.sock"));
        let address = format!("unix://{}", socket.display());
        let mut old = Server::start(driver, 2, &path, &[&address]);
        let inode = fs::metadata(&socket).unwrap().ino();
        for _ in 0..2 {
            talk(UnixStream::connect(&socket).unwrap(), b"hello").unwrap();
            let new = Server::start(driver, 2, &path, &[&address]);
            std::mem::replace(&mut old, new).ends();
            assert_eq!(fs::metadata(&socket).unwrap().ino(), inode);
        }
        talk(UnixStream::connect(&socket).unwrap(), b"hello").unwrap();
        old.process.interrupt();
        old.ends();
        assert!(!socket.exists() && !path.exists());
    }
}

/// What the process at the other end of a message may do wrong.
#[test]
fn who_does_not_keep_to_the_protocol_gets_nothing() {
    let directory = Directory::new("protocol");
    let path = directory.upgrade();
    let server = Server::start(Driver::Readiness, 1, &path, &["127.0.0.1:0"]);
    let answer = |body: &[u8]| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut message = (body.len() as u32).to_le_bytes().to_vec();
        message.extend_from_slice(body);
        stream.write_all(&message).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // a reset, if something was left unread
        String::from_utf8_lossy(&answer).into_owned()
    };
    let newer = answer(b"\0switchboard upgrade\x02\0");
    assert!(newer.contains("speaks version 1 of the upgrade, and not 2"));
    for other in [&b"\x04"[..], b"GET / HTTP/1.1", b"\0other upgrade\x01\0"] {
        let mut said = answer(other);
        let begun = Instant::now();
        while said.contains("another process") && begun.elapsed() < PATIENCE {
            said = answer(other); // it has not noticed yet that the one before has gone
        }
        assert_eq!(said, "");
    }
    talk(connect(&server.address).unwrap(), b"hello").unwrap();
}

#[test]
fn what_cannot_be_upgraded_says_so() {
    let directory = Directory::new("cannot");
    let path = directory.upgrade();
    let upgrade = Upgrade::at(&path).unwrap();
    assert!(!upgrade.is_upgrade());
    let mut simulation = Simulation::new(1);
    let mut reactor = simulation
        .reactor("machine", Reactor::builder(), ())
        .unwrap();
    let error = upgrade.serve(&mut reactor, |(), _| {}).unwrap_err();
    let text = "there is nothing to upgrade in a simulation or a replay";
    assert_eq!(error.to_string(), text);

    let mut upgrade = Upgrade::at(&path).unwrap();
    let simulated = reactor.bind("127.0.0.1:80").unwrap();
    upgrade.offer("web", &simulated).unwrap_err();
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    upgrade.offer(&"n".repeat(256), &listener).unwrap_err();
    for _ in 0..1023 {
        upgrade.offer("web", &listener).unwrap();
    }
    let error = upgrade.offer("web", &listener).unwrap_err();
    assert!(error.to_string().starts_with("more sockets"), "{error}");
}

/// The manager hears from the old process which one is the service, and then no more of it.
#[test]
fn the_service_manager_is_told_of_the_new_process() {
    let directory = Directory::new("manager");
    let (path, notify) = (directory.upgrade(), directory.0.join("notify"));
    let systemd = UnixDatagram::bind(&notify).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = examples::example("upgradable");
    command.env("NOTIFY_SOCKET", &notify).arg("--upgrade");
    let mut old = Process::start({
        command.arg(&path).arg("127.0.0.1:0");
        command
    });
    old.wait_for("serving\n");
    let hear = || {
        let mut message = [0; 64];
        let length = systemd.recv(&mut message).expect("it is told");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    let new = Server::start(Driver::Readiness, 1, &path, &[]);
    assert_eq!(hear(), format!("MAINPID={}", new.process.id()));
    old.wait_for("over\n");
    systemd.set_nonblocking(true).unwrap();
    systemd.recv(&mut [0]).expect_err("it is not STOPPING");
}
