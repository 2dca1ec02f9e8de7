//! Serial lanes: their jobs keep their order and run apart from all others, and what becomes of
//! them when the reactor ends.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use switchboard::{Builder, Context, Error, Lane};

use crate::probe::{Log, Probe};
use crate::world::World;

/// What the jobs of a case have done, in order.
#[derive(Clone, Default)]
struct Deeds {
    done: Arc<Mutex<Vec<usize>>>,
    busy: Arc<AtomicBool>,
}

impl Deeds {
    fn job(&self, number: usize) -> impl FnOnce() -> usize + Send + 'static {
        let deeds = self.clone();
        move || {
            let was_busy = deeds.busy.swap(true, Ordering::Relaxed);
            deeds.add(number);
            thread::yield_now(); // lets another one in, if there is one
            deeds.busy.store(false, Ordering::Relaxed);
            assert!(!was_busy, "two at once");
            number
        }
    }

    fn add(&self, number: usize) {
        self.done
            .lock()
            .expect("nobody panics with it")
            .push(number);
    }

    fn all(&self) -> Vec<usize> {
        self.done.lock().expect("nobody panics with it").clone()
    }
}

/// A probe that does `offload` once, when its peer says so.
fn offloads(
    name: &'static str,
    offload: impl FnOnce(&mut Context<'_, Log>) -> switchboard::Result + 'static,
) -> Probe {
    let mut offload = Some(offload);
    Probe::new(name).on_read(move |_, cx| {
        cx.recv(usize::MAX);
        offload.take().expect("it is asked once")(cx)
    })
}

fn open_lane(world: &mut World, name: &str) -> Lane {
    world.reactor.open_lane(name).expect("there is room")
}

pub fn jobs_of_a_lane_run_one_after_the_other_in_order(world: &mut World) {
    const EACH: usize = 40;
    let deeds = Deeds::default();
    let lane = open_lane(world, "ledger");
    let next = Arc::new(AtomicUsize::new(0));
    let mut expected = Vec::new();
    for name in ["first", "second"] {
        let (deeds, next) = (deeds.clone(), Arc::clone(&next));
        let mut last = None;
        let probe = offloads(name, move |cx| {
            for _ in 0..EACH {
                let number = next.fetch_add(1, Ordering::Relaxed);
                cx.offload_on(lane, deeds.job(number))?;
            }
            Ok(())
        })
        .on_done(move |_, _, done| {
            let number = done.take::<usize>()?;
            assert!(last < Some(number), "{number} after {last:?}");
            last = Some(number);
            Ok(())
        });
        let (_, peer) = world.open(probe);
        world.send(peer, "go");
        expected.extend(expected.len()..expected.len() + EACH);
    }
    world.drive_until("all", |world| {
        let log = world.log();
        log.count("first", "done") + log.count("second", "done") == 2 * EACH
    });
    assert_eq!(deeds.all(), expected);
}

pub fn a_panic_in_a_job_of_a_lane_is_its_result_alone(world: &mut World) {
    let lane = open_lane(world, "ledger");
    let probe = offloads("near", move |cx| {
        cx.offload_on(lane, || -> u64 { panic!("out of ink") })?;
        cx.offload_on(lane, || 7u64).map(drop)
    });
    let (_, peer) = world.open(probe.on_done(|log, _, done| {
        match done.take::<u64>() {
            Ok(value) => log.note(value),
            Err(Error::Panicked(message)) => log.note(message),
            Err(other) => return Err(other),
        }
        Ok(())
    }));
    world.send(peer, "go");
    world.drive_until("both", |world| world.log().count("near", "done") == 2);
    assert_eq!(
        world.log().of("near"),
        ["done", "out of ink", "done", "7"],
        "and in this order"
    );
}

pub fn a_full_lane_refuses_and_the_others_do_not(world: &mut World) {
    world.rebuild(|builder| builder.max_jobs(2));
    let (full, other) = (open_lane(world, "full"), open_lane(world, "other"));
    let deeds = Deeds::default();
    let its = deeds.clone();
    let (_, peer) = world.open(offloads("near", move |cx| {
        cx.offload_on(full, its.job(0))?;
        cx.offload_on(full, its.job(1))?;
        let refused = cx.offload_on(full, its.job(2));
        assert!(matches!(refused, Err(Error::TooManyJobs { limit: 2 })));
        cx.offload_on(other, || ())?;
        cx.offload(|| ())?;
        cx.offload(|| ())?;
        let refused = cx.offload(|| ());
        assert!(matches!(refused, Err(Error::TooManyJobs { limit: 2 })));
        cx.offload_on(other, || ()).map(drop)
    }));
    world.send(peer, "go");
    world.drive_until("all", |world| world.log().count("near", "done") == 6);
    assert_eq!(deeds.all(), [0, 1]);
    // And there is room again.
    let deeds = Deeds::default();
    let its = deeds.clone();
    let (_, peer) = world.open(offloads("later", move |cx| {
        cx.offload_on(full, its.job(3))?;
        cx.offload_on(full, its.job(4)).map(drop)
    }));
    world.send(peer, "go");
    world.drive_until("two more", |world| world.log().count("later", "done") == 2);
    assert_eq!(deeds.all(), [3, 4]);
}

pub fn lanes_beyond_the_bound_and_those_of_others_are_refused(world: &mut World) {
    let foreign = open_lane(world, "a"); // and then there is another reactor
    world.rebuild(|builder| builder.max_lanes(1));
    let refusal = |world: &mut World, expected: &'static str| {
        let (_, peer) = world.open(offloads("near", move |cx| {
            let refused = cx.offload_on(foreign, || ()).expect_err("it is foreign");
            assert!(refused.to_string().contains(expected), "{refused}");
            Ok(())
        }));
        world.send(peer, "go");
        world.settle();
    };
    refusal(world, "lane 0 was not opened in this reactor");
    let named = world.reactor.open_lane("no\0name").expect_err("it has one");
    assert!(named.to_string().contains("zero"), "{named}");
    open_lane(world, "a");
    let refused = world.reactor.open_lane("b");
    assert!(matches!(refused, Err(Error::TooManyLanes { limit: 1 })));
    assert_eq!(world.log().why("near"), None, "{:?}", world.log().all());
}

pub fn a_shutdown_waits_for_the_jobs_of_lanes(world: &mut World) {
    let lane = open_lane(world, "ledger");
    let deeds = Deeds::default();
    let its = deeds.clone();
    let (_, peer) = world.open(offloads("near", move |cx| {
        for number in 0..20 {
            cx.offload_on(lane, its.job(number))?;
        }
        cx.stop();
        cx.abort();
        Ok(())
    }));
    world.send(peer, "go");
    assert_eq!(world.drive_to_end("near"), "Aborted");
    world.reactor.run().expect("it ends");
    assert_eq!(deeds.all(), Vec::from_iter(0..20));
    assert!(!world.log().has("near", "done"), "nobody is left");
}

pub fn a_reactor_is_not_done_while_a_lane_has_jobs(world: &mut World) {
    let lane = open_lane(world, "ledger");
    let deeds = Deeds::default();
    let its = deeds.clone();
    let (_, peer) = world.open(offloads("near", move |cx| {
        cx.offload_on(lane, its.job(0))?;
        cx.offload_on(lane, its.job(1))?;
        cx.abort();
        Ok(())
    }));
    world.send(peer, "go");
    world.drive_to_end("near");
    world.reactor.run().expect("it ends");
    assert_eq!(deeds.all(), [0, 1]);
}

/// A gate for one job, and the job.
fn gated(deeds: &Deeds, number: usize) -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (go_on, gate) = mpsc::channel::<()>();
    let deeds = deeds.clone();
    let job = move || {
        gate.recv().expect("the case sends");
        deeds.add(number);
    };
    (go_on, job)
}

pub fn lanes_and_the_pool_do_not_wait_for_each_other(world: &mut World) {
    world.rebuild(|builder| builder.threads(1));
    let deeds = Deeds::default();
    let lanes = [open_lane(world, "one"), open_lane(world, "two")];
    // Of the pool, the first lane and the second one, two at a time stand still.
    for free in 0..3 {
        let (mut gates, mut jobs) = (Vec::new(), Vec::new());
        for number in (0..3).filter(|number| *number != free) {
            let (gate, job) = gated(&deeds, number);
            gates.push(gate);
            jobs.push((number, job));
        }
        let probe = offloads("near", move |cx| {
            for (number, job) in jobs {
                match number.checked_sub(1) {
                    None => cx.offload(job)?,
                    Some(lane) => cx.offload_on(lanes[lane], job)?,
                };
            }
            match usize::checked_sub(free, 1) {
                None => cx.offload(|| "free")?,
                Some(lane) => cx.offload_on(lanes[lane], || "free")?,
            };
            Ok(())
        });
        let (_, peer) = world.open(probe);
        let before = world.log().count("near", "done");
        world.send(peer, "go");
        world.drive_until("the free one", |world| {
            world.log().count("near", "done") == before + 1
        });
        assert_eq!(deeds.all().len(), 2 * free, "the others wait");
        gates
            .iter()
            .for_each(|gate| gate.send(()).expect("it waits"));
        world.drive_until("the others", |world| {
            world.log().count("near", "done") == before + 3
        });
    }
}

pub fn a_lane_has_one_thread_of_its_name(world: &mut World) {
    let lanes = [open_lane(world, "ledger"), open_lane(world, "archive")];
    let probe = offloads("near", move |cx| {
        for lane in [lanes[0], lanes[1], lanes[0]] {
            cx.offload_on(lane, || {
                let thread = thread::current();
                (thread.name().map(str::to_owned), thread.id())
            })?;
        }
        Ok(())
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let found = seen.clone();
    let (_, peer) = world.open(probe.on_done(move |_, _, done| {
        let (name, id) = done.take::<(Option<String>, thread::ThreadId)>()?;
        let name = name.expect("it has one");
        seen.lock().expect("nobody panics with it").push((name, id));
        Ok(())
    }));
    world.send(peer, "go");
    world.drive_until("all", |world| world.log().count("near", "done") == 3);
    let mut found = found.lock().expect("nobody panics with it").clone();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["archive", "ledger", "ledger"]);
    assert_eq!(found[1].1, found[2].1, "one thread for all of a lane");
    assert_ne!(found[0].1, found[1].1);
}

/// Counts how often it was dropped, in whichever thread.
struct Told(Arc<AtomicUsize>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long a job goes on when it is free to end: whoever does not wait for it is seen to be back
/// before.
const LATE: Duration = Duration::from_millis(50);

/// One job runs until some time after the state is dropped, and a hundred wait.
fn one_runs_and_others_wait(
    world: &mut World,
    configure: impl FnOnce(Builder) -> Builder,
) -> (Deeds, Arc<AtomicUsize>, mpsc::Sender<()>) {
    world.rebuild(configure);
    let lane = open_lane(world, "ledger");
    let (deeds, dropped) = (Deeds::default(), Arc::new(AtomicUsize::new(0)));
    let (go_on, gate) = mpsc::channel();
    let (held, late) = mpsc::channel();
    let (its, told) = (deeds.clone(), Arc::clone(&dropped));
    let (begin, begun) = mpsc::channel();
    let first = deeds.clone();
    let (_, peer) = world.open(offloads("near", move |cx| {
        cx.offload_on(lane, move || {
            begin.send(()).expect("the case listens");
            let _ = gate.recv(); // hangs up
            let _ = late.recv_timeout(LATE); // nobody sends
            first.add(0);
        })?;
        for number in 1..=100 {
            let (told, job) = (Told(Arc::clone(&told)), its.job(number));
            cx.offload_on(lane, move || {
                let _told = told;
                job()
            })?;
        }
        Ok(())
    }));
    world.reactor.state_mut().on_drop = Some(go_on);
    world.send(peer, "go");
    world.drive_until("the first one", |_| begun.try_recv().is_ok());
    (deeds, dropped, held)
}

pub fn dropping_the_reactor_waits_for_the_job_that_runs_and_begins_none(world: &mut World) {
    let (deeds, dropped, _held) = one_runs_and_others_wait(world, |builder| builder);
    world.rebuild(|builder| builder);
    assert_eq!(deeds.all(), [0]);
    assert_eq!(dropped.load(Ordering::Relaxed), 100, "and none is left");
}

pub fn a_lane_that_stands_still_ends_no_shutdown_late(world: &mut World) {
    let timeout = Duration::from_millis(40);
    let (deeds, _, _held) =
        one_runs_and_others_wait(world, |builder| builder.shutdown_timeout(timeout));
    world.reactor.shutdown_handle().shutdown();
    world.reactor.run().expect("it ends");
    assert!(deeds.all().is_empty(), "it runs still");
    world.rebuild(|builder| builder);
    assert_eq!(deeds.all(), [0]);
}
