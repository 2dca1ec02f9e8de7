//! `AUTHENTICATE`: who somebody is, before registration or after it. It must never hash a password
//! itself, nor let one travel where others can read it.
//!
//! The source is <https://ircv3.net/specs/extensions/sasl-3.2>.

use std::sync::Arc;

use super::jobs::{HashJob, Hashed, Outcome};
use super::table::Needs;
use super::{Call, Entry, State};
use crate::accounts::names::AccountName;
use crate::accounts::sasl::{Exchange, Failure, Offer, Step, Ticket};
use crate::accounts::scram::NONCE_RANDOM_BYTES;
use crate::chat::command::Command;
use crate::irc::caps;
use crate::irc::message::Message;
use crate::irc::numeric::{
    ERR_SASLABORTED, ERR_SASLALREADY, ERR_SASLFAIL, ERR_SASLTOOLONG, RPL_LOGGEDIN, RPL_SASLMECHS,
    RPL_SASLSUCCESS,
};
use crate::store::record::AccountRecord;

pub(super) const COMMANDS: &[Entry] =
    &[Entry::new("AUTHENTICATE", 1, authenticate).when(Needs::Nothing)];

/// Attempts of one connection that fail; after the last one it is closed.
const FAILURES_MAX: u8 = 5;

fn authenticate(call: &mut Call<'_, '_>, message: &Message<'_>) {
    if !call.caps().has(caps::SASL) {
        call.numeric(ERR_SASLFAIL, &[]);
        return;
    }
    if call.account().is_some() {
        call.numeric(ERR_SASLALREADY, &[]);
        return;
    }
    let exchange = call.session.exchange.take();
    let mut exchange = exchange.unwrap_or_else(|| {
        let mut random = [0; NONCE_RANDOM_BYTES];
        (call.view.random)(&mut random);
        Box::new(Exchange::new(call.sasl_offer(), random))
    });
    let step = exchange.input(message.params[0]);
    call.go_on(exchange, step);
}

impl Call<'_, '_> {
    /// The ways to log in that this client is offered.
    pub(super) fn sasl_offer(&self) -> Offer {
        Offer {
            certificate: self.session.certificate.as_deref().copied(),
            scram: true,
            plain: self.may_send_password(),
        }
    }

    /// Whether a password may travel over this connection.
    pub(super) fn may_send_password(&self) -> bool {
        self.session.is_private || self.config().passwords_in_the_clear
    }

    /// The account that the client is logged in to.
    pub(super) fn account(&self) -> Option<Arc<str>> {
        match &self.session.state {
            State::Greeting(greeting) => greeting.account.clone(),
            State::In(me) => self.chat().user(*me).and_then(|me| me.account().cloned()),
            State::Over => None,
        }
    }

    /// An account that can be logged in to.
    fn open_account(&self, name: &AccountName) -> Option<&Arc<AccountRecord>> {
        let found = self.chat().account(name.as_str());
        found.filter(|account| !account.suspended)
    }

    /// Goes on with an exchange until it is somebody else's turn.
    pub(super) fn go_on(&mut self, mut exchange: Box<Exchange>, mut step: Step) {
        let is_over = loop {
            step = match step {
                Step::NeedVerifier { ticket, account } => {
                    let found = self.open_account(&account);
                    let found = found.and_then(|account| account.verifier.parse().ok());
                    exchange.verifier(ticket, found, &self.config().decoys)
                }
                Step::NeedOwner {
                    ticket,
                    certificate,
                    ..
                } => {
                    let found = self.chat().account_by_certificate(&certificate.to_string());
                    let found = found.filter(|account| !account.suspended);
                    exchange.owner(ticket, found.and_then(|account| account.name.parse().ok()))
                }
                Step::CheckPlain(check) => {
                    let ticket = check.ticket();
                    let asked = self.hash(HashJob::check(check), move |call, hashed| {
                        call.checked(ticket, hashed);
                    });
                    match asked {
                        Ok(()) => break false,
                        Err(_) => exchange.unavailable(ticket),
                    }
                }
                Step::Wait => break false,
                Step::Challenge(arguments) => {
                    for argument in arguments {
                        self.line().command("AUTHENTICATE").param(&argument).end();
                    }
                    break false;
                }
                Step::Done { account, .. } => {
                    self.log_in(&account);
                    break true;
                }
                Step::Failed(failure) => {
                    self.sasl_failed(&failure);
                    break true;
                }
            };
        };
        if !is_over {
            self.session.exchange = Some(exchange);
        }
    }

    fn checked(&mut self, ticket: Ticket, hashed: Option<Hashed>) {
        // The client may have given up, or begun anew: the ticket says which exchange is meant.
        if let Some(mut exchange) = self.session.exchange.take() {
            let step = match hashed {
                Some(Hashed(Outcome::Checked(checked))) => exchange.checked(checked),
                _ => exchange.unavailable(ticket),
            };
            self.go_on(exchange, step);
        }
    }

    fn log_in(&mut self, account: &AccountName) {
        let name = self
            .open_account(account)
            .map(|account| Arc::clone(&account.name));
        let Some(name) = name else {
            // It was suspended meanwhile.
            self.sasl_failed(&Failure::WrongCredentials);
            return;
        };
        if let State::Greeting(greeting) = &mut self.session.state {
            greeting.account = Some(Arc::clone(&name));
        } else {
            let account = Arc::clone(&name);
            if self.command(Command::LogIn { account }).is_err() {
                self.sasl_failed(&Failure::WrongCredentials);
                return;
            }
        }
        let (source, text) = (
            self.own_source(),
            format!("You are now logged in as {name}"),
        );
        self.numeric_text(RPL_LOGGEDIN, &[&source, &name], &text);
        self.numeric(RPL_SASLSUCCESS, &[]);
        if self.session.user().is_some() {
            self.show_marks();
        }
    }

    fn sasl_failed(&mut self, failure: &Failure) {
        match failure {
            Failure::Aborted => self.numeric(ERR_SASLABORTED, &[]),
            Failure::TooLong => self.numeric(ERR_SASLTOOLONG, &[]),
            Failure::UnknownMechanism => {
                let mechanisms = self.sasl_offer().to_string();
                self.numeric(RPL_SASLMECHS, &[&mechanisms]);
                self.numeric(ERR_SASLFAIL, &[]);
            }
            other => self.numeric_text(ERR_SASLFAIL, &[], &other.to_string()),
        }
        self.session.login_failures = self.session.login_failures.saturating_add(1);
        if self.session.login_failures >= FAILURES_MAX {
            self.end("too many logins have failed");
        }
    }

    /// Registration does not wait for an exchange that the client has left behind.
    pub(super) fn abandon_sasl(&mut self) {
        if self.session.exchange.take().is_some() {
            self.sasl_failed(&Failure::Aborted);
        }
    }
}
