//! Frames as browsers send them, as the specification forbids them, and any bytes, cut anywhere.

use proptest::prelude::*;

use super::*;

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A client's frame, written down by the figure in RFC 6455 section 5.2.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..65536 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, payload.len() as u8], payload].concat()
}

fn goodbye(code: u16, reason: &str) -> Vec<u8> {
    unmasked(
        FIN | CLOSE,
        &[&code.to_be_bytes(), reason.as_bytes()].concat(),
    )
}

const LIMITS: Limits = Limits {
    message_bytes_max: 100,
    fragments_max: 4,
    controls: Rate::new(1, 3),
};

/// All that comes of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    lines: Vec<String>,
    ended: Option<Ended>,
    sent: Vec<u8>,
}

impl Outcome {
    fn code(&self) -> Option<u16> {
        match self.ended {
            Some(Ended::Refused { code, .. }) => Some(code),
            _ => None,
        }
    }
}

/// The way of a handler: bytes arrive in pieces, unread ones stay in front of the next piece.
fn receive_cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut websocket = WebSocket::new(&LIMITS);
    let mut outcome = Outcome::default();
    let mut inbox: Vec<u8> = Vec::new();
    for piece in pieces {
        inbox.extend_from_slice(piece);
        loop {
            match websocket.next(&inbox, 0, &mut outcome.sent) {
                Step::Line { line, consumed } => {
                    outcome.lines.push(line.escape_ascii().to_string());
                    inbox.drain(..consumed);
                }
                Step::NeedMore { consumed } => {
                    inbox.drain(..consumed);
                    assert!(inbox.len() < websocket.buffer_bytes_max().max(140));
                    break;
                }
                Step::Ended(why) => {
                    outcome.ended = Some(why);
                    return outcome;
                }
            }
        }
    }
    outcome
}

fn receive(frames: &[Vec<u8>]) -> Outcome {
    receive_cut([frames.concat().as_slice()])
}

#[test]
fn a_message_is_a_line() {
    let outcome = receive(&[
        masked(FIN | TEXT, b"NICK ann"),
        masked(FIN | BINARY, b"PRIVMSG #a :\xff"),
        masked(FIN | TEXT, b"PING 1\r\n"),
        masked(FIN | TEXT, b"PING 2\n"),
        masked(FIN | TEXT, b""),
    ]);
    assert_eq!(
        outcome.lines,
        ["NICK ann", "PRIVMSG #a :\\xff", "PING 1", "PING 2", ""]
    );
    assert_eq!((outcome.ended, outcome.sent), (None, Vec::new()));
}

#[test]
fn a_message_is_one_line_and_no_more() {
    for inside in ["NICK a\r\nUSER a", "a\nb", "a\rb", "\r\r\n", "a\n\n"] {
        let outcome = receive(&[masked(FIN | TEXT, inside.as_bytes())]);
        assert_eq!(
            (outcome.code(), outcome.lines.len()),
            (Some(1008), 0),
            "{inside:?}"
        );
    }
}

/// The frames of RFC 6455 section 5.7.
#[test]
fn fragments_are_one_message_with_pings_between() {
    let outcome = receive(&[
        masked(TEXT, b"Hel"),
        masked(FIN | PING, b"Hello"),
        masked(0, b""),
        masked(FIN, b"lo"),
    ]);
    assert_eq!(outcome.lines, ["Hello"]);
    assert_eq!(outcome.sent, unmasked(FIN | PONG, b"Hello"));
}

#[test]
fn a_character_may_be_cut_by_a_frame() {
    let outcome = receive(&[masked(TEXT, b"caf\xc3"), masked(FIN, b"\xa9")]);
    assert_eq!(outcome.lines, ["caf\\xc3\\xa9"]);
}

#[test]
fn what_is_forbidden_ends_it_with_its_code() {
    let long = [b'a'; 126];
    let cases: &[(&str, &[Vec<u8>], u16)] = &[
        ("no mask", &[unmasked(FIN | TEXT, b"a")], 1002),
        ("no mask on a ping", &[unmasked(FIN | PING, b"")], 1002),
        ("reserved bit 1", &[masked(FIN | 0x40 | TEXT, b"a")], 1002),
        ("reserved bit 2", &[masked(FIN | 0x20 | TEXT, b"a")], 1002),
        ("reserved bit 3", &[masked(FIN | 0x10 | PING, b"a")], 1002),
        ("opcode 3", &[masked(FIN | 3, b"a")], 1002),
        ("opcode 7", &[masked(FIN | 7, b"a")], 1002),
        ("opcode 11", &[masked(FIN | 11, b"a")], 1002),
        ("opcode 15", &[masked(FIN | 15, b"a")], 1002),
        ("a fragmented ping", &[masked(PING, b"a")], 1002),
        ("a long ping", &[masked(FIN | PING, &long)], 1002),
        ("a long close", &[masked(FIN | CLOSE, &long)], 1002),
        ("the end of nothing", &[masked(FIN, b"a")], 1002),
        ("the middle of nothing", &[masked(0, b"a")], 1002),
        (
            "a message in a message",
            &[masked(TEXT, b"a"), masked(FIN | TEXT, b"b")],
            1002,
        ),
        ("half a close code", &[masked(FIN | CLOSE, b"\x03")], 1002),
        (
            "a close that is no text",
            &[masked(FIN | CLOSE, b"\x03\xe8\xff")],
            1007,
        ),
        ("no UTF-8", &[masked(FIN | TEXT, b"a\xff")], 1007),
        (
            "no UTF-8 in a fragment",
            &[masked(TEXT, b"a"), masked(0, b"\xff")],
            1007,
        ),
        (
            "half a character",
            &[masked(TEXT, b"a"), masked(FIN, b"\xc3")],
            1007,
        ),
        ("a surrogate", &[masked(FIN | TEXT, b"\xed\xa0\x80")], 1007),
        ("a long message", &[masked(FIN | TEXT, &long[..101])], 1009),
        (
            "a long message in parts",
            &[masked(TEXT, &long[..60]), masked(0, &long[..41])],
            1009,
        ),
        (
            "many fragments",
            &[
                masked(TEXT, b"a"),
                [masked(0, b""), masked(0, b"")].concat(),
                [masked(0, b""), masked(0, b"")].concat(),
            ],
            1008,
        ),
    ];
    for (what, frames, code) in cases {
        let outcome = receive(frames);
        assert_eq!(
            (outcome.code(), outcome.lines.len()),
            (Some(*code), 0),
            "{what}"
        );
        let Some(Ended::Refused { reason, .. }) = outcome.ended else {
            panic!("{what}");
        };
        assert_eq!(outcome.sent, goodbye(*code, reason), "{what}");
    }
}

#[test]
fn nobody_waits_for_a_frame_that_will_be_refused() {
    let mut huge = vec![FIN | BINARY, 0x80 | 127];
    huge.extend(u64::MAX.to_be_bytes());
    huge.extend([0; 4]);
    assert_eq!(receive(&[huge]).code(), Some(1009));
    assert_eq!(receive(&[vec![FIN | TEXT, 100]]).code(), Some(1002));
    for forbidden in [
        masked(PING, b"more"),
        masked(FIN | PING, &[b'a'; 126]),
        masked(FIN | 0x40 | TEXT, b"more"),
        masked(FIN | 3, b"more"),
    ] {
        let header = forbidden.len() - 4;
        assert_eq!(receive(&[forbidden[..header].to_vec()]).code(), Some(1002));
    }
}

#[test]
fn the_bounds_are_where_they_are_said_to_be() {
    let longest = [b'a'; 100];
    assert_eq!(receive(&[masked(FIN | TEXT, &longest)]).lines.len(), 1);
    let fragments = [
        masked(TEXT, b"a"),
        masked(0, b""),
        masked(0, b""),
        masked(FIN, b"b"),
    ];
    let outcome = receive(&[fragments.concat(), fragments.concat()]);
    assert_eq!(outcome.lines, ["ab", "ab"]);
    let ping = [b'a'; 125];
    assert_eq!(
        receive(&[masked(FIN | PING, &ping)]).sent,
        unmasked(FIN | PONG, &ping)
    );
}

/// Pings are answered one by one up to the rate, so that nobody has us write without end.
#[test]
fn a_flood_of_pings_ends_it() {
    let mut websocket = WebSocket::new(&LIMITS);
    let mut out = Vec::new();
    let flood = masked(FIN | PONG, b"").repeat(4);
    let ended = websocket.next(&flood, 0, &mut out);
    let reason = "too many control frames";
    assert_eq!(ended, Step::Ended(Ended::Refused { code: 1008, reason }));
    assert_eq!(out, goodbye(1008, reason));
    let mut websocket = WebSocket::new(&LIMITS);
    for second in 0..20 {
        let ping = masked(FIN | PING, b"");
        let step = websocket.next(&ping, second * 1_000_000_000, &mut out);
        assert_eq!(
            step,
            Step::NeedMore {
                consumed: ping.len()
            }
        );
    }
}

#[test]
fn a_goodbye_is_returned() {
    for (said, code, returned) in [
        (vec![], None, unmasked(FIN | CLOSE, b"")),
        (vec![3, 232], Some(1000), goodbye(1000, "")),
        (b"\x03\xe9bye".to_vec(), Some(1001), goodbye(1001, "bye")),
        (
            4000_u16.to_be_bytes().to_vec(),
            Some(4000),
            goodbye(4000, ""),
        ),
        // Codes that must not be sent.
        (
            vec![3, 237],
            Some(1002),
            goodbye(1002, "Protocol violation"),
        ),
        (vec![0, 1], Some(1002), goodbye(1002, "Protocol violation")),
    ] {
        let outcome = receive(&[masked(FIN | CLOSE, &said), masked(FIN | TEXT, b"more")]);
        assert_eq!(outcome.ended, Some(Ended::ByClient(code)));
        assert_eq!((outcome.sent, outcome.lines.len()), (returned, 0));
    }
}

#[test]
fn after_our_goodbye_only_the_clients_counts() {
    let mut websocket = WebSocket::new(&LIMITS);
    let mut out = Vec::new();
    websocket.close(1001, "the server stops", &mut out);
    websocket.close(1000, "again", &mut out);
    assert_eq!(out, goodbye(1001, "the server stops"));
    out.clear();
    let late = [masked(FIN | TEXT, b"late"), masked(FIN | PING, b"")].concat();
    assert_eq!(
        websocket.next(&late, 0, &mut out),
        Step::NeedMore {
            consumed: late.len()
        }
    );
    let answer = masked(FIN | CLOSE, &1001_u16.to_be_bytes());
    let ended = Step::Ended(Ended::ByClient(Some(1001)));
    assert_eq!(websocket.next(&answer, 0, &mut out), ended);
    assert_eq!(websocket.next(&answer, 0, &mut out), ended, "it stays over");
    websocket.close(1000, "", &mut out);
    assert_eq!(out, b"");
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut websocket = WebSocket::new(&LIMITS);
    let mut out = Vec::new();
    let reason = "\u{e9}".repeat(100);
    websocket.close(1000, &reason, &mut out);
    assert_eq!(out, goodbye(1000, &reason[..122]));
    out.clear();
    put_close(1000, &reason, &mut out);
    assert_eq!(out, goodbye(1000, &reason[..122]));
}

#[test]
fn a_line_is_one_frame_for_all() {
    assert_eq!(
        frame(b"PING :a\r\n", Kind::Text),
        unmasked(FIN | TEXT, b"PING :a")
    );
    assert_eq!(
        frame(b"PING :a", Kind::Binary),
        unmasked(FIN | BINARY, b"PING :a")
    );
    let mixed = b"caf\xc3\xa9 \xff";
    assert_eq!(frame(mixed, Kind::Binary)[2..], *mixed);
    assert_eq!(
        frame(mixed, Kind::Text)[2..],
        *"caf\u{e9} \u{fffd}".as_bytes()
    );
    for len in [0_usize, 125, 126, 65535, 65536] {
        let line = vec![b'a'; len];
        let header = match len {
            0..126 => vec![0x81, len as u8],
            126..65536 => [&[0x81, 126][..], &(len as u16).to_be_bytes()].concat(),
            _ => [&[0x81, 127][..], &(len as u64).to_be_bytes()].concat(),
        };
        assert_eq!(frame(&line, Kind::Text), [header, line].concat());
    }
}

#[test]
fn many_lines_are_many_frames() {
    let mut out = vec![b'!'];
    put_frames(b"a\r\n\r\nb\xff\r\nc", Kind::Text, &mut out);
    let frames = ["a", "", "b\u{fffd}", "c"].map(|line| unmasked(FIN | TEXT, line.as_bytes()));
    assert_eq!(out, [&b"!"[..], &frames.concat()].concat());
    out.clear();
    put_frames(b"", Kind::Binary, &mut out);
    assert_eq!(out, b"");
}

#[test]
fn protocols_have_their_names() {
    for kind in [Kind::Text, Kind::Binary] {
        assert_eq!(Kind::of_protocol(kind.protocol()), Some(kind));
    }
    assert_eq!(Kind::of_protocol("TEXT.ircv3.net"), None);
}

/// What each of many thousands costs while nothing happens.
#[test]
fn an_idle_websocket_is_small() {
    assert!(
        size_of::<WebSocket>() + CODEC_BYTES <= 500,
        "{}",
        size_of::<WebSocket>()
    );
}

/// It alone has its bytes, and the codec has none of them any more.
#[test]
fn nothing_of_a_long_message_stays() {
    let long = vec![b'a'; 8000];
    let mut websocket = WebSocket::new(&Limits::DEFAULT);
    let mut out = Vec::new();
    let parts = [masked(TEXT, &long[..4000]), masked(FIN, &long[4000..])].concat();
    for frames in [
        masked(FIN | TEXT, &long),
        parts,
        masked(FIN | BINARY, &long),
    ] {
        let Step::Line { line, consumed } = websocket.next(&frames, 0, &mut out) else {
            panic!("this is a whole message");
        };
        assert_eq!((&line[..], consumed), (&long[..], frames.len()));
        assert!(line.is_unique());
    }
}

/// Streams of frames that are mostly right.
fn near_frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "[a-z\u{e9}\r\n]{0,12}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..140),
    ];
    let first = prop_oneof![
        4 => Just(FIN | TEXT),
        2 => Just(TEXT),
        2 => Just(FIN),
        2 => Just(0),
        2 => Just(FIN | PING),
        1 => Just(FIN | CLOSE),
        1 => any::<u8>(),
    ];
    let frame = (first, payload).prop_map(|(first, payload)| masked(first, &payload));
    let piece = prop_oneof![
        12 => frame,
        1 => proptest::collection::vec(any::<u8>(), 1..20),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_cutting_changes_anything(
        stream in near_frames(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = receive_cut([stream.as_slice()]);
        prop_assert_eq!(&receive_cut(stream.chunks(1)), &whole);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort_unstable();
        let mut start = 0;
        let pieces = ends.iter().map(|end| {
            let piece = &stream[start..*end];
            start = *end;
            piece
        });
        prop_assert_eq!(&receive_cut(pieces), &whole);
    }

    #[test]
    fn any_bytes_are_survived(stream in proptest::collection::vec(any::<u8>(), 0..200)) {
        receive_cut([stream.as_slice()]);
    }

    #[test]
    fn every_line_comes_through_and_back(line in "[^\r\n]{0,40}") {
        let outcome = receive(&[masked(FIN | TEXT, line.as_bytes())]);
        prop_assume!(line.len() <= LIMITS.message_bytes_max);
        prop_assert_eq!(outcome.lines, [line.as_bytes().escape_ascii().to_string()]);
        let mut client = WebSocketContext::new(Role::Client, None);
        let sent = frame(line.as_bytes(), Kind::Text);
        let mut pipe = Pipe { input: &sent, out: &mut Vec::new() };
        prop_assert_eq!(client.read(&mut pipe).unwrap(), Message::text(line));
    }
}
