//! TLS side by side: our echo on both drivers beside the one on `tokio-rustls`, with the same
//! certificate and cryptography, as CPU per message and per handshake. It writes
//! `bench/results/tls.md`.
//!
//! ```sh
//! cargo build --release -p switchboard --example echo
//! cargo build --release -p switchboard-bench --bins
//! cargo run --release -p switchboard-bench --bin tls
//! ```
//!
//! It must never compare figures that were not taken in turn.

#[path = "tls/load.rs"]
mod load;
#[path = "tls/server.rs"]
mod server;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use load::Load;
use server::{Peer, Server};

/// Rounds in which each peer has a slice of each kind, in turn.
const ROUNDS: usize = 15;
const SLICE: Duration = Duration::from_millis(120);
const WARM_UP: Duration = Duration::from_millis(200);
/// Full handshakes in one slice.
const HANDSHAKES: usize = 60;

/// Name, connections, bytes of a message, messages in flight on each.
const SCENARIOS: [(&str, usize, usize, usize); 2] =
    [("64x64B", 64, 64, 1), ("16x64KiB", 16, 64 * 1024, 16)];

/// Nanoseconds of the server's core for one message or handshake, slice by slice.
struct Series {
    name: &'static str,
    nanos: Vec<f64>,
}

fn main() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("switchboard-tls-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let measured = measure_all(&directory);
    fs::remove_dir_all(&directory)?;
    let report = measured?;
    print!("{report}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/results/tls.md");
    fs::write(path, report).with_context(|| format!("writing {path}"))
}

fn measure_all(directory: &Path) -> Result<String> {
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let made = generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let CertifiedKey {
        cert: made,
        signing_key,
    } = made;
    fs::write(&cert, made.pem())?;
    fs::write(&key, signing_key.serialize_pem())?;
    let peers = Peer::all(&cert, &key)?;
    let mut report = String::from(
        "# TLS beside tokio-rustls\n\n\
         Written by `cargo run --release -p switchboard-bench --bin tls`. Nanoseconds of the server's \
         core; the ratios are the median of the rounds and their quartiles, each round's against \
         tokio-rustls in the same round. TLS 1.3 with ring, a P-256 certificate, on the loopback \
         network; the load shares the machine.\n\n\
         | work | server | CPU, ns | by tokio-rustls |\n|---|---|---|---|\n",
    );
    for (name, connections, size, in_flight) in SCENARIOS {
        let series = messages(&peers, &made.der().clone(), connections, size, in_flight)?;
        rows(&mut report, &format!("a message, {name}"), &series)?;
    }
    let series = handshakes(&peers, &made.der().clone())?;
    rows(&mut report, "a full handshake and its end", &series)?;
    Ok(report)
}

type Trusted = rustls::pki_types::CertificateDer<'static>;

fn messages(
    peers: &[Peer],
    trusted: &Trusted,
    connections: usize,
    size: usize,
    in_flight: usize,
) -> Result<Vec<Series>> {
    let mut stations = Vec::new();
    for peer in peers {
        let server = Server::start(peer)?;
        let mut load = Load::new(server.address, trusted, connections, size, in_flight)?;
        load.run(WARM_UP)?;
        let series = Series {
            name: peer.name,
            nanos: Vec::new(),
        };
        stations.push((server, load, series));
    }
    for _ in 0..ROUNDS {
        for (server, load, series) in &mut stations {
            let before = server.cpu_nanos()?;
            let messages = load.run(SLICE)?;
            let spent = server.cpu_nanos()? - before;
            series.nanos.push(spent as f64 / messages as f64);
        }
    }
    Ok(stations.into_iter().map(|(_, _, series)| series).collect())
}

fn handshakes(peers: &[Peer], trusted: &Trusted) -> Result<Vec<Series>> {
    let mut stations = Vec::new();
    for peer in peers {
        let server = Server::start(peer)?;
        load::shake_hands(server.address, trusted, HANDSHAKES)?;
        let series = Series {
            name: peer.name,
            nanos: Vec::new(),
        };
        stations.push((server, series));
    }
    for _ in 0..ROUNDS {
        for (server, series) in &mut stations {
            let before = server.cpu_nanos()?;
            load::shake_hands(server.address, trusted, HANDSHAKES)?;
            let spent = server.cpu_nanos()? - before;
            series.nanos.push(spent as f64 / HANDSHAKES as f64);
        }
    }
    Ok(stations.into_iter().map(|(_, series)| series).collect())
}

/// One row for each peer; the first one is what the others are compared with.
fn rows(report: &mut String, work: &str, all: &[Series]) -> Result<()> {
    let base = &all.first().context("nobody took part")?.nanos;
    for series in all {
        let pairs = series.nanos.iter().zip(base);
        let ratios = sorted(pairs.map(|(own, base)| own / base).collect());
        let nanos = sorted(series.nanos.clone());
        let at = |values: &[f64], part: f64| values[(values.len() as f64 * part) as usize];
        writeln!(
            report,
            "| {work} | {} | {:.0} | {:.3} ({:.3}–{:.3}) |",
            series.name,
            at(&nanos, 0.5),
            at(&ratios, 0.5),
            at(&ratios, 0.25),
            at(&ratios, 0.75),
        )?;
    }
    Ok(())
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
