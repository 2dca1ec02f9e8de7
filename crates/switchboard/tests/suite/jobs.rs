//! Work off the loop: its value reaches the source that asked, the loop goes on meanwhile, and how
//! much may be under way is bounded.

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use switchboard::{Error, JobId};

use crate::probe::Probe;
use crate::world::World;

/// A probe that offloads `job` once, when its peer says so.
fn offloads<T: Send + 'static>(
    name: &'static str,
    job: impl FnOnce() -> T + Send + 'static,
) -> Probe {
    let mut job = Some(job);
    Probe::new(name).on_read(move |_, cx| {
        cx.recv(usize::MAX);
        let job = job.take().expect("it is asked once");
        cx.offload(job).map(drop)
    })
}

pub fn values_come_back_under_the_ids_of_their_jobs(world: &mut World) {
    let (go_on, gate) = mpsc::channel::<u64>();
    let mut gate = Some(gate);
    let ids = Arc::new(Mutex::new(Vec::<JobId>::new()));
    let known = ids.clone();
    let probe = Probe::new("near")
        .on_read(move |_, cx| {
            cx.recv(usize::MAX);
            let gate = gate.take().expect("it is asked once");
            let slow = cx.offload(move || gate.recv().expect("the case sends"))?;
            let quick = cx.offload(|| "quick".to_owned())?;
            assert_ne!(slow, quick);
            ids.lock()
                .expect("nobody panics with it")
                .extend([slow, quick]);
            Ok(())
        })
        .on_done(move |log, _, done| {
            let known = known.lock().expect("nobody panics with it");
            if done.job == known[1] {
                log.note(done.take::<String>()?);
            } else {
                assert_eq!(done.job, known[0]);
                log.note(done.take::<u64>()?);
            }
            Ok(())
        });
    let (_, peer) = world.open(probe);
    world.send(peer, "go");
    world.drive_until("the quick one", |world| world.log().has("near", "quick"));
    assert_eq!(world.log().of("near"), ["done", "quick"]);
    go_on.send(42).expect("the job waits for it");
    world.drive_until("the slow one", |world| world.log().has("near", "42"));
    assert_eq!(world.log().of("near").len(), 4);
}

pub fn a_job_that_panics_is_an_error_of_its_value(world: &mut World) {
    let probe = offloads("near", || -> u64 { panic!("division of the house") });
    let (_, peer) = world.open(probe.on_done(|log, _, done| {
        match done.take::<u64>() {
            Err(Error::Panicked(message)) => log.note(message),
            other => log.note(format_args!("{other:?}")),
        }
        Ok(())
    }));
    world.send(peer, "go");
    world.drive_until("its end", |world| {
        world.log().has("near", "division of the house")
    });
    world.settle();
    assert_eq!(world.log().why("near"), None, "it may go on");
    assert!(!world.reactor.is_done());
}

pub fn a_value_of_another_type_is_an_error(world: &mut World) {
    let probe = offloads("near", || 7u8);
    let (_, peer) = world.open(probe.on_done(|_, _, done| done.take::<String>().map(drop)));
    world.send(peer, "go");
    world.drive_until("the error", |world| world.log().of("near").len() == 2);
    world.leave(peer);
    let why = world.drive_to_end("near");
    assert!(why.starts_with("Error(") && why.contains("String"), "{why}");
}

pub fn the_value_for_a_source_that_is_gone_is_dropped(world: &mut World) {
    struct Told(mpsc::Sender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(()).expect("the case listens");
        }
    }
    let (tell, told) = mpsc::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    let value = Told(tell);
    let job = move || {
        gate.recv().expect("the case sends");
        value
    };
    let (token, peer) = world.open(offloads("near", job));
    world.send(peer, "go");
    world.settle();
    world.with(|cx| cx.abort_source(token));
    world.drive_to_end("near");
    assert!(!world.reactor.is_done(), "a job is under way");
    // The next source in that slot is none of the job's.
    world.open(Probe::new("next"));
    assert!(told.try_recv().is_err());
    go_on.send(()).expect("the job waits for it");
    world.drive_until("its end", |_| told.try_recv().is_ok());
    world.settle();
    assert_eq!(world.log().of("near"), ["closed Aborted"]);
    assert!(world.log().of("next").is_empty());
}

pub fn jobs_beyond_the_bound_are_refused(world: &mut World) {
    world.rebuild(|builder| builder.max_jobs(2).threads(1));
    let (go_on, gate) = mpsc::channel::<()>();
    let mut gate = Some(gate);
    let probe = Probe::new("near")
        .on_read(move |log, cx| {
            cx.recv(usize::MAX);
            if let Some(gate) = gate.take() {
                cx.offload(move || gate.recv().is_ok())?;
                cx.offload(|| true)?; // waits for the one thread
            }
            match cx.offload(|| true) {
                Err(Error::TooManyJobs { limit: 2 }) => log.note("refused"),
                other => log.note(format_args!("{:?}", other.is_ok())),
            }
            Ok(())
        })
        .on_done(|_, _, done| done.take::<bool>().map(|went_well| assert!(went_well)));
    let (_, peer) = world.open(probe);
    world.send(peer, "go");
    world.settle();
    assert_eq!(world.log().of("near"), ["refused"]);
    go_on.send(()).expect("the job waits for it");
    world.drive_until("the two", |world| world.log().count("near", "done") == 2);
    world.send(peer, "again");
    world.drive_until("a third", |world| world.log().count("near", "done") == 3);
    assert_eq!(world.log().of("near")[3], "true");
}

/// Each waits for the other, so one after the other they would wait for ever.
pub fn two_jobs_run_at_the_same_time(world: &mut World) {
    world.rebuild(|builder| builder.threads(2));
    let meeting = Arc::new(Barrier::new(2));
    for name in ["first", "second"] {
        let meeting = meeting.clone();
        let (_, peer) = world.open(offloads(name, move || meeting.wait().is_leader()));
        world.send(peer, "go");
    }
    world.drive_until("both", |world| {
        world.log().has("first", "done") && world.log().has("second", "done")
    });
}

pub fn the_loop_goes_on_while_a_job_runs(world: &mut World) {
    let (go_on, gate) = mpsc::channel::<()>();
    let (_, near) = world.open(offloads("near", move || gate.recv().is_ok()));
    let (_, other) = world.open(Probe::echo("other"));
    world.send(near, "go");
    world.settle();
    world.send(other, "still there?");
    world.drive_until_received(other, "still there?");
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    assert!(world.log().of("near").is_empty());
    go_on.send(()).expect("the job waits for it");
    world.drive_until("its value", |world| world.log().has("near", "done"));
}

pub fn a_source_that_has_ended_can_offload_nothing(world: &mut World) {
    let probe = Probe::new("near").on_close(|log, cx| {
        let refused = cx.offload(|| ());
        assert!(matches!(refused, Err(Error::Stale(token)) if token == cx.token()));
        log.note("refused");
        Ok(())
    });
    let (token, _) = world.open(probe);
    world.with(|cx| cx.abort_source(token));
    world.drive_until("it", |world| world.log().has("near", "refused"));
    assert!(world.reactor.is_done(), "nothing is under way");
}
