//! At each limit of `serve` a client is told so in one line that it can read, whatever it does.

use std::io::Write;
use std::thread;

use crate::speaker::Speaker;
use crate::world::Server;

const RECEIPT: &str = "Message received\n";
const TOO_LONG: &str = "Error: message longer than 10 bytes; the server closes this connection\n";
const FULL: &str = "Error: the server is full (1 client); try again later\n";

#[test]
fn a_message_too_long() {
    let mut server = Server::start(&["--max-message", "10"]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("1234567890\n12345678901");
    assert_eq!(speaker.hear_all(), [RECEIPT, TOO_LONG].concat());
    let name = speaker.name();
    server
        .process
        .wait_for_error(&format!("{name} is sent away: Error: message longer"));
}

#[test]
fn a_full_server_and_room_again() {
    let mut server = Server::start(&["--max-clients", "1"]);
    let first = Speaker::connect(&server.address);
    server
        .process
        .wait_for_error(&format!("{} connected", first.name()));
    // More than may be turned away at the same time, and none of them leaves by itself.
    let mut others: Vec<Speaker> = (0..40).map(|_| Speaker::connect(&server.address)).collect();
    for other in &mut others {
        other.say("hello\n");
        assert_eq!(other.hear_all(), FULL);
        other.finish();
    }
    let name = first.name();
    drop(first);
    server.process.wait_for_error(&format!("{name} left"));
    let mut next = Speaker::connect(&server.address);
    next.say("hello\n");
    next.hear(RECEIPT);
}

/// Closing while bytes are unread would reset the connection, and take the last line back.
#[test]
fn the_last_line_reaches_a_client_that_sends_megabytes() {
    let too_long = Server::start(&["--max-message", "10"]);
    let full = Server::start(&["--max-clients", "1"]);
    let _occupant = {
        let mut occupant = Speaker::connect(&full.address);
        occupant.say("hello\n");
        occupant.hear(RECEIPT);
        occupant
    };
    for (server, expected) in [(&too_long, TOO_LONG), (&full, FULL)] {
        let mut speaker = Speaker::connect(&server.address);
        let mut stream = speaker.stream().try_clone().expect("a second handle");
        let sending = thread::spawn(move || {
            stream
                .write_all(&vec![b'x'; 8 * 1024 * 1024])
                .expect("the server takes what it does not want");
            stream
                .shutdown(std::net::Shutdown::Write)
                .expect("it is connected");
        });
        assert_eq!(speaker.hear_all(), expected);
        sending.join().expect("it has not failed");
    }
}

#[test]
fn a_client_that_says_nothing() {
    let mut server = Server::start(&["--idle-timeout", "100ms"]);
    let farewell = "Error: no message for 100ms; the server closes this connection\n";
    let mut silent = Speaker::connect(&server.address);
    assert_eq!(silent.hear_all(), farewell);
    let name = silent.name();
    server
        .process
        .wait_for_error(&format!("{name} is sent away: Error: no message"));
    let mut half = Speaker::connect(&server.address);
    half.say("hello\nthis is not a message");
    assert_eq!(half.hear_all(), [RECEIPT, farewell].concat());
}

#[test]
fn messages_that_come_too_fast() {
    let mut server = Server::start(&["--rate", "1"]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("x\n".repeat(12));
    speaker.hear(&RECEIPT.repeat(10));
    speaker.hear(&"Error: more than 1 message a second; this message was not taken\n".repeat(2));
    server.process.wait_for_error("sends too fast");
    speaker.finish();
    assert_eq!(speaker.hear_all(), "");
}
