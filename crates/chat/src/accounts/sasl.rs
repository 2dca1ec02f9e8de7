//! A SASL exchange, as `AUTHENTICATE` of IRC carries it (IRCv3 `sasl`, 3.1 and 3.2), over any
//! protocol that has lines.
//!
//! [`Exchange::input`] takes the argument of each `AUTHENTICATE` and says what is next. What an
//! exchange cannot know or must not compute, it asks for: the verifier of an account, who owns a
//! certificate, whether a password is right. Each question has a [`Ticket`], and an answer with the
//! ticket of another exchange is ignored: while a look-up is under way, the client may give up and
//! begin anew under another name, and what was found for the first name must not let it in under the
//! second.
//!
//! It must never say whether an account exists, or be used again after it has ended: the next
//! `AUTHENTICATE` begins a new exchange.

use std::mem;

use self::chunks::Incoming;
pub use self::chunks::{CHUNK_BYTES, TEXT_BYTES_MAX, chunks};
pub use self::failure::Failure;
pub use self::mechanism::{Mechanism, Offer};
pub use self::plain::{Checked, PlainCheck};
use super::decoys::Decoys;
use super::fingerprint::Fingerprint;
use super::names::AccountName;
use super::password::Password;
use super::scram::server::{Challenged, ClientFirst};
use super::scram::{NONCE_RANDOM_BYTES, Nonce};
use super::verifier::Verifier;

mod chunks;
mod failure;
mod mechanism;
mod plain;

/// What a question is about; its answer brings it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket([u8; NONCE_RANDOM_BYTES]);

/// What is next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Nothing: more of the message is to come, or what came does not concern this exchange.
    Wait,
    /// Send an `AUTHENTICATE` with each of these arguments.
    Challenge(Vec<String>),
    /// Look up the verifier of `account`, and call [`Exchange::verifier`].
    NeedVerifier {
        /// For the answer.
        ticket: Ticket,
        /// Whose; it may not exist.
        account: AccountName,
    },
    /// Look up which account lists the certificate, and call [`Exchange::owner`].
    NeedOwner {
        /// For the answer.
        ticket: Ticket,
        /// The client's certificate.
        certificate: Fingerprint,
        /// The account that the client asks for, should more than one list the certificate.
        account: Option<AccountName>,
    },
    /// Run this off the loop, and call [`Exchange::checked`]. One at a time for a connection: a client
    /// can give up while it runs, and begin anew, and so ask for any number of them.
    CheckPlain(PlainCheck),
    /// The client is `account`. This exchange has ended.
    Done {
        /// Who it is.
        account: AccountName,
        /// How it has been proved.
        mechanism: Mechanism,
    },
    /// The client is nobody. This exchange has ended.
    Failed(Failure),
}

/// One attempt to log in.
///
/// ```
/// use switchboard_chat::accounts::decoys::Decoys;
/// use switchboard_chat::accounts::password::Password;
/// use switchboard_chat::accounts::sasl::{Exchange, Mechanism, Offer, Step, chunks};
/// use switchboard_chat::accounts::verifier::{Iterations, Verifier};
///
/// let offer = Offer { certificate: None, scram: true, plain: true };
/// let decoys = Decoys::new(&[1; 32], Iterations::MIN);
/// let stored = Verifier::from_password(&Password::typed("hunter2 hunter2")?, &[2; 16], Iterations::MIN);
///
/// let mut exchange = Exchange::new(offer, [3; 18]);
/// let Step::Challenge(empty) = exchange.input("PLAIN") else { panic!() };
/// assert_eq!(empty, ["+"]);
/// let response = &chunks(b"\0ann\0hunter2 hunter2")[0];
/// let Step::NeedVerifier { ticket, account } = exchange.input(response) else { panic!() };
/// assert_eq!(account.as_str(), "ann");
/// let Step::CheckPlain(check) = exchange.verifier(ticket, Some(stored), &decoys) else { panic!() };
/// let checked = check.run(); // in another thread
/// let Step::Done { mechanism, .. } = exchange.checked(checked) else { panic!() };
/// assert_eq!(mechanism, Mechanism::Plain);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Exchange {
    offer: Offer,
    ticket: Ticket,
    incoming: Incoming,
    state: State,
}

/// Whose turn it is, and with what.
#[derive(Debug)]
enum State {
    /// The client names a mechanism.
    Choosing,
    /// The client sends the first message of it.
    First(Mechanism),
    /// The caller looks up a verifier, for this.
    LookingUp(AccountName, Claim),
    /// The caller hashes.
    Hashing(AccountName),
    /// The client sends its proof.
    Proving(AccountName, Box<Challenged>),
    /// The client acknowledges that the server has proved itself, too.
    Proved(AccountName),
    /// The caller looks up whose the certificate is.
    FindingOwner(Option<AccountName>),
    Ended,
}

/// What the client has said to be somebody.
#[derive(Debug)]
enum Claim {
    Password(Password),
    Scram(Box<ClientFirst>),
}

impl Exchange {
    /// An exchange that begins. The bytes are random, and never the same for two exchanges: they are
    /// SCRAM's nonce and tell the exchanges of a client apart.
    pub fn new(offer: Offer, random: [u8; NONCE_RANDOM_BYTES]) -> Exchange {
        Exchange {
            offer,
            ticket: Ticket(random),
            incoming: Incoming::default(),
            state: State::Choosing,
        }
    }

    /// Takes the argument of an `AUTHENTICATE`.
    pub fn input(&mut self, argument: &str) -> Step {
        match self.state {
            State::Ended => self.fail(Failure::OutOfTurn),
            _ if argument == "*" => self.fail(Failure::Aborted),
            State::Choosing => self.choose(argument),
            State::First(_) | State::Proving(..) | State::Proved(_) => {
                match self.incoming.push(argument) {
                    Ok(None) => Step::Wait,
                    Ok(Some(message)) => self
                        .message(&message)
                        .unwrap_or_else(|failure| self.fail(failure)),
                    Err(failure) => self.fail(failure),
                }
            }
            State::LookingUp(..) | State::Hashing(_) | State::FindingOwner(_) => {
                self.fail(Failure::OutOfTurn)
            }
        }
    }

    /// Takes the verifier of the account that [`Step::NeedVerifier`] has named; `None` if there is
    /// no such account, or it has no password. Costs a few hashes then.
    pub fn verifier(&mut self, ticket: Ticket, found: Option<Verifier>, decoys: &Decoys) -> Step {
        let state = self.take(ticket, |state| matches!(state, State::LookingUp(..)));
        let Some(State::LookingUp(account, claim)) = state else {
            return Step::Wait;
        };
        let verifier = found.unwrap_or_else(|| decoys.verifier(&account));
        match claim {
            Claim::Password(password) => {
                self.state = State::Hashing(account);
                Step::CheckPlain(PlainCheck::new(ticket, password, verifier))
            }
            Claim::Scram(first) => {
                let nonce = Nonce::from_random(&self.ticket.0);
                let (challenged, message) = first.challenge(verifier, &nonce);
                self.state = State::Proving(account, Box::new(challenged));
                Step::Challenge(chunks(message.as_bytes()))
            }
        }
    }

    /// Takes what a [`PlainCheck`] has found out.
    pub fn checked(&mut self, checked: Checked) -> Step {
        let state = self.take(checked.ticket(), |state| matches!(state, State::Hashing(_)));
        let Some(State::Hashing(account)) = state else {
            return Step::Wait;
        };
        match checked.is_right() {
            true => self.done(account, Mechanism::Plain),
            false => self.fail(Failure::WrongCredentials),
        }
    }

    /// Takes the account that lists the certificate of [`Step::NeedOwner`]; `None` if none does.
    pub fn owner(&mut self, ticket: Ticket, found: Option<AccountName>) -> Step {
        let state = self.take(ticket, |state| matches!(state, State::FindingOwner(_)));
        let Some(State::FindingOwner(asked)) = state else {
            return Step::Wait;
        };
        match found {
            Some(account) if asked.is_none_or(|asked| asked == account) => {
                self.done(account, Mechanism::External)
            }
            _ => self.fail(Failure::UnknownCertificate),
        }
    }

    /// Ends the exchange because the question could not be answered: the store has failed, or there
    /// is no room for a job. To answer `None` instead would tell somebody that their password is
    /// wrong when it is not.
    pub fn unavailable(&mut self, ticket: Ticket) -> Step {
        match self.take(ticket, State::is_asking) {
            Some(_) => self.fail(Failure::Unavailable),
            None => Step::Wait,
        }
    }

    fn choose(&mut self, name: &str) -> Step {
        match self.offer.find(name) {
            Some(mechanism) => {
                self.state = State::First(mechanism);
                Step::Challenge(chunks(b""))
            }
            None => self.fail(Failure::UnknownMechanism),
        }
    }

    /// A whole message of the client.
    fn message(&mut self, message: &[u8]) -> Result<Step, Failure> {
        match mem::replace(&mut self.state, State::Ended) {
            State::First(Mechanism::Plain) => {
                let (account, password) = plain::parse(message)?;
                Ok(self.look_up(account, Claim::Password(password)))
            }
            State::First(Mechanism::ScramSha256) => {
                let first = ClientFirst::parse(message)?;
                let account: AccountName = first.name().parse()?;
                is_same(first.authorize_as().unwrap_or_default(), &account)?;
                Ok(self.look_up(account, Claim::Scram(Box::new(first))))
            }
            State::First(Mechanism::External) => self.external(message),
            State::Proving(account, challenged) => {
                let server_final = challenged.finish(message)?;
                self.state = State::Proved(account);
                Ok(Step::Challenge(chunks(server_final.as_bytes())))
            }
            State::Proved(account) if message.is_empty() => {
                Ok(self.done(account, Mechanism::ScramSha256))
            }
            _ => Err(Failure::OutOfTurn),
        }
    }

    /// The message is the account that the client wants to be, or empty.
    fn external(&mut self, message: &[u8]) -> Result<Step, Failure> {
        let certificate = self.offer.certificate.ok_or(Failure::UnknownMechanism)?;
        let text = str::from_utf8(message).map_err(|_| Failure::Malformed)?;
        let account = match text {
            "" => None,
            text => Some(text.parse::<AccountName>()?),
        };
        self.state = State::FindingOwner(account.clone());
        Ok(Step::NeedOwner {
            ticket: self.ticket,
            certificate,
            account,
        })
    }

    fn look_up(&mut self, account: AccountName, claim: Claim) -> Step {
        self.state = State::LookingUp(account.clone(), claim);
        Step::NeedVerifier {
            ticket: self.ticket,
            account,
        }
    }

    /// Takes the state to answer to, if the ticket is ours and the question is open.
    fn take(&mut self, ticket: Ticket, is_open: impl Fn(&State) -> bool) -> Option<State> {
        let is_ours = ticket == self.ticket && is_open(&self.state);
        is_ours.then(|| mem::replace(&mut self.state, State::Ended))
    }

    fn done(&mut self, account: AccountName, mechanism: Mechanism) -> Step {
        self.state = State::Ended;
        Step::Done { account, mechanism }
    }

    fn fail(&mut self, failure: Failure) -> Step {
        self.state = State::Ended;
        Step::Failed(failure)
    }
}

impl State {
    fn is_asking(&self) -> bool {
        matches!(
            self,
            State::LookingUp(..) | State::Hashing(_) | State::FindingOwner(_)
        )
    }
}

/// Nobody acts as somebody else here: who asks for an identity asks for their own, or for none.
fn is_same(authorize_as: &str, account: &AccountName) -> Result<(), Failure> {
    match authorize_as.is_empty() || authorize_as.eq_ignore_ascii_case(account.as_str()) {
        true => Ok(()),
        false => Err(Failure::OtherIdentity),
    }
}
