//! The servers that take part: where they are, and what their work costs them.
//! Must never leave one behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// Readings of the clock until two agree; the server goes to sleep within some microseconds.
const READINGS: usize = 1000;

pub struct Peer {
    pub name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
}

impl Peer {
    /// The one that the others are compared with first.
    pub fn all(cert: &Path, key: &Path) -> Result<Vec<Peer>> {
        let here = std::env::current_exe()?;
        let directory = here.parent().context("a program is somewhere")?;
        let text = |path: &Path| path.display().to_string();
        let mut peers = vec![Peer {
            name: "tokio-rustls",
            program: directory.join("peer_tokio_rustls"),
            arguments: vec!["127.0.0.1:0".to_owned(), text(cert), text(key)],
        }];
        for (name, driver) in [
            ("switchboard (readiness)", "readiness"),
            ("switchboard (io_uring)", "io_uring"),
        ] {
            let options = ["tls://127.0.0.1:0", "--driver", driver, "--cert"];
            let mut arguments: Vec<String> = options.map(str::to_owned).into();
            arguments.extend([text(cert), "--key".to_owned(), text(key)]);
            peers.push(Peer {
                name,
                program: directory.join("examples").join("echo"),
                arguments,
            });
        }
        Ok(peers)
    }
}

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(peer: &Peer) -> Result<Server> {
        let mut child = Command::new(&peer.program)
            .args(&peer.arguments)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}: build it first", peer.program.display()))?;
        let output = child.stdout.take().context("it was asked for")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ");
        let address = address.and_then(|address| address.parse().ok());
        let mut server = Server {
            child,
            address: ([0; 4], 0).into(),
        };
        server.address = address.with_context(|| format!("{} does not listen", peer.name))?;
        Ok(server)
    }

    /// What its thread has spent on a core, once it has gone to sleep.
    pub fn cpu_nanos(&self) -> Result<u64> {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let now = || -> Result<u64> {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            let first = text.split_whitespace().next().context("no number")?;
            Ok(first.parse()?)
        };
        let mut last = now()?;
        for _ in 0..READINGS {
            match now()? {
                same if same == last => return Ok(same),
                other => last = other,
            }
        }
        bail!("the server did not go to sleep after its last message")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}
