//! The server's answers out of the client's bytes.
//!
//! It must never show or count them: both kinds of client do that in their own way.
//!
//! Servers of this program answer in lines. One that ends nothing with a newline (the tutorial's)
//! is understood too: its pauses end its answers.

use std::fmt::{self, Display, Formatter};

use crate::framing::Step;
use crate::limits::{Limits, as_ns};
use crate::stream::MessageStream;

/// The longest answer that is waited for. Real ones have less than a hundred bytes.
pub const REPLY_BYTES_MAX: usize = 64 * 1024;

/// What the server sends has no end; the connection is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTooLong;

impl Display for ReplyTooLong {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the server sent more than {REPLY_BYTES_MAX} bytes without a newline; \
             is it a switchboard server?"
        )
    }
}

impl std::error::Error for ReplyTooLong {}

/// The answers of one connection.
#[derive(Debug, Clone)]
pub struct Replies {
    stream: MessageStream,
}

impl Default for Replies {
    fn default() -> Replies {
        let pause_ns = Limits::DEFAULT.pause.map(as_ns);
        Replies {
            stream: MessageStream::new(REPLY_BYTES_MAX, pause_ns),
        }
    }
}

impl Replies {
    /// Calls `each` with every answer that is whole, and returns how many bytes they took.
    ///
    /// `data` is all that was received and not consumed. Call it when bytes came, at the
    /// [`deadline`](Self::deadline), and after [`end`](Self::end).
    ///
    /// # Errors
    /// [`ReplyTooLong`]; answers before that one were passed on.
    pub fn take(
        &mut self,
        data: &[u8],
        now_ns: u64,
        mut each: impl FnMut(&[u8]),
    ) -> Result<usize, ReplyTooLong> {
        let mut taken = 0;
        loop {
            match self.stream.next(&data[taken..], now_ns) {
                Step::Message { text, consumed, .. } => {
                    each(text);
                    taken += consumed;
                }
                Step::NeedMore => return Ok(taken),
                Step::TooLong => return Err(ReplyTooLong),
            }
        }
    }

    /// The server has finished sending: the rest is an answer too.
    pub fn end(&mut self) {
        self.stream.end();
    }

    /// When to call [`Replies::take`] again although nothing came.
    pub fn deadline(&self) -> Option<u64> {
        self.stream.deadline()
    }
}
