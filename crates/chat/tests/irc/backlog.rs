//! What clients that cannot ask for history are shown when they come into a room.

use std::sync::Arc;

use switchboard_chat::chat::event::Message;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::store::StoreError;
use switchboard_chat::store::record::Write;

use crate::server::Server;

/// A room of an account's, in which `ann` has spoken.
fn a_room_with_a_past(settings: Settings) -> Server {
    let mut server = Server::with(Settings {
        server: "s".into(),
        ..settings
    });
    server.config.backlog = 3;
    server.enter_with_account("ann", "");
    server.say("ann", "JOIN #a");
    server.store();
    for text in ["one", "two", "\x01ACTION waves\x01", "four"] {
        server.pass(60);
        server.say("ann", &format!("PRIVMSG #a :{text}"));
        server.store();
    }
    server.heard("ann");
    server
}

/// What somebody hears who comes in, after the names.
fn comes(server: &mut Server, name: &str, caps: &str) -> Vec<String> {
    server.enter(name, caps);
    server.say(name, "JOIN #a");
    let told = server.heard(name);
    let names = told.iter().position(|line| line.contains(" 366 "));
    told[names.expect("the end of the names") + 1..].to_vec()
}

const BEFORE: &str = ":s NOTICE #a :What was said here before you came:";
const THAT: &str = ":s NOTICE #a :That was before you came.";

#[test]
fn a_client_that_knows_times_and_batches_sees_what_was_said_in_one() {
    let mut server = a_room_with_a_past(Settings::default());
    assert_eq!(
        comes(&mut server, "bob", "batch server-time"),
        [
            ":s BATCH +history chathistory #a",
            "@batch=history;time=2001-09-09T01:48:40.000Z :ann!ann@host PRIVMSG #a :two",
            "@batch=history;time=2001-09-09T01:49:40.000Z :ann!ann@host PRIVMSG #a :\x01ACTION waves\x01",
            "@batch=history;time=2001-09-09T01:50:40.000Z :ann!ann@host PRIVMSG #a :four",
            ":s BATCH -history",
        ]
    );
}

#[test]
fn a_client_that_knows_times_is_told_where_it_begins_and_ends() {
    let mut server = a_room_with_a_past(Settings::default());
    let told = comes(&mut server, "bob", "server-time");
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!((&*told[0], &*told[4]), (BEFORE, THAT));
    let two = "@time=2001-09-09T01:48:40.000Z :ann!ann@host PRIVMSG #a :two";
    assert_eq!(told[1], two);
}

#[test]
fn an_old_client_reads_when_it_was() {
    let mut server = a_room_with_a_past(Settings::default());
    assert_eq!(
        comes(&mut server, "bob", ""),
        [
            BEFORE,
            ":ann!ann@host PRIVMSG #a :[2001-09-09 01:48 UTC] two",
            ":ann!ann@host PRIVMSG #a :\x01ACTION [2001-09-09 01:49 UTC] waves\x01",
            ":ann!ann@host PRIVMSG #a :[2001-09-09 01:50 UTC] four",
            THAT,
        ]
    );
}

#[test]
fn who_can_ask_is_shown_nothing_unasked() {
    let mut server = a_room_with_a_past(Settings::default());
    let caps = "batch server-time draft/chathistory";
    assert!(comes(&mut server, "bob", caps).is_empty());
    server.config.backlog = 0;
    assert!(comes(&mut server, "eve", "").is_empty());
}

#[test]
fn nothing_is_sent_unasked_in_a_big_room() {
    let big_room = 2;
    let mut server = a_room_with_a_past(Settings {
        big_room,
        ..Settings::default()
    });
    assert_eq!(comes(&mut server, "bob", "").len(), 5);
    assert!(comes(&mut server, "eve", "").is_empty());
}

#[test]
fn nobody_is_told_that_it_could_not_be_read() {
    let mut server = a_room_with_a_past(Settings::default());
    server.archive_fails = Some(StoreError::Failed("the disk is gone".into()));
    assert!(comes(&mut server, "bob", "").is_empty());
}

#[test]
fn what_was_taken_back_stays_so() {
    let mut server = a_room_with_a_past(Settings::default());
    server.say("ann", "PRIVMSG #a :taken back");
    server.store();
    server.say("ann", "REDACT #a 00000000-5");
    server.store();
    let told = comes(&mut server, "bob", "server-time");
    assert!(
        !told.iter().any(|line| line.contains("taken back")),
        "{told:?}"
    );
    assert!(told.iter().any(|line| line.ends_with("four")), "{told:?}");
}

/// A message that is being stored when somebody comes in is told as it is said, and not once more,
/// though the archive may have it already.
#[test]
fn each_message_is_shown_once() {
    let mut server = a_room_with_a_past(Settings::default());
    server.say("ann", "PRIVMSG #a :five");
    let last = server.stored.iter().rev().find_map(|write| match write {
        Write::Message(message) => Some(Message::clone(message)),
        _ => None,
    });
    let mut early = last.expect("four is there");
    early.msgid.sequence += 1;
    early.text = "five".into();
    server.stored.push(Write::Message(Arc::new(early)));
    let told = comes(&mut server, "bob", "server-time");
    assert!(told.iter().any(|line| line.ends_with("four")), "{told:?}");
    assert!(!told.iter().any(|line| line.ends_with("five")), "{told:?}");
    server.store();
    let told = server.heard("bob");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with(" PRIVMSG #a :five"), "{told:?}");
}

#[test]
fn rooms_are_shown_one_after_the_other() {
    let mut server = a_room_with_a_past(Settings::default());
    let rooms: Vec<String> = (0..12).map(|number| format!("#r{number}")).collect();
    for room in &rooms {
        server.say("ann", &format!("JOIN {room}"));
        server.store();
        server.say("ann", &format!("PRIVMSG {room} :hello {room}"));
        server.store();
    }
    server.enter("bob", "server-time batch");
    server.say("bob", &format!("JOIN {}", rooms.join(",")));
    let told = server.heard("bob");
    for room in &rooms {
        let said = format!(" PRIVMSG {room} :hello {room}");
        let count = told.iter().filter(|line| line.ends_with(&said)).count();
        assert_eq!(count, 1, "{room} in {told:?}");
    }
}
