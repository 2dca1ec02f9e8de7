//! A server with good company in it, and what must be true of it when an attack is over.

use std::time::{Duration, Instant};

use switchboard_partners::PATIENCE;

use crate::company::Company;
use crate::world::Server;

/// The most memory that the server may have had at any time.
const MEMORY_KIB_MAX: u64 = 64 * 1024;

/// How long the good clients wait between two rounds.
const PACE: Duration = Duration::from_millis(10);

pub struct Town {
    pub server: Server,
    pub address: String,
    company: Company,
}

impl Town {
    #[track_caller]
    pub fn start(flags: &[&str]) -> Town {
        Town::start_at_pace(flags, PACE)
    }

    #[track_caller]
    pub fn start_at_pace(flags: &[&str], pace: Duration) -> Town {
        // What was said before comes when the disk has read it, between the answers to an attack.
        let server = Server::start(&[&["--backlog", "off"], flags].concat());
        let address = server.address.clone();
        let company = Company::start(&address, pace);
        Town {
            server,
            address,
            company,
        }
    }

    /// The good clients are unharmed, and the server too; what it has logged.
    #[track_caller]
    pub fn end(mut self) -> String {
        self.company.end();
        if let Some(peak) = peak_memory_kib(&self.server) {
            assert!(peak < MEMORY_KIB_MAX, "the server had {peak} KiB of memory");
        }
        self.server.process.interrupt();
        let status = self.server.process.finish();
        let log = self.server.process.errors();
        assert!(status.success(), "{log}");
        for bad in [" ERROR ", "panic"] {
            assert!(!log.contains(bad), "{log}");
        }
        log
    }
}

/// Asks until it is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it is never so that {what}");
    }
}

/// `None` on another Unix than Linux.
fn peak_memory_kib(server: &Server) -> Option<u64> {
    let path = format!("/proc/{}/status", server.process.id());
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
