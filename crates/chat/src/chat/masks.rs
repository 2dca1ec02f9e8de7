//! Which users a mask means: `nick!user@host` with `*` and `?`, an account as `~a:NAME`, a network.
//! It must never forget an address because the user is shown under a name.

use std::net::IpAddr;

use super::event::Identity;
use crate::irc::masks::{Mask, Subject, glob};

/// What a mask for an account begins with.
const ACCOUNT: &str = "~a:";

/// Whether `mask` means this user, who connects from `from`. What is no mask means nobody.
pub fn means(mask: &str, who: &Identity, from: Option<IpAddr>) -> bool {
    if let Some(account) = mask.strip_prefix(ACCOUNT) {
        let own = who.account.as_deref();
        return own.is_some_and(|own| glob(account, own));
    }
    let subject = Subject {
        nick: &who.nick,
        user: &who.user,
        host: &who.host,
        ip: from,
    };
    Mask::parse(mask).is_ok_and(|mask| mask.matches(&subject))
}

/// Whether a mask means everybody at this address, whoever they are.
pub fn means_address(mask: &str, from: IpAddr) -> bool {
    if mask.starts_with(ACCOUNT) {
        return false;
    }
    Mask::parse(mask).is_ok_and(|mask| {
        mask.nick() == "*"
            && mask.user() == "*"
            && mask.matches(&Subject {
                nick: "*",
                user: "*",
                host: "",
                ip: Some(from),
            })
    })
}

/// A mask in full, as lists show it: `ann` is `ann!*@*`, `a@b` is `*!a@b`, `10.0.0.0/8` is its host.
/// `None`: it is none.
pub fn completed(mask: &str) -> Option<String> {
    if mask.starts_with(ACCOUNT) {
        return (mask.len() > ACCOUNT.len()).then(|| mask.to_owned());
    }
    Mask::parse(mask).ok().map(|mask| mask.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

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
