//! What people who come from other servers tell `NickServ`, and how a password becomes another one.

use switchboard_chat::chat::settings::{Registration, Settings};

use crate::server::Server;

const LOGGED_IN: &str = "You are now logged in as ann";

/// An account `ann` with the password `correct horse`, whose owner is not there.
fn with_an_account() -> Server {
    let mut server = Server::new();
    server.enter_with_account("ann", "");
    server.lose("ann");
    server
}

#[test]
fn who_identifies_is_logged_in() {
    let mut server = with_an_account();
    for (number, line) in [
        "PRIVMSG NickServ :IDENTIFY ann correct horse",
        "PRIVMSG nickserv@services.example.org :identify ANN correct horse",
        "NickServ IDENTIFY ann :correct horse",
        "NS :ID ann correct horse",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("c{number}");
        server.enter(&name, "echo-message");
        server.say(&name, line);
        let told = [
            format!(":s 900 {name} {name}!{name}@host ann :{LOGGED_IN}"),
            format!(":s 903 {name} :SASL authentication successful"),
        ];
        server.hears(&name, &[&told[0], &told[1]]);
        server.say(&name, "NICK ann");
        assert!(server.heard(&name)[0].ends_with(" NICK ann"));
        server.say(&name, "NS LOGOUT");
        server.hears(
            &name,
            &[&format!(
                ":s 901 ann ann!{name}@host :You are now logged out"
            )],
        );
        server.lose(&name);
    }
    assert!(
        server.chat.next_batch().is_none(),
        "nothing of it is stored"
    );
}

#[test]
fn a_wrong_password_is_wrong_and_counted() {
    let mut server = with_an_account();
    server.enter("eve", "");
    for _ in 0..4 {
        server.say("eve", "NS IDENTIFY ann guess guess");
        assert!(server.heard("eve")[0].starts_with(":s 904 eve "));
    }
    // One word is the password of the account that is called as the user is.
    server.say("eve", "NS IDENTIFY guess");
    assert!(server.is_closed("eve"));
}

#[test]
fn who_registers_has_an_account_of_the_nick() {
    let mut server = Server::new();
    server.enter("ann", "");
    server.say(
        "ann",
        "PRIVMSG NickServ :REGISTER correct horse ann@example.org",
    );
    server.store();
    assert!(server.heard("ann")[0].contains("REGISTER SUCCESS ann"));
    server.say("ann", "NS SET PASSWORD battery staple");
    server.store();
    server.hears("ann", &[":s NOTICE * :the password is set"]);
    server.say("ann", "NS LOGOUT");
    server.say("ann", "NS IDENTIFY correct horse");
    server.say("ann", "NS IDENTIFY battery staple");
    let told = server.heard("ann");
    assert!(told[1].starts_with(":s 904 ann "), "{told:?}");
    assert!(told[2].ends_with(LOGGED_IN), "{told:?}");
}

#[test]
fn an_invitation_is_the_last_word() {
    let mut server = Server::with(Settings {
        server: "s".into(),
        registration: Registration::Invitation,
        ..Settings::default()
    });
    server.enter("ann", "standard-replies");
    server.say("ann", "NS REGISTER correct horse code");
    let told = server.heard("ann");
    assert!(
        told[0].starts_with(":s FAIL REGISTER INVALID_INVITATION"),
        "{told:?}"
    );
}

#[test]
fn all_else_is_answered_by_help() {
    let mut server = with_an_account();
    server.enter("eve", "");
    for line in [
        "PRIVMSG NickServ :hello",
        "NS",
        "NS IDENTIFY",
        "NS SET COLOUR red",
    ] {
        server.say("eve", line);
        let told = server.heard("eve");
        let from = ":NickServ!NickServ@s NOTICE eve :";
        assert!(told.iter().all(|line| line.starts_with(from)), "{told:?}");
        assert!(told[0].contains("IDENTIFY"), "{told:?}");
    }
    // Programs do not answer to notices.
    server.say("eve", "NOTICE NickServ :IDENTIFY ann correct horse");
    server.hears("eve", &[]);
}

#[test]
fn nobody_is_called_so() {
    let mut server = Server::new();
    server.connect("eve");
    server.say("eve", "USER eve 0 * :x");
    server.say("eve", "NICK NickServ");
    assert!(server.heard("eve")[0].starts_with(":s 432 "));
    server.say("eve", "NICK eve");
    server.say("eve", "NICK chanserv");
    assert!(server.heard("eve").last().unwrap().starts_with(":s 432 "));
    server.say("eve", "REGISTER NickServ * :correct horse");
    assert!(server.heard("eve")[0].contains("no name for an account"));
}

#[test]
fn a_password_does_not_travel_in_the_clear() {
    let mut server = with_an_account();
    server.connect_from("eve", "192.0.2.7");
    server.say("eve", "NICK eve");
    server.say("eve", "USER eve 0 * :x");
    server.heard("eve");
    server.say("eve", "NS IDENTIFY ann :correct horse");
    server.say("eve", "NS REGISTER :correct horse");
    let told = server.heard("eve");
    assert!(
        told.iter().all(|line| line.contains("connect by TLS")),
        "{told:?}"
    );
    assert_eq!(told.len(), 2);
}

#[test]
fn a_password_is_changed_by_its_owner_or_an_administrator() {
    let mut server = with_an_account();
    server.enter("eve", "standard-replies");
    server.say("eve", "PASSWD :another one");
    server.say("eve", "SETPASS ann :another one");
    let told = server.heard("eve");
    assert!(
        told[0].starts_with(":s FAIL PASSWD ACCOUNT_REQUIRED"),
        "{told:?}"
    );
    assert!(told[1].starts_with(":s 481 eve "), "{told:?}");
    server.say("eve", "NS IDENTIFY ann :correct horse");
    server.heard("eve");
    server.say("eve", "PASSWD short");
    server.say("eve", "PASSWD :battery staple");
    server.hears(
        "eve",
        &[
            ":s FAIL PASSWD WEAK_PASSWORD ann :the password is too short; take at least 8 \
           characters, better a few words",
        ],
    );
    server.store();
    server.hears("eve", &[":s NOTE * PASSWORD_SET :the password is set"]);
    let now = server.now;
    let settings = Settings {
        admins: vec!["ann".into()],
        ..server.chat.settings().clone()
    };
    server.chat.reconfigure(settings, now);
    server.say("eve", "OPER ann x");
    server.store();
    server.say("eve", "SETPASS nobody :another one");
    server.say("eve", "SETPASS ANN :another one");
    server.store();
    let told = server.heard("eve");
    assert!(told[1].starts_with(":s 401 eve nobody "), "{told:?}");
    assert!(told[2].contains("ann has another password"), "{told:?}");
    server.say("eve", "NS LOGOUT");
    server.say("eve", "NS IDENTIFY ann :another one");
    assert!(server.heard("eve")[1].ends_with(LOGGED_IN));
}
