//! Where one message ends in a client's stream of bytes.
//!
//! It must never keep bytes of its own, read a clock or touch a socket: it looks at the bytes that
//! the caller holds and says how many of them are a message. [`crate::stream`] adds the time.
//!
//! # The rules
//! - A message ends at a newline: LF, or CR LF. The newline is no part of its text.
//! - An empty line is a message too, so that every newline gets its answer.
//! - A sender that has sent no newline yet ends its message by pausing; what it sent so far is the
//!   message. After its first newline the sender is newline-only: a pause means nothing any more.
//! - At the end of the stream the unfinished rest is a message, if there is any.
//! - A lone CR ends nothing; it is text.

/// What the bytes at hand amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A message. The caller takes `consumed` bytes off the front before it asks again.
    Message {
        /// The message without its newline.
        text: &'a [u8],
        /// The bytes that the message and its newline take up.
        consumed: usize,
        /// Whether a newline ended it (and not a pause or the end of the stream).
        newline: bool,
    },
    /// No message is complete. The caller keeps all the bytes and asks again with more behind them.
    NeedMore,
    /// The message is longer than the limit, and it is not known where it ends. Nothing that
    /// follows can be told apart, so every later call says this again: the caller answers once and
    /// closes.
    TooLong,
}

/// The state of splitting one stream: three words, and no bytes.
///
/// However the stream is cut, each byte is searched once, and the messages are the same.
///
/// ```
/// use switchboard_chat::framing::{Decoder, Step};
///
/// let mut decoder = Decoder::new(8192);
/// assert_eq!(decoder.next(b"hel"), Step::NeedMore);
/// assert_eq!(
///     decoder.next(b"hello\r\nwor"),
///     Step::Message { text: b"hello", consumed: 7, newline: true }
/// );
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    text_bytes_max: usize,
    /// The first bytes of the caller's data that are known to hold no newline.
    searched: usize,
    newline_only: bool,
    too_long: bool,
}

impl Decoder {
    /// A decoder for a stream whose sender may end messages by pausing until its first newline.
    ///
    /// `text_bytes_max` bounds the text of one message; its newline comes on top. A caller that
    /// buffers needs room for [`Decoder::buffer_bytes_max`] bytes.
    pub const fn new(text_bytes_max: usize) -> Decoder {
        Decoder {
            text_bytes_max,
            searched: 0,
            newline_only: false,
            too_long: false,
        }
    }

    /// A decoder that knows from the start that only newlines (and the end) end messages.
    pub const fn newline_only(text_bytes_max: usize) -> Decoder {
        Decoder {
            text_bytes_max,
            searched: 0,
            newline_only: true,
            too_long: false,
        }
    }

    /// The most bytes that this decoder ever leaves with its caller: the longest text and CR LF.
    /// A buffer of this size never holds back a message that is within the limit.
    pub const fn buffer_bytes_max(&self) -> usize {
        self.text_bytes_max.saturating_add(2)
    }

    /// The bytes at the front of the caller's data that belong to a message without an end so far.
    pub const fn pending(&self) -> usize {
        self.searched
    }

    /// Whether a pause ends a message: true until the first newline.
    pub const fn pause_ends_message(&self) -> bool {
        !self.newline_only && !self.too_long
    }

    /// Looks for the next message in `data`: all the bytes that were not consumed, in order.
    ///
    /// `data` may grow between two calls, but only at its end. No allocation; searches only bytes
    /// that no earlier call has searched.
    pub fn next<'a>(&mut self, data: &'a [u8]) -> Step<'a> {
        if self.too_long {
            return Step::TooLong;
        }
        debug_assert!(
            self.searched <= data.len(),
            "bytes vanished that were not consumed"
        );
        // One step beyond the longest message is enough to know that it is too long: the rest of a
        // large buffer is not searched for the newline of a message that is refused anyway.
        let end = data.len().min(self.buffer_bytes_max());
        let start = self.searched.min(end);
        let Some(offset) = memchr::memchr(b'\n', &data[start..end]) else {
            return self.need_more(&data[..end]);
        };
        let newline_at = start + offset;
        let line = &data[..newline_at];
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.len() > self.text_bytes_max {
            return self.refuse();
        }
        self.searched = 0;
        self.newline_only = true;
        Step::Message {
            text,
            consumed: newline_at + 1,
            newline: true,
        }
    }

    /// The sender has paused: what it sent so far is a message, if it never sent a newline.
    ///
    /// Ask [`Decoder::next`] first: `data` must hold no newline that was not looked for.
    pub fn on_pause<'a>(&mut self, data: &'a [u8]) -> Step<'a> {
        if self.pause_ends_message() {
            self.rest(data)
        } else {
            self.next(data)
        }
    }

    /// The stream has ended: the unfinished rest is a message. `NeedMore` means there is none.
    ///
    /// Ask [`Decoder::next`] first: `data` must hold no newline that was not looked for.
    pub fn on_end<'a>(&mut self, data: &'a [u8]) -> Step<'a> {
        if self.too_long {
            Step::TooLong
        } else {
            self.rest(data)
        }
    }

    fn rest<'a>(&mut self, data: &'a [u8]) -> Step<'a> {
        debug_assert_eq!(
            self.searched,
            data.len(),
            "bytes that no call of next() has seen"
        );
        if data.is_empty() {
            return Step::NeedMore;
        }
        if data.len() > self.text_bytes_max {
            return self.refuse();
        }
        self.searched = 0;
        Step::Message {
            text: data,
            consumed: data.len(),
            newline: false,
        }
    }

    fn need_more<'a>(&mut self, searched: &[u8]) -> Step<'a> {
        // A CR right behind the longest text may still turn out to be half of the newline.
        let text = searched.strip_suffix(b"\r").unwrap_or(searched);
        if text.len() > self.text_bytes_max {
            return self.refuse();
        }
        self.searched = searched.len();
        Step::NeedMore
    }

    fn refuse<'a>(&mut self) -> Step<'a> {
        self.too_long = true;
        self.searched = 0;
        Step::TooLong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &[u8], consumed: usize, newline: bool) -> Step<'_> {
        Step::Message {
            text,
            consumed,
            newline,
        }
    }

    #[test]
    fn a_newline_ends_a_message_and_an_empty_line_is_one() {
        let mut decoder = Decoder::new(100);
        assert_eq!(decoder.next(b"one\n\r\n\nrest"), message(b"one", 4, true));
        assert_eq!(decoder.next(b"\r\n\nrest"), message(b"", 2, true));
        assert_eq!(decoder.next(b"\nrest"), message(b"", 1, true));
        assert_eq!(decoder.next(b"rest"), Step::NeedMore);
        assert_eq!(decoder.pending(), 4);
        assert_eq!(decoder.on_end(b"rest"), message(b"rest", 4, false));
        assert_eq!(decoder.next(b""), Step::NeedMore);
        assert_eq!(decoder.on_end(b""), Step::NeedMore);
    }

    #[test]
    fn a_lone_carriage_return_is_text() {
        let mut decoder = Decoder::new(100);
        assert_eq!(decoder.next(b"a\rb\r\r\n"), message(b"a\rb\r", 6, true));
        assert_eq!(decoder.next(b"c\r"), Step::NeedMore);
        assert_eq!(decoder.on_end(b"c\r"), message(b"c\r", 2, false));
    }

    #[test]
    fn pauses_end_messages_only_before_the_first_newline() {
        let mut decoder = Decoder::new(100);
        assert!(decoder.pause_ends_message());
        assert_eq!(decoder.on_pause(b""), Step::NeedMore);
        assert_eq!(decoder.next(b"plain"), Step::NeedMore);
        assert_eq!(decoder.on_pause(b"plain"), message(b"plain", 5, false));
        assert_eq!(decoder.next(b"again"), Step::NeedMore);
        assert_eq!(decoder.on_pause(b"again"), message(b"again", 5, false));
        assert_eq!(decoder.next(b"line\nhalf"), message(b"line", 5, true));
        assert!(!decoder.pause_ends_message());
        assert_eq!(decoder.next(b"half"), Step::NeedMore);
        assert_eq!(decoder.on_pause(b"half"), Step::NeedMore);
        assert_eq!(
            decoder.next(b"half a line\n"),
            message(b"half a line", 12, true)
        );
    }

    #[test]
    fn the_limit_is_on_the_text_and_not_on_its_newline() {
        for newline in ["\n", "\r\n"] {
            let longest = format!("12345{newline}");
            assert_eq!(
                Decoder::new(5).next(longest.as_bytes()),
                message(b"12345", longest.len(), true)
            );
            let longer = format!("123456{newline}");
            assert_eq!(Decoder::new(5).next(longer.as_bytes()), Step::TooLong);
        }
        let mut decoder = Decoder::new(5);
        assert_eq!(decoder.next(b"12345\r"), Step::NeedMore);
        assert_eq!(decoder.on_end(b"12345\r"), Step::TooLong);
        let mut decoder = Decoder::new(5);
        assert_eq!(decoder.next(b"12345\r"), Step::NeedMore);
        assert_eq!(decoder.next(b"12345\r\r\n"), Step::TooLong);
    }

    #[test]
    fn too_long_is_for_ever() {
        let mut decoder = Decoder::new(3);
        assert_eq!(decoder.next(b"1234"), Step::TooLong);
        assert_eq!(decoder.next(b"1\n"), Step::TooLong);
        assert_eq!(decoder.on_pause(b"1\n"), Step::TooLong);
        assert_eq!(decoder.on_end(b"1\n"), Step::TooLong);
    }

    #[test]
    fn a_full_buffer_always_decides() {
        let decoder = Decoder::new(7);
        let full = vec![b'x'; decoder.buffer_bytes_max()];
        assert_eq!(decoder.clone().next(&full), Step::TooLong);
    }
}
