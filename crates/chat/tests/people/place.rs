//! Where a client keeps its files, and how a test reads them while they grow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_partners::Process;

use crate::world::{Server, switchboard};

/// A directory for one client. It is gone when this is dropped.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Place {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("people-{}-{number}", process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(path.join("logs")).expect("the target directory can be written");
        Place(path)
    }

    pub fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("it is UTF-8").to_owned()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("the directory can be written");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The client that is being ended may still write.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is in a file, and what comes to it: the output of the process. It need not be there yet.
pub fn follow(path: &str) -> Process {
    let mut tail = Command::new("tail");
    // Where it is told of nothing, it looks every 20 ms.
    tail.args(["-q", "-n", "+1", "-s", "0.02", "-F", path]);
    tail.env("LC_ALL", "C");
    Process::start(tail)
}

/// Waits until `found` finds something in what a process has said.
#[track_caller]
pub fn wait_until<T>(process: &mut Process, found: impl Fn(&str) -> Option<T>) -> T {
    loop {
        if let Some(value) = found(&process.output()) {
            return value;
        }
        process.wait_for("\n");
    }
}

/// The program, with its data in a directory that outlives it.
pub fn in_place(arguments: &[&str], data: &str) -> Command {
    let mut command = switchboard(arguments);
    command.arg(data);
    command
}

/// A server, and what its certificate is known by.
pub struct House {
    pub server: Server,
    pub port: String,
    pub fingerprint: String,
}

impl House {
    #[track_caller]
    pub fn start(flags: &[&str]) -> House {
        let flags = [&["--tls", "self-signed", "--rate", "off"], flags].concat();
        let mut server = Server::start(&flags);
        server.process.wait_for("SHA-256 fingerprint ");
        let fingerprint = server.process.wait_for("\n").trim_end().to_owned();
        let port = server.address.rsplit(':').next().expect("it has a port");
        House {
            port: port.to_owned(),
            fingerprint,
            server,
        }
    }
}
