//! Passwords: which are acceptable, and which bytes stand for one.
//!
//! RFC 5802 has a password prepared by SASLprep (RFC 4013) on both sides, so that the same keys
//! pressed on two machines are the same bytes. What SASLprep refuses (control characters, mixed
//! directions, and whatever Unicode 3.2 did not have, emoji above all) has no agreed form: some
//! programs send it as it is, others not at all. So it is refused where a password is chosen, and
//! taken as it is where one is typed, as PostgreSQL does: verifiers from elsewhere go on working.
//!
//! A password must never be written anywhere: not by `Debug`, not in an error, not into memory that
//! is not wiped (as far as this module has it: the bytes that came over the network are others').

use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Formatter};

use stringprep::saslprep;
use zeroize::Zeroizing;

use super::names::AccountName;

/// The longest password, in bytes, as it is typed: 64 characters of any script, which is what NIST
/// SP 800-63B (section 5.1.1.2) asks that at least be permitted. What SASLprep makes of it can be
/// some ten times as long, at most.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// The shortest password that can be chosen, in characters: the minimum of the same section.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// A password, prepared for hashing; wiped when dropped.
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password that somebody wants to have from now on for `account`.
    ///
    /// # Errors
    /// It is too long, too short, the account's name, or has no agreed form. The error says what to
    /// do, and nothing of the password.
    pub fn chosen(text: &str, account: &AccountName) -> Result<Password, PasswordError> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        let prepared = match saslprep(text) {
            Ok(prepared) => wiped(prepared),
            Err(_) => return Err(reason(text)),
        };
        if prepared.chars().count() < PASSWORD_CHARS_MIN {
            return Err(PasswordError::TooShort);
        }
        if prepared.eq_ignore_ascii_case(account.as_str()) {
            return Err(PasswordError::IsTheName);
        }
        Ok(Password(prepared))
    }

    /// A password that somebody gives as theirs.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`]; everything else is merely wrong, which hashing finds out.
    pub fn typed(text: &str) -> Result<Password, PasswordError> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        let prepared = saslprep(text).unwrap_or(Cow::Borrowed(text));
        Ok(Password(wiped(prepared)))
    }

    /// What is hashed.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn wiped(prepared: Cow<'_, str>) -> Zeroizing<String> {
    Zeroizing::new(prepared.into_owned())
}

/// Which rule of SASLprep `text` breaks, which it is known to do.
fn reason(text: &str) -> PasswordError {
    let mut buffer = Zeroizing::new([0; 4]);
    let refused = |c: char| saslprep(c.encode_utf8(&mut *buffer)).is_err();
    match text.chars().position(refused) {
        Some(index) => PasswordError::Character {
            position: index + 1,
        },
        None => PasswordError::Directions,
    }
}

impl Debug for Password {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why a password cannot be had, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    /// It has more than [`PASSWORD_BYTES_MAX`] bytes.
    TooLong,
    /// It has fewer than [`PASSWORD_CHARS_MIN`] characters.
    TooShort,
    /// It is the name of the account.
    IsTheName,
    /// A character of it has no agreed form.
    Character {
        /// Which one, counted from 1.
        position: usize,
    },
    /// It mixes scripts that are written from the left and from the right (RFC 3454, section 6).
    Directions,
}

impl Display for PasswordError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            PasswordError::TooLong => write!(
                f,
                "the password is too long; take one of at most {PASSWORD_BYTES_MAX} bytes"
            ),
            PasswordError::TooShort => write!(
                f,
                "the password is too short; take at least {PASSWORD_CHARS_MIN} characters, \
                 better a few words"
            ),
            PasswordError::IsTheName => {
                f.write_str("the password is the account's name; take another one")
            }
            PasswordError::Character { position } => write!(
                f,
                "character {position} of the password is one that not all programs send alike \
                 (a control character, an emoji or a rare one); leave it out"
            ),
            PasswordError::Directions => f.write_str(
                "the password mixes letters written from the left and from the right, which not \
                 all programs send alike; use those of one script, also at both ends",
            ),
        }
    }
}

impl std::error::Error for PasswordError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<Vec<u8>, PasswordError> {
        let account = "Hunter2Hunter".parse().expect("a good name");
        Password::chosen(text, &account).map(|password| password.as_bytes().to_vec())
    }

    fn typed(text: &str) -> Vec<u8> {
        let password = Password::typed(text).expect("it is short enough");
        password.as_bytes().to_vec()
    }

    /// The examples of RFC 4013, section 3.
    #[test]
    fn preparation_is_that_of_saslprep() {
        assert_eq!(typed("I\u{AD}X"), b"IX");
        assert_eq!(typed("user"), b"user");
        assert_eq!(typed("USER"), b"USER");
        assert_eq!(typed("\u{AA}"), b"a");
        assert_eq!(typed("\u{2168}"), b"IX");
    }

    #[test]
    fn what_saslprep_refuses_is_typed_as_it_is() {
        for text in ["\u{7}", "\u{627}1", "🔒", ""] {
            assert_eq!(typed(text), text.as_bytes());
        }
    }

    #[test]
    fn the_bounds_are_where_they_are_said_to_be() {
        assert!(chosen(&"x".repeat(PASSWORD_BYTES_MAX)).is_ok());
        assert_eq!(chosen(&"x".repeat(257)), Err(PasswordError::TooLong));
        assert_eq!(
            Password::typed(&"x".repeat(257)).err(),
            Some(PasswordError::TooLong)
        );
        assert!(chosen("12345678").is_ok());
        assert!(chosen("éééééééé").is_ok());
        assert_eq!(chosen("1234567"), Err(PasswordError::TooShort));
        // Soft hyphens are nothing.
        assert_eq!(chosen("1234567\u{AD}\u{AD}"), Err(PasswordError::TooShort));
    }

    #[test]
    fn the_longest_text_becomes_no_more_than_promised() {
        // U+FDFA becomes 18 characters, more than any other.
        let longest = typed(&"\u{FDFA}".repeat(PASSWORD_BYTES_MAX / 3)).len();
        assert!(
            longest > PASSWORD_BYTES_MAX && longest <= 11 * PASSWORD_BYTES_MAX,
            "{longest}"
        );
    }

    #[test]
    fn what_has_no_agreed_form_cannot_be_chosen() {
        let character = |position| Err(PasswordError::Character { position });
        assert_eq!(chosen("correct🔒horse"), character(8));
        assert_eq!(chosen("\tcorrect horse"), character(1));
        assert_eq!(chosen("שלום correct"), Err(PasswordError::Directions));
        assert_eq!(chosen("hunter2HUNTER"), Err(PasswordError::IsTheName));
    }

    #[test]
    fn errors_say_what_to_do_and_nothing_is_shown() {
        assert!(PasswordError::TooShort.to_string().contains("at least 8"));
        assert!(PasswordError::TooLong.to_string().contains("at most 256"));
        let password = Password::typed("correct horse").expect("it is short enough");
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
