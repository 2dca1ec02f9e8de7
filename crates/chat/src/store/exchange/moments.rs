//! Times as people and files write them. It must never round one.

use std::time::{Duration, SystemTime};

/// The last millisecond of the year 9999: later times cannot be written.
pub const LAST: u64 = 253_402_300_799_999;

/// In UTC to the millisecond, as in `2026-11-24T08:00:00.000Z`.
pub fn written(unix_ms: u64) -> String {
    let since = Duration::from_millis(unix_ms.min(LAST));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

/// Of the same without fractions and letters, as in `2026-11-24 08:00:00`.
pub fn shown(unix_ms: u64) -> String {
    written(unix_ms)[..19].replace('T', " ")
}

/// What [`written`] has written.
pub fn read(text: &str) -> Option<u64> {
    unix_ms(humantime::parse_rfc3339(text).ok()?)
}

/// In milliseconds since 1970.
pub fn unix_ms(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
