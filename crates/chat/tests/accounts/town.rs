//! The accounts that the tests know, and a caller that answers what an exchange asks.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_chat::accounts::decoys::Decoys;
use switchboard_chat::accounts::fingerprint::Fingerprint;
use switchboard_chat::accounts::names::AccountName;
use switchboard_chat::accounts::password::Password;
use switchboard_chat::accounts::sasl::{Exchange, Offer, Step, chunks};
use switchboard_chat::accounts::scram::client::{self, Answered, Started};
use switchboard_chat::accounts::scram::{Nonce, ScramError};
use switchboard_chat::accounts::verifier::{Iterations, Verifier};

/// Accounts with passwords. Only tests that steal know Ann's.
pub const ANN: (&str, &str) = ("Ann", "correct horse battery staple");
pub const MALLORY: (&str, &str) = ("mallory", "hunter2 hunter2");

/// Mallory's certificate; Ann has none.
pub static CERTIFICATE: LazyLock<Fingerprint> =
    LazyLock::new(|| Fingerprint::of_certificate(b"mallory's"));

static VERIFIERS: LazyLock<[Verifier; 2]> = LazyLock::new(|| {
    [(ANN, 1), (MALLORY, 2)].map(|((_, password), salt)| {
        Verifier::from_password(&typed(password), &[salt; 16], Iterations::MIN)
    })
});

pub fn typed(text: &str) -> Password {
    Password::typed(text).expect("it is short enough")
}

pub fn name(text: &str) -> AccountName {
    text.parse().expect("a good name")
}

pub fn decoys() -> Decoys {
    Decoys::new(&[5; 32], Iterations::MIN)
}

pub fn verifier_of(account: &AccountName) -> Option<Verifier> {
    let index = [ANN, MALLORY]
        .iter()
        .position(|(one, _)| name(one) == *account)?;
    Some(VERIFIERS[index].clone())
}

pub fn owner_of(certificate: Fingerprint, asked: Option<&AccountName>) -> Option<AccountName> {
    let mallory = name(MALLORY.0);
    let is_listed = certificate == *CERTIFICATE && asked.is_none_or(|asked| *asked == mallory);
    is_listed.then_some(mallory)
}

/// Everything is offered.
pub fn offer() -> Offer {
    Offer {
        certificate: Some(*CERTIFICATE),
        scram: true,
        plain: true,
    }
}

/// An exchange that no other is like, as far as `number` is its own.
pub fn exchange(number: u8) -> Exchange {
    Exchange::new(offer(), [number; 18])
}

/// Answers what the exchange asks, until it is the client's turn or over.
pub fn answer(exchange: &mut Exchange, step: Step) -> Step {
    match step {
        Step::NeedVerifier { ticket, account } => {
            let next = exchange.verifier(ticket, verifier_of(&account), &decoys());
            answer(exchange, next)
        }
        Step::NeedOwner {
            ticket,
            certificate,
            account,
        } => exchange.owner(ticket, owner_of(certificate, account.as_ref())),
        Step::CheckPlain(check) => exchange.checked(check.run()),
        step => step,
    }
}

/// Sends a whole message, and answers what is asked.
pub fn say(exchange: &mut Exchange, message: &[u8]) -> Step {
    let mut pieces = chunks(message);
    let last = pieces.pop().expect("there is always a last one");
    for piece in pieces {
        assert!(matches!(exchange.input(&piece), Step::Wait));
    }
    let step = exchange.input(&last);
    answer(exchange, step)
}

/// The message of a challenge.
#[track_caller]
pub fn challenged(step: Step) -> Vec<u8> {
    let Step::Challenge(pieces) = step else {
        panic!("no challenge: {step:?}")
    };
    let text = pieces.concat();
    STANDARD
        .decode(text.trim_end_matches('+'))
        .expect("it is base64")
}

/// A client of SCRAM that has said its name.
pub fn started(account: &str, password: &str) -> (Started, String) {
    let nonce: Nonce = "fyko+d2lbbFgONRv9qkxdawL".parse().expect("a good nonce");
    client::start(account, typed(password), nonce).expect("a good name")
}

/// The whole of an exchange with SCRAM, as far as it goes.
pub fn scram(
    exchange: &mut Exchange,
    account: &str,
    password: &str,
) -> Result<(Step, Answered, Vec<u8>), ScramError> {
    assert!(challenged(exchange.input("SCRAM-SHA-256")).is_empty());
    let (started, first) = started(account, password);
    let server_first = challenged(say(exchange, first.as_bytes()));
    let (answered, proof) = started.answer(&server_first)?;
    let step = say(exchange, proof.as_bytes());
    Ok((step, answered, server_first))
}
