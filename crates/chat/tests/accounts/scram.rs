//! SCRAM-SHA-256 by itself: the example of RFC 7677, what is refused, and that both sides agree.

use proptest::prelude::*;
use switchboard_chat::accounts::scram::client::{self, Answered, Started};
use switchboard_chat::accounts::scram::server::{Challenged, ClientFirst};
use switchboard_chat::accounts::scram::{Nonce, ScramError};
use switchboard_chat::accounts::verifier::{Iterations, Verifier};

use crate::town::typed;

/// RFC 7677, section 3: the user is `user`, the password `pencil`.
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn nonce(text: &str) -> Nonce {
    text.parse().expect("a good nonce")
}

fn client() -> (Started, String) {
    client::start("user", typed("pencil"), nonce("rOprNGfwEbeRWgbNEkqO")).expect("a good name")
}

fn server(client_first: &str) -> (Challenged, String) {
    let first = ClientFirst::parse(client_first.as_bytes()).expect("a good message");
    let verifier = PENCIL.parse().expect("a verifier");
    first.challenge(verifier, &nonce("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"))
}

fn answered() -> Answered {
    let (started, _) = client();
    let (answered, _) = started
        .answer(SERVER_FIRST.as_bytes())
        .expect("a good challenge");
    answered
}

#[test]
fn the_server_says_what_the_rfc_says() {
    let (challenged, server_first) = server(CLIENT_FIRST);
    assert_eq!(server_first, SERVER_FIRST);
    assert_eq!(
        challenged.finish(CLIENT_FINAL.as_bytes()).as_deref(),
        Ok(SERVER_FINAL)
    );
}

#[test]
fn the_client_says_what_the_rfc_says() {
    let (started, client_first) = client();
    assert_eq!(client_first, CLIENT_FIRST);
    let (answered, client_final) = started
        .answer(SERVER_FIRST.as_bytes())
        .expect("a good challenge");
    assert_eq!(client_final, CLIENT_FINAL);
    assert_eq!(answered.finish(SERVER_FINAL.as_bytes()), Ok(()));
}

#[test]
fn first_messages_are_understood_or_refused() {
    let parse = |text: &str| ClientFirst::parse(text.as_bytes());
    let first = parse("y,a=zo=2Ce,n=a=3Db,r=x,e=1").expect("a good message");
    assert_eq!((first.name(), first.authorize_as()), ("a=b", Some("zo,e")));
    let nobody = parse("n,a=,n=u,r=x").expect("a message of GNU SASL");
    assert_eq!(nobody.authorize_as(), None);
    let long_nonce = format!("n,,n=u,r={}", "r".repeat(257));
    let long_message = format!("n,,n={},r=x", "u".repeat(1200));
    for (text, expected) in [
        ("p=tls-exporter,,n=u,r=x", ScramError::ChannelBinding),
        ("n,,m=1,n=u,r=x", ScramError::Extension),
        ("n,,n=u,r=x,m=1", ScramError::Extension),
        ("n,,n=u=2c,r=x", ScramError::NameEncoding),
        ("n,a==,n=u,r=x", ScramError::NameEncoding),
        ("", ScramError::Malformed("the channel binding flag")),
        (
            "N,,n=u,r=x",
            ScramError::Malformed("the channel binding flag"),
        ),
        (
            "n,zoe,n=u,r=x",
            ScramError::Malformed("the authorization identity"),
        ),
        ("n", ScramError::Malformed("the authorization identity")),
        ("n,", ScramError::Malformed("the name")),
        ("n,,", ScramError::Malformed("the name")),
        ("n,,n=,r=x", ScramError::Malformed("the name")),
        ("n,,r=x,n=u", ScramError::Malformed("the name")),
        ("n,,n=u", ScramError::Malformed("the nonce")),
        ("n,,n=u,r=", ScramError::Malformed("the nonce")),
        ("n,,n=u,r=a b", ScramError::Malformed("the nonce")),
        ("n,,n=u,r=x,", ScramError::Malformed("an extension")),
        ("n,,n=u\0,r=x", ScramError::Malformed("a character")),
        (&long_nonce, ScramError::TooLong),
        (&long_message, ScramError::TooLong),
    ] {
        assert_eq!(parse(text).err(), Some(expected), "{text}");
    }
    assert_eq!(
        ClientFirst::parse(b"n,,n=\xff,r=x").err(),
        Some(ScramError::NotUtf8)
    );
    assert!(parse(&format!("n,,n=u,r={}", "r".repeat(256))).is_ok());
}

#[test]
fn last_messages_are_right_or_refused() {
    let finish = |text: &str| server(CLIENT_FIRST).0.finish(text.as_bytes());
    let proof = ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let wrong = ",p=AHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    for (text, expected) in [
        (CLIENT_FINAL.replace(proof, wrong), ScramError::WrongProof),
        // An extension is signed, too.
        (
            CLIENT_FINAL.replace(proof, &format!(",x=1{proof}")),
            ScramError::WrongProof,
        ),
        (
            CLIENT_FINAL.replace(proof, &format!(",m=1{proof}")),
            ScramError::Extension,
        ),
        // `y,,` instead of `n,,`: somebody has changed the first message on its way.
        (
            CLIENT_FINAL.replace("biws", "eSws"),
            ScramError::BindingMismatch,
        ),
        (
            CLIENT_FINAL.replace("biws", "biw"),
            ScramError::Malformed("the channel binding"),
        ),
        (CLIENT_FINAL.replace("$k0", "$k1"), ScramError::WrongNonce),
        (
            CLIENT_FINAL.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
            ScramError::WrongNonce,
        ),
        (
            CLIENT_FINAL.replace(proof, ""),
            ScramError::Malformed("the proof"),
        ),
        (
            CLIENT_FINAL.replace(proof, ",p=AAAA"),
            ScramError::Malformed("the proof"),
        ),
        (
            CLIENT_FINAL.replace("c=biws,", ""),
            ScramError::Malformed("the channel binding"),
        ),
        (
            format!("{CLIENT_FINAL},x=1"),
            ScramError::Malformed("the proof"),
        ),
        (String::new(), ScramError::Malformed("the proof")),
    ] {
        assert_eq!(finish(&text).err(), Some(expected), "{text}");
    }
    // What is bound is how the first message really began.
    let (challenged, _) = server("y,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(
        challenged.finish(CLIENT_FINAL.as_bytes()),
        Err(ScramError::BindingMismatch)
    );
}

#[test]
fn a_client_answers_no_false_server() {
    let answer = |text: &str| {
        let (started, _) = client();
        started
            .answer(text.as_bytes())
            .map(|_| ())
            .expect_err("it must not answer")
    };
    for (text, expected) in [
        (SERVER_FIRST.replace("i=4096", "i=4095"), ScramError::Cost),
        (SERVER_FIRST.replace("i=4096", "i=1"), ScramError::Cost),
        (
            SERVER_FIRST.replace("i=4096", "i=2000001"),
            ScramError::Cost,
        ),
        (
            SERVER_FIRST.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "AAAA"),
            ScramError::Cost,
        ),
        (
            SERVER_FIRST.replace("r=rOpr", "r=xOpr"),
            ScramError::WrongNonce,
        ),
        (
            SERVER_FIRST.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
            ScramError::WrongNonce,
        ),
        (format!("m=1,{SERVER_FIRST}"), ScramError::Extension),
        (String::new(), ScramError::Malformed("the nonce")),
    ] {
        assert_eq!(answer(&text), expected, "{text}");
    }
    let finish = |text: &str| answered().finish(text.as_bytes());
    assert_eq!(
        finish(&SERVER_FINAL.replace("6rri", "7rri")),
        Err(ScramError::WrongServer)
    );
    assert_eq!(
        finish("e=invalid-proof"),
        Err(ScramError::Refused("invalid-proof"))
    );
    assert_eq!(
        finish("e=\u{1b}[2J"),
        Err(ScramError::Refused("other-error"))
    );
    assert_eq!(finish(""), Err(ScramError::Malformed("the signature")));
}

#[test]
fn a_name_that_cannot_be_said_is_refused() {
    for name in ["", "a\0b"] {
        let error = client::start(name, typed("pencil"), nonce("x")).err();
        assert_eq!(error, Some(ScramError::Malformed("the name")));
    }
}

proptest! {
    // Each case hashes 8,192 times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the name, the password, the salt and the nonces are: who knows the password gets in
    /// and knows the server, who knows another one does not.
    #[test]
    fn both_sides_agree(
        name in "[^\0]{1,40}",
        password in "\\PC{0,60}",
        other in "\\PC{0,60}",
        salt: [u8; 16],
        ours: [u8; 18],
        theirs: [u8; 18],
    ) {
        let verifier = Verifier::from_password(&typed(&password), &salt, Iterations::MIN);
        let verifier: Verifier = verifier.to_text().parse().expect("it is a verifier");
        for attempt in [&password, &other] {
            let (started, first) =
                client::start(&name, typed(attempt), Nonce::from_random(&ours)).expect("a good name");
            let first = ClientFirst::parse(first.as_bytes()).expect("a good message");
            prop_assert_eq!(first.name(), &name);
            let (server, challenge) = first.challenge(verifier.clone(), &Nonce::from_random(&theirs));
            let (client, proof) = started.answer(challenge.as_bytes()).expect("a good challenge");
            let outcome = server.finish(proof.as_bytes());
            if verifier.check_plain(&typed(attempt)) {
                let signature = outcome.expect("the password is right");
                prop_assert_eq!(client.finish(signature.as_bytes()), Ok(()));
            } else {
                prop_assert_eq!(outcome, Err(ScramError::WrongProof));
                prop_assert!(attempt == &other);
            }
        }
    }
}
