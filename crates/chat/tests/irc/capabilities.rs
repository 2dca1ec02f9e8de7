//! What capabilities change: who hears what, and in which form.

use std::mem::size_of;
use std::time::Duration;

use switchboard_chat::irc::config::Sts;
use switchboard_chat::irc::session::Session;

use crate::server::Server;

const TIME: &str = "time=2001-09-09T01:46:40.000Z";

#[test]
fn typing_is_heard_by_who_knows_of_tags() {
    let mut server = Server::new();
    let caps = "message-tags echo-message";
    server.enter_room("#a", &[("ann", caps), ("bob", "message-tags"), ("eve", "")]);
    server.say("ann", "@+typing=active;+draft/channel-context=#x TAGMSG #a");
    let line = "@+typing=active;+draft/channel-context=#x :ann!ann@host TAGMSG #a";
    server.hears("ann", &[line]);
    server.hears("bob", &[line]);
    server.hears("eve", &[]);
    // What is not kept is not stored.
    assert!(server.chat.next_batch().is_none());
    server.say("bob", "@+typing=done TAGMSG #a");
    server.hears("bob", &[]);
    server.hears("ann", &["@+typing=done :bob!bob@host TAGMSG #a"]);
}

#[test]
fn a_reaction_is_kept() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", "message-tags"), ("bob", "message-tags")]);
    server.say("ann", "@+draft/react=:);+draft/reply=x TAGMSG #a");
    server.hears("bob", &[]);
    server.store();
    let tags = "msgid=00000000-1;+draft/react=:);+draft/reply=x";
    server.hears("bob", &[&format!("@{tags} :ann!ann@host TAGMSG #a")]);
}

#[test]
fn comings_and_goings_are_told_as_asked_for() {
    let mut server = Server::new();
    let caps = "away-notify account-notify extended-join setname server-time";
    server.enter_room("#a", &[("ann", caps), ("bob", "")]);
    server.enter("eve", "");
    server.say("eve", "AWAY :lunch");
    server.hears("eve", &[":s 306 eve :You have been marked as being away"]);
    server.say("eve", "JOIN #a");
    server.hears(
        "ann",
        &[
            &format!("@{TIME} :eve!eve@host JOIN #a * :eve eve"),
            &format!("@{TIME} :eve!eve@host AWAY :lunch"),
        ],
    );
    server.hears("bob", &[":eve!eve@host JOIN #a"]);
    server.heard("eve");
    server.say("eve", "AWAY");
    server.say("eve", "SETNAME :Eve E.");
    server.hears(
        "eve",
        &[":s 305 eve :You are no longer marked as being away"],
    );
    server.hears(
        "ann",
        &[
            &format!("@{TIME} :eve!eve@host AWAY"),
            &format!("@{TIME} :eve!eve@host SETNAME :Eve E."),
        ],
    );
    server.hears("bob", &[]);
}

#[test]
fn invitations_are_told_to_operators_who_ask_for_them() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", "invite-notify"), ("bob", "")]);
    server.enter("eve", "");
    server.say("bob", "INVITE eve #a");
    server.hears("ann", &[":bob!bob@host INVITE eve #a"]);
    server.hears("eve", &[":bob!bob@host INVITE eve #a"]);
    server.hears("bob", &[":s 341 bob eve #a"]);
}

#[test]
fn a_bot_says_so() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "message-tags")]);
    server.say("ann", "MODE ann +B");
    server.say("ann", "MODE ann");
    server.hears("ann", &[":ann!ann@host MODE ann +B", ":s 221 ann +iB"]);
    server.say("ann", "PRIVMSG #a :beep");
    server.store();
    let told = server.heard("bob");
    assert_eq!(
        told,
        ["@bot;msgid=00000000-1 :ann!ann@host PRIVMSG #a :beep"]
    );
}

#[test]
fn names_have_hosts_for_who_asks() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", ""), ("bob", "userhost-in-names")]);
    server.say("bob", "NAMES #a");
    server.hears(
        "bob",
        &[
            ":s 353 bob = #a :@ann!ann@host bob!bob@host",
            ":s 366 bob #a :End of /NAMES list",
        ],
    );
}

#[test]
fn a_secret_room_is_not_there_for_outsiders() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", "")]);
    server.enter("eve", "");
    server.say("ann", "MODE #a +s");
    server.say("ann", "TOPIC #a :ours");
    server.store();
    for line in ["NAMES #a", "TOPIC #a", "MODE #a", "MODE #a b"] {
        server.say("eve", line);
    }
    server.hears(
        "eve",
        &[
            ":s 366 eve #a :End of /NAMES list",
            ":s 403 eve #a :No such channel",
            ":s 403 eve #a :No such channel",
            ":s 403 eve #a :No such channel",
        ],
    );
}

#[test]
fn tls_is_pointed_out() {
    let mut server = Server::new();
    server.config.sts = Some(Sts {
        port: 6697,
        duration: Duration::from_secs(300),
    });
    server.connect("old");
    server.say("old", "CAP LS");
    assert!(!server.heard("old")[0].contains("sts"));
    server.connect("x");
    server.say("x", "CAP LS 302");
    server.say("x", "CAP REQ sts");
    let told = server.heard("x").join(" ");
    assert!(
        told.contains(" sts=port=6697") && told.ends_with(":s CAP * NAK :sts"),
        "{told}"
    );
    server.connect_with_certificate("y", b"c");
    server.say("y", "CAP LS 302");
    assert!(server.heard("y").join(" ").contains(" sts=duration=300"));
}

#[test]
fn a_capability_can_be_given_back() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", "echo-message server-time")]);
    server.say("ann", "CAP REQ :-server-time");
    server.say("ann", "PRIVMSG #a :hi");
    server.store();
    server.hears(
        "ann",
        &[
            ":s CAP ann ACK :-server-time",
            ":ann!ann@host PRIVMSG #a :hi",
        ],
    );
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 128, "{}", size_of::<Session>());
}
