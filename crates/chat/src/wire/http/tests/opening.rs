//! Who gets a WebSocket, and what the others are told.

use super::*;
use crate::wire::websocket::Kind;

fn upgrade(fields: &str) -> Step {
    site().take(format!("{UPGRADE}{fields}\r\n").as_bytes(), now())
}

fn refused_upgrade(request: &str) -> (u16, String) {
    let (status, head, _) = ask(&site(), request);
    (status, head)
}

/// The example of RFC 6455 section 1.3.
#[test]
fn a_websocket_is_opened() {
    let Step::WebSocket(opening) = upgrade("Sec-WebSocket-Protocol: chat, text.ircv3.net\r\n")
    else {
        panic!("the handshake is complete");
    };
    let answer = String::from_utf8(opening.answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "));
    assert_eq!(
        field(head, "Sec-WebSocket-Accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(
        field(head, "Sec-WebSocket-Protocol"),
        Some("text.ircv3.net")
    );
    assert_eq!(field(head, "Upgrade"), Some("websocket"));
    assert_eq!(field(head, "Connection"), Some("Upgrade"));
    assert_eq!(body, "");
}

#[test]
fn the_client_prefers_and_the_server_knows() {
    for (offered, kind, named) in [
        (
            "Sec-WebSocket-Protocol: binary.ircv3.net, text.ircv3.net\r\n",
            Kind::Binary,
            true,
        ),
        (
            "Sec-WebSocket-Protocol: text.ircv3.net,binary.ircv3.net\r\n",
            Kind::Text,
            true,
        ),
        (
            "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: binary.ircv3.net\r\n",
            Kind::Binary,
            true,
        ),
        ("Sec-WebSocket-Protocol: chat\r\n", Kind::Text, false),
        ("", Kind::Text, false),
    ] {
        let Step::WebSocket(opening) = upgrade(offered) else {
            panic!("{offered}");
        };
        let answer = String::from_utf8(opening.answer).unwrap();
        assert_eq!(opening.kind, kind, "{offered}");
        assert_eq!(
            answer.contains("Sec-WebSocket-Protocol"),
            named,
            "{offered}"
        );
        assert_eq!(opening.consumed, UPGRADE.len() + offered.len() + 2);
    }
}

#[test]
fn frames_behind_the_handshake_are_left_alone() {
    let request = format!("{UPGRADE}\r\n");
    let with_frame = format!("{request}\u{1}frame\n\n");
    assert_eq!(
        site().take(with_frame.as_bytes(), now()),
        site().take(request.as_bytes(), now())
    );
}

#[test]
fn half_a_handshake_is_refused_with_what_it_lacks() {
    let full = format!("{UPGRADE}\r\n");
    for request in [get("/ws"), full.replace("Version: 13", "Version: 8")] {
        let (status, head) = refused_upgrade(&request);
        assert_eq!(status, 426);
        assert_eq!(field(&head, "Upgrade"), Some("websocket"));
        assert_eq!(field(&head, "Connection"), Some("close, Upgrade"));
        assert_eq!(field(&head, "Sec-WebSocket-Version"), Some("13"));
    }
    for (there, instead, expected) in [
        ("Connection: Upgrade", "Connection: close", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "not base64 at all", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        (
            "Sec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
            400,
        ),
        ("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc", 413),
    ] {
        assert_eq!(
            refused_upgrade(&full.replace(there, instead)).0,
            expected,
            "{there}"
        );
    }
    let many = full
        .replace("Connection: Upgrade", "Connection: keep-alive, UPGRADE")
        .replace("Upgrade: websocket", "Upgrade: h2c, WebSocket");
    assert!(matches!(
        site().take(many.as_bytes(), now()),
        Step::WebSocket(_)
    ));
}

#[test]
fn pages_of_other_origins_get_no_websocket() {
    let from = |origin: &str| upgrade(&format!("Origin: {origin}\r\n"));
    for ours in ["http://localhost:8080", "https://LOCALHOST:8080"] {
        assert!(matches!(from(ours), Step::WebSocket(_)), "{ours}");
    }
    let strangers = [
        "https://evil.example",
        "http://localhost",
        "http://localhost:8081",
        "http://localhost:8080.evil.example",
        "http://localhost:8080@evil.example",
        "null",
        "file://",
        "",
    ];
    for stranger in strangers {
        let Step::Answer(answer) = from(stranger) else {
            panic!("{stranger} was let in");
        };
        assert_eq!(answer.status, 403, "{stranger}");
    }
    let twice = format!("{UPGRADE}Origin: http://localhost:8080\r\nOrigin: null\r\n\r\n");
    assert_eq!(status(&twice), 400);
    let friendly = site().with_origins(["https://app.example".to_owned()]);
    let request = format!("{UPGRADE}Origin: https://app.example\r\n\r\n");
    assert!(matches!(
        friendly.take(request.as_bytes(), now()),
        Step::WebSocket(_)
    ));
    assert_eq!(status(&request), 403);
}

#[test]
fn a_page_under_a_name_that_was_moved_here_gets_no_websocket() {
    let site = site().with_name("chat.example");
    let from = |host: &str| {
        let request = format!("{UPGRADE}Origin: http://{host}\r\n\r\n")
            .replace("Host: localhost:8080", &format!("Host: {host}"));
        let of = |step| match step {
            Step::WebSocket(_) => 101,
            Step::Answer(answer) => answer.status,
            step => panic!("{step:?}"),
        };
        let local = of(site.take_locally(request.as_bytes(), now()));
        (of(site.take(request.as_bytes(), now())), local)
    };
    assert_eq!(from("evil.example:8080"), (101, 421));
    for known in [
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "chat.example",
    ] {
        assert_eq!(from(known), (101, 101), "{known}");
    }
    let proxied = site.clone().with_hosts(["moved.example".to_owned()]);
    let request = format!("{UPGRADE}Origin: https://moved.example\r\n\r\n")
        .replace("Host: localhost:8080", "Host: moved.example");
    let opened = proxied.take_locally(request.as_bytes(), now());
    assert!(matches!(opened, Step::WebSocket(_)));
    // A client that is no browser says no origin, and is not asked for its host.
    let plain = UPGRADE.replace("Host: localhost:8080", "Host: evil.example");
    let opened = site.take_locally(format!("{plain}\r\n").as_bytes(), now());
    assert!(matches!(opened, Step::WebSocket(_)));
}
