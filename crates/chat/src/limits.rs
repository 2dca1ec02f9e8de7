//! What a client of `serve` may do: every bound of the server in one place.
//!
//! It must never decide anything: [`crate::session`] asks, and [`crate::answers`] says it aloud.

use std::time::Duration;

use crate::rate::Rate;

/// A burst is this many seconds' worth of the rate: a pasted page or a piped file goes through,
/// a loop that has run wild is told within seconds.
pub const BURST_SECONDS: u32 = 10;

/// The bounds, as the flags of `serve` gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest text of one message, in bytes, without its newline.
    pub message_bytes_max: usize,
    /// Clients at the same time; the next one is turned away with one line.
    pub clients_max: usize,
    /// How long a client may stay without a message; `None` is for ever.
    pub idle: Option<Duration>,
    /// The messages a second of one client; `None` is without a limit.
    pub rate: Option<Rate>,
    /// The gap that ends a message without a newline; `None`: only a newline or leaving does.
    pub pause: Option<Duration>,
}

impl Limits {
    /// The defaults of the flags.
    pub const DEFAULT: Limits = Limits {
        message_bytes_max: 8192,
        clients_max: 1000,
        idle: Some(Duration::from_secs(600)),
        rate: Some(Limits::rate_with_burst(100)),
        pause: Some(Duration::from_millis(200)),
    };

    /// `per_second` messages, and [`BURST_SECONDS`] worth of them at once.
    pub const fn rate_with_burst(per_second: u32) -> Rate {
        Rate::new(per_second, per_second.saturating_mul(BURST_SECONDS))
    }
}

/// A duration as the nanoseconds that the state machines count in; 584 years is for ever.
pub fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
