//! How many messages one client may send in how much time.
//!
//! It must never read a clock or hold a queue: a message over the rate is refused at once.
//!
//! A token bucket in one number, the form known as the generic cell rate algorithm (ITU-T I.371):
//! instead of a count of tokens and the time of its last update, it keeps the time at which the
//! bucket will be full again. Nothing has to be refilled, and an idle client costs nothing.

use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

/// A rate that is the same for all clients, and how much of it may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    interval_ns: u64,
    depth_ns: u64,
}

impl Rate {
    /// `per_second` messages a second in the long run, `burst` at once after a quiet time.
    ///
    /// Zero counts as one in both, since a client that may say nothing is not a client. The
    /// interval is rounded down to whole nanoseconds: 3 a second allow one more in 9 years.
    pub const fn new(per_second: u32, burst: u32) -> Rate {
        let per_second = if per_second == 0 { 1 } else { per_second };
        let burst = if burst == 0 { 1 } else { burst };
        let interval_ns = SECOND_NS / per_second as u64;
        // A rate of more than one message a nanosecond would make the interval zero: no limit.
        Rate {
            per_second,
            interval_ns,
            depth_ns: interval_ns * burst as u64,
        }
    }

    /// One in `interval`, and `burst` at once after a quiet time (zero counts as one).
    pub const fn every(interval: Duration, burst: u32) -> Rate {
        let interval_ns = interval.as_nanos() as u64;
        let burst = if burst == 0 { 1 } else { burst };
        Rate {
            per_second: (SECOND_NS / if interval_ns == 0 { 1 } else { interval_ns }) as u32,
            interval_ns,
            depth_ns: interval_ns.saturating_mul(burst as u64),
        }
    }

    /// The messages a second, rounded down.
    pub const fn per_second(self) -> u32 {
        self.per_second
    }
}

/// One client's bucket. It starts full.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    full_at_ns: u64,
}

impl Bucket {
    /// Takes one message's worth; `false` if there is none left, and then nothing is taken.
    pub fn take(&mut self, rate: Rate, now_ns: u64) -> bool {
        let full_at_ns = self.full_at_ns.max(now_ns).saturating_add(rate.interval_ns);
        if full_at_ns - now_ns > rate.depth_ns {
            return false;
        }
        self.full_at_ns = full_at_ns;
        true
    }

    /// Whether nothing has been taken, as far as it still counts.
    pub fn is_full(&self, now_ns: u64) -> bool {
        self.full_at_ns <= now_ns
    }

    /// How long until [`take`](Bucket::take) succeeds again; zero if it does now.
    pub fn wait_ns(&self, rate: Rate, now_ns: u64) -> u64 {
        let full_at_ns = self.full_at_ns.max(now_ns).saturating_add(rate.interval_ns);
        (full_at_ns - now_ns).saturating_sub(rate.depth_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate::new(10, 3);
        let mut bucket = Bucket::default();
        let now_ns = 5 * SECOND_NS;
        assert_eq!(
            [0; 5].map(|_| bucket.take(rate, now_ns)),
            [true, true, true, false, false]
        );
        assert!(!bucket.take(rate, now_ns + SECOND_NS / 10 - 1));
        assert!(bucket.take(rate, now_ns + SECOND_NS / 10));
        assert!(!bucket.take(rate, now_ns + SECOND_NS / 10));
        let later_ns = now_ns + 3600 * SECOND_NS;
        assert_eq!(
            [0; 4].map(|_| bucket.take(rate, later_ns)),
            [true, true, true, false]
        );
    }

    #[test]
    fn the_wait_is_as_long_as_it_says() {
        let rate = Rate::every(Duration::from_secs(60), 2);
        let mut bucket = Bucket::default();
        assert!(bucket.take(rate, 0) && bucket.take(rate, 0) && !bucket.take(rate, 0));
        let wait_ns = bucket.wait_ns(rate, 0);
        assert_eq!(wait_ns, 60 * SECOND_NS);
        assert!(!bucket.take(rate, wait_ns - 1));
        assert!(bucket.take(rate, wait_ns));
        assert_eq!(Rate::every(Duration::from_millis(100), 1).per_second(), 10);
    }

    /// The textbook bucket, with fractions of a token.
    struct Model {
        tokens_ns: u64,
        updated_ns: u64,
    }

    proptest! {
        #[test]
        fn it_is_a_token_bucket(
            per_second in 1_u32..2000,
            burst in 1_u32..50,
            gaps_ns in prop::collection::vec(0_u64..SECOND_NS / 100, 1..300),
        ) {
            let rate = Rate::new(per_second, burst);
            let depth_ns = rate.interval_ns * u64::from(burst);
            let mut bucket = Bucket::default();
            let mut model = Model { tokens_ns: depth_ns, updated_ns: 0 };
            let mut now_ns = 0;
            for gap_ns in gaps_ns {
                now_ns += gap_ns;
                model.tokens_ns = depth_ns.min(model.tokens_ns + now_ns - model.updated_ns);
                model.updated_ns = now_ns;
                let expected = model.tokens_ns >= rate.interval_ns;
                if expected {
                    model.tokens_ns -= rate.interval_ns;
                }
                prop_assert_eq!(bucket.take(rate, now_ns), expected);
            }
        }
    }
}
