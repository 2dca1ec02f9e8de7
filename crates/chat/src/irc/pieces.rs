//! What a client has to say, as lines that no server has to cut. It must never lose a byte of it.

use super::write::{Line, cut};

/// Bytes of text in one line: 512 without the longest source, the command and the longest room.
pub const TEXT_BYTES: usize = 300;

/// A line with those of the tags that have a value.
pub fn tagged<'b, const N: usize>(
    out: &'b mut Vec<u8>,
    tags: [(&str, Option<&str>); N],
) -> Line<'b> {
    let mut line = Line::new(out);
    for (key, value) in tags {
        if let Some(value) = value {
            line = line.tag(key, value);
        }
    }
    line
}

/// A text as lines that fit, and whether each goes on where the one before it has ended.
pub fn pieces(text: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    for line in text.split('\n') {
        let mut rest = line;
        let mut goes_on = false;
        loop {
            let piece = cut(rest, TEXT_BYTES);
            pieces.push((piece, goes_on));
            rest = &rest[piece.len()..];
            goes_on = true;
            if rest.is_empty() {
                break;
            }
        }
    }
    pieces
}
