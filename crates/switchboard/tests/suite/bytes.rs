//! Bytes that cases send, and how they are compared. It must never print megabytes.

/// Bytes that differ from place to place, so that a lost or moved one shows.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// As `assert_eq`, without printing megabytes.
#[track_caller]
pub fn assert_same(got: &[u8], expected: &[u8]) {
    if got == expected {
        return;
    }
    let first = got.iter().zip(expected).position(|(a, b)| a != b);
    let excerpt = |bytes: &[u8]| bytes[..bytes.len().min(60)].escape_ascii().to_string();
    panic!(
        "got {} bytes, expected {}; the first that differ: {first:?}\n  {}\n  {}",
        got.len(),
        expected.len(),
        excerpt(got),
        excerpt(expected)
    );
}
