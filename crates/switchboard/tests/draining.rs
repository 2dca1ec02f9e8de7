//! A reactor that drains lets nobody in, serves whom it has until they go, and ends what does not go
//! at the limit: on the system's drivers, and in virtual time.

#[path = "crowd/drivers.rs"]
mod drivers;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use switchboard::sim::Simulation;
use switchboard::{
    Close, Context, Driver, Error, Handler, Listener, Reactor, Result, Stream, Time, UdpSocket,
};

/// Why sources have ended, in this order.
#[derive(Default)]
struct Ends {
    accepted: usize,
    listener: Vec<String>,
    clients: Vec<String>,
    at: Time,
}

struct Echo {
    is_client: bool,
}

const CLIENT: Echo = Echo { is_client: true };
const OTHER: Echo = Echo { is_client: false };

impl Handler<Ends> for Echo {
    fn handle_accepted(
        &mut self,
        ends: &mut Ends,
        cx: &mut Context<'_, Ends>,
        stream: Stream,
    ) -> Result {
        ends.accepted += 1;
        cx.register(stream, CLIENT).map(drop)
    }

    fn handle_read(&mut self, _: &mut Ends, cx: &mut Context<'_, Ends>) -> Result {
        let data = cx.recv(usize::MAX);
        cx.send(data)
    }

    fn handle_close(&mut self, ends: &mut Ends, cx: &mut Context<'_, Ends>, why: &Close) {
        ends.at = cx.now();
        match self.is_client {
            true => ends.clients.push(why.to_string()),
            false => ends.listener.push(why.to_string()),
        }
    }
}

/// A reactor with a client, which has said something, that drains within this time.
fn draining(driver: Driver, limit: Duration) -> (Reactor<Ends>, TcpStream) {
    let mut reactor = Reactor::builder()
        .driver(driver)
        .build(Ends::default())
        .expect("it works here");
    let listener = reactor.bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local().unwrap().ip().expect("an IP address");
    reactor.listen_on(listener, OTHER).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    reactor.register_udp(socket, OTHER).unwrap();
    let client = TcpStream::connect(address).expect("it listens");
    while reactor.state().accepted == 0 {
        reactor.turn(None).expect("it runs");
    }
    reactor.with(|_, cx| {
        assert!(!cx.is_ending());
        cx.drain(limit);
        assert!(cx.is_ending());
    });
    while reactor.state().listener.len() < 2 {
        reactor.turn(None).expect("it runs");
    }
    TcpStream::connect(address).expect_err("nobody listens any more");
    let late = Listener::bind("127.0.0.1:0").unwrap();
    let refused = reactor.listen_on(late, OTHER).unwrap_err();
    assert!(matches!(refused, Error::ShuttingDown));
    (reactor, client)
}

#[test]
fn who_is_there_is_served_to_the_end() {
    for driver in drivers::working() {
        let (mut reactor, mut client) = draining(driver, Duration::from_secs(3600));
        client.write_all(b"hello").unwrap();
        client.set_nonblocking(true).unwrap();
        while client.peek(&mut [0]).is_err() {
            reactor.turn(Some(Duration::from_millis(5))).unwrap();
        }
        client.set_nonblocking(false).unwrap();
        let mut echo = [0; 5];
        client.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"hello");
        assert!(!reactor.is_done());
        drop(client);
        reactor.run().expect("it ends");
        let ends = reactor.state();
        assert_eq!(ends.listener, ["the reactor was shut down"; 2]);
        assert_eq!(ends.clients, ["the peer has finished"]);
    }
}

#[test]
fn who_stays_is_ended_at_the_limit() {
    for driver in drivers::working() {
        let (mut reactor, mut client) = draining(driver, Duration::from_millis(20));
        while !reactor.is_done() && reactor.state().clients.is_empty() {
            reactor.turn(Some(Duration::from_millis(5))).unwrap();
            let _ = client.set_nonblocking(true);
            if client.read(&mut [0]).is_ok_and(|count| count == 0) {
                let _ = client.shutdown(std::net::Shutdown::Both); // or it would be lingered for
            }
        }
        reactor.run().expect("it ends");
        assert_eq!(reactor.state().clients, ["the reactor was shut down"]);
    }
}

/// Without a connection there is nothing to wait for; and a second call changes nothing.
#[test]
fn a_reactor_without_connections_ends_at_once_in_a_simulation_too() {
    let mut simulation = Simulation::new(7);
    let mut reactor = simulation
        .reactor("server", Reactor::builder(), Ends::default())
        .unwrap();
    reactor.listen("server:80", OTHER).unwrap();
    reactor.turn(Some(Duration::ZERO)).unwrap();
    let begun = reactor.with(|_, cx| {
        cx.drain(Duration::from_secs(3600));
        cx.drain(Duration::ZERO);
        cx.now()
    });
    reactor.run().unwrap();
    let ends = reactor.state();
    assert_eq!(ends.listener, ["the reactor was shut down"]);
    assert!(ends.at - begun < Duration::from_secs(1));
}
