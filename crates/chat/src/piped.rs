//! A client whose messages come from a pipe or a file: every line is sent, every answer is waited
//! for.
//!
//! It must never touch a descriptor: input and answers go in, messages go to the `send` of the
//! caller, answers are appended to `out`. It holds one unfinished line and what one read brought
//! behind it, and asks for more input only when there is room.

use std::fmt::{self, Display, Formatter};

use crate::escape::Escaped;
use crate::framing::{Decoder, Step};
use crate::outgoing::Outgoing;
use crate::receipts::Receipts;
use crate::replies::{Replies, ReplyTooLong};

/// The longest line of input; the server's own limit is mostly far below it.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The input has a line that no server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong;

impl Display for LineTooLong {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the input has a line of more than {LINE_BYTES_MAX} bytes; is it a text?"
        )
    }
}

impl std::error::Error for LineTooLong {}

/// The state of one run.
#[derive(Debug, Clone)]
pub struct Piped {
    lines: Decoder,
    input: Vec<u8>,
    /// Bytes at the front of `input` that were sent.
    sent_bytes: usize,
    input_ended: bool,
    connected: bool,
    /// Lines wait for room in the outbox or among the unanswered.
    blocked: bool,
    outgoing: Outgoing,
    replies: Replies,
    receipts: Receipts,
    answer_wait_ns: Option<u64>,
    last_progress_ns: u64,
}

impl Piped {
    /// A run that waits at most `answer_wait_ns` for the next answer; `None` is for ever.
    pub fn new(name: Option<&str>, answer_wait_ns: Option<u64>) -> Piped {
        Piped {
            lines: Decoder::newline_only(LINE_BYTES_MAX),
            input: Vec::new(),
            sent_bytes: 0,
            input_ended: false,
            connected: false,
            blocked: false,
            outgoing: Outgoing::new(name),
            replies: Replies::default(),
            receipts: Receipts::default(),
            answer_wait_ns,
            last_progress_ns: 0,
        }
    }

    /// Whether to read more input now: not without a connection, or it would pile up here.
    pub fn wants_input(&self) -> bool {
        self.connected && !self.blocked && !self.input_ended
    }

    /// What was read from the input. [`Piped::send_lines`] comes next.
    pub fn input(&mut self, bytes: &[u8]) {
        debug_assert!(self.wants_input(), "input that nobody asked for");
        // Sent lines are dropped here, once a read, and not once a line.
        self.input.drain(..std::mem::take(&mut self.sent_bytes));
        self.input.extend_from_slice(bytes);
    }

    /// The input has ended. [`Piped::send_lines`] comes next.
    pub fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// A new connection stands.
    pub fn connected(&mut self) {
        self.connected = true;
        self.replies = Replies::default();
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.connected = false;
        self.receipts.connection_lost();
    }

    /// Sends the lines that are whole, while there is room for them. `send` says `false` if it has
    /// no room for a message, and gets that message again next time.
    ///
    /// Call it after input, after answers, on a new connection, and when the outbox has room again.
    /// Without a connection it does nothing.
    ///
    /// # Errors
    /// [`LineTooLong`]; the lines before that one were sent.
    pub fn send_lines(
        &mut self,
        now_ns: u64,
        mut send: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), LineTooLong> {
        if !self.connected {
            return Ok(());
        }
        loop {
            let data = &self.input[self.sent_bytes..];
            let step = match self.lines.next(data) {
                Step::NeedMore if self.input_ended => self.lines.on_end(data),
                step => step,
            };
            let (text, consumed) = match step {
                Step::Message { text, consumed, .. } => (text, consumed),
                Step::NeedMore => break,
                Step::TooLong => return Err(LineTooLong),
            };
            if !self.receipts.has_room() || !send(&self.outgoing.message(text)) {
                self.blocked = true;
                return Ok(());
            }
            if self.receipts.unanswered() == 0 {
                self.last_progress_ns = now_ns;
            }
            self.receipts.message_sent();
            self.sent_bytes += consumed;
        }
        self.blocked = false;
        if self.input_ended {
            self.receipts.input_ended();
        }
        Ok(())
    }

    /// Writes the answers in `data` to `out`, a line each, and returns how many bytes they took; see
    /// [`Replies::take`]. [`Piped::send_lines`] comes next: there may be room again.
    ///
    /// # Errors
    /// [`ReplyTooLong`]: the caller closes the connection.
    pub fn received(
        &mut self,
        data: &[u8],
        now_ns: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, ReplyTooLong> {
        let (receipts, progress_ns) = (&mut self.receipts, &mut self.last_progress_ns);
        self.replies.take(data, now_ns, |reply| {
            out.extend_from_slice(Escaped::new(reply).to_string().as_bytes());
            out.push(b'\n');
            receipts.line_received(reply);
            *progress_ns = now_ns;
        })
    }

    /// The server has finished sending; call [`Piped::received`] once more for the rest.
    pub fn server_ended(&mut self) {
        self.replies.end();
    }

    /// When to call [`Piped::received`] again although nothing came.
    pub fn reply_deadline(&self) -> Option<u64> {
        self.replies.deadline()
    }

    /// When the next answer is overdue: look at [`Piped::timed_out`] then. It never moves back
    /// while messages are unanswered.
    pub fn answer_deadline(&self) -> Option<u64> {
        let wait_ns = self
            .answer_wait_ns
            .filter(|_| self.receipts.unanswered() > 0)?;
        Some(self.last_progress_ns.saturating_add(wait_ns))
    }

    /// Whether the next answer is overdue.
    pub fn timed_out(&self, now_ns: u64) -> bool {
        self.answer_deadline().is_some_and(|at_ns| at_ns <= now_ns)
    }

    /// The count, with the outcome and the summary.
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }
}
