//! A thousand peers that send a byte now and then and never finish a request, against a server
//! with a read timeout: it lets them go, and its good clients go on unharmed. In the simulation,
//! where a moment is exact, and on real sockets.

#[path = "crowd/descriptors.rs"]
mod descriptors;
#[path = "crowd/drivers.rs"]
mod drivers;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use switchboard::codec::{FrameContext, FrameHandler, Framed, Terminated};
use switchboard::sim::{Faults, Simulation};
use switchboard::{
    Builder, Close, Context, Deadline, Driver, Handler, Listener, OnPanic, Reactor, Result,
    SourceOptions, Stream, Time, TimerId,
};

const SLOW: usize = 1000;
const GOOD: usize = 8;

/// How long a good client waits between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(5);

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

/// A test that hangs fails after this long.
const DEADLINE: Duration = Duration::from_secs(60);

fn requests() -> Terminated {
    Terminated::new(b"\r\n\r\n")
}

/// What the server has seen.
#[derive(Default)]
struct Served {
    timed_out: usize,
    /// The longest life of one that has timed out.
    longest: Duration,
    other_ends: Vec<String>,
}

struct Server;

impl Handler<Served> for Server {
    fn handle_accepted(
        &mut self,
        _: &mut Served,
        cx: &mut Context<'_, Served>,
        stream: Stream,
    ) -> Result {
        let since = cx.now();
        let answering = Framed::new(requests(), Answering { since });
        cx.register(stream, answering).map(drop)
    }
}

struct Answering {
    since: Time,
}

impl FrameHandler<Served> for Answering {
    type Codec = Terminated;

    fn handle_frame(
        &mut self,
        _: &mut Served,
        cx: &mut FrameContext<'_, Served, Terminated>,
        _: &[u8],
    ) -> Result {
        cx.send_frame("HTTP/1.1 204 No Content")
    }

    fn handle_close(
        &mut self,
        served: &mut Served,
        cx: &mut FrameContext<'_, Served, Terminated>,
        why: &Close,
    ) {
        match why {
            Close::TimedOut(Deadline::Read) => {
                served.timed_out += 1;
                served.longest = served.longest.max(cx.now() - self.since);
            }
            other => served.other_ends.push(other.to_string()),
        }
    }
}

fn server(timeout: Duration) -> Builder {
    let options = SourceOptions::default().with_read_timeout(timeout);
    Reactor::builder()
        .source_options(options)
        .on_panic(OnPanic::Stop)
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    slow: usize,
    slow_ended: usize,
    good_ended: usize,
    answers: [usize; GOOD],
    worst: Duration,
}

/// Sends a byte of its request every so often.
struct Slow {
    every: Duration,
}

impl Handler<Seen> for Slow {
    fn handle_connect(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>) -> Result {
        cx.send("GET / HTTP/1.1\r\nX: ")?;
        cx.set_interval(self.every).map(drop)
    }

    fn handle_timer(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>, _: TimerId) -> Result {
        cx.send("x")
    }

    fn handle_close(&mut self, seen: &mut Seen, _: &mut Context<'_, Seen>, _: &Close) {
        seen.slow_ended += 1;
    }
}

/// Asks, waits for the answer, and asks again, until no slow one is left.
struct Good {
    number: usize,
    asked: Time,
}

impl Good {
    fn ask(&mut self, cx: &mut FrameContext<'_, Seen, Terminated>) -> Result {
        self.asked = cx.now();
        cx.send_frame("GET / HTTP/1.1\r\nHost: here")
    }
}

impl FrameHandler<Seen> for Good {
    type Codec = Terminated;

    fn handle_connect(
        &mut self,
        _: &mut Seen,
        cx: &mut FrameContext<'_, Seen, Terminated>,
    ) -> Result {
        self.ask(cx)
    }

    fn handle_frame(
        &mut self,
        seen: &mut Seen,
        cx: &mut FrameContext<'_, Seen, Terminated>,
        _: &[u8],
    ) -> Result {
        seen.answers[self.number] += 1;
        seen.worst = seen.worst.max(cx.now() - self.asked);
        cx.set_timer(PAUSE).map(drop)
    }

    fn handle_timer(
        &mut self,
        seen: &mut Seen,
        cx: &mut FrameContext<'_, Seen, Terminated>,
        _: TimerId,
    ) -> Result {
        if seen.slow_ended == seen.slow && seen.answers[self.number] > 20 {
            cx.close();
            return Ok(());
        }
        self.ask(cx)
    }

    fn handle_close(
        &mut self,
        seen: &mut Seen,
        _: &mut FrameContext<'_, Seen, Terminated>,
        why: &Close,
    ) {
        assert!(matches!(why, Close::Requested | Close::Eof), "{why}");
        seen.good_ended += 1;
    }
}

fn connect_all(reactor: &mut Reactor<Seen>, to: &str, slow: usize, every: Duration) -> Result {
    reactor.state_mut().slow = slow;
    for number in 0..GOOD {
        let asked = Time::ZERO;
        let good = Framed::new(requests(), Good { number, asked });
        reactor.connect(to, good)?;
    }
    for _ in 0..slow {
        reactor.connect(to, Slow { every })?;
    }
    Ok(())
}

/// The longest that a good client has waited for an answer, among so many slow ones.
fn simulate(slow: usize) -> Duration {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let mut sim = Simulation::new(7);
    sim.faults(Faults::none().backlog(1024)); // as many as a listener of the system keeps
    let boot = |reactor: &mut Reactor<Served>| reactor.listen("0.0.0.0:80", Server).map(drop);
    let served = sim
        .host_with("server", server(TIMEOUT), Served::default, boot)
        .expect("it starts");
    let boot = move |reactor: &mut Reactor<Seen>| {
        connect_all(reactor, "server:80", slow, Duration::from_secs(1))
    };
    let seen = sim.host("clients", Seen::default, boot).expect("it starts");
    sim.run_until(|sim| sim.state(seen).good_ended == GOOD)
        .expect("all goes well");
    let served = sim.state(served);
    assert_eq!(served.timed_out, slow, "others: {:?}", served.other_ends);
    // From its first byte on, which comes soon after the connection.
    let late = served.longest.saturating_sub(TIMEOUT);
    assert!(late < Duration::from_millis(20), "{:?}", served.longest);
    sim.state(seen).worst
}

#[test]
fn a_thousand_slow_peers_do_no_harm_in_the_simulation() {
    let (alone, among_slow) = (simulate(0), simulate(SLOW));
    assert!(
        among_slow <= 2 * alone,
        "a good client waited {among_slow:?} instead of {alone:?}"
    );
}

#[test]
fn a_thousand_slow_peers_do_no_harm_on_real_sockets() {
    for driver in drivers::working() {
        run(driver);
    }
}

fn run(driver: Driver) {
    const TIMEOUT: Duration = Duration::from_millis(500);
    let slow = SLOW.min((descriptors::raise() - SPARE_DESCRIPTORS) / 2 - GOOD);
    let listener = Listener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local().expect("it is bound").to_string();
    let (tell_handle, handle) = mpsc::channel();
    let server = thread::spawn(move || {
        let builder = server(TIMEOUT).driver(driver);
        let mut reactor = builder.build(Served::default()).expect("it is built");
        reactor.listen_on(listener, Server).expect("it listens");
        tell_handle
            .send(reactor.shutdown_handle())
            .expect("somebody waits for it");
        reactor.run().expect("all goes well");
        std::mem::take(reactor.state_mut())
    });
    let stop = handle.recv().expect("the server starts");

    let mut clients = Reactor::new(Seen::default()).expect("it is built");
    let every = TIMEOUT / 5;
    connect_all(&mut clients, &address, slow, every).expect("there is room");
    let start = Instant::now();
    while !clients.is_done() {
        clients
            .turn(Some(Duration::from_secs(1)))
            .expect("all goes well");
        assert!(start.elapsed() < DEADLINE, "it hangs");
    }
    stop.shutdown();
    let served = server.join().expect("no panic");
    let seen = clients.state();
    println!(
        "{driver}: {slow} slow peers let go after {:?} at most; {:?} answers to the good ones, {:?} \
         at worst",
        served.longest, seen.answers, seen.worst
    );
    assert_eq!(served.timed_out, slow, "others: {:?}", served.other_ends);
    assert_eq!((seen.slow_ended, seen.good_ended), (slow, GOOD));
    let all_went = |why: &String| why == &Close::Eof.to_string();
    assert!(
        served.other_ends.iter().all(all_went),
        "{:?}",
        served.other_ends
    );
    assert!(
        seen.worst < 4 * TIMEOUT,
        "a good client waited {:?}",
        seen.worst
    );
}
