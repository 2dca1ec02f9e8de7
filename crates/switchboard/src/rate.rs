//! So many a second: how much a source may read or accept, counted as tokens in a bucket.
//! It must never read a clock or start a timer: it is told the time, and says how much is left and
//! when there will be more.

use std::time::Duration;

use crate::Time;

/// So many bytes, or connections, a second on average; and so many at once after a rest.
///
/// A bucket holds up to `burst` of them and is full at first. It fills up by one every
/// `1 / per_second` seconds, and what is read or accepted is taken out of it.
///
/// ```
/// use switchboard::{Rate, SourceOptions};
///
/// // 100 KB a second, after a rest 1 MB at once.
/// let rate = Rate::per_second(100_000).with_burst(1_000_000);
/// let options = SourceOptions::default().with_read_rate(rate);
/// assert_eq!(options.read_rate(), Some(rate));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// This many a second (at least 1), and as many at once after a second's rest.
    pub const fn per_second(amount: u32) -> Rate {
        let amount = if amount == 0 { 1 } else { amount };
        Rate {
            per_second: amount,
            burst: amount,
        }
    }

    /// This many at once (at least 1) after a long enough rest.
    #[must_use]
    pub const fn with_burst(mut self, amount: u32) -> Rate {
        self.burst = if amount == 0 { 1 } else { amount };
        self
    }

    pub(crate) const fn parts(self) -> [u32; 2] {
        [self.per_second, self.burst]
    }

    /// How long it takes until there are so many more, within a nanosecond.
    fn span(self, amount: u32) -> Duration {
        Duration::from_nanos(u64::from(amount) * 1_000_000_000 / u64::from(self.per_second))
    }
}

/// The bucket of one source, as the moment at which it will be full: what fills it up costs nothing
/// then. (This is the virtual scheduling algorithm of ITU-T Recommendation I.371.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    /// While there is less than this, there is nothing.
    portion: u32,
    full_at: Time,
}

impl Bucket {
    /// A full one, of which no less than `portion` is given away, or as much as it holds.
    pub(crate) fn new(rate: Rate, portion: u32) -> Bucket {
        Bucket {
            rate,
            portion: portion.clamp(1, rate.burst),
            full_at: Time::ZERO,
        }
    }

    /// For bytes: not so few at a time that a source at its limit would be woken up for more than
    /// 20 times a second.
    pub(crate) fn of_bytes(rate: Rate) -> Bucket {
        Bucket::new(rate, rate.per_second / 20)
    }

    /// As empty as `other` was, so that new bounds are no rest.
    pub(crate) fn after(mut self, other: &Bucket, now: Time) -> Bucket {
        let empty = now + self.rate.span(self.rate.burst);
        self.full_at = other.full_at.min(empty);
        self
    }

    /// How much can be taken now: nothing, or a portion at least.
    pub(crate) fn available(&self, now: Time) -> u32 {
        let missing = (self.full_at - now).as_nanos() * u128::from(self.rate.per_second);
        let missing = u32::try_from(missing.div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
        let level = self.rate.burst.saturating_sub(missing);
        if level < self.portion { 0 } else { level }
    }

    /// Takes `amount` out, be it there or not.
    pub(crate) fn take(&mut self, amount: u32, now: Time) {
        self.full_at = self.full_at.max(now) + self.rate.span(amount);
    }

    /// When the next portion is there.
    pub(crate) fn ready_at(&self) -> Time {
        let rest = self.rate.span(self.rate.burst - self.portion);
        Time::ZERO + (self.full_at - (Time::ZERO + rest))
    }
}

#[cfg(test)]
mod tests;
