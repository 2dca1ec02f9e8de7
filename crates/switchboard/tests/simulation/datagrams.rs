//! Datagrams on the simulated network: what arrives is what was sent, whole, once and in order,
//! unless a fault says otherwise; and each fault does what it says, by rate and by script.

use std::time::Duration;

use switchboard::sim::{Fault, Faults, Host, Simulation};
use switchboard::{
    Address, Builder, Close, Context, Error, Handler, LoopContext, MulticastInterface, Reactor,
    Result, SourceOptions, Time, TimerId, Token,
};

/// What has its tests here.
pub const TESTED: [Fault; 3] = [
    Fault::DatagramLoss,
    Fault::DatagramDouble,
    Fault::DatagramReorder,
];

const PERIOD: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Seen {
    /// Numbers, in the order in which they came, and when.
    got: Vec<(u64, Duration)>,
    errors: Vec<String>,
    writes: usize,
    socket: Option<Token>,
    ended: Option<String>,
}

impl Seen {
    fn numbers(&self) -> Vec<u64> {
        self.got.iter().map(|(number, _)| *number).collect()
    }
}

/// Notes what comes; `counts` sends a number to a server every 100 ms.
struct Node {
    next: u64,
    server: Option<Address>,
}

impl Handler<Seen> for Node {
    fn handle_timer(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>, _: TimerId) -> Result {
        self.next += 1;
        let text = self.next.to_string();
        match &self.server {
            Some(server) => cx.send_datagram(text, server),
            None => cx.send(text),
        }
    }

    fn handle_datagram(
        &mut self,
        seen: &mut Seen,
        cx: &mut Context<'_, Seen>,
        bytes: &[u8],
        _: &Address,
    ) -> Result {
        assert!(!cx.is_truncated());
        let text = std::str::from_utf8(bytes)?;
        let number = text.trim().parse().map_err(Error::other)?;
        seen.got.push((number, cx.now() - Time::ZERO));
        Ok(())
    }

    fn handle_write(&mut self, seen: &mut Seen, _: &mut Context<'_, Seen>) -> Result {
        seen.writes += 1;
        Ok(())
    }

    fn handle_error(&mut self, seen: &mut Seen, _: &mut Context<'_, Seen>, error: &Error) {
        seen.errors.push(error.to_string());
    }

    fn handle_close(&mut self, seen: &mut Seen, _: &mut Context<'_, Seen>, why: &Close) {
        seen.ended = Some(why.to_string());
    }
}

fn server(reactor: &mut Reactor<Seen>) -> Result {
    let socket = reactor.bind_udp("0.0.0.0:53")?;
    let node = Node {
        next: 0,
        server: None,
    };
    let token = reactor.register_udp(socket, node)?;
    reactor.state_mut().socket = Some(token);
    Ok(())
}

/// The address of the server, which is the first host.
fn there() -> Address {
    Address::Ip(([10, 0, 0, 1], 53).into())
}

fn client(reactor: &mut Reactor<Seen>, counts: bool, connects: bool) -> Result {
    let mut socket = reactor.bind_udp("0.0.0.0:0")?;
    if connects {
        socket.connect(there())?;
    }
    let node = Node {
        next: 0,
        server: (!connects).then(there),
    };
    let token = reactor.register_udp(socket, node)?;
    reactor.state_mut().socket = Some(token);
    if counts {
        reactor.with(|_, cx| ticks(cx, token))?;
    }
    Ok(())
}

/// A timer of the socket every 100 ms, fifty times.
fn ticks(cx: &mut LoopContext<'_, Seen>, token: Token) -> Result {
    for n in 1..=50 {
        cx.set_source_timer(token, PERIOD * n)?;
    }
    Ok(())
}

struct World {
    sim: Simulation,
    server: Host<Seen>,
    client: Host<Seen>,
}

fn world(seed: u64, counts: bool, connects: bool) -> Result<World> {
    let mut sim = Simulation::new(seed);
    let server = sim.host("server", Seen::default, server)?;
    let boot = move |reactor: &mut Reactor<Seen>| client(reactor, counts, connects);
    let client = sim.host("client", Seen::default, boot)?;
    Ok(World {
        sim,
        server,
        client,
    })
}

impl World {
    fn run(&mut self, seconds: u64) {
        let outcome = self.sim.run_for(Duration::from_secs(seconds));
        outcome.expect("no handler panics");
    }

    fn got(&self) -> Vec<u64> {
        self.sim.state(self.server).numbers()
    }

    /// Has the client send these, in one tick.
    fn send(&mut self, texts: &[&str], to: &Address) {
        self.sim.with(self.client, |seen, cx| {
            let socket = seen.socket.expect("it is there");
            for text in texts {
                let sent = cx.send_datagram_to(socket, *text, to);
                sent.expect("there is room");
            }
        });
    }
}

fn is_sorted(numbers: &[u64]) -> bool {
    numbers.iter().is_sorted_by(|a, b| a < b)
}

#[test]
fn without_faults_all_arrive_once_and_in_order() -> Result {
    for seed in 0..20 {
        let mut world = world(seed, true, false)?;
        let ms = Duration::from_millis;
        world.sim.faults(Faults::none().latency(ms(1)..ms(400)));
        world.run(10);
        assert_eq!(world.got(), (1..=50).collect::<Vec<_>>(), "seed {seed}");
        assert!(world.sim.state(world.client).errors.is_empty());
    }
    Ok(())
}

#[test]
fn datagrams_are_lost_by_rate() -> Result {
    let mut lost = 0;
    for seed in 0..20 {
        let mut world = world(seed, true, false)?;
        let faults = Faults::none().with(Fault::DatagramLoss, 0.3);
        world.sim.faults(faults);
        world.run(10);
        let got = world.got();
        assert!(is_sorted(&got), "once, and in order: {got:?}");
        let counted = world.sim.counts().of(Fault::DatagramLoss);
        assert_eq!(got.len() as u64, 50 - counted);
        lost += counted;
    }
    assert!((200..400).contains(&lost), "{lost} of 1,000 are lost");
    Ok(())
}

#[test]
fn datagrams_are_doubled_by_rate() -> Result {
    let mut doubled = 0;
    for seed in 0..20 {
        let mut world = world(seed, true, false)?;
        let faults = Faults::none().with(Fault::DatagramDouble, 0.3);
        world.sim.faults(faults);
        world.run(10);
        let mut got = world.got();
        let counted = world.sim.counts().of(Fault::DatagramDouble);
        assert_eq!(got.len() as u64, 50 + counted);
        got.sort_unstable();
        got.dedup();
        assert_eq!(got, (1..=50).collect::<Vec<_>>());
        doubled += counted;
    }
    assert!(
        (200..400).contains(&doubled),
        "{doubled} of 1,000 are doubled"
    );
    Ok(())
}

#[test]
fn datagrams_are_reordered_by_rate() -> Result {
    let (mut counted, mut overtaken) = (0, 0);
    for seed in 0..20 {
        let mut world = world(seed, false, false)?;
        let faults = Faults::none().with(Fault::DatagramReorder, 0.3);
        world.sim.faults(faults);
        let texts: Vec<String> = (1..=50).map(|n| n.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        world.send(&texts, &there());
        world.run(1);
        let mut got = world.got();
        overtaken += u32::from(!is_sorted(&got));
        counted += world.sim.counts().of(Fault::DatagramReorder);
        got.sort_unstable();
        assert_eq!(got, (1..=50).collect::<Vec<_>>(), "all of them, once");
    }
    assert!((200..400).contains(&counted), "{counted} of 1,000 are late");
    assert!(overtaken > 15, "overtaken in {overtaken} of 20 runs");
    Ok(())
}

/// The numbers that were sent from the second second to the third.
const SECOND: std::ops::RangeInclusive<u64> = 10..=19;

#[test]
fn a_script_loses_datagrams_for_a_while() -> Result {
    let mut world = world(1, true, false)?;
    let script = "at 950 ms, set datagram-loss to 1 on {client} for 1 s";
    world.sim.script(script)?;
    world.run(10);
    let expected = (1..=50).filter(|number| !SECOND.contains(number));
    assert_eq!(world.got(), expected.collect::<Vec<_>>());
    assert_eq!(world.sim.counts().of(Fault::DatagramLoss), 10);
    Ok(())
}

#[test]
fn a_script_doubles_datagrams_for_a_while() -> Result {
    let mut world = world(1, true, false)?;
    world
        .sim
        .script("at 950 ms, set datagram-double to 1 for 1 s")?;
    world.run(10);
    let got = world.got();
    for number in 1..=50 {
        let times = got.iter().filter(|got| **got == number).count();
        assert_eq!(times, 1 + usize::from(SECOND.contains(&number)), "{number}");
    }
    assert_eq!(world.sim.counts().of(Fault::DatagramDouble), 10);
    Ok(())
}

#[test]
fn a_script_reorders_datagrams_for_a_while() -> Result {
    let mut world = world(1, false, false)?;
    world
        .sim
        .script("at 1 s, set datagram-reorder to 1 on {client} for 100 ms")?;
    world.run(1);
    world.sim.run_for(Duration::from_millis(50))?;
    world.send(&["1", "2"], &there());
    world.sim.run_for(Duration::from_millis(60))?;
    world.send(&["3", "4"], &there());
    world.run(1);
    assert_eq!(world.sim.counts().of(Fault::DatagramReorder), 2);
    let got = world.got();
    assert_eq!(got.len(), 4);
    let place = |number| got.iter().position(|got| *got == number);
    assert!(place(3) < place(4), "{got:?}");
    Ok(())
}

#[test]
fn a_partition_and_a_crash_swallow_them() -> Result {
    cov_mark::check!(datagram_swallowed);
    let mut world = world(1, true, false)?;
    world.sim.script(
        "at 950 ms, partition {client} from {server} for 1 s
         at 2950 ms, crash {server} for 1 s",
    )?;
    world.sim.run_for(Duration::from_millis(2900))?;
    let expected: Vec<u64> = (1..=28).filter(|number| !SECOND.contains(number)).collect();
    assert_eq!(world.got(), expected);
    world.run(10);
    // What it had heard before is forgotten, and the port is the new one's.
    assert_eq!(world.got(), (40..=50).collect::<Vec<_>>());
    assert!(world.sim.state(world.client).errors.is_empty());
    Ok(())
}

#[test]
fn what_does_not_fit_the_receive_buffer_is_lost() -> Result {
    cov_mark::check!(datagram_without_room);
    let mut sim = Simulation::new(1);
    sim.faults(Faults::none().buffers(1000, 10));
    let server = sim.host("server", Seen::default, server)?;
    let boot = |reactor: &mut Reactor<Seen>| client(reactor, false, false);
    let client = sim.host("client", Seen::default, boot)?;
    let mut world = World {
        sim,
        server,
        client,
    };
    world.sim.with(server, |seen, cx| {
        cx.pause_source(seen.socket.expect("it is there"));
    });
    world.send(&["111111", "222222", "333333", "4"], &there());
    world.run(1);
    world.sim.with(server, |seen, cx| {
        cx.resume_source(seen.socket.expect("it is there"));
    });
    world.run(1);
    // The second one went beyond the bound; behind it there was no room for anything.
    assert_eq!(world.got(), [111111, 222222]);
    Ok(())
}

#[test]
fn what_a_full_send_buffer_does_not_take_waits_and_goes_out_in_order() -> Result {
    let mut sim = Simulation::new(1);
    let server = sim.host("server", Seen::default, server)?;
    let options = SourceOptions::default().with_watermarks(0, 10_000);
    let builder = Builder::default().source_options(options);
    let boot = |reactor: &mut Reactor<Seen>| client(reactor, false, false);
    let client = sim.host_with("client", builder, Seen::default, boot)?;
    let mut world = World {
        sim,
        server,
        client,
    };
    world.sim.script("at 0 s, set full-buffer to 1 for 1 s")?;
    world.send(&["1", "2", "3"], &there());
    world.sim.run_for(Duration::from_millis(900))?;
    assert!(world.got().is_empty(), "its buffer takes nothing");
    assert!(
        world.sim.counts().of(Fault::FullBuffer) > 1,
        "it tries again"
    );
    world.run(1);
    assert_eq!(world.got(), [1, 2, 3]);
    assert_eq!(world.sim.state(client).writes, 1);
    Ok(())
}

#[test]
fn a_close_waits_for_a_full_send_buffer_but_not_for_ever() -> Result {
    for (until, arrives) in [("1 s", true), ("1 h", false)] {
        let mut world = world(1, false, false)?;
        let script = format!("at 0 s, set full-buffer to 1 on {{client}} for {until}");
        world.sim.script(&script)?;
        world.send(&["1"], &there());
        world.sim.with(world.client, |seen, cx| {
            cx.close_source(seen.socket.expect("it is there"));
        });
        world.run(60);
        assert_eq!(world.got().len(), usize::from(arrives));
        let why = world.sim.state(world.client).ended.clone();
        let expected = match arrives {
            true => "closed",
            false => "the peer did not take the last bytes in time",
        };
        assert_eq!(why.as_deref(), Some(expected));
    }
    Ok(())
}

#[test]
fn what_has_no_way_is_told() -> Result {
    let mut world = world(1, false, false)?;
    let nobody = Address::Ip(([192, 0, 2, 1], 9).into());
    world.send(&["1"], &nobody);
    world.send(&["2"], &there());
    world.run(1);
    assert_eq!(world.got(), [2]);
    let errors = &world.sim.state(world.client).errors;
    assert_eq!(errors.len(), 1);
    let start = "a datagram to 192.0.2.1:9 was not delivered: ";
    assert!(errors[0].starts_with(start), "{errors:?}");
    Ok(())
}

#[test]
fn a_connected_socket_is_told_that_nobody_is_there_and_goes_on() -> Result {
    for connects in [true, false] {
        let mut world = world(1, true, connects)?;
        world.sim.with(world.server, |seen, cx| {
            cx.abort_source(seen.socket.expect("it is there"));
        });
        world.run(10);
        let errors = &world.sim.state(world.client).errors;
        // Each is told of, but the last send may be: an answer takes its time.
        let expected = if connects { 49..=50 } else { 0..=0 };
        assert!(expected.contains(&errors.len()), "{errors:?}");
        assert!(errors.iter().all(|error| error.contains("refused")));
        assert_eq!(world.sim.state(world.client).ended, None);
    }
    Ok(())
}

#[test]
fn a_simulation_says_that_it_has_no_multicast() -> Result {
    let mut sim = Simulation::new(1);
    let mut reactor = sim.reactor("here", Reactor::builder(), Seen::default())?;
    let socket = reactor.bind_udp("0.0.0.0:0")?;
    let group = std::net::Ipv4Addr::new(239, 1, 2, 3);
    let joined = socket.join_multicast(group.into(), MulticastInterface::Any);
    let error = joined.expect_err("there is none");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("multicast"), "{error}");
    // A socket of the system does not belong to it.
    let foreign = switchboard::UdpSocket::bind("127.0.0.1:0")?;
    let node = Node {
        next: 0,
        server: None,
    };
    reactor.register_udp(foreign, node)?;
    reactor.turn(Some(Duration::ZERO))?;
    let ended = reactor.state().ended.clone().unwrap_or_default();
    assert!(
        ended.contains("of this machine of the simulation"),
        "{ended}"
    );
    Ok(())
}

#[test]
fn a_run_with_all_faults_repeats_and_every_byte_is_in_its_log() -> Result {
    let run = |seed, text: &str| -> Result<u128> {
        let mut world = world(seed, true, false)?;
        let mut faults = Faults::none().with(Fault::FullBuffer, 0.2);
        for fault in TESTED {
            faults = faults.with(fault, 0.3);
        }
        world.sim.faults(faults);
        world.send(&[text], &there());
        world.run(10);
        Ok(world.sim.log_hash())
    };
    for seed in 0..20 {
        let hash = run(seed, "7")?;
        assert_eq!(hash, run(seed, "7")?);
        assert_ne!(hash, run(seed, "8")?);
        assert_ne!(hash, run(seed + 100, "7")?);
    }
    Ok(())
}
