//! What a client says to a server and how it understands the answers: IRC, or what redis speaks.
//!
//! Must never hold a socket or a clock.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Bytes of the text of a message.
pub const TEXT_BYTES: usize = 64;
/// A text ends with its number, in as many digits.
pub const DIGITS: usize = 8;
/// The number of a message that nobody counts: who has heard it has heard all before it.
pub const MARK: u64 = 99_999_999;
/// Rooms that one line asks to join: with their names it stays below the 512 bytes of a line.
const ROOMS_IN_A_LINE: usize = 20;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// IRC whose receipt is the sender's own message with the id that it was stored under
    /// (`echo-message`, `message-tags`).
    IrcWithEcho,
    /// IRC without receipts; a `PING` after the message is answered once that was handled.
    Irc,
    /// Redis publish and subscribe; `PUBLISH` is answered with the number of those it was sent to.
    Redis,
}

/// What a line from the server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The client is registered.
    Welcome,
    /// What was asked last is done: `PONG`, or a number from redis.
    Answer,
    /// A message; to its sender, the receipt of an echo.
    Message,
    /// The server will not, and says why.
    Refusal,
    /// Anything else.
    Other,
}

impl Dialect {
    /// Whether a client has to say who it is.
    pub fn registers(self) -> bool {
        self != Self::Redis
    }

    /// Whether it has receipts of its own, which cost nothing beside the message.
    pub fn has_receipts(self) -> bool {
        self != Self::Irc
    }

    /// What tells the sender that its message was taken.
    pub fn receipt(self) -> Heard {
        match self {
            Self::IrcWithEcho => Heard::Message,
            Self::Irc | Self::Redis => Heard::Answer,
        }
    }

    /// Line ends in what a member receives for one message.
    pub fn lines_each(self) -> u64 {
        match self {
            Self::IrcWithEcho | Self::Irc => 1,
            // *3, $7, message, the room's length and name, the text's length and the text
            Self::Redis => 7,
        }
    }

    /// Says who it is, if that is the custom.
    pub fn greet(self, out: &mut String, nick: &str, speaks: bool) {
        if !self.registers() {
            return;
        }
        let echo = self == Self::IrcWithEcho && speaks;
        if echo {
            out.push_str("CAP REQ :echo-message message-tags server-time\r\n");
        }
        out.push_str(&format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\n"));
        if echo {
            out.push_str("CAP END\r\n");
        }
    }

    /// Asks to be in these rooms, so that there is one `Answer` when it is.
    pub fn join(self, out: &mut String, rooms: std::ops::Range<usize>) {
        let rooms: Vec<String> = rooms.map(|room| format!("#r{room}")).collect();
        for some in rooms.chunks(ROOMS_IN_A_LINE) {
            let _ = match self {
                Self::Redis => write!(out, "SUBSCRIBE {}\r\n", some.join(" ")),
                _ => write!(out, "JOIN {}\r\n", some.join(",")),
            };
        }
        if self != Self::Redis {
            out.push_str("PING :joined\r\n");
        }
    }

    /// Says `text` in a room; with `asks_receipt`, so that there is a receipt in any dialect.
    pub fn speak(self, out: &mut String, room: usize, text: &str, asks_receipt: bool) {
        // Writing to a `String` cannot fail.
        let _ = match self {
            Self::Redis => {
                let name = format!("#r{room}");
                write!(
                    out,
                    "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{name}\r\n${TEXT_BYTES}\r\n{text}\r\n",
                    name.len()
                )
            }
            _ => write!(out, "PRIVMSG #r{room} :{text}\r\n"),
        };
        if asks_receipt && !self.has_receipts() {
            out.push_str("PING :receipt\r\n");
        }
    }

    /// What a line means, which comes without its end.
    pub fn hear(self, line: &[u8]) -> Heard {
        match self {
            Self::Redis => match line.first() {
                Some(b':') => Heard::Answer,
                Some(b'-') => Heard::Refusal,
                _ => Heard::Other,
            },
            Self::IrcWithEcho | Self::Irc => hear_irc(line),
        }
    }
}

/// By the command, which follows the tags and the source.
fn hear_irc(line: &[u8]) -> Heard {
    let mut words = line.split(|byte| *byte == b' ').peekable();
    words.next_if(|word| word.starts_with(b"@"));
    words.next_if(|word| word.starts_with(b":"));
    match words.next() {
        Some(b"001") => Heard::Welcome,
        Some(b"PONG") => Heard::Answer,
        Some(b"PRIVMSG") => Heard::Message,
        // No message of the day is no refusal.
        Some(b"422") => Heard::Other,
        // 263: the client is too fast.
        Some(b"ERROR" | b"FAIL" | b"263") => Heard::Refusal,
        Some([b'4' | b'5', b'0'..=b'9', b'0'..=b'9']) => Heard::Refusal,
        _ => Heard::Other,
    }
}

/// The text of a message, which ends with its number.
pub fn text_of(number: u64) -> String {
    const REST: usize = TEXT_BYTES - DIGITS;
    format!(
        "{:<REST$}{number:0DIGITS$}",
        "What one says, all of a room hear"
    )
}

/// The number that a line ends with, if `bytes` are its last ones without its end.
pub fn number_of(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.last_chunk::<DIGITS>()?;
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_64_bytes_and_carries_its_number() {
        let text = text_of(1234);
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(number_of(text.as_bytes()), Some(1234));
        assert_eq!(number_of(b"PRIVMSG #r0 :hello"), None);
        assert_eq!(number_of(b"1234"), None);
    }

    #[test]
    fn irc_is_understood_with_and_without_tags_and_source() {
        let hear = |line: &str| Dialect::Irc.hear(line.as_bytes());
        assert_eq!(hear(":a.b 001 nick :Welcome"), Heard::Welcome);
        assert_eq!(hear(":a.b 422 nick :no MOTD"), Heard::Other);
        assert_eq!(hear(":a.b 433 * nick :in use"), Heard::Refusal);
        assert_eq!(hear(":a.b 263 nick PRIVMSG :wait"), Heard::Refusal);
        assert_eq!(hear("PONG a.b :joined"), Heard::Answer);
        assert_eq!(hear("@msgid=1 :n!u@h PRIVMSG #r0 :001"), Heard::Message);
        assert_eq!(hear("ERROR :Closing link"), Heard::Refusal);
        assert_eq!(hear(":n!u@h JOIN #r0"), Heard::Other);
    }

    #[test]
    fn a_line_of_joins_stays_below_the_limit_of_a_line() {
        let mut out = String::new();
        Dialect::Irc.join(&mut out, 0..100);
        assert!(out.lines().all(|line| line.len() < 510), "{out}");
        assert_eq!(out.matches('#').count(), 100);
    }

    #[test]
    fn redis_gets_lengths_that_are_true() {
        let mut out = String::new();
        Dialect::Redis.speak(&mut out, 17, &text_of(0), true);
        assert!(out.contains("\r\n$4\r\n#r17\r\n$64\r\n"), "{out}");
        assert_eq!(Dialect::Redis.hear(b":1000"), Heard::Answer);
    }
}
