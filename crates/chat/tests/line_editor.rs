//! The line editor as a person sees it: a small screen runs what the editor writes, and the tests
//! look at its rows and its cursor.

use proptest::prelude::*;
use switchboard_chat::line_editor::{Entry, LineEditor};
use unicode_width::UnicodeWidthChar;

/// As much of a terminal as the editor uses; anything else fails the test.
struct Screen {
    columns: usize,
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    bells: usize,
}

impl Screen {
    fn new(columns: usize) -> Screen {
        Screen {
            columns,
            rows: vec![Vec::new()],
            row: 0,
            column: 0,
            bells: 0,
        }
    }

    fn run(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).expect("the editor writes UTF-8");
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => {
                    self.row += 1;
                    if self.row == self.rows.len() {
                        self.rows.push(Vec::new());
                    }
                }
                '\x07' => self.bells += 1,
                '\x1b' => self.command(&mut chars),
                c => self.print(c),
            }
        }
    }

    fn command(&mut self, chars: &mut std::str::Chars<'_>) {
        assert_eq!(chars.next(), Some('['));
        let mut parameter = String::new();
        let last = loop {
            match chars.next().expect("a whole sequence") {
                digit @ '0'..='9' => parameter.push(digit),
                last => break last,
            }
        };
        match (parameter.as_str(), last) {
            ("", 'K') => self.rows[self.row].truncate(self.column),
            ("2", 'J') => self.rows.iter_mut().for_each(Vec::clear),
            ("", 'H') => (self.row, self.column) = (0, 0),
            (columns, 'C') => self.column += columns.parse::<usize>().unwrap(),
            other => panic!("the editor wrote {other:?}"),
        }
    }

    fn print(&mut self, c: char) {
        assert!(!c.is_control());
        let width = c.width().unwrap();
        if self.column + width > self.columns {
            self.row += 1;
            self.column = 0;
            if self.row == self.rows.len() {
                self.rows.push(Vec::new());
            }
        }
        let row = &mut self.rows[self.row];
        row.resize(self.column.max(row.len()), ' ');
        for cell in 0..width {
            let shown = if cell == 0 { c } else { '\0' };
            match row.get_mut(self.column) {
                Some(place) => *place = shown,
                None => row.push(shown),
            }
            self.column += 1;
        }
    }

    fn rows(&self) -> Vec<String> {
        let shown = |row: &Vec<char>| row.iter().filter(|c| **c != '\0').collect::<String>();
        self.rows
            .iter()
            .map(|row| shown(row).trim_end().to_owned())
            .collect()
    }
}

struct World {
    editor: LineEditor,
    screen: Screen,
}

impl World {
    fn new(columns: u16) -> World {
        let mut world = World {
            editor: LineEditor::new("> ", 200, columns),
            screen: Screen::new(usize::from(columns)),
        };
        let mut bytes = Vec::new();
        world.editor.redraw(&mut bytes);
        world.screen.run(&bytes);
        world
    }

    fn typed(&mut self, keys: &str) -> Vec<Entry> {
        let mut bytes = Vec::new();
        let entries = self.editor.feed(keys.as_bytes(), &mut bytes);
        self.screen.run(&bytes);
        entries
    }

    fn shown_above(&mut self, text: &[u8]) {
        let mut bytes = Vec::new();
        self.editor.show_above(text, &mut bytes);
        self.screen.run(&bytes);
    }
}

fn line(text: &str) -> Vec<Entry> {
    vec![Entry::Line(text.to_owned())]
}

#[test]
fn a_line_is_typed_and_sent_and_the_next_one_begins_below() {
    let mut world = World::new(40);
    assert_eq!(world.screen.rows(), [">"]);
    assert_eq!(world.typed("hello"), []);
    assert_eq!(
        (world.screen.rows(), world.screen.column),
        (vec!["> hello".to_owned()], 7)
    );
    assert_eq!(world.typed("\r"), line("hello"));
    assert_eq!(world.screen.rows(), ["> hello", ">"]);
    assert_eq!(world.typed("a\rb\rc"), [line("a"), line("b")].concat());
    assert_eq!(world.screen.rows(), ["> hello", "> a", "> b", "> c"]);
}

#[test]
fn replies_appear_above_the_line_that_is_typed() {
    let mut world = World::new(40);
    world.typed("hello\rhow ar");
    world.typed("\x1b[D");
    world.shown_above(b"Message received");
    assert_eq!(
        world.screen.rows(),
        ["> hello", "Message received", "> how ar"]
    );
    assert_eq!(world.screen.column, 7);
    assert_eq!(world.typed("X\r"), line("how aXr"));
}

#[test]
fn a_reply_cannot_command_the_terminal() {
    let mut world = World::new(60);
    world.shown_above("\x1b[2J\u{9b}2J\nx\u{202e}".as_bytes());
    assert_eq!(world.screen.rows(), [r"\x1b[2J\u{9b}2J\nx\u{202e}", ">"]);
}

#[test]
fn a_long_reply_wraps_and_the_prompt_stays_whole() {
    let mut world = World::new(10);
    world.typed("abc");
    world.shown_above(b"0123456789abcde");
    assert_eq!(world.screen.rows(), ["0123456789", "abcde", "> abc"]);
}

#[test]
fn keys_edit_the_line() {
    for (keys, expected) in [
        ("hello\x1b[D\x1b[D\x7f", "helo"),
        ("hello\x01\x1b[3~", "ello"),
        ("hello\x01\x04", "ello"),
        ("one two\x17three", "one three"),
        ("one two\x15three", "three"),
        ("one two\x01\x1b[1;5C\x0b", "one"),
        ("one \x15\x19\x19", "one one "),
        ("world\x01hello \x05!", "hello world!"),
        ("a\tb\x1d\x00c", "abc"),
    ] {
        assert_eq!(
            World::new(40).typed(&format!("{keys}\r")),
            line(expected),
            "{keys:?}"
        );
    }
}

#[test]
fn arrows_bring_back_what_was_sent() {
    let mut world = World::new(40);
    world.typed("one\rtwo\r\rdraft");
    world.typed("\x1b[A\x1b[A\x1b[A");
    assert_eq!(world.screen.rows().last().unwrap(), "> one");
    world.typed("\x1b[B\x1b[B\x1b[B");
    assert_eq!(world.screen.rows().last().unwrap(), "> draft");
    assert_eq!(world.typed("\x10\x10!\r"), line("one!"));
}

#[test]
fn control_keys_that_end_things() {
    let mut world = World::new(40);
    assert_eq!(world.typed("\x04"), [Entry::EndOfInput]);
    assert_eq!(world.typed("a\x04"), []);
    assert_eq!(world.typed("\x03"), [Entry::Interrupt]);
}

#[test]
fn the_screen_is_cleared_and_the_line_stays() {
    let mut world = World::new(40);
    world.typed("one\rtwo\x0c");
    assert_eq!(world.screen.rows(), ["> two", ""]);
}

#[test]
fn a_line_wider_than_the_screen_scrolls_sideways() {
    let mut world = World::new(10);
    world.typed("abcdefghij");
    assert_eq!(
        (world.screen.rows(), world.screen.column),
        (vec!["> defghij".to_owned()], 9)
    );
    world.typed("\x01");
    assert_eq!(
        (world.screen.rows(), world.screen.column),
        (vec!["> abcdefg".to_owned()], 2)
    );
    assert_eq!(world.typed("\r"), line("abcdefghij"));
    assert_eq!(world.screen.rows(), ["> abcdefgh", "ij", ">"]);
}

#[test]
fn wide_characters_take_two_columns() {
    let mut world = World::new(10);
    world.typed("世界世界");
    assert_eq!(
        (world.screen.rows(), world.screen.column),
        (vec!["> 界世界".to_owned()], 8)
    );
    world.typed("\x1b[D");
    assert_eq!(world.screen.column, 6);
}

#[test]
fn a_full_line_rings_and_keeps_what_it_has() {
    let mut world = World::new(40);
    world.typed(&"x".repeat(201));
    assert_eq!(world.screen.bells, 1);
    assert_eq!(world.typed("\r"), line(&"x".repeat(200)));
}

#[test]
fn a_narrower_screen_keeps_the_cursor_visible() {
    let mut world = World::new(40);
    world.typed("abcdefghij");
    let mut bytes = Vec::new();
    world.editor.resize(6, &mut bytes);
    world.screen = Screen::new(6);
    world.screen.run(&bytes);
    assert_eq!(world.screen.rows(), ["> hij"]);
}

#[test]
fn a_line_that_could_not_be_sent_comes_back_unless_there_is_another() {
    let mut world = World::new(40);
    let mut bytes = Vec::new();
    world.editor.restore("lost", &mut bytes);
    world.screen.run(&bytes);
    assert_eq!(world.screen.rows(), ["> lost"]);
    world.editor.restore("other", &mut bytes);
    assert_eq!(world.typed("\r"), line("lost"));
}

proptest! {
    /// Whatever is typed, in whatever pieces: the prompt is one row, the cursor is in it, and
    /// nothing but the known commands reaches the screen (it panics on others).
    #[test]
    fn any_keys_keep_the_prompt_on_its_row(
        columns in 4_u16..30,
        pieces in prop::collection::vec(prop_oneof![
            "[a-z 世é\\\\\u{202e}\u{301}]{0,12}",
            prop::sample::select(vec![
                "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x01", "\x05", "\x17", "\x19", "\x7f", "\x1b",
            ]).prop_map(str::to_owned),
        ], 0..60),
    ) {
        let mut world = World::new(columns);
        for piece in pieces {
            world.typed(&piece);
            prop_assert_eq!(world.screen.row, 0);
            prop_assert!(world.screen.column < usize::from(columns));
            prop_assert!(world.screen.rows()[0].starts_with('>'));
        }
        world.typed("\r");
        let rows = world.screen.rows();
        prop_assert_eq!(rows.last().unwrap(), ">");
    }
}
