//! The bounds of one connection, which a program may set for each.
//! It must never hold anything that changes by itself.

use std::time::Duration;

use crate::driver::READ_BUFFER;
use crate::outbox::OutboxPolicy;

/// The bounds of one connection, and what happens at them.
///
/// ```
/// use std::time::Duration;
/// use switchboard::{OutboxPolicy, SourceOptions};
///
/// // A feed: whoever reads too slowly misses the older news.
/// let options = SourceOptions::default()
///     .with_watermarks(8 * 1024, 64 * 1024)
///     .with_policy(OutboxPolicy::DropOldest)
///     .with_idle_timeout(Duration::from_secs(60));
/// assert_eq!(options.high_watermark(), 64 * 1024);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SourceOptions {
    pub(crate) inbox_limit: u32,
    pub(crate) low: u32,
    pub(crate) high: u32,
    idle_millis: u32,
    pub(crate) policy: OutboxPolicy,
    pub(crate) backpressure: Option<bool>,
}

impl Default for SourceOptions {
    fn default() -> SourceOptions {
        SourceOptions {
            inbox_limit: SourceOptions::DEFAULT_INBOX,
            low: 64 * 1024,
            high: 1024 * 1024,
            idle_millis: 0,
            policy: OutboxPolicy::Refuse,
            backpressure: None,
        }
    }
}

impl SourceOptions {
    /// As large as one read, so that a whole read can be left for later.
    pub(crate) const DEFAULT_INBOX: u32 = READ_BUFFER as u32;

    /// How many bytes a handler may leave unread (default 256 KiB, at least 1). While as many
    /// are there nothing more is read, so that the peer has to wait; a `handle_read` that
    /// consumes nothing of a full inbox closes the source with
    /// [`Error::InboxFull`](crate::Error::InboxFull), unless it waits for room in its outbox or
    /// has paused reading.
    #[must_use]
    pub fn with_inbox_limit(mut self, bytes: usize) -> SourceOptions {
        self.inbox_limit = to_u32(bytes).max(1);
        self
    }

    /// The outbox's watermarks in bytes (default 64 KiB and 1 MiB). Above `high`, the
    /// [policy](Self::with_policy) applies; `handle_write` is called when it has drained to
    /// `low`. `high` is raised to `low` if it is less.
    #[must_use]
    pub fn with_watermarks(mut self, low: usize, high: usize) -> SourceOptions {
        self.low = to_u32(low);
        self.high = to_u32(high).max(self.low);
        self
    }

    /// What happens when a send would lift the outbox above its high watermark (default
    /// [`OutboxPolicy::Refuse`]).
    #[must_use]
    pub fn with_policy(mut self, policy: OutboxPolicy) -> SourceOptions {
        self.policy = policy;
        self
    }

    /// After how long without a byte received or sent the source is closed, rounded up to
    /// milliseconds, at most 49 days (default: never; zero: never).
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> SourceOptions {
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        self.idle_millis = u32::try_from(millis).unwrap_or(u32::MAX);
        self
    }

    /// Whether nothing is read from a peer that does not read what it is sent: while more than
    /// the low watermark waits in the outbox. Without it a peer that asks and never listens fills
    /// its outbox. The default is true, but false for a source made by `connect`: if both ends of
    /// a connection wait for the other to read, neither ever does, so the one that asks reads.
    #[must_use]
    pub fn with_backpressure(mut self, backpressure: bool) -> SourceOptions {
        self.backpressure = Some(backpressure);
        self
    }

    /// The high watermark, in bytes.
    pub fn high_watermark(&self) -> usize {
        self.high as usize
    }

    /// The low watermark, in bytes.
    pub fn low_watermark(&self) -> usize {
        self.low as usize
    }

    /// The idle timeout, if there is one.
    pub fn idle_timeout(&self) -> Option<Duration> {
        (self.idle_millis > 0).then(|| Duration::from_millis(self.idle_millis.into()))
    }
}

fn to_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
