//! What users, rooms and accounts may be called, and when two names are the same. It must never
//! look at who asks.
//!
//! The rules are those of [`crate::irc::names`]: whatever a person speaks, an IRC client must be able
//! to say their name.

use std::sync::Arc;

use crate::irc::names::{self, NICK_BYTES_MAX};

pub use crate::irc::names::{are_same as same, fold};

/// [`fold`], to be kept.
pub fn folded(name: &str) -> Arc<str> {
    fold(name).into()
}

/// Whether somebody may be called so.
pub fn is_nick(name: &str) -> bool {
    names::check_nick(name).is_ok()
}

/// Whether an account may be called so: as a nick, since it is one.
pub fn is_account(name: &str) -> bool {
    is_nick(name)
}

/// Whether a room may be called so.
pub fn is_room(name: &str) -> bool {
    names::check_channel(name).is_ok()
}

/// A guest's name in the mouth of a plain client: what of `name` may be shown, and `/line` behind
/// it, which no nick has, so that nobody is taken for somebody else.
pub fn of_guest(name: Option<&str>, number: u64) -> Arc<str> {
    let shown: String = name
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .take(NICK_BYTES_MAX / 2)
        .collect();
    if shown.is_empty() {
        format!("guest{number}/line").into()
    } else {
        format!("{shown}/line").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_taken_for_nobody() {
        assert_eq!(of_guest(Some("ann"), 7).as_ref(), "ann/line");
        assert_eq!(of_guest(Some("an n\r\n!@"), 7).as_ref(), "ann/line");
        assert_eq!(of_guest(Some(" \u{202e}"), 7).as_ref(), "guest7/line");
        assert_eq!(of_guest(None, 7).as_ref(), "guest7/line");
    }
}
