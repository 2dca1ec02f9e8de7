//! Pages of other sites: their WebSockets, and names of theirs that were moved to this server.

use crate::browser::opening;
use crate::peer::Peer;
use crate::town::Town;

/// The status that an opening with this host and origin gets.
#[track_caller]
fn status_of(address: &str, host: &str, origin: Option<&str>) -> u16 {
    let request = opening(address).replace(
        &format!("Host: {address}\r\nOrigin: http://{address}\r\n"),
        &match origin {
            Some(origin) => format!("Host: {host}\r\nOrigin: {origin}\r\n"),
            None => format!("Host: {host}\r\n"),
        },
    );
    let mut peer = Peer::connect(address);
    peer.say(format!("{request}\r\n"));
    let line = peer.hear_line();
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.expect("an answer begins with its status")
}

#[test]
fn pages_of_others_do_not_come_in() {
    let town = Town::start(&[]);
    let address = town.address.clone();
    let port = address.rsplit(':').next().expect("a port");
    let own = format!("localhost:{port}");
    assert_eq!(
        status_of(&address, &own, Some(&format!("http://{own}"))),
        101
    );
    assert_eq!(status_of(&address, &own, None), 101, "no browser");
    for origin in [
        "https://evil.example",
        "http://localhost",
        "http://localhost.evil.example",
        &format!("http://{address}@evil.example"),
        &format!("http://evil.example/{own}"),
        &format!("ftp://{own}"),
        "null",
        "",
    ] {
        assert_eq!(status_of(&address, &own, Some(origin)), 403, "{origin}");
    }
    // Its own name is made to point here, so that the page and the server are of one origin.
    let rebound = format!("evil.example:{port}");
    let origin = format!("http://{rebound}");
    assert_eq!(status_of(&address, &rebound, Some(&origin)), 421);
    town.end();
}

#[test]
fn those_that_the_operator_knows_do() {
    let flags = [
        "--name",
        "chat.example",
        "--allow-origin",
        "https://app.example",
    ];
    let town = Town::start(&flags);
    let open = |host, origin| status_of(&town.address, host, Some(origin));
    assert_eq!(open("chat.example", "https://chat.example"), 101);
    assert_eq!(open("localhost", "https://app.example"), 101);
    assert_eq!(open("moved.example", "https://moved.example"), 421);
    town.end();

    let town = Town::start(&["--allow-host", "moved.example"]);
    let open = |host, origin| status_of(&town.address, host, Some(origin));
    assert_eq!(open("moved.example", "https://moved.example"), 101);
    assert_eq!(open("evil.example", "https://evil.example"), 421);
    let mut page = Peer::connect(&town.address);
    page.say("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(page.hear_line().starts_with("HTTP/1.1 421 "));
    town.end();
}
