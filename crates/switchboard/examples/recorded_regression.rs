//! A recording as a regression test. The server adds up the numbers of each line; what a session
//! with it was like is kept in `tests/data/sums.rec`, and the test at the end of this file tells
//! the handlers the same again: if they answer otherwise, it shows where.
//!
//! `recorded_regression record FILE` makes such a file, `recorded_regression replay FILE` replays
//! it. After a change that is meant to change the answers (and with each new version of the
//! library), record again:
//!
//! ```sh
//! cargo run -p switchboard --example recorded_regression -- record crates/switchboard/tests/data/sums.rec
//! ```
//!
//! It must never need more than the file for a replay: no network, no other program, no clock.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::thread;

use switchboard::{
    Builder, Context, Handler, Reactor, Recording, Replay, ReplayEnd, Result, Stream,
};

const PROGRAM: &str = "sums";
/// Raised when sessions of before are not worth being compared with.
const VERSION: &str = "1";

/// What all lines have added up to.
#[derive(Default)]
struct Total(i64);

struct Door;

impl Handler<Total> for Door {
    fn handle_accepted(
        &mut self,
        _: &mut Total,
        cx: &mut Context<'_, Total>,
        stream: Stream,
    ) -> Result {
        cx.register(stream, Adder).map(drop)
    }
}

struct Adder;

impl Handler<Total> for Adder {
    fn handle_read(&mut self, total: &mut Total, cx: &mut Context<'_, Total>) -> Result {
        while let Some(end) = cx.data().iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&cx.data()[..end]).into_owned();
            cx.consume(end + 1);
            match sum(&line) {
                _ if line == "stop" => cx.stop(),
                Ok(sum) => {
                    total.0 += sum;
                    cx.send(format!("{sum}, {} in all\n", total.0))?;
                }
                Err(word) => cx.send(format!("{word:?} is no number\n"))?,
            }
        }
        Ok(())
    }
}

fn sum(line: &str) -> std::result::Result<i64, &str> {
    line.split_whitespace()
        .map(|word| word.parse::<i64>().map_err(|_| word))
        .sum()
}

/// The program, set up for a recording and for a replay alike.
fn server(builder: Builder) -> Result<(Reactor<Total>, SocketAddr)> {
    let mut reactor = builder.build(Total::default())?;
    let listener = reactor.bind("127.0.0.1:0")?;
    let address = listener.local()?.ip().ok_or("not an IP address")?;
    reactor.listen_on(listener, Door)?;
    Ok((reactor, address))
}

fn record(file: &str) -> Result {
    let recording = Recording::new(file, PROGRAM, VERSION).with_earlier(0);
    let (mut reactor, address) = server(Reactor::builder().record(recording))?;
    let client = thread::spawn(move || converse(address));
    reactor.run()?;
    client.join().map_err(|_| "the client panicked")??;
    Ok(())
}

/// The session that is worth a test: a sum, a mistake, a line in two parts.
fn converse(address: SocketAddr) -> std::io::Result<()> {
    let mut server = BufReader::new(std::net::TcpStream::connect(address)?);
    let mut answer = String::new();
    for part in ["1 2 3\n", "4 x\n", "5 ", "-6\n"] {
        server.get_mut().write_all(part.as_bytes())?;
        if part.ends_with('\n') {
            server.read_line(&mut answer)?;
        }
    }
    print!("{answer}");
    server.get_mut().write_all(b"stop\n")
}

fn replay(file: &str) -> Result<ReplayEnd> {
    let replay = Replay::open(file, PROGRAM, VERSION)?;
    let (mut reactor, _) = server(Reactor::builder().replay(&replay))?;
    reactor.run()?;
    drop(reactor); // what the handlers do then is compared, too
    replay.outcome()
}

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["record", file] => record(file),
        ["replay", file] => {
            println!("the same as then; {}", replay(file)?);
            Ok(())
        }
        _ => Err("expected: record FILE, or replay FILE".into()),
    }
}

/// On the system that it was recorded on: numbers of errors differ between systems.
#[cfg(target_os = "linux")]
#[test]
fn the_recorded_session_is_the_same() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sums.rec");
    match replay(file) {
        Ok(end) => assert_eq!(end, ReplayEnd::Complete),
        Err(error) => panic!("{error}\n(if that is meant, record again: see the first comment)"),
    }
}
