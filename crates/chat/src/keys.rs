//! Keys out of the bytes that a terminal in raw mode sends.
//!
//! It must never read a terminal or wait: bytes go in as they come, also half a key at a time.
//!
//! The parsers on crates.io either own the terminal and block (crossterm, rustyline), need each
//! sequence whole (terminput), or are meant for what programs write to a terminal (vte): with the
//! last one Alt-] begins an operating system command that swallows every further key, Ctrl-C too.
//! A person's keyboard needs the few sequences below (ECMA-48 and xterm's `ctlseqs`), and here a
//! control key always ends an unfinished one.

/// A key, as far as a line editor cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character that was typed or pasted; never a control character.
    Char(char),
    /// Ctrl and a letter, in lower case.
    Ctrl(char),
    /// Return.
    Enter,
    /// The key that erases what is left of the cursor.
    Backspace,
    /// The key that erases what is under the cursor.
    Delete,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Cursor left by a word (with Ctrl or Alt, or Alt-B).
    WordLeft,
    /// Cursor right by a word (with Ctrl or Alt, or Alt-F).
    WordRight,
    /// Erase the word left of the cursor (Alt-Backspace; Ctrl-W is `Ctrl('w')`).
    EraseWordLeft,
    /// Erase the word right of the cursor (Alt-D).
    EraseWordRight,
    /// To the beginning of the line.
    Home,
    /// To the end of the line.
    End,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Alt and a digit.
    AltDigit(u8),
    /// Escape, pressed twice: a single one may be the beginning of another key.
    Escape,
    /// A line break within what is pasted, where these are kept.
    PastedBreak,
}

/// Longer parameters belong to no key that is known here.
const PARAMETER_BYTES_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    /// After ESC: Alt and a key, or the beginning of a sequence.
    Escape,
    /// After ESC `[`: parameters, then a final byte.
    Csi,
    /// After ESC `O`: one final byte.
    Ss3,
    /// After ESC `[[`, as the Linux console begins F1 to F5: one byte.
    LinuxFunction,
}

/// Bytes to keys. It holds at most one unfinished key.
#[derive(Debug, Clone)]
pub struct KeyParser {
    state: State,
    parameters: [u8; PARAMETER_BYTES_MAX],
    parameters_len: usize,
    utf8: [u8; 4],
    utf8_len: usize,
    /// Between the marks of a bracketed paste. Line breaks are blanks in there: nothing that is
    /// pasted is sent before a person has seen it and pressed Enter.
    pasting: bool,
    keeps_breaks: bool,
}

impl Default for KeyParser {
    fn default() -> KeyParser {
        KeyParser {
            state: State::Ground,
            parameters: [0; PARAMETER_BYTES_MAX],
            parameters_len: 0,
            utf8: [0; 4],
            utf8_len: 0,
            pasting: false,
            keeps_breaks: false,
        }
    }
}

impl KeyParser {
    /// One that tells of pasted line breaks by [`Key::PastedBreak`], for whoever asks before they
    /// are sent.
    pub fn keeping_breaks() -> KeyParser {
        KeyParser {
            keeps_breaks: true,
            ..KeyParser::default()
        }
    }

    /// Takes one byte; `each` gets the keys that it completes (two, if it ends a broken one).
    pub fn push(&mut self, byte: u8, mut each: impl FnMut(Key)) {
        if byte < 0x20 {
            self.flush_broken_char(&mut each);
            self.control(byte).into_iter().for_each(each);
            return;
        }
        match self.state {
            State::Ground => self.text(byte, each),
            State::Escape => self.after_escape(byte).into_iter().for_each(each),
            State::Csi => self.csi(byte).into_iter().for_each(each),
            State::Ss3 => {
                self.state = State::Ground;
                if !self.pasting {
                    cursor_key(byte, false).into_iter().for_each(each);
                }
            }
            State::LinuxFunction => self.state = State::Ground,
        }
    }

    fn control(&mut self, byte: u8) -> Option<Key> {
        let was_escape = self.state == State::Escape;
        self.state = State::Ground;
        let key = match byte {
            0x1b if was_escape && !self.pasting => Key::Escape,
            0x1b => {
                self.state = State::Escape;
                return None;
            }
            0x03 => {
                self.pasting = false;
                return Some(Key::Ctrl('c'));
            }
            b'\r' | b'\n' if self.pasting && self.keeps_breaks => Key::PastedBreak,
            b'\r' | b'\n' | b'\t' if self.pasting => Key::Char(' '),
            _ if self.pasting => return None,
            b'\r' | b'\n' => Key::Enter,
            0x08 if was_escape => Key::EraseWordLeft,
            0x08 => Key::Backspace,
            // 1 to 26 are Ctrl-A to Ctrl-Z; the few others (NUL, 0x1c to 0x1f) edit nothing.
            0x01..=0x1a => Key::Ctrl(char::from(byte - 1 + b'a')),
            _ => return None,
        };
        Some(key)
    }

    fn text(&mut self, byte: u8, mut each: impl FnMut(Key)) {
        if byte == 0x7f {
            self.flush_broken_char(&mut each);
            if !self.pasting {
                each(Key::Backspace);
            }
            return;
        }
        if self.utf8_len > 0 && byte & 0xc0 != 0x80 {
            self.flush_broken_char(&mut each);
        }
        self.utf8[self.utf8_len] = byte;
        self.utf8_len += 1;
        match std::str::from_utf8(&self.utf8[..self.utf8_len]) {
            Ok(text) => {
                // C1 controls arrive as two bytes of UTF-8, so only here can they be told.
                text.chars()
                    .filter(|c| !c.is_control())
                    .map(Key::Char)
                    .for_each(each);
                self.utf8_len = 0;
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.flush_broken_char(&mut each),
        }
    }

    /// A character that was cut short or was none is shown as such, so that nothing goes missing
    /// in silence.
    fn flush_broken_char(&mut self, each: &mut impl FnMut(Key)) {
        if std::mem::take(&mut self.utf8_len) > 0 {
            each(Key::Char(char::REPLACEMENT_CHARACTER));
        }
    }

    fn after_escape(&mut self, byte: u8) -> Option<Key> {
        self.state = State::Ground;
        match byte {
            b'[' => {
                self.state = State::Csi;
                self.parameters_len = 0;
                None
            }
            b'O' => {
                self.state = State::Ss3;
                None
            }
            _ if self.pasting => None,
            b'b' | b'B' => Some(Key::WordLeft),
            b'f' | b'F' => Some(Key::WordRight),
            b'd' | b'D' => Some(Key::EraseWordRight),
            0x7f => Some(Key::EraseWordLeft),
            b'0'..=b'9' => Some(Key::AltDigit(byte - b'0')),
            _ => None,
        }
    }

    fn csi(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' if self.parameters_len == 0 => {
                self.state = State::LinuxFunction;
                None
            }
            // Parameters and intermediates; too many are counted on, so that they match no key.
            0x20..=0x3f => {
                if let Some(place) = self.parameters.get_mut(self.parameters_len) {
                    *place = byte;
                }
                self.parameters_len = (self.parameters_len + 1).min(PARAMETER_BYTES_MAX + 1);
                None
            }
            0x40..=0x7e => {
                self.state = State::Ground;
                self.csi_final(byte)
            }
            // No sequence has such a byte; it is dropped together with the sequence.
            _ => {
                self.state = State::Ground;
                None
            }
        }
    }

    fn csi_final(&mut self, byte: u8) -> Option<Key> {
        let parameters = self.parameters.get(..self.parameters_len)?;
        match (parameters, byte) {
            (b"200", b'~') => {
                self.pasting = true;
                return None;
            }
            (b"201", b'~') => {
                self.pasting = false;
                return None;
            }
            _ if self.pasting => return None,
            _ => {}
        }
        let (number, modifiers) = match parameters.iter().position(|byte| *byte == b';') {
            Some(at) => (&parameters[..at], &parameters[at + 1..]),
            None => (parameters, &b""[..]),
        };
        if byte != b'~' {
            // xterm counts modifiers from 1: 3 is Alt, 5 is Ctrl.
            return cursor_key(byte, matches!(modifiers, b"3" | b"5"));
        }
        match number {
            b"1" | b"7" => Some(Key::Home),
            b"4" | b"8" => Some(Key::End),
            b"3" => Some(Key::Delete),
            b"5" => Some(Key::PageUp),
            b"6" => Some(Key::PageDown),
            _ => None,
        }
    }
}

fn cursor_key(byte: u8, by_word: bool) -> Option<Key> {
    match byte {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' if by_word => Some(Key::WordRight),
        b'D' if by_word => Some(Key::WordLeft),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        b'M' => Some(Key::Enter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut parser = KeyParser::default();
        let mut keys = Vec::new();
        for byte in bytes {
            parser.push(*byte, |key| keys.push(key));
        }
        keys
    }

    fn text(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[test]
    fn text_in_any_script() {
        assert_eq!(keys("aé世👩".as_bytes()), text("aé世👩"));
    }

    #[test]
    fn broken_text_is_seen() {
        assert_eq!(keys(b"a\xffb"), text("a\u{fffd}b"));
        assert_eq!(keys(b"\xe4\xb8x"), text("\u{fffd}x"));
        assert_eq!(keys(b"\xe4\xb8\r"), [Key::Char('\u{fffd}'), Key::Enter]);
        assert_eq!(keys("\u{9b}A".as_bytes()), text("A"));
    }

    #[test]
    fn the_keys_of_common_terminals() {
        use Key::*;
        assert_eq!(keys(b"\x1b[A\x1b[B\x1b[C\x1b[D"), [Up, Down, Right, Left]);
        assert_eq!(keys(b"\x1bOA\x1bOB\x1bOC\x1bOD"), [Up, Down, Right, Left]);
        assert_eq!(
            keys(b"\x1b[H\x1b[1~\x1b[7~\x1bOH\x01"),
            [Home, Home, Home, Home, Ctrl('a')]
        );
        assert_eq!(
            keys(b"\x1b[F\x1b[4~\x1b[8~\x1bOF\x05"),
            [End, End, End, End, Ctrl('e')]
        );
        assert_eq!(
            keys(b"\x1b[1;5C\x1b[1;3D\x1bf\x1bb"),
            [WordRight, WordLeft, WordRight, WordLeft]
        );
        assert_eq!(keys(b"\x7f\x08\x1b[3~"), [Backspace, Backspace, Delete]);
        assert_eq!(
            keys(b"\x1b\x7f\x1b\x08\x1bd"),
            [EraseWordLeft, EraseWordLeft, EraseWordRight]
        );
        assert_eq!(keys(b"\r\n\x1bOM"), [Enter, Enter, Enter]);
        assert_eq!(
            keys(b"\x03\x04\x15\x1a"),
            [Ctrl('c'), Ctrl('d'), Ctrl('u'), Ctrl('z')]
        );
    }

    #[test]
    fn the_keys_of_a_full_screen() {
        use Key::*;
        assert_eq!(keys(b"\x1b[5~\x1b[6~"), [PageUp, PageDown]);
        assert_eq!(keys(b"\x1b1\x1b9"), [AltDigit(1), AltDigit(9)]);
        assert_eq!(keys(b"\x1b\x1ba"), [Escape, Char('a')]);
    }

    #[test]
    fn pasted_breaks_are_kept_for_whoever_asks() {
        let mut parser = KeyParser::keeping_breaks();
        let mut keys = Vec::new();
        for byte in b"\x1b[200~a\nb\x1b[201~\r" {
            parser.push(*byte, |key| keys.push(key));
        }
        let expected = [Key::Char('a'), Key::PastedBreak, Key::Char('b'), Key::Enter];
        assert_eq!(keys, expected);
    }

    #[test]
    fn unknown_sequences_leave_no_rubbish_in_the_line() {
        assert_eq!(
            keys(b"\x1b[15~\x1b[[A\x1bOP\x1b[?1;2c\x1b[123456789;1R\x1bxa"),
            text("a")
        );
    }

    #[test]
    fn a_control_key_ends_whatever_was_unfinished() {
        for start in [
            &b"\x1b"[..],
            b"\x1b[",
            b"\x1b[1;",
            b"\x1bO",
            b"\x1b[[",
            b"\x1b]0;",
            b"\x1b[200~x",
        ] {
            let mut bytes = start.to_vec();
            bytes.push(0x03);
            assert_eq!(keys(&bytes).last(), Some(&Key::Ctrl('c')), "{start:?}");
        }
    }

    #[test]
    fn a_paste_sends_nothing_and_commands_nothing() {
        assert_eq!(keys(b"\x1b[200~a\r\nb\tc\x04\x1b[A\x7f\x1b[201~\r"), {
            let mut expected = text("a  b c");
            expected.push(Key::Enter);
            expected
        });
    }

    #[test]
    fn ctrl_c_ends_a_paste_whose_end_was_lost() {
        let interrupt_then_enter = [Key::Ctrl('c'), Key::Enter];
        assert_eq!(keys(b"\x1b[200~\x03\r"), interrupt_then_enter);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_control_character(bytes: Vec<u8>) {
            for key in keys(&bytes) {
                if let Key::Char(c) = key {
                    prop_assert!(!c.is_control());
                }
            }
        }

        #[test]
        fn typed_text_arrives_whole(typed in "\\PC{0,40}") {
            prop_assert_eq!(keys(typed.as_bytes()), text(&typed));
        }
    }
}
