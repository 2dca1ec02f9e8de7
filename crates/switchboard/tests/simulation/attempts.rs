//! Connections to names with several addresses, of which some are dead, slow or refuse: attempts
//! side by side (RFC 8305), to the microsecond where that matters.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use switchboard::sim::{Action, Faults, Host, Simulation, Socket, SocketListener};
use switchboard::{Close, ConnectOptions, Context, Handler, Result, Time};

/// A packet's way there, and the answer's way back.
const ROUND_TRIP: Duration = Duration::from_millis(1);

/// What a client was told, and when.
type Told = Vec<(Time, String)>;

struct Client;

impl Handler<Told> for Client {
    fn handle_connect(&mut self, told: &mut Told, cx: &mut Context<'_, Told>) -> Result {
        told.push((cx.now(), "connected".to_owned()));
        cx.send("hello")
    }

    fn handle_read(&mut self, told: &mut Told, cx: &mut Context<'_, Told>) -> Result {
        let text = String::from_utf8_lossy(cx.recv(usize::MAX)).into_owned();
        told.push((cx.now(), text));
        Ok(())
    }

    fn handle_close(&mut self, told: &mut Told, cx: &mut Context<'_, Told>, why: &Close) {
        told.push((cx.now(), format!("{why:?}")));
    }
}

struct Scene {
    sim: Simulation,
    client: Host<Told>,
}

fn nobody(number: u16) -> IpAddr {
    IpAddr::V6([0x2001, 0xdb8, 0, 0, 0, 0, 0, number].into())
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Scene {
    /// Names are known at once.
    fn new() -> Scene {
        let mut sim = Simulation::new(1);
        sim.faults(Faults::none().job_time(Duration::ZERO..Duration::ZERO));
        let client = sim.host("client", Vec::new, |_| Ok(())).expect("it starts");
        Scene { sim, client }
    }

    fn listen(&mut self, host: &str, on: &str) -> SocketListener {
        self.sim.listen(host, on).expect("the port is free")
    }

    fn connect(&mut self, addresses: &[IpAddr], options: ConnectOptions) {
        self.sim.name("many", addresses);
        let token = self.sim.with(self.client, |_, cx| {
            cx.connect_with("many:80", options, Client)
        });
        token.expect("there is room");
    }

    /// What it was told by the end, or until nothing has happened for an hour.
    fn run(&mut self) -> &Told {
        self.sim.run_for(ms(3_600_000)).expect("all goes well");
        self.sim.state(self.client)
    }

    /// When the only thing happened that it was told.
    fn told_at(&mut self, what: &str) -> Duration {
        let told = self.run();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].1, what);
        told[0].0 - Time::ZERO
    }
}

/// A timer is up to 1 ms late, and each of its ticks takes a microsecond.
fn assert_at(at: Duration, due: Duration) {
    let range: RangeInclusive<Duration> = due..=due + Duration::from_micros(1020);
    assert!(range.contains(&at), "at {at:?} instead of {due:?}");
}

fn received(socket: &mut Socket) -> Vec<u8> {
    let mut buffer = [0; 100];
    match socket.read(&mut buffer) {
        Ok(n) => buffer[..n].to_vec(),
        Err(error) => panic!("{error}"),
    }
}

/// The connection that was made, which is the only one, and is whole.
fn assert_only(scene: &mut Scene, listener: &mut SocketListener) {
    let mut socket = listener.accept().expect("it was made");
    assert_eq!(received(&mut socket), b"hello");
    let error = listener.accept().expect_err("there is but one");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let error = socket.read(&mut [0]).expect_err("it goes on");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    socket.write(b"welcome").expect("there is room");
    scene.sim.run_for(ms(1000)).expect("all goes well");
    let told = scene.sim.state(scene.client);
    assert_eq!(told.last().expect("it was told").1, "welcome");
}

#[test]
fn a_dead_ipv6_route_costs_a_quarter_of_a_second() {
    let mut scene = Scene::new();
    let mut listener = scene.listen("server", "0.0.0.0:80");
    let [v4, _] = scene.sim.addresses("server");
    scene.connect(&[nobody(1), v4], ConnectOptions::default());
    let at = scene.told_at("connected");
    assert_at(at - ROUND_TRIP, ms(250));
    assert!(at < ms(300));
    assert_only(&mut scene, &mut listener);
}

#[test]
fn the_delay_can_be_set_and_has_a_least() {
    for (asked, due) in [(ms(40), ms(40)), (ms(1), ms(10))] {
        let mut scene = Scene::new();
        let _listener = scene.listen("server", "0.0.0.0:80");
        let [v4, _] = scene.sim.addresses("server");
        let options = ConnectOptions::default().with_attempt_delay(asked);
        scene.connect(&[nobody(1), v4], options);
        assert_at(scene.told_at("connected") - ROUND_TRIP, due);
    }
}

/// Each way takes so long that its answer comes after the other family was tried, but before the
/// other's.
#[test]
fn a_slow_address_that_answers_first_is_taken_all_the_same() {
    let mut scene = Scene::new();
    let mut v6_listener = scene.listen("server", "[::]:80");
    let mut v4_listener = scene.listen("server", "0.0.0.0:80");
    let [v4, v6] = scene.sim.addresses("server");
    let slow = ms(150);
    scene.sim.faults(
        Faults::none()
            .job_time(Duration::ZERO..Duration::ZERO)
            .latency(slow..slow),
    );
    scene.connect(&[v6, v4], ConnectOptions::default());
    let at = scene.told_at("connected");
    assert_at(at, 2 * slow);
    assert_only(&mut scene, &mut v6_listener);
    // The other one was given up while its packet was on its way.
    let accepted = v4_listener.accept();
    assert!(accepted.is_err(), "it was connected too");
}

#[test]
fn a_refused_address_makes_room_for_the_next_at_once() {
    let mut scene = Scene::new();
    let mut listener = scene.listen("server", "0.0.0.0:80");
    let [v4, v6] = scene.sim.addresses("server");
    scene.connect(&[v6, v4], ConnectOptions::default());
    let at = scene.told_at("connected");
    assert_at(at, 2 * ROUND_TRIP);
    assert_only(&mut scene, &mut listener);
}

/// The families take turns, so the third address is the second one tried.
#[test]
fn the_other_family_comes_second() {
    let mut scene = Scene::new();
    let _listener = scene.listen("server", "0.0.0.0:80");
    let [v4, _] = scene.sim.addresses("server");
    let addresses = [nobody(1), nobody(2), nobody(3), v4];
    scene.connect(&addresses, ConnectOptions::default());
    assert_at(scene.told_at("connected") - ROUND_TRIP, ms(250));
}

#[test]
fn if_all_are_dead_the_deadline_ends_it() {
    let mut scene = Scene::new();
    scene.connect(&[nobody(1), nobody(2)], ConnectOptions::default());
    assert_at(scene.told_at("TimedOut(Connect)"), ms(30_000));
}

#[test]
fn without_a_deadline_the_system_gives_up() {
    let mut scene = Scene::new();
    let options = ConnectOptions::default().with_timeout(None);
    scene.connect(&[nobody(1), nobody(2)], options);
    let told = scene.run();
    assert_eq!(told.len(), 1);
    assert!(told[0].1.starts_with("ConnectFailed("), "{told:?}");
    assert!(
        told[0].1.contains("TimedOut") || told[0].1.contains("110"),
        "{told:?}"
    );
}

#[test]
fn the_last_of_ten_addresses_is_tried_in_time() {
    for (timeout, due) in [
        (ms(30_000), ms(9 * 250)),
        // Ten shares of a second, of which the last address has one.
        (ms(1000), ms(900)),
    ] {
        let mut scene = Scene::new();
        let mut listener = scene.listen("server", "[::]:80");
        let [_, v6] = scene.sim.addresses("server");
        let mut addresses: Vec<IpAddr> = (1..10).map(nobody).collect();
        addresses.push(v6);
        let options = ConnectOptions::default().with_timeout(Some(timeout));
        scene.connect(&addresses, options);
        let at = scene.told_at("connected") - ROUND_TRIP;
        // Nine timers, each up to 1 ms late.
        assert!(
            (due..=due + ms(10)).contains(&at),
            "at {at:?} instead of {due:?}"
        );
        assert_only(&mut scene, &mut listener);
    }
}

#[test]
fn no_more_than_32_addresses_are_tried() {
    let mut scene = Scene::new();
    let _listener = scene.listen("server", "[::]:80");
    let [_, v6] = scene.sim.addresses("server");
    let mut addresses: Vec<IpAddr> = (1..=32).map(nobody).collect();
    addresses.push(v6);
    scene.connect(&addresses, ConnectOptions::default());
    assert_at(scene.told_at("TimedOut(Connect)"), ms(30_000));
    let mut scene = Scene::new();
    let _listener = scene.listen("server", "[::]:80");
    let mut addresses: Vec<IpAddr> = (1..=31).map(nobody).collect();
    addresses.push(scene.sim.addresses("server")[1]);
    scene.connect(&addresses, ConnectOptions::default());
    scene.told_at("connected");
}

/// Both answers come while the program does not look: the earlier attempt is the winner, and on
/// the other connection there is nothing but its end.
#[test]
fn of_two_that_answer_at_once_one_is_taken_and_no_byte_goes_to_the_other() {
    let mut scene = Scene::new();
    let mut v6_listener = scene.listen("server", "[::]:80");
    let mut v4_listener = scene.listen("server", "0.0.0.0:80");
    let [v4, v6] = scene.sim.addresses("server");
    let slow = ms(130); // so the answer to the first comes after the second was tried
    scene.sim.faults(
        Faults::none()
            .job_time(Duration::ZERO..Duration::ZERO)
            .latency(slow..slow),
    );
    let host = scene.client.id();
    let half = Duration::from_micros(500);
    scene.sim.at(ms(240), Action::Latency(half..half));
    let lasting = Some(ms(20));
    scene
        .sim
        .at(ms(250) + half, Action::Pause { host, lasting });
    scene.connect(&[v6, v4], ConnectOptions::default());
    let at = scene.told_at("connected");
    assert_at(at, ms(270) + half);
    assert_only(&mut scene, &mut v6_listener);
    let mut other = v4_listener.accept().expect("it was connected too");
    let n = other.read(&mut [0]).expect("it has ended in peace");
    assert_eq!(n, 0, "a byte was sent on it");
}

#[test]
fn a_close_ends_all_attempts() {
    let mut scene = Scene::new();
    let mut listener = scene.listen("server", "0.0.0.0:80");
    let [v4, _] = scene.sim.addresses("server");
    scene
        .sim
        .name("many", &[nobody(1), nobody(2), v4, nobody(3)]);
    let token = scene.sim.with(scene.client, |_, cx| {
        let options = ConnectOptions::default().with_attempt_delay(ms(100));
        cx.connect_with("many:80", options, Client)
    });
    let token = token.expect("there is room");
    scene.sim.run_for(ms(50)).expect("all goes well");
    scene.sim.with(scene.client, |_, cx| cx.close_source(token));
    let at = scene.told_at("Requested");
    assert!(at < ms(51), "{at:?}");
    assert!(listener.accept().is_err(), "it was tried all the same");
}

/// What was sent before the close goes out first, so the attempts go on, at their times.
#[test]
fn a_close_behind_bytes_waits_for_the_connection() {
    let mut scene = Scene::new();
    let mut listener = scene.listen("server", "0.0.0.0:80");
    let [v4, _] = scene.sim.addresses("server");
    scene.sim.name("many", &[nobody(1), v4]);
    let token = scene.sim.with(scene.client, |_, cx| {
        let token = cx.connect("many:80", Client)?;
        cx.send_to(token, "last words").map(|()| token)
    });
    let token = token.expect("there is room");
    scene.sim.run_for(ms(200)).expect("all goes well");
    scene.sim.with(scene.client, |_, cx| cx.close_source(token));
    scene.sim.run_for(ms(53)).expect("all goes well");
    let mut socket = listener.accept().expect("the address was tried in time");
    assert_eq!(received(&mut socket), b"last words");
    drop(socket);
    let told = scene.run();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, "Requested");
}

/// One address has refused, the other has never answered: the deadline is what ended it.
#[test]
fn a_refusal_does_not_hide_that_the_time_was_over() {
    let mut scene = Scene::new();
    let [v4, _] = scene.sim.addresses("server");
    let options = ConnectOptions::default().with_timeout(Some(ms(700)));
    scene.connect(&[nobody(1), v4], options);
    assert_at(scene.told_at("TimedOut(Connect)"), ms(700));
}
