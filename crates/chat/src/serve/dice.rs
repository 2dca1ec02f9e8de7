//! Random bytes that nobody can guess, and that a seed repeats: for nonces, salts and invitations.
//!
//! It must never be seeded by anything but the reactor's own randomness, or a replay would differ.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A stream of random bytes (ChaCha20): whoever sees some cannot tell the next ones.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha20Rng);

impl Default for Dice {
    fn default() -> Dice {
        Dice(ChaCha20Rng::from_seed([0; 32]))
    }
}

impl Dice {
    /// From the reactor's randomness.
    pub(super) fn new(mut word: impl FnMut() -> u64) -> Dice {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            part.copy_from_slice(&word().to_le_bytes());
        }
        Dice(ChaCha20Rng::from_seed(seed))
    }

    /// Another stream, independent of what this one gives later.
    pub(super) fn split(&mut self) -> Dice {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Dice(ChaCha20Rng::from_seed(seed))
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
