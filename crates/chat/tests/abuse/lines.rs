//! Lines that are too long, by one byte and by a million, and bytes that are no text.

use crate::browser::Browser;
use crate::peer::Peer;
use crate::town::Town;

/// The longest line behind its tags, and the longest tags of a client with `@` and the space
/// (RFC 2812 section 2.3; IRCv3 "Message tags").
const TEXT_BYTES: usize = 510;
const TAGS_BYTES: usize = 4096;

/// `PING` of so many bytes.
fn ping(bytes: usize) -> String {
    format!("PING :{}", "x".repeat(bytes - "PING :".len()))
}

/// Tags of so many bytes.
fn tags(bytes: usize) -> String {
    format!("@+t={} ", "x".repeat(bytes - "@+t= ".len()))
}

#[test]
fn a_line_is_as_long_as_it_may_be_and_no_longer() {
    let town = Town::start(&[]);
    let mut peer = Peer::irc(&town.address, "long", "message-tags standard-replies");
    let longest = [
        ping(TEXT_BYTES),
        tags(TAGS_BYTES) + "PING :x",
        tags(TAGS_BYTES) + &ping(TEXT_BYTES),
    ];
    let too_long = [
        ping(TEXT_BYTES + 1),
        tags(TAGS_BYTES + 1) + "PING :x",
        tags(TAGS_BYTES) + &ping(TEXT_BYTES + 1),
        tags(8191) + &ping(TEXT_BYTES),
        tags(8191) + &ping(TEXT_BYTES + 1),
        ping(8191 + TEXT_BYTES),
        ping(1024 * 1024),
    ];
    for line in &longest {
        for newline in ["\n", "\r\n"] {
            peer.say(format!("{line}{newline}"));
            let pong = peer.hear_line();
            assert!(pong.contains(" PONG "), "{} bytes: {pong}", line.len());
        }
    }
    for line in &too_long {
        peer.say(format!("{line}\r\n"));
        let refused = peer.hear_line();
        assert!(refused.contains(" 417 "), "{} bytes: {refused}", line.len());
        assert_eq!(peer.settle(), [""; 0], "it costs that line alone");
    }
    // Over a WebSocket, too, where a message may be as long as a line with its tags.
    let mut browser = Browser::enter(&town.address, "web", "message-tags");
    browser.settle();
    browser.say(&ping(TEXT_BYTES));
    browser.hear_line_with(" PONG ");
    browser.say(&ping(8701));
    browser.hear_line_with(" 417 ");
    assert_eq!(browser.settle(), [""; 0]);
    town.end();
}

#[test]
fn a_line_without_an_end_is_not_kept() {
    let town = Town::start(&[]);
    let mut peer = Peer::irc(&town.address, "endless", "");
    for _ in 0..64 {
        peer.say([b'x'; 64 * 1024]);
    }
    peer.say("\r\n");
    assert!(peer.hear_line().contains(" 417 "));
    assert_eq!(peer.settle(), [""; 0]);
    // The same of a plain client, which is sent away: nobody knows where its next message begins.
    let mut plain = Peer::connect(&town.address);
    for _ in 0..64 {
        // The server may have left before all of it is sent.
        let _ = plain.try_say([b'x'; 64 * 1024]);
    }
    plain.finish();
    let told = plain.hear_all_text();
    let expected = "Error: message longer than 8192 bytes; the server closes this connection\n";
    assert_eq!(told, expected);
    town.end();
}

#[test]
fn what_is_no_text_reaches_nobody() {
    let town = Town::start(&[]);
    let mut witness = Peer::irc(&town.address, "witness", "");
    witness.join("#company,#lobby");
    witness.settle();
    let mut peer = Peer::irc(&town.address, "binary", "standard-replies message-tags");
    peer.join("#company");
    peer.settle();
    for (bytes, code) in [
        (&b"PRIVMSG #company :bad \xff\xfe"[..], "INVALID_UTF8"),
        (b"PRIVMSG #company :bad \xc3(", "INVALID_UTF8"),
        (b"PRIVMSG #company :bad \xed\xa0\x80", "INVALID_UTF8"), // half a surrogate pair
        (b"PRIVMSG #company :bad \xc0\x8a", "INVALID_UTF8"),     // a newline in two bytes
        (b"TOPIC #company :bad \x80", "INVALID_UTF8"),
        (b"NICK bad\xff", "INVALID_UTF8"),
        (b"@+t=bad\xff PRIVMSG #company :bad", "INVALID_UTF8"),
        (b"PRIVMSG #company :bad \0 bad", "INVALID_LINE"),
        (
            b"PRIVMSG #company :bad\rPRIVMSG #company :bad",
            "INVALID_LINE",
        ),
    ] {
        peer.say([bytes, b"\r\n"].concat());
        let told = peer.hear_line();
        let shown = bytes.escape_ascii();
        assert!(told.contains(" FAIL "), "{shown}: {told}");
        assert!(told.contains(code), "{shown}: {told}");
        assert_eq!(peer.settle(), [""; 0], "{shown}");
    }
    let heard = witness.settle();
    assert!(!heard.iter().any(|line| line.contains("bad")), "{heard:?}");

    // A plain client cannot be told what its bytes mean. They are taken, and shown as text.
    let mut plain = Peer::connect(&town.address);
    plain.say(b"odd \xff\xc3( \0 \r :x PRIVMSG\n");
    assert_eq!(plain.hear_line(), "Message received");
    let line = witness.hear_line_with("odd ");
    let text = line.split_once(" PRIVMSG #lobby :").expect("a message").1;
    assert_eq!(text, "odd \u{fffd}\u{fffd}(     :x PRIVMSG");
    town.end();
}
