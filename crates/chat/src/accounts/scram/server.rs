//! The server's side of SCRAM-SHA-256.
//!
//! It must never know whether an account exists: who looks it up hands a decoy in for one that does
//! not, and the exchange goes its way to the end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::message::{self, Attributes};
use super::{NONCE_BYTES_MAX, Nonce, ScramError};
use crate::accounts::verifier::{self, Hash, Verifier};

/// What the client has said first: who it is.
#[derive(Debug)]
pub struct ClientFirst {
    name: String,
    authorize_as: Option<String>,
    nonce: String,
    /// How the message began, up to the second comma; it comes again at the end.
    gs2_header: String,
    /// The message without that.
    bare: String,
}

impl ClientFirst {
    /// Understands the client's first message.
    ///
    /// # Errors
    /// It is not built as it should be, or asks for what is not supported.
    pub fn parse(message: &[u8]) -> Result<ClientFirst, ScramError> {
        let text = message::text(message)?;
        let mut parts = Attributes::new(text);
        // `y` says that the client could bind and has seen that we do not offer it, which is true.
        match parts.part("the channel binding flag")? {
            "n" | "y" => {}
            flag if flag.starts_with("p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed("the channel binding flag")),
        }
        let authorize_as = match parts.part("the authorization identity")? {
            // The grammar wants a name after `a=`; GNU SASL leaves it away for nobody in particular.
            "" | "a=" => None,
            part => {
                let name = part.strip_prefix("a=");
                let name = name.ok_or(ScramError::Malformed("the authorization identity"))?;
                Some(message::unescape_name(name)?)
            }
        };
        let bare = parts.rest().ok_or(ScramError::Malformed("the name"))?;
        let name = message::unescape_name(parts.value("n=", "the name")?)?;
        let nonce = parts.value("r=", "the nonce")?;
        message::check_nonce(nonce)?;
        if nonce.len() > NONCE_BYTES_MAX {
            return Err(ScramError::TooLong);
        }
        parts.extensions()?;
        Ok(ClientFirst {
            name,
            authorize_as,
            nonce: nonce.to_owned(),
            gs2_header: text[..text.len() - bare.len()].to_owned(),
            bare: bare.to_owned(),
        })
    }

    /// Who the client says it is. It is text from the network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As whom it wants to act, if it says so. It is text from the network.
    pub fn authorize_as(&self) -> Option<&str> {
        self.authorize_as.as_deref()
    }

    /// Challenges the client to prove the password of `verifier`, by the returned message.
    pub fn challenge(self, verifier: Verifier, nonce: &Nonce) -> (Challenged, String) {
        let nonce = self.nonce + nonce.as_str();
        let salt = STANDARD.encode(&verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", verifier.iterations.get());
        let challenged = Challenged {
            verifier,
            nonce,
            gs2_header: self.gs2_header,
            so_far: format!("{},{server_first},", self.bare),
        };
        (challenged, server_first)
    }
}

/// The client owes its proof.
#[derive(Debug)]
pub struct Challenged {
    verifier: Verifier,
    nonce: String,
    gs2_header: String,
    /// The messages that both sides sign, as far as they have been said.
    so_far: String,
}

impl Challenged {
    /// Checks the client's last message, and returns the server's last, which proves to the client
    /// that the server knows the account. Costs a few hashes.
    ///
    /// # Errors
    /// [`ScramError::WrongProof`] for a wrong password, and others for what no honest client sends.
    pub fn finish(self, message: &[u8]) -> Result<String, ScramError> {
        let text = message::text(message)?;
        // The proof is last, and no attribute has a comma in it.
        let (unproved, proof) = text
            .rsplit_once(",p=")
            .ok_or(ScramError::Malformed("the proof"))?;
        let mut parts = Attributes::new(unproved);
        let binding = STANDARD
            .decode(parts.value("c=", "the channel binding")?)
            .map_err(|_| ScramError::Malformed("the channel binding"))?;
        let nonce = parts.value("r=", "the nonce")?;
        parts.extensions()?;
        let proof = verifier::parse_hash(proof).ok_or(ScramError::Malformed("the proof"))?;
        if binding != self.gs2_header.as_bytes() {
            return Err(ScramError::BindingMismatch);
        }
        if nonce != self.nonce {
            return Err(ScramError::WrongNonce);
        }
        let signed = self.so_far + unproved;
        if !is_proof(&self.verifier, signed.as_bytes(), &proof) {
            return Err(ScramError::WrongProof);
        }
        let signature = verifier::mac(&*self.verifier.server_key, signed.as_bytes());
        Ok(format!("v={}", STANDARD.encode(*signature)))
    }
}

/// RFC 5802, section 3: the proof is the client's key, hidden by what only who knows the StoredKey
/// can take away again.
fn is_proof(verifier: &Verifier, signed: &[u8], proof: &Hash) -> bool {
    let mut key: Zeroizing<Hash> = verifier::mac(&*verifier.stored_key, signed);
    key.iter_mut()
        .zip(proof)
        .for_each(|(key, proof)| *key ^= proof);
    verifier::hash(&*key).ct_eq(&*verifier.stored_key).into()
}
