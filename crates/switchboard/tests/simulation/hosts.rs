//! Hosts and what runs on them: posts between them, jobs, signals, and what is told of failures.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use switchboard::signal::{SIGINT, SIGTERM};
use switchboard::sim::{Action, Fault, Faults, Simulation};
use switchboard::{Close, Context, Done, Handler, OnPanic, Reactor, Remote, Result, Time, TimerId};

use crate::chat;

/// Something to hang timers and jobs on: a source that only waits for a signal.
fn with_source(reactor: &mut Reactor<Vec<u64>>, handler: impl Handler<Vec<u64>>) -> Result {
    let signals = [switchboard::signal::SIGHUP];
    reactor.with(|_, cx| {
        let token = cx.signals(&signals, handler)?;
        cx.set_source_timer(token, Duration::from_millis(5))?;
        Ok(())
    })
}

/// Posts to another host whenever its timer is due.
struct Poster(Remote<Vec<u64>>);

impl Handler<Vec<u64>> for Poster {
    fn handle_timer(
        &mut self,
        _: &mut Vec<u64>,
        cx: &mut Context<'_, Vec<u64>>,
        _: TimerId,
    ) -> Result {
        let posted = self.0.post(|times, cx| times.push(cx.now().as_nanos()));
        assert!(posted.is_ok(), "there is room");
        cx.set_timer(Duration::from_millis(5)).map(drop)
    }
}

#[test]
fn a_post_from_another_host_wakes_in_virtual_time() {
    let run = || {
        let mut sim = Simulation::new(3);
        let sleeper = sim
            .host("sleeper", Vec::new, |_| Ok(()))
            .expect("it starts");
        let remote = sim.with(sleeper, |_, cx| cx.remote());
        let boot =
            move |reactor: &mut Reactor<Vec<u64>>| with_source(reactor, Poster(remote.clone()));
        sim.host("poster", Vec::new, boot).expect("it starts");
        sim.run_for(Duration::from_millis(52))
            .expect("all goes well");
        (sim.state(sleeper).clone(), sim.log_hash())
    };
    let (times, hash) = run();
    assert_eq!(times.len(), 10);
    for (index, time) in times.iter().enumerate() {
        let due = (index as u64 + 1) * 5_000_000;
        assert!((due..due + 50_000).contains(time), "{time} for {due}");
    }
    assert_eq!(run(), (times, hash));
}

/// Gives out jobs, and notes the order in which they end.
struct Employer;

impl Handler<Vec<u64>> for Employer {
    fn handle_timer(
        &mut self,
        _: &mut Vec<u64>,
        cx: &mut Context<'_, Vec<u64>>,
        _: TimerId,
    ) -> Result {
        for number in 0..4_u64 {
            cx.offload(move || number)?;
        }
        Ok(())
    }

    fn handle_done(
        &mut self,
        order: &mut Vec<u64>,
        cx: &mut Context<'_, Vec<u64>>,
        done: Done,
    ) -> Result {
        let waited = cx.now() - Time::ZERO;
        assert!(waited >= Duration::from_millis(6), "a job takes its time");
        order.push(done.take()?);
        Ok(())
    }
}

#[test]
fn jobs_end_in_an_order_that_the_seed_decides() {
    let order = |seed| {
        let mut sim = Simulation::new(seed);
        let boot = |reactor: &mut Reactor<Vec<u64>>| with_source(reactor, Employer);
        let host = sim.host("employer", Vec::new, boot).expect("it starts");
        sim.run_until(|sim| sim.state(host).len() == 4)
            .expect("they end");
        sim.state(host).clone()
    };
    let orders: BTreeSet<Vec<u64>> = (0..200).map(order).collect();
    assert_eq!(orders.len(), 24, "all orders of four");
    assert_eq!(order(5), order(5));
}

struct Bomb;

impl Handler<Vec<u64>> for Bomb {
    fn handle_timer(
        &mut self,
        _: &mut Vec<u64>,
        _: &mut Context<'_, Vec<u64>>,
        _: TimerId,
    ) -> Result {
        panic!("boom");
    }
}

#[test]
fn a_panic_in_a_handler_ends_the_run_with_host_moment_and_seed() {
    let mut sim = Simulation::new(9);
    let boot = |reactor: &mut Reactor<Vec<u64>>| with_source(reactor, Bomb);
    sim.host("bomber", Vec::new, boot).expect("it starts");
    let error = sim.run_for(Duration::from_secs(1)).unwrap_err().to_string();
    assert_eq!(error, "host bomber failed at 5ms (seed 9): panicked: boom");
}

#[test]
fn a_host_can_be_told_to_contain_panics() {
    let mut sim = Simulation::new(9);
    let builder = Reactor::builder().on_panic(OnPanic::Continue);
    let boot = |reactor: &mut Reactor<Vec<u64>>| with_source(reactor, Bomb);
    sim.host_with("bomber", builder, Vec::new, boot)
        .expect("it starts");
    sim.run_for(Duration::from_secs(1))
        .expect("it was contained");
    assert!(sim.story().contains("the handler panicked: boom"));
}

#[test]
fn a_boot_that_fails_is_told_at_the_start_and_at_a_restart() {
    let mut sim = Simulation::new(1);
    let mut boots = 0;
    let boot = move |_: &mut Reactor<()>| {
        boots += 1;
        if boots == 1 {
            Ok(())
        } else {
            Err("no disk".into())
        }
    };
    let host = sim.host("fickle", || (), boot).expect("it starts once");
    sim.script("at 1 s, crash {fickle} for 1 s")
        .expect("it is understood");
    let error = sim.run_for(Duration::from_secs(5)).unwrap_err().to_string();
    assert_eq!(error, "host fickle failed at 2s (seed 1): no disk");
    assert!(sim.is_up(host));
    let again = sim
        .host("fickle", || (), |_| Ok(()))
        .unwrap_err()
        .to_string();
    assert!(
        again.contains("there is a host called \"fickle\" already"),
        "{again}"
    );
}

#[test]
fn a_host_that_is_down_has_no_state() {
    let mut sim = Simulation::new(1);
    let host = sim.host("host", || 7, |_| Ok(())).expect("it starts");
    assert_eq!(*sim.state(host), 7);
    sim.crash(host);
    sim.crash(host); // there is nothing left to take
    assert!(catch_unwind(AssertUnwindSafe(|| *sim.state(host))).is_err());
}

#[test]
fn waiting_in_vain_ends_with_the_story() {
    let (mut sim, hosts) = chat::build(4, 1, 1);
    let error = sim
        .run_until(|sim| sim.state(hosts[1]).answers == 2)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("nothing is left to happen in vain (seed 4)"),
        "{text}"
    );
    assert!(text.contains("connected"), "{text}");
    assert!(
        sim.run_until(|sim| sim.state(hosts[1]).answers == 1)
            .is_ok()
    );
}

/// A reactor's random numbers come from the simulation's seed, and differ between hosts.
#[test]
fn random_numbers_come_from_the_seed() {
    let draw = |seed| {
        let mut sim = Simulation::new(seed);
        let mut draw = |name| {
            let host = sim.host(name, || (), |_| Ok(())).expect("it starts");
            sim.with(host, |_, cx| cx.random())
        };
        (draw("one"), draw("other"))
    };
    let (one, other) = draw(1);
    assert_ne!(one, other);
    assert_eq!(draw(1), (one, other));
    assert_ne!(draw(2), (one, other));
}

/// When in the life of a connection resets have come.
fn note_situations(sim: &Simulation, situations: &mut BTreeSet<String>) {
    for line in sim.story().lines().filter(|line| line.contains(" <- ")) {
        let (_, situation) = line.split_once(", ").expect("it says when");
        situations.insert(situation.to_owned());
    }
}

/// Connections are reset in each state that they can be in.
#[test]
fn resets_come_in_every_state() {
    let mut situations = BTreeSet::new();
    for seed in 0..300 {
        let (mut sim, _) = chat::build(seed, 2, 3);
        sim.faults(
            Faults::none()
                .with(Fault::Reset, 0.1)
                .with(Fault::Split, 0.3),
        );
        sim.run_for(Duration::from_secs(3)).expect("all goes well");
        note_situations(&sim, &mut situations);
    }
    // Programs seldom stay there: sockets do.
    for ends in [1, 2] {
        let mut sim = Simulation::new(1);
        let mut listener = sim
            .listen("server", "0.0.0.0:80")
            .expect("the port is free");
        let mut client = sim.dial("client", "server:80").expect("it is there");
        let moment = Duration::from_millis(10);
        sim.run_for(moment).expect("nobody is there to fail");
        let mut server = listener.accept().expect("it has come");
        client.shutdown(Shutdown::Write);
        if ends == 2 {
            server.shutdown(Shutdown::Write);
        }
        sim.run_for(moment).expect("nobody is there to fail");
        let both = ["server", "client"].map(|name| sim.host_called(name).expect("it is there"));
        sim.act(Action::Reset(both[0], both[1]))
            .expect("it can be done");
        sim.run_for(moment).expect("nobody is there to fail");
        note_situations(&sim, &mut situations);
        // Linux tells a reset after the peer's end as a broken pipe.
        let error = server.write(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
    let expected = [
        "after both ends",
        "after closing",
        "after our end",
        "after the peer's end",
        "while being accepted",
        "while connecting",
        "while open",
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|of| !situations.contains(**of))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {situations:?}");
}

struct Job;

impl Handler<Vec<String>> for Job {
    fn handle_close(
        &mut self,
        told: &mut Vec<String>,
        _: &mut Context<'_, Vec<String>>,
        why: &Close,
    ) {
        told.push(why.to_string());
    }
}

/// What it would do is not simulated, and it must not do it in the real world.
#[test]
fn a_child_process_cannot_be_simulated() {
    let mut sim = Simulation::new(3);
    let boot =
        |reactor: &mut Reactor<Vec<String>>| reactor.spawn(Command::new("true"), Job).map(drop);
    let host = sim.host("host", Vec::new, boot).expect("it starts");
    sim.run_for(Duration::from_millis(1))
        .expect("all goes well");
    let told = sim.state(host);
    assert_eq!(
        *told,
        ["a simulation runs no child processes: simulate a host in its place"]
    );
}

/// Sends more than its peer, which does not read, has room for.
struct Flood;

impl Handler<()> for Flood {
    fn handle_connect(&mut self, (): &mut (), cx: &mut Context<'_, ()>) -> Result {
        cx.send(vec![b'x'; 100_000])
    }
}

/// It has no process that could be ended.
#[test]
fn a_second_signal_ends_a_simulated_host_without_waiting() {
    let mut sim = Simulation::new(3);
    sim.faults(Faults::none().buffers(4096, 4096));
    let mut peer = sim.listen("peer", "peer:80").expect("the port is free");
    let boot = |reactor: &mut Reactor<()>| {
        reactor.connect("peer:80", Flood)?;
        reactor.stop_on_signals(&[SIGINT, SIGTERM]).map(drop)
    };
    let host = sim.host("host", || (), boot).expect("it starts");
    sim.run_for(Duration::from_millis(100))
        .expect("all goes well");
    let _deaf = peer.accept().expect("it has connected");
    assert!(sim.signal(host, SIGINT));
    sim.run_for(Duration::from_secs(1)).expect("all goes well");
    assert_eq!(sim.with(host, |(), cx| cx.sources()), 2, "it waits");
    assert!(sim.signal(host, SIGTERM));
    sim.run_for(Duration::from_millis(1))
        .expect("all goes well");
    assert_eq!(sim.with(host, |(), cx| cx.sources()), 0);
}
