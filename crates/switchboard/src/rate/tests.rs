//! The bucket against a model that counts, nanosecond by nanosecond's worth.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

proptest! {
    /// What is given away between any two moments is a burst, and what the time between them
    /// makes, at most; and whoever takes all that is there gets no less than that in the end.
    #[test]
    fn the_rate_is_kept_and_reached(
        per_second in 1u32..2_000_000,
        burst in 1u32..100_000,
        portion in 0u32..1000,
        steps in proptest::collection::vec(0u64..3_000_000_000, 1..40),
    ) {
        let mut bucket = Bucket::new(Rate::per_second(per_second).with_burst(burst), portion);
        let (mut now, mut taken) = (0, 0u64);
        for step in &steps {
            now += step;
            let there = bucket.available(Time::from_nanos(now));
            prop_assert!(there == 0 || there >= bucket.portion);
            bucket.take(there, Time::from_nanos(now));
            taken += u64::from(there);
            // A token for each call may come a nanosecond early.
            let early = steps.len() as u64;
            let earned = u128::from(per_second) * u128::from(now + early) / u128::from(SECOND);
            prop_assert!(u128::from(taken) <= u128::from(burst) + earned);
            let next = bucket.ready_at().as_nanos().max(now);
            prop_assert!(bucket.available(Time::from_nanos(next)) >= bucket.portion);
            if next > now {
                prop_assert_eq!(bucket.available(Time::from_nanos(next - 1)), 0);
            }
        }
    }
}

#[test]
fn a_full_bucket_is_one_burst() {
    let mut bucket = Bucket::new(Rate::per_second(10).with_burst(3), 1);
    let at = |millis: u64| Time::from_nanos(millis * 1_000_000);
    bucket.take(bucket.available(at(5000)), at(5000));
    assert_eq!(bucket.available(at(5099)), 0);
    assert_eq!(bucket.ready_at(), at(5100));
    assert_eq!(bucket.available(at(5100)), 1);
    assert_eq!(bucket.available(at(60_000)), 3);
}

#[test]
fn new_bounds_are_no_rest() {
    let now = Time::from_nanos(SECOND);
    let mut bucket = Bucket::new(Rate::per_second(10), 1);
    bucket.take(10, now);
    let slower = Bucket::new(Rate::per_second(5), 1).after(&bucket, now);
    assert_eq!(slower.available(now), 0);
    bucket.take(1000, now);
    let other = Bucket::new(Rate::per_second(5), 1).after(&bucket, now);
    assert_eq!(other.ready_at(), now + Duration::from_millis(200));
}

#[test]
fn the_largest_amounts_do_not_overflow() {
    let mut bucket = Bucket::of_bytes(Rate::per_second(1).with_burst(u32::MAX));
    for _ in 0..3 {
        bucket.take(u32::MAX, Time::ZERO);
    }
    assert_eq!(bucket.available(Time::ZERO), 0);
    assert!(bucket.ready_at() > Time::from_nanos(u64::from(u32::MAX) * SECOND));
    assert_eq!(Rate::per_second(0).with_burst(0), Rate::per_second(1));
}
