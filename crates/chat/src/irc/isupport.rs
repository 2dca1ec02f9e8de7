//! What the server can do, as the lines of `005 RPL_ISUPPORT`.
//!
//! It must never say what is not so: whoever owns a limit adds its token, from the number that the
//! limit is.
//!
//! The source is <https://modern.ircdocs.horse/#rplisupport-005>.

use std::fmt::Write;

use super::numeric::RPL_ISUPPORT;
use super::write::{Line, text_room};

/// The most tokens of one line.
pub const TOKENS_IN_A_LINE_MAX: usize = 13;

/// The longest token, in bytes, its value escaped. A longer value is cut.
pub const TOKEN_BYTES_MAX: usize = 300;

/// The tokens, in the order in which they were added.
///
/// ```
/// use switchboard_chat::irc::isupport::Isupport;
///
/// let mut isupport = Isupport::new();
/// isupport.flag("UTF8ONLY").value("NETWORK", "Tea House").value("NICKLEN", 32);
/// let mut out = Vec::new();
/// isupport.write(&mut out, "s", "ada");
/// let line = ":s 005 ada UTF8ONLY NETWORK=Tea\\x20House NICKLEN=32 :are supported by this server\r\n";
/// assert_eq!(String::from_utf8(out).unwrap(), line);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isupport {
    tokens: Vec<String>,
}

impl Isupport {
    /// Without tokens.
    pub fn new() -> Isupport {
        Isupport::default()
    }

    /// Adds a token without a value.
    pub fn flag(&mut self, key: &str) -> &mut Isupport {
        self.add(key, "")
    }

    /// Adds `KEY=value`, or replaces what was said of the key before. An empty value is none.
    ///
    /// Of the key, letters and digits are written, as capitals; a space, a backslash, an equals sign
    /// and a control character in the value become `\xNN`.
    pub fn value(&mut self, key: &str, value: impl ToString) -> &mut Isupport {
        self.add(key, &value.to_string())
    }

    /// The tokens as they are sent, for a batch of them or a change later on.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Appends the lines for `client`, each with as many tokens as fit. Allocates only if `out` has
    /// no room.
    pub fn write(&self, out: &mut Vec<u8>, server: &str, client: &str) {
        let room = text_room(server, RPL_ISUPPORT.digits(), &[client])
            .saturating_sub(RPL_ISUPPORT.text().len());
        let mut rest = self.tokens.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |token: &&String| {
                bytes += token.len() + 1;
                bytes <= room
            };
            let tokens = rest.iter().take(TOKENS_IN_A_LINE_MAX);
            let count = tokens.take_while(fits).count().max(1);
            let (line, later) = rest.split_at(count);
            rest = later;
            Line::new(out)
                .numeric(server, RPL_ISUPPORT, client)
                .params(line.iter().map(String::as_str))
                .text(RPL_ISUPPORT.text());
        }
    }

    fn add(&mut self, key: &str, value: &str) -> &mut Isupport {
        let letters = key.chars().filter(char::is_ascii_alphanumeric);
        let mut token: String = letters.map(|c| c.to_ascii_uppercase()).collect();
        token.truncate(TOKEN_BYTES_MAX - 1);
        if token.is_empty() {
            return self;
        }
        let known = |other: &String| other.split('=').next() == Some(token.as_str());
        let known = self.tokens.iter().position(known);
        if !value.is_empty() {
            token.push('=');
            push_escaped(&mut token, value);
        }
        match known {
            Some(index) => self.tokens[index] = token,
            None => self.tokens.push(token),
        }
        self
    }
}

fn push_escaped(token: &mut String, value: &str) {
    for c in value.chars() {
        let before = token.len();
        if c.is_ascii_control() || matches!(c, ' ' | '\\' | '=') {
            // Writing to a `String` cannot fail.
            let _ = write!(token, "\\x{:02X}", u32::from(c));
        } else {
            token.push(c);
        }
        if token.len() > TOKEN_BYTES_MAX {
            token.truncate(before);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;
    use proptest::prelude::*;

    /// The tokens of each line.
    fn lines(isupport: &Isupport, server: &str, client: &str) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        isupport.write(&mut out, server, client);
        let text = String::from_utf8(out).unwrap();
        let tokens = |line: &str| {
            let message = Message::from_server(line.as_bytes()).unwrap();
            assert_eq!(message.command, "005");
            let (text, params) = message.params.split_last().unwrap();
            assert_eq!(*text, "are supported by this server");
            params[1..]
                .iter()
                .map(|token| (*token).to_owned())
                .collect()
        };
        text.split_terminator("\r\n").map(tokens).collect()
    }

    #[test]
    fn a_line_has_thirteen_tokens() {
        let mut isupport = Isupport::new();
        assert_eq!(lines(&isupport, "s", "me"), [[""; 0]; 0]);
        for number in 0..30 {
            isupport.value(&format!("K{number}"), number);
        }
        let lengths: Vec<usize> = lines(&isupport, "s", "me").iter().map(Vec::len).collect();
        assert_eq!(lengths, [13, 13, 4]);
    }

    #[test]
    fn a_line_is_no_longer_than_lines_are() {
        let mut isupport = Isupport::new();
        for key in ["A", "B", "C"] {
            isupport.value(key, "x".repeat(1000));
        }
        let lines = lines(&isupport, "irc.example.org", "somebody");
        assert_eq!(lines.concat(), isupport.tokens());
        assert_eq!(lines.len(), 3);
        assert!(
            lines
                .iter()
                .flatten()
                .all(|token| token.len() == TOKEN_BYTES_MAX)
        );
    }

    #[test]
    fn values_are_escaped() {
        let mut isupport = Isupport::new();
        isupport
            .value("network", r"a b\c=d")
            .value("X", "1\r\n")
            .value("EMPTY", "");
        assert_eq!(
            isupport.tokens(),
            [r"NETWORK=a\x20b\x5Cc\x3Dd", r"X=1\x0D\x0A", "EMPTY"]
        );
    }

    #[test]
    fn the_last_word_on_a_key_counts() {
        let mut isupport = Isupport::new();
        isupport
            .value("NICKLEN", 9)
            .flag("WHOX")
            .value("NICKLEN", 32)
            .flag("- ");
        assert_eq!(isupport.tokens(), ["NICKLEN=32", "WHOX"]);
    }

    proptest! {
        #[test]
        fn every_token_arrives_once(
            drawn in prop::collection::vec((".{0,20}", "(?s).{0,90}"), 0..40),
            client in "[a-z]{1,32}",
        ) {
            let mut isupport = Isupport::new();
            for (key, value) in &drawn {
                isupport.value(key, value);
            }
            let lines = lines(&isupport, "irc.example.org", &client);
            prop_assert_eq!(lines.concat(), isupport.tokens());
        }
    }
}
