//! Decoys: what stands in for the verifier of an account that does not exist.
//!
//! A client that asks to log in learns the salt of the account before it has proved anything, so a
//! server that has none to show would tell which names exist. A decoy is computed from the name and
//! a secret of the server: the same each time, as a real one is, and right for no password, since
//! nobody can find what its StoredKey is the SHA-256 of. (RFC 5802, section 9, leaves this open.)
//!
//! It must never be given the same secret as anything else, nor another one after a restart: a salt
//! that changes is a decoy's.

use std::fmt::{self, Debug, Formatter};

use ring::hmac;
use zeroize::Zeroizing;

use super::names::AccountName;
use super::verifier::{Hash, Iterations, SALT_BYTES, Verifier};

/// The length of the server's secret, in bytes.
pub const SECRET_BYTES: usize = 32;

/// Makes the decoys of one server.
///
/// What still tells an account from a decoy is a verifier that was not made with the same number of
/// iterations and a salt of [`SALT_BYTES`]: one from before the operator changed the number, or one
/// that was imported.
pub struct Decoys {
    key: hmac::Key,
    iterations: Iterations,
}

impl Decoys {
    /// Decoys that look like verifiers with so many iterations. The secret is random, and kept in
    /// the database.
    pub fn new(secret: &[u8; SECRET_BYTES], iterations: Iterations) -> Decoys {
        Decoys {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            iterations,
        }
    }

    /// The one for `account`. Costs three hashes.
    pub fn verifier(&self, account: &AccountName) -> Verifier {
        let folded = account.folded();
        let salt = self.derive("salt", &folded);
        Verifier {
            iterations: self.iterations,
            salt: salt[..SALT_BYTES].into(),
            stored_key: self.derive("stored", &folded),
            server_key: self.derive("server", &folded),
        }
    }

    fn derive(&self, purpose: &str, folded: &str) -> Zeroizing<Hash> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose.as_bytes());
        context.update(b":");
        context.update(folded.as_bytes());
        let mut hash = Zeroizing::new(Hash::default());
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

impl Debug for Decoys {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Decoys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(secret: u8, name: &str) -> String {
        let decoys = Decoys::new(&[secret; SECRET_BYTES], Iterations::DEFAULT);
        let name = name.parse().expect("a good name");
        decoys.verifier(&name).to_text().to_string()
    }

    #[test]
    fn a_name_has_one_decoy_in_any_case() {
        assert_eq!(text(1, "ann"), text(1, "ANN"));
        assert_ne!(text(1, "ann"), text(1, "anna"));
        assert_ne!(text(1, "ann"), text(2, "ann"));
    }

    #[test]
    fn a_decoy_looks_like_a_verifier() {
        let decoy: Verifier = text(1, "ann").parse().expect("it is a verifier");
        assert_eq!(decoy.iterations(), Iterations::DEFAULT);
        assert_eq!(decoy.salt.len(), SALT_BYTES);
        assert_ne!(*decoy.stored_key, *decoy.server_key);
    }
}
