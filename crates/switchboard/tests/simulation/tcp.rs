//! The simulated network is TCP as a program on Linux sees it.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::Duration;

use switchboard::sim::{Fault, Faults, Simulation, Socket, SocketListener};

/// Lets packets arrive, whichever way and however often.
fn pass(sim: &mut Simulation) {
    sim.run_for(Duration::from_millis(10))
        .expect("nobody is there to fail");
}

fn connected(sim: &mut Simulation) -> (Socket, Socket, SocketListener) {
    let mut listener = sim
        .listen("server", "0.0.0.0:80")
        .expect("the port is free");
    let client = sim.dial("client", "server:80").expect("it is there");
    pass(sim);
    let server = listener.accept().expect("it has come");
    (client, server, listener)
}

fn kind<T: std::fmt::Debug>(result: std::io::Result<T>) -> ErrorKind {
    result.expect_err("it fails").kind()
}

fn read(socket: &mut Socket) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 1000];
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        all.extend_from_slice(&buffer[..n]);
    }
    all
}

#[test]
fn bytes_arrive_in_order_and_before_the_end() {
    let mut sim = Simulation::new(1);
    let (mut client, mut server, _) = connected(&mut sim);
    assert_eq!(kind(server.read(&mut [0; 4])), ErrorKind::WouldBlock);
    client.write(b"hello ").expect("there is room");
    client.write(b"world").expect("there is room");
    client.shutdown(Shutdown::Write);
    pass(&mut sim);
    assert_eq!(read(&mut server), b"hello world");
    assert_eq!(server.read(&mut [0; 4]).expect("the end"), 0);
    // The other way goes on.
    server.write(b"answer").expect("there is room");
    drop(server);
    pass(&mut sim);
    assert_eq!(read(&mut client), b"answer");
    assert_eq!(client.read(&mut [0; 4]).expect("the end"), 0);
    assert_eq!(kind(client.write(b"more")), ErrorKind::BrokenPipe);
}

#[test]
fn a_half_closed_connection_lasts() {
    let mut sim = Simulation::new(1);
    let (mut client, mut server, _listener) = connected(&mut sim);
    server.shutdown(Shutdown::Write);
    sim.run_for(Duration::from_secs(600))
        .expect("nobody is there to fail");
    client.write(b"still here").expect("there is room");
    pass(&mut sim);
    assert_eq!(read(&mut server), b"still here");
}

#[test]
fn nobody_listens_so_the_connect_is_refused() {
    let mut sim = Simulation::new(1);
    sim.listen("server", "0.0.0.0:80")
        .expect("the port is free");
    let mut client = sim
        .dial("client", "10.0.0.1:81")
        .expect("an address is enough");
    assert_eq!(kind(client.write(b"x")), ErrorKind::WouldBlock);
    pass(&mut sim);
    assert_eq!(kind(client.read(&mut [0; 4])), ErrorKind::ConnectionRefused);
    assert_eq!(kind(client.write(b"x")), ErrorKind::BrokenPipe);
}

#[test]
fn nobody_is_there_so_the_connect_times_out() {
    let mut sim = Simulation::new(1);
    let mut client = sim
        .dial("client", "10.9.9.9:80")
        .expect("an address is enough");
    sim.run_for(Duration::from_secs(120))
        .expect("nobody is there to fail");
    assert_eq!(kind(client.read(&mut [0; 4])), ErrorKind::WouldBlock);
    sim.run_for(Duration::from_secs(130))
        .expect("nobody is there to fail");
    assert_eq!(kind(client.read(&mut [0; 4])), ErrorKind::TimedOut);
}

#[test]
fn a_close_with_unread_bytes_is_a_reset() {
    let mut sim = Simulation::new(1);
    let (mut client, server, _) = connected(&mut sim);
    client.write(b"unread").expect("there is room");
    pass(&mut sim);
    drop(server);
    pass(&mut sim);
    assert_eq!(kind(client.read(&mut [0; 4])), ErrorKind::ConnectionReset);
    assert_eq!(kind(client.write(b"x")), ErrorKind::BrokenPipe);
    assert_eq!(client.read(&mut [0; 4]).expect("the end"), 0);
}

#[test]
fn bytes_for_a_closed_end_are_answered_by_a_reset() {
    let mut sim = Simulation::new(1);
    let (mut client, server, _) = connected(&mut sim);
    drop(server);
    pass(&mut sim);
    assert_eq!(client.read(&mut [0; 4]).expect("the end"), 0);
    client.write(b"x").expect("it does not know yet");
    pass(&mut sim);
    assert_eq!(kind(client.write(b"x")), ErrorKind::BrokenPipe); // after the end, EPIPE
}

#[test]
fn a_reset_leaves_what_has_arrived_and_loses_what_has_not() {
    let mut sim = Simulation::new(1);
    let (mut client, server, _) = connected(&mut sim);
    let mut server = server;
    server.write(b"arrived").expect("there is room");
    pass(&mut sim);
    server.reset();
    pass(&mut sim);
    assert_eq!(read(&mut client), b"arrived");
    let (mut client, mut server, _) = {
        let mut listener = sim
            .listen("server", "0.0.0.0:81")
            .expect("the port is free");
        let client = sim.dial("client", "server:81").expect("it is there");
        pass(&mut sim);
        let server = listener.accept().expect("it has come");
        (client, server, listener)
    };
    sim.faults(Faults::none().bandwidth(Some(1000)));
    drop(sim.dial("client", "server:81")); // another connection's end changes nothing
    client.write(&[1; 100]).expect("there is room");
    pass(&mut sim);
    assert_eq!(read(&mut server).len(), 100);
}

#[test]
fn buffers_are_bounded_and_the_window_closes() {
    let mut sim = Simulation::new(1);
    sim.faults(Faults::none().buffers(1000, 3000));
    let (mut client, mut server, _) = connected(&mut sim);
    let mut sent = 0;
    loop {
        match client.write(&[7; 700]) {
            Ok(n) => sent += n,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                let before = sent;
                pass(&mut sim);
                if let Ok(n) = client.write(&[7; 700]) {
                    sent += n;
                }
                if sent == before {
                    break;
                }
            }
        }
    }
    assert_eq!(sent, 4000, "the receiver's buffer and the sender's");
    assert_eq!(read(&mut server).len(), 3000);
    pass(&mut sim);
    assert_eq!(client.write(&[7; 700]).expect("there is room again"), 700);
    pass(&mut sim);
    assert_eq!(read(&mut server).len(), 1700);
}

#[test]
fn a_full_backlog_makes_the_next_one_wait() {
    let mut sim = Simulation::new(1);
    sim.faults(Faults::none().backlog(2));
    let mut listener = sim
        .listen("server", "0.0.0.0:80")
        .expect("the port is free");
    let dial = |sim: &mut Simulation| sim.dial("client", "server:80").expect("it is there");
    let mut clients: Vec<Socket> = (0..3).map(|_| dial(&mut sim)).collect();
    pass(&mut sim);
    let is_there = |client: &mut Socket| client.write(b"x").is_ok();
    let there = clients
        .iter_mut()
        .filter_map(|client| is_there(client).then_some(()));
    assert_eq!(there.count(), 2);
    let _first = listener.accept().expect("it has come");
    pass(&mut sim);
    sim.run_for(Duration::from_secs(4))
        .expect("nobody is there to fail");
    assert!(clients.iter_mut().all(is_there), "it was asked again");
}

#[test]
fn a_listener_that_closes_resets_what_waits_for_it() {
    let mut sim = Simulation::new(1);
    let listener = sim
        .listen("server", "0.0.0.0:80")
        .expect("the port is free");
    assert!(
        sim.listen("server", "0.0.0.0:80").is_err(),
        "the port is taken"
    );
    let mut client = sim.dial("client", "server:80").expect("it is there");
    pass(&mut sim);
    drop(listener);
    pass(&mut sim);
    assert_eq!(kind(client.read(&mut [0; 4])), ErrorKind::ConnectionReset);
    sim.listen("server", "0.0.0.0:80")
        .expect("the port is free again");
}

#[test]
fn an_unknown_name_is_not_found() {
    let mut sim = Simulation::new(1);
    let error = sim.dial("client", "nowhere:80").unwrap_err().to_string();
    assert!(
        error.contains("cannot find the host \"nowhere\""),
        "{error}"
    );
}

/// A peer that writes and reads at random moments, and what a model says of it.
struct Talker {
    socket: Socket,
    written: Vec<u8>,
    read: Vec<u8>,
    ended: bool,
}

impl Talker {
    fn new(socket: Socket) -> Talker {
        Talker {
            socket,
            written: Vec::new(),
            read: Vec::new(),
            ended: false,
        }
    }

    fn act(&mut self, rng: &mut fastrand::Rng) {
        if rng.bool() && self.written.len() < 5000 {
            let bytes: Vec<u8> = (0..rng.usize(1..800)).map(|_| rng.u8(..)).collect();
            if let Ok(n) = self.socket.write(&bytes) {
                self.written.extend_from_slice(&bytes[..n]);
            }
        }
        let mut buffer = vec![0; rng.usize(1..900)];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(n) => self.read.extend_from_slice(&buffer[..n]),
            Err(error) => self.ended |= error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// No byte is doubled, moved or invented, whatever happens; and none is lost without a reset.
#[test]
fn what_is_read_is_the_beginning_of_what_was_written() {
    let ms = Duration::from_millis;
    let network = Faults::none()
        .latency(ms(0)..ms(30))
        .buffers(700, 900)
        .with(Fault::Split, 0.3)
        .with(Fault::Merge, 0.2)
        .with(Fault::Delay, 0.1)
        .with(Fault::Loss, 0.1)
        .with(Fault::ShortWrite, 0.3)
        .with(Fault::FullBuffer, 0.1)
        .with(Fault::Narrow, 0.2);
    let (mut cut, mut whole) = (0, 0);
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut sim = Simulation::new(seed);
        let (client, server, _listener) = connected(&mut sim);
        let may_cut = seed % 2 == 0;
        let resets = if may_cut { 0.01 } else { 0.0 };
        sim.faults(
            network
                .clone()
                .with(Fault::Reset, resets)
                .with(Fault::Flush, 0.5),
        );
        let mut talkers = [Talker::new(client), Talker::new(server)];
        if rng.bool() {
            let partition = "at 500 ms, partition {client} from {server} for 3 s";
            sim.script(partition).expect("it is understood");
        }
        for _ in 0..200 {
            talkers[rng.usize(..2)].act(&mut rng);
            sim.run_for(ms(rng.u64(..40)))
                .expect("nobody is there to fail");
        }
        for talker in &mut talkers {
            talker.socket.shutdown(Shutdown::Write);
        }
        for _ in 0..400 {
            for talker in &mut talkers {
                let written = talker.written.len();
                talker.act(&mut rng);
                assert_eq!(
                    talker.written.len(),
                    written,
                    "nothing is taken after the end"
                );
            }
            sim.run_for(ms(200)).expect("nobody is there to fail");
        }
        let [client, server] = &talkers;
        for (from, to) in [(client, server), (server, client)] {
            assert!(from.written.starts_with(&to.read), "seed {seed}");
            let all = from.written.len() == to.read.len();
            assert!(all || may_cut, "seed {seed}: bytes are lost");
            assert!(
                to.ended || sim.counts().of(Fault::Reset) > 0,
                "seed {seed}: no end"
            );
            *(if all { &mut whole } else { &mut cut }) += 1;
        }
    }
    assert!(cut > 50 && whole > 300, "{cut} cut, {whole} whole");
}
