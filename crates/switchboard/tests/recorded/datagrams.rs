//! Datagrams in recordings: a replay brings the same, and a datagram that is sent otherwise than
//! then (other bytes, another receiver, none at all, one more) is found.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use switchboard::{Address, Close, Context, Driver, Error, Handler, Reactor, ReplayEnd, Result};

use crate::tape::Tape;

const BOUND: Duration = Duration::from_secs(20);

/// What the program does otherwise in a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Twist {
    None,
    Byte,
    Receiver,
    Silence,
    OneMore,
}

/// Answers each datagram twice, except `refused` (the answer goes where nothing can), `pause`, and
/// `stop`.
struct Server {
    twist: Twist,
    notes: Vec<String>,
}

struct Answering;

impl Handler<Server> for Answering {
    fn handle_datagram(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        let cut = if cx.is_truncated() { " cut" } else { "" };
        server
            .notes
            .push(format!("{} from {from}{cut}", bytes.escape_ascii()));
        let mut answer = bytes.to_ascii_uppercase();
        let last = bytes.starts_with(b"last");
        match server.twist {
            Twist::Byte if last => answer[3] = b'!',
            Twist::Silence if last => return Ok(()),
            Twist::OneMore if last => cx.send_datagram("more", from)?,
            Twist::Receiver if last => {
                let other = SocketAddr::from(([127, 0, 0, 1], 9));
                return cx.send_datagram(answer, other);
            }
            _ => {}
        }
        match bytes {
            b"stop" => cx.stop(),
            b"refused" => {
                let nowhere = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9));
                cx.send_datagram("to nobody", nowhere)?;
                cx.send_datagram(answer, from)?;
            }
            _ => {
                cx.send_datagram(&answer, from)?;
                cx.send_datagram(&answer, from)?;
            }
        }
        Ok(())
    }

    fn handle_error(&mut self, server: &mut Server, _: &mut Context<'_, Server>, error: &Error) {
        server.notes.push(error.to_string());
    }

    fn handle_close(&mut self, server: &mut Server, _: &mut Context<'_, Server>, why: &Close) {
        server.notes.push(why.to_string());
    }
}

fn set_up(reactor: &mut Reactor<Server>) -> Result<Address> {
    let mut socket = reactor.bind_udp("127.0.0.1:0")?;
    socket.set_longest(100);
    let address = socket.local()?;
    reactor.register_udp(socket, Answering)?;
    reactor.with(|_, cx| cx.listen_udp("127.0.0.1:0", Answering).map(drop))?;
    Ok(address)
}

fn server(twist: Twist) -> Server {
    Server {
        twist,
        notes: Vec::new(),
    }
}

/// Records a conversation, and gives what the program noted.
fn record(tape: &Tape) -> Vec<String> {
    let builder = Reactor::builder()
        .driver(tape.driver)
        .record(tape.recording());
    let (listens, address) = mpsc::channel();
    let program = thread::spawn(move || -> Result<Vec<String>> {
        let mut reactor = builder.build(server(Twist::None))?;
        listens
            .send(set_up(&mut reactor)?)
            .expect("it is waited for");
        reactor.run()?;
        Ok(std::mem::take(&mut reactor.state_mut().notes))
    });
    let address = address.recv_timeout(BOUND).expect("it is bound");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client.set_read_timeout(Some(BOUND)).expect("a socket can");
    client
        .connect(address.ip().expect("it is an IP address"))
        .expect("it is there");
    let hear = || {
        let mut answer = [0; 200];
        // Another case in this process raises a signal.
        let is_interrupted = |answer: &std::io::Result<usize>| matches!(answer, Err(error) if error.kind() == std::io::ErrorKind::Interrupted);
        let mut heard = std::iter::repeat_with(|| client.recv(&mut answer));
        let n = heard.find(|heard| !is_interrupted(heard));
        let n = n.expect("it goes on").expect("it answers");
        answer[..n].to_vec()
    };
    for question in ["one", "two", "refused", &"long".repeat(50), "last word"] {
        client.send(question.as_bytes()).expect("it is there");
        let answer = hear();
        let expected = question.to_ascii_uppercase().into_bytes();
        assert_eq!(answer, expected[..expected.len().min(100)]);
        if question != "refused" {
            assert_eq!(hear(), answer);
        }
    }
    client.send(b"stop").expect("it is there");
    let notes = program.join().expect("it does not panic");
    notes.expect("it ends well")
}

fn replay(tape: &Tape, twist: Twist) -> (Vec<String>, Result<ReplayEnd>) {
    let replay = tape.open().expect("it was recorded");
    let builder = Reactor::builder().replay(&replay);
    let mut reactor = builder.build(server(twist)).expect("it can be replayed");
    set_up(&mut reactor).expect("it was set up then");
    let ran = reactor.run();
    let notes = std::mem::take(&mut reactor.state_mut().notes);
    drop(reactor);
    let outcome = replay.outcome();
    assert!(ran.is_ok() || outcome.is_err(), "{ran:?} {outcome:?}");
    (notes, outcome)
}

#[test]
fn a_replay_brings_the_same_datagrams_and_refusals() {
    for driver in crate::drivers::working() {
        let tape = Tape::on(driver, "datagrams");
        let recorded = record(&tape);
        assert_eq!(recorded.len(), 9, "{recorded:?}");
        assert!(
            recorded[3].starts_with("a datagram to [::1]:9"),
            "{recorded:?}"
        );
        assert!(recorded[4].ends_with(" cut"), "{recorded:?}");
        let (notes, outcome) = replay(&tape, Twist::None);
        assert_eq!(outcome.expect("nothing differs"), ReplayEnd::Complete);
        assert_eq!(notes, recorded);
    }
}

#[test]
fn what_is_sent_otherwise_is_found_and_shown() {
    let tape = Tape::on(Driver::Readiness, "other-datagrams");
    record(&tape);
    for (twist, then, now) in [
        (
            Twist::Byte,
            r#", 9 bytes "LAST WORD""#,
            r#", 9 bytes "LAS! WORD""#,
        ),
        (
            Twist::Receiver,
            r#""LAST WORD""#,
            "send a datagram to 127.0.0.1:9, 9 bytes",
        ),
        (
            Twist::Silence,
            "send a datagram to",
            "nothing more in this tick",
        ),
        (Twist::OneMore, r#""LAST WORD""#, r#", 4 bytes "more""#),
    ] {
        let (_, outcome) = replay(&tape, twist);
        let Err(Error::Diverged(found)) = outcome else {
            panic!("{twist:?} is not found: {outcome:?}");
        };
        let lines: Vec<&str> = found.sides.lines().collect();
        assert!(
            lines[0].starts_with("  then: ") && lines[0].contains(then),
            "{twist:?}: {found}"
        );
        assert!(
            lines[1].starts_with("  now:  ") && lines[1].contains(now),
            "{twist:?}: {found}"
        );
    }
}
