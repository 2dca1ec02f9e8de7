//! What each key does to a line: the same on every screen of ours.
//!
//! It must never draw, nor end a line: Enter and the keys that leave are their screen's.

use crate::history::History;
use crate::keys::Key;
use crate::line::Line;

/// Does to `line` what `key` stands for; `false` if there was no room for it. Keys that edit nothing
/// are left alone.
pub fn edit(line: &mut Line, history: &mut History, key: Key) -> bool {
    match key {
        Key::Char(c) => return line.insert(c),
        Key::PastedBreak => return line.insert('\n'),
        Key::Ctrl('y') => return line.yank(),
        Key::Left | Key::Ctrl('b') => line.left(),
        Key::Right | Key::Ctrl('f') => line.right(),
        Key::WordLeft => line.word_left(),
        Key::WordRight => line.word_right(),
        Key::Home | Key::Ctrl('a') => line.home(),
        Key::End | Key::Ctrl('e') => line.end(),
        Key::Backspace => line.erase_left(),
        Key::Delete | Key::Ctrl('d') => line.erase_right(),
        Key::EraseWordLeft | Key::Ctrl('w') => line.kill_word_left(),
        Key::EraseWordRight => line.kill_word_right(),
        Key::Ctrl('u') => line.kill_to_start(),
        Key::Ctrl('k') => line.kill_to_end(),
        Key::Up | Key::Ctrl('p') => {
            if let Some(older) = history.older(line.text()) {
                line.set(older);
            }
        }
        Key::Down | Key::Ctrl('n') => {
            if let Some(newer) = history.newer() {
                line.set(newer);
            }
        }
        Key::Enter
        | Key::Ctrl(_)
        | Key::PageUp
        | Key::PageDown
        | Key::AltDigit(_)
        | Key::Escape => {}
    }
    true
}
