//! The client's side of SCRAM-SHA-256.
//!
//! It must never send a proof for a cost below the least of RFC 7677: a false server would ask for
//! one iteration, and try passwords on the answer at leisure.

use std::fmt::{self, Debug, Formatter};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::message::{self, Attributes};
use super::{Nonce, SERVER_ERRORS, ScramError};
use crate::accounts::password::Password;
use crate::accounts::verifier::{self, Hash, Iterations, Keys};

/// No channel binding, and no other identity.
const GS2_HEADER: &str = "n,,";

/// The client has said who it is.
#[derive(Debug)]
pub struct Started {
    password: Password,
    nonce: Nonce,
    bare: String,
}

/// Begins: the returned message says who we are.
///
/// # Errors
/// The name is empty or has a NUL in it.
pub fn start(
    name: &str,
    password: Password,
    nonce: Nonce,
) -> Result<(Started, String), ScramError> {
    if name.is_empty() || name.contains('\0') {
        return Err(ScramError::Malformed("the name"));
    }
    let bare = format!("n={},r={}", message::escape_name(name), nonce.as_str());
    let message = format!("{GS2_HEADER}{bare}");
    let started = Started {
        password,
        nonce,
        bare,
    };
    Ok((started, message))
}

impl Started {
    /// Answers the server's challenge with a proof.
    ///
    /// Costs as many iterations as the server asks for, up to [`Iterations::MAX`]: call it off the
    /// loop.
    ///
    /// # Errors
    /// The challenge is malformed, not for us, or too cheap or too expensive.
    pub fn answer(self, server_first: &[u8]) -> Result<(Answered, String), ScramError> {
        let text = message::text(server_first)?;
        let mut parts = Attributes::new(text);
        let nonce = parts.value("r=", "the nonce")?;
        let salt = parts.value("s=", "the salt")?;
        let iterations = parts.value("i=", "the iterations")?;
        parts.extensions()?;
        message::check_nonce(nonce)?;
        let theirs = nonce.strip_prefix(self.nonce.as_str());
        if theirs.is_none_or(str::is_empty) {
            return Err(ScramError::WrongNonce);
        }
        let salt = verifier::parse_salt(salt).map_err(|_| ScramError::Cost)?;
        let iterations = Iterations::parse(iterations).map_err(|_| ScramError::Cost)?;

        let keys = Keys::derive(&self.password, &salt, iterations);
        let unproved = format!("c={},r={nonce}", STANDARD.encode(GS2_HEADER));
        let signed = format!("{},{text},{unproved}", self.bare);
        let mut proof = verifier::mac(&*keys.stored, signed.as_bytes());
        proof
            .iter_mut()
            .zip(&*keys.client)
            .for_each(|(proof, key)| *proof ^= key);
        let answered = Answered {
            signature: verifier::mac(&*keys.server, signed.as_bytes()),
        };
        Ok((
            answered,
            format!("{unproved},p={}", STANDARD.encode(*proof)),
        ))
    }
}

/// The server owes its own proof.
pub struct Answered {
    /// What only a server that knows the account can say.
    signature: Zeroizing<Hash>,
}

impl Answered {
    /// Checks the server's last message.
    ///
    /// # Errors
    /// The server has refused, or is not the one that the password is for.
    pub fn finish(self, server_final: &[u8]) -> Result<(), ScramError> {
        let text = message::text(server_final)?;
        let mut parts = Attributes::new(text);
        let part = parts.part("the signature")?;
        if let Some(error) = part.strip_prefix("e=") {
            // Only what we know is repeated: the text is the server's, and may be shown.
            let known = SERVER_ERRORS.iter().find(|known| **known == error);
            return Err(ScramError::Refused(known.copied().unwrap_or("other-error")));
        }
        parts.extensions()?;
        let signature = part.strip_prefix("v=").and_then(verifier::parse_hash);
        let signature = signature.ok_or(ScramError::Malformed("the signature"))?;
        match bool::from(signature.ct_eq(&*self.signature)) {
            true => Ok(()),
            false => Err(ScramError::WrongServer),
        }
    }
}

impl Debug for Answered {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Answered(..)")
    }
}
