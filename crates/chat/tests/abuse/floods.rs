//! More than anybody may say, or does read: messages, commands, logins, connections.

use std::time::Duration;

use crate::browser::Browser;
use crate::peer::Peer;
use crate::town::Town;

/// Messages a second that each client may send, and ten seconds' worth at once.
const RATE: &str = "20";
const BURST: usize = 200;

/// More than that, and than a slow machine gives back meanwhile.
const FLOOD: usize = 600;

#[test]
fn what_is_above_the_rate_is_refused_and_the_rest_is_said() {
    // The company, too, has to keep to the rate.
    let town = Town::start_at_pace(&["--rate", RATE], Duration::from_millis(100));
    let mut witness = Peer::irc(&town.address, "witness", "");
    witness.join("#flooded,#lobby");
    let mut irc = Peer::irc(&town.address, "irc", "echo-message standard-replies");
    irc.join("#flooded");
    let mut web = Browser::enter(&town.address, "web", "echo-message standard-replies");
    web.say("JOIN #flooded");
    web.settle();
    let mut plain = Peer::connect(&town.address);
    witness.settle();

    irc.say("PRIVMSG #flooded :by irc\r\n".repeat(FLOOD));
    plain.say("by plain\n".repeat(FLOOD));
    for _ in 0..FLOOD {
        web.say("PRIVMSG #flooded :by web");
    }
    // What was taken and is not stored yet is echoed later than what was refused is answered.
    let by_irc = hear(|| irc.hear_line(), ":by irc");
    let by_web = hear(|| web.hear_line(), ":by web");
    let answers: Vec<String> = (0..FLOOD).map(|_| plain.hear_line()).collect();
    let by_plain = count(&answers, "Message received");
    let refused = "Error: more than 20 messages a second; this message was not taken";
    assert_eq!(count(&answers, refused), FLOOD - by_plain);
    let said = [
        (":by irc", count(&by_irc, ":by irc")),
        (":by web", count(&by_web, ":by web")),
        (":by plain", by_plain),
    ];
    // All that was receipted is told, and nothing else.
    let all: usize = said.iter().map(|(_, said)| said).sum();
    let is_of_flood = |line: &String| line.contains(" :by ");
    let mut heard: Vec<String> = Vec::new();
    while heard.len() < all {
        let line = witness.hear_line();
        if is_of_flood(&line) {
            heard.push(line);
        }
    }
    for (own, said) in said {
        assert!((BURST..FLOOD).contains(&said), "{said} {own}");
        assert_eq!(count(&heard, own), said, "{own}");
    }
    assert!(!witness.settle().iter().any(is_of_flood));
    town.end();
}

fn count(lines: &[String], end: &str) -> usize {
    lines.iter().filter(|line| line.ends_with(end)).count()
}

/// Lines until each message of a flood has its answer.
fn hear(mut next: impl FnMut() -> String, own: &str) -> Vec<String> {
    let is_answer = |line: &String| line.ends_with(own) || line.contains(" RATE_LIMITED ");
    let mut lines = Vec::new();
    while lines.len() < FLOOD {
        lines.push(next());
        if !is_answer(&lines[lines.len() - 1]) {
            lines.pop();
        }
    }
    lines
}

#[test]
fn who_does_not_read_is_let_go_before_it_costs_much() {
    let mut town = Town::start(&["--rate", "off"]);
    let mut deaf = Peer::connect_by_a_narrow_way(&town.address).registered("deaf", "");
    deaf.join("#company");
    let mut sender = Peer::irc(&town.address, "sender", "");
    sender.join("#company");
    sender.settle();
    let line = format!("PRIVMSG #company :{}\r\n", "x".repeat(400));
    // A mebibyte may wait for it, and what the kernel has room for.
    for _ in 0..40 {
        sender.say(line.repeat(100));
        sender.settle();
    }
    town.server.process.wait_for_error("reads too slowly");
    deaf.hear_all();
    town.end();
}

/// The answers to who asks and does not read wait in the server only up to a bound.
#[test]
fn questions_without_a_reader_are_not_answered_for_ever() {
    let town = Town::start(&[]);
    let questions = [
        (true, "PING :are you there?\r\n"),
        (true, "NAMES #company\r\n"),
        (true, "MOTD\r\n"),
        (false, "CAP LS 302\r\n"),
        (false, "NICK *\r\n"),
    ];
    for (is_in, question) in questions {
        let mut peer = Peer::connect_by_a_narrow_way(&town.address);
        if is_in {
            peer = peer.registered("asks", "");
        } else {
            peer.say("CAP LS 302\r\n");
        }
        // More than fits anywhere if nobody reads the answers.
        let taken = peer.say_while_taken(&question.repeat(1000), 200);
        assert!(taken < 200, "{question} is taken without an end");
    }
    town.end();
}

#[test]
fn pings_are_all_answered_to_who_reads() {
    let town = Town::start(&[]);
    let mut peer = Peer::irc(&town.address, "pinger", "");
    for batch in 0..20 {
        let pings: String = (0..100).map(|n| format!("PING :{batch}-{n}\r\n")).collect();
        peer.say(pings);
        for n in 0..100 {
            let pong = peer.hear_line();
            assert!(pong.ends_with(&format!("{batch}-{n}")), "{pong}");
        }
    }
    drop(peer);
    town.end();
}

#[test]
fn guesses_at_passwords_come_to_an_end() {
    let town = Town::start(&[]);
    let mut guesser = Peer::connect(&town.address);
    guesser.say("CAP REQ :sasl\r\nNICK guesser\r\nUSER a 0 * :a\r\n");
    // "ann", and "wrong" for a password.
    let guess = "AUTHENTICATE PLAIN\r\nAUTHENTICATE AGFubgB3cm9uZw==\r\n";
    for guesses in 1.. {
        if !guesser.try_say(guess) {
            break;
        }
        let told = guesser.hear_line_with(if guesses < 5 { " 904 " } else { "ERROR " });
        if told.starts_with("ERROR ") {
            assert_eq!(told, "ERROR :too many logins have failed");
            break;
        }
    }
    assert_eq!(guesser.hear_all_text(), "");
    town.end();
}

#[test]
fn a_network_makes_so_many_accounts_and_no_more() {
    const MOST: usize = 10;
    let town = Town::start(&[]);
    let mut made = 0;
    for number in 0..MOST + 3 {
        let mut peer = Peer::irc(&town.address, &format!("maker{number}"), "standard-replies");
        peer.say("REGISTER * * correct-horse-battery\r\n");
        let told = peer.hear_line_with("REGISTER");
        if told.contains("REGISTER SUCCESS") {
            made += 1;
        } else {
            assert!(told.contains(" RATE_LIMITED "), "{told}");
        }
    }
    assert_eq!(made, MOST);
    town.end();
}

#[test]
fn a_crowd_at_the_door_is_told_that_the_server_is_full() {
    const ROOM: usize = 20;
    let town = Town::start(&["--max-clients", &ROOM.to_string()]);
    // The company is in already.
    let inside: Vec<Peer> = (4..ROOM)
        .map(|number| Peer::irc(&town.address, &format!("inside{number}"), ""))
        .collect();
    for _ in 0..100 {
        let mut outside = Peer::connect(&town.address);
        let told = "Error: the server is full (20 clients); try again later\n";
        assert_eq!(outside.hear_all_text(), told);
    }
    drop(inside);
    town.end();
}
