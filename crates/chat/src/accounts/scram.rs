//! SCRAM-SHA-256 (RFC 5802 and 7677): how a password is proved without being sent.
//!
//! Both sides are chains of values: each takes the other side's next message and gives its own, or
//! the error that ends the exchange. A step cannot be left out or done twice, since it consumes what
//! the one before has made. [`server`] costs a few hashes; [`client`] computes the password's keys.
//! This file owns what both have in common. It must never tell apart, to the other side, a wrong
//! password and an account that does not exist.
//!
//! Channel binding (SCRAM-SHA-256-PLUS) is not offered, so a client that asks for it is refused, and
//! one that says that it could is believed.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub mod client;
mod message;
pub mod server;

/// The longest message that is looked at, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1200;

/// The longest nonce of one side, in bytes.
pub const NONCE_BYTES_MAX: usize = 256;

/// The random bytes that a nonce is made of.
pub const NONCE_RANDOM_BYTES: usize = 18;

/// What one side adds so that no exchange is like another: printable ASCII without commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A nonce of bytes that are random, and new for each exchange.
    pub fn from_random(bytes: &[u8; NONCE_RANDOM_BYTES]) -> Nonce {
        Nonce(STANDARD.encode(bytes))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// For tests with the nonces that a document gives.
impl FromStr for Nonce {
    type Err = ScramError;

    fn from_str(text: &str) -> Result<Nonce, ScramError> {
        if text.len() > NONCE_BYTES_MAX {
            return Err(ScramError::TooLong);
        }
        message::check_nonce(text)?;
        Ok(Nonce(text.to_owned()))
    }
}

/// Why an exchange has ended without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScramError {
    /// The message is not built as RFC 5802 (section 7) says; this part is wrong or missing.
    Malformed(&'static str),
    /// The message or a nonce in it is too long.
    TooLong,
    /// The message is not UTF-8.
    NotUtf8,
    /// The name is escaped wrongly.
    NameEncoding,
    /// An extension is mandatory, and we know none.
    Extension,
    /// The client insists on channel binding.
    ChannelBinding,
    /// What the client has bound is not what it had said at first: somebody is in between.
    BindingMismatch,
    /// The nonce is not the one that this exchange began with.
    WrongNonce,
    /// The password is wrong, or there is no such account.
    WrongProof,
    /// The server asks for too few or too many iterations, or its salt is of no usual length.
    Cost,
    /// The server does not know the password's keys: it is not the one that the password is for.
    WrongServer,
    /// The server has refused, with this error of RFC 5802 (section 7).
    Refused(&'static str),
}

/// The errors that a server may send.
const SERVER_ERRORS: &[&str] = &[
    "invalid-encoding",
    "extensions-not-supported",
    "invalid-proof",
    "channel-bindings-dont-match",
    "server-does-support-channel-binding",
    "channel-binding-not-supported",
    "unsupported-channel-binding-type",
    "unknown-user",
    "invalid-username-encoding",
    "no-resources",
];

impl ScramError {
    /// The value of `e=` for a protocol that sends a server's errors; IRC has its numerics instead.
    pub fn as_value(&self) -> &'static str {
        match self {
            ScramError::NotUtf8 => "invalid-encoding",
            ScramError::NameEncoding => "invalid-username-encoding",
            ScramError::Extension => "extensions-not-supported",
            ScramError::ChannelBinding => "channel-binding-not-supported",
            ScramError::BindingMismatch => "channel-bindings-dont-match",
            ScramError::WrongProof => "invalid-proof",
            _ => "other-error",
        }
    }
}

impl Display for ScramError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ScramError::Malformed(part) => {
                write!(
                    f,
                    "a SCRAM message is malformed: {part} is wrong or missing"
                )
            }
            ScramError::TooLong => f.write_str("a SCRAM message or nonce is too long"),
            ScramError::NotUtf8 => f.write_str("a SCRAM message is not UTF-8"),
            ScramError::NameEncoding => {
                f.write_str("in a SCRAM message, a name has =2C for a comma and =3D for =")
            }
            ScramError::Extension => f.write_str("mandatory extensions of SCRAM are not supported"),
            ScramError::ChannelBinding => f.write_str(
                "channel binding is not supported; use SCRAM-SHA-256 without it (gs2 flag n or y)",
            ),
            ScramError::BindingMismatch => {
                f.write_str("the channel binding data is not that of the first message")
            }
            ScramError::WrongNonce => f.write_str("the nonce is not that of this exchange"),
            ScramError::WrongProof => f.write_str("the name or the password is wrong"),
            ScramError::Cost => f.write_str(
                "the server's salt or iterations are out of bounds; do not send it the password",
            ),
            ScramError::WrongServer => f.write_str(
                "the server does not know this account's password: it may be another one than it \
                 says; do not trust it",
            ),
            ScramError::Refused(error) => write!(f, "the server has refused: {error}"),
        }
    }
}

impl std::error::Error for ScramError {}
