//! The line at the bottom of the terminal: keys in, lines and bytes for the screen out.
//!
//! It must never read or write a terminal: what comes out is appended to a buffer of the caller's.
//!
//! The prompt and the line always take one row, so that a row can be erased and drawn again without
//! knowing where it is: a line wider than the screen is scrolled sideways. What is printed above
//! it (the server's answers, a line that was sent) may wrap as the terminal likes.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::editing::edit;
use crate::escape::{self, Escaped};
use crate::history::History;
use crate::keys::{Key, KeyParser};
use crate::line::Line;

/// Lines that the arrow keys bring back.
const HISTORY_LINES_MAX: usize = 500;

const ERASE_ROW: &[u8] = b"\r\x1b[K";
const ERASE_SCREEN: &[u8] = b"\x1b[H\x1b[2J";
const BELL: &[u8] = b"\x07";

/// What a person has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Enter: the line, perhaps empty.
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D on an empty line.
    EndOfInput,
    /// Ctrl-Z. The line stays as it is.
    Suspend,
}

/// The editor. It draws nothing before the first call of [`LineEditor::redraw`].
///
/// Keys: arrows, Home, End, Backspace, Delete, Ctrl-A and -E (beginning, end), -B and -F (left,
/// right), -U and -K (erase to the beginning, to the end), -W (erase a word), -Y (bring that back),
/// -P and -N (older, newer line), -L (clear the screen), -C, -D, -Z; Alt-B, -F, -D, -Backspace for words.
#[derive(Debug, Clone)]
pub struct LineEditor {
    keys: KeyParser,
    line: Line,
    history: History,
    prompt: String,
    columns: usize,
    /// The first byte of the line that is on the screen.
    scroll: usize,
}

impl LineEditor {
    /// An editor for lines of at most `bytes_max` bytes on a screen of `columns` columns.
    pub fn new(prompt: &str, bytes_max: usize, columns: u16) -> LineEditor {
        LineEditor {
            keys: KeyParser::default(),
            line: Line::new(bytes_max),
            history: History::new(HISTORY_LINES_MAX),
            prompt: prompt.to_owned(),
            columns: usize::from(columns),
            scroll: 0,
        }
    }

    /// Takes what the terminal sent, in pieces of any size, and draws once.
    pub fn feed(&mut self, bytes: &[u8], screen: &mut Vec<u8>) -> Vec<Entry> {
        let mut keys = Vec::new();
        for byte in bytes {
            self.keys.push(*byte, |key| keys.push(key));
        }
        let entries = keys
            .into_iter()
            .filter_map(|key| self.key(key, screen))
            .collect();
        self.redraw(screen);
        entries
    }

    /// Prints a line above the one being typed; control characters are shown, not obeyed.
    pub fn show_above(&mut self, text: &[u8], screen: &mut Vec<u8>) {
        screen.extend_from_slice(ERASE_ROW);
        screen.extend_from_slice(Escaped::new(text).to_string().as_bytes());
        screen.extend_from_slice(b"\r\n");
        self.redraw(screen);
    }

    /// The screen has another width now.
    pub fn resize(&mut self, columns: u16, screen: &mut Vec<u8>) {
        self.columns = usize::from(columns);
        self.redraw(screen);
    }

    /// Puts a line back that could not be sent, unless something else was typed already.
    pub fn restore(&mut self, text: &str, screen: &mut Vec<u8>) {
        if self.line.text().is_empty() {
            self.line.set(text);
            self.redraw(screen);
        }
    }

    /// Erases the row of the prompt: for the last words of the program, or for the shell.
    pub fn leave(&mut self, screen: &mut Vec<u8>) {
        screen.extend_from_slice(ERASE_ROW);
    }

    /// Draws the prompt and the line, and puts the cursor in its place.
    pub fn redraw(&mut self, screen: &mut Vec<u8>) {
        let prompt_columns = self.prompt.width();
        // The last column stays free: a terminal that has filled it is in a state between two rows.
        let room = self.columns.saturating_sub(prompt_columns + 1).max(1);
        self.scroll_to_cursor(room);
        screen.extend_from_slice(ERASE_ROW);
        screen.extend_from_slice(self.prompt.as_bytes());
        let mut column = prompt_columns;
        let mut cursor_column = prompt_columns;
        let mut at = self.scroll;
        for grapheme in self.line.text()[self.scroll..].graphemes(true) {
            let shown = shown(grapheme);
            if column + shown.width() > prompt_columns + room {
                break;
            }
            screen.extend_from_slice(shown.as_bytes());
            column += shown.width();
            at += grapheme.len();
            if at <= self.line.cursor() {
                cursor_column = column;
            }
        }
        if cursor_column < column {
            screen.extend_from_slice(format!("\r\x1b[{cursor_column}C").as_bytes());
        }
    }

    fn key(&mut self, key: Key, screen: &mut Vec<u8>) -> Option<Entry> {
        match key {
            Key::Enter => return Some(Entry::Line(self.submit(screen))),
            Key::Ctrl('c') => return Some(Entry::Interrupt),
            Key::Ctrl('z') => return Some(Entry::Suspend),
            Key::Ctrl('d') if self.line.text().is_empty() => return Some(Entry::EndOfInput),
            Key::Ctrl('l') => screen.extend_from_slice(ERASE_SCREEN),
            key => {
                if !edit(&mut self.line, &mut self.history, key) {
                    screen.extend_from_slice(BELL);
                }
            }
        }
        None
    }

    /// The whole line stays on the screen, and a new one begins below it.
    fn submit(&mut self, screen: &mut Vec<u8>) -> String {
        let text = self.line.take();
        screen.extend_from_slice(ERASE_ROW);
        screen.extend_from_slice(self.prompt.as_bytes());
        for grapheme in text.graphemes(true) {
            screen.extend_from_slice(shown(grapheme).as_bytes());
        }
        screen.extend_from_slice(b"\r\n");
        if !text.is_empty() {
            self.history.add(&text);
        }
        text
    }

    /// Scrolls as little as possible so that the cursor is in the visible part.
    fn scroll_to_cursor(&mut self, room: usize) {
        let cursor = self.line.cursor();
        self.scroll = self
            .line
            .text()
            .floor_char_boundary(self.scroll.min(cursor));
        let mut columns = self.columns_of(self.scroll..cursor);
        let visible = &self.line.text()[self.scroll..cursor];
        let mut skipped = 0;
        for grapheme in visible.graphemes(true) {
            if columns <= room {
                break;
            }
            columns -= shown(grapheme).width();
            skipped += grapheme.len();
        }
        self.scroll += skipped;
    }

    fn columns_of(&self, range: Range<usize>) -> usize {
        self.line.text()[range]
            .graphemes(true)
            .map(|grapheme| shown(grapheme).width())
            .sum()
    }
}

/// A character as it stands on the screen. A backslash is itself here: a person knows what they
/// typed, and only what they cannot see is spelled out.
fn shown(grapheme: &str) -> String {
    let mut shown = String::with_capacity(grapheme.len());
    for c in grapheme.chars() {
        if c == '\\' {
            shown.push(c);
        } else {
            // Writing to a `String` cannot fail.
            let _ = escape::write_char(&mut shown, c);
        }
    }
    shown
}
