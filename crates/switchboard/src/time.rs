//! The reactor's own clock reading: a number of nanoseconds that a simulation can hand out too.
//! It must never ask the operating system for the time; the driver does, once a tick.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on a reactor's monotonic clock, in nanoseconds since the reactor was built.
///
/// It is read once a tick ([`LoopContext::now`](crate::LoopContext::now)), so all that happens in
/// one tick has the same time. Times of different reactors cannot be compared.
///
/// ```
/// use std::time::Duration;
/// use switchboard::Time;
///
/// let later = Time::ZERO + Duration::from_millis(3);
/// assert_eq!(later.as_nanos(), 3_000_000);
/// assert_eq!(later - Time::ZERO, Duration::from_millis(3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment at which the reactor was built.
    pub const ZERO: Time = Time(0);

    /// The moment `nanos` nanoseconds after the reactor was built.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the reactor was built.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

/// Saturates: a moment more than 584 years away is as good as never.
impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(nanos))
    }
}

/// The time from `earlier` to `self`; zero if `earlier` is not earlier.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
