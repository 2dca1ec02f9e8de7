//! Frames that end where the program says, which may say something else after each: asynchat's
//! three kinds of terminator.
//! It must never look at a byte that was searched already, except to compare it with a terminator
//! whose last byte has come.

use bytes::Bytes;

use super::{Codec, DEFAULT_MAX, Frame, find};
use crate::{Error, Result};

/// What ends a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// These bytes, which are not part of the frame. If there are none, the same as `None`.
    Bytes(Bytes),
    /// The frame has this many bytes. One of 0 bytes is given at once, and behind it the
    /// terminator is `None` until the program sets another.
    Count(usize),
    /// Nothing: whatever has arrived is a frame.
    None,
}

impl From<usize> for Terminator {
    fn from(count: usize) -> Terminator {
        Terminator::Count(count)
    }
}

impl From<&[u8]> for Terminator {
    fn from(bytes: &[u8]) -> Terminator {
        Terminator::Bytes(Bytes::copy_from_slice(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Terminator {
    fn from(bytes: &[u8; N]) -> Terminator {
        bytes.as_slice().into()
    }
}

impl From<&str> for Terminator {
    fn from(text: &str) -> Terminator {
        text.as_bytes().into()
    }
}

impl From<Bytes> for Terminator {
    fn from(bytes: Bytes) -> Terminator {
        Terminator::Bytes(bytes)
    }
}

/// A frame ends with a [`Terminator`], which can be changed between two frames: from within
/// `handle_frame` it takes effect with the very next byte. So one reads a head that ends with an
/// empty line, and then as many bytes as it announced.
///
/// A stream that ends within a frame is reported as unfinished.
///
/// Each byte is searched once, for the terminator's last byte; where that occurs, the bytes before
/// it are compared with the others.
///
/// ```
/// use switchboard::codec::{Codec, Terminated};
///
/// let mut codec = Terminated::new(b"\r\n\r\n");
/// let stream = b"Length: 5\r\n\r\nhello";
/// let head = codec.decode(stream)?.expect("it is whole");
/// assert_eq!(head.bytes, b"Length: 5");
/// codec.set_terminator(5);
/// let body = codec.decode(&stream[head.consumed..])?.expect("it is whole");
/// assert_eq!(body.bytes, b"hello");
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Terminated {
    terminator: Terminator,
    max: usize,
    /// So many bytes are known to hold no end of the terminator.
    searched: usize,
}

impl Terminated {
    /// Frames of up to 64 KiB that end with `terminator`: bytes, a text or a number of bytes.
    pub fn new(terminator: impl Into<Terminator>) -> Terminated {
        Terminated {
            terminator: terminator.into(),
            max: DEFAULT_MAX,
            searched: 0,
        }
    }

    /// The most bytes of one frame, its terminator not counted (default 64 KiB). A larger count is
    /// an error when the next byte comes; without a terminator, frames are cut at this length.
    #[must_use]
    pub fn with_max(mut self, bytes: usize) -> Terminated {
        self.max = bytes;
        self
    }

    /// What ends the next frame.
    pub fn terminator(&self) -> &Terminator {
        &self.terminator
    }

    /// Sets what ends the next frame, or the one that has begun: what of it has come is searched
    /// again.
    pub fn set_terminator(&mut self, terminator: impl Into<Terminator>) {
        self.terminator = terminator.into();
        self.searched = 0;
    }

    fn check(&self, len: usize) -> Result {
        if len <= self.max {
            return Ok(());
        }
        Err(Error::FrameTooLong {
            len: len as u64,
            limit: self.max,
        })
    }

    /// The frame that ends with `terminator`, whose last byte is `last`.
    fn search<'d>(
        &mut self,
        data: &'d [u8],
        terminator: &[u8],
        last: u8,
    ) -> Result<Option<Frame<'d>>> {
        let window = &data[..data.len().min(self.max.saturating_add(terminator.len()))];
        let mut start = self.searched.min(window.len());
        while let Some(at) = find(last, window, start) {
            start = at + 1;
            if let Some(bytes) = window[..start].strip_suffix(terminator) {
                self.searched = 0;
                return Ok(Some(Frame {
                    bytes,
                    consumed: start,
                }));
            }
        }
        self.searched = window.len();
        // The terminator may have begun with any of its bytes but the last.
        self.check((window.len() + 1).saturating_sub(terminator.len()))?;
        Ok(None)
    }
}

impl Codec for Terminated {
    fn decode<'d>(&mut self, data: &'d [u8]) -> Result<Option<Frame<'d>>> {
        let len = match &self.terminator {
            Terminator::Bytes(terminator) if let Some(&last) = terminator.last() => {
                let terminator = terminator.clone(); // shares them
                return self.search(data, &terminator, last);
            }
            Terminator::Count(0) => {
                self.terminator = Terminator::None;
                0
            }
            Terminator::Count(count) => {
                let count = *count;
                self.check(count)?;
                if data.len() < count {
                    return Ok(None);
                }
                count
            }
            Terminator::Bytes(_) | Terminator::None if data.is_empty() => return Ok(None),
            Terminator::Bytes(_) | Terminator::None => data.len().min(self.max.max(1)),
        };
        Ok(Some(Frame {
            bytes: &data[..len],
            consumed: len,
        }))
    }

    fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result {
        self.check(frame.len())?;
        match &self.terminator {
            Terminator::Bytes(terminator) if !terminator.is_empty() => {
                let start = out.len();
                out.extend_from_slice(frame);
                out.extend_from_slice(terminator);
                // It must not occur earlier either, begun by the frame's own last bytes.
                let before = &out[start..out.len() - 1];
                if memchr::memmem::find(before, terminator).is_some() {
                    out.truncate(start);
                    return Err(Error::BadFrame("a frame cannot contain its terminator"));
                }
            }
            Terminator::Count(count) if frame.len() != *count => {
                return Err(Error::BadFrame(
                    "a frame must have as many bytes as the terminator counts",
                ));
            }
            _ => out.extend_from_slice(frame),
        }
        Ok(())
    }

    fn unread_max(&self) -> usize {
        match &self.terminator {
            Terminator::Bytes(terminator) => self.max.saturating_add(terminator.len()),
            _ => self.max,
        }
    }

    fn rewind(&mut self) {
        self.searched = 0;
    }

    fn next_is_empty(&self) -> bool {
        self.terminator == Terminator::Count(0)
    }
}
