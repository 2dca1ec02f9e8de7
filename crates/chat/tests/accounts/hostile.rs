//! What hostile clients, servers and databases send: any bytes, cut anywhere, in any order.
//!
//! Nothing may panic, and nobody may become Ann who does not know her password.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use switchboard_chat::accounts::decoys::Decoys;
use switchboard_chat::accounts::fingerprint::Fingerprint;
use switchboard_chat::accounts::names::AccountName;
use switchboard_chat::accounts::sasl::{Checked, Exchange, Step, Ticket, chunks};
use switchboard_chat::accounts::scram::server::ClientFirst;
use switchboard_chat::accounts::verifier::{Iterations, Verifier};

use crate::town::{
    ANN, MALLORY, challenged, decoys, exchange, name, owner_of, started, verifier_of,
};

const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "EXTERNAL"];

/// A place in whatever there is, from the beginning (0) to the end.
#[derive(Debug, Clone, Copy)]
struct Place(u16);

impl Place {
    fn index(self, length: usize) -> usize {
        (usize::from(self.0) * length) >> 16
    }
}

fn a_place() -> impl Strategy<Value = Place> {
    any::<u16>().prop_map(Place)
}

/// What Mallory does next.
#[derive(Debug, Clone)]
enum Move {
    /// Gives up, if need be, and begins anew.
    Begin(&'static str),
    /// Does so, and says to be somebody, by her own password or certificate.
    Attempt(&'static str, &'static str),
    /// Sends a whole message, perhaps changed and in wrong pieces.
    Say(Message, Vec<Change>),
    /// Sends an argument of any text.
    Argument(String),
    /// The server answers one of the questions that are open, or were.
    Answer(Place),
    /// The server fails to.
    Fail(Place),
}

/// Messages that would be right somewhere.
#[derive(Debug, Clone)]
enum Message {
    Plain(&'static str),
    First(&'static str),
    /// The proof by Mallory's password, of what the server has challenged last.
    Proof(&'static str),
    Identity(&'static str),
    Empty,
}

/// How a message is spoiled on its way.
#[derive(Debug, Clone)]
enum Change {
    Set(Place, u8),
    Insert(Place, u8),
    Remove(Place),
    Cut(Place),
}

impl Change {
    fn spoil(&self, message: &mut Vec<u8>) {
        match (self, message.len()) {
            (Change::Insert(at, byte), length) => message.insert(at.index(length + 1), *byte),
            (_, 0) => {}
            (Change::Set(at, byte), length) => message[at.index(length)] = *byte,
            (Change::Remove(at), length) => _ = message.remove(at.index(length)),
            (Change::Cut(at), length) => message.truncate(at.index(length)),
        }
    }
}

fn a_name() -> impl Strategy<Value = &'static str> {
    select(&[ANN.0, MALLORY.0, "nobody"][..])
}

fn a_byte() -> impl Strategy<Value = u8> {
    prop_oneof![select(&b"=,\0nypracims+*"[..]), any::<u8>()]
}

fn a_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (a_place(), a_byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (a_place(), a_byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        a_place().prop_map(Change::Remove),
        a_place().prop_map(Change::Cut),
    ]
}

fn a_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        a_name().prop_map(Message::Plain),
        a_name().prop_map(Message::First),
        a_name().prop_map(Message::Proof),
        a_name().prop_map(Message::Identity),
        Just(Message::Empty),
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        1 => select(MECHANISMS).prop_map(Move::Begin),
        4 => (select(MECHANISMS), a_name()).prop_map(|(mechanism, name)| Move::Attempt(mechanism, name)),
        4 => a_message().prop_map(|message| Move::Say(message, Vec::new())),
        2 => (a_message(), vec(a_change(), 1..4)).prop_map(|(message, changes)| Move::Say(message, changes)),
        1 => "[A-Za-z0-9+/=*]{0,12}|\\PC{0,8}|A{399,401}".prop_map(Move::Argument),
        6 => a_place().prop_map(Move::Answer),
        1 => a_place().prop_map(Move::Fail),
    ]
}

/// A question that the server has been asked, as it was asked.
#[derive(Debug, Clone)]
enum Question {
    Verifier(Ticket, AccountName),
    Owner(Ticket, Fingerprint, Option<AccountName>),
    Check(Checked),
}

/// One connection of Mallory's, and everything that was ever asked about it.
struct Connection {
    exchange: Exchange,
    exchanges: u8,
    challenge: Vec<u8>,
    questions: Vec<Question>,
    successes: usize,
}

impl Connection {
    fn new() -> Connection {
        Connection {
            exchange: exchange(0),
            exchanges: 0,
            challenge: Vec::new(),
            questions: Vec::new(),
            successes: 0,
        }
    }

    fn take(&mut self, step: Move) {
        match step {
            Move::Begin(mechanism) => {
                let _ = self.exchange.input("*");
                self.exchanges += 1;
                self.exchange = exchange(self.exchanges);
                let step = self.exchange.input(mechanism);
                self.follow(step);
            }
            Move::Attempt(mechanism, account) => {
                self.take(Move::Begin(mechanism));
                let message = match mechanism {
                    "PLAIN" => Message::Plain(account),
                    "EXTERNAL" => Message::Identity(account),
                    _ => Message::First(account),
                };
                self.take(Move::Say(message, Vec::new()));
            }
            Move::Say(message, changes) => {
                let mut bytes = self.bytes(&message);
                changes.iter().for_each(|change| change.spoil(&mut bytes));
                for piece in chunks(&bytes) {
                    let step = self.exchange.input(&piece);
                    self.follow(step);
                }
            }
            Move::Argument(text) => {
                let step = self.exchange.input(&text);
                self.follow(step);
            }
            Move::Answer(which) => {
                if let Some(question) = self.question(which) {
                    let step = self.answer(question);
                    self.follow(step);
                }
            }
            Move::Fail(which) => {
                let step = match self.question(which) {
                    Some(Question::Verifier(ticket, _) | Question::Owner(ticket, ..)) => {
                        self.exchange.unavailable(ticket)
                    }
                    Some(Question::Check(checked)) => self.exchange.unavailable(checked.ticket()),
                    None => Step::Wait,
                };
                self.follow(step);
            }
        }
    }

    /// The newest question half of the time, so that exchanges get somewhere.
    fn question(&self, which: Place) -> Option<Question> {
        let newest = self.questions.len().checked_sub(1)?;
        let at = which.index(2 * self.questions.len()).min(newest);
        Some(self.questions[at].clone())
    }

    fn answer(&mut self, question: Question) -> Step {
        match question {
            Question::Verifier(ticket, account) => {
                self.exchange
                    .verifier(ticket, verifier_of(&account), &decoys())
            }
            Question::Owner(ticket, certificate, account) => self
                .exchange
                .owner(ticket, owner_of(certificate, account.as_ref())),
            Question::Check(checked) => self.exchange.checked(checked),
        }
    }

    fn bytes(&self, message: &Message) -> Vec<u8> {
        match message {
            Message::Plain(account) => format!("\0{account}\0{}", MALLORY.1).into_bytes(),
            Message::First(account) => started(account, MALLORY.1).1.into_bytes(),
            Message::Proof(account) => {
                let (started, _) = started(account, MALLORY.1);
                let answered = started.answer(&self.challenge);
                answered.map_or(Vec::new(), |(_, proof)| proof.into_bytes())
            }
            Message::Identity(account) => account.as_bytes().to_vec(),
            Message::Empty => Vec::new(),
        }
    }

    fn follow(&mut self, step: Step) {
        match step {
            Step::Wait | Step::Failed(_) => {}
            Step::Challenge(_) => self.challenge = challenged(step),
            Step::NeedVerifier { ticket, account } => {
                self.questions.push(Question::Verifier(ticket, account));
            }
            Step::NeedOwner {
                ticket,
                certificate,
                account,
            } => {
                self.questions
                    .push(Question::Owner(ticket, certificate, account));
            }
            Step::CheckPlain(check) => self.questions.push(Question::Check(check.run())),
            Step::Done { account, .. } => {
                assert_eq!(account, name(MALLORY.0), "{:?}", self.exchange);
                self.successes += 1;
            }
        }
    }
}

proptest! {
    #[test]
    fn nobody_becomes_ann_without_her_password(moves in vec(a_move(), 1..24)) {
        let mut connection = Connection::new();
        moves.into_iter().for_each(|one| connection.take(one));
    }

    #[test]
    fn any_text_in_any_pieces_is_survived(
        mechanism in select(MECHANISMS),
        pieces in vec("[A-Za-z0-9+/=]{0,500}|\\PC{0,80}|\\+|A{400}", 0..8),
    ) {
        let mut exchange = exchange(1);
        prop_assert!(matches!(exchange.input(mechanism), Step::Challenge(_)));
        for piece in pieces {
            let _ = exchange.input(&piece);
        }
    }

    #[test]
    fn any_bytes_are_survived_where_messages_are_expected(
        bytes in vec(a_byte(), 0..200),
        changes in vec(a_change(), 0..4),
    ) {
        let (_, first) = started(ANN.0, ANN.1);
        for mut message in [bytes, first.into_bytes()] {
            changes.iter().for_each(|change| change.spoil(&mut message));
            if let Ok(first) = ClientFirst::parse(&message) {
                let decoy = decoys().verifier(&name("nobody"));
                let nonce = "x".parse().expect("a good nonce");
                let (challenged, _) = first.challenge(decoy, &nonce);
                prop_assert!(challenged.finish(&message).is_err());
            }
        }
    }

    #[test]
    fn no_spoiled_verifier_is_taken_for_a_text_that_it_is_not(
        changes in vec(a_change(), 1..4),
        any_text in "\\PC{0,40}",
    ) {
        let good = verifier_of(&name(ANN.0)).expect("Ann exists").to_text();
        let mut text = good.as_bytes().to_vec();
        changes.iter().for_each(|change| change.spoil(&mut text));
        for text in [String::from_utf8_lossy(&text).into_owned(), any_text] {
            // What is understood is written again as it was: there is one text for a verifier.
            if let Ok(verifier) = text.parse::<Verifier>() {
                prop_assert_eq!(&*verifier.to_text(), &text);
            }
        }
    }

    #[test]
    fn names_and_fingerprints_are_any_text(text in "\\PC{0,80}") {
        if let Ok(name) = text.parse::<AccountName>() {
            prop_assert_eq!(name.as_str(), &text);
        }
        let _ = text.parse::<Fingerprint>();
    }
}

proptest! {
    // A challenge that is understood is answered, with as many hashes as it asks for.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A client believes no server that does not know the password.
    #[test]
    fn no_false_server_is_believed(
        changes in vec(a_change(), 0..3),
        last in vec(a_byte(), 0..60),
        final_changes in vec(a_change(), 0..3),
        secret: [u8; 32],
    ) {
        let (client, first) = started(ANN.0, ANN.1);
        let first = ClientFirst::parse(first.as_bytes()).expect("a good message");
        let decoys = Decoys::new(&secret, Iterations::MIN);
        let nonce = "theirs".parse().expect("a good nonce");
        let (_, challenge) = first.challenge(decoys.verifier(&name(ANN.0)), &nonce);
        let mut challenge = challenge.into_bytes();
        changes.iter().for_each(|change| change.spoil(&mut challenge));
        if let Ok((answered, _)) = client.answer(&challenge) {
            let mut signature = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_vec();
            final_changes.iter().for_each(|change| change.spoil(&mut signature));
            let text = if last.len() % 2 == 0 { &last } else { &signature };
            prop_assert!(answered.finish(text).is_err());
        }
    }
}

/// The moves above do get somewhere: a run of right ones lets Mallory in by each mechanism.
#[test]
fn the_moves_can_succeed() {
    let newest = || Move::Answer(Place(u16::MAX));
    let say = |message| Move::Say(message, Vec::new());
    let mut connection = Connection::new();
    let runs = [
        vec![Move::Attempt("PLAIN", MALLORY.0), newest(), newest()],
        vec![
            Move::Attempt("SCRAM-SHA-256", MALLORY.0),
            newest(),
            say(Message::Proof(MALLORY.0)),
            say(Message::Empty),
        ],
        vec![Move::Attempt("EXTERNAL", MALLORY.0), newest()],
        vec![Move::Begin("EXTERNAL"), say(Message::Empty), newest()],
    ];
    for run in runs {
        run.into_iter().for_each(|one| connection.take(one));
    }
    assert_eq!(connection.successes, 4);
}
