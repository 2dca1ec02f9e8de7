//! Client certificates: the SHA-256 of one is what an account keeps of it.
//!
//! It must never look into a certificate. Whoever made it, and until when it is valid, says nothing
//! here: an account lists the fingerprints of its owner's keys, as `authorized_keys` does for SSH.

use std::fmt::{self, Debug, Display, Formatter};
use std::str::FromStr;

use ring::digest;

/// The length of a fingerprint, in bytes.
pub const FINGERPRINT_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// The SHA-256 of a certificate (of its DER form, as TLS carries it). It is no secret.
///
/// It is written as 64 hexadecimal digits in lower case, and understood in either case, with colons
/// or without, and in the form in which `openssl x509 -noout -fingerprint -sha256` prints it.
///
/// ```
/// use switchboard_chat::accounts::fingerprint::Fingerprint;
///
/// let fingerprint = Fingerprint::of_certificate(b"(a certificate)");
/// assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Fingerprint {
        let mut bytes = [0; FINGERPRINT_BYTES];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Fingerprint(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; FINGERPRINT_BYTES] {
        &self.0
    }
}

impl From<[u8; FINGERPRINT_BYTES]> for Fingerprint {
    fn from(bytes: [u8; FINGERPRINT_BYTES]) -> Fingerprint {
        Fingerprint(bytes)
    }
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, NotAFingerprint> {
        let text = match text.trim().split_once('=') {
            Some((label, digits)) if label.eq_ignore_ascii_case("sha256 fingerprint") => digits,
            _ => text.trim(),
        };
        let mut bytes = [0; FINGERPRINT_BYTES];
        let mut digits = text.bytes().filter(|byte| *byte != b':');
        for byte in &mut bytes {
            let (high, low) = (hex_digit(digits.next())?, hex_digit(digits.next())?);
            *byte = high << 4 | low;
        }
        match digits.next() {
            None => Ok(Fingerprint(bytes)),
            Some(_) => Err(NotAFingerprint),
        }
    }
}

fn hex_digit(byte: Option<u8>) -> Result<u8, NotAFingerprint> {
    let digit = byte.and_then(|byte| char::from(byte).to_digit(16));
    let digit = digit.and_then(|digit| u8::try_from(digit).ok());
    digit.ok_or(NotAFingerprint)
}

/// A text that is no fingerprint; the message says how to get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAFingerprint;

impl Display for NotAFingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a fingerprint is a SHA-256 in 64 hexadecimal digits, with colons or without; \
             `openssl x509 -noout -fingerprint -sha256 -in cert.pem` prints that of cert.pem",
        )
    }
}

impl std::error::Error for NotAFingerprint {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of "abc" (FIPS 180-2, appendix B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn it_is_the_sha_256() {
        assert_eq!(Fingerprint::of_certificate(b"abc").to_string(), ABC);
    }

    #[test]
    fn every_usual_form_is_understood() {
        let expected = Ok(Fingerprint::of_certificate(b"abc"));
        let pairs: Vec<&str> = (0..64).step_by(2).map(|at| &ABC[at..at + 2]).collect();
        let colons = pairs.join(":").to_uppercase();
        for text in [
            ABC.to_owned(),
            ABC.to_uppercase(),
            colons.clone(),
            format!("sha256 Fingerprint={colons}"),
            format!("SHA256 Fingerprint={colons}\n"),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_sha_256_is_refused() {
        let sha_1 = format!("SHA1 Fingerprint={}", &ABC[..40]);
        for text in [
            "",
            &ABC[..62],
            &ABC[..63],
            &format!("{ABC}00"),
            &ABC.replace('a', "g"),
            &sha_1,
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NotAFingerprint), "{text}");
        }
        assert!(NotAFingerprint.to_string().contains("openssl x509"));
    }
}
