//! Message tags: the section before a message, and how its values are escaped.
//!
//! It must never give a tag a meaning, nor change a value: what is passed on is what came.
//!
//! The source is <https://ircv3.net/specs/extensions/message-tags>.

use std::borrow::Cow;

/// The longest section of tags, its `@` and the space behind it counted: the data that a client may
/// send and those that a server may add, 4,094 bytes each.
pub const TAGS_BYTES_MAX: usize = 8191;

/// The most bytes of tags, without `@` and space, that a client may send or a server may add.
pub const TAG_DATA_BYTES_MAX: usize = 4094;

/// The most tags of one message. The specification bounds bytes only; with this bound the search for
/// a later tag of the same name stays cheap, whatever a stranger sends.
pub const TAGS_MAX: usize = 64;

/// The tags of one message, as they came. Two words; nothing is unescaped until it is asked for.
///
/// ```
/// use switchboard_chat::irc::tags::Tags;
///
/// let tags = Tags::new(r"label=1;+draft/reply=a\:b;label=2");
/// assert_eq!(tags.get("label").unwrap().unescaped(), "2");
/// assert_eq!(tags.get("+draft/reply").unwrap().unescaped(), "a;b");
/// assert_eq!(tags.iter().filter(|tag| tag.is_client_only()).count(), 1);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tags<'a> {
    data: &'a str,
}

impl<'a> Tags<'a> {
    /// The tags in `data`: what stands between the `@` and the space.
    pub const fn new(data: &'a str) -> Tags<'a> {
        Tags { data }
    }

    /// The section as it came, without the `@` and the space.
    pub const fn data(self) -> &'a str {
        self.data
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.data.is_empty()
    }

    /// The value of the tag `key`, its `+` and its vendor included; the last one if there are
    /// several. A tag without a value has an empty one, since the two mean the same.
    pub fn get(self, key: &str) -> Option<TagValue<'a>> {
        let mut from_the_end = self.data.rsplit(';').map(Tag::read);
        from_the_end
            .find(|tag| tag.key == key && !key.is_empty())
            .map(|tag| tag.value)
    }

    /// Each tag once and in order; of several with one key, the last.
    ///
    /// Looks at all later tags for each, so its time grows with the square of their number, which
    /// parsing bounds by [`TAGS_MAX`].
    pub fn iter(self) -> impl Iterator<Item = Tag<'a>> {
        let mut rest = Some(self.data);
        std::iter::from_fn(move || {
            let (first, later) = match rest?.split_once(';') {
                Some((first, later)) => (first, Some(later)),
                None => (rest?, None),
            };
            rest = later;
            Some((Tag::read(first), Tags::new(later.unwrap_or(""))))
        })
        .filter(|(tag, later)| !tag.key.is_empty() && later.get(tag.key).is_none())
        .map(|(tag, _)| tag)
    }

    /// Whether there are more tags than [`TAGS_MAX`].
    pub(crate) fn are_too_many(self) -> bool {
        memchr::memchr_iter(b';', self.data.as_bytes()).count() >= TAGS_MAX
    }
}

/// One tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The whole key, which is case-sensitive: `[+][vendor/]name`.
    pub key: &'a str,
    /// The value; empty if there is none.
    pub value: TagValue<'a>,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str) -> Tag<'a> {
        let (key, escaped) = text.split_once('=').unwrap_or((text, ""));
        Tag {
            key,
            value: TagValue { escaped },
        }
    }

    /// Whether clients made it for clients: the server passes it on as it is.
    pub fn is_client_only(&self) -> bool {
        self.key.starts_with('+')
    }

    /// Whose name it is: `draft`, or a domain; `None` for a name of IRCv3 itself.
    pub fn vendor(&self) -> Option<&'a str> {
        let key = self.key.strip_prefix('+').unwrap_or(self.key);
        key.split_once('/').map(|(vendor, _)| vendor)
    }
}

/// The value of a tag, still escaped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TagValue<'a> {
    escaped: &'a str,
}

impl<'a> TagValue<'a> {
    /// The value as it came.
    pub const fn escaped(self) -> &'a str {
        self.escaped
    }

    /// The value that is meant. Allocates only if something in it is escaped.
    ///
    /// A backslash that escapes nothing is dropped, also at the end.
    pub fn unescaped(self) -> Cow<'a, str> {
        if memchr::memchr(b'\\', self.escaped.as_bytes()).is_none() {
            return Cow::Borrowed(self.escaped);
        }
        let mut text = String::with_capacity(self.escaped.len());
        let mut chars = self.escaped.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(unescape)),
                plain => text.push(plain),
            }
        }
        Cow::Owned(text)
    }

    /// Whether the tag has no value, or an empty one.
    pub const fn is_empty(self) -> bool {
        self.escaped.is_empty()
    }
}

fn unescape(c: char) -> char {
    match c {
        ':' => ';',
        's' => ' ',
        'r' => '\r',
        'n' => '\n',
        other => other,
    }
}

/// Appends `value` escaped. NUL, which cannot be escaped, is left out.
pub(crate) fn escape_into(out: &mut Vec<u8>, value: &str) {
    if !value
        .bytes()
        .any(|byte| matches!(byte, b';' | b' ' | b'\\' | b'\r' | b'\n' | 0))
    {
        return out.extend_from_slice(value.as_bytes());
    }
    for &byte in value.as_bytes() {
        match byte {
            b';' => out.extend_from_slice(b"\\:"),
            b' ' => out.extend_from_slice(b"\\s"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0 => {}
            plain => out.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(escaped: &str) -> String {
        TagValue { escaped }.unescaped().into_owned()
    }

    #[test]
    fn values_are_unescaped_as_the_specification_says() {
        assert_eq!(value(r"b\\and\nk"), "b\\and\nk");
        assert_eq!(value(r"72\s45"), "72 45");
        assert_eq!(value(r"gh\:764"), "gh;764");
        assert_eq!(value(r"\\\\\:\\s\s\r\n"), "\\\\;\\s \r\n");
        // What escapes nothing loses its backslash.
        assert_eq!(value(r"value\1"), "value1");
        assert_eq!(value(r"value1\"), "value1");
        assert_eq!(value(r"\é"), "é");
    }

    #[test]
    fn a_plain_value_is_borrowed() {
        let plain = TagValue { escaped: "ql7" };
        assert!(matches!(plain.unescaped(), Cow::Borrowed("ql7")));
    }

    #[test]
    fn no_value_and_an_empty_one_mean_the_same() {
        let tags = Tags::new("c;h=;a=b");
        assert_eq!(tags.get("c"), tags.get("h"));
        assert!(tags.get("c").unwrap().is_empty());
        assert_eq!(tags.get("a").unwrap().escaped(), "b");
        assert_eq!(tags.get("d"), None);
    }

    #[test]
    fn of_several_the_last_counts() {
        let tags = Tags::new("tag1=1;tag2=3;tag3=4;tag1=5;vendor/tag2=8");
        assert_eq!(tags.get("tag1").unwrap().escaped(), "5");
        let keys: Vec<&str> = tags.iter().map(|tag| tag.key).collect();
        assert_eq!(keys, ["tag2", "tag3", "tag1", "vendor/tag2"]);
        // Keys are case-sensitive, and a longer key is another one.
        assert_eq!(tags.get("TAG1"), None);
        assert_eq!(tags.get("tag"), None);
    }

    #[test]
    fn a_tag_without_a_key_is_none() {
        let tags = Tags::new(";=x;;a=;");
        let keys: Vec<&str> = tags.iter().map(|tag| tag.key).collect();
        assert_eq!(keys, ["a"]);
        assert_eq!(tags.get(""), None);
        assert_eq!(Tags::default().iter().count(), 0);
    }

    #[test]
    fn kinds_of_names() {
        let kinds = Tags::new("time;+typing;+draft/reply=1;znc.in/playback");
        let kinds: Vec<_> = kinds
            .iter()
            .map(|t| (t.is_client_only(), t.vendor()))
            .collect();
        assert_eq!(
            kinds,
            [
                (false, None),
                (true, None),
                (true, Some("draft")),
                (false, Some("znc.in"))
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(text in "[^\0]*") {
            let mut out = Vec::new();
            escape_into(&mut out, &text);
            let escaped = String::from_utf8(out).unwrap();
            prop_assert!(!escaped.contains([' ', ';', '\r', '\n', '\0']));
            prop_assert_eq!(value(&escaped), text);
        }

        #[test]
        fn any_section_can_be_looked_at(data: String) {
            let tags = Tags::new(&data);
            for tag in tags.iter() {
                prop_assert_eq!(tags.get(tag.key), Some(tag.value));
                tag.value.unescaped();
                tag.vendor();
            }
        }
    }
}
