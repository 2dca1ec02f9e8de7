//! Account names: which are acceptable, and which are the same.
//!
//! An account is a nick that somebody keeps (IRCv3's account-registration makes one of the nick in
//! use), so [`irc::names`](crate::irc::names) decides both: what can be a nick can be an account, and
//! two names are the same when they differ in the case of A to Z alone, the casemapping `ascii` of
//! IRC (and `NOCASE` of SQLite). Whoever registers a name compares the skeletons, too.
//!
//! It must never know which accounts exist.

use std::cmp::Ordering;
use std::fmt::{self, Debug, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::irc::names::{self, NICK_BYTES_MAX, NameError};

/// The name of an account, in the case that its owner gave it; at most [`NICK_BYTES_MAX`] bytes.
///
/// ```
/// use switchboard_chat::accounts::names::AccountName;
///
/// let name: AccountName = "Ann_W".parse()?;
/// assert_eq!(name, "ann_w".parse()?);
/// assert_eq!((name.as_str(), name.folded().as_str()), ("Ann_W", "ann_w"));
/// # Ok::<(), switchboard_chat::accounts::names::NotAName>(())
/// ```
#[derive(Clone)]
pub struct AccountName(Box<str>);

impl AccountName {
    /// The name as its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one text that stands for all names that are the same as this one. Allocates.
    pub fn folded(&self) -> String {
        names::fold(&self.0).into_owned()
    }

    fn folded_bytes(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl FromStr for AccountName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<AccountName, NotAName> {
        names::check_nick(text).map_err(NotAName)?;
        Ok(AccountName(text.into()))
    }
}

impl PartialEq for AccountName {
    fn eq(&self, other: &AccountName) -> bool {
        names::are_same(&self.0, &other.0)
    }
}

impl Eq for AccountName {}

impl PartialOrd for AccountName {
    fn partial_cmp(&self, other: &AccountName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AccountName {
    fn cmp(&self, other: &AccountName) -> Ordering {
        self.folded_bytes().cmp(other.folded_bytes())
    }
}

impl Hash for AccountName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded_bytes().for_each(|byte| state.write_u8(byte));
        // As for `str`: no name is the beginning of another one's hash.
        state.write_u8(0xff);
    }
}

impl Display for AccountName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for AccountName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "AccountName({:?})", self.0)
    }
}

/// Why a text is no account name; the message says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAName(pub NameError);

impl Display for NotAName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            NameError::Empty => f.write_str("the account name is missing; give one, as in ann"),
            NameError::TooLong { .. } => write!(
                f,
                "the account name is too long; take one of at most {NICK_BYTES_MAX} bytes"
            ),
            error => write!(
                f,
                "that is no account name: {error}; begin with a letter or _, and go on with \
                 letters, digits, and any of - _ [ ] \\ ` ^ {{ | }}"
            ),
        }
    }
}

impl std::error::Error for NotAName {}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    fn name(text: &str) -> AccountName {
        text.parse().expect("a good name")
    }

    fn why(text: &str) -> String {
        text.parse::<AccountName>().unwrap_err().to_string()
    }

    #[test]
    fn nicks_are_account_names() {
        for text in ["a", "Ann", "_", "[bot]", "x|y", "zoë", &"n".repeat(32)] {
            assert_eq!(name(text).as_str(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        assert!(why("").contains("give one"));
        assert!(why(&"n".repeat(33)).contains("at most 32"));
        for text in [
            "1st",
            "-a",
            "a b",
            "a,b",
            "*",
            "a\u{1b}[2J",
            "Ωmega",
            "zoe\u{308}",
        ] {
            let why = why(text);
            assert!(why.contains("begin with a letter"), "{text:?}: {why}");
            assert!(!why.contains('\u{1b}'), "{why:?}");
        }
    }

    #[test]
    fn case_of_ascii_letters_makes_no_other_name() {
        assert_eq!(name("ANN"), name("ann"));
        assert_ne!(name("ann["), name("ann{"));
        assert_ne!(name("zoË"), name("zoë"));
        let names = ["Bob", "ann", "ANN", "bob", "anna"].map(name);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 3);
        let sorted: BTreeSet<AccountName> = names.into_iter().collect();
        let sorted: Vec<String> = sorted.iter().map(AccountName::folded).collect();
        assert_eq!(sorted, ["ann", "anna", "bob"]);
    }
}
