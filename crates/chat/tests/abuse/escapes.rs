//! What a terminal would act on, or show otherwise than it is: in everything that a client can say.
//! None of it reaches the log, or the terminal of somebody else, as it is.

use std::io::{Read, Write};
use std::net::TcpListener;

use switchboard_partners::{PATIENCE, Process};

use crate::browser::{Browser, CLOSE, frame};
use crate::peer::Peer;
use crate::town::Town;
use crate::world::switchboard;

/// Clears the screen, sets the title, rings, types for the reader, turns the order round, and the
/// first of them in one character.
const SPELLS: [&str; 6] = [
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "\x07\x08",
    "\x1bP$q\x1b\\",
    "\u{202e}resu\u{2066}",
    "\u{9b}2J\u{85}\u{2028}",
];

/// The first character that no terminal should be given.
fn spell_in(text: &str) -> Option<char> {
    let is_spell = |c: &char| {
        let c = *c;
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}')
    };
    text.chars().find(is_spell)
}

#[test]
fn the_log_holds_nothing_that_a_terminal_acts_on() {
    let town = Town::start(&["-vv", "--tls", "self-signed"]);
    for spell in SPELLS {
        let mut plain = Peer::connect(&town.address);
        plain.say(format!("{spell}: {spell} hello\n"));
        assert_eq!(plain.hear_line(), "Message received");

        let mut irc = Peer::connect(&town.address);
        irc.say(format!("CAP LS 302\r\nCAP LS {spell}\r\nNICK {spell}\r\n"));
        irc.say(format!(
            "NICK caster\r\nUSER {spell} 0 * :{spell}\r\nCAP END\r\n"
        ));
        irc.hear_line_with(" 001 ");
        for line in [
            format!("JOIN #{spell}"),
            "JOIN #company".to_owned(),
            format!("PRIVMSG #company :{spell}"),
            format!("TOPIC #company :{spell}"),
            format!("AWAY :{spell}"),
            format!("SETNAME :{spell}"),
            format!("{spell} {spell}"),
            format!("@{spell}={spell} PING {spell}"),
            format!("AUTHENTICATE {spell}"),
            format!("REGISTER {spell} {spell} {spell}"),
            format!("PART #company :{spell}"),
            format!("QUIT :{spell}"),
        ] {
            // One that quits is not there for long.
            let _ = irc.try_say(format!("{line}\r\n"));
        }
        irc.hear_all();

        let mut http = Peer::connect(&town.address);
        http.say(format!(
            "GET /{spell} HTTP/1.1\r\nHost: {spell}\r\nX: {spell}\r\n\r\n"
        ));
        http.finish();
        http.hear_all();

        let mut browser = Browser::open(&town.address);
        browser.0.say(frame(
            CLOSE,
            &[&1000_u16.to_be_bytes(), spell.as_bytes()].concat(),
        ));
        browser.hear_close();

        let mut tls = Peer::connect(&town.address);
        tls.say(
            [
                &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..],
                &spell.as_bytes().repeat(100),
            ]
            .concat(),
        );
        tls.finish();
        tls.hear_all();
    }
    let log = town.end();
    assert!(log.contains(r"\x1b[2J"), "it was logged, as what it is");
    if let Some(spell) = spell_in(&log) {
        let line = log.lines().find(|line| line.contains(spell));
        panic!("{spell:?} is in the log: {line:?}");
    }
}

#[test]
fn who_listens_by_plain_lines_is_shown_what_it_is() {
    let town = Town::start(&[]);
    let mut listener = Process::start(switchboard(&["connect", &town.address]));
    listener.say("/listen\n");
    listener.wait_for("You hear #lobby now");
    let mut caster = Peer::irc(&town.address, "caster", "");
    caster.join("#lobby");
    for spell in SPELLS {
        caster.say(format!("PRIVMSG #lobby :{spell} from irc\r\n"));
        listener.wait_for("from irc\n");
        let mut plain = Peer::connect(&town.address);
        plain.say(format!("{spell}: {spell} from plain\n"));
        listener.wait_for("from plain\n");
    }
    let shown = listener.output();
    // By the server for any client, and by this client for any server.
    assert!(shown.contains(r"<caster> \\x1b[2J from irc"), "{shown}");
    assert_eq!(spell_in(&shown), None, "{shown}");
    drop(listener);
    drop(caster);
    town.end();
}

/// A server may be hostile, too.
#[test]
fn the_client_shows_what_a_server_says_as_what_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let mut client = Process::start(switchboard(&["connect", &address]));
    client.say("hello\n");
    let (mut stream, _) = listener.accept().expect("the client connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let mut heard = [0; 6];
    stream.read_exact(&mut heard).expect("it says its line");
    assert_eq!(&heard, b"hello\n");
    let spells = SPELLS.concat();
    stream
        .write_all(format!("{spells} Message received\n").as_bytes())
        .expect("it reads");
    client.wait_for("Message received\n");
    let shown = client.output();
    assert!(shown.contains(r"\x1b[2J"), "{shown}");
    assert_eq!(spell_in(&shown), None, "{shown}");
    client.finish();
    assert_eq!(spell_in(&client.errors()), None);
}
