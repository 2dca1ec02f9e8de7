//! What the chat calls its users, its messages and its moments by. It must never tell them from a
//! socket, or from a clock of its own.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// One connected user. Never used again for another one while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl UserId {
    /// Where adapters may keep what they know of this user: below the most users there ever were
    /// at the same time.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// The name of one stored message, for ever: the database that it was made in, and its place there.
///
/// Messages of one database are ordered by `sequence`; it says nothing about those of another one,
/// so several machines can exchange messages later without a clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msgid {
    /// Drawn when the database was made.
    pub database: u32,
    /// Counts from 1; never two of one, gaps are allowed.
    pub sequence: u64,
}

impl Display for Msgid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.database, self.sequence)
    }
}

/// It is no message's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAMsgid;

impl FromStr for Msgid {
    type Err = NotAMsgid;

    fn from_str(text: &str) -> Result<Msgid, NotAMsgid> {
        let (database, sequence) = text.split_once('-').ok_or(NotAMsgid)?;
        let msgid = Msgid {
            database: u32::from_str_radix(database, 16).map_err(|_| NotAMsgid)?,
            sequence: u64::from_str_radix(sequence, 16).map_err(|_| NotAMsgid)?,
        };
        // One name each: no signs, no capitals, no zeros in front.
        if msgid.to_string() == text {
            Ok(msgid)
        } else {
            Err(NotAMsgid)
        }
    }
}

/// When something happens, on both clocks. The caller passes it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Nanoseconds of a clock that never goes back: for rates and deadlines.
    pub monotonic_ns: u64,
    /// Milliseconds since 1970, for people; may jump.
    pub unix_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_msgid_is_read_back(database: u32, sequence: u64) {
            let msgid = Msgid { database, sequence };
            prop_assert_eq!(msgid.to_string().parse(), Ok(msgid));
        }

        #[test]
        fn a_message_has_one_name(text in "[-+0-9a-fA-F]{0,12}") {
            if let Ok(msgid) = text.parse::<Msgid>() {
                prop_assert_eq!(msgid.to_string(), text);
            }
        }
    }
}
