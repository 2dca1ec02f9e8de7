//! Why nobody was let in.
//!
//! A failure must never say more than its client knows already: a wrong password and an account that
//! does not exist are one.

use std::fmt::{self, Display, Formatter};

use super::{CHUNK_BYTES, TEXT_BYTES_MAX};
use crate::accounts::names::NotAName;
use crate::accounts::scram::ScramError;

/// Why an exchange has failed. The text says what to do, and may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The client has given up (`AUTHENTICATE *`): 906 in IRC.
    Aborted,
    /// A piece or the whole message is too long: 905 in IRC.
    TooLong,
    /// No such mechanism is offered: 908 in IRC, with the list, and 904.
    UnknownMechanism,
    /// The message is no base64. This and all that follow: 904 in IRC.
    NotBase64,
    /// The message is not what the mechanism wants.
    Malformed,
    /// The client has spoken out of turn, or the exchange has ended.
    OutOfTurn,
    /// The name of the account is none.
    Name(NotAName),
    /// The client wants to act as somebody else.
    OtherIdentity,
    /// The password is wrong, or there is no such account.
    WrongCredentials,
    /// No account, or not the one that was asked for, lists the certificate.
    UnknownCertificate,
    /// A message of SCRAM is not as it should be.
    Scram(ScramError),
    /// The server could not find out.
    Unavailable,
}

impl From<NotAName> for Failure {
    fn from(error: NotAName) -> Failure {
        Failure::Name(error)
    }
}

impl From<ScramError> for Failure {
    fn from(error: ScramError) -> Failure {
        match error {
            ScramError::WrongProof => Failure::WrongCredentials,
            error => Failure::Scram(error),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Aborted => f.write_str("logging in was given up"),
            Failure::TooLong => write!(
                f,
                "the message is too long: at most {CHUNK_BYTES} bytes in a line, and \
                 {TEXT_BYTES_MAX} in all"
            ),
            Failure::UnknownMechanism => f.write_str("that mechanism is not offered here"),
            Failure::NotBase64 => f.write_str("the message is not base64 (RFC 4648, with padding)"),
            Failure::Malformed => f.write_str("the message is not what the mechanism asks for"),
            Failure::OutOfTurn => {
                f.write_str("it was not your turn; begin anew with AUTHENTICATE and a mechanism")
            }
            Failure::Name(error) => Display::fmt(error, f),
            Failure::OtherIdentity => {
                f.write_str("nobody can log in as somebody else; leave the authorization empty")
            }
            Failure::WrongCredentials => f.write_str("the account name or the password is wrong"),
            Failure::UnknownCertificate => f.write_str(
                "no such account lists your certificate; log in with the password, and add it",
            ),
            Failure::Scram(error) => Display::fmt(error, f),
            Failure::Unavailable => {
                f.write_str("accounts cannot be looked up just now; try again in a minute")
            }
        }
    }
}

impl std::error::Error for Failure {}
