//! Where one line of IRC ends in a stream of bytes.
//!
//! It must never keep bytes of its own or look at a byte twice for a newline, and a line that is too
//! long must never cost the client more than that line.
//!
//! The library's `codec::Lines` ends the stream at a line that is too long, and [`crate::framing`]
//! lets a pause end a message; IRC wants neither: the long line is answered (`417`) and skipped, and
//! a line without its newline is never a command, since it may have been cut.

use super::message::LINE_BYTES_MAX;

/// What the bytes at hand amount to. In each case the caller takes `consumed` bytes off the front
/// before it asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A line, without its newline (LF or CR LF). It is not empty.
    Line {
        /// The line.
        line: &'a [u8],
        /// The bytes that it takes up, with its newline and the empty lines before it.
        consumed: usize,
    },
    /// A line is longer than the limit; told once for each. The rest of it is skipped as it comes.
    TooLong {
        /// The bytes of it that are here.
        consumed: usize,
    },
    /// No line is complete. What is left may be the beginning of one.
    NeedMore {
        /// Empty lines, and bytes of a line that is skipped.
        consumed: usize,
    },
}

/// The state of splitting one stream: three words, and no bytes.
///
/// However the stream is cut, each byte is searched once, and the lines are the same.
///
/// ```
/// use switchboard_chat::irc::lines::{LineSplitter, Step};
///
/// let mut splitter = LineSplitter::new();
/// assert_eq!(splitter.next(b"PIN"), Step::NeedMore { consumed: 0 });
/// let line = b"PING x".as_slice();
/// assert_eq!(splitter.next(b"PING x\r\n\r\nPI"), Step::Line { line, consumed: 8 });
/// assert_eq!(splitter.next(b"\r\nPI"), Step::NeedMore { consumed: 2 });
/// ```
#[derive(Debug, Clone)]
pub struct LineSplitter {
    line_bytes_max: usize,
    /// The first bytes of the caller's data that are known to hold no newline.
    searched: usize,
    /// Whether the rest of a line that was too long is still to come.
    skipping: bool,
}

impl Default for LineSplitter {
    fn default() -> LineSplitter {
        LineSplitter::new()
    }
}

impl LineSplitter {
    /// Lines of up to [`LINE_BYTES_MAX`] bytes.
    pub const fn new() -> LineSplitter {
        LineSplitter::with_max(LINE_BYTES_MAX)
    }

    /// Lines of up to `line_bytes_max` bytes, their newlines not counted.
    pub const fn with_max(line_bytes_max: usize) -> LineSplitter {
        LineSplitter {
            line_bytes_max,
            searched: 0,
            skipping: false,
        }
    }

    /// The most bytes that are ever left with the caller: the longest line and CR LF.
    pub const fn buffer_bytes_max(&self) -> usize {
        self.line_bytes_max.saturating_add(2)
    }

    /// Whether a line has begun that has not ended: a deadline for slow senders runs meanwhile.
    pub const fn is_within_a_line(&self) -> bool {
        self.searched > 0 || self.skipping
    }

    /// Looks for the next line in `data`: all the bytes that were not consumed, in order.
    ///
    /// `data` may grow between two calls, but only at its end. No allocation; searches only bytes
    /// that no earlier call has searched.
    pub fn next<'a>(&mut self, data: &'a [u8]) -> Step<'a> {
        debug_assert!(
            self.searched <= data.len(),
            "bytes vanished that were not consumed"
        );
        let mut start = 0_usize;
        loop {
            // One step beyond the longest line is enough to know that it is too long. What is
            // skipped has no such end.
            let end = if self.skipping {
                data.len()
            } else {
                data.len()
                    .min(start.saturating_add(self.buffer_bytes_max()))
            };
            let search_from = (start + self.searched).min(end);
            let Some(offset) = memchr::memchr(b'\n', &data[search_from..end]) else {
                return self.without_newline(&data[start..end], start);
            };
            let newline_at = search_from + offset;
            let consumed = newline_at + 1;
            self.searched = 0;
            let line = &data[start..newline_at];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            start = consumed;
            if std::mem::take(&mut self.skipping) || line.is_empty() {
                continue;
            }
            if line.len() > self.line_bytes_max {
                return Step::TooLong { consumed };
            }
            return Step::Line { line, consumed };
        }
    }

    /// `open` is the beginning of a line, with `start` bytes before it.
    fn without_newline<'a>(&mut self, open: &[u8], start: usize) -> Step<'a> {
        self.searched = 0;
        if self.skipping {
            return Step::NeedMore {
                consumed: start + open.len(),
            };
        }
        // A CR right behind the longest line may still turn out to be half of the newline.
        let line = open.strip_suffix(b"\r").unwrap_or(open);
        if line.len() > self.line_bytes_max {
            self.skipping = true;
            return Step::TooLong {
                consumed: start + open.len(),
            };
        }
        self.searched = open.len();
        Step::NeedMore { consumed: start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All lines of a stream that arrives in `chunks`; `None` stands for one that was too long.
    fn lines(max: usize, chunks: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut splitter = LineSplitter::with_max(max);
        let mut buffer = Vec::new();
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            loop {
                let (consumed, is_last) = match splitter.next(&buffer) {
                    Step::Line { line, consumed } => {
                        lines.push(Some(line.to_vec()));
                        (consumed, false)
                    }
                    Step::TooLong { consumed } => {
                        lines.push(None);
                        (consumed, false)
                    }
                    Step::NeedMore { consumed } => (consumed, true),
                };
                buffer.drain(..consumed);
                if is_last {
                    break;
                }
            }
            assert!(buffer.len() < splitter.buffer_bytes_max());
            assert!(!buffer.is_empty() <= splitter.is_within_a_line());
        }
        lines
    }

    /// The same by looking at the whole stream at once.
    fn model(max: usize, stream: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Vec::new();
        let mut pieces: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
        let unfinished = pieces.pop().unwrap_or_default();
        for piece in pieces {
            let line = piece.strip_suffix(b"\r").unwrap_or(piece);
            if !line.is_empty() {
                lines.push((line.len() <= max).then(|| line.to_vec()));
            }
        }
        let unfinished = unfinished.strip_suffix(b"\r").unwrap_or(unfinished);
        if unfinished.len() > max {
            lines.push(None);
        }
        lines
    }

    #[test]
    fn both_newlines_end_a_line_and_empty_ones_are_skipped() {
        let stream = b"\r\n\nA\nB\r\n\r\n\n\nC\rD\n";
        let expected: Vec<_> = [&b"A"[..], b"B", b"C\rD"].map(|l| Some(l.to_vec())).into();
        assert_eq!(lines(10, &[stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(lines(10, &bytes), expected);
    }

    #[test]
    fn a_long_line_costs_that_line_alone() {
        let stream = b"12345\r\n123456\r\nok\n";
        let expected = vec![Some(b"12345".to_vec()), None, Some(b"ok".to_vec())];
        assert_eq!(lines(5, &[stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(lines(5, &bytes), expected);
    }

    #[test]
    fn an_endless_line_is_told_once_and_not_kept() {
        let chunk = [b'x'; 1000];
        let mut chunks = vec![chunk.as_slice(); 100];
        chunks.push(b"\nok\n");
        assert_eq!(lines(512, &chunks), [None, Some(b"ok".to_vec())]);
    }

    #[test]
    fn the_default_bound_is_that_of_the_protocol() {
        assert_eq!(LineSplitter::new().buffer_bytes_max(), 8191 + 512);
    }

    proptest! {
        #[test]
        fn the_cut_makes_no_difference(
            chunks in prop::collection::vec("[a\r\n]{0,12}", 0..12),
            max in 1_usize..8,
        ) {
            let chunks: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
            prop_assert_eq!(lines(max, &chunks), model(max, &chunks.concat()));
        }

        #[test]
        fn any_bytes_are_split(chunks: Vec<Vec<u8>>) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(lines(16, &chunks), model(16, &chunks.concat()));
        }
    }
}
