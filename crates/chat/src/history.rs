//! Lines that were sent before, for the arrow keys.
//!
//! It must never write to disk: what was said in a chat is gone when the program ends.

use std::collections::VecDeque;

/// The last lines, and where in them the arrow keys are.
#[derive(Debug, Clone)]
pub struct History {
    lines: VecDeque<String>,
    lines_max: usize,
    /// How many lines back; 0 is the line being typed.
    back: usize,
    /// The line being typed, while an older one is shown.
    draft: String,
}

impl History {
    /// An empty history that forgets its oldest line beyond `lines_max`.
    pub fn new(lines_max: usize) -> History {
        History {
            lines: VecDeque::new(),
            lines_max,
            back: 0,
            draft: String::new(),
        }
    }

    /// Adds a line that was sent; the same line twice in a row counts once.
    pub fn add(&mut self, line: &str) {
        self.back = 0;
        self.draft.clear();
        if self.lines_max == 0 || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == self.lines_max {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The line before the shown one, if there is one. `shown` is kept if it is the one typed.
    pub fn older(&mut self, shown: &str) -> Option<&str> {
        if self.back == self.lines.len() {
            return None;
        }
        if self.back == 0 {
            shown.clone_into(&mut self.draft);
        }
        self.back += 1;
        self.current()
    }

    /// The line after the shown one; at last the one that was being typed.
    pub fn newer(&mut self) -> Option<&str> {
        self.back = self.back.checked_sub(1)?;
        self.current()
    }

    fn current(&self) -> Option<&str> {
        match self.back {
            0 => Some(&self.draft),
            back => self.lines.get(self.lines.len() - back).map(String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_and_back_to_the_draft() {
        let mut history = History::new(10);
        assert_eq!(history.older("draft"), None);
        assert_eq!(history.newer(), None);
        history.add("one");
        history.add("two");
        history.add("two");
        assert_eq!(history.older("draft"), Some("two"));
        assert_eq!(history.older("two"), Some("one"));
        assert_eq!(history.older("one"), None);
        assert_eq!(history.newer(), Some("two"));
        assert_eq!(history.newer(), Some("draft"));
        assert_eq!(history.newer(), None);
    }

    #[test]
    fn the_oldest_line_goes_first() {
        let mut history = History::new(2);
        ["one", "two", "three"]
            .iter()
            .for_each(|line| history.add(line));
        assert_eq!(history.older(""), Some("three"));
        assert_eq!(history.older("three"), Some("two"));
        assert_eq!(history.older("two"), None);
    }

    #[test]
    fn sending_starts_at_the_end_again() {
        let mut history = History::new(9);
        ["one", "two"].iter().for_each(|line| history.add(line));
        history.older("");
        history.older("two");
        history.add("one");
        assert_eq!(history.older(""), Some("one"));
        assert_eq!(history.older("one"), Some("two"));
    }
}
