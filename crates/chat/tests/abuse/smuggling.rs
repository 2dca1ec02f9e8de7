//! Requests that two readers may read differently, and ones that carry something behind them. Each
//! gets one answer, and what is behind it is nobody's request, line or command.

use crate::browser::{Browser, opening};
use crate::peer::Peer;
use crate::town::Town;

/// What a request is answered: one head and its body, and then the end.
#[track_caller]
fn ask(address: &str, request: impl AsRef<[u8]>) -> (u16, String) {
    let mut peer = Peer::connect(address);
    peer.say(request);
    let answer = peer.hear_all_text();
    let heads = answer.lines().filter(|line| line.starts_with("HTTP/1"));
    assert_eq!(heads.count(), 1, "{answer}");
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    assert!(answer.contains("\r\nConnection: close"), "{answer}");
    (status.expect("a status"), answer)
}

#[test]
fn no_request_is_read_in_two_ways() {
    let town = Town::start(&[]);
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let cases: Vec<(&str, String, u16)> = vec![
        (
            "both lengths",
            get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        (
            "two lengths",
            get("Content-Length: 0\r\nContent-Length: 5\r\n"),
            400,
        ),
        (
            "the same twice",
            get("Content-Length: 0\r\nContent-Length: 0\r\n"),
            400,
        ),
        ("a list of lengths", get("Content-Length: 0, 5\r\n"), 400),
        ("a length with a sign", get("Content-Length: +0\r\n"), 400),
        ("a negative length", get("Content-Length: -1\r\n"), 400),
        (
            "chunks",
            get("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        ("odd chunks", get("Transfer-Encoding: xchunked\r\n"), 400),
        ("a folded field", get("X: a\r\n b\r\n"), 400),
        ("a folded length", get("Content-Length:\r\n 5\r\n"), 400),
        ("a bare LF", get("X: a\nContent-Length: 5\r\n"), 400),
        ("a bare CR", get("X: a\rContent-Length: 5\r\n"), 400),
        ("a NUL", get("X: a\0b\r\n"), 400),
        (
            "a space before the colon",
            get("Content-Length : 5\r\n"),
            400,
        ),
        ("a field without a name", get(": 5\r\n"), 400),
        ("two hosts", get("Host: evil.example\r\n"), 400),
        (
            "a host that is a path",
            get("").replace("localhost", "a/b"),
            400,
        ),
        ("a body", get("Content-Length: 5\r\n") + "hello", 413),
        (
            "an absolute target",
            get("").replace(" / ", " http://localhost/ "),
            400,
        ),
        (
            "a tunnel",
            "CONNECT a:25 HTTP/1.1\r\nHost: a:25\r\n\r\n".to_owned(),
            400,
        ),
        ("another version", get("").replace("1.1", "1.2"), 505),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
    ];
    for (what, request, status) in cases {
        assert_eq!(ask(&town.address, request).0, status, "{what}");
    }
    town.end();
}

#[test]
fn a_request_has_bounds() {
    let town = Town::start(&[]);
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let cases: Vec<(&str, String, u16)> = vec![
        ("too many fields", get(&"X: a\r\n".repeat(64)), 431),
        (
            "a long field",
            get(&format!("X: {}\r\n", "a".repeat(9000))),
            431,
        ),
        (
            "a long target",
            format!("GET /{} HTTP/1.1{}", "a".repeat(8100), "1".repeat(100)),
            414,
        ),
    ];
    for (what, request, status) in cases {
        assert_eq!(ask(&town.address, request).0, status, "{what}");
    }
    town.end();
}

#[test]
fn what_is_behind_a_request_is_nothing() {
    let town = Town::start(&["--metrics"]);
    let mut witness = Peer::irc(&town.address, "witness", "");
    witness.join("#lobby");
    witness.settle();
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (status, answer) = ask(&town.address, [get, get].concat());
    assert_eq!((status, answer.ends_with("ok\n")), (200, true));
    ask(&town.address, [get, "smuggled by plain lines\n"].concat());
    // As a page elsewhere can have a browser send it, without being asked.
    let commands = "NICK smuggler\r\nUSER a 0 * :a\r\nJOIN #lobby\r\nPRIVMSG #lobby :smuggled\r\n";
    let length = commands.len();
    let post = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
         Content-Type: text/plain\r\n\r\n{commands}"
    );
    let (status, _) = ask(&town.address, post);
    assert_eq!(status, 413);
    let heard = witness.settle();
    let smuggled = |line: &String| line.contains("smuggle");
    assert!(!heard.iter().any(smuggled), "{heard:?}");
    town.end();
}

#[test]
fn what_is_behind_an_upgrade_is_frames() {
    let town = Town::start(&[]);
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for behind in [get, "NICK a\r\nUSER a 0 * :a\r\n", "hello\n"] {
        let mut browser = Browser(Peer::connect(&town.address));
        browser
            .0
            .say(format!("{}\r\n{behind}", opening(&town.address)));
        browser.hear_head();
        assert_eq!(browser.hear_close(), 1002, "{behind}");
    }
    town.end();
}

/// An answer that is sent while megabytes come in must not be lost by a reset.
#[test]
fn a_body_without_an_end_is_answered() {
    let town = Town::start(&[]);
    let mut peer = Peer::connect(&town.address);
    let length = 4 * 1024 * 1024;
    peer.say(format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    ));
    // The server may leave before all of it is sent.
    let _ = peer.try_say(vec![b'x'; length]);
    peer.finish();
    let answer = peer.hear_all_text();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with("no body.\n"), "{answer}");
    town.end();
}
