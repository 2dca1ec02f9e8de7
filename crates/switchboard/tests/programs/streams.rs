//! What bytes are sent, and whether those that came are the right ones.
//! It must never compare byte by byte what a whole comparison can tell: programs send megabytes.

use std::sync::OnceLock;

/// After so many bytes a row begins again: a prime number, and more than a connection carries.
const PERIOD: usize = 1_048_583;

/// The longest row that is taken out in one piece.
const LONGEST: usize = 512 * 1024;

/// How far apart neighbouring rows begin.
const APART: usize = 40_503;

/// A row of bytes: a part of an endless one that no other row is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    row: usize,
    from: usize,
    pub len: usize,
}

impl Content {
    /// The n-th message that a program makes itself.
    pub fn fresh(n: usize, len: usize) -> Content {
        let row = 2 * n;
        Content { row, from: 0, len }
    }

    /// A part of all that the n-th peer sends.
    pub fn of_peer(n: usize, from: usize, len: usize) -> Content {
        let row = 2 * n + 1;
        Content { row, from, len }
    }

    pub fn bytes(&self) -> &'static [u8] {
        static ALL: OnceLock<Vec<u8>> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let mut random = fastrand::Rng::with_seed(0);
            let period: Vec<u8> = (0..PERIOD).map(|_| random.u8(..)).collect();
            let (again, _) = period.split_at(LONGEST);
            [&period, again].concat()
        });
        let start = (self.row * APART + self.from) % PERIOD;
        &all[start..start + self.len]
    }

    /// How many bytes at the beginning of `bytes`, which are not more than ours, are ours.
    pub fn common(&self, bytes: &[u8]) -> usize {
        let ours = &self.bytes()[..bytes.len()];
        if ours == bytes {
            return bytes.len();
        }
        let differs = ours.iter().zip(bytes).position(|(a, b)| a != b);
        differs.unwrap_or(bytes.len())
    }
}

/// How `received` came of the sends that were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// All of them, each once and in order.
    Whole,
    /// A beginning of that.
    Beginning,
}

/// Compares what a peer received with what was accepted for it.
///
/// # Errors
/// The first place at which it is neither all nor a beginning.
pub fn match_exactly(received: &[u8], sent: &[Content]) -> Result<Match, usize> {
    let mut at = 0;
    for content in sent {
        let rest = &received[at..];
        let common = content.common(&rest[..rest.len().min(content.len)]);
        at += common;
        if common < content.len {
            return if at == received.len() {
                Ok(Match::Beginning)
            } else {
                Err(at)
            };
        }
    }
    if at == received.len() {
        Ok(Match::Whole)
    } else {
        Err(at)
    }
}

/// As [`match_exactly`], where any send but the newest may have been dropped as a whole. `Whole`
/// means that the newest one came.
///
/// # Errors
/// The last place up to which there is an explanation.
pub fn match_with_drops(received: &[u8], sent: &[Content]) -> Result<Match, usize> {
    // Every length of a beginning of `received` that some of the sends so far explain.
    let mut explained = vec![0];
    let mut furthest = 0;
    let mut beginning = received.is_empty();
    let mut whole = sent.is_empty() && received.is_empty();
    for (i, content) in sent.iter().enumerate() {
        for at in explained.clone() {
            let rest = &received[at..];
            let common = content.common(&rest[..rest.len().min(content.len)]);
            furthest = furthest.max(at + common);
            let end = at + content.len;
            if common == content.len {
                whole |= i + 1 == sent.len() && end == received.len();
                if !explained.contains(&end) {
                    explained.push(end);
                }
            }
            beginning |= at + common == received.len();
        }
    }
    match (whole, beginning) {
        (true, _) => Ok(Match::Whole),
        (false, true) => Ok(Match::Beginning),
        (false, false) => Err(furthest),
    }
}

/// The judges themselves, against lies of every kind.
pub fn a_byte_more_less_or_elsewhere_is_found() {
    let sent: Vec<Content> = (0..4).map(|n| Content::fresh(n, 10 * n)).collect();
    let all: Vec<u8> = sent.iter().flat_map(Content::bytes).copied().collect();
    for judge in [match_exactly, match_with_drops] {
        assert_eq!(judge(&all, &sent), Ok(Match::Whole));
        assert_eq!(judge(&all[..25], &sent), Ok(Match::Beginning));
        assert!(judge(&[&all[..], &[0]].concat(), &sent).is_err());
        assert!(judge(&all[1..], &sent).is_err());
        let doubled = [&all[..10], &all[..]].concat();
        assert_eq!(judge(&doubled, &sent), Err(10));
    }
    let (second, last) = (&all[10..30], &all[30..]);
    assert!(match_exactly(last, &sent).is_err());
    assert_eq!(match_with_drops(last, &sent), Ok(Match::Whole));
    assert_eq!(match_with_drops(second, &sent), Ok(Match::Beginning));
    let cut = [&second[..5], last].concat();
    assert!(match_with_drops(&cut, &sent).is_err());
}
