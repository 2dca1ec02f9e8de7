//! Greetings as clients send them, sentences that look like them, and any bytes, cut anywhere.

use proptest::prelude::*;

use super::*;

/// The first bytes of a ClientHello of `hello` bytes, in a record of `record` bytes.
fn hello(record: u16, hello: u32) -> Vec<u8> {
    let mut bytes = vec![22, 3, 1];
    bytes.extend(record.to_be_bytes());
    bytes.extend((1 << 24 | hello).to_be_bytes());
    bytes.extend([3, 3]);
    bytes.extend([0x55; 32]);
    bytes
}

/// What real clients send before they hear anything.
fn greetings() -> Vec<(Vec<u8>, Decision)> {
    let irc = [
        "CAP LS 302\r\n",                                               // irssi
        "CAP LS 302\nNICK a\nUSER a 0 * :a\n",                          // Halloy, with LF
        "PASS secret\r\nCAP LS 302\r\n",                                // WeeChat
        "CAP LS\r\n",                                                   // before 302
        "CAP REQ :sasl message-tags\r\n",                               // without asking
        "CAP END\r\n",                                                  // wants none
        "NICK ann\r\nUSER ann 0 * :Ann\r\n",                            // RFC 2812
        "USER guest tolmoon tolsun :Ronnie Reagan\r\nNICK Wiz\r\n",     // RFC 1459
        "USER bot bot bot bot\nNICK bot\n",                             // tutorials' bots
        "NICK bot\r\nUSER bot bot bot my first bot\r\n",                // and sloppy ones
        "PASS :two words\r\nNICK a\r\nPASS again\r\nUSER a b c :d\r\n", // whoever insists
        "nick ann\nuser ann 0 * :typed by hand\n",                      // netcat
        "NICK   ann \r\nuser ann 0  * :\r\n",                           // with spaces to spare
    ];
    let http = [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "HEAD /healthz HTTP/1.0\r\n\r\n",
        "GET http://chat.example/ws HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "CONNECT chat.example:443 HTTP/1.1\r\n",
        "POST /?a=b&c=%20 HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let with = |decision| move |text: &&str| (text.as_bytes().to_vec(), decision);
    let mut all: Vec<_> = irc.iter().map(with(Decision::Irc)).collect();
    all.extend(http.iter().map(with(Decision::Http)));
    all.push((hello(512, 508), Decision::Tls));
    all.push((hello(1400, 1800), Decision::Tls));
    all
}

#[test]
fn greetings_are_recognised_and_no_sooner() {
    for (greeting, decision) in greetings() {
        let shown = greeting.escape_ascii();
        let first = (0..=greeting.len())
            .find(|len| Detect::ALL.look(&greeting[..*len]) != Decision::Undecided)
            .unwrap_or_else(|| panic!("{shown} is never decided"));
        for len in first..=greeting.len() {
            assert_eq!(Detect::ALL.look(&greeting[..len]), decision, "{shown}");
        }
    }
}

/// Each is decided at its last byte, and not before.
#[test]
fn a_greeting_is_whole_at_its_last_byte() {
    for text in [
        "CAP LS 302\r\n",
        "cap list\n",
        "NICK ann\r\nUSER ann 0 * :Ann\r\n",
        "GET / HTTP/1.",
        "CONNECT [::1]:80 HTTP/1.",
        "PRI * HTTP/2.0",
    ] {
        let bytes = text.as_bytes();
        for len in 0..bytes.len() {
            assert_eq!(
                Detect::ALL.look(&bytes[..len]),
                Decision::Undecided,
                "{text}"
            );
        }
        assert_ne!(Detect::ALL.look(bytes), Decision::Undecided, "{text}");
    }
}

#[test]
fn sentences_are_chat_at_the_byte_that_tells() {
    for (undecided, telling) in [
        ("", "hello"),
        ("", "\n"),
        ("", " NICK a"),
        ("GET ", "well soon\n"),
        ("G", "et well soon\n"),
        ("GET /", "\n"),
        ("GET / HTTP/", "2"),
        ("GET / ", "is what I typed"),
        ("GET h", "ome"),
        ("GET *", "x HTTP/1.1"),
        ("OPTIONS ", "are many"),
        ("CONNECT me", " please"),
        ("CONNECT me:", " HTTP/1.1"),
        ("CONNECT :80", " HTTP/1.1"),
        ("P", "lease"),
        ("PRI * HTTP/", "1.1"),
        ("CAP", "TAIN\n"),
        ("CAP", "\n"),
        ("CAP ", "in hand"),
        ("CAP LS ", "is a command"),
        ("CAP LS 302 ", "x"),
        ("CAP END ", "of it"),
        ("CAP REQ", "\n"),
        ("NICK", "\n"),
        ("NICK is ", "great"),
        ("nick", "name"),
        ("NICK :is", " great\n"),
        ("NICK rocks\n", "indeed"),
        ("NICK rocks\n", "\n"),
        ("NICK a\r", "b\n"),
        ("PASS me ", "the salt"),
        ("PASS", "\tx"),
        ("USER error", "\n"),
        ("USER error: please replace user ", "and press"),
        ("user interfaces are har", "\0"),
    ] {
        let (first, rest) = telling.split_at(telling.len().min(1));
        assert_eq!(
            Detect::ALL.look(undecided.as_bytes()),
            Decision::Undecided,
            "{undecided}"
        );
        let told = format!("{undecided}{first}");
        assert_eq!(Detect::ALL.look(told.as_bytes()), Decision::Plain, "{told}");
        let all = format!("{told}{rest}");
        assert_eq!(Detect::ALL.look(all.as_bytes()), Decision::Plain, "{all}");
    }
}

#[test]
fn a_hello_must_be_plausible() {
    let hello_at = |at: usize, byte: u8| {
        let mut bytes = hello(512, 508);
        bytes[at] = byte;
        bytes
    };
    for (what, bytes) in [
        ("an alert", hello_at(0, 21)),
        ("SSL 2", hello_at(1, 2)),
        ("TLS 1.4", hello_at(2, 5)),
        ("a long record", hello(16385, 16384)),
        ("a short record", hello(5, 508)),
        ("a ServerHello", hello_at(5, 2)),
        ("a short hello", hello(44, 40)),
        ("a long hello", hello(512, 65536)),
        ("a hello with something behind it", hello(512, 507)),
        ("another version in the hello", hello_at(9, 4)),
    ] {
        assert_eq!(Detect::ALL.look(&bytes), Decision::Plain, "{what}");
    }
    assert_eq!(Detect::ALL.look(&hello(6, 65535)), Decision::Tls);
    assert_eq!(Detect::ALL.look(&hello(45, 41)), Decision::Tls);
    assert_eq!(
        Detect::ALL.look(&hello(512, 508)[..10]),
        Decision::Undecided
    );
    assert_eq!(Detect::ALL.look(&hello(512, 508)[..11]), Decision::Tls);
}

#[test]
fn what_is_switched_off_is_plain_from_the_start() {
    let none = Detect {
        tls: false,
        http: false,
        irc: false,
    };
    assert_eq!(none.look(b""), Decision::Plain);
    for (greeting, decision) in greetings() {
        assert_eq!(none.look(&greeting), Decision::Plain);
        let others = Detect {
            tls: decision != Decision::Tls,
            http: decision != Decision::Http,
            irc: decision != Decision::Irc,
        };
        assert_eq!(others.look(&greeting), Decision::Plain);
    }
    let plain_and_irc = Detect {
        http: false,
        ..Detect::ALL
    };
    assert_eq!(plain_and_irc.look(b"GET"), Decision::Plain);
    assert_eq!(plain_and_irc.look(b"CA"), Decision::Undecided);
}

#[test]
fn an_endless_beginning_is_plain_at_the_bound() {
    for (start, filler) in [
        ("GET /", "a"),
        ("PASS ", "a"),
        ("", "PASS a\r\n"),
        ("CAP REQ ", ":"),
    ] {
        let long = format!("{start}{}", filler.repeat(GREETING_BYTES_MAX));
        let bytes = &long.as_bytes()[..GREETING_BYTES_MAX];
        assert_eq!(
            Detect::ALL.look(&bytes[..GREETING_BYTES_MAX - 1]),
            Decision::Undecided
        );
        assert_eq!(Detect::ALL.look(bytes), Decision::Plain);
        assert_eq!(
            Detect::ALL.look(&[bytes, b" HTTP/1.1\r\n"].concat()),
            Decision::Plain
        );
    }
    let longest = format!("GET /{} HTTP/1.", "a".repeat(GREETING_BYTES_MAX - 13));
    assert_eq!(longest.len(), GREETING_BYTES_MAX);
    assert_eq!(Detect::ALL.look(longest.as_bytes()), Decision::Http);
    let nick = "a".repeat(NICK_BYTES_MAX);
    assert_eq!(
        Detect::ALL.look(format!("NICK {nick}").as_bytes()),
        Decision::Undecided
    );
    assert_eq!(
        Detect::ALL.look(format!("NICK {nick}a").as_bytes()),
        Decision::Plain
    );
}

/// Streams that get far into a greeting, or off it again.
fn near_greetings() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "CAP",
        "LS",
        "REQ",
        "END",
        "NICK",
        "USER",
        "PASS",
        "nick",
        "a",
        "0",
        "*",
        ":",
        " ",
        " ",
        " ",
        "\r",
        "\n",
        "\r\n",
        "GET",
        "POST",
        "CONNECT",
        "/",
        "http://",
        "a:1",
        "HTTP/1.",
        "PRI",
        "\u{16}\u{3}\u{1}",
        "\0",
        "\u{1}",
        "\u{3}\u{3}",
        "x",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.map(|piece| piece.as_bytes().to_vec()).to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..3),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// A handler looks whenever bytes have come, and stops at the first decision: so it decides
    /// the same for every cutting if and only if no decision ever changes.
    #[test]
    fn more_bytes_never_change_a_decision(bytes in near_greetings()) {
        let mut earlier = Decision::Undecided;
        for len in 0..=bytes.len() {
            let decision = Detect::ALL.look(&bytes[..len]);
            if earlier != Decision::Undecided {
                prop_assert_eq!(decision, earlier, "{}", bytes[..len].escape_ascii());
            }
            earlier = decision;
        }
    }

    #[test]
    fn any_bytes_are_decided_within_the_bound(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        start in proptest::sample::select(greetings()),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stream = start.0[..cut.index(start.0.len())].to_vec();
        stream.extend(bytes);
        let _ = Detect::ALL.look(&stream);
        stream.resize(GREETING_BYTES_MAX, b'a');
        prop_assert_ne!(Detect::ALL.look(&stream), Decision::Undecided);
    }

    #[test]
    fn registrations_are_undecided_until_their_last_byte(
        before in proptest::sample::select(vec!["", "PASS x\n", "pass :a b\r\n", "NICK old\n"]),
        nick in "[a-z\\[\\]{}|_-][a-z0-9]{0,20}",
        real in "[ -~]{0,30}",
        nick_first in any::<bool>(),
        newline in proptest::sample::select(vec!["\n", "\r\n"]),
    ) {
        let user = format!("USER {nick} 0 * :{real}{newline}");
        let nick = format!("NICK {nick}{newline}");
        let stream = match nick_first || before.starts_with("NICK") {
            true => format!("{before}{nick}{user}"),
            false => format!("{before}{user}{nick}"),
        };
        for len in 0..stream.len() {
            prop_assert_eq!(Detect::ALL.look(&stream.as_bytes()[..len]), Decision::Undecided);
        }
        prop_assert_eq!(Detect::ALL.look(stream.as_bytes()), Decision::Irc);
    }

    #[test]
    fn requests_are_undecided_until_their_version(target in "/[!-~]{0,40}", method in "GET|HEAD|PUT") {
        let line = format!("{method} {target} HTTP/1.");
        for len in 0..line.len() {
            prop_assert_eq!(Detect::ALL.look(&line.as_bytes()[..len]), Decision::Undecided);
        }
        prop_assert_eq!(Detect::ALL.look(line.as_bytes()), Decision::Http);
    }
}
