//! Serial lanes of simulated hosts: their jobs take virtual time, one after the other, and are lost
//! with the host.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard::sim::{Disk, Faults, Simulation};
use switchboard::{Builder, Context, Done, Handler, Lane, Reactor, Result};

const SIGNAL: i32 = switchboard::signal::SIGHUP;

/// When each job has come back, in milliseconds, by its name.
type Times = Vec<(String, u64)>;

/// At each signal, three jobs on one lane, and on another, and in the pool.
struct Asker {
    lanes: [Lane; 2],
    /// What the jobs have done, and whether they were dropped undone.
    deeds: Arc<Mutex<Vec<String>>>,
}

impl Asker {
    fn job(&self, name: &str, number: usize) -> impl FnOnce() -> String + Send + 'static {
        let (name, deeds) = (format!("{name} {number}"), self.deeds.clone());
        move || {
            deeds.lock().unwrap().push(name.clone());
            name
        }
    }
}

impl Handler<Times> for Asker {
    fn handle_signal(&mut self, _: &mut Times, cx: &mut Context<'_, Times>, _: i32) -> Result {
        for number in 0..3 {
            cx.offload_on(self.lanes[0], self.job("one", number))?;
            cx.offload_on(self.lanes[1], self.job("other", number))?;
            cx.offload(self.job("pool", number))?;
        }
        Ok(())
    }

    fn handle_done(
        &mut self,
        times: &mut Times,
        cx: &mut Context<'_, Times>,
        done: Done,
    ) -> Result {
        times.push((done.take()?, cx.now().as_nanos() / 1_000_000));
        Ok(())
    }
}

fn boot(reactor: &mut Reactor<Times>, deeds: &Arc<Mutex<Vec<String>>>) -> Result {
    let lanes = [reactor.open_lane("one")?, reactor.open_lane("other")?];
    let deeds = deeds.clone();
    reactor.with(|_, cx| cx.signals(&[SIGNAL], Asker { lanes, deeds }))?;
    Ok(())
}

const MS: Duration = Duration::from_millis(1);

fn of<'t>(times: &'t Times, name: &str) -> Vec<(&'t str, u64)> {
    let its = times.iter().filter(|(of, _)| of.starts_with(name));
    its.map(|(of, at)| (of.as_str(), *at)).collect()
}

#[test]
fn each_job_of_a_lane_begins_when_the_one_before_has_ended() {
    let mut sim = Simulation::new(1);
    sim.faults(Faults::none().job_time(10 * MS..10 * MS));
    let deeds = Arc::default();
    let host = sim
        .host("host", Times::new, move |reactor| boot(reactor, &deeds))
        .unwrap();
    assert!(sim.signal(host, SIGNAL));
    sim.run_for(100 * MS).unwrap();
    let times = sim.state(host);
    assert_eq!(
        of(times, "one"),
        [("one 0", 10), ("one 1", 20), ("one 2", 30)]
    );
    assert_eq!(
        of(times, "other"),
        [("other 0", 10), ("other 1", 20), ("other 2", 30)]
    );
    assert_eq!(
        of(times, "pool"),
        [("pool 0", 10), ("pool 1", 10), ("pool 2", 10)]
    );
}

#[test]
fn a_lane_keeps_its_order_whatever_its_jobs_take() {
    for seed in 0..50 {
        let mut sim = Simulation::new(seed);
        sim.faults(Faults::none().job_time(Duration::ZERO..20 * MS));
        let deeds = Arc::default();
        let host = sim
            .host("host", Times::new, move |reactor| boot(reactor, &deeds))
            .unwrap();
        for _ in 0..4 {
            assert!(sim.signal(host, SIGNAL));
            sim.run_for(7 * MS).unwrap();
        }
        sim.run_for(Duration::from_secs(1)).unwrap();
        for name in ["one", "other"] {
            let order = of(sim.state(host), name).into_iter();
            let order: Vec<&str> = order.map(|(of, _)| of).collect();
            let expected: Vec<String> = (0..12).map(|n| format!("{name} {}", n % 3)).collect();
            assert_eq!(order, expected, "seed {seed}");
        }
    }
}

#[test]
fn a_crash_loses_the_jobs_of_lanes_and_the_next_start_has_lanes_again() {
    let mut sim = Simulation::new(1);
    sim.faults(Faults::none().job_time(10 * MS..10 * MS));
    let deeds: Arc<Mutex<Vec<String>>> = Arc::default();
    let theirs = deeds.clone();
    let host = sim
        .host("host", Times::new, move |reactor| boot(reactor, &theirs))
        .unwrap();
    assert!(sim.signal(host, SIGNAL));
    sim.run_for(15 * MS).unwrap(); // the second ones run
    let before = deeds.lock().unwrap().clone();
    assert_eq!(before.len(), 5, "{before:?}");
    sim.crash(host);
    sim.restart(host).unwrap();
    sim.run_for(Duration::from_secs(1)).unwrap();
    assert_eq!(*deeds.lock().unwrap(), before);
    assert!(sim.state(host).is_empty());
    assert!(sim.signal(host, SIGNAL));
    sim.run_for(100 * MS).unwrap();
    assert_eq!(sim.state(host).len(), 9);
}

#[test]
fn a_reactor_that_is_dropped_begins_no_job_of_a_lane() {
    let mut sim = Simulation::new(1);
    sim.faults(Faults::none().job_time(10 * MS..10 * MS));
    let deeds: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut reactor = sim
        .reactor("host", Builder::default(), Times::new())
        .unwrap();
    boot(&mut reactor, &deeds).unwrap();
    assert!(sim.signal(sim.host_called("host").unwrap(), SIGNAL));
    reactor.turn(Some(MS)).unwrap();
    let holders = Arc::strong_count(&deeds);
    drop(reactor);
    assert_eq!(
        Arc::strong_count(&deeds),
        holders - 5,
        "the handler and four jobs"
    );
    sim.run_for(Duration::from_secs(1)).unwrap();
    let deeds = deeds.lock().unwrap().clone();
    assert_eq!(deeds, ["one 0", "other 0", "pool 0", "pool 1", "pool 2"]);
}

/// A log on a disk, as a lane's jobs keep it: numbers in order, each synced before it is told.
struct Keeper {
    lane: Lane,
    disk: Disk,
    next: u64,
}

impl Keeper {
    fn step(&mut self, cx: &mut Context<'_, u64>) -> Result {
        let (disk, number) = (self.disk.clone(), self.next);
        self.next += 1;
        let job = move || {
            disk.append("log", &number.to_le_bytes())?;
            disk.sync("log").map(|()| number)
        };
        cx.offload_on(self.lane, job).map(drop)
    }
}

impl Handler<u64> for Keeper {
    fn handle_signal(&mut self, _: &mut u64, cx: &mut Context<'_, u64>, _: i32) -> Result {
        self.step(cx)?;
        self.step(cx)
    }

    fn handle_done(&mut self, told: &mut u64, cx: &mut Context<'_, u64>, done: Done) -> Result {
        *told = done.take::<std::io::Result<u64>>()?? + 1;
        self.step(cx)
    }
}

#[test]
fn the_jobs_of_a_lane_keep_a_log_on_the_disk_of_their_host() {
    let mut sim = Simulation::new(5);
    let disk = sim.disk("keeper");
    let files = disk.clone();
    let host = sim
        .host("keeper", u64::default, move |reactor| {
            let lane = reactor.open_lane("log")?;
            // What is torn at the end was not told.
            let mut log = disk.read("log").unwrap_or_default();
            log.truncate(log.len() / 8 * 8);
            let numbers = log.chunks_exact(8).map(|eight| eight.try_into().unwrap());
            let is_whole = |(at, number): &(u64, u64)| at == number;
            let whole = (0..)
                .zip(numbers.map(u64::from_le_bytes))
                .take_while(is_whole);
            let next = whole.count() as u64;
            disk.write("new", &log[..next as usize * 8])?;
            disk.sync("new")?;
            disk.rename("new", "log")?;
            disk.sync("log")?;
            *reactor.state_mut() = next;
            let disk = disk.clone();
            reactor.with(|_, cx| cx.signals(&[SIGNAL], Keeper { lane, disk, next }))?;
            Ok(())
        })
        .unwrap();
    let mut told = 0;
    for round in 0..100 {
        assert!(sim.signal(host, SIGNAL));
        sim.run_for(Duration::from_micros(20_000 + 37 * round))
            .unwrap();
        told = *sim.state(host);
        sim.crash(host);
        sim.restart(host).unwrap();
        let found = *sim.state(host);
        assert!(found >= told, "{told} were told, {found} are there");
    }
    assert!(told > 200, "it kept {told}");
    assert_eq!(files.read("log").unwrap().len() % 8, 0);
}
