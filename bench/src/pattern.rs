//! The bytes that are sent, chosen so that each echoed byte can be checked cheaply.
//!
//! Must never depend on how the bytes were cut into messages, writes or reads:
//! byte `n` of a connection is always the same.

use crate::scenario::LARGEST_MESSAGE;

/// A prime, so that no message or buffer size lines up with it: bytes lost,
/// doubled or swapped by whole messages are seen.
const PERIOD: usize = 65_521;

/// An endless sequence that repeats after `PERIOD` bytes.
pub struct Pattern {
    bytes: Vec<u8>,
}

impl Pattern {
    /// Fills the pattern (about 130 KB; it stays in the second-level cache).
    pub fn new() -> Self {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        // xorshift64 (Marsaglia 2003): any sequence without short repeats would do.
        let period: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .take(PERIOD)
        .collect();
        let bytes = period
            .iter()
            .copied()
            .cycle()
            .take(PERIOD + LARGEST_MESSAGE)
            .collect();
        Self { bytes }
    }

    /// Bytes from `offset` on: `most` of them, or as many as lie in one piece
    /// (never fewer than `LARGEST_MESSAGE`, if `most` is not).
    pub fn slice(&self, offset: u64, most: u64) -> &[u8] {
        let start = (offset % PERIOD as u64) as usize;
        let room = self.bytes.len() - start;
        let len = usize::try_from(most).map_or(room, |most| most.min(room));
        &self.bytes[start..start + len]
    }

    /// Whether `received` is what stands at `offset`.
    pub fn matches(&self, mut offset: u64, mut received: &[u8]) -> bool {
        while !received.is_empty() {
            let expected = self.slice(offset, received.len() as u64);
            let (head, tail) = received.split_at(expected.len());
            if head != expected {
                return false;
            }
            offset += head.len() as u64;
            received = tail;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_matches_where_it_was_taken_and_nowhere_near() {
        let pattern = Pattern::new();
        let mut stream = Vec::new();
        while stream.len() < 5 * PERIOD {
            stream.extend_from_slice(pattern.slice(stream.len() as u64, 50_000));
        }
        for (offset, len) in [(0, 64), (65_500, 300_000 - 65_500), (123_456, 65_536)] {
            let cut = &stream[offset..offset + len];
            assert!(pattern.matches(offset as u64, cut));
            assert!(!pattern.matches(offset as u64 + 64, cut), "a lost message");
            assert!(!pattern.matches(offset as u64 + 65_536, cut));
        }
    }

    #[test]
    fn one_wrong_byte_is_seen() {
        let pattern = Pattern::new();
        let mut echoed = pattern.slice(9, 64).to_vec();
        echoed[63] ^= 1;
        assert!(!pattern.matches(9, &echoed));
    }
}
