//! One client of `serve`: which of its bytes are a message, what the answer is, when it must go.
//!
//! It must never touch a socket, a clock or the log: it is asked what to do, and told what became
//! of it. The handler's side of that is one loop:
//!
//! ```text
//! loop { match session.next(limits, data, now) {
//!     Message { .. } => log it, consume it, have it stored; if no more can be taken: session.hold()
//!     Refused { .. } => the same for a message over the rate
//!     Farewell(why)  => send that line and close; if the outbox is full: abort
//!     Close          => close (what was sent still goes out)
//!     Wait           => arm one timer for session.deadline(), and stop
//! } }
//! ```
//!
//! run when bytes came, when more can be taken again ([`Session::go_on`] first), when the timer fires, and at the end of the stream ([`Session::end`] first). That a client which still sends
//! can read its farewell is the reactor's care: a closed source sends what is in its outbox, and
//! throws away what still comes until the client has left.

use crate::answers::{Farewell, Verdict};
use crate::framing;
use crate::limits::{Limits, as_ns};
use crate::rate::Bucket;
use crate::stream::MessageStream;

/// What to do next for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A message: log it, consume, answer.
    Message {
        /// The message, as the client sent it: never show it unescaped.
        text: &'a [u8],
        /// Bytes to take off the front of the data.
        consumed: usize,
        /// What to send.
        answer: Answer,
    },
    /// A message over the rate: consume, answer.
    Refused {
        /// Bytes to take off the front of the data.
        consumed: usize,
        /// What to send.
        answer: Answer,
        /// Whether the message before was taken: log the first refusal of a row only.
        first: bool,
    },
    /// Send this line, then close. Do not ask again after that.
    Farewell(Farewell),
    /// Everything is answered and the client has finished: close when all is sent.
    Close,
    /// Nothing until more bytes, room in the outbox, or [`Session::deadline`].
    Wait,
}

/// An answer to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub verdict: Verdict,
    /// Whether it ends in a newline, as the message did.
    pub newline: bool,
}

/// The state of one client. It holds no bytes of the client's.
///
/// Times are nanoseconds of the reactor's clock.
#[derive(Debug, Clone)]
pub struct Session {
    stream: MessageStream,
    bucket: Bucket,
    last_message_ns: u64,
    /// No further message is taken: answers wait for the client to read, or messages for the disk.
    held: bool,
    refusing: bool,
}

impl Session {
    /// A client that connected at `now_ns`.
    pub fn new(limits: &Limits, now_ns: u64) -> Session {
        Session {
            stream: MessageStream::new(limits.message_bytes_max, limits.pause.map(as_ns)),
            bucket: Bucket::default(),
            last_message_ns: now_ns,
            held: false,
            refusing: false,
        }
    }

    /// What to do now; `data` is all that was received and not consumed. No allocation.
    pub fn next<'a>(&mut self, limits: &Limits, data: &'a [u8], now_ns: u64) -> Step<'a> {
        if self.held {
            return self.wait(limits, now_ns);
        }
        match self.stream.next(data, now_ns) {
            framing::Step::Message {
                text,
                consumed,
                newline,
            } => self.message(limits, now_ns, text, consumed, newline),
            framing::Step::NeedMore if self.stream.ended() => Step::Close,
            // Only now: a message that waited while this process was busy is not too late.
            framing::Step::NeedMore => self.wait(limits, now_ns),
            framing::Step::TooLong => Step::Farewell(Farewell::TooLong),
        }
    }

    /// The client has finished sending; what is left of it is its last message.
    pub fn end(&mut self) {
        self.stream.end();
    }

    /// Nothing more is taken until [`Session::go_on`].
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// There is room for more messages and their answers.
    pub fn go_on(&mut self) {
        self.held = false;
    }

    /// When to call [`Session::next`] again although nothing happened.
    pub fn deadline(&self, limits: &Limits) -> Option<u64> {
        let pause = self.stream.deadline().filter(|_| !self.held);
        self.idle_deadline(limits).into_iter().chain(pause).min()
    }

    fn message<'a>(
        &mut self,
        limits: &Limits,
        now_ns: u64,
        text: &'a [u8],
        consumed: usize,
        newline: bool,
    ) -> Step<'a> {
        self.last_message_ns = now_ns;
        if limits
            .rate
            .is_none_or(|rate| self.bucket.take(rate, now_ns))
        {
            self.refusing = false;
            let answer = Answer {
                verdict: Verdict::Received,
                newline,
            };
            return Step::Message {
                text,
                consumed,
                answer,
            };
        }
        let first = !std::mem::replace(&mut self.refusing, true);
        Step::Refused {
            consumed,
            answer: Answer {
                verdict: Verdict::TooFast,
                newline,
            },
            first,
        }
    }

    fn wait<'a>(&self, limits: &Limits, now_ns: u64) -> Step<'a> {
        if self
            .idle_deadline(limits)
            .is_none_or(|at_ns| now_ns < at_ns)
        {
            return Step::Wait;
        }
        Step::Farewell(Farewell::Idle)
    }

    fn idle_deadline(&self, limits: &Limits) -> Option<u64> {
        limits
            .idle
            .map(|idle| self.last_message_ns.saturating_add(as_ns(idle)))
    }
}
