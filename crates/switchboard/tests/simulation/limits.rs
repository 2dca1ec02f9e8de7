//! Limits of a source in virtual time, where each of them holds to the millisecond. A network that
//! takes no time takes some microseconds, as each tick does, and timers are rounded up: hence the
//! millisecond more.

use std::time::Duration;

use switchboard::sim::{Faults, Simulation, Socket};
use switchboard::{
    Builder, Close, Context, Handler, Rate, Reactor, Result, SourceOptions, Stream, Time,
};

/// What the reactor's handlers were told, and when, in milliseconds.
type Told = Vec<(u64, String)>;

/// Consumes what ends with a newline.
struct Lines;

impl Handler<Told> for Lines {
    fn handle_read(&mut self, told: &mut Told, cx: &mut Context<'_, Told>) -> Result {
        let data = cx.data();
        if data.ends_with(b"\n") {
            told.push((millis(cx.now()), format!("{} bytes", data.len())));
            cx.consume(data.len());
        }
        Ok(())
    }

    fn handle_close(&mut self, told: &mut Told, cx: &mut Context<'_, Told>, why: &Close) {
        told.push((millis(cx.now()), why.to_string()));
    }
}

struct Door;

impl Handler<Told> for Door {
    fn handle_accepted(
        &mut self,
        told: &mut Told,
        cx: &mut Context<'_, Told>,
        _: Stream,
    ) -> Result {
        told.push((millis(cx.now()), "accepted".to_owned()));
        Ok(())
    }
}

fn millis(time: Time) -> u64 {
    (time - Time::ZERO).as_millis() as u64
}

struct Scene {
    sim: Simulation,
    reactor: Reactor<Told>,
}

impl Scene {
    /// A network that takes no time.
    fn new(options: SourceOptions) -> Scene {
        let mut sim = Simulation::new(1);
        let nothing = Duration::ZERO;
        sim.faults(Faults::none().latency(nothing..nothing));
        let builder = Builder::default().source_options(options);
        let reactor = sim.reactor("here", builder, Told::new());
        let reactor = reactor.expect("it is built");
        Scene { sim, reactor }
    }

    fn open(&mut self) -> Socket {
        let (near, far) = self.sim.pair("here", "there");
        let registered = self.reactor.with(|_, cx| cx.register(near, Lines));
        registered.expect("there is room");
        far
    }

    /// Turns until that moment, and says what the handlers have been told since the last time.
    fn run_to(&mut self, end: u64) -> Told {
        let end = Time::ZERO + Duration::from_millis(end);
        loop {
            let left = end - self.reactor.with(|_, cx| cx.now());
            if left.is_zero() {
                return std::mem::take(self.reactor.state_mut());
            }
            self.reactor.turn(Some(left)).expect("all goes well");
        }
    }
}

#[track_caller]
fn assert_told(told: &Told, expected: &[(u64, &str)]) {
    let told: Vec<_> = told.iter().map(|(at, what)| (*at, what.as_str())).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_message_has_until_its_deadline_however_many_bytes_trickle_in() {
    cov_mark::check!(limit_timed_out);
    let timeout = Duration::from_millis(1000);
    let mut scene = Scene::new(SourceOptions::default().with_read_timeout(timeout));
    let mut far = scene.open();
    scene.run_to(5000); // it may be silent as long as it likes
    for step in 0..30 {
        far.write(b"x").expect("it is open");
        scene.run_to(5000 + (step + 1) * 33);
    }
    far.write(b"\n").expect("it is open"); // just in time
    assert_told(&scene.run_to(6000), &[(5990, "31 bytes")]);
    for step in 0..9 {
        far.write(b"x").expect("it is open");
        assert_told(&scene.run_to(6000 + (step + 1) * 100), &[]);
    }
    let told = scene.run_to(8000);
    assert_told(&told, &[(7001, "no whole message came in time")]);
}

#[test]
fn what_a_peer_does_not_take_is_waited_for_until_the_deadline() {
    let timeout = Duration::from_millis(1000);
    let options = SourceOptions::default().with_write_timeout(timeout);
    let mut scene = Scene::new(options.with_watermarks(1 << 20, 16 << 20));
    let (near, mut far) = scene.sim.pair("here", "there");
    let token = scene.reactor.with(|_, cx| {
        let token = cx.register(near, Lines)?;
        cx.send_to(token, vec![0; 8 << 20])?;
        Ok::<_, switchboard::Error>(token)
    });
    token.expect("there is room");
    assert_told(&scene.run_to(900), &[]);
    let taken = far.read(&mut vec![0; 1 << 20]).expect("it is there");
    assert!(taken > 0);
    let told = scene.run_to(4000);
    let [(at, why)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(why, "the peer took nothing for too long");
    assert!((1900..1910).contains(at), "after {at} ms");
}

/// 1,000 bytes a second are 50 in 50 ms, which is what there has to be before any are read.
#[test]
fn a_read_rate_is_exact() {
    cov_mark::check!(rate_reached);
    let rate = Rate::per_second(1000).with_burst(200);
    let mut scene = Scene::new(SourceOptions::default().with_read_rate(rate));
    let mut far = scene.open();
    far.write(&b"\n".repeat(401)).expect("there is room");
    let told = scene.run_to(1000);
    let fifty = |at| (at, "50 bytes");
    let rest = [
        fifty(51),
        fifty(101),
        fifty(151),
        fifty(201),
        (251, "1 bytes"),
    ];
    assert_told(&told, &[&[(0, "200 bytes")], &rest[..]].concat());
    scene.run_to(10_000);
    far.write(&b"\n".repeat(300)).expect("there is room");
    let after_a_rest: usize = scene.run_to(10_001).iter().map(bytes).sum();
    assert_eq!(after_a_rest, 200, "a burst");
}

fn bytes((_, what): &(u64, String)) -> usize {
    let number = what.split(' ').next().expect("there is a first word");
    number.parse().expect("it is a number")
}

#[test]
fn an_accept_rate_is_exact() {
    let mut scene = Scene::new(SourceOptions::default());
    let listener = scene.reactor.bind("0.0.0.0:80").expect("the port is free");
    let token = scene.reactor.listen_on(listener, Door);
    let token = token.expect("there is room");
    let rate = Rate::per_second(10).with_burst(3);
    let set = scene.reactor.with(|_, cx| cx.set_accept_rate(token, rate));
    set.expect("it listens");
    let dial = |_| scene.sim.dial("there", "here:80").expect("it is there");
    let _sockets: Vec<Socket> = (0..6).map(dial).collect();
    let told = scene.run_to(1000);
    let times: Vec<u64> = told.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 0, 0, 101, 201, 301]);
}

/// A timer for each message would be a thousand.
#[test]
fn messages_in_time_cost_no_timer_each() {
    let timeout = Duration::from_secs(1);
    let options = SourceOptions::default().with_read_timeout(timeout);
    let mut scene = Scene::new(options.with_read_rate(Rate::per_second(1_000_000)));
    let mut far = scene.open();
    for message in 0..1000 {
        far.write(b"two ").expect("it is open");
        scene.run_to(2 * message + 1);
        far.write(b"parts\n").expect("it is open");
        scene.run_to(2 * message + 2);
    }
    let story = scene.sim.story();
    let timers = story.matches("timer").count();
    assert!((1..=3).contains(&timers), "{timers} timers:\n{story}");
}
