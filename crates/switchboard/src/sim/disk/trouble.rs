//! What goes wrong on a simulated disk: how often, by the world's word, and how badly, by dice of
//! the disk's own. It must never draw for what is switched off.

use std::io;

use fastrand::Rng;

use crate::sim::dice::mix;
use crate::sim::failures::{disk_failed, disk_full};
use crate::sim::{Counts, Fault, Faults};

/// Of a disk, and apart from the world, since its jobs have no other way to it.
pub(super) struct Trouble {
    rates: Faults,
    /// For errors, and for a disk that is full.
    dice: [Rng; 2],
    pub(super) counts: Counts,
}

impl Trouble {
    pub(super) fn new(seed: u64) -> Trouble {
        Trouble {
            rates: Faults::none(),
            dice: [0, 1].map(|number| Rng::with_seed(mix(seed, number))),
            counts: Counts::default(),
        }
    }

    pub(super) fn set(&mut self, rates: &Faults) {
        self.rates.clone_from(rates);
    }

    /// Dice that say how it looks, if a fault happens now.
    fn strike(&mut self, fault: Fault) -> Option<&mut Rng> {
        let rate = self.rates.rate(fault);
        let rng = &mut self.dice[usize::from(fault == Fault::DiskFull)];
        if rate <= 0.0 || rng.f64() >= rate {
            return None;
        }
        self.counts.count(fault);
        Some(rng)
    }

    /// What happens to a write of `len` bytes, and how many of them are written then: not all.
    pub(super) fn of_write(&mut self, len: usize) -> Option<(Fault, usize)> {
        [Fault::DiskError, Fault::DiskFull]
            .into_iter()
            .find_map(|fault| {
                let rng = self.strike(fault)?;
                Some((fault, rng.usize(..len.max(1))))
            })
    }

    /// Dice that say what has become of all that was to be synced, if that fails.
    pub(super) fn of_sync(&mut self) -> Option<&mut Rng> {
        self.strike(Fault::DiskError)
    }
}

/// What a program sees of it.
pub(super) fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::DiskFull => disk_full(),
        _ => disk_failed(),
    }
}
