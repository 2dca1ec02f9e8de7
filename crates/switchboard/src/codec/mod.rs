//! Where one frame ends in a stream of bytes, and how one is written: the trait `Codec`, and what
//! all codecs have in common.
//! A codec must never keep bytes, know of sockets or read a clock: it looks at the unread bytes that
//! it is shown, and says how many of them are a frame.

mod framed;
mod length_prefixed;
mod lines;
mod terminated;

#[cfg(test)]
mod tests;

pub use framed::{FrameContext, FrameHandler, Framed};
pub use length_prefixed::LengthPrefixed;
pub use lines::Lines;
pub use terminated::{Terminated, Terminator};

use bytes::Bytes;

use crate::Result;

/// How long a frame may be unless the program says otherwise, in bytes: long enough for a text,
/// and a quarter of an inbox.
pub(crate) const DEFAULT_MAX: usize = 64 * 1024;

/// Splits a stream of bytes into frames, and writes frames into one.
///
/// A codec keeps no bytes. [`decode`](Self::decode) is shown all bytes that are unread, from the
/// first one on, and is shown them again, with more behind them, for as long as it finds no frame
/// in them; so it remembers how far it has searched, and the work is proportional to the bytes
/// however they are cut. [`Framed`] does that for a connection; without it, a codec works on any
/// bytes:
///
/// ```
/// use switchboard::codec::{Codec, Lines};
///
/// let mut lines = Lines::new();
/// assert!(lines.decode(b"hel")?.is_none());
/// let frame = lines.decode(b"hello\r\nwor")?.expect("its newline is there");
/// assert_eq!(frame.bytes, b"hello");
/// assert_eq!(frame.consumed, 7); // the caller takes these off before it asks again
/// # Ok::<(), switchboard::Error>(())
/// ```
pub trait Codec: 'static {
    /// Looks for the frame at the beginning of `data`: all bytes that were not consumed yet. From
    /// one call to the next they may grow at their end only, except for what a frame consumed.
    /// Copies nothing: the frame is a part of `data`.
    ///
    /// # Errors
    /// What is there can never be a frame, or is longer than the codec allows
    /// ([`Error::FrameTooLong`](crate::Error::FrameTooLong)). Nothing that follows can be told apart
    /// then: close.
    fn decode<'d>(&mut self, data: &'d [u8]) -> Result<Option<Frame<'d>>>;

    /// What `data`, in which `decode` finds no frame, is at the end of the stream. By default no
    /// frame.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_at_end<'d>(&mut self, data: &'d [u8]) -> Result<Option<Frame<'d>>> {
        let _ = data;
        Ok(None)
    }

    /// Appends `frame`, as it is sent, to `out`.
    ///
    /// # Errors
    /// `frame` cannot be sent so that the same codec decodes it again: it is too long, or contains
    /// what ends it. `out` is left as it was.
    fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result;

    /// The most bytes that may have to be unread before a frame is whole: what the inbox of a
    /// connection must have room for.
    fn unread_max(&self) -> usize;

    /// Forgets what was searched: somebody else has consumed bytes of an unfinished frame.
    fn rewind(&mut self) {}

    /// Whether the next frame is empty, and needs no byte to come first.
    fn next_is_empty(&self) -> bool {
        false
    }

    /// `frame` as it is sent, for one who sends it to many. One allocation, one copy.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn encoded(&self, frame: &[u8]) -> Result<Bytes> {
        let mut out = Vec::with_capacity(frame.len() + 16);
        self.encode(frame, &mut out)?;
        Ok(out.into())
    }
}

/// A frame, as a part of the bytes in which it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'d> {
    /// What it holds, without what marks its beginning or its end.
    pub bytes: &'d [u8],
    /// How many bytes at the beginning of the data it takes up, with those marks.
    pub consumed: usize,
}

/// Where `byte` first is in `data`, from `start` on.
fn find(byte: u8, data: &[u8], start: usize) -> Option<usize> {
    let found = memchr::memchr(byte, &data[start..]).map(|offset| start + offset);
    #[cfg(test)]
    tests::note_searched(found.map_or(data.len(), |at| at + 1) - start);
    found
}
