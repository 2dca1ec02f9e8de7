//! What a session has computed off the loop: hashes of passwords, which are slow on purpose. It must
//! never be run on the loop, nor show a password or a verifier.

use std::fmt;

use switchboard::Replayable;

use crate::accounts::password::Password;
use crate::accounts::sasl::{Checked, PlainCheck};
use crate::accounts::verifier::{Iterations, SALT_BYTES, Verifier};

/// A job for another thread: tens of milliseconds.
pub struct HashJob(Job);

enum Job {
    Check(PlainCheck),
    Derive(Password, [u8; SALT_BYTES], Iterations),
}

impl HashJob {
    /// Whether a password is right.
    pub(super) fn check(check: PlainCheck) -> HashJob {
        HashJob(Job::Check(check))
    }

    /// The verifier of a new password. The salt is random.
    pub(super) fn derive(
        password: Password,
        salt: [u8; SALT_BYTES],
        iterations: Iterations,
    ) -> HashJob {
        HashJob(Job::Derive(password, salt, iterations))
    }

    /// Computes it.
    pub fn run(self) -> Hashed {
        Hashed(match self.0 {
            Job::Check(check) => Outcome::Checked(check.run()),
            Job::Derive(password, salt, iterations) => {
                let verifier = Verifier::from_password(&password, &salt, iterations);
                Outcome::Verifier(verifier.to_text().as_str().into())
            }
        })
    }
}

impl fmt::Debug for HashJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashJob(..)")
    }
}

/// What a [`HashJob`] has found out.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashed(pub(super) Outcome);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Checked(Checked),
    Verifier(Box<str>),
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(..)")
    }
}

impl Replayable for Hashed {
    fn encode(&self, out: &mut Vec<u8>) {
        let (checked, verifier) = match &self.0 {
            Outcome::Checked(checked) => (Some(*checked), None),
            Outcome::Verifier(text) => (None, Some(text.to_string())),
        };
        checked.encode(out);
        verifier.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Hashed> {
        let checked = Option::<Checked>::decode(bytes)?;
        let verifier = Option::<String>::decode(bytes)?;
        let outcome = match (checked, verifier) {
            (Some(checked), None) => Outcome::Checked(checked),
            (None, Some(text)) => Outcome::Verifier(text.into()),
            _ => return None,
        };
        Some(Hashed(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::verifier::Iterations;

    #[test]
    fn what_was_derived_comes_back_from_a_recording() {
        let password = Password::typed("correct horse").unwrap();
        let hashed = HashJob::derive(password, [1; SALT_BYTES], Iterations::MIN).run();
        let mut bytes = Vec::new();
        hashed.encode(&mut bytes);
        assert_eq!(Hashed::decode(&mut &bytes[..]), Some(hashed));
        assert_eq!(Hashed::decode(&mut &bytes[..4]), None);
    }
}
