//! Rooms with many members, and long lists: what is not asked for is not sent, and what is comes in
//! pieces.

use switchboard_chat::chat::settings::Settings;

use crate::server::Server;

/// A room of so many; `ann` was there first.
fn a_room_of(count: usize, big_room: usize, caps: &str) -> Server {
    let mut server = Server::with(Settings {
        server: "s".into(),
        big_room,
        connections_per_network: usize::MAX,
        ..Settings::default()
    });
    server.enter("ann", caps);
    server.say("ann", "JOIN #a");
    for number in 1..count {
        let name = format!("n{number}");
        server.enter(&name, "");
        server.say(&name, "JOIN #a");
    }
    server.store();
    server.heard("ann");
    server
}

#[test]
fn who_comes_into_a_big_room_sees_who_has_a_say() {
    let mut server = a_room_of(20, 10, "");
    server.enter("bob", "");
    server.say("bob", "JOIN #a");
    server.hears(
        "bob",
        &[
            ":bob!bob@host JOIN #a",
            ":s 353 bob = #a :bob @ann",
            ":s 366 bob #a :End of /NAMES list",
        ],
    );
    server.hears("ann", &[]);
    server.say("bob", "NAMES #a");
    let told = server.heard("bob");
    let names: usize = told[..told.len() - 1]
        .iter()
        .map(|line| line.rsplit(':').next().unwrap().split(' ').count())
        .sum();
    assert_eq!(names, 21);
}

#[test]
fn a_long_list_comes_in_pieces() {
    let mut server = a_room_of(600, 10, "labeled-response batch");
    server.say("ann", "@label=1 WHO #a");
    let mut told = server.heard("ann");
    assert_eq!(told[0], "@label=1 :s BATCH +list labeled-response");
    assert_eq!(told.len(), 1 + 250);
    // Meanwhile, other things are answered.
    server.say("ann", "PING 1");
    server.hears("ann", &[":s PONG s :1"]);
    // Whoever leaves meanwhile is left out; nobody is skipped for it.
    server.lose("n400");
    server.heard("ann");
    let mut pieces = 0;
    while !told.last().unwrap().ends_with("BATCH -list") {
        server.wake("ann");
        assert_eq!(server.heard("ann"), [""; 0], "it is not time yet");
        server.now.monotonic_ns += 10_000_000;
        server.wake("ann");
        told.extend(server.heard("ann"));
        pieces += 1;
    }
    assert_eq!(pieces, 2);
    let lines = told[1..told.len() - 1].iter();
    assert_eq!(
        lines
            .clone()
            .filter(|line| line.starts_with("@batch=list :s 352 "))
            .count(),
        599
    );
    assert!(lines.last().unwrap().starts_with("@batch=list :s 315 "));
}

#[test]
fn long_lists_come_one_after_the_other() {
    let mut server = a_room_of(300, 10, "labeled-response batch");
    for label in 1..=9 {
        server.say("ann", &format!("@label={label} WHO #a"));
    }
    let mut told = server.heard("ann");
    // One is under way, seven wait, and that is enough.
    let text = "Please wait a while and try again.";
    assert_eq!(told.pop(), Some(format!("@label=9 :s 263 ann WHO :{text}")));
    assert_eq!(told.len(), 1 + 250);
    for _ in 0..15 {
        server.now.monotonic_ns += 10_000_000;
        server.wake("ann");
        told.extend(server.heard("ann"));
    }
    let begins = told
        .iter()
        .filter(|line| line.ends_with(" labeled-response"));
    let labels: Vec<String> = begins.map(|line| line[..8].to_owned()).collect();
    let expected: Vec<String> = (1..=8).map(|label| format!("@label={label}")).collect();
    assert_eq!(labels, expected);
    assert_eq!(told.len(), 8 * (1 + 300 + 1 + 1));
    assert!(told.last().unwrap().ends_with("BATCH -list"));
    server.say("ann", "@label=10 WHO #a");
    assert_eq!(server.heard("ann").len(), 1 + 250);
}
