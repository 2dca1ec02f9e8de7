//! What `connect` puts on the wire for a line: `NAME: TEXT` and a newline.
//!
//! It must never look into the text: whatever the line holds is sent. A line has no newline in it,
//! so one message stays one message.

/// Writes the messages of one client.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    prefix: Vec<u8>,
}

impl Outgoing {
    /// With a name, each message begins with `NAME: `; without, with the text.
    pub fn new(name: Option<&str>) -> Outgoing {
        let prefix = name.map(|name| [name.as_bytes(), b": "].concat());
        Outgoing {
            prefix: prefix.unwrap_or_default(),
        }
    }

    /// The message for a line, newline included.
    pub fn message(&self, line: &[u8]) -> Vec<u8> {
        debug_assert!(!line.contains(&b'\n'), "a line has no newline in it");
        [&self.prefix, line, b"\n"].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line_with_its_sender() {
        assert_eq!(
            Outgoing::new(Some("ann")).message(b"hello"),
            b"ann: hello\n"
        );
        assert_eq!(Outgoing::new(Some("ann")).message(b""), b"ann: \n");
        assert_eq!(Outgoing::new(None).message(b"hello"), b"hello\n");
    }
}
