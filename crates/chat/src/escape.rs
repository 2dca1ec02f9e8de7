//! How bytes from strangers are shown on a terminal.
//!
//! It must never let a byte through that a terminal acts on, or that makes text look like other
//! text: what comes out is printable and reads back without doubt.
//!
//! Printable Unicode stays as it is. Invalid UTF-8, and C0 controls and DEL, become `\xNN` (`\n`,
//! `\r` and `\t` where those have a name), a backslash becomes `\\`. The rest that is invisible or
//! turns the reading order round becomes `\u{NNNN}`: C1 controls, line and paragraph separators,
//! bidirectional embeddings, overrides and isolates, zero-width spaces, tag characters (see Unicode
//! Technical Report #36, and CVE-2021-42574 for what overrides do to a reader). The joiners
//! U+200C and U+200D stay: emoji and several scripts need them.

use std::fmt::{self, Display, Formatter, Write};

/// Bytes as text that is safe to print, at most so many bytes of it.
///
/// ```
/// use switchboard_chat::escape::Escaped;
///
/// assert_eq!(Escaped::new(b"caf\xc3\xa9 \x1b[2J").to_string(), r"café \x1b[2J");
/// assert_eq!(Escaped::new(b"hello world").limit(5).to_string(), "hello… (6 bytes more)");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    shown_bytes_max: usize,
}

impl<'a> Escaped<'a> {
    /// All of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Escaped<'a> {
        Escaped {
            bytes,
            shown_bytes_max: usize::MAX,
        }
    }

    /// Stops before the output, without the note on what is missing, would be longer than
    /// `shown_bytes_max` bytes. No escape sequence or character is cut in two.
    pub const fn limit(self, shown_bytes_max: usize) -> Escaped<'a> {
        Escaped {
            shown_bytes_max,
            ..self
        }
    }
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut shown_bytes = 0;
        let mut taken = 0;
        for piece in pieces(self.bytes) {
            shown_bytes += piece.shown_bytes();
            if shown_bytes > self.shown_bytes_max {
                return write!(f, "… ({} bytes more)", self.bytes.len() - taken);
            }
            piece.write(f)?;
            taken += piece.source_bytes();
        }
        Ok(())
    }
}

/// Whether `c` is shown as itself.
pub fn is_plain(c: char) -> bool {
    c != '\\' && !c.is_control() && !is_deceptive(c)
}

/// Writes `c`, escaped if it has to be.
///
/// # Errors
/// Those of `out`.
pub fn write_char(out: &mut impl Write, c: char) -> fmt::Result {
    Piece::Char(c).write(out)
}

/// Characters that show nothing or change how their neighbours are read.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}')
}

#[derive(Debug, Clone, Copy)]
enum Piece {
    Char(char),
    Invalid(u8),
}

impl Piece {
    fn source_bytes(self) -> usize {
        match self {
            Piece::Char(c) => c.len_utf8(),
            Piece::Invalid(_) => 1,
        }
    }

    fn shown_bytes(self) -> usize {
        match self {
            Piece::Char('\n' | '\r' | '\t' | '\\') => 2,
            Piece::Char(c) if is_plain(c) => c.len_utf8(),
            Piece::Char(c) if c.is_ascii() => 4,
            // `\u{` and `}` around the hexadecimal digits.
            Piece::Char(c) => 4 + (u32::from(c).ilog2() as usize) / 4 + 1,
            Piece::Invalid(_) => 4,
        }
    }

    fn write(self, out: &mut impl Write) -> fmt::Result {
        match self {
            Piece::Char('\n') => out.write_str("\\n"),
            Piece::Char('\r') => out.write_str("\\r"),
            Piece::Char('\t') => out.write_str("\\t"),
            Piece::Char('\\') => out.write_str("\\\\"),
            Piece::Char(c) if is_plain(c) => out.write_char(c),
            Piece::Char(c) if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
            Piece::Char(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
            Piece::Invalid(byte) => write!(out, "\\x{byte:02x}"),
        }
    }
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = Piece> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(Piece::Char);
        valid.chain(chunk.invalid().iter().copied().map(Piece::Invalid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> String {
        Escaped::new(bytes).to_string()
    }

    #[test]
    fn terminal_commands_are_shown_and_not_run() {
        assert_eq!(shown(b"\x1b[2J\x07"), r"\x1b[2J\x07");
        assert_eq!(shown("\u{9b}2J".as_bytes()), r"\u{9b}2J");
        assert_eq!(shown(b"\x7f\0"), r"\x7f\x00");
        assert_eq!(shown(b"a\r\nb\tc"), r"a\r\nb\tc");
    }

    #[test]
    fn text_that_lies_about_its_order_or_lines_is_shown() {
        assert_eq!(
            shown("a\u{202e}b\u{2066}c\u{2028}d".as_bytes()),
            r"a\u{202e}b\u{2066}c\u{2028}d"
        );
        assert_eq!(shown("\u{e0041}".as_bytes()), r"\u{e0041}");
    }

    #[test]
    fn people_can_read_their_own_scripts() {
        let text = "Grüße, 世界, שלום, 👩\u{200d}🚀, e\u{301}";
        assert_eq!(shown(text.as_bytes()), text);
    }

    #[test]
    fn invalid_utf8_is_shown_byte_by_byte() {
        assert_eq!(shown(b"ok\xff\xc3(\xe2\x82"), r"ok\xff\xc3(\xe2\x82");
    }

    #[test]
    fn an_escape_cannot_be_forged_by_typing_it() {
        assert_ne!(shown(br"\x1b"), shown(b"\x1b"));
    }

    #[test]
    fn nothing_is_cut_in_two() {
        let text = "ab\u{1b}é".as_bytes();
        let limited = |limit| Escaped::new(text).limit(limit).to_string();
        assert_eq!(limited(8), r"ab\x1bé");
        assert_eq!(limited(7), r"ab\x1b… (2 bytes more)");
        assert_eq!(limited(5), r"ab… (3 bytes more)");
        assert_eq!(limited(0), "… (5 bytes more)");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_what_comes_out_is_printable(bytes: Vec<u8>) {
            prop_assert!(shown(&bytes).chars().all(|c| !c.is_control() && !is_deceptive(c)));
        }

        #[test]
        fn the_bound_holds(bytes: Vec<u8>, limit in 0_usize..200) {
            let limited = Escaped::new(&bytes).limit(limit).to_string();
            let shown_bytes = limited.rfind("… (").unwrap_or(limited.len());
            prop_assert!(shown_bytes <= limit);
        }

        #[test]
        fn the_length_is_known_before_it_is_written(c: char) {
            let mut text = String::new();
            write_char(&mut text, c).unwrap();
            prop_assert_eq!(text.len(), Piece::Char(c).shown_bytes());
        }
    }
}
