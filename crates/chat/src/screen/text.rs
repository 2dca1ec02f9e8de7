//! Text of others as it may stand on a screen, and in rows.
//!
//! It must never let a character through that a terminal acts on, nor more than a few that take no
//! room of their own: a flood of those would cover other rows.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape;

/// Zero-width characters on one place. Families of emoji have six; no script needs more.
const ZERO_WIDTH_MAX: usize = 6;

/// The codes by which some clients make text bold or coloured; they are left out.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\x02' | '\x0f' | '\x11' | '\x16' | '\x1d' | '\x1e' | '\x1f'
    )
}

/// `text` without codes for looks, with everything else that is invisible spelled out.
///
/// ```
/// use switchboard_chat::screen::text::plain;
///
/// assert_eq!(plain("\x02bold\x02 \x1b[2J \u{202e}x"), r"bold \x1b[2J \u{202e}x");
/// ```
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut zero_width = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x03' => skip_colour(&mut chars),
            c if is_format(c) => {}
            '\\' => shown.push(c),
            c if c.width() == Some(0) && escape::is_plain(c) => {
                zero_width += 1;
                match zero_width {
                    1..=ZERO_WIDTH_MAX => shown.push(c),
                    // One that says that something is missing, and no more of them.
                    count if count == ZERO_WIDTH_MAX + 1 => shown.push(char::REPLACEMENT_CHARACTER),
                    _ => {}
                }
                continue;
            }
            c => {
                // Writing to a `String` cannot fail.
                let _ = escape::write_char(&mut shown, c);
            }
        }
        if c.width() != Some(0) {
            let joined = shown.ends_with(c) && is_after_joiner(&shown, c);
            if !joined {
                zero_width = 0;
            }
        }
    }
    shown
}

fn is_after_joiner(shown: &str, c: char) -> bool {
    shown[..shown.len() - c.len_utf8()].ends_with('\u{200d}')
}

/// Up to two digits, and perhaps a comma and two more.
fn skip_colour(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    for part in 0..2 {
        for _ in 0..2 {
            chars.next_if(char::is_ascii_digit);
        }
        if part == 0 && chars.next_if_eq(&',').is_none() {
            return;
        }
    }
}

/// The columns that `text` takes.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The beginning of `text` that fits into `columns`, with an ellipsis if that is not all.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used >= columns {
            break;
        }
        fitting.push_str(grapheme);
    }
    if columns > 0 {
        fitting.push('…');
    }
    fitting
}

/// `text` in rows of at most `columns`, broken at blanks where there are some, and at newlines.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2); // the widest character has to fit
    let mut rows = Vec::new();
    for line in text.split('\n') {
        let line = plain(line);
        let mut row = String::new();
        let mut used = 0;
        for word in line.split_word_bounds() {
            let wide = width(word);
            if used + wide > columns && wide <= columns && used > 0 {
                rows.push(std::mem::take(&mut row));
                used = 0;
                if word == " " {
                    continue;
                }
            }
            for grapheme in word.graphemes(true) {
                let wide = grapheme.width();
                if used + wide > columns {
                    rows.push(std::mem::take(&mut row));
                    used = 0;
                }
                row.push_str(grapheme);
                used += wide;
            }
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floods_of_marks_are_cut() {
        let flood = format!("a{}b", "\u{301}".repeat(1000));
        assert_eq!(plain(&flood).chars().count(), 1 + ZERO_WIDTH_MAX + 1 + 1);
        let joined = "👩\u{200d}".repeat(500);
        for place in plain(&joined).graphemes(true) {
            assert!(place.matches('\u{200d}').count() <= ZERO_WIDTH_MAX);
        }
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        assert_eq!(plain(family), family);
    }

    #[test]
    fn colours_are_left_out() {
        assert_eq!(plain("\x0304,12red\x03 and \x034,on"), "red and on");
    }

    #[test]
    fn rows_break_at_blanks_or_anywhere() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("世界世界", 5), ["世界", "世界"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
        assert_eq!(wrap(&"x".repeat(100_000), 50).len(), 2000);
    }

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        assert_eq!(fit("hello", 5), "hello");
        assert_eq!(fit("hello", 4), "hel…");
        assert_eq!(fit("世界", 3), "世…");
        assert_eq!(fit("hello", 0), "");
    }

    proptest! {
        #[test]
        fn rows_fit_and_obey_nobody(text: String, columns in 2_usize..40) {
            for row in wrap(&text, columns) {
                prop_assert!(width(&row) <= columns);
                prop_assert!(row.chars().all(|c| !c.is_control()));
            }
        }
    }
}
