//! What a crash leaves on a disk.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use switchboard::sim::{Disk, Host, Simulation};
use switchboard::{Context, Done, Handler, Reactor, Result};

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
