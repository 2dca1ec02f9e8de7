//! What a program does with files, in the simulation: on the disk of its machine, in virtual time,
//! and with what a crash leaves of it.

use std::collections::BTreeSet;
use std::time::Duration;

#[cfg(unix)]
use rustix::io::Errno;
#[cfg(unix)]
use switchboard::sim::Fault;
use switchboard::sim::{Disk, Faults, Host, Simulation};
use switchboard::{Context, FileDone, FileId, FileOutcome, Handler, OpenOptions, Reactor, Result};

fn to_append() -> OpenOptions {
    OpenOptions::new().append(true).create(true)
}

/// Appends to its log: some words that it syncs, then some that it does not.
struct Logger;

impl Handler<u64> for Logger {
    fn handle_file(
        &mut self,
        steps: &mut u64,
        cx: &mut Context<'_, u64>,
        done: FileDone,
    ) -> Result {
        if let FileOutcome::Opened { .. } = done.result? {
            cx.append_file(done.file, "synced ")?;
            cx.sync_file(done.file)?;
            cx.append_file(done.file, "and not")?;
            return Ok(());
        }
        *steps += 1;
        Ok(())
    }
}

/// What a logger leaves whose machine has lost its power after all three steps, and has it again.
fn after_a_crash(seed: u64) -> Vec<u8> {
    let mut sim = Simulation::new(seed);
    let disk = sim.disk("host");
    let mut is_first = true;
    let boot = move |reactor: &mut Reactor<u64>| {
        if std::mem::take(&mut is_first) {
            reactor.with(|_, cx| cx.open("log", to_append(), Logger))?;
        }
        Ok(())
    };
    let host = sim.host("host", || 0, boot).expect("it starts");
    sim.run_until(|sim| *sim.state(host) == 3)
        .expect("they are taken");
    assert_eq!(disk.read("log").expect("it is there"), b"synced and not");
    sim.crash(host);
    sim.restart(host).expect("it starts again");
    disk.read("log").expect("it was synced")
}

#[test]
fn a_crash_leaves_what_was_synced_and_perhaps_a_part_of_the_rest() {
    let mut rests = BTreeSet::new();
    for seed in 0..200 {
        let left = after_a_crash(seed);
        let rest = left.strip_prefix(b"synced ").expect("that was synced");
        assert!(b"and not".starts_with(rest), "{rest:?}");
        rests.insert(rest.to_vec());
    }
    assert_eq!(rests.len(), b"and not".len() + 1);
}

/// Counts in a file: what it has told to have synced must be there after any crash.
#[derive(Default)]
struct Counter {
    file: Option<FileId>,
    count: u64,
}

impl Counter {
    fn step(&mut self, cx: &mut Context<'_, u64>, file: FileId) -> Result {
        self.count += 1;
        cx.write_file(file, 0, self.count.to_le_bytes().to_vec())?;
        cx.sync_file_data(file).map(drop)
    }
}

impl Handler<u64> for Counter {
    fn handle_file(&mut self, told: &mut u64, cx: &mut Context<'_, u64>, done: FileDone) -> Result {
        match done.result? {
            FileOutcome::Opened { .. } => cx.read_file(done.file, 0, 8).map(drop),
            FileOutcome::Read { bytes, .. } => {
                if let Ok(count) = <[u8; 8]>::try_from(&bytes[..]) {
                    self.count = u64::from_le_bytes(count);
                }
                *told = self.count;
                self.file = Some(done.file);
                self.step(cx, done.file)
            }
            FileOutcome::Synced => {
                *told = self.count;
                self.step(cx, done.file)
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn a_program_finds_after_a_crash_what_was_synced() {
    let mut sim = Simulation::new(11);
    let boot = |reactor: &mut Reactor<u64>| {
        let options = OpenOptions::new().read(true).write(true).create(true);
        reactor.with(|_, cx| cx.open("count", options, Counter::default()))?;
        Ok(())
    };
    let host: Host<u64> = sim.host("counter", || 0, boot).expect("it starts");
    let mut told = 0;
    for round in 0..40 {
        let length = Duration::from_micros(50_000 + 377 * round);
        sim.run_for(length).expect("all goes well");
        told = told.max(*sim.state(host));
        sim.crash(host);
        sim.restart(host).expect("it starts again");
        sim.run_until(|sim| *sim.state(host) > 0)
            .expect("it reads and goes on");
        let found = *sim.state(host);
        assert!(found >= told, "{told} was told, {found} is there");
    }
    // One byte cannot be torn; from 256 on, it would take more of a program than this.
    assert!((100..256).contains(&told), "it counted to {told}");
}

/// Asks for writes that take a second each, and stops its reactor.
struct Hurried;

impl Handler<u64> for Hurried {
    fn handle_file(&mut self, _: &mut u64, cx: &mut Context<'_, u64>, done: FileDone) -> Result {
        if let FileOutcome::Opened { .. } = done.result? {
            for _ in 0..10 {
                cx.append_file(done.file, "line\n")?;
            }
            cx.stop();
        }
        Ok(())
    }
}

/// What is in the log of a reactor that may take `timeout` for its shutdown.
fn left_by_a_shutdown_of(timeout: Duration) -> (Disk, Duration) {
    let mut sim = Simulation::new(3);
    let second = Duration::from_secs(1);
    sim.faults(Faults::none().job_time(second..second + Duration::from_nanos(1)));
    let disk = sim.disk("host");
    let builder = Reactor::builder().shutdown_timeout(timeout);
    let mut reactor = sim.reactor("host", builder, 0).expect("it is built");
    let opened = reactor.with(|_, cx| cx.open("log", to_append(), Hurried));
    opened.expect("there is room");
    reactor.run().expect("it ends well");
    let took = Duration::from_nanos(sim.now().as_nanos());
    drop(reactor);
    (disk, took)
}

#[test]
fn a_shutdown_waits_for_what_was_asked_of_files_but_not_for_ever() {
    let (disk, took) = left_by_a_shutdown_of(Duration::from_secs(60));
    assert_eq!(disk.read("log").expect("it was made").len(), 50);
    assert!(took > Duration::from_secs(11), "{took:?}");
    let (disk, took) = left_by_a_shutdown_of(Duration::from_millis(3500));
    assert_eq!(disk.read("log").expect("it was made").len(), 15);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// Removes the name of the file that it has open, and reads on.
struct Remover(Disk);

impl Handler<u64> for Remover {
    fn handle_file(&mut self, read: &mut u64, cx: &mut Context<'_, u64>, done: FileDone) -> Result {
        match done.result? {
            FileOutcome::Opened { len } => {
                self.0.remove("file")?;
                self.0.write("other", b"")?;
                self.0.sync("other")?; // the name is gone for good
                assert_eq!(len, 7);
                cx.read_file(done.file, 0, 7).map(drop)
            }
            FileOutcome::Read { bytes, .. } => {
                assert_eq!(bytes, "content");
                *read += 1;
                cx.close();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn a_file_without_a_name_stays_while_it_is_open() {
    let mut sim = Simulation::new(1);
    let disk = sim.disk("host");
    disk.write("file", b"content").expect("there is room");
    let remover = Remover(disk.clone());
    let mut reactor = sim
        .reactor("host", Reactor::builder(), 0)
        .expect("it is built");
    let opened = reactor.with(|_, cx| cx.open("file", OpenOptions::new().read(true), remover));
    opened.expect("there is room");
    reactor.run().expect("it ends well");
    assert_eq!(*reactor.state(), 1);
    assert_eq!(disk.list().expect("there is power"), ["other"]);
}

/// Notes what becomes of each thing that it asks of its log.
#[cfg(unix)]
struct Careful;

#[cfg(unix)]
impl Handler<Vec<Option<Errno>>> for Careful {
    fn handle_file(
        &mut self,
        outcomes: &mut Vec<Option<Errno>>,
        cx: &mut Context<'_, Vec<Option<Errno>>>,
        done: FileDone,
    ) -> Result {
        if let Ok(FileOutcome::Opened { .. }) = done.result {
            cx.write_file(done.file, 0, "some words")?;
            cx.write_file(done.file, 100, "far away")?;
            cx.sync_file(done.file)?;
            cx.read_file(done.file, 0, 1000)?;
            return Ok(());
        }
        let error = done.result.err();
        outcomes.push(error.and_then(|error| Errno::from_io_error(&error)));
        Ok(())
    }
}

#[cfg(unix)] // Winsock has no number for it
#[test]
fn a_program_is_told_when_its_disk_fails() {
    for (fault, at_sync) in [(Fault::DiskError, Some(Errno::IO)), (Fault::DiskFull, None)] {
        let mut sim = Simulation::new(1);
        sim.faults(Faults::none().with(fault, 1.0));
        let disk = sim.disk("host");
        let options = OpenOptions::new().write(true).read(true).create(true);
        let boot = move |reactor: &mut Reactor<Vec<Option<Errno>>>| {
            reactor.with(|_, cx| cx.open("log", options, Careful))?;
            Ok(())
        };
        let host = sim.host("host", Vec::new, boot).expect("it starts");
        sim.run_until(|sim| sim.state(host).len() == 4)
            .expect("all is told");
        let at_write = at_sync.or(Some(Errno::NOSPC));
        assert_eq!(*sim.state(host), [at_write, at_write, at_sync, None]);
        assert_eq!(sim.counts().of(fault), 2 + at_sync.iter().count() as u64);
        let left = disk.read("log").expect("it was made");
        assert!(left.len() < 108, "not all of it");
    }
}
