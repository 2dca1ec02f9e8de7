//! What the server says: the receipt, and one line for each limit.
//!
//! It must never decide when to say it. Both ends use this file: the server writes these bytes, and
//! `connect` recognises them.

use std::time::Duration;

use crate::limits::Limits;

/// The answer to a message, without its newline.
pub const RECEIPT: &[u8] = b"Message received";

/// How every answer begins that is not a receipt.
pub const REFUSAL_PREFIX: &[u8] = b"Error: ";

/// The answer to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Received,
    /// It came too fast after the ones before it, and was dropped.
    TooFast,
}

/// Why the server ends a connection; said in one line before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// A message was longer than the limit, so where the next one begins is unknown.
    TooLong,
    /// No message came for too long.
    Idle,
    /// There are as many clients as the limit allows.
    Full,
}

/// All answers as bytes, written once when the server starts.
///
/// An answer ends in a newline if the message did (LF, also when that was CR LF). A farewell always
/// ends in a newline: nothing follows it.
///
/// ```
/// use switchboard_chat::answers::{Answers, Verdict};
/// use switchboard_chat::limits::Limits;
///
/// let answers = Answers::new(&Limits::DEFAULT);
/// assert_eq!(answers.verdict(Verdict::Received, true), b"Message received\n");
/// assert_eq!(answers.verdict(Verdict::Received, false), b"Message received");
/// ```
#[derive(Debug, Clone)]
pub struct Answers {
    received: Vec<u8>,
    too_fast: Vec<u8>,
    too_long: Vec<u8>,
    idle: Vec<u8>,
    full: Vec<u8>,
}

impl Answers {
    /// The answers that name these limits.
    pub fn new(limits: &Limits) -> Answers {
        let per_second = limits.rate.map_or(0, |rate| rate.per_second() as usize);
        let idle = humantime::format_duration(limits.idle.unwrap_or(Duration::ZERO));
        Answers {
            received: [RECEIPT, b"\n"].concat(),
            too_fast: refusal(&format!(
                "more than {} a second; this message was not taken",
                count(per_second, "message")
            )),
            too_long: refusal(&format!(
                "message longer than {}; the server closes this connection",
                count(limits.message_bytes_max, "byte")
            )),
            idle: refusal(&format!(
                "no message for {idle}; the server closes this connection"
            )),
            full: refusal(&format!(
                "the server is full ({}); try again later",
                count(limits.clients_max, "client")
            )),
        }
    }

    /// The answer to one message, which ended in a newline or did not.
    pub fn verdict(&self, verdict: Verdict, newline: bool) -> &[u8] {
        let line = match verdict {
            Verdict::Received => &self.received,
            Verdict::TooFast => &self.too_fast,
        };
        &line[..line.len() - usize::from(!newline)]
    }

    /// The answer to a message that was not taken, for another reason than its rate.
    pub fn refused(why: &impl std::fmt::Display, newline: bool) -> Vec<u8> {
        let mut line = refusal(&why.to_string());
        line.truncate(line.len() - usize::from(!newline));
        line
    }

    /// The last line to a client.
    pub fn farewell(&self, farewell: Farewell) -> &[u8] {
        match farewell {
            Farewell::TooLong => &self.too_long,
            Farewell::Idle => &self.idle,
            Farewell::Full => &self.full,
        }
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

fn refusal(text: &str) -> Vec<u8> {
    [REFUSAL_PREFIX, text.as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_one_line_that_names_its_limit() {
        let limits = Limits {
            clients_max: 1,
            ..Limits::DEFAULT
        };
        let answers = Answers::new(&limits);
        let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(
            shown(answers.verdict(Verdict::TooFast, true)),
            "Error: more than 100 messages a second; this message was not taken\n"
        );
        assert_eq!(
            shown(answers.farewell(Farewell::TooLong)),
            "Error: message longer than 8192 bytes; the server closes this connection\n"
        );
        assert_eq!(
            shown(answers.farewell(Farewell::Idle)),
            "Error: no message for 10m; the server closes this connection\n"
        );
        assert_eq!(
            shown(answers.farewell(Farewell::Full)),
            "Error: the server is full (1 client); try again later\n"
        );
    }

    #[test]
    fn the_answer_ends_as_the_message_did() {
        let answers = Answers::new(&Limits::DEFAULT);
        assert_eq!(answers.verdict(Verdict::Received, false), RECEIPT);
        assert!(
            answers
                .verdict(Verdict::TooFast, true)
                .ends_with(b"taken\n")
        );
        assert!(answers.verdict(Verdict::TooFast, false).ends_with(b"taken"));
    }
}
