//! Accounts: made, logged in to, and what that changes.

use switchboard_chat::accounts::sasl::chunks;
use switchboard_chat::chat::settings::{Registration, Settings};

use crate::server::Server;

const CAPS: &str = "sasl standard-replies labeled-response batch draft/account-registration";
const PASSWORD: &str = "correct horse";

/// An account `ann`, whose owner is not there.
fn with_an_account(settings: Settings) -> Server {
    let mut server = Server::with(settings);
    server.enter("ann", CAPS);
    server.say("ann", &format!("@label=1 REGISTER * * :{PASSWORD}"));
    server.hears("ann", &[]);
    server.store();
    let text = "the account is yours, and you are logged in";
    server.hears(
        "ann",
        &[&format!("@label=1 :s REGISTER SUCCESS ann :{text}")],
    );
    server.lose("ann");
    server
}

fn settings() -> Settings {
    Settings {
        server: "s".into(),
        ..Settings::default()
    }
}

fn plain(name: &str, password: &str) -> String {
    let message = format!("\0{name}\0{password}");
    format!("AUTHENTICATE {}", chunks(message.as_bytes())[0])
}

#[test]
fn an_account_is_made_and_logged_in_to() {
    let mut server = with_an_account(settings());
    server.connect("x");
    server.say("x", "CAP REQ sasl");
    server.say("x", "NICK ann");
    server.say("x", "USER ann 0 * :Ann");
    server.heard("x");
    server.say("x", "AUTHENTICATE PLAIN");
    server.say("x", &plain("ANN", PASSWORD));
    server.hears(
        "x",
        &[
            "AUTHENTICATE +",
            ":s 900 ann ann!ann@host ann :You are now logged in as ann",
            ":s 903 ann :SASL authentication successful",
        ],
    );
    server.say("x", "AUTHENTICATE PLAIN");
    let text = "You have already authenticated using SASL";
    server.hears("x", &[&format!(":s 907 ann :{text}")]);
    server.say("x", "CAP END");
    assert!(server.heard("x")[0].starts_with(":s 001 ann "));
    let ann = server.chat.find("ann").unwrap();
    assert_eq!(
        server.chat.user(ann).unwrap().account().unwrap().as_ref(),
        "ann"
    );
}

#[test]
fn the_nick_of_an_account_is_its_owners() {
    let mut server = with_an_account(settings());
    server.enter("bob", CAPS);
    server.say("bob", "NICK ann");
    let text = "ann belongs to an account: log in to it to use the nick";
    server.hears("bob", &[&format!(":s 433 bob ann :{text}")]);
    server.say("bob", "AUTHENTICATE PLAIN");
    server.say("bob", &plain("ann", "wrong password"));
    let told = server.heard("bob");
    assert_eq!(
        told[1],
        ":s 904 bob :the account name or the password is wrong"
    );
    server.say("bob", "AUTHENTICATE PLAIN");
    server.say("bob", &plain("ann", PASSWORD));
    server.say("bob", "NICK ann");
    let told = server.heard("bob");
    assert_eq!(
        told[1..3]
            .iter()
            .map(|line| &line[3..6])
            .collect::<Vec<_>>(),
        ["900", "903"]
    );
    assert_eq!(told[3], ":bob!bob@host NICK ann");
}

#[test]
fn an_exchange_ends_with_the_registration() {
    let mut server = with_an_account(settings());
    server.connect("x");
    server.say("x", "CAP REQ sasl");
    server.say("x", "NICK x");
    server.say("x", "USER x 0 * :x");
    server.say("x", "AUTHENTICATE NONSENSE");
    server.say("x", "AUTHENTICATE SCRAM-SHA-256");
    server.say("x", "CAP END");
    let told = server.heard("x");
    let expected = [
        ":s CAP * ACK :sasl",
        ":s 908 x SCRAM-SHA-256,PLAIN :are available SASL mechanisms",
        ":s 904 x :SASL authentication failed",
        "AUTHENTICATE +",
        ":s 906 x :SASL authentication aborted",
    ];
    assert_eq!(told[..5], expected);
    assert!(told[5].starts_with(":s 001 x "));
}

#[test]
fn who_guesses_is_put_out() {
    let mut server = with_an_account(settings());
    server.enter("eve", CAPS);
    for _ in 0..5 {
        server.say("eve", "AUTHENTICATE PLAIN");
        server.say("eve", &plain("ann", "a guess"));
    }
    assert!(server.is_closed("eve"));
    let told = server.heard("eve");
    assert_eq!(told.last().unwrap(), "ERROR :too many logins have failed");
}

#[test]
fn a_password_does_not_travel_where_others_read_it() {
    let mut server = with_an_account(settings());
    server.connect_from("x", "192.0.2.1");
    server.say("x", "CAP LS 302");
    let told = server.heard("x");
    assert!(
        told.iter()
            .any(|line| line.contains(" sasl=SCRAM-SHA-256 ")),
        "{told:?}"
    );
    server.say("x", "CAP REQ sasl");
    server.say("x", "AUTHENTICATE PLAIN");
    let told = server.heard("x");
    assert_eq!(told[2], ":s 904 * :SASL authentication failed");
    server.say("x", "CAP END");
    server.say("x", "NICK x");
    server.say("x", "USER x 0 * :x");
    server.heard("x");
    server.say("x", "REGISTER * * :correct horse");
    let text = "connect by TLS: a password would travel in the clear";
    server.hears("x", &[&format!(":s 400 x REGISTER :{text}")]);
}

#[test]
fn a_certificate_logs_in() {
    let mut server = with_an_account(settings());
    let fingerprint = switchboard_chat::accounts::fingerprint::Fingerprint::of_certificate(b"c");
    server.enter("bob", CAPS);
    server.say("bob", "AUTHENTICATE PLAIN");
    server.say("bob", &plain("ann", PASSWORD));
    let bob = server.chat.find("bob").unwrap();
    server.command(
        bob,
        switchboard_chat::chat::command::Command::SetCertificate {
            fingerprint: fingerprint.to_string().into(),
            add: true,
            label: None,
        },
    );
    server.store();
    server.connect_with_certificate("x", b"c");
    server.say("x", "CAP LS 302");
    server.say("x", "CAP REQ sasl");
    server.say("x", "AUTHENTICATE EXTERNAL");
    server.say("x", "AUTHENTICATE +");
    let told = server.heard("x");
    assert!(
        told[0].contains(" sasl=EXTERNAL,SCRAM-SHA-256,PLAIN "),
        "{told:?}"
    );
    assert_eq!(
        told[3],
        ":s 900 * *!*@host ann :You are now logged in as ann"
    );
}

#[test]
fn what_cannot_be_registered_is_said() {
    let mut server = with_an_account(Settings {
        registration: Registration::Open,
        ..settings()
    });
    server.enter("bob", CAPS);
    for (line, expected) in [
        ("REGISTER ann * :correct horse", "ACCOUNT_EXISTS ann"),
        ("REGISTER a!b * :correct horse", "BAD_ACCOUNT_NAME a!b"),
        ("REGISTER bob * :short", "WEAK_PASSWORD bob"),
        ("VERIFY bob 1", "INVALID_CODE bob"),
    ] {
        server.say("bob", line);
        let told = server.heard("bob");
        assert!(
            told.len() == 1 && told[0].contains(expected),
            "{line}: {told:?}"
        );
    }
    server.say("bob", "REGISTER");
    server.hears("bob", &[":s 461 bob REGISTER :Not enough parameters"]);
}
