//! Capabilities: what a client has asked to be told, and in which form.
//!
//! It must never list what the server does not do: [`WORKING`] grows with the commands.
//!
//! The source is <https://ircv3.net/specs/extensions/capability-negotiation>; each
//! capability is a specification of its own at <https://ircv3.net/irc/>.

use std::ops::BitOr;

/// A set of capabilities: one word.
///
/// ```
/// use switchboard_chat::irc::caps::{self, Caps};
///
/// let caps = caps::BATCH | caps::named("server-time").unwrap();
/// assert!(caps.has(caps::BATCH) && !caps.has(caps::ECHO_MESSAGE));
/// assert_eq!(caps.without(caps::BATCH).names().collect::<Vec<_>>(), ["server-time"]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Caps(u32);

impl Caps {
    /// Without any: a client that has never heard of them.
    pub const NONE: Caps = Caps(0);

    /// The bits, the lowest [`COUNT`] of the word.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Those of these bits that mean a capability.
    pub const fn from_bits(bits: u32) -> Caps {
        Caps(bits & ((1 << COUNT) - 1))
    }

    /// Whether all of `others` are in it.
    pub const fn has(self, others: Caps) -> bool {
        self.0 & others.0 == others.0
    }

    /// With `others`, too.
    #[must_use]
    pub const fn with(self, others: Caps) -> Caps {
        Caps(self.0 | others.0)
    }

    /// Without `others`.
    #[must_use]
    pub const fn without(self, others: Caps) -> Caps {
        Caps(self.0 & !others.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, others: Caps) -> Caps {
        Caps(self.0 & others.0)
    }

    /// Whether none is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them alone.
    pub fn iter(self) -> impl Iterator<Item = Caps> {
        let all = (0..COUNT).map(|bit| Caps(1 << bit));
        all.filter(move |cap| self.has(*cap))
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter().filter_map(name)
    }
}

impl BitOr for Caps {
    type Output = Caps;

    fn bitor(self, others: Caps) -> Caps {
        self.with(others)
    }
}

macro_rules! capabilities {
    ($($const:ident $bit:literal $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $const: Caps = Caps(1 << $bit);
        )*

        const NAMES: &[&str] = &[$($name),*];
    };
}

capabilities! {
    MESSAGE_TAGS 0 "message-tags";
    SERVER_TIME 1 "server-time";
    ECHO_MESSAGE 2 "echo-message";
    LABELED_RESPONSE 3 "labeled-response";
    BATCH 4 "batch";
    ACCOUNT_TAG 5 "account-tag";
    ACCOUNT_NOTIFY 6 "account-notify";
    EXTENDED_JOIN 7 "extended-join";
    AWAY_NOTIFY 8 "away-notify";
    INVITE_NOTIFY 9 "invite-notify";
    MULTI_PREFIX 10 "multi-prefix";
    USERHOST_IN_NAMES 11 "userhost-in-names";
    SETNAME 12 "setname";
    CAP_NOTIFY 13 "cap-notify";
    STANDARD_REPLIES 14 "standard-replies";
    SASL 15 "sasl";
    CHATHISTORY 16 "draft/chathistory";
    EVENT_PLAYBACK 17 "draft/event-playback";
    READ_MARKER 18 "draft/read-marker";
    REDACTION 19 "draft/message-redaction";
    MULTILINE 20 "draft/multiline";
    ACCOUNT_REGISTRATION 21 "draft/account-registration";
    EXTENDED_MONITOR 22 "extended-monitor";
    STS 23 "sts";
    SEARCH 24 "soju.im/search";
    PRE_AWAY 25 "draft/pre-away";
}

/// How many there are. A word has room for them, and for [`Viewer`](super::render::Viewer)'s three
/// bits.
pub const COUNT: u32 = 26;

/// Those that the server does, whatever its configuration. `sts` and `draft/account-registration`
/// depend on it.
pub const WORKING: Caps = Caps(
    MESSAGE_TAGS.0
        | SERVER_TIME.0
        | ECHO_MESSAGE.0
        | LABELED_RESPONSE.0
        | BATCH.0
        | ACCOUNT_TAG.0
        | ACCOUNT_NOTIFY.0
        | EXTENDED_JOIN.0
        | AWAY_NOTIFY.0
        | INVITE_NOTIFY.0
        | MULTI_PREFIX.0
        | USERHOST_IN_NAMES.0
        | SETNAME.0
        | CAP_NOTIFY.0
        | STANDARD_REPLIES.0
        | SASL.0
        | CHATHISTORY.0
        | EVENT_PLAYBACK.0
        | READ_MARKER.0
        | REDACTION.0
        | MULTILINE.0
        | EXTENDED_MONITOR.0
        | SEARCH.0
        | PRE_AWAY.0,
);

/// The capability of this name; names are case-sensitive.
pub fn named(name: &str) -> Option<Caps> {
    let bit = NAMES.iter().position(|known| *known == name)?;
    Some(Caps(1 << bit))
}

/// The name of one capability; `None` of none or several.
pub fn name(cap: Caps) -> Option<&'static str> {
    let is_one = cap.0.is_power_of_two();
    is_one.then(|| NAMES[cap.0.trailing_zeros() as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_bit_and_a_name_of_its_own() {
        assert_eq!(NAMES.len() as u32, COUNT);
        for bit in 0..COUNT {
            let cap = Caps(1 << bit);
            assert_eq!(named(name(cap).unwrap()), Some(cap));
        }
        assert_eq!(named("Batch"), None);
        assert_eq!(name(Caps::NONE), None);
        assert_eq!(name(BATCH | SASL), None);
        assert_eq!(Caps::from_bits(u32::MAX).iter().count() as u32, COUNT);
    }
}
