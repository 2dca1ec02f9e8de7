//! Messages out of a stream of bytes, with the clock that pauses and the end of the stream need.
//!
//! It must never arm a timer or read a clock: the caller passes the time in and asks
//! [`MessageStream::deadline`] when to come back.

use crate::framing::{Decoder, Step};

/// [`Decoder`], plus the time of the last byte and whether the sender has finished.
///
/// Times are nanoseconds of any clock that never goes back.
#[derive(Debug, Clone)]
pub struct MessageStream {
    decoder: Decoder,
    pause_ns: Option<u64>,
    last_bytes_ns: u64,
    ended: bool,
}

impl MessageStream {
    /// A stream of messages of at most `text_bytes_max` bytes, which until the first newline a
    /// gap of `pause_ns` ends; with `None` only newlines and the end of the stream do.
    pub const fn new(text_bytes_max: usize, pause_ns: Option<u64>) -> MessageStream {
        let decoder = match pause_ns {
            Some(_) => Decoder::new(text_bytes_max),
            None => Decoder::newline_only(text_bytes_max),
        };
        MessageStream {
            decoder,
            pause_ns,
            last_bytes_ns: 0,
            ended: false,
        }
    }

    /// The next message of `data`: all bytes that were not consumed, in order.
    ///
    /// Call it until it says `NeedMore`: when bytes came, at the [`deadline`](Self::deadline), and
    /// after [`end`](Self::end).
    pub fn next<'a>(&mut self, data: &'a [u8], now_ns: u64) -> Step<'a> {
        let known = self.decoder.pending();
        match self.decoder.next(data) {
            Step::NeedMore if self.ended => self.decoder.on_end(data),
            // Bytes that were not seen before come first: they may have waited in the kernel while
            // this process was busy, and a message must not be cut because *we* paused.
            Step::NeedMore if data.len() > known => {
                self.last_bytes_ns = now_ns;
                Step::NeedMore
            }
            Step::NeedMore if self.deadline().is_some_and(|at_ns| at_ns <= now_ns) => {
                self.decoder.on_pause(data)
            }
            step => step,
        }
    }

    /// The sender has finished: the rest is a message, even without a newline.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the sender has finished.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Whether bytes of an unfinished message are with the caller.
    pub const fn is_pending(&self) -> bool {
        self.decoder.pending() > 0
    }

    /// When a pause ends the message whose first bytes are there; `None` if none can.
    pub fn deadline(&self) -> Option<u64> {
        let pause_ns = self
            .pause_ns
            .filter(|_| self.decoder.pause_ends_message())?;
        self.is_pending()
            .then(|| self.last_bytes_ns.saturating_add(pause_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE_NS: u64 = 200;

    #[test]
    fn a_pause_counts_from_the_last_byte() {
        let mut stream = MessageStream::new(100, Some(PAUSE_NS));
        assert_eq!(stream.deadline(), None);
        assert_eq!(stream.next(b"hel", 1000), Step::NeedMore);
        assert_eq!(stream.deadline(), Some(1200));
        assert_eq!(stream.next(b"hello", 1150), Step::NeedMore);
        assert_eq!(stream.deadline(), Some(1350));
        assert_eq!(stream.next(b"hello", 1349), Step::NeedMore);
        let hello = Step::Message {
            text: b"hello",
            consumed: 5,
            newline: false,
        };
        assert_eq!(stream.next(b"hello", 1350), hello);
        assert_eq!(stream.deadline(), None);
    }

    #[test]
    fn bytes_that_waited_while_we_were_busy_belong_to_the_message() {
        let mut stream = MessageStream::new(100, Some(PAUSE_NS));
        assert_eq!(stream.next(b"hel", 1000), Step::NeedMore);
        assert_eq!(stream.next(b"hello", 9000), Step::NeedMore);
        assert_eq!(stream.deadline(), Some(9200));
        let line = Step::Message {
            text: b"hello",
            consumed: 6,
            newline: true,
        };
        assert_eq!(stream.next(b"hello\n", 99_000), line);
    }

    #[test]
    fn after_a_newline_no_pause_ends_anything() {
        let mut stream = MessageStream::new(100, Some(PAUSE_NS));
        assert!(matches!(stream.next(b"a\nb", 0), Step::Message { .. }));
        assert_eq!(stream.next(b"b", 0), Step::NeedMore);
        assert_eq!(stream.deadline(), None);
        assert_eq!(stream.next(b"b", u64::MAX), Step::NeedMore);
        assert!(stream.is_pending());
    }

    #[test]
    fn with_pauses_off_only_newlines_count() {
        let mut stream = MessageStream::new(100, None);
        assert_eq!(stream.next(b"b", 0), Step::NeedMore);
        assert_eq!(stream.deadline(), None);
        assert_eq!(stream.next(b"b", u64::MAX), Step::NeedMore);
    }

    #[test]
    fn the_end_makes_a_message_of_the_rest() {
        let mut stream = MessageStream::new(100, Some(PAUSE_NS));
        stream.end();
        assert!(matches!(
            stream.next(b"a\nb", 0),
            Step::Message {
                text: b"a",
                newline: true,
                ..
            }
        ));
        assert_eq!(
            stream.next(b"b", 0),
            Step::Message {
                text: b"b",
                consumed: 1,
                newline: false
            }
        );
        assert_eq!(stream.next(b"", 0), Step::NeedMore);
        assert!(stream.ended());
    }
}
