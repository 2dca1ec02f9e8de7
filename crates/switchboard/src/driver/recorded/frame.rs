//! Frames: a length, a checksum and what they stand for, so that a file that was cut short or
//! changed is noticed. It must never believe a length whose own checksum does not fit.
//!
//! A frame is three numbers of four bytes each, the lowest byte first: the length of its payload,
//! the payload's CRC-32, and the CRC-32 of those eight bytes. With a checksum of its own a broken
//! length cannot pass for a frame that was cut short.

use std::io::{self, Read};

/// The three numbers in front of a payload.
pub(super) const FRAME_HEAD: usize = 12;

/// Appends `payload` as one frame.
pub(super) fn put_frame(out: &mut Vec<u8>, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD]);
    out.extend_from_slice(payload);
    seal_frame(&mut out[start..]);
}

/// Makes a frame of a payload that has room for the three numbers in front of it.
pub(super) fn seal_frame(frame: &mut [u8]) {
    let (head, payload) = frame.split_at_mut(FRAME_HEAD);
    // Longer than 4 GiB it cannot be: the recorder cuts frames, and one entry holds a read, a
    // call, or an outbox, whose bound is a number of 32 bits.
    let len = payload.len() as u32;
    head[..4].copy_from_slice(&len.to_le_bytes());
    head[4..8].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let own = crc32fast::hash(&head[..8]);
    head[8..].copy_from_slice(&own.to_le_bytes());
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Frame,
    /// The file ends here, as it should.
    End,
    /// It ends within a frame: whoever wrote it was stopped.
    Torn,
    /// A checksum does not fit.
    Corrupt,
}

/// Reads one frame's payload into `payload`, of which at most `left` bytes can be there.
pub(super) fn read_frame(
    file: &mut impl Read,
    left: u64,
    payload: &mut Vec<u8>,
) -> io::Result<Found> {
    payload.clear();
    let mut head = [0; FRAME_HEAD];
    match read_full(file, &mut head)? {
        0 => return Ok(Found::End),
        FRAME_HEAD => {}
        _ => return Ok(Found::Torn),
    }
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if head == [0; FRAME_HEAD] {
        return Ok(Found::Torn); // some file systems fill up with zeros what a crash has cut
    }
    if number(8) != crc32fast::hash(&head[..8]) {
        return Ok(Found::Corrupt);
    }
    let len = u64::from(number(0));
    if len > left.saturating_sub(FRAME_HEAD as u64) {
        return Ok(Found::Torn);
    }
    payload.resize(len as usize, 0);
    if read_full(file, payload)? < payload.len() {
        return Ok(Found::Torn);
    }
    if number(4) != crc32fast::hash(payload) {
        return Ok(Found::Corrupt);
    }
    Ok(Found::Frame)
}

/// Fills `buffer` as far as the file goes, and says how far that is.
fn read_full(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
