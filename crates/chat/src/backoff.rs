//! How long to wait before the next try to connect.
//!
//! It must never draw random numbers or wait: the caller passes a random number in and arms the
//! timer.
//!
//! The wait doubles from a quarter of a second to half a minute, and half of each wait is random
//! ("equal jitter", Marc Brooker, *Exponential Backoff And Jitter*, 2015), so that the clients of a
//! server that comes back do not arrive all at once.

use std::time::Duration;

const FIRST_MS: u64 = 250;
const LONGEST_MS: u64 = 30_000;

/// Counts the tries in a row.
#[derive(Debug, Clone)]
pub struct Backoff {
    tries: u32,
    tries_max: u32,
}

impl Backoff {
    /// Gives up after `tries_max` tries in a row.
    pub const fn new(tries_max: u32) -> Backoff {
        Backoff {
            tries: 0,
            tries_max,
        }
    }

    /// How long to wait before the next try; `None`: give up.
    pub fn next(&mut self, random: u64) -> Option<Duration> {
        if self.tries == self.tries_max {
            return None;
        }
        let doublings = self.tries.min(LONGEST_MS.ilog2());
        self.tries += 1;
        let wait_ms = (FIRST_MS << doublings).min(LONGEST_MS);
        Some(Duration::from_millis(
            wait_ms / 2 + random % (wait_ms / 2 + 1),
        ))
    }

    /// The try that [`Backoff::next`] announced last, counted from 1.
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// It worked: the next failure starts from the beginning.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let mut backoff = Backoff::new(9);
        // The largest random part: the remainder of this number is always all of it.
        let longest = |backoff: &mut Backoff, half: u64| backoff.next(half).map(|d| d.as_millis());
        for whole in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            assert_eq!(longest(&mut backoff, whole / 2), Some(u128::from(whole)));
        }
        assert_eq!((backoff.next(7), backoff.tries()), (None, 9));
        backoff.reset();
        assert_eq!(backoff.next(0), Some(Duration::from_millis(125)));
    }

    #[test]
    fn very_many_tries_do_not_overflow() {
        let mut backoff = Backoff::new(1000);
        for _ in 0..1000 {
            assert!(backoff.next(u64::MAX).unwrap() <= Duration::from_secs(30));
        }
        assert_eq!(backoff.next(0), None);
    }
}
