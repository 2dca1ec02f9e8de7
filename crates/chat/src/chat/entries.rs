//! What stands on a room's lists: masks, and accounts as `~a:NAME`.
//!
//! It must never know on which list it stands.
//!
//! The form for accounts is that of <https://ircv3.net/specs/extensions/account-extban>: a client
//! learns it from `EXTBAN=~,a` and `ACCOUNTEXTBAN=a`.

use std::fmt;
use std::net::IpAddr;

use super::event::Identity;
use super::masks::{MASK_BYTES_MAX, Mask, MaskError, Subject, glob};

/// What is before the name of an account.
pub const ACCOUNT_PREFIX: &str = "~a:";

/// An entry of a list.
///
/// ```
/// use switchboard_chat::chat::entries::Entry;
///
/// assert_eq!(Entry::parse("*.org")?.to_string(), "*!*@*.org");
/// assert_eq!(Entry::parse("~a:ada")?.to_string(), "~a:ada");
/// # Ok::<(), switchboard_chat::chat::masks::MaskError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Users by nick, user name and host or network.
    Mask(Mask),
    /// Who is logged in to the account; `*` and `?` mean what they mean in masks.
    Account(String),
}

impl Entry {
    /// Reads an entry as people write it.
    ///
    /// # Errors
    /// Those of [`Mask::parse`], which also hold for the name of an account.
    pub fn parse(text: &str) -> Result<Entry, MaskError> {
        let Some(name) = text.strip_prefix(ACCOUNT_PREFIX) else {
            return Mask::parse(text).map(Entry::Mask);
        };
        if text.len() > MASK_BYTES_MAX {
            return Err(MaskError::TooLong);
        }
        super::masks::check_chars(name)?;
        Ok(Entry::Account(name.to_owned()))
    }

    /// Whether it means `subject`, who is logged in to `account`. Allocates nothing.
    pub fn matches(&self, subject: &Subject<'_>, account: Option<&str>) -> bool {
        match self {
            Entry::Mask(mask) => mask.matches(subject),
            Entry::Account(name) => account.is_some_and(|account| glob(name, account)),
        }
    }

    /// Whether it means this user, who connects from `from`. Allocates nothing.
    pub fn means(&self, who: &Identity, from: Option<IpAddr>) -> bool {
        let subject = Subject {
            nick: &who.nick,
            user: &who.user,
            host: &who.host,
            ip: from,
        };
        self.matches(&subject, who.account.as_deref())
    }

    /// Whether it means everybody at this address, whoever they are. Allocates nothing.
    pub fn means_address(&self, from: IpAddr) -> bool {
        let Entry::Mask(mask) = self else {
            return false;
        };
        let anybody = Subject {
            nick: "*",
            user: "*",
            host: "",
            ip: Some(from),
        };
        mask.nick() == "*" && mask.user() == "*" && mask.matches(&anybody)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Mask(mask) => mask.fmt(f),
            Entry::Account(name) => write!(f, "{ACCOUNT_PREFIX}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_masks() {
        let ada = Subject {
            nick: "ada",
            user: "al",
            host: "example.org",
            ip: None,
        };
        let means = |text, account| Entry::parse(text).unwrap().matches(&ada, account);
        assert!(means("*.org", None));
        assert!(means("~a:Lovelace", Some("lovelace")));
        assert!(!means("~a:lovelace", Some("byron")));
        assert!(!means("~a:*", None));
        assert!(means("~a:*", Some("byron")));
        // The nick is not the account.
        assert!(!means("~a:ada", None));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        assert_eq!(Entry::parse(""), Err(MaskError::Empty));
        assert_eq!(Entry::parse("~a:"), Err(MaskError::Empty));
        assert_eq!(Entry::parse("~a:a b"), Err(MaskError::BadChar(' ')));
        let long = format!("~a:{}", "x".repeat(MASK_BYTES_MAX - 3));
        assert_eq!(Entry::parse(&long).unwrap().to_string(), long);
        assert_eq!(Entry::parse(&format!("{long}x")), Err(MaskError::TooLong));
    }

    fn means(text: &str, who: &Identity, from: Option<IpAddr>) -> bool {
        Entry::parse(text).is_ok_and(|entry| entry.means(who, from))
    }

    fn means_address(text: &str, from: IpAddr) -> bool {
        Entry::parse(text).is_ok_and(|entry| entry.means_address(from))
    }

    fn ann() -> Identity {
        Identity {
            nick: "Ann".into(),
            user: "a".into(),
            host: "example.org".into(),
            account: Some("ann".into()),
            realname: "Ann".into(),
            bot: false,
        }
    }

    #[test]
    fn masks_of_all_kinds() {
        let from = Some("10.1.2.3".parse().unwrap());
        for mask in [
            "ann!*@*",
            "*!a@*",
            "*!*@*.org",
            "~a:ANN",
            "*!*@10.0.0.0/8",
            "10.1.2.3",
            "*",
        ] {
            assert!(means(mask, &ann(), from), "{mask}");
        }
        for mask in ["bob!*@*", "~a:bob", "*!*@11.0.0.0/8", "", "a b"] {
            assert!(!means(mask, &ann(), from), "{mask}");
        }
        assert!(!means("*!*@10.0.0.0/8", &ann(), None));
    }

    #[test]
    fn addresses_alone() {
        let from = "10.1.2.3".parse().unwrap();
        for mask in ["10.0.0.0/8", "10.1.2.3", "*!*@10.1.*"] {
            assert!(means_address(mask, from), "{mask}");
        }
        for mask in ["11.0.0.0/8", "ann!*@*", "a@10.1.2.3", "~a:ann", ""] {
            assert!(!means_address(mask, from), "{mask}");
        }
    }
}
