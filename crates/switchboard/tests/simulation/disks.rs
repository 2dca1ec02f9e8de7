//! What a crash leaves on a disk, and what a disk does that fails.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use rustix::io::Errno;
use switchboard::sim::{Disk, Fault, Faults, Host, Simulation};
use switchboard::{Context, Done, Handler, Reactor, Result};

/// Which faults are tested here.
pub const TESTED: [Fault; 3] = [Fault::SlowJob, Fault::DiskError, Fault::DiskFull];

/// Writes with `write`, loses the power, and gives what is on the disk then.
fn after_a_crash(seed: u64, write: impl Fn(&Disk)) -> Disk {
    let mut sim = Simulation::new(seed);
    let disk = sim.disk("host");
    let host = sim.host("host", || (), |_| Ok(())).expect("it starts");
    write(&disk);
    sim.crash(host);
    assert_eq!(
        disk.read("file").unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    sim.restart(host).expect("it starts again");
    disk
}

#[test]
fn what_is_synced_survives_and_the_rest_may_be_lost_or_torn() {
    let mut rests = BTreeSet::new();
    for seed in 0..200 {
        let disk = after_a_crash(seed, |disk| {
            disk.write("file", b"synced ").expect("there is room");
            disk.sync("file").expect("it is there");
            disk.append("file", b"and not").expect("there is room");
        });
        let bytes = disk.read("file").expect("it was synced");
        let rest = bytes.strip_prefix(b"synced ").expect("that was synced");
        assert!(b"and not".starts_with(rest), "{rest:?}");
        rests.insert(rest.to_vec());
    }
    // Lost, torn at each place, or whole.
    assert_eq!(rests.len(), b"and not".len() + 1);
}

#[test]
fn writes_are_lost_one_by_one() {
    let mut left = BTreeSet::new();
    for seed in 0..200 {
        let disk = after_a_crash(seed, |disk| {
            disk.write("file", b"").expect("there is room");
            disk.sync("file").expect("it is there");
            disk.append("file", b"a").expect("there is room");
            disk.append("file", b"b").expect("there is room");
        });
        left.insert(disk.read("file").expect("it was synced"));
    }
    let expected: [&[u8]; 4] = [b"", b"\0b", b"a", b"ab"]; // in a hole, there are zeros
    assert_eq!(Vec::from_iter(left), expected);
}

#[test]
fn a_file_that_takes_the_place_of_another_is_never_half_there() {
    let mut contents = BTreeSet::new();
    for seed in 0..100 {
        let disk = after_a_crash(seed, |disk| {
            disk.write("file", b"old").expect("there is room");
            disk.sync("file").expect("it is there");
            disk.write("new", b"newer").expect("there is room");
            disk.sync("new").expect("it is there");
            disk.rename("new", "file").expect("it is there");
        });
        contents.insert(disk.read("file").expect("one of them is there"));
    }
    assert_eq!(
        Vec::from_iter(contents),
        [b"newer".to_vec(), b"old".to_vec()]
    );
}

#[test]
fn files_are_made_and_removed() {
    let mut sim = Simulation::new(1);
    let disk = sim.disk("host");
    assert_eq!(disk.read("file").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.sync("file").unwrap_err().kind(), ErrorKind::NotFound);
    disk.append("file", b"one ").expect("there is room");
    disk.append("file", b"two").expect("there is room");
    assert_eq!(disk.read("file").expect("it is there"), b"one two");
    disk.write("other", b"").expect("there is room");
    assert_eq!(disk.list().expect("there is power"), ["file", "other"]);
    disk.remove("file").expect("it is there");
    assert_eq!(disk.list().expect("there is power"), ["other"]);
    let large = vec![0; 40 * 1024 * 1024];
    disk.write("large", &large).expect("there is room");
    assert_eq!(
        disk.write("more", &large).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
}

/// Counts in a file, by jobs: what it has told to have written must be there after any crash.
struct Counter {
    disk: Disk,
    count: u64,
}

impl Counter {
    fn step(&mut self, cx: &mut Context<'_, u64>) -> Result {
        let (disk, count) = (self.disk.clone(), self.count + 1);
        cx.offload(move || {
            disk.write("new", &count.to_le_bytes())?;
            disk.sync("new")?;
            disk.rename("new", "count")?;
            disk.sync("count").map(|()| count)
        })
        .map(drop)
    }
}

impl Handler<u64> for Counter {
    fn handle_signal(&mut self, _: &mut u64, cx: &mut Context<'_, u64>, _: i32) -> Result {
        self.step(cx)
    }

    fn handle_done(&mut self, told: &mut u64, cx: &mut Context<'_, u64>, done: Done) -> Result {
        self.count = done.take::<std::io::Result<u64>>()??;
        *told = self.count;
        self.step(cx)
    }
}

#[test]
fn a_program_finds_after_a_crash_what_it_has_synced() {
    let mut sim = Simulation::new(7);
    let disk = sim.disk("counter");
    let files = disk.clone();
    let boot = move |reactor: &mut Reactor<u64>| {
        let count = match disk.read("count") {
            Ok(bytes) => u64::from_le_bytes(bytes.try_into().expect("it was whole")),
            Err(_) => 0,
        };
        *reactor.state_mut() = count;
        let disk = disk.clone();
        let signals = [switchboard::signal::SIGHUP];
        reactor.with(|_, cx| cx.signals(&signals, Counter { disk, count }))?;
        Ok(())
    };
    let host: Host<u64> = sim.host("counter", || 0, boot).expect("it starts");
    let mut told = 0;
    for round in 0..100 {
        sim.run_for(Duration::from_millis(1))
            .expect("all goes well");
        assert!(sim.signal(host, switchboard::signal::SIGHUP));
        let length = Duration::from_micros(20_000 + 37 * round);
        sim.run_for(length).expect("all goes well");
        told = *sim.state(host);
        sim.crash(host);
        assert!(!sim.is_up(host));
        sim.restart(host).expect("it starts again");
        let found = *sim.state(host);
        assert!(
            found == told || found == told + 1,
            "{told} was told, {found} is there"
        );
    }
    assert!(told > 200, "it counted to {told}");
    assert!(files.read("count").is_ok());
}

/// A machine whose disk has this fault, and no host.
fn faulty(seed: u64, fault: Fault, rate: f64) -> (Simulation, Disk) {
    let mut sim = Simulation::new(seed);
    sim.faults(Faults::none().with(fault, rate));
    let disk = sim.disk("host");
    (sim, disk)
}

#[test]
fn a_write_that_fails_leaves_a_part_of_itself() {
    for (fault, errno) in [
        (Fault::DiskError, Errno::IO),
        (Fault::DiskFull, Errno::NOSPC),
    ] {
        let mut lens = BTreeSet::new();
        for seed in 0..100 {
            let (mut sim, disk) = faulty(seed, fault, 0.0);
            disk.write("file", b"old ").expect("all is well");
            sim.faults(Faults::none().with(fault, 1.0));
            let failed = disk.append("file", b"more").expect_err("it fails");
            assert_eq!(Errno::from_io_error(&failed), Some(errno), "{failed}");
            let bytes = disk.read("file").expect("it was there before");
            let rest = bytes.strip_prefix(b"old ").expect("that is there");
            assert!(b"more".starts_with(rest) && rest != b"more", "{rest:?}");
            lens.insert(rest.len());
            disk.write("file", b"new").expect_err("it fails");
            let bytes = disk.read("file").expect("it was there before");
            assert!(b"new".starts_with(&bytes) && bytes != b"new", "{bytes:?}");
            assert_eq!(sim.counts().of(fault), 2);
            sim.faults(Faults::none());
            disk.write("file", b"well").expect("all is well again");
            assert_eq!(sim.counts().of(fault), 2);
        }
        assert_eq!(lens, BTreeSet::from_iter(0..4), "{fault}");
    }
}

#[test]
fn a_full_disk_syncs_what_it_has_and_the_story_tells() {
    let (mut sim, disk) = faulty(1, Fault::DiskFull, 1.0);
    disk.write("file", b"").expect_err("it fails");
    disk.sync("file").expect("it is there, and empty");
    sim.run_for(Duration::from_millis(1)).expect("it goes well");
    let story = sim.story();
    assert!(story.contains("disk-full "), "{story}");
}

/// What is there after a crash, if the first sync has failed and a second one has not.
fn after_a_failed_sync(seed: u64, between: impl Fn(&Disk)) -> Vec<u8> {
    let (mut sim, disk) = faulty(seed, Fault::DiskError, 0.0);
    let host = sim.host("host", || (), |_| Ok(())).expect("it starts");
    disk.write("file", b"kept ").expect("all is well");
    disk.sync("file").expect("all is well");
    disk.append("file", b"lost ").expect("all is well");
    sim.faults(Faults::none().with(Fault::DiskError, 1.0));
    disk.sync("file").expect_err("it fails");
    assert_eq!(sim.counts().of(Fault::DiskError), 1);
    sim.faults(Faults::none());
    assert_eq!(disk.read("file").expect("it is there"), b"kept lost ");
    between(&disk);
    disk.sync("file").expect("all is well again");
    sim.crash(host);
    sim.restart(host).expect("it starts again");
    disk.read("file").expect("it was synced")
}

#[test]
fn a_sync_after_one_that_failed_keeps_only_what_was_written_since() {
    let mut left = BTreeSet::new();
    for seed in 0..100 {
        let bytes = after_a_failed_sync(seed, |_| ());
        let rest = bytes.strip_prefix(b"kept ").expect("that was synced");
        assert!(b"lost ".starts_with(rest), "{rest:?}");
        left.insert(rest.len());
        let bytes = after_a_failed_sync(seed, |disk| {
            disk.append("file", b"later").expect("all is well again");
        });
        let rest = bytes.strip_prefix(b"kept ").expect("that was synced");
        assert_eq!(&rest[5..], b"later");
        let all = b"lost ".iter().zip(rest);
        assert!(
            all.into_iter().all(|(was, is)| is == was || *is == 0),
            "{rest:?}"
        );
        let bytes = after_a_failed_sync(seed, |disk| {
            disk.write("file", b"kept lost ")
                .expect("all is well again");
        });
        assert_eq!(bytes, b"kept lost ", "what is written again is kept");
    }
    assert_eq!(left, BTreeSet::from_iter(0..6), "all, a part, or nothing");
}

#[test]
fn faults_of_disks_have_rates_by_host_and_by_script() {
    let failed = |disk: &Disk| {
        let tries = (0..1000).map(|_| disk.write("file", b"words"));
        tries.filter(|outcome| outcome.is_err()).count()
    };
    let mut sim = Simulation::new(3);
    let one = sim.host("one", || (), |_| Ok(())).expect("it starts");
    sim.host("other", || (), |_| Ok(())).expect("it starts");
    let (its, others) = (sim.disk("one"), sim.disk("other"));
    sim.script(
        "at 1 s, set disk-error to 0.1 for 1 s
         at 3 s, set disk-full to 1 on {one}",
    )
    .expect("it can be read");
    assert_eq!((failed(&its), failed(&others)), (0, 0));
    sim.run_for(Duration::from_millis(1500))
        .expect("it goes well");
    let (at_one, at_other) = (failed(&its), failed(&others));
    assert!((60..140).contains(&at_one), "{at_one} of 1000");
    assert!((60..140).contains(&at_other), "{at_other} of 1000");
    assert_eq!(
        sim.counts().of(Fault::DiskError),
        (at_one + at_other) as u64
    );
    sim.run_for(Duration::from_secs(1)).expect("it goes well");
    assert_eq!((failed(&its), failed(&others)), (0, 0));
    sim.run_for(Duration::from_secs(1)).expect("it goes well");
    assert_eq!((failed(&its), failed(&others)), (1000, 0));
    assert_eq!(sim.counts().of(Fault::DiskFull), 1000);
    // A crash is no repair.
    sim.crash(one);
    sim.restart(one).expect("it starts again");
    assert_eq!((failed(&its), failed(&others)), (1000, 0));
}

#[test]
fn a_slow_job_takes_up_to_five_seconds_longer() {
    let mut sim = Simulation::new(7);
    let usual = Duration::from_millis(1)..Duration::from_millis(1);
    sim.faults(Faults::none().job_time(usual).with(Fault::SlowJob, 0.5));
    let disk = sim.disk("counter");
    let boot = move |reactor: &mut Reactor<u64>| {
        let (disk, count) = (disk.clone(), 0);
        let signals = [switchboard::signal::SIGHUP];
        reactor.with(|_, cx| cx.signals(&signals, Counter { disk, count }))?;
        Ok(())
    };
    let host: Host<u64> = sim.host("counter", || 0, boot).expect("it starts");
    assert!(sim.signal(host, switchboard::signal::SIGHUP));
    sim.run_for(Duration::from_secs(500))
        .expect("all goes well");
    let (jobs, slow) = (*sim.state(host), sim.counts().of(Fault::SlowJob));
    assert!(
        (jobs * 2 / 5..jobs * 3 / 5).contains(&slow),
        "{slow} of {jobs}"
    );
    let mean = 500.0 / slow as f64;
    assert!((2.2..2.8).contains(&mean), "{mean} s each");
}
