//! What users, rooms and accounts may be called, and when two names are the same.
//!
//! The rules are IRC's, whatever a person speaks, since an IRC client must be able to say each name;
//! what IRC calls a channel is a room. An account is called like a nick, since it owns that nick.
//!
//! It must never look at who asks, nor let a name through that a reader cannot see as it is: no control, invisible or
//! direction-changing character, no two spellings of one text.
//!
//! # Which names are the same
//! `CASEMAPPING=ascii`: `A`–`Z` are `a`–`z`, and nothing else is folded. That is what every client
//! can do alike. Names that only look alike are different names to the protocol; [`skeleton`] finds
//! them, for whoever registers a name that must not be imitated.
//!
//! # Nicks
//! In ASCII, those of RFC 2812, section 2.3.1: letters, digits and ``-[]\`_^{|}``, where neither a
//! digit nor `-` comes first. Beyond ASCII, letters, digits and combining marks that [Unicode
//! Technical Standard 39](https://www.unicode.org/reports/tr39/) allows in identifiers, from one
//! script (or from the scripts that one language writes together, its level *highly restrictive*),
//! as NFC. So `Ωmega` (Greek and Latin) is no nick, and neither are emoji.
//!
//! # Channel names
//! `#` and any visible text: all scripts, punctuation, emoji of one character. As NFC, without
//! spaces, commas, controls, and what is invisible or reorders text, which includes the joiners and
//! the variation selectors of composed emoji.

use std::borrow::Cow;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::GeneralSecurityProfile;
use unicode_security::restriction_level::{RestrictionLevel, RestrictionLevelDetection};
use unicode_width::UnicodeWidthChar;

use crate::escape;

/// The longest nick, in bytes (`NICKLEN`).
pub const NICK_BYTES_MAX: usize = 32;

/// The longest channel name, in bytes, `#` included (`CHANNELLEN`).
pub const CHANNEL_BYTES_MAX: usize = 64;

/// The longest channel key, in bytes (`KEYLEN`).
pub const KEY_BYTES_MAX: usize = 32;

/// What channel names begin with (`CHANTYPES`).
pub const CHANNEL_PREFIX: char = '#';

/// Combining marks behind one another, more of which serve only to cover the lines above.
const MARKS_IN_A_ROW_MAX: usize = 4;

/// What people expect services of other servers under, and tell them their passwords.
const SERVICES: [&str; 2] = ["nickserv", "chanserv"];

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// There is none.
    Empty,
    /// It has more bytes than allowed.
    TooLong {
        /// The most bytes.
        bytes_max: usize,
    },
    /// It begins with something that such a name cannot begin with.
    BadStart,
    /// It holds this character.
    BadChar(char),
    /// It mixes letters of scripts that look alike.
    MixedScripts,
    /// It is not in Unicode's normal form C: the same text could be written in two ways.
    NotNormalized,
    /// It piles up combining marks.
    TooManyMarks,
}

impl std::fmt::Display for NameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NameError::Empty => f.write_str("it is empty"),
            NameError::TooLong { bytes_max } => write!(f, "it is longer than {bytes_max} bytes"),
            NameError::BadStart => f.write_str("it cannot begin like that"),
            NameError::BadChar(c) => {
                f.write_str("it cannot hold '")?;
                escape::write_char(f, *c)?;
                f.write_str("'")
            }
            NameError::MixedScripts => f.write_str("it mixes scripts: use letters of one"),
            NameError::NotNormalized => f.write_str("it is not in normal form C (NFC)"),
            NameError::TooManyMarks => f.write_str("it piles up combining marks"),
        }
    }
}

impl std::error::Error for NameError {}

/// Whether two names are the same.
///
/// ```
/// use switchboard_chat::chat::names;
///
/// assert!(names::are_same("#Tea", "#tEA"));
/// assert!(!names::are_same("Élan", "élan"));
/// ```
pub fn are_same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// The form of a name that all names that are the same share: the key to look it up by. Allocates
/// only if the name has capital letters.
pub fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// [`fold`], to be kept.
pub fn folded(name: &str) -> Arc<str> {
    fold(name).into()
}

/// What a name looks like: names with the same skeleton can be taken for one another.
///
/// The skeleton of UTS 39, section 4, of the text in small letters. But the letters of ASCII stand
/// for themselves: there, the standard takes `rn` for `m` and `1` for `l`, which would refuse names
/// that people have. Allocates.
///
/// ```
/// use switchboard_chat::chat::names::skeleton;
///
/// assert_eq!(skeleton("раураӏ"), skeleton("PayPal")); // the first one is Cyrillic
/// assert_ne!(skeleton("corn"), skeleton("com"));
/// ```
pub fn skeleton(name: &str) -> String {
    let small = name.to_lowercase();
    let mut skeleton = String::with_capacity(small.len());
    let mut rest = small.as_str();
    while !rest.is_empty() {
        let ascii = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        let (plain, behind) = rest.split_at(ascii);
        skeleton.push_str(plain);
        let other = behind.find(|c: char| c.is_ascii()).unwrap_or(behind.len());
        let (other, behind) = behind.split_at(other);
        skeleton.extend(unicode_security::skeleton(other).map(|c| c.to_ascii_lowercase()));
        rest = behind;
    }
    skeleton
}

/// Whether `nick` can be a nick. Allocates only beyond ASCII.
///
/// # Errors
/// Why it can't be (`432 ERR_ERRONEUSNICKNAME`).
pub fn check_nick(nick: &str) -> Result<(), NameError> {
    check_length(nick, NICK_BYTES_MAX)?;
    let first = nick.chars().next().ok_or(NameError::Empty)?;
    if let Some(bad) = nick.chars().find(|&c| !is_nick_char(c)) {
        return Err(NameError::BadChar(bad));
    }
    if first == '-' || first.is_numeric() || is_combining_mark(first) {
        return Err(NameError::BadStart);
    }
    if nick.is_ascii() {
        return Ok(());
    }
    check_spelling(nick)?;
    // The signs of ASCII belong to no script, but the standard has no place for them.
    let letters: String = nick.chars().filter(|&c| !is_nick_sign(c)).collect();
    let level = RestrictionLevel::HighlyRestrictive;
    if !letters.as_str().check_restriction_level(level) {
        return Err(NameError::MixedScripts);
    }
    Ok(())
}

/// Whether a name with this [`skeleton`] can be taken for a service's: nobody is to have it, or
/// people would tell that one their passwords.
pub fn is_service(skeleton: &str) -> bool {
    SERVICES.contains(&skeleton)
}

/// Whether `name` is meant as a channel: a target that begins with `#`.
pub fn is_channel(name: &str) -> bool {
    name.starts_with(CHANNEL_PREFIX)
}

/// Whether `name` can be a channel's. Allocates nothing.
///
/// # Errors
/// Why it can't be (`403 ERR_NOSUCHCHANNEL`, or `476 ERR_BADCHANMASK`).
pub fn check_channel(name: &str) -> Result<(), NameError> {
    check_length(name, CHANNEL_BYTES_MAX)?;
    let Some(rest) = name.strip_prefix(CHANNEL_PREFIX) else {
        return Err(NameError::BadStart);
    };
    let first = rest.chars().next().ok_or(NameError::Empty)?;
    if let Some(bad) = rest.chars().find(|&c| !is_channel_char(c)) {
        return Err(NameError::BadChar(bad));
    }
    if is_combining_mark(first) {
        return Err(NameError::BadStart);
    }
    check_spelling(name)
}

/// Whether `key` can be the key of a channel: visible ASCII without spaces and commas, that does not
/// begin with a colon.
///
/// # Errors
/// Why it can't be (`525 ERR_INVALIDKEY`).
pub fn check_key(key: &str) -> Result<(), NameError> {
    check_length(key, KEY_BYTES_MAX)?;
    if let Some(bad) = key.chars().find(|&c| !c.is_ascii_graphic() || c == ',') {
        return Err(NameError::BadChar(bad));
    }
    if key.starts_with(':') {
        return Err(NameError::BadStart);
    }
    Ok(())
}

/// A guest's name in the mouth of a plain client: what of `name` may be shown, and `/line` behind
/// it, which no nick has, so that nobody is taken for somebody else.
pub fn of_guest(name: Option<&str>, number: u64) -> Arc<str> {
    let shown: String = name
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .take(NICK_BYTES_MAX / 2)
        .collect();
    if shown.is_empty() {
        format!("guest{number}/line").into()
    } else {
        format!("{shown}/line").into()
    }
}

fn check_length(name: &str, bytes_max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > bytes_max {
        return Err(NameError::TooLong { bytes_max });
    }
    Ok(())
}

/// That the text can be written in this way only, and is as high as a line.
fn check_spelling(name: &str) -> Result<(), NameError> {
    if name.is_ascii() {
        return Ok(());
    }
    if !name.chars().eq(name.nfc()) {
        return Err(NameError::NotNormalized);
    }
    let mut marks = 0;
    let mut before = None;
    for c in name.chars() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > MARKS_IN_A_ROW_MAX || marks > 1 && before == Some(c) {
            return Err(NameError::TooManyMarks);
        }
        before = Some(c);
    }
    Ok(())
}

const fn is_nick_sign(c: char) -> bool {
    matches!(
        c,
        '-' | '[' | ']' | '\\' | '`' | '_' | '^' | '{' | '|' | '}'
    )
}

fn is_nick_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || is_nick_sign(c);
    }
    (c.is_alphanumeric() || is_combining_mark(c)) && c.identifier_allowed() && !is_invisible(c)
}

fn is_channel_char(c: char) -> bool {
    let is_shown = c == '\\' || escape::is_plain(c);
    is_shown && c != ',' && !c.is_whitespace() && !is_invisible(c) && !is_private(c)
}

/// What has no width and is no mark on its neighbour, and the marks and letters that show nothing.
fn is_invisible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let is_blank = matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}'
        | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
        | '\u{e0100}'..='\u{e01ef}');
    is_blank || (c.width().unwrap_or(0) == 0 && !is_combining_mark(c))
}

/// Characters that each font shows as it likes, and numbers that are no characters.
fn is_private(c: char) -> bool {
    matches!(u32::from(c), 0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0xf_0000..)
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn refused(nick: &str, expected: NameError) {
        assert_eq!(check_nick(nick), Err(expected), "{nick:?}");
    }

    #[test]
    fn nicks_of_ascii_are_those_of_the_rfc() {
        for nick in ["ada", "A", "[x]", r"\o_", "`^{|}", "a-1", "_9"] {
            assert_eq!(check_nick(nick), Ok(()), "{nick:?}");
        }
        refused("", NameError::Empty);
        refused("9ada", NameError::BadStart);
        refused("-ada", NameError::BadStart);
        for bad in [
            ' ', ',', '*', '?', '!', '@', '.', '#', '&', '~', '%', '+', ':', '$', '\0', '\r', '\n',
            '\u{1b}', '\u{7f}',
        ] {
            refused(&format!("a{bad}"), NameError::BadChar(bad));
            refused(&format!("{bad}a"), NameError::BadChar(bad));
        }
    }

    #[test]
    fn nicks_of_other_scripts() {
        for nick in [
            "Zoë",
            "Иван",
            "Ωμέγα",
            "世界",
            "たなか",
            "田中さん",
            "김철수",
            "שלום",
            "محمد",
            "नमस्ते",
            "Nguyễn",
            "tanaka田中",
            "|Zoë|",
        ] {
            assert_eq!(check_nick(nick), Ok(()), "{nick:?}");
        }
        refused("pаypal", NameError::MixedScripts); // the second letter is Cyrillic
        refused("Ωmega", NameError::MixedScripts);
        refused("e\u{301}va", NameError::NotNormalized);
        refused("\u{301}va", NameError::BadStart);
        refused("а\u{301}\u{301}", NameError::TooManyMarks);
        refused("٣١", NameError::BadStart);
    }

    #[test]
    fn nobody_is_invisible_or_reads_backwards() {
        for bad in [
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{ad}',
            '\u{a0}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{34f}',
            '\u{e0041}',
            '\u{85}',
            '\u{2028}',
            '\u{2800}',
            '\u{e000}',
            '\u{fffe}',
            '\u{e0100}',
        ] {
            refused(&format!("ada{bad}"), NameError::BadChar(bad));
            let channel = format!("#a{bad}");
            assert_eq!(
                check_channel(&channel),
                Err(NameError::BadChar(bad)),
                "{channel:?}"
            );
        }
        refused("ada🚀", NameError::BadChar('🚀'));
        refused("ａｄａ", NameError::BadChar('ａ')); // full width
    }

    #[test]
    fn channels_are_called_by_any_visible_text() {
        for name in [
            "#a",
            "#Tea & scones'".replace(' ', "_").as_str(),
            "##c++",
            "#what?*:!",
            "#世界",
            "#шум",
            "#🚀",
            r"#\",
            "#Nguyễn",
        ] {
            assert_eq!(check_channel(name), Ok(()), "{name:?}");
        }
        let refused = |name: &str, expected| assert_eq!(check_channel(name), Err(expected));
        refused("", NameError::Empty);
        refused("#", NameError::Empty);
        refused("a", NameError::BadStart);
        refused("&a", NameError::BadStart);
        refused("#\u{301}a", NameError::BadStart);
        refused("#a b", NameError::BadChar(' '));
        refused("#a,#b", NameError::BadChar(','));
        refused("#a\u{7}", NameError::BadChar('\u{7}'));
        refused("#e\u{301}", NameError::NotNormalized);
        assert!(is_channel("#a") && !is_channel("a"));
    }

    #[test]
    fn lengths_are_bounded_in_bytes() {
        let too_long = |bytes_max| Err(NameError::TooLong { bytes_max });
        assert_eq!(check_nick(&"é".repeat(16)), Ok(()));
        assert_eq!(check_nick(&"a".repeat(33)), too_long(NICK_BYTES_MAX));
        assert_eq!(check_channel(&format!("#{}", "a".repeat(63))), Ok(()));
        assert_eq!(
            check_channel(&format!("#{}", "a".repeat(64))),
            too_long(CHANNEL_BYTES_MAX)
        );
        assert_eq!(check_key(&"k".repeat(32)), Ok(()));
        assert_eq!(check_key(&"k".repeat(33)), too_long(KEY_BYTES_MAX));
    }

    #[test]
    fn keys_fit_into_the_middle_of_a_line() {
        assert_eq!(check_key("s:3*"), Ok(()));
        assert_eq!(check_key(""), Err(NameError::Empty));
        assert_eq!(check_key(":a"), Err(NameError::BadStart));
        assert_eq!(check_key("a,b"), Err(NameError::BadChar(',')));
        assert_eq!(check_key("a b"), Err(NameError::BadChar(' ')));
        assert_eq!(check_key("é"), Err(NameError::BadChar('é')));
    }

    #[test]
    fn an_error_shows_no_control_character() {
        assert_eq!(
            NameError::BadChar('\u{202e}').to_string(),
            r"it cannot hold '\u{202e}'"
        );
    }

    #[test]
    fn what_looks_alike_has_one_skeleton() {
        assert_eq!(skeleton("Иван"), skeleton("иван"));
        assert_eq!(skeleton("Ada"), "ada");
        assert_ne!(skeleton("Zoë"), skeleton("Zoe"));
    }

    #[test]
    fn a_guest_is_taken_for_nobody() {
        assert_eq!(of_guest(Some("ann"), 7).as_ref(), "ann/line");
        assert_eq!(of_guest(Some("an n\r\n!@"), 7).as_ref(), "ann/line");
        assert_eq!(of_guest(Some(" \u{202e}"), 7).as_ref(), "guest7/line");
        assert_eq!(of_guest(None, 7).as_ref(), "guest7/line");
    }

    proptest! {
        #[test]
        fn names_fit_where_names_stand(name: String) {
            if check_nick(&name).is_ok() || check_channel(&name).is_ok() {
                let breaks = [' ', ',', '\0', '\r', '\n', '\u{7}'];
                prop_assert!(!name.contains(breaks));
                prop_assert!(!name.starts_with([':', '@']));
            }
            let _ = check_key(&name);
            skeleton(&name);
        }

        #[test]
        fn the_same_names_fold_to_the_same(a in "[a-cA-Cé]{0,3}", b in "[a-cA-Cé]{0,3}") {
            prop_assert_eq!(are_same(&a, &b), fold(&a) == fold(&b));
        }
    }
}
