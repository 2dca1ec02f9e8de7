//! Scripts: what each action does and when, and what is said of those that are not understood.

use std::time::{Duration, SystemTime};

use switchboard::sim::{Action, Fault, Faults, Host, Simulation};
use switchboard::{
    Close, ConnectOptions, Context, Handler, Reactor, Result, Stream, Time, TimerId,
};

/// What the system says of a peer that is given up.
const TIMED_OUT: &str = if cfg!(windows) { "10060" } else { "timed out" };

/// Sends a byte every 100 ms, and notes when one comes back, and what time it is then.
#[derive(Default)]
struct Seen {
    echoes: Vec<Duration>,
    closed: Vec<(Duration, String)>,
    wall: Vec<SystemTime>,
}

struct Sender;

impl Handler<Seen> for Sender {
    fn handle_connect(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>) -> Result {
        cx.set_interval(Duration::from_millis(100)).map(drop)
    }

    fn handle_timer(&mut self, seen: &mut Seen, cx: &mut Context<'_, Seen>, _: TimerId) -> Result {
        seen.wall.push(cx.wall_time());
        cx.send("x")
    }

    fn handle_read(&mut self, seen: &mut Seen, cx: &mut Context<'_, Seen>) -> Result {
        let n = cx.recv(100).len();
        let now = cx.now() - Time::ZERO;
        seen.echoes.extend(std::iter::repeat_n(now, n));
        Ok(())
    }

    fn handle_close(&mut self, seen: &mut Seen, cx: &mut Context<'_, Seen>, why: &Close) {
        seen.closed.push((cx.now() - Time::ZERO, why.to_string()));
    }
}

struct Echo;

impl Handler<Seen> for Echo {
    fn handle_accepted(
        &mut self,
        _: &mut Seen,
        cx: &mut Context<'_, Seen>,
        stream: Stream,
    ) -> Result {
        cx.register(stream, Echo).map(drop)
    }

    fn handle_read(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>) -> Result {
        let data = cx.recv(100);
        cx.send(data)
    }

    fn handle_close(&mut self, seen: &mut Seen, cx: &mut Context<'_, Seen>, why: &Close) {
        seen.closed.push((cx.now() - Time::ZERO, why.to_string()));
    }
}

fn build() -> (Simulation, Host<Seen>, Host<Seen>) {
    let mut sim = Simulation::new(5);
    let listen = |reactor: &mut Reactor<Seen>| reactor.listen("0.0.0.0:80", Echo).map(drop);
    let connect = |reactor: &mut Reactor<Seen>| reactor.connect("server:80", Sender).map(drop);
    let server = sim
        .host("server", Seen::default, listen)
        .expect("it starts");
    let client = sim
        .host("client", Seen::default, connect)
        .expect("it starts");
    (sim, server, client)
}

/// Runs the script for 20 s, and gives when the client got its echoes and why it ended.
fn run(script: &str) -> (Simulation, Host<Seen>, Host<Seen>) {
    let (mut sim, server, client) = build();
    sim.script(script).expect("it is understood");
    sim.run_for(Duration::from_secs(20)).expect("all goes well");
    (sim, server, client)
}

fn echoes_between(sim: &Simulation, client: Host<Seen>, from: f64, to: f64) -> usize {
    let seen = sim.state(client).echoes.iter();
    seen.filter(|at| (from..to).contains(&at.as_secs_f64()))
        .count()
}

#[test]
fn without_a_script_each_byte_comes_back_at_once() {
    let (sim, _, client) = run("");
    assert_eq!(echoes_between(&sim, client, 3.0, 13.0), 100);
}

#[test]
fn what_a_partition_holds_back_arrives_when_it_is_healed() {
    for partition in [
        "partition {server} from {client}",
        "partition {client} to {server}",
        "partition {server} to {client}",
    ] {
        let (sim, _, client) = run(&format!("at 3 s, {partition}; at 5 s, heal"));
        assert_eq!(echoes_between(&sim, client, 3.01, 5.0), 0, "{partition}");
        // TCP tries again after 200 ms, 400 ms and so on.
        assert!(echoes_between(&sim, client, 5.0, 9.0) >= 50, "{partition}");
        assert_eq!(echoes_between(&sim, client, 10.0, 20.0), 100, "{partition}");
        let kinds = [Fault::Partition, Fault::OneWay];
        let counted: u64 = kinds.iter().map(|kind| sim.counts().of(*kind)).sum();
        assert_eq!(counted, 1);
    }
}

#[test]
fn a_partition_can_end_by_itself_and_leaves_others_alone() {
    let script = "at 3 s, partition {server} from {client} for 1 s
                  # within it, and healed by its end only
                  at 3.5 s, partition {server} to {client} for 2500 ms";
    let (sim, _, client) = run(script);
    assert_eq!(echoes_between(&sim, client, 3.01, 6.0), 0);
    assert_eq!(echoes_between(&sim, client, 12.0, 20.0), 80);
}

#[test]
fn a_crash_leaves_the_peer_alone_until_it_speaks() {
    let (sim, server, client) = run("at 3 s, crash {server} for 2 s");
    let seen = sim.state(client);
    assert_eq!(seen.closed.len(), 1);
    let (at, why) = &seen.closed[0];
    // The next try after the start is answered by a reset: there is no such connection.
    assert!((5.0..9.0).contains(&at.as_secs_f64()), "{at:?}");
    assert!(why.contains("reset"), "{why}");
    // Another one was made in its place, and nobody was told of the end of the first.
    assert!(sim.state(server).closed.is_empty());
    assert!(sim.is_up(server));
    assert_eq!(sim.counts().of(Fault::Crash), 1);
}

#[test]
fn a_host_that_stays_down_is_started_by_the_script() {
    let (sim, server, _) = run("at 3 s, crash {server}");
    assert!(!sim.is_up(server));
    let (sim, server, _) = run("at 3 s, crash {server}; at 4 s, restart {server}");
    assert!(sim.is_up(server));
}

#[test]
fn a_paused_host_answers_all_when_it_goes_on() {
    let (sim, _, client) = run("at 3 s, pause {server}; at 6 s, resume {server}");
    assert_eq!(echoes_between(&sim, client, 3.01, 6.0), 0);
    assert!(echoes_between(&sim, client, 6.0, 6.1) >= 29);
    let (sim, _, client) = run("at 3 s, pause {server} for 3 s");
    assert_eq!(echoes_between(&sim, client, 3.01, 6.0), 0);
    assert!(echoes_between(&sim, client, 6.0, 6.1) >= 29);
}

#[test]
fn a_clock_jumps_both_ways_while_timers_go_on() {
    let (sim, _, client) = run("at 3 s, jump the clock of {client} by 1 h
                                at 9 s, jump the clock of {client} by -2 h");
    let seen = sim.state(client);
    let steps = seen
        .wall
        .windows(2)
        .map(|pair| match pair[1].duration_since(pair[0]) {
            Ok(step) => step.as_secs_f64(),
            Err(back) => -back.duration().as_secs_f64(),
        });
    let jumps: Vec<f64> = steps
        .filter(|step| step.abs() > 1.0)
        .map(f64::round)
        .collect();
    assert_eq!(jumps, [3600.0, -7200.0]);
    assert_eq!(echoes_between(&sim, client, 1.0, 19.0), 180);
    assert_eq!(sim.counts().of(Fault::ClockJump), 2);
}

#[test]
fn connections_are_reset_at_both_ends() {
    let (sim, server, client) = run("at 3 s, reset {server} and {client}");
    assert_eq!(sim.state(client).closed.len(), 1);
    assert_eq!(sim.state(server).closed.len(), 1);
    assert_eq!(sim.counts().of(Fault::Reset), 2);
}

#[test]
fn a_half_open_connection_is_silent() {
    let (sim, _, client) = run("at 3 s, half-open {server} and {client}");
    assert_eq!(echoes_between(&sim, client, 3.01, 20.0), 0);
    assert!(sim.state(client).closed.is_empty());
}

/// As with Linux: after a quarter of an hour.
#[test]
fn a_half_open_connection_is_given_up_at_last() {
    let (mut sim, _, client) = build();
    sim.script("at 3 s, half-open {server} and {client}")
        .expect("it is understood");
    sim.run_until(|sim| !sim.state(client).closed.is_empty())
        .expect("it ends");
    let (at, why) = &sim.state(client).closed[0];
    assert!((900.0..1100.0).contains(&at.as_secs_f64()), "{at:?}");
    assert!(why.contains(TIMED_OUT), "{why}");
}

/// Waits for a peer that says nothing.
struct Silent;

impl Handler<Seen> for Silent {
    fn handle_accepted(
        &mut self,
        _: &mut Seen,
        cx: &mut Context<'_, Seen>,
        stream: Stream,
    ) -> Result {
        stream.set_keepalive(Duration::from_secs(4))?;
        cx.register(stream, Silent).map(drop)
    }

    fn handle_close(&mut self, seen: &mut Seen, cx: &mut Context<'_, Seen>, why: &Close) {
        seen.closed.push((cx.now() - Time::ZERO, why.to_string()));
    }
}

#[test]
fn keepalive_notices_a_half_open_connection_and_leaves_a_sound_one_alone() {
    let mut sim = Simulation::new(6);
    let listen = |reactor: &mut Reactor<Seen>| reactor.listen("0.0.0.0:80", Silent).map(drop);
    let server = sim
        .host("server", Seen::default, listen)
        .expect("it starts");
    let options = ConnectOptions::default().with_keepalive(Duration::from_secs(8));
    let connect = move |reactor: &mut Reactor<Seen>| {
        reactor.with(|_, cx| {
            cx.connect_with("server:80", options.clone(), Silent)
                .map(drop)
        })
    };
    let client = sim
        .host("client", Seen::default, connect)
        .expect("it starts");
    sim.run_for(Duration::from_secs(1000))
        .expect("all goes well");
    assert!(sim.state(client).closed.is_empty());
    sim.script("at 1000 s, half-open {server} and {client}")
        .expect("it is understood");
    sim.run_for(Duration::from_secs(60)).expect("all goes well");
    // Four or eight seconds of silence, and nine probes one or two seconds apart.
    for (host, around) in [(server, 1009.0..1015.0), (client, 1018.0..1030.0)] {
        let (at, why) = &sim.state(host).closed[0];
        assert!(around.contains(&at.as_secs_f64()), "{at:?}");
        assert!(why.contains(TIMED_OUT), "{why}");
    }
}

#[test]
fn rates_are_set_for_a_while_and_for_one_host() {
    let (sim, _, client) = run("at 3 s, set full-buffer to 1 on {client} for 2 s");
    assert_eq!(echoes_between(&sim, client, 3.1, 5.0), 0);
    assert_eq!(echoes_between(&sim, client, 6.0, 16.0), 100);
    assert!(sim.counts().of(Fault::FullBuffer) > 0);
}

#[test]
fn latency_and_bandwidth_are_set() {
    let (sim, _, client) = run("at 3 s, latency 200 ms to 300 ms");
    assert!(
        sim.state(client)
            .echoes
            .iter()
            .any(|at| at.as_secs_f64() > 10.0)
    );
    assert_eq!(
        echoes_between(&sim, client, 3.11, 3.4),
        0,
        "{}",
        sim.story()
    );
    let (mut sim, _, _) = build();
    sim.script("at 1 s, bandwidth 1000")
        .expect("it is understood");
    sim.run_for(Duration::from_secs(2)).expect("all goes well");
    let mut socket = sim.dial("far", "server:80").expect("it is there");
    sim.run_for(Duration::from_secs(1)).expect("all goes well");
    let sent = socket.write(&[7; 10_000]).expect("there is room");
    assert_eq!(sent, 10_000);
    sim.run_for(Duration::from_secs(9)).expect("all goes well");
    assert!(
        socket.read(&mut [0; 10]).is_err(),
        "10 KB take 10 s at 1 KB/s"
    );
    sim.run_for(Duration::from_secs(12)).expect("all goes well");
    let mut buffer = vec![0; 20_000];
    let mut back = 0;
    while let Ok(n) = socket.read(&mut buffer) {
        back += n;
    }
    assert_eq!(back, 10_000);
}

#[test]
fn what_is_not_understood_is_told_with_what_was_expected() {
    let (mut sim, _, _) = build();
    for (line, told) in [
        ("in 3 s, heal", "\"in\" stands where `at` is expected"),
        ("at 3, heal", "a unit: ns, us, ms, s, min or h"),
        ("at three s, heal", "\"three\" stands where"),
        ("at 3 s heal", "\"heal\" stands where `,` is expected"),
        (
            "at 3 s, explode",
            "\"explode\" stands where partition, heal, crash",
        ),
        ("at 3 s, heal now", "\"now\" is too much"),
        ("at 3 s, crash server", "hosts in braces, such as {server}"),
        (
            "at 3 s, crash {sever}",
            "no host is called \"sever\"; there are: server, client",
        ),
        ("at 3 s, crash {server, client}", "one host is expected"),
        ("at 3 s, crash", "the line ends where hosts in braces"),
        (
            "at 3 s, partition {server} and {client}",
            "`from` (both ways) or `to` (one way)",
        ),
        ("at 3 s, set spilt to 1", "a fault (split, merge,"),
        ("at 3 s, set split to -1", "a rate, such as 0.5"),
        ("at 3 s, crash {server} for ever", "\"ever\" stands where"),
        ("at 3 s, set split to 1.1", "of at most 1"),
        ("at 3 s, set crash to 60001", "of at most 60000"),
        ("at 3 s, set crash to inf", "of at most 60000"),
        ("at 3 s, bandwidth fast", "\"fast\" stands where a number"),
        ("at 3 s, bandwidth 0", "bytes per second, at least 1"),
        ("at 6000000 h, heal", "too long a time"),
        ("at 1.5.2 s, heal", "a time, such as 3 s or 1.5 ms"),
    ] {
        let error = sim.script(line).expect_err(line).to_string();
        assert!(error.contains(told), "{line}: {error}");
        assert!(error.contains(line), "{error}");
    }
    // Nothing of a script is done that is not understood as a whole.
    sim.script("at 1 s, crash {server}; at 2 s, crush {server}")
        .expect_err("crush");
    sim.run_for(Duration::from_secs(3)).expect("all goes well");
    assert_eq!(sim.counts().of(Fault::Crash), 0);
}

/// The story tells actions in words that a script understands.
#[test]
fn actions_are_told_as_a_script_says_them() {
    let (mut sim, server, client) = build();
    let (server, client) = (server.id(), client.id());
    let lasting = Some(Duration::from_millis(5));
    let actions = [
        Action::Partition {
            from: vec![server],
            to: vec![client],
            both_ways: false,
            lasting,
        },
        Action::Heal,
        Action::Pause {
            host: server,
            lasting,
        },
        Action::Resume(server),
        Action::ClockJump {
            host: client,
            nanos: -5,
        },
        Action::Reset(server, client),
        Action::HalfOpen(server, client),
        Action::Set {
            fault: Fault::Split,
            rate: 0.25,
            host: Some(client),
            lasting,
        },
        Action::Latency(Duration::ZERO..Duration::from_nanos(7)),
        Action::Bandwidth(Some(5)),
        Action::Crash {
            host: server,
            lasting,
        },
        Action::Restart(server),
    ];
    for action in actions {
        sim.act(action).expect("it can be done");
    }
    let told = |sim: &Simulation| -> Vec<String> {
        let story = sim.story();
        let lines = story.lines().filter_map(|line| line.split_once("script "));
        lines.map(|(_, action)| action.trim().to_owned()).collect()
    };
    let first = told(&sim);
    assert_eq!(first.len(), 12);
    let (mut again, ..) = build();
    for line in &first {
        again.script(&format!("at 0 s, {line}")).expect(line);
    }
    again.faults(Faults::none());
    again
        .run_until(|sim| told(sim).len() >= 12)
        .expect("it is done");
    assert_eq!(told(&again), first);
}
