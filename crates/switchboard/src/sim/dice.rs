//! All that is random in a simulation, drawn from its seed. Each purpose has a sequence of its
//! own, so that switching one fault off leaves the draws of the others as they were.
//! It must never draw for something that is switched off.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

use super::Fault;

/// What is drawn besides faults.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Latency,
    Jobs,
    Order,
    Hosts,
    Disk,
}

const PURPOSES: usize = 5;

pub(crate) struct Dice {
    seed: u64,
    purposes: [Rng; PURPOSES],
    faults: [Rng; Fault::ALL.len()],
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        let sequence = |number: usize| Rng::with_seed(mix(seed, number as u64));
        Dice {
            seed,
            purposes: std::array::from_fn(sequence),
            faults: std::array::from_fn(|fault| sequence(PURPOSES + fault)),
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn of(&mut self, purpose: Purpose) -> &mut Rng {
        &mut self.purposes[purpose as usize]
    }

    /// The sequence that decides how a fault looks.
    pub(crate) fn of_fault(&mut self, fault: Fault) -> &mut Rng {
        &mut self.faults[fault as usize]
    }

    /// Whether a fault of this rate happens now.
    pub(crate) fn strikes(&mut self, fault: Fault, rate: f64) -> bool {
        rate > 0.0 && self.faults[fault as usize].f64() < rate
    }
}

/// A duration from a range, its start if the range is empty.
pub(crate) fn duration(rng: &mut Rng, range: &Range<Duration>) -> Duration {
    let (start, end) = (nanos(range.start), nanos(range.end));
    if start >= end {
        return range.start;
    }
    Duration::from_nanos(rng.u64(start..end))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One step of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014): neighbouring seeds become sequences that have nothing in common.
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
