//! The line being typed: its text, its cursor, and what can be done to both.
//!
//! It must never draw or know a key. The cursor moves by what a person calls a character (grapheme
//! clusters, Unicode Standard Annex #29), so that an emoji or an accented letter is one step.

use unicode_segmentation::UnicodeSegmentation;

/// A text of at most so many bytes with a cursor in it.
#[derive(Debug, Clone)]
pub struct Line {
    text: String,
    /// A byte offset on a character boundary.
    cursor: usize,
    bytes_max: usize,
    killed: String,
}

impl Line {
    /// An empty line that never grows beyond `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Line {
        Line {
            text: String::new(),
            cursor: 0,
            bytes_max,
            killed: String::new(),
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cursor as a byte offset into the text.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Inserts at the cursor; `false` if the line is full, and then nothing changes.
    pub fn insert(&mut self, c: char) -> bool {
        if self.text.len() + c.len_utf8() > self.bytes_max {
            return false;
        }
        self.text.insert(self.cursor, c);
        self.cursor += c.len_utf8();
        true
    }

    /// Puts `text` in the place of what stands between `start`, a byte offset on a character boundary,
    /// and the cursor; `false` if there is no room, and then nothing changes.
    pub fn replace_left(&mut self, start: usize, text: &str) -> bool {
        let start = self.text.floor_char_boundary(start.min(self.cursor));
        if self.text.len() - (self.cursor - start) + text.len() > self.bytes_max {
            return false;
        }
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
        true
    }

    /// Takes the text; the line is empty afterwards.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Replaces the text, as far as there is room; the cursor is at its end.
    pub fn set(&mut self, text: &str) {
        let end = text.floor_char_boundary(self.bytes_max);
        text[..end].clone_into(&mut self.text);
        self.cursor = end;
    }

    /// One character to the left.
    pub fn left(&mut self) {
        self.cursor = self.before();
    }

    /// One character to the right.
    pub fn right(&mut self) {
        self.cursor = self.after();
    }

    /// To the beginning of this word, or of the one before.
    pub fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    /// To the end of this word, or of the next one.
    pub fn word_right(&mut self) {
        self.cursor = self.word_after();
    }

    /// To the beginning.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// To the end.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// Erases the character left of the cursor.
    pub fn erase_left(&mut self) {
        self.erase_from(self.before());
    }

    /// Erases the character under the cursor.
    pub fn erase_right(&mut self) {
        let end = self.after();
        self.text.replace_range(self.cursor..end, "");
    }

    /// Erases the word left of the cursor, and keeps it for [`Line::yank`].
    pub fn kill_word_left(&mut self) {
        let start = self.word_before();
        self.text[start..self.cursor].clone_into(&mut self.killed);
        self.erase_from(start);
    }

    /// Erases the word right of the cursor, and keeps it for [`Line::yank`].
    pub fn kill_word_right(&mut self) {
        let end = self.word_after();
        self.killed = self.text.drain(self.cursor..end).collect();
    }

    /// Erases all left of the cursor, and keeps it for [`Line::yank`].
    pub fn kill_to_start(&mut self) {
        self.text[..self.cursor].clone_into(&mut self.killed);
        self.erase_from(0);
    }

    /// Erases all right of the cursor, and keeps it for [`Line::yank`].
    pub fn kill_to_end(&mut self) {
        self.killed = self.text.split_off(self.cursor);
    }

    /// Inserts what was killed last, as far as there is room; `false` if that is not all of it.
    pub fn yank(&mut self) -> bool {
        let killed = std::mem::take(&mut self.killed);
        let all = killed.chars().all(|c| self.insert(c));
        self.killed = killed;
        all
    }

    fn erase_from(&mut self, start: usize) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    fn before(&self) -> usize {
        let left = &self.text[..self.cursor];
        self.cursor - left.graphemes(true).next_back().map_or(0, str::len)
    }

    fn after(&self) -> usize {
        let right = &self.text[self.cursor..];
        self.cursor + right.graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let left = self.text[..self.cursor].trim_end();
        left.char_indices()
            .rev()
            .find(|(_, c)| c.is_whitespace())
            .map_or(0, |(at, c)| at + c.len_utf8())
    }

    fn word_after(&self) -> usize {
        let right = &self.text[self.cursor..];
        let blank = right.len() - right.trim_start().len();
        let word = right[blank..]
            .find(char::is_whitespace)
            .unwrap_or(right.len() - blank);
        self.cursor + blank + word
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(text: &str) -> Line {
        let mut line = Line::new(1000);
        line.set(text);
        line
    }

    #[test]
    fn the_cursor_steps_over_what_people_call_a_character() {
        let mut line = line("e\u{301}👩\u{200d}🚀");
        line.left();
        assert_eq!(line.cursor(), 3);
        line.erase_left();
        assert_eq!((line.text(), line.cursor()), ("👩\u{200d}🚀", 0));
        line.erase_right();
        assert_eq!(line.text(), "");
        line.erase_right();
        line.erase_left();
        line.left();
        line.right();
        assert_eq!(line.cursor(), 0);
    }

    #[test]
    fn words_and_what_was_killed() {
        let mut line = line("one  two three ");
        line.kill_word_left();
        assert_eq!(line.text(), "one  two ");
        line.word_left();
        assert_eq!(line.cursor(), 5);
        line.kill_to_end();
        assert_eq!(line.text(), "one  ");
        line.home();
        assert!(line.yank());
        assert_eq!((line.text(), line.cursor()), ("two one  ", 4));
        line.word_right();
        assert_eq!(line.cursor(), 7);
        line.kill_to_start();
        assert_eq!((line.text(), line.cursor()), ("  ", 0));
        line.end();
        line.yank();
        line.home();
        line.kill_word_right();
        assert_eq!(line.text(), " one");
    }

    #[test]
    fn a_full_line_takes_no_more() {
        let mut line = Line::new(3);
        assert!(line.insert('a'));
        assert!(!line.insert('世'));
        assert!(line.insert('é'));
        assert!(!line.insert('b'));
        assert_eq!(line.text(), "aé");
        line.set("ab世");
        assert_eq!((line.text(), line.cursor()), ("ab", 2));
    }

    type Edit = fn(&mut Line);

    const EDITS: [Edit; 13] = [
        Line::left,
        Line::right,
        Line::word_left,
        Line::word_right,
        Line::home,
        Line::end,
        Line::erase_left,
        Line::erase_right,
        Line::kill_word_left,
        Line::kill_word_right,
        Line::kill_to_start,
        Line::kill_to_end,
        |line| {
            line.yank();
        },
    ];

    proptest! {
        #[test]
        fn the_cursor_stays_in_the_text_and_the_text_in_its_bound(
            edits in prop::collection::vec(prop_oneof![
                any::<char>().prop_map(Ok),
                (0..EDITS.len()).prop_map(Err),
            ], 0..200),
        ) {
            let mut line = Line::new(40);
            for edit in edits {
                match edit {
                    Ok(c) => {
                        line.insert(c);
                    }
                    Err(which) => EDITS[which](&mut line),
                }
                prop_assert!(line.text().len() <= 40);
                prop_assert!(line.text().is_char_boundary(line.cursor()));
            }
        }
    }
}
