//! Which messages have been answered: what a piped `connect` waits for, and its exit status.
//!
//! It must never touch the bytes of a message; it counts. The server answers in order, exactly once
//! per message, so two numbers tell which messages are still open.

use crate::answers::{REFUSAL_PREFIX, count};

/// Messages that may be unanswered at the same time. Beyond it no more input is read, so that a
/// long file needs no long queue at either end.
pub const UNANSWERED_MAX: u64 = 1024;

/// The count of one run, over all its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipts {
    sent: u64,
    received: u64,
    refused: u64,
    lost: u64,
    input_ended: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every message was taken.
    AllReceived,
    /// Every message was answered, and some were not taken.
    SomeRefused,
    /// The connection ended, or the time was over, before every message was answered.
    Unanswered,
}

impl Outcome {
    /// The exit status: 0 if the server took every message, else 1.
    pub const fn exit_code(self) -> u8 {
        match self {
            Outcome::AllReceived => 0,
            Outcome::SomeRefused | Outcome::Unanswered => 1,
        }
    }
}

impl Receipts {
    /// A message was handed to the connection.
    pub fn message_sent(&mut self) {
        self.sent += 1;
    }

    /// A line came from the server. One that answers no open message (a farewell to an idle client)
    /// counts for nothing.
    pub fn line_received(&mut self, line: &[u8]) {
        if self.unanswered() == 0 {
            return;
        }
        if line.starts_with(REFUSAL_PREFIX) {
            self.refused += 1;
        } else {
            self.received += 1;
        }
    }

    /// The connection is gone, and with it the answers under way. Those messages are not sent
    /// again: the server may have taken them, and twice is worse than not knowing.
    pub fn connection_lost(&mut self) {
        self.lost += self.unanswered();
    }

    /// There will be no more messages.
    pub fn input_ended(&mut self) {
        self.input_ended = true;
    }

    /// Messages on this connection without an answer.
    pub const fn unanswered(&self) -> u64 {
        self.sent - self.received - self.refused - self.lost
    }

    /// Whether another message may be sent now.
    pub const fn has_room(&self) -> bool {
        self.unanswered() < UNANSWERED_MAX
    }

    /// The outcome, once nothing can change any more: the input has ended and no answer is open.
    pub fn outcome(&self) -> Option<Outcome> {
        (self.input_ended && self.unanswered() == 0).then(|| self.outcome_now())
    }

    /// The outcome if the run ends at this moment.
    pub fn outcome_now(&self) -> Outcome {
        if self.unanswered() + self.lost > 0 || !self.input_ended {
            Outcome::Unanswered
        } else if self.refused > 0 {
            Outcome::SomeRefused
        } else {
            Outcome::AllReceived
        }
    }

    /// One line for the person who ran it; `None` if all is well, or nothing was sent at all.
    pub fn summary(&self) -> Option<String> {
        let Receipts {
            sent,
            received,
            refused,
            ..
        } = *self;
        let open = self.unanswered() + self.lost;
        match self.outcome_now() {
            Outcome::AllReceived => None,
            Outcome::Unanswered if sent == 0 => None,
            Outcome::SomeRefused => Some(format!(
                "the server took {received} of {sent} messages and refused {refused}"
            )),
            Outcome::Unanswered if open == 0 => Some(format!(
                "the input was not sent to its end; the server took {}",
                count(received as usize, "message")
            )),
            Outcome::Unanswered => Some(format!("{open} of {sent} messages were not answered")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIPT: &[u8] = b"Message received";

    fn sent(messages: u64) -> Receipts {
        let mut receipts = Receipts::default();
        (0..messages).for_each(|_| receipts.message_sent());
        receipts
    }

    #[test]
    fn done_when_the_input_has_ended_and_all_is_answered() {
        let mut receipts = sent(2);
        receipts.line_received(RECEIPT);
        receipts.line_received(RECEIPT);
        assert_eq!(receipts.outcome(), None);
        assert_eq!(
            receipts.outcome_now(),
            Outcome::Unanswered,
            "more input was to come"
        );
        receipts.input_ended();
        assert_eq!(receipts.outcome(), Some(Outcome::AllReceived));
        assert_eq!(
            (receipts.summary(), Outcome::AllReceived.exit_code()),
            (None, 0)
        );
    }

    #[test]
    fn no_input_is_all_of_it() {
        let mut receipts = Receipts::default();
        receipts.input_ended();
        assert_eq!(receipts.outcome(), Some(Outcome::AllReceived));
    }

    #[test]
    fn a_refusal_answers_a_message_but_is_no_success() {
        let mut receipts = sent(3);
        receipts.input_ended();
        receipts.line_received(RECEIPT);
        receipts.line_received(b"Error: more than 100 messages a second");
        assert_eq!(receipts.outcome(), None);
        receipts.line_received(RECEIPT);
        assert_eq!(receipts.outcome(), Some(Outcome::SomeRefused));
        assert_eq!(
            receipts.summary().unwrap(),
            "the server took 2 of 3 messages and refused 1"
        );
    }

    #[test]
    fn what_was_under_way_when_the_server_left_is_lost() {
        let mut receipts = sent(3);
        receipts.line_received(RECEIPT);
        receipts.connection_lost();
        assert_eq!(receipts.unanswered(), 0);
        receipts.message_sent();
        receipts.line_received(RECEIPT);
        receipts.input_ended();
        assert_eq!(receipts.outcome(), Some(Outcome::Unanswered));
        assert_eq!(
            receipts.summary().unwrap(),
            "2 of 4 messages were not answered"
        );
        assert_eq!(Outcome::Unanswered.exit_code(), 1);
    }

    #[test]
    fn input_that_was_not_sent_is_told_with_what_was() {
        let mut receipts = sent(1);
        receipts.line_received(RECEIPT);
        receipts.connection_lost();
        assert_eq!(
            receipts.summary().unwrap(),
            "the input was not sent to its end; the server took 1 message"
        );
    }

    #[test]
    fn a_farewell_to_an_idle_client_answers_nothing() {
        let mut receipts = sent(1);
        receipts.line_received(RECEIPT);
        receipts.line_received(b"Error: no message for 10m; the server closes this connection");
        receipts.message_sent();
        assert_eq!(receipts.unanswered(), 1);
    }

    #[test]
    fn the_window_is_bounded() {
        let mut receipts = sent(UNANSWERED_MAX - 1);
        assert!(receipts.has_room());
        receipts.message_sent();
        assert!(!receipts.has_room());
        receipts.line_received(RECEIPT);
        assert!(receipts.has_room());
    }
}
