//! What clients say, and what they and the others hear then.

use switchboard_chat::store::StoreError;

use crate::server::Server;

const ALL: &str = "message-tags server-time echo-message labeled-response batch account-tag \
                   account-notify extended-join away-notify invite-notify multi-prefix setname \
                   standard-replies";

#[test]
fn a_client_is_welcomed_when_it_has_said_who_it_is() {
    let mut server = Server::new();
    server.connect("ann");
    server.say("ann", "NICK ann");
    server.say("ann", "JOIN #a");
    server.hears("ann", &[":s 451 ann :You have not registered"]);
    server.say("ann", "USER ann 0 * :Ann");
    let told = server.heard("ann");
    let numerics: Vec<&str> = told.iter().map(|line| &line[3..6]).collect();
    let expected = [
        "001", "002", "003", "004", "005", "005", "005", "251", "254", "255", "422",
    ];
    assert_eq!(numerics, expected);
    assert_eq!(told[0], ":s 001 ann :Welcome to s, ann!ann@host");
}

#[test]
fn a_taken_nick_is_refused_and_another_one_is_not() {
    let mut server = Server::new();
    server.enter("ann", "");
    server.connect("other");
    server.say("other", "USER x 0 * :x");
    server.say("other", "NICK ANN");
    server.hears("other", &[":s 433 * ANN :somebody else is called ANN"]);
    server.say("other", "NICK 9");
    server.hears("other", &[":s 432 * 9 :it cannot begin like that"]);
    server.say("other", "NICK bob");
    assert!(server.heard("other")[0].starts_with(":s 001 bob "));
    server.say("other", "NICK ann");
    server.hears("other", &[":s 433 bob ann :somebody else is called ann"]);
}

#[test]
fn registration_waits_for_the_end_of_the_negotiation() {
    let mut server = Server::new();
    server.connect("ann");
    server.say("ann", "CAP LS 302");
    server.say("ann", "NICK ann");
    server.say("ann", "USER ann 0 * :Ann");
    let told = server.heard("ann");
    assert!(
        told.len() == 1 && told[0].starts_with(":s CAP * LS :message-tags "),
        "{told:?}"
    );
    server.say("ann", "CAP REQ :batch nonsense");
    server.say("ann", "CAP REQ :batch server-time ");
    server.say("ann", "CAP LIST");
    server.hears(
        "ann",
        &[
            ":s CAP ann NAK :batch nonsense",
            ":s CAP ann ACK :batch server-time ",
            ":s CAP ann LIST :server-time batch cap-notify",
        ],
    );
    server.say("ann", "CAP END");
    assert!(server.heard("ann")[0].contains(" 001 ann "));
}

#[test]
fn who_comes_into_a_room_is_told_what_and_who_is_there() {
    let mut server = Server::new();
    server.enter("ann", "");
    server.enter("bob", "extended-join");
    server.say("ann", "JOIN #Tea");
    server.hears(
        "ann",
        &[
            ":ann!ann@host JOIN #Tea",
            ":s 353 ann = #Tea :@ann",
            ":s 366 ann #Tea :End of /NAMES list",
        ],
    );
    server.say("ann", "TOPIC #tea :cups");
    server.store();
    server.hears("ann", &[":ann!ann@host TOPIC #Tea :cups"]);
    server.say("bob", "JOIN #tea");
    server.hears(
        "bob",
        &[
            ":bob!bob@host JOIN #Tea * :bob bob",
            ":s 332 bob #Tea :cups",
            ":s 333 bob #Tea ann!ann@host 1000000000",
            ":s 353 bob = #Tea :@ann bob",
            ":s 366 bob #Tea :End of /NAMES list",
        ],
    );
    server.hears("ann", &[":bob!bob@host JOIN #Tea"]);
    server.say("bob", "PART #tea :bye");
    server.hears("ann", &[":bob!bob@host PART #Tea :bye"]);
    server.hears("bob", &[":bob!bob@host PART #Tea :bye"]);
    server.say("bob", "PART #tea");
    server.hears(
        "bob",
        &[":s 442 bob #tea :you are not in #tea: join it first"],
    );
}

#[test]
fn a_message_is_heard_once_it_is_stored() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ALL), ("bob", ""), ("eve", "server-time")]);
    server.say("ann", "@label=7;+draft/reply=x PRIVMSG #a :hi there");
    server.hears("ann", &[]);
    server.hears("bob", &[]);
    server.store();
    let time = "time=2001-09-09T01:46:40.000Z";
    let tags = format!("{time};msgid=00000000-1;+draft/reply=x");
    server.hears(
        "ann",
        &[&format!(
            "@label=7;{tags} :ann!ann@host PRIVMSG #a :hi there"
        )],
    );
    server.hears("bob", &[":ann!ann@host PRIVMSG #a :hi there"]);
    server.hears(
        "eve",
        &[&format!("@{time} :ann!ann@host PRIVMSG #a :hi there")],
    );
    server.say("bob", "NOTICE ann :psst");
    server.store();
    server.hears("bob", &[]);
    let told = server.heard("ann");
    assert!(
        told[0].ends_with(":bob!bob@host NOTICE ann :psst"),
        "{told:?}"
    );
}

#[test]
fn a_message_that_cannot_be_stored_is_answered() {
    let mut server = Server::new();
    let caps = "labeled-response batch standard-replies";
    server.enter_room("#a", &[("ann", caps), ("bob", "")]);
    server.say("ann", "@label=7 PRIVMSG #a :hi");
    server.store_as(Err(StoreError::Full));
    let text = "not stored, try again later: the disk is full";
    server.hears(
        "ann",
        &[&format!("@label=7 :s FAIL * CANNOT_STORE :{text}")],
    );
    server.say("bob", "PRIVMSG #a :hi");
    server.store_as(Err(StoreError::Full));
    server.hears("bob", &[&format!(":s 400 * * :{text}")]);
    server.hears("ann", &[]);
}

#[test]
fn a_label_has_one_answer() {
    let mut server = Server::new();
    let caps = "labeled-response batch";
    server.enter_room("#a", &[("ann", caps)]);
    server.say("ann", "@label=1 PING x");
    server.say("ann", "@label=2 PONG x");
    server.say("ann", "@label=3 JOIN #b");
    server.hears(
        "ann",
        &[
            "@label=1 :s PONG s :x",
            "@label=2 :s ACK",
            "@label=3 :s BATCH +labeled labeled-response",
            "@batch=labeled :ann!ann@host JOIN #b",
            "@batch=labeled :s 353 ann = #b :@ann",
            "@batch=labeled :s 366 ann #b :End of /NAMES list",
            ":s BATCH -labeled",
        ],
    );
    // Without an echo, the label of a message is answered when it is stored.
    server.say("ann", "@label=4 PRIVMSG #a :hi");
    server.hears("ann", &[]);
    server.store();
    server.hears("ann", &["@label=4 :s ACK"]);
    server.say("ann", "@label=5 MODE #a +m");
    // It is so already; but what waits before it could change that.
    server.say("ann", "@label=6 MODE #a +n");
    server.hears("ann", &[]);
    server.store();
    server.hears(
        "ann",
        &["@label=5 :ann!ann@host MODE #a +m", "@label=6 :s ACK"],
    );
    server.say("ann", "@label=7 MODE #a +n");
    server.hears("ann", &["@label=7 :s ACK"]);
}

#[test]
fn modes_are_told_when_they_are_stored() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "")]);
    server.say("bob", "MODE #a +m");
    server.hears("bob", &[":s 482 bob #a :only operators of #a can do that"]);
    server.say("ann", "MODE #a +mlk-n+v 10 key bob");
    server.say("ann", "MODE #a +bb ~m:eve *!*@bad");
    server.store();
    let changes = [
        ":ann!ann@host MODE #a +mlk-n+v 10 key bob",
        ":ann!ann@host MODE #a +bb ~m:eve!*@* *!*@bad",
    ];
    server.hears("ann", &changes);
    server.hears("bob", &changes);
    server.say("bob", "MODE #a");
    server.say("bob", "MODE #a b");
    server.hears(
        "bob",
        &[
            ":s 324 bob #a +mtkl key 10",
            ":s 329 bob #a 1000000000",
            ":s 367 bob #a *!*@bad ann 1000000000",
            ":s 367 bob #a ~m:eve!*@* ann 1000000000",
            ":s 368 bob #a :End of channel ban list",
        ],
    );
    server.say("ann", "MODE #a -klX");
    server.store();
    server.hears(
        "ann",
        &[
            ":s 472 ann X :is unknown mode char to me",
            ":ann!ann@host MODE #a -kl *",
        ],
    );
}

#[test]
fn kicks_invitations_and_nicks() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "")]);
    server.say("ann", "KICK #a bob :enough");
    server.hears("bob", &[":ann!ann@host KICK #a bob :enough"]);
    server.say("ann", "INVITE bob #a");
    let told = server.heard("ann");
    assert_eq!(told[1], ":s 341 ann bob #a");
    server.hears("bob", &[":ann!ann@host INVITE bob #a"]);
    server.say("bob", "JOIN #a");
    server.heard("bob");
    server.heard("ann");
    server.say("bob", "NICK rob");
    server.hears("ann", &[":bob!bob@host NICK rob"]);
    server.hears("bob", &[":bob!bob@host NICK rob"]);
    server.say("bob", "QUIT :off");
    server.hears("ann", &[":rob!bob@host QUIT :Quit: off"]);
    server.hears("bob", &["ERROR :Quit: off"]);
    assert!(server.is_closed("bob"));
}

#[test]
fn a_silent_client_is_asked_and_then_given_up() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "")]);
    server.pass(119);
    server.wake("ann");
    server.hears("ann", &[]);
    server.pass(1);
    server.wake("ann");
    server.hears("ann", &[":s PING :s"]);
    server.say("ann", "PONG s");
    server.wake("bob");
    server.pass(60);
    server.wake("ann");
    server.wake("bob");
    assert!(server.is_closed("bob") && !server.is_closed("ann"));
    server.hears("ann", &[":bob!bob@host QUIT :no answer for 60 seconds"]);
}

#[test]
fn who_is_lost_has_quit() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "")]);
    server.lose("ann");
    server.hears("bob", &[":ann!ann@host QUIT :connection lost"]);
}

#[test]
fn who_does_not_say_who_it_is_is_given_up() {
    let mut server = Server::new();
    server.connect("x");
    server.say("x", "NICK x");
    server.pass(30);
    server.wake("x");
    server.hears("x", &["ERROR :you have not said who you are"]);
    assert!(server.is_closed("x"));
}

#[test]
fn a_message_is_taken_back() {
    let mut server = Server::new();
    let caps = "draft/message-redaction labeled-response batch standard-replies";
    server.enter_room(
        "#a",
        &[
            ("ann", caps),
            ("bob", "draft/message-redaction"),
            ("eve", ""),
        ],
    );
    server.say("bob", "PRIVMSG #a :oops");
    server.store();
    server.heard("ann");
    server.heard("eve");
    let text = "there is no such message";
    server.say("ann", "@label=1 REDACT #a 0-99");
    server.hears(
        "ann",
        &[&format!(
            "@label=1 :s FAIL REDACT UNKNOWN_MSGID #a 0-99 :{text}"
        )],
    );
    server.say("ann", "@label=2 REDACT #a 00000000-1 :rude");
    server.store();
    server.hears(
        "ann",
        &["@label=2 :ann!ann@host REDACT #a 00000000-1 :rude"],
    );
    server.hears("bob", &[":ann!ann@host REDACT #a 00000000-1 :rude"]);
    server.hears("eve", &[]);
}
