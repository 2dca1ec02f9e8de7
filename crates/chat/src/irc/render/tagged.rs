//! The tags that the server puts before a line, and who a line is from. It must never give a tag to
//! a client that has not asked for it.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use super::lines::Scene;
use crate::chat::event::Identity;
use crate::irc::caps;
use crate::irc::write::Line;

/// The last millisecond that has a date of four digits.
const UNIX_MS_MAX: u64 = 253_402_300_799_999;

/// A time in milliseconds since 1970 as `2026-01-31T23:59:59.999Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsoTime(pub u64);

impl fmt::Display for IsoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_millis(self.0.min(UNIX_MS_MAX));
        humantime::format_rfc3339_millis(UNIX_EPOCH + since).fmt(f)
    }
}

/// `nick!user@host`.
pub fn source(who: &Identity) -> String {
    let mut source = String::with_capacity(who.nick.len() + who.user.len() + who.host.len() + 2);
    source.push_str(&who.nick);
    source.push('!');
    source.push_str(&who.user);
    source.push('@');
    source.push_str(&who.host);
    source
}

/// A line with the tags that say when it happened.
pub(super) fn timed<'b>(line: Line<'b>, scene: &Scene<'_>, unix_ms: u64) -> Line<'b> {
    match scene.caps.has(caps::SERVER_TIME) {
        true => line.tag("time", &IsoTime(unix_ms).to_string()),
        false => line,
    }
}

/// A line with the tags that say who it is from.
pub(super) fn by<'b>(mut line: Line<'b>, scene: &Scene<'_>, who: &Identity) -> Line<'b> {
    if let Some(account) = &who.account
        && scene.caps.has(caps::ACCOUNT_TAG)
    {
        line = line.tag("account", account);
    }
    if who.bot && scene.caps.has(caps::MESSAGE_TAGS) {
        line = line.tag("bot", "");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_four_digits_of_a_year() {
        assert_eq!(IsoTime(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(IsoTime(1_234).to_string(), "1970-01-01T00:00:01.234Z");
        assert_eq!(IsoTime(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
