//! WebSockets that are opened wrongly, and frames that are cut, masked or made wrongly.

use crate::browser::{Browser, CLOSE, PING, PONG, TEXT, frame, header, opening};
use crate::peer::Peer;
use crate::town::Town;

/// The first byte of a text that goes on in other frames, and of those.
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

#[test]
fn every_byte_may_come_alone() {
    let town = Town::start(&[]);
    let mut browser = Browser(Peer::connect(&town.address));
    let mut bytes = format!("{}\r\n", opening(&town.address)).into_bytes();
    bytes.extend(frame(TEXT_BEGINS, b"NICK "));
    bytes.extend(frame(PING, b"are you there?"));
    bytes.extend(frame(ENDS, b"slow"));
    bytes.extend(frame(TEXT, b"USER slow 0 * :slow"));
    for byte in bytes {
        browser.0.say([byte]);
    }
    browser.hear_head();
    assert_eq!(browser.hear_frame(), (PONG, b"are you there?".to_vec()));
    browser.hear_line_with(" 001 slow ");
    town.end();
}

#[test]
fn what_is_no_frame_of_a_client_is_closed_with_its_code() {
    let town = Town::start(&[]);
    let unmasked = [&[TEXT, 4][..], b"PING"].concat();
    let mut masked_otherwise = frame(TEXT, b"PING :x");
    for byte in &mut masked_otherwise[2..6] {
        *byte ^= 0x80; // so each byte of the text seems to be one of UTF-8's later ones
    }
    let fragments = |count: usize| {
        let mut bytes = frame(TEXT_BEGINS, b"PING :x");
        bytes.extend(frame(GOES_ON, b"x").repeat(count - 1));
        bytes
    };
    let close = |code: u16| frame(CLOSE, &code.to_be_bytes());
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("unmasked", unmasked, 1002),
        ("masked by another mask", masked_otherwise, 1007),
        ("a reserved bit", frame(TEXT | 0x40, b"PING"), 1002),
        ("another reserved bit", frame(TEXT | 0x10, b"PING"), 1002),
        ("a reserved code", frame(0x83, b"PING"), 1002),
        ("a reserved control code", frame(0x8b, b""), 1002),
        ("half a ping", frame(0x09, b"PING"), 1002),
        ("a long ping", header(PING, 126), 1002),
        ("the middle first", frame(GOES_ON, b"PING"), 1002),
        (
            "two beginnings",
            [frame(TEXT_BEGINS, b"PI"), frame(TEXT, b"NG")].concat(),
            1002,
        ),
        ("no UTF-8", frame(TEXT, b"PING :\xc3("), 1007),
        ("one byte too many", header(TEXT, 8702), 1009),
        ("four gigabytes", header(TEXT, 1 << 32), 1009),
        ("more than there is", header(TEXT, i64::MAX as u64), 1009),
        (
            "too long in all",
            [frame(TEXT_BEGINS, &[b'x'; 8000]), frame(ENDS, &[b'x'; 702])].concat(),
            1009,
        ),
        ("too many fragments", fragments(65), 1008),
        ("two lines", frame(TEXT, b"NICK a\nUSER a 0 * :a"), 1008),
        ("half a code", frame(CLOSE, b"\x03"), 1002),
        ("a code that is never sent", close(1005), 1002),
        ("a goodbye", close(1000), 1000),
    ];
    for (what, bytes, code) in cases {
        let mut browser = Browser::open(&town.address);
        println!("{what}"); // shown if it fails
        browser.0.say(bytes);
        assert_eq!(browser.hear_close(), code, "{what}");
    }
    town.end();
}

#[test]
fn pings_are_answered_until_they_are_a_flood() {
    let town = Town::start(&[]);
    let mut flooder = Browser::enter(&town.address, "flooder", "");
    flooder.settle();
    let pings: Vec<u8> = (0..200_u8).flat_map(|n| frame(PING, &[n])).collect();
    flooder.0.say(pings);
    let mut pongs = 0;
    let code = loop {
        match flooder.hear_frame() {
            (PONG, payload) => {
                assert_eq!(payload, [pongs]);
                pongs += 1;
            }
            (CLOSE, payload) => break u16::from_be_bytes([payload[0], payload[1]]),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 1008);
    assert!((50..60).contains(&pongs), "{pongs}");
    assert!(flooder.0.hear_all().is_empty());
    town.end();
}

/// Whoever is sent away is told so in the protocol's own way.
#[test]
fn who_is_sent_away_is_sent_a_close() {
    let town = Town::start(&[]);
    let mut leaver = Browser::enter(&town.address, "leaver", "");
    leaver.say("QUIT :bye");
    leaver.hear_line_with("ERROR ");
    assert_eq!(leaver.hear_close(), 1000);
    town.end();
}

#[test]
fn what_is_no_opening_is_refused() {
    let town = Town::start(&[]);
    let good = opening(&town.address);
    let without = |field: &str| {
        let lines = good.split_inclusive("\r\n");
        lines
            .filter(|line| !line.starts_with(field))
            .collect::<String>()
    };
    let cases = [
        ("another version", good.replace(": 13", ": 8"), 426),
        ("two versions", good.replace(": 13", ": 13, 8"), 426),
        ("no version", without("Sec-WebSocket-Version"), 426),
        ("no upgrade", without("Upgrade"), 426),
        ("another upgrade", good.replace("websocket\r", "h2c\r"), 426),
        ("no connection", without("Connection"), 426),
        ("HTTP/1.0", good.replace("HTTP/1.1", "HTTP/1.0"), 426),
        ("no key", without("Sec-WebSocket-Key"), 400),
        ("a short key", good.replace("dGhl", ""), 400),
        ("no base64", good.replace("dGhl", "!!!!"), 400),
        (
            "two keys",
            format!("{good}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            400,
        ),
        ("no host", without("Host"), 400),
        ("two hosts", format!("{good}Host: localhost\r\n"), 400),
        ("another method", good.replace("GET", "POST"), 405),
        ("another place", good.replace("/ws", "/ws/"), 404),
    ];
    for (what, request, status) in cases {
        let mut peer = Peer::connect(&town.address);
        peer.say(format!("{request}\r\n"));
        let answer = peer.hear_all_text();
        let told = answer.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(told, "{what}: {answer}");
    }
    // A protocol that nobody knows is none.
    let mut peer = Peer::connect(&town.address);
    peer.say(format!("{}\r\n", good.replace("text.ircv3.net", "mqtt")));
    let mut head = Vec::new();
    while head.last().is_none_or(|line: &String| !line.is_empty()) {
        head.push(peer.hear_line());
    }
    assert!(head[0].starts_with("HTTP/1.1 101 "), "{head:?}");
    let named = |line: &String| line.starts_with("Sec-WebSocket-Protocol");
    assert!(!head.iter().any(named), "{head:?}");
    town.end();
}
