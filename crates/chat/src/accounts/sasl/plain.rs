//! The mechanism PLAIN (RFC 4616): the password itself.
//!
//! It must never hash on the loop: a [`PlainCheck`] is a job that another thread runs.

use std::fmt::{self, Debug, Formatter};

use switchboard::Replayable;

use super::{Failure, Ticket, is_same};
use crate::accounts::names::AccountName;
use crate::accounts::password::Password;
use crate::accounts::verifier::Verifier;

/// Understands `authorization NUL name NUL password`.
pub fn parse(message: &[u8]) -> Result<(AccountName, Password), Failure> {
    let text = str::from_utf8(message).map_err(|_| Failure::Malformed)?;
    let mut parts = text.split('\0');
    let (Some(authorize_as), Some(name), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed);
    };
    let account: AccountName = name.parse()?;
    is_same(authorize_as, &account)?;
    // One that is too long was never chosen, so it is wrong like any other.
    let password = Password::typed(password).map_err(|_| Failure::WrongCredentials)?;
    Ok((account, password))
}

/// A password to check against a verifier: a job for another thread, dropped without harm.
pub struct PlainCheck {
    ticket: Ticket,
    password: Password,
    verifier: Verifier,
}

impl PlainCheck {
    pub(super) fn new(ticket: Ticket, password: Password, verifier: Verifier) -> PlainCheck {
        PlainCheck {
            ticket,
            password,
            verifier,
        }
    }

    /// Whose check it is, for [`Exchange::unavailable`](super::Exchange::unavailable) if it cannot
    /// be run.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Computes what [`Verifier::check_plain`] does: tens of milliseconds.
    pub fn run(self) -> Checked {
        Checked {
            ticket: self.ticket,
            is_right: self.verifier.check_plain(&self.password),
        }
    }
}

impl Debug for PlainCheck {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("PlainCheck(..)")
    }
}

/// What a [`PlainCheck`] has found out. Nothing else makes one, so that nobody is let in by a slip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    ticket: Ticket,
    is_right: bool,
}

impl Checked {
    /// Whose check it was.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Whether the password is right.
    pub fn is_right(&self) -> bool {
        self.is_right
    }
}

/// For a recording of the server: the job runs in another thread, and a replay has only what became
/// of it.
impl Replayable for Checked {
    fn encode(&self, out: &mut Vec<u8>) {
        self.ticket.0.as_slice().to_vec().encode(out);
        self.is_right.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Checked> {
        let ticket = Vec::<u8>::decode(bytes)?;
        Some(Checked {
            ticket: Ticket(ticket.try_into().ok()?),
            is_right: bool::decode(bytes)?,
        })
    }
}
