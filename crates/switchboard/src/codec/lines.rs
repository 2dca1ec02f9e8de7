//! Lines of text: each ends with LF, or with CR LF.
//! It must never look at a byte twice for a newline, nor look into the text between two.

use super::{Codec, DEFAULT_MAX, Frame, find};
use crate::{Error, Result};

/// A frame is a line, without its newline: LF, or CR LF. A CR elsewhere is text, and an empty line
/// is a frame.
///
/// What stands behind the last newline when the stream ends is a line too, as for most programs that
/// read text (see [`with_last_line`](Self::with_last_line)).
///
/// ```
/// use switchboard::codec::{Codec, Lines};
///
/// let mut out = Vec::new();
/// Lines::new().encode(b"250 OK", &mut out)?;
/// Lines::new().with_crlf().encode(b"250 OK", &mut out)?;
/// assert_eq!(out, b"250 OK\n250 OK\r\n");
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    max: usize,
    crlf: bool,
    last_line: bool,
    /// So many bytes are known to hold no newline.
    searched: usize,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::new()
    }
}

impl Lines {
    /// Lines of up to 64 KiB, sent with LF.
    pub const fn new() -> Lines {
        Lines {
            max: DEFAULT_MAX,
            crlf: false,
            last_line: true,
            searched: 0,
        }
    }

    /// The most bytes of one line, its newline not counted (default 64 KiB).
    #[must_use]
    pub const fn with_max(mut self, bytes: usize) -> Lines {
        self.max = bytes;
        self
    }

    /// Ends the lines that are sent with CR LF, as most protocols of the internet ask. Received
    /// lines may end with either.
    #[must_use]
    pub const fn with_crlf(mut self) -> Lines {
        self.crlf = true;
        self
    }

    /// Whether a last line without a newline is a line (default true). Where a cut line could be
    /// mistaken for a whole one, say false: it is reported as unfinished then.
    #[must_use]
    pub const fn with_last_line(mut self, is_line: bool) -> Lines {
        self.last_line = is_line;
        self
    }

    fn too_long<T>(&self, len: usize) -> Result<T> {
        Err(Error::FrameTooLong {
            len: len as u64,
            limit: self.max,
        })
    }
}

impl Codec for Lines {
    fn decode<'d>(&mut self, data: &'d [u8]) -> Result<Option<Frame<'d>>> {
        // Whatever comes behind the longest line and its newline decides nothing.
        let window = &data[..data.len().min(self.unread_max())];
        let Some(newline) = find(b'\n', window, self.searched.min(window.len())) else {
            self.searched = window.len();
            let text = window.strip_suffix(b"\r").unwrap_or(window);
            if text.len() > self.max {
                return self.too_long(text.len());
            }
            return Ok(None);
        };
        let line = &window[..newline];
        let bytes = line.strip_suffix(b"\r").unwrap_or(line);
        if bytes.len() > self.max {
            return self.too_long(bytes.len());
        }
        self.searched = 0;
        Ok(Some(Frame {
            bytes,
            consumed: newline + 1,
        }))
    }

    fn decode_at_end<'d>(&mut self, data: &'d [u8]) -> Result<Option<Frame<'d>>> {
        if data.is_empty() || !self.last_line {
            return Ok(None);
        }
        if data.len() > self.max {
            return self.too_long(data.len());
        }
        self.searched = 0;
        Ok(Some(Frame {
            bytes: data,
            consumed: data.len(),
        }))
    }

    fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result {
        if frame.len() > self.max {
            return self.too_long(frame.len());
        }
        if memchr::memchr(b'\n', frame).is_some() {
            return Err(Error::BadFrame("a line cannot contain a newline"));
        }
        if !self.crlf && frame.ends_with(b"\r") {
            return Err(Error::BadFrame(
                "a line that ends with CR cannot be sent with LF: it would be read as CR LF",
            ));
        }
        out.extend_from_slice(frame);
        out.extend_from_slice(if self.crlf { b"\r\n" } else { b"\n" });
        Ok(())
    }

    fn unread_max(&self) -> usize {
        self.max.saturating_add(2)
    }

    fn rewind(&mut self) {
        self.searched = 0;
    }
}
