//! Clients that never come to the point: half a greeting, handshake, request, frame or line, a byte
//! at a time or nothing at all. Each is given up when its time is over, however long it goes on.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::browser::{TEXT, header, opening};
use crate::peer::Peer;
use crate::town::Town;

/// So many of each kind at once.
const EACH: usize = 20;

/// How long they wait between two bytes.
const PACE: Duration = Duration::from_millis(25);

const FLAGS: &[&str] = &[
    "--handshake-timeout",
    "400ms",
    "--idle-timeout",
    "2s",
    "--tls",
    "self-signed",
    "--max-clients",
    "500",
];

/// One that goes on sending, and never comes to an end.
struct Dripper {
    peer: Peer,
    what: &'static str,
    /// What it sends a byte of at a time; nothing: it is silent.
    drop: &'static [u8],
}

/// How each kind begins, and goes on.
fn kinds(address: &str) -> Vec<(&'static str, Vec<u8>, &'static [u8])> {
    // A record of 512 bytes that begins a ClientHello: its type, lengths and version.
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let upgrade = format!("{}\r\n", opening(address)).into_bytes();
    let half_frame = [&upgrade[..], &header(TEXT, 8000)].concat();
    vec![
        ("half a word of HTTP", b"GE".to_vec(), b""),
        ("a target without an end", b"GET /".to_vec(), b"x"),
        ("half a word of IRC", b"CA".to_vec(), b""),
        ("a nick and no user", b"NICK slow\r\n".to_vec(), b""),
        ("a password without an end", b"PASS ".to_vec(), b"x"),
        ("half a ClientHello's head", hello[..5].to_vec(), b""),
        ("half a ClientHello", hello.to_vec(), b"\0"),
        (
            "a head without an end",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec(),
            b"x",
        ),
        (
            "half an opening",
            upgrade[..upgrade.len() - 4].to_vec(),
            b"",
        ),
        ("half a frame", half_frame, b"x"),
        ("half an IRC line", b"CAP LS 302\r\nNICK ".to_vec(), b"x"),
        (
            "IRC without a name",
            b"CAP LS 302\r\n".to_vec(),
            b"PING x\r\n",
        ),
        ("silence", Vec::new(), b""),
    ]
}

#[test]
fn who_never_comes_to_the_point_is_given_up() {
    let mut town = Town::start(FLAGS);
    let began = Instant::now();
    let mut drippers: Vec<Dripper> = Vec::new();
    for (what, beginning, drop) in kinds(&town.address) {
        for _ in 0..EACH {
            let mut peer = Peer::connect(&town.address);
            peer.say(&beginning);
            drippers.push(Dripper { peer, what, drop });
        }
    }
    // Nobody ever sends to it: it tells the time.
    let (_kept, clock) = mpsc::channel::<()>();
    let mut told = Vec::new();
    for index in 0.. {
        drippers.retain_mut(|dripper| {
            if let Some(byte) = dripper.drop.get(index % dripper.drop.len().max(1)) {
                // Who is given up may notice when it sends.
                let _ = dripper.peer.try_say([*byte]);
            }
            let over = dripper.peer.is_left_alone();
            if over {
                told.push((dripper.what, dripper.peer.hear_all_text()));
            }
            !over
        });
        if drippers.is_empty() {
            break;
        }
        let left: Vec<&str> = drippers.iter().map(|dripper| dripper.what).collect();
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "still there: {left:?}"
        );
        let _ = clock.recv_timeout(PACE);
    }
    for (what, text) in told {
        match what {
            "silence" => assert_eq!(
                text,
                "Error: no message for 2s; the server closes this connection\n"
            ),
            "half an IRC line" | "IRC without a name" => {
                assert!(
                    text.ends_with("ERROR :you have not said who you are\r\n"),
                    "{text}"
                );
            }
            "half a frame" => assert!(text.starts_with("HTTP/1.1 101 "), "{text}"),
            _ => assert_eq!(text, "", "{what}"),
        }
    }
    town.server
        .process
        .wait_for_error("has sent half a greeting for 400ms, and is given up");
    town.end();
}

/// An IRC client that was let in and then says no more, and never ends its line, holds a
/// connection: as many as its network may have, and no more of anybody else's.
#[test]
fn a_client_that_waits_inside_a_line_costs_nobody_anything() {
    let town = Town::start(&[]);
    let mut waiting: Vec<Peer> = (0..EACH)
        .map(|number| {
            let mut peer = Peer::irc(&town.address, &format!("waits{number}"), "");
            peer.join("#company");
            peer.say("PRIVMSG #company :half a li");
            peer
        })
        .collect();
    for peer in &mut waiting {
        peer.say("ne\r\n");
    }
    for peer in &mut waiting {
        peer.hear_line_with("good tidings"); // it is told what others say meanwhile
    }
    drop(waiting);
    town.end();
}
