//! What clients ask about users, rooms and the server.

use switchboard_chat::chat::FORMER_MAX;
use switchboard_chat::chat::command::Command;

use crate::server::Server;

fn a_room_of_two() -> Server {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "")]);
    server
}

#[test]
fn who_lists_a_room_or_those_whom_one_meets() {
    let mut server = a_room_of_two();
    server.enter("eve", "");
    server.say("bob", "AWAY :out");
    server.heard("bob");
    server.say("ann", "WHO #A");
    let ann = ":s 352 ann #a ann host s ann H@ :0 ann ann";
    let bob = ":s 352 ann #a bob host s bob G :0 bob bob";
    server.hears("ann", &[ann, bob, ":s 315 ann #A :End of WHO list"]);
    server.say("ann", "WHO h?st");
    server.hears("ann", &[ann, bob, ":s 315 ann h?st :End of WHO list"]);
    // A stranger is found by its nick alone.
    server.say("ann", "WHO eve");
    let eve = ":s 352 ann * eve host s eve H :0 eve eve";
    server.hears("ann", &[eve, ":s 315 ann eve :End of WHO list"]);
    server.say("ann", "WHO ev*");
    server.hears("ann", &[":s 315 ann ev* :End of WHO list"]);
    server.say("ann", "WHO #none");
    server.hears("ann", &[":s 315 ann #none :End of WHO list"]);
}

#[test]
fn whox_answers_what_is_asked_in_its_own_order() {
    let mut server = a_room_of_two();
    server.pass(7);
    server.say("ann", "WHO #a %raolfnsdhiuct,42");
    let fields = "42 #a bob 255.255.255.255 host s bob H 0 7 0 n/a :bob bob";
    let told = server.heard("ann");
    assert_eq!(told[1], format!(":s 354 ann {fields}"));
    server.say("ann", "WHO bob %nat");
    server.hears(
        "ann",
        &[":s 354 ann 0 bob 0", ":s 315 ann bob :End of WHO list"],
    );
    server.say("ann", "WHO #a o%n");
    server.hears("ann", &[":s 315 ann #a :End of WHO list"]);
}

#[test]
fn whois_tells_what_one_may_know() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "")]);
    server.enter_with_account("eve", "");
    for line in [
        "JOIN #a",
        "JOIN #hidden",
        "MODE #hidden +s",
        "MODE eve +B",
        "AWAY :out",
    ] {
        server.say("eve", line);
        server.store();
    }
    server.pass(5);
    server.say("ann", "WHOIS Eve");
    server.heard("ann").retain(|line| !line.contains(" 3"));
    server.say("ann", "WHOIS s eve");
    server.hears(
        "ann",
        &[
            ":s 311 ann eve eve host * :eve eve",
            ":s 319 ann eve :#a",
            ":s 312 ann eve s :s",
            ":s 330 ann eve eve :is logged in as",
            ":s 335 ann eve :is a bot",
            ":s 301 ann eve :out",
            ":s 317 ann eve 5 1000000000 :seconds idle, signon time",
            ":s 318 ann eve :End of /WHOIS list",
        ],
    );
    server.heard("eve");
    server.say("eve", "WHOIS eve");
    assert!(
        server
            .heard("eve")
            .contains(&":s 319 eve eve :#a ~#hidden".to_owned())
    );
    server.say("ann", "WHOIS nobody");
    server.hears(
        "ann",
        &[
            ":s 401 ann nobody :No such nick/channel",
            ":s 318 ann nobody :End of /WHOIS list",
        ],
    );
}

#[test]
fn a_certificate_is_shown_to_its_owner() {
    let mut server = Server::new();
    server.connect_with_certificate("ann", b"abc");
    server.say("ann", "NICK ann");
    server.say("ann", "USER ann 0 * :Ann");
    server.enter("bob", "");
    server.heard("ann");
    server.say("ann", "WHOIS ann");
    let told = server.heard("ann");
    let fingerprint = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let text = format!(":s 276 ann ann :has client certificate fingerprint {fingerprint}");
    assert!(told.contains(&text), "{told:?}");
    assert!(told.contains(&":s 671 ann ann :is using a secure connection".to_owned()));
    server.say("bob", "WHOIS ann");
    let told = server.heard("bob");
    assert!(told.iter().any(|line| line.contains(" 671 ")), "{told:?}");
    assert!(!told.iter().any(|line| line.contains(" 276 ")), "{told:?}");
}

#[test]
fn certificates_are_put_on_ones_account() {
    let mut server = Server::new();
    server.enter_with_account("ann", "standard-replies");
    server.say("ann", "CERT LIST");
    let none = "no certificate logs in to your account: CERT ADD adds one";
    server.hears("ann", &[&format!(":s NOTICE ann :{none}")]);
    server.say("ann", "CERT ADD");
    let text = "your connection has shown no certificate: give its fingerprint";
    server.hears("ann", &[&format!(":s FAIL CERT NEED_MORE_PARAMS :{text}")]);
    let fingerprint = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    server.say("ann", &format!("CERT ADD {}", fingerprint.to_uppercase()));
    server.store();
    server.heard("ann");
    assert!(server.chat.account_by_certificate(fingerprint).is_some());
    server.say("ann", "CERT LIST");
    assert_eq!(
        server.heard("ann")[0],
        format!(":s NOTICE ann :{fingerprint}")
    );
    server.say("ann", &format!("CERT DEL {fingerprint}"));
    server.store();
    assert!(server.chat.account_by_certificate(fingerprint).is_none());
}

#[test]
fn who_was_somebody_is_remembered() {
    let mut server = a_room_of_two();
    server.say("ann", "WHOWAS bob");
    server.hears(
        "ann",
        &[
            ":s 406 ann bob :There was no such nickname",
            ":s 369 ann bob :End of WHOWAS",
        ],
    );
    server.say("bob", "NICK rob");
    server.heard("ann");
    server.say("ann", "WHOWAS BOB");
    server.hears(
        "ann",
        &[
            ":s 314 ann bob bob host * :bob bob",
            ":s 312 ann bob s :2001-09-09T01:46:40.000Z",
            ":s 369 ann BOB :End of WHOWAS",
        ],
    );
    server.say("ann", "ISON rob bob :ann x");
    server.hears("ann", &[":s 303 ann :rob ann"]);
    server.say("ann", "USERHOST rob bob ann");
    server.hears("ann", &[":s 302 ann :rob=+bob@host ann=+ann@host"]);
}

#[test]
fn rooms_are_listed_by_conditions_and_secret_ones_are_not() {
    let mut server = Server::new();
    server.enter_room("#big", &[("ann", ""), ("bob", "")]);
    server.say("ann", "TOPIC #big :many");
    server.say("ann", "JOIN #small,#hidden");
    server.say("ann", "MODE #hidden +s");
    server.store();
    server.heard("ann");
    server.heard("bob");
    let start = ":s 321 bob Channel :Users  Name";
    let end = ":s 323 bob :End of /LIST";
    let (big, small) = (":s 322 bob #big 2 :many", ":s 322 bob #small 1 :");
    let mut lists = |asked: &str, expected: &[&str]| {
        server.say("bob", asked);
        let told = server.heard("bob");
        let rooms: Vec<&str> = told[1..told.len() - 1].iter().map(String::as_str).collect();
        assert_eq!(
            (told[0].as_str(), told[told.len() - 1].as_str()),
            (start, end)
        );
        let expected: Vec<&str> = expected.to_vec();
        assert_eq!(rooms, expected, "{asked}");
    };
    let lobby = ":s 322 bob #lobby 0 :";
    lists("LIST", &[big, lobby, small]);
    lists("LIST >1", &[big]);
    lists("LIST <2,#s*", &[small]);
    lists("LIST !#l*", &[big, small]);
    lists("LIST #small,#hidden", &[small]);
    lists("LIST T<1", &[big]);
    lists("LIST T>1", &[]);
}

#[test]
fn who_is_watched_is_told_of() {
    let mut server = Server::new();
    server.enter("ann", "extended-monitor away-notify account-notify");
    server.say("ann", "MONITOR + bob,eve,!,joe");
    server.hears("ann", &[":s 731 ann :bob,eve,joe"]);
    server.enter("bob", "");
    server.hears("ann", &[":s 730 * :bob!bob@host"]);
    server.say("bob", "AWAY :out");
    server.hears("ann", &[":bob!bob@host AWAY :out"]);
    server.say("ann", "MONITOR S");
    server.hears("ann", &[":s 730 ann :bob!bob@host", ":s 731 ann :eve,joe"]);
    server.say("bob", "NICK rob");
    server.hears("ann", &[":s 731 * :bob"]);
    server.say("ann", "MONITOR - joe");
    server.say("ann", "MONITOR L");
    server.hears(
        "ann",
        &[":s 732 ann :bob,eve", ":s 733 ann :End of MONITOR list"],
    );
    server.say("ann", "MONITOR C");
    server.say("bob", "NICK bob");
    server.hears("ann", &[]);
}

#[test]
fn watchers_hear_nothing_twice_and_only_what_they_want() {
    let mut server = Server::new();
    server.enter_room(
        "#a",
        &[("ann", "extended-monitor away-notify"), ("bob", "")],
    );
    server.enter("eve", "away-notify");
    server.say("ann", "MONITOR + bob");
    server.say("eve", "MONITOR + bob");
    server.heard("ann");
    server.heard("eve");
    server.say("bob", "AWAY :out");
    server.hears("ann", &[":bob!bob@host AWAY :out"]);
    server.hears("eve", &[]);
}

#[test]
fn the_list_of_the_watched_is_bounded() {
    let mut server = Server::new();
    server.enter("ann", "");
    let limit = server.chat.settings().watches_per_user;
    for number in 0..limit {
        server.say("ann", &format!("MONITOR + n{number}"));
    }
    server.heard("ann");
    server.say("ann", "MONITOR + n0,one,two");
    server.hears(
        "ann",
        &[
            ":s 731 ann :n0",
            ":s 734 ann 100 one,two :Monitor list is full.",
        ],
    );
}

#[test]
fn the_server_tells_of_itself() {
    let mut server = Server::new();
    server.enter("ann", "");
    server.config.started_unix_ms = Some(server.now.unix_ms - 90_000);
    server.config.admin_info = vec!["The club".into(), "club@example.org".into()];
    let mut tells = |line: &str, expected: &[&str]| {
        server.say("ann", line);
        server.hears("ann", expected);
    };
    tells(
        "TIME",
        &[":s 391 ann s 1000000000 0 :2001-09-09T01:46:40.000Z"],
    );
    tells(
        "STATS u",
        &[
            ":s 242 ann :Server Up 0 days 0:01:30",
            ":s 219 ann u :End of /STATS report",
        ],
    );
    tells(
        "ADMIN",
        &[
            ":s 256 ann s :Administrative info",
            ":s 257 ann :The club",
            ":s 258 ann :club@example.org",
        ],
    );
    tells(
        "LINKS",
        &[":s 364 ann s s :0 s", ":s 365 ann * :End of /LINKS list"],
    );
    tells("MOTD", &[":s 422 ann :MOTD File is missing"]);
    tells(
        "HELP who",
        &[
            ":s 704 ann who :WHO mask [%fields]",
            ":s 705 ann who :Users by room or by mask",
            ":s 706 ann who :End of /HELP",
        ],
    );
    tells(
        "HELP nonsense",
        &[":s 524 ann nonsense :No help available on this topic"],
    );
    server.say("ann", "VERSION");
    let told = server.heard("ann").join("\n");
    for token in [
        "WHOX",
        "MONITOR=100",
        "CHATHISTORY=100",
        "MSGREFTYPES=msgid,timestamp",
        "LOBBY=#lobby",
        "SAFELIST",
    ] {
        assert!(told.contains(&format!(" {token} ")), "{token}: {told}");
    }
    server.say("ann", "LUSERS");
    assert!(server.heard("ann")[0].starts_with(":s 251 ann :There are 1 users"));
}

#[test]
fn a_bot_is_known_by_its_flag() {
    let mut server = a_room_of_two();
    let bob = server.chat.find("bob").unwrap();
    server.command(bob, Command::SetBot(true));
    server.say("ann", "WHO bob %f");
    assert_eq!(server.heard("ann")[0], ":s 354 ann HB");
}

#[test]
fn former_names_are_bounded() {
    let mut server = Server::new();
    for number in 0..=FORMER_MAX {
        let name = format!("n{number}");
        server.enter(&name, "");
        server.lose(&name);
    }
    assert_eq!(server.chat.former("n0").count(), 0);
    assert_eq!(server.chat.former("n1").count(), 1);
}

#[test]
fn who_connects_while_away_is_away_from_the_beginning() {
    let mut server = Server::new();
    server.enter("bob", "extended-monitor away-notify");
    server.say("bob", "MONITOR + ann");
    server.heard("bob");
    server.connect("ann");
    server.say("ann", "AWAY :too early");
    server.say("ann", "CAP REQ draft/pre-away");
    server.say("ann", "NICK ann");
    server.say("ann", "AWAY *");
    server.say("ann", "USER ann 0 * :x");
    server.say("ann", "CAP END");
    let told = server.heard("ann");
    assert!(told[0].starts_with(":s 451 * "), "{told:?}");
    assert!(told[2].starts_with(":s 306 ann "), "{told:?}");
    server.hears("bob", &[":s 730 * :ann!ann@host", ":ann!ann@host AWAY :*"]);
    server.say("bob", "PRIVMSG ann :hi");
    server.hears("bob", &[":s 301 bob ann :*"]);
    server.say("ann", "AWAY");
    server.hears("bob", &[":ann!ann@host AWAY"]);
}
