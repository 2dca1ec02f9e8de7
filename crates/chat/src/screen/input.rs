//! The line at the bottom: keys in, what they ask for out.
//!
//! It must never send what holds several lines before its person was asked.

use crate::editing::edit;
use crate::history::History;
use crate::keys::{Key, KeyParser};
use crate::line::Line;

/// Bytes of what is typed; the server's default limit on a message.
pub const LINE_BYTES_MAX: usize = 4096;

/// Lines that the arrow keys bring back.
const HISTORY_LINES_MAX: usize = 500;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Press {
    /// Enter, on this text.
    Submit(String),
    /// The line has changed.
    Edited,
    /// Ctrl-C, or Ctrl-D on an empty line.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L.
    Redraw,
    /// Tab.
    Complete,
    /// Alt and a digit.
    Room(usize),
    /// Ctrl-N.
    NextRoom,
    /// Ctrl-P.
    PreviousRoom,
    /// Ctrl-F.
    Search,
    /// Escape, twice.
    Escape,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
}

/// The words that Tab goes through.
#[derive(Debug)]
struct Completion {
    start: usize,
    words: Vec<String>,
    next: usize,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Input {
    keys: KeyParser,
    /// What is being typed.
    pub line: Line,
    history: History,
    completion: Option<Completion>,
    is_asking: bool,
}

impl Default for Input {
    fn default() -> Input {
        Input {
            keys: KeyParser::keeping_breaks(),
            line: Line::new(LINE_BYTES_MAX),
            history: History::new(HISTORY_LINES_MAX),
            completion: None,
            is_asking: false,
        }
    }
}

impl Input {
    /// Takes what the terminal sent, in pieces of any size. Each key is to be [pressed](Self::press)
    /// before the next one: what it does may change the line.
    pub fn keys(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for byte in bytes {
            self.keys.push(*byte, |key| keys.push(key));
        }
        keys
    }

    /// How many lines Enter would send, while that is being asked.
    pub fn asks(&self) -> Option<usize> {
        self.is_asking.then(|| self.line.text().split('\n').count())
    }

    /// Does what a key does to the line, and says what else it asks for.
    pub fn press(&mut self, key: Key) -> Press {
        let was_asking = std::mem::take(&mut self.is_asking);
        if key != Key::Ctrl('i') {
            self.completion = None;
        }
        match key {
            Key::Enter if self.line.text().contains('\n') && !was_asking => {
                self.is_asking = true;
                Press::Edited
            }
            Key::Enter => {
                let text = self.line.take();
                if !text.is_empty() {
                    self.history.add(&text);
                }
                Press::Submit(text)
            }
            Key::Ctrl('c') => Press::Interrupt,
            Key::Ctrl('d') if self.line.text().is_empty() => Press::Interrupt,
            Key::Ctrl('z') => Press::Suspend,
            Key::Ctrl('l') => Press::Redraw,
            Key::Ctrl('i') => Press::Complete,
            Key::Ctrl('n') => Press::NextRoom,
            Key::Ctrl('p') => Press::PreviousRoom,
            Key::Ctrl('f') => Press::Search,
            Key::AltDigit(number) => Press::Room(usize::from(number)),
            Key::Escape => Press::Escape,
            Key::PageUp => Press::PageUp,
            Key::PageDown => Press::PageDown,
            key => {
                edit(&mut self.line, &mut self.history, key);
                Press::Edited
            }
        }
    }

    /// Tab: puts the next of the words that `find` knows in the place of the one before the cursor.
    /// `find` is told that word, and whether it is the first one.
    pub fn complete(&mut self, find: impl FnOnce(&str, bool) -> Vec<String>) {
        if self.completion.is_none() {
            let left = &self.line.text()[..self.line.cursor()];
            let start = left.rfind(char::is_whitespace).map_or(0, |at| {
                at + left[at..].chars().next().map_or(0, char::len_utf8)
            });
            let words = find(&left[start..], start == 0);
            self.completion = Some(Completion {
                start,
                words,
                next: 0,
            });
        }
        if let Some(completion) = &mut self.completion
            && let Some(word) = completion.words.get(completion.next)
            && self.line.replace_left(completion.start, word)
        {
            completion.next = (completion.next + 1) % completion.words.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(input: &mut Input, bytes: &[u8]) -> Vec<Press> {
        let keys = input.keys(bytes);
        keys.into_iter().map(|key| input.press(key)).collect()
    }

    #[test]
    fn several_pasted_lines_are_asked_about() {
        let mut input = Input::default();
        feed(&mut input, b"\x1b[200~one\ntwo\x1b[201~");
        assert_eq!(feed(&mut input, b"\r"), [Press::Edited]);
        assert_eq!(input.asks(), Some(2));
        assert_eq!(
            feed(&mut input, b"\r"),
            [Press::Submit("one\ntwo".to_owned())]
        );
        assert_eq!(input.asks(), None);
    }

    #[test]
    fn another_key_goes_on_editing() {
        let mut input = Input::default();
        feed(&mut input, b"\x1b[200~one\ntwo\x1b[201~\r");
        feed(&mut input, b"!");
        assert_eq!(input.asks(), None);
        assert_eq!(feed(&mut input, b"\r"), [Press::Edited]);
    }

    #[test]
    fn tab_goes_round() {
        let mut input = Input::default();
        let find = |word: &str, first: bool| {
            assert_eq!((word, first), ("a", false));
            vec!["ann".to_owned(), "axel".to_owned()]
        };
        feed(&mut input, b"hi a");
        for expected in ["hi ann", "hi axel", "hi ann"] {
            assert_eq!(feed(&mut input, b"\t"), [Press::Complete]);
            input.complete(find);
            assert_eq!(input.line.text(), expected);
        }
    }
}
