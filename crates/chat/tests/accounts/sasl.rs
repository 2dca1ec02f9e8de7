//! Exchanges of IRC: each mechanism, each way to fail, and answers that come too late.

use switchboard_chat::accounts::fingerprint::Fingerprint;
use switchboard_chat::accounts::names::NotAName;
use switchboard_chat::accounts::sasl::{
    Exchange, Failure, Mechanism, Offer, PlainCheck, Step, chunks,
};
use switchboard_chat::irc::names::NameError;

use crate::town::{
    ANN, CERTIFICATE, MALLORY, answer, challenged, decoys, exchange, name, offer, say, scram,
    started, verifier_of,
};

#[track_caller]
fn is_done(step: Step, account: &str, mechanism: Mechanism) {
    match step {
        Step::Done {
            account: who,
            mechanism: how,
        } => {
            assert_eq!((who, how), (name(account), mechanism));
        }
        step => panic!("not done: {step:?}"),
    }
}

#[track_caller]
fn has_failed(step: Step, expected: Failure) {
    match step {
        Step::Failed(failure) => assert_eq!(failure, expected),
        step => panic!("not failed: {step:?}"),
    }
}

/// The step that follows a whole message for a mechanism.
fn first(mechanism: &str, message: &[u8]) -> Step {
    let mut exchange = exchange(1);
    assert!(challenged(exchange.input(mechanism)).is_empty());
    say(&mut exchange, message)
}

fn plain(account: &str, password: &str) -> Vec<u8> {
    format!("\0{account}\0{password}").into_bytes()
}

/// An exchange under PLAIN whose password has to be hashed.
fn hashing(number: u8, account: &str, password: &str) -> (Exchange, PlainCheck) {
    let mut exchange = exchange(number);
    assert!(challenged(exchange.input("PLAIN")).is_empty());
    let Step::NeedVerifier { ticket, account } =
        exchange.input(&chunks(&plain(account, password))[0])
    else {
        panic!("no verifier is asked for")
    };
    match exchange.verifier(ticket, verifier_of(&account), &decoys()) {
        Step::CheckPlain(check) => (exchange, check),
        step => panic!("nothing to check: {step:?}"),
    }
}

#[test]
fn plain_lets_in_who_knows_the_password() {
    is_done(
        first("PLAIN", &plain("ann", ANN.1)),
        "Ann",
        Mechanism::Plain,
    );
    is_done(
        first("plain", &plain("ANN", ANN.1)),
        "Ann",
        Mechanism::Plain,
    );
    let authorized = format!("aNN\0Ann\0{}", ANN.1);
    is_done(
        first("PLAIN", authorized.as_bytes()),
        "Ann",
        Mechanism::Plain,
    );
}

#[test]
fn plain_refuses_everybody_else_alike() {
    has_failed(
        first("PLAIN", &plain("ann", "wrong")),
        Failure::WrongCredentials,
    );
    has_failed(first("PLAIN", &plain("ann", "")), Failure::WrongCredentials);
    has_failed(
        first("PLAIN", &plain("nobody", ANN.1)),
        Failure::WrongCredentials,
    );
    let long = "x".repeat(257);
    has_failed(
        first("PLAIN", &plain("ann", &long)),
        Failure::WrongCredentials,
    );
    let as_ann = format!("ann\0mallory\0{}", MALLORY.1);
    has_failed(first("PLAIN", as_ann.as_bytes()), Failure::OtherIdentity);
    for wrong in ["", "ann", "\0ann", "\0ann\0x\0y"] {
        has_failed(first("PLAIN", wrong.as_bytes()), Failure::Malformed);
    }
    has_failed(first("PLAIN", b"\0ann\0\xff"), Failure::Malformed);
    has_failed(
        first("PLAIN", b"\0\0x"),
        Failure::Name(NotAName(NameError::Empty)),
    );
}

/// A name that does not exist costs as many hashes as one that does.
#[test]
fn plain_hashes_for_an_account_that_does_not_exist() {
    let (mut exchange, check) = hashing(1, "nobody", "wrong");
    let checked = check.run();
    assert!(!checked.is_right());
    has_failed(exchange.checked(checked), Failure::WrongCredentials);
}

#[test]
fn scram_proves_both_sides() {
    let mut exchange = exchange(1);
    let (step, client, _) = scram(&mut exchange, "ann", ANN.1).expect("a good challenge");
    assert_eq!(client.finish(&challenged(step)), Ok(()));
    is_done(exchange.input("+"), "Ann", Mechanism::ScramSha256);
}

#[test]
fn scram_is_not_done_before_the_client_agrees() {
    let mut exchange = exchange(1);
    let (step, ..) = scram(&mut exchange, "ann", ANN.1).expect("a good challenge");
    challenged(step);
    has_failed(exchange.input("YW5u"), Failure::OutOfTurn);
}

#[test]
fn scram_does_not_tell_which_accounts_exist() {
    let ask = |account, password| {
        let (step, _, challenge) =
            scram(&mut exchange(1), account, password).expect("a good challenge");
        has_failed(step, Failure::WrongCredentials);
        String::from_utf8(challenge).expect("it is text")
    };
    let (known, unknown) = (ask("ann", "wrong"), ask("nobody", "wrong"));
    let shape = |text: &str| -> Vec<(String, usize)> {
        let parts = text
            .split(',')
            .map(|part| (part[..2].to_owned(), part.len()));
        parts.collect()
    };
    assert_eq!(shape(&known), shape(&unknown));
    assert_ne!(known, unknown);
    // The same whenever it is asked, in whatever case.
    assert_eq!(unknown, ask("NOBODY", "other"));
}

#[test]
fn scram_refuses_other_identities_and_names_that_are_none() {
    has_failed(
        first("SCRAM-SHA-256", b"n,a=ann,n=mallory,r=x"),
        Failure::OtherIdentity,
    );
    has_failed(
        first("SCRAM-SHA-256", b"n,,n=a=2Cb,r=x"),
        Failure::Name(NotAName(NameError::BadChar(','))),
    );
    challenged(first("SCRAM-SHA-256", b"n,a=ANN,n=ann,r=x"));
}

#[test]
fn a_certificate_lets_its_owner_in() {
    is_done(first("EXTERNAL", b""), "mallory", Mechanism::External);
    is_done(
        first("EXTERNAL", b"Mallory"),
        "mallory",
        Mechanism::External,
    );
    has_failed(first("EXTERNAL", b"ann"), Failure::UnknownCertificate);
    has_failed(first("EXTERNAL", b"\xff"), Failure::Malformed);
    has_failed(
        first("EXTERNAL", b"a b"),
        Failure::Name(NotAName(NameError::BadChar(' '))),
    );

    let stranger = Some(Fingerprint::of_certificate(b"another"));
    let mut exchange = Exchange::new(
        Offer {
            certificate: stranger,
            ..offer()
        },
        [1; 18],
    );
    challenged(exchange.input("EXTERNAL"));
    has_failed(say(&mut exchange, b""), Failure::UnknownCertificate);
}

/// Even a caller that looks the wrong account up does not let it in.
#[test]
fn an_owner_that_was_not_asked_for_is_refused() {
    let mut exchange = exchange(1);
    challenged(exchange.input("EXTERNAL"));
    let Step::NeedOwner {
        ticket,
        certificate,
        account,
    } = exchange.input("YW5u")
    else {
        panic!("no owner is asked for")
    };
    assert_eq!((certificate, account), (*CERTIFICATE, Some(name("ann"))));
    has_failed(
        exchange.owner(ticket, Some(name("mallory"))),
        Failure::UnknownCertificate,
    );
}

#[test]
fn only_what_is_offered_can_be_chosen() {
    for other in ["", "+", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "PLAIN "] {
        has_failed(exchange(1).input(other), Failure::UnknownMechanism);
    }
    let nothing = Offer {
        certificate: None,
        scram: false,
        plain: false,
    };
    for mechanism in Mechanism::ALL {
        let mut exchange = Exchange::new(nothing, [1; 18]);
        has_failed(exchange.input(mechanism.name()), Failure::UnknownMechanism);
    }
}

#[test]
fn a_client_can_give_up_at_any_time() {
    let mut choosing = exchange(1);
    let mut first = exchange(2);
    challenged(first.input("PLAIN"));
    let mut cut = exchange(3);
    challenged(cut.input("PLAIN"));
    assert!(matches!(cut.input(&"A".repeat(400)), Step::Wait));
    let mut looking_up = exchange(4);
    challenged(looking_up.input("PLAIN"));
    let asked = looking_up.input(&chunks(&plain("ann", "x"))[0]);
    assert!(matches!(asked, Step::NeedVerifier { .. }));
    let (mut hashing, _) = hashing(5, "ann", "x");
    let mut proving = exchange(6);
    challenged(proving.input("SCRAM-SHA-256"));
    challenged(say(&mut proving, started("ann", "x").1.as_bytes()));
    for exchange in [
        &mut choosing,
        &mut first,
        &mut cut,
        &mut looking_up,
        &mut hashing,
        &mut proving,
    ] {
        has_failed(exchange.input("*"), Failure::Aborted);
        // And that is its end.
        has_failed(exchange.input("PLAIN"), Failure::OutOfTurn);
    }
}

#[test]
fn who_speaks_out_of_turn_is_refused() {
    let (mut exchange, check) = hashing(1, "ann", ANN.1);
    has_failed(exchange.input("+"), Failure::OutOfTurn);
    assert!(matches!(exchange.checked(check.run()), Step::Wait));
}

/// Mallory's own password is being checked when she gives up and says to be Ann.
#[test]
fn a_late_answer_lets_nobody_in_under_another_name() {
    let (mut mallorys, right) = hashing(1, MALLORY.0, MALLORY.1);
    has_failed(mallorys.input("*"), Failure::Aborted);
    let right = right.run();
    assert!(right.is_right());

    let (mut anns, wrong) = hashing(2, ANN.0, MALLORY.1);
    assert!(matches!(anns.checked(right), Step::Wait));
    has_failed(anns.checked(wrong.run()), Failure::WrongCredentials);
}

/// The verifier of Mallory comes when Ann's is waited for.
#[test]
fn a_late_look_up_answers_no_other_question() {
    let ask = |number, account| {
        let mut exchange = exchange(number);
        challenged(exchange.input("PLAIN"));
        match exchange.input(&chunks(&plain(account, MALLORY.1))[0]) {
            Step::NeedVerifier { ticket, account } => (exchange, ticket, account),
            step => panic!("no verifier is asked for: {step:?}"),
        }
    };
    let (_, late, mallory) = ask(1, MALLORY.0);
    let (mut anns, ticket, ann) = ask(2, ANN.0);
    assert!(matches!(
        anns.verifier(late, verifier_of(&mallory), &decoys()),
        Step::Wait
    ));
    assert!(matches!(anns.unavailable(late), Step::Wait));
    assert!(matches!(anns.owner(ticket, Some(mallory)), Step::Wait));
    let step = anns.verifier(ticket, verifier_of(&ann), &decoys());
    has_failed(answer(&mut anns, step), Failure::WrongCredentials);
}

#[test]
fn a_question_without_an_answer_is_nobodys_fault() {
    let (mut exchange, check) = hashing(1, "ann", ANN.1);
    has_failed(exchange.unavailable(check.ticket()), Failure::Unavailable);
    assert!(matches!(exchange.unavailable(check.ticket()), Step::Wait));
}

#[test]
fn messages_have_a_bound() {
    let mut long = exchange(1);
    challenged(long.input("SCRAM-SHA-256"));
    for _ in 0..4 {
        assert!(matches!(long.input(&"A".repeat(400)), Step::Wait));
    }
    has_failed(long.input("AAAA"), Failure::TooLong);
    let mut wide = exchange(2);
    challenged(wide.input("PLAIN"));
    has_failed(wide.input(&"A".repeat(401)), Failure::TooLong);
}

/// The longest of everything goes through: name, identity and nonce.
#[test]
fn the_longest_honest_messages_fit() {
    let longest = "n".repeat(32);
    let first_message = format!("n,a={longest},n={longest},r={}", "r".repeat(256));
    assert!(challenged(first("SCRAM-SHA-256", first_message.as_bytes())).len() > 300);
    let message = format!("{longest}\0{longest}\0{}", "é".repeat(128));
    has_failed(
        first("PLAIN", message.as_bytes()),
        Failure::WrongCredentials,
    );
}

#[test]
fn nothing_secret_is_shown() {
    let secret = "hunter2 hunter2";
    let mut cut = exchange(1);
    challenged(cut.input("PLAIN"));
    let long = chunks(&plain("ann", &secret.repeat(20)));
    assert!(matches!(cut.input(&long[0]), Step::Wait));
    let mut looking_up = exchange(2);
    challenged(looking_up.input("PLAIN"));
    let asked = looking_up.input(&chunks(&plain("ann", secret))[0]);
    let (hashing, check) = hashing(3, "ann", secret);
    let verifier = verifier_of(&name("ann")).expect("Ann exists");
    let (started, _) = started("ann", secret);
    let shown =
        format!("{cut:?} {looking_up:?} {asked:?} {hashing:?} {check:?} {verifier:?} {started:?}");
    let text = verifier.to_text();
    let keys = text
        .rsplit_once('$')
        .expect("it is a verifier")
        .1
        .split(':');
    let base64 = long[0].get(..40).expect("it is long");
    for secret in keys.chain([secret, base64]) {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("Password(..)"), "{shown}");
}
