//! Password verifiers: what is stored instead of a password (RFC 5802, section 3; RFC 7677).
//!
//! A verifier proves a password right, by SCRAM or typed in full, and does not tell it. Who steals
//! one can try passwords against it, [`Iterations`] hashes for each, and can pretend to be the
//! server; so it must never be shown by `Debug`, an error or a log.

use std::fmt::{self, Debug, Display, Formatter};
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::password::Password;

/// The random bytes that a new verifier needs as its salt: as many as PostgreSQL takes, and 2^64
/// passwords are set before two salts are likely to be the same.
pub const SALT_BYTES: usize = 16;

/// The shortest and the longest salt of a verifier that comes from elsewhere, in bytes.
pub const SALT_BYTES_RANGE: std::ops::RangeInclusive<usize> = 8..=64;

/// The longest text of a verifier, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

const LABEL: &str = "SCRAM-SHA-256";

/// The output of SHA-256; whatever holds one here is wiped.
pub(super) type Hash = [u8; digest::SHA256_OUTPUT_LEN];

/// How many times a password is hashed: what each guess at a stolen verifier costs.
///
/// The same number is paid for each password that is typed in full (by the server, also for a wrong
/// one), and by each client that speaks SCRAM, in its user's face. The server's part of SCRAM costs
/// nothing of it.
///
/// [`DEFAULT`](Self::DEFAULT) is 100,000: 24 times the least of RFC 7677 (section 4), and a sixth of
/// what OWASP's Password Storage Cheat Sheet (2023) advises for PBKDF2-HMAC-SHA256. On a core with
/// the SHA instructions that is about 20 ms, so one core answers 50 guesses a second of somebody who
/// has no account at all, and lets 15,000 people in again who send their passwords in full in five
/// minutes; with 600,000, it would be eight and half an hour, and a client that hashes in a scripting
/// language or on an old phone would stand still for seconds. Six times as many hashes are worth to a
/// thief's victim what half a random letter more is. A server for few people can take 600,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Iterations(NonZeroU32);

impl Iterations {
    /// The least that RFC 7677 allows.
    pub const MIN: Iterations = Iterations(NonZeroU32::new(4096).expect("it is not zero"));
    /// What new verifiers have unless the operator decides otherwise.
    pub const DEFAULT: Iterations = Iterations(NonZeroU32::new(100_000).expect("it is not zero"));
    /// The most that is computed for anybody, under half a second: who can write into the database,
    /// or is the server that our client talks to, could otherwise ask for an hour.
    pub const MAX: Iterations = Iterations(NonZeroU32::new(2_000_000).expect("it is not zero"));

    /// So many.
    ///
    /// # Errors
    /// The number is below [`MIN`](Self::MIN) or above [`MAX`](Self::MAX).
    pub const fn new(count: u32) -> Result<Iterations, VerifierError> {
        match NonZeroU32::new(count) {
            Some(some) if count >= Self::MIN.get() && count <= Self::MAX.get() => {
                Ok(Iterations(some))
            }
            _ => Err(VerifierError::Iterations),
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Digits, without a sign or a zero in front.
    pub(super) fn parse(text: &str) -> Result<Iterations, VerifierError> {
        let is_plain = text.starts_with(|c: char| matches!(c, '1'..='9'));
        let count = is_plain.then(|| text.parse().ok()).flatten();
        Iterations::new(count.ok_or(VerifierError::Iterations)?)
    }
}

/// What is stored of a password. Its text form is PostgreSQL's:
/// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, all but the number in base64.
///
/// ```
/// use switchboard_chat::accounts::password::Password;
/// use switchboard_chat::accounts::verifier::{Iterations, Verifier};
///
/// let password = Password::typed("correct horse battery staple")?;
/// let verifier = Verifier::from_password(&password, &[7; 16], Iterations::MIN);
/// let stored = verifier.to_text();
/// assert!(stored.starts_with("SCRAM-SHA-256$4096:"));
/// assert!(stored.parse::<Verifier>()?.check_plain(&password));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    pub(super) iterations: Iterations,
    pub(super) salt: Box<[u8]>,
    pub(super) stored_key: Zeroizing<Hash>,
    pub(super) server_key: Zeroizing<Hash>,
}

impl Verifier {
    /// The verifier of `password`. The salt must be random, and new for each.
    ///
    /// Costs what [`Iterations`] says, so call it off the loop; it does nothing but compute.
    pub fn from_password(
        password: &Password,
        salt: &[u8; SALT_BYTES],
        iterations: Iterations,
    ) -> Verifier {
        let keys = Keys::derive(password, salt, iterations);
        Verifier {
            iterations,
            salt: salt.as_slice().into(),
            stored_key: keys.stored,
            server_key: keys.server,
        }
    }

    /// Whether this is the verifier of `password`; how wrong it is takes no other time.
    ///
    /// Costs what [`from_password`](Self::from_password) does: call it off the loop.
    pub fn check_plain(&self, password: &Password) -> bool {
        let keys = Keys::derive(password, &self.salt, self.iterations);
        keys.stored.ct_eq(&*self.stored_key).into()
    }

    /// What a guess at it costs. Where it is less than new ones have, set the password anew when it
    /// is next typed in full.
    pub fn iterations(&self) -> Iterations {
        self.iterations
    }

    /// The text to store, wiped when dropped. It is nearly as secret as a password.
    pub fn to_text(&self) -> Zeroizing<String> {
        // So much that it never moves and leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX));
        text.push_str(LABEL);
        text.push('$');
        text.push_str(&self.iterations.get().to_string());
        text.push(':');
        STANDARD.encode_string(&self.salt, &mut text);
        text.push('$');
        STANDARD.encode_string(self.stored_key.as_slice(), &mut text);
        text.push(':');
        STANDARD.encode_string(self.server_key.as_slice(), &mut text);
        text
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Verifier, VerifierError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(VerifierError::Form);
        }
        let rest = text
            .strip_prefix(LABEL)
            .and_then(|rest| rest.strip_prefix('$'));
        let (cost, keys) = rest
            .and_then(|rest| rest.split_once('$'))
            .ok_or(VerifierError::Form)?;
        let (iterations, salt) = cost.split_once(':').ok_or(VerifierError::Form)?;
        let (stored, server) = keys.split_once(':').ok_or(VerifierError::Form)?;
        Ok(Verifier {
            iterations: Iterations::parse(iterations)?,
            salt: parse_salt(salt)?,
            stored_key: parse_hash(stored).ok_or(VerifierError::Key)?,
            server_key: parse_hash(server).ok_or(VerifierError::Key)?,
        })
    }
}

pub(super) fn parse_salt(text: &str) -> Result<Box<[u8]>, VerifierError> {
    let salt = STANDARD.decode(text).map_err(|_| VerifierError::Salt)?;
    if !SALT_BYTES_RANGE.contains(&salt.len()) {
        return Err(VerifierError::Salt);
    }
    Ok(salt.into())
}

/// The 32 bytes that `text` is the base64 of.
pub(super) fn parse_hash(text: &str) -> Option<Zeroizing<Hash>> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let mut hash = Zeroizing::new(Hash::default());
    if bytes.len() != hash.len() {
        return None;
    }
    hash.copy_from_slice(&bytes);
    Some(hash)
}

impl Debug for Verifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations.get())
            .finish_non_exhaustive()
    }
}

/// The keys of a password (RFC 5802, section 3).
pub(super) struct Keys {
    pub client: Zeroizing<Hash>,
    pub stored: Zeroizing<Hash>,
    pub server: Zeroizing<Hash>,
}

impl Keys {
    pub fn derive(password: &Password, salt: &[u8], iterations: Iterations) -> Keys {
        let mut salted = Zeroizing::new(Hash::default());
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations.0,
            salt,
            password.as_bytes(),
            &mut *salted,
        );
        let client = mac(&*salted, b"Client Key");
        Keys {
            stored: hash(&*client),
            server: mac(&*salted, b"Server Key"),
            client,
        }
    }
}

/// HMAC-SHA-256.
pub(super) fn mac(key: &[u8], message: &[u8]) -> Zeroizing<Hash> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut hash = Zeroizing::new(Hash::default());
    hash.copy_from_slice(hmac::sign(&key, message).as_ref());
    hash
}

/// SHA-256.
pub(super) fn hash(message: &[u8]) -> Zeroizing<Hash> {
    let mut hash = Zeroizing::new(Hash::default());
    hash.copy_from_slice(digest::digest(&digest::SHA256, message).as_ref());
    hash
}

/// Why a text is no verifier, or a number no count of iterations. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifierError {
    /// It is not built as a verifier is.
    Form,
    /// The iterations are no number between [`Iterations::MIN`] and [`Iterations::MAX`].
    Iterations,
    /// The salt is no base64 of [`SALT_BYTES_RANGE`] bytes.
    Salt,
    /// A key is no base64 of 32 bytes.
    Key,
}

impl Display for VerifierError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            VerifierError::Form => f.write_str(
                "a password verifier looks like \
                 SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey; set the password anew",
            ),
            VerifierError::Iterations => write!(
                f,
                "the iterations must be a number from {} to {}",
                Iterations::MIN.get(),
                Iterations::MAX.get()
            ),
            VerifierError::Salt => write!(
                f,
                "the salt must be {} to {} bytes in base64; set the password anew",
                SALT_BYTES_RANGE.start(),
                SALT_BYTES_RANGE.end()
            ),
            VerifierError::Key => f.write_str(
                "StoredKey and ServerKey must each be 32 bytes in base64; set the password anew",
            ),
        }
    }
}

impl std::error::Error for VerifierError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verifier of the password `pencil`, as PostgreSQL and GNU SASL write it with the salt of
    /// RFC 7677's example.
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn typed(text: &str) -> Password {
        Password::typed(text).expect("it is short enough")
    }

    fn refused(text: &str) -> VerifierError {
        text.parse::<Verifier>().expect_err("it is no verifier")
    }

    #[test]
    fn the_text_is_the_one_that_others_write() {
        let verifier: Verifier = PENCIL.parse().expect("it is a verifier");
        assert_eq!(*verifier.to_text(), PENCIL);
        let salt = verifier.salt.as_ref().try_into().expect("16 bytes");
        let ours = Verifier::from_password(&typed("pencil"), salt, Iterations::MIN);
        assert_eq!(*ours.to_text(), PENCIL);
    }

    #[test]
    fn the_right_password_alone_is_right() {
        let verifier: Verifier = PENCIL.parse().expect("it is a verifier");
        assert!(verifier.check_plain(&typed("pencil")));
        assert!(verifier.check_plain(&typed("pen\u{AD}cil")));
        for wrong in ["", "Pencil", "pencil ", "penci"] {
            assert!(!verifier.check_plain(&typed(wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_verifier_is_refused_before_anything_is_computed() {
        assert_eq!(refused(""), VerifierError::Form);
        assert_eq!(refused(&PENCIL.replace("256", "1")), VerifierError::Form);
        assert_eq!(refused(&PENCIL[..40]), VerifierError::Form);
        assert_eq!(refused(&format!("{PENCIL}{PENCIL}")), VerifierError::Form);
        for count in [
            "4095",
            "2000001",
            "4294967296",
            "-1",
            "+4096",
            "04096",
            "",
            "x",
        ] {
            let text = PENCIL.replace("4096", count);
            assert_eq!(refused(&text), VerifierError::Iterations, "{count}");
        }
        for count in ["4096", "2000000"] {
            assert!(PENCIL.replace("4096", count).parse::<Verifier>().is_ok());
        }
        for salt in [
            "",
            "AAAAAAAAAA==",
            "W22ZaJ0SNY7soEsUEjb6gQ",
            "!",
            &"AAAA".repeat(22),
        ] {
            let text = PENCIL.replace("W22ZaJ0SNY7soEsUEjb6gQ==", salt);
            assert_eq!(refused(&text), VerifierError::Salt, "{salt}");
        }
        for key in ["", "AAAA", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qZ="] {
            let text = PENCIL.replace("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", key);
            assert_eq!(refused(&text), VerifierError::Key, "{key}");
        }
        assert_eq!(refused(&format!("{PENCIL}:")), VerifierError::Key);
    }

    #[test]
    fn the_longest_text_fits_and_nothing_is_shown() {
        let verifier = Verifier {
            iterations: Iterations::MAX,
            salt: [0xff; 64].into(),
            stored_key: Zeroizing::new([1; 32]),
            server_key: Zeroizing::new([2; 32]),
        };
        let text = verifier.to_text();
        assert!(text.len() <= TEXT_BYTES_MAX && text.parse::<Verifier>().is_ok());
        assert_eq!(
            format!("{verifier:?}"),
            "Verifier { iterations: 2000000, .. }"
        );
    }
}
