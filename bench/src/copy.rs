//! The second benchmark: what a copy of a large file costs the echo of 1,000 connections, if their
//! server makes it, and if `cp` does.
//!
//! Must never leave a file behind, nor begin without the space for it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::Signal;

use crate::child::{self, Child};
use crate::cores::{self, Cores};
use crate::generator::Generator;
use crate::interrupt;
use crate::machine::Machine;
use crate::peers::{self, Peer};
use crate::progress::Progress;
use crate::protocol::Limit;
use crate::scenario::{CROWD, Work};
use crate::servers::Server;
use crate::statistics::{Estimate, median};
use crate::table::{Table, three_digits, time};

/// What the goal allows: the echo's p99, by that beside `cp`.
const GOAL: f64 = 1.2;
/// How long one copy may take.
const COPY_LIMIT: Duration = Duration::from_secs(120);
/// Messages are begun for so long before anybody looks whether the copy has ended.
const SLICE_MILLIS: u64 = 20;
const WARM_UP_MILLIS: u64 = 200;
/// How long the echo is measured while nobody copies.
const ALONE_MILLIS: u64 = 500;
/// What the disk keeps free for others.
const SPARE: u64 = 256 << 20;
const DRIVERS: [&str; 2] = ["readiness", "io_uring"];

/// What is measured, and how long.
#[derive(clap::Args)]
pub struct Arguments {
    /// A file of 256 MiB and 3 rounds instead of 1 GiB and 10.
    #[arg(long)]
    quick: bool,
    /// The size of the file, in MiB.
    #[arg(long, value_name = "MIB")]
    size: Option<u64>,
    /// Where the file and its copy lie meanwhile [default: TARGET/bench-copy].
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Where copy.md goes. A full run replaces the one in bench/results, any other writes to
    /// TARGET/bench-results.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The files, removed at the end, whatever that is.
struct Files {
    directory: PathBuf,
    from: PathBuf,
    to: PathBuf,
    bytes: u64,
}

/// Who copies.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Nobody,
    Cp,
    Server,
}

/// What one copy, or none, did to the echo.
struct Measured {
    p99_nanos: f64,
    messages: u64,
    seconds: f64,
}

/// All that was measured on one driver.
#[derive(Default)]
struct Row {
    driver: &'static str,
    alone: Vec<f64>,
    beside_cp: Vec<Measured>,
    own: Vec<Measured>,
}

/// Runs the benchmark; false if the goal is missed.
pub fn measure(arguments: &Arguments) -> Result<bool> {
    interrupt::listen()?;
    let (program, version, target) = peers::build_example("echo_and_copy")?;
    interrupt::check()?;
    let cores = Cores::choose()?;
    cores::pin_to(&[cores.load])?;
    child::raise_descriptor_limit()?;
    let (size, rounds) = match arguments.quick {
        true => (256, 3),
        false => (1024, 10),
    };
    let bytes = arguments.size.unwrap_or(size) << 20;
    let scratch = arguments.scratch.clone();
    let files = Files::make(scratch.unwrap_or_else(|| target.join("bench-copy")), bytes)?;
    let mut progress = Progress::start();
    let mut rows = vec![];
    for driver in DRIVERS {
        progress.step(&format!("a copy of {} MiB on {driver}", bytes >> 20));
        let peer = files.peer(driver, &program, &version);
        rows.push(measure_driver(
            driver, &peer, &files, cores, rounds, &progress,
        )?);
    }
    progress.end();
    drop(files);
    let page = page(&rows, bytes, rounds, &version, cores.shared());
    println!("{page}");
    let is_full = !arguments.quick && arguments.size.is_none();
    let directory = match (&arguments.out, is_full) {
        (Some(directory), _) => directory.clone(),
        (None, true) => Path::new(env!("CARGO_MANIFEST_DIR")).join("results"),
        (None, false) => target.join("bench-results"),
    };
    fs::create_dir_all(&directory)?;
    let path = directory.join("copy.md");
    fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(rows
        .iter()
        .all(|row| row.ratio().is_some_and(|ratio| ratio.median <= GOAL)))
}

/// Pairs of copies, each side first by turns, so that whatever drifts meets both alike.
fn measure_driver(
    driver: &'static str,
    peer: &Peer,
    files: &Files,
    cores: Cores,
    rounds: usize,
    progress: &Progress,
) -> Result<Row> {
    let mut row = Row {
        driver,
        ..Row::default()
    };
    let mut server = Server::start(peer, Work::Echo, cores.server)?;
    for round in 0..rounds {
        progress.say(&format!("round {} of {rounds}", round + 1));
        let mut measure = |by| echo_while(by, &mut server, files, cores);
        row.alone.push(measure(By::Nobody)?.p99_nanos);
        if round % 2 == 0 {
            row.beside_cp.push(measure(By::Cp)?);
            row.own.push(measure(By::Server)?);
        } else {
            row.own.push(measure(By::Server)?);
            row.beside_cp.push(measure(By::Cp)?);
        }
    }
    server.stop()?;
    Ok(row)
}

/// The echo of new connections, for as long as a copy takes.
fn echo_while(by: By, server: &mut Server, files: &Files, cores: Cores) -> Result<Measured> {
    interrupt::check()?;
    files.forget_copy()?;
    let mut generator = Generator::start("copy", cores.load, server.address, &CROWD)?;
    server.wait_until_accepted()?;
    generator.warm_up(WARM_UP_MILLIS)?;
    if by == By::Nobody {
        let start = Instant::now();
        let messages = generator.run(Limit::Millis(ALONE_MILLIS))?.messages;
        return Ok(Measured {
            seconds: start.elapsed().as_secs_f64(),
            messages,
            p99_nanos: p99(&generator.latency()?),
        });
    }
    let has_ended = AtomicBool::new(false);
    let (copied, messages) = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut messages = 0;
            while !has_ended.load(Ordering::Relaxed) {
                messages += generator.run(Limit::Millis(SLICE_MILLIS))?.messages;
            }
            anyhow::Ok(messages)
        });
        let copied = files.copy(by, server, cores);
        has_ended.store(true, Ordering::Relaxed);
        let messages = load
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the load panicked")));
        (copied, messages)
    });
    let measured = Measured {
        seconds: copied?.as_secs_f64(),
        messages: messages?,
        p99_nanos: p99(&generator.latency()?),
    };
    files.check_copy()?;
    files.forget_copy()?;
    Ok(measured)
}

/// Of latencies with the number of messages that took so long, in ascending order.
fn p99(latencies: &[(u64, u64)]) -> f64 {
    let all: u64 = latencies.iter().map(|(_, count)| count).sum();
    let mut within = 0;
    for (nanos, count) in latencies {
        within += count;
        if within * 100 >= all * 99 {
            return *nanos as f64;
        }
    }
    0.0
}

impl Files {
    fn make(directory: PathBuf, bytes: u64) -> Result<Self> {
        fs::create_dir_all(&directory)
            .with_context(|| format!("creating {}; try --scratch DIR", directory.display()))?;
        let disk = rustix::fs::statvfs(&directory)?;
        let free = disk.f_bavail * disk.f_frsize;
        let needed = 2 * bytes + SPARE;
        ensure!(
            free >= needed,
            "{} has {} MiB free, {} are needed: try --scratch DIR or --size MIB",
            directory.display(),
            free >> 20,
            needed >> 20
        );
        let files = Self {
            from: directory.join("from"),
            to: directory.join("to"),
            directory,
            bytes,
        };
        files.fill()?;
        Ok(files)
    }

    fn fill(&self) -> Result<()> {
        let mut file = File::create(&self.from)?;
        // A prime length: no block of the file is like the one before.
        let pattern: Vec<u8> = (0..1_000_003_u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        let mut left = self.bytes;
        while left > 0 {
            interrupt::check()?;
            let part = pattern
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(&pattern[..part])?;
            left -= part as u64;
        }
        file.sync_all()?; // so that no measurement shares the disk with it
        Ok(())
    }

    fn peer(&self, driver: &str, program: &Path, version: &str) -> Peer {
        let options: [OsString; 4] = [
            "--driver".into(),
            driver.into(),
            self.from.clone().into(),
            self.to.clone().into(),
        ];
        Peer {
            name: format!("switchboard ({driver})"),
            programs: [(Work::Echo, program.to_owned())].into(),
            options: options.into(),
            writes: None,
            version: version.to_owned(),
            beside: &[],
        }
    }

    /// Copies, on the server's core either way, and says how long it took.
    fn copy(&self, by: By, server: &mut Server, cores: Cores) -> Result<Duration> {
        let start = Instant::now();
        match by {
            By::Nobody => {}
            By::Cp => {
                let files = [self.from.as_os_str(), self.to.as_os_str()];
                let mut cp = Child::start("cp", cores.server, "cp".as_ref(), files)?;
                let status = cp.wait_for_end(COPY_LIMIT)?;
                ensure!(status.success(), "cp failed: {status}");
            }
            By::Server => {
                let copied = server.have_done(Signal::USR1, "copied ", COPY_LIMIT)?;
                ensure!(
                    copied == format!("{} bytes", self.bytes),
                    "it copied {copied}"
                );
            }
        }
        Ok(start.elapsed())
    }

    /// Whether the copy is one.
    fn check_copy(&self) -> Result<()> {
        let open = |path| File::open(path).map(|file| BufReader::with_capacity(1 << 20, file));
        let (mut from, mut to) = (open(&self.from)?, open(&self.to)?);
        let (mut one, mut other) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        let mut left = self.bytes;
        while left > 0 {
            let part = one.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            from.read_exact(&mut one[..part])?;
            to.read_exact(&mut other[..part])
                .context("the copy is too short")?;
            ensure!(one[..part] == other[..part], "the copy differs");
            left -= part as u64;
        }
        ensure!(to.read(&mut other)? == 0, "the copy is too long");
        Ok(())
    }

    /// Removed before it is written to the disk, if it can be: that is no part of the measurement.
    fn forget_copy(&self) -> Result<()> {
        match fs::remove_file(&self.to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => bail!(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is not there, or another's directory, stays.
        let _ = fs::remove_file(&self.from);
        let _ = fs::remove_file(&self.to);
        let _ = fs::remove_dir(&self.directory);
    }
}

impl Row {
    /// The echo's p99 while the server copies, by that while `cp` does, in the same round.
    fn ratio(&self) -> Option<Estimate> {
        let pairs = self.own.iter().zip(&self.beside_cp);
        let ratios: Vec<f64> = pairs
            .map(|(own, cp)| own.p99_nanos / cp.p99_nanos)
            .collect();
        Estimate::of(&ratios)
    }
}

fn page(rows: &[Row], bytes: u64, rounds: usize, version: &str, one_core: bool) -> String {
    let machine = Machine::read();
    let of = |all: &[Measured], figure: fn(&Measured) -> f64| {
        let figures: Vec<f64> = all.iter().map(figure).collect();
        median(&figures).unwrap_or(0.0)
    };
    let p99: fn(&Measured) -> f64 = |measured| measured.p99_nanos;
    let rate: fn(&Measured) -> f64 = |measured| measured.messages as f64 / measured.seconds;
    let seconds: fn(&Measured) -> f64 = |measured| measured.seconds;
    let mut table = Table::new([
        "driver",
        "p99 alone",
        "p99 beside cp",
        "p99 while it copies",
        "p99 × cp",
        "messages/s beside cp",
        "while it copies",
        "cp takes",
        "it takes",
        "goal",
    ]);
    for row in rows {
        let ratio = row.ratio();
        let verdict = match &ratio {
            Some(ratio) if ratio.median <= GOAL => "met",
            _ => "**missed**",
        };
        let ratio = ratio.map_or_else(String::new, |ratio| {
            format!("{:.3} ({:.3}–{:.3})", ratio.median, ratio.low, ratio.high)
        });
        table.row([
            row.driver.to_owned(),
            time(median(&row.alone).unwrap_or(0.0)),
            time(of(&row.beside_cp, p99)),
            time(of(&row.own, p99)),
            ratio,
            three_digits(of(&row.beside_cp, rate)),
            three_digits(of(&row.own, rate)),
            format!("{:.2} s", of(&row.beside_cp, seconds)),
            format!("{:.2} s", of(&row.own, seconds)),
            verdict.to_owned(),
        ]);
    }
    let shared = match one_core {
        true => "- Only one core: server and load generator shared it\n",
        false => "",
    };
    format!(
        "# Echo while a file is copied\n\n\
         Written by `cargo run --release -p switchboard-bench -- copy`; \
         [what each figure means](../README.md#the-copy).\n\n\
         - Date: {}\n- Kernel: Linux {}\n- Processor: {}\n- switchboard {version}\n\
         - Extent: {rounds} pairs of copies of {} MiB on each driver, beside the echo of 1,000 \
         connections, 64 B, ping-pong\n{shared}\n\
         The goal: the echo's p99 while its server copies is at most {GOAL} × of what the same copy \
         by `cp` makes it.\n\n{}",
        machine.date,
        machine.kernel,
        machine.processor,
        bytes >> 20,
        table.render(),
    )
}

#[cfg(test)]
mod tests {
    use super::p99;

    #[test]
    fn the_p99_is_that_of_all_messages() {
        assert_eq!(p99(&[(10, 99), (20, 1)]), 10.0);
        assert_eq!(p99(&[(10, 98), (20, 1), (30, 1)]), 20.0);
        assert_eq!(p99(&[(10, 1)]), 10.0);
        assert_eq!(p99(&[]), 0.0);
    }
}
