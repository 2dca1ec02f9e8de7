//! The bounds of one connection, which a program may set for each.
//! It must never hold anything that changes by itself.

use std::time::Duration;

use crate::driver::READ_BUFFER;
use crate::outbox::OutboxPolicy;
use crate::rate::Rate;

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
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceOptions {
    pub(crate) bounds: Bounds,
    pub(crate) limits: Limits,
}

/// What every source has. They are apart from the others because a source holds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) inbox_limit: u32,
    pub(crate) low: u32,
    pub(crate) high: u32,
    idle_millis: u32,
    pub(crate) policy: OutboxPolicy,
    pub(crate) backpressure: Option<bool>,
}

/// What few have: a source that has none of them holds nothing for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    read_millis: u32,
    write_millis: u32,
    pub(crate) rate: Option<Rate>,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            inbox_limit: Bounds::DEFAULT_INBOX,
            low: 64 * 1024,
            high: 1024 * 1024,
            idle_millis: 0,
            policy: OutboxPolicy::Refuse,
            backpressure: None,
        }
    }
}

impl Bounds {
    /// As large as one read, so that a whole read can be left for later.
    pub(crate) const DEFAULT_INBOX: u32 = READ_BUFFER as u32;

    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        timeout(self.idle_millis)
    }
}

impl Limits {
    pub(crate) fn of_rate(rate: Option<Rate>) -> Limits {
        Limits {
            rate,
            ..Limits::default()
        }
    }

    pub(crate) fn read_timeout(&self) -> Option<Duration> {
        timeout(self.read_millis)
    }

    pub(crate) fn write_timeout(&self) -> Option<Duration> {
        timeout(self.write_millis)
    }
}

impl SourceOptions {
    /// How many bytes a handler may leave unread (default 256 KiB, at least 1). While as many
    /// are there nothing more is read, so that the peer has to wait; a `handle_read` that
    /// consumes nothing of a full inbox closes the source with
    /// [`Error::InboxFull`](crate::Error::InboxFull), unless it waits for room in its outbox or
    /// has paused reading.
    #[must_use]
    pub fn with_inbox_limit(mut self, bytes: usize) -> SourceOptions {
        self.bounds.inbox_limit = to_u32(bytes).max(1);
        self
    }

    /// The outbox's watermarks in bytes (default 64 KiB and 1 MiB). Above `high`, the
    /// [policy](Self::with_policy) applies; `handle_write` is called when it has drained to
    /// `low`. `high` is raised to `low` if it is less.
    #[must_use]
    pub fn with_watermarks(mut self, low: usize, high: usize) -> SourceOptions {
        self.bounds.low = to_u32(low);
        self.bounds.high = to_u32(high).max(self.bounds.low);
        self
    }

    /// What happens when a send would lift the outbox above its high watermark (default
    /// [`OutboxPolicy::Refuse`]).
    #[must_use]
    pub fn with_policy(mut self, policy: OutboxPolicy) -> SourceOptions {
        self.bounds.policy = policy;
        self
    }

    /// After how long without a byte received or sent the source is closed, rounded up to
    /// milliseconds, at most 49 days (default: never; zero: never).
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> SourceOptions {
        self.bounds.idle_millis = to_millis(timeout);
        self
    }

    /// How long a message may take to arrive, from the first byte that the handler leaves unread
    /// until it consumes some, rounded up to milliseconds, at most 49 days (default: for ever;
    /// zero: for ever). Then the source is closed with
    /// [`Deadline::Read`](crate::Deadline::Read), however many bytes trickle in: an idle timeout
    /// ends who sends nothing, this one who never finishes. Whoever consumes what it cannot use
    /// yet, and keeps it elsewhere, has no unread bytes and needs a timer of its own;
    /// [`Framed`](crate::codec::Framed) leaves all of an unfinished frame unread.
    ///
    /// The peer is not blamed for what we do: while reading is paused, waits for room in the
    /// outbox or for the [rate](Self::with_read_rate), the time begins anew.
    ///
    /// One timer while a message is unfinished, none for each message.
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> SourceOptions {
        self.limits.read_millis = to_millis(timeout);
        self
    }

    /// How long the peer may take nothing of what waits in the outbox, rounded up to milliseconds,
    /// at most 49 days (default: for ever; zero: for ever). Then the source is closed with
    /// [`Deadline::Write`](crate::Deadline::Write), and what waits is dropped. Each byte that the
    /// system takes begins the time anew. (After `close`,
    /// [`close_timeout`](crate::Builder::close_timeout) counts instead.)
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Duration) -> SourceOptions {
        self.limits.write_millis = to_millis(timeout);
        self
    }

    /// How many bytes a second are read (default: `None`, as many as come). What comes faster
    /// waits in the system's buffers, and then at the peer; no more than the rate allows is handed
    /// to the handler at any time.
    ///
    /// A source that exceeds it costs up to 20 timers a second, another one none.
    #[must_use]
    pub fn with_read_rate(mut self, bytes: impl Into<Option<Rate>>) -> SourceOptions {
        self.limits.rate = bytes.into();
        self
    }

    /// Whether nothing is read from a peer that does not read what it is sent: while more than
    /// the low watermark waits in the outbox. Without it a peer that asks and never listens fills
    /// its outbox. The default is true, but false for a source made by `connect`: if both ends of
    /// a connection wait for the other to read, neither ever does, so the one that asks reads.
    #[must_use]
    pub fn with_backpressure(mut self, backpressure: bool) -> SourceOptions {
        self.bounds.backpressure = Some(backpressure);
        self
    }

    /// The high watermark, in bytes.
    pub fn high_watermark(&self) -> usize {
        self.bounds.high as usize
    }

    /// The low watermark, in bytes.
    pub fn low_watermark(&self) -> usize {
        self.bounds.low as usize
    }

    /// The idle timeout, if there is one.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.bounds.idle_timeout()
    }

    /// The read timeout, if there is one.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.limits.read_timeout()
    }

    /// The write timeout, if there is one.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.limits.write_timeout()
    }

    /// The bytes a second that are read, if they are limited.
    pub fn read_rate(&self) -> Option<Rate> {
        self.limits.rate
    }
}

fn to_millis(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

fn timeout(millis: u32) -> Option<Duration> {
    (millis > 0).then(|| Duration::from_millis(millis.into()))
}

fn to_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
