//! One line as a message: tags, source, command, parameters.
//!
//! It must never act on a command, nor allocate: a message borrows all that it holds from its line.
//!
//! Between the parts there may be several spaces, since some clients send them.

use std::ops::Deref;

use super::tags::{TAG_DATA_BYTES_MAX, TAGS_BYTES_MAX, Tags};

/// The most bytes of a line behind its tags, without the newline: 512 with CR and LF.
pub const TEXT_BYTES_MAX: usize = 510;

/// The longest line without its newline, tags included, that anyone may send.
pub const LINE_BYTES_MAX: usize = TAGS_BYTES_MAX + TEXT_BYTES_MAX;

/// The longest line without its newline, tags included, that a client may send.
pub const CLIENT_LINE_BYTES_MAX: usize = TAG_DATA_BYTES_MAX + 2 + TEXT_BYTES_MAX;

/// The most parameters of a message. The last of them takes the rest of the line with its spaces.
pub const PARAMS_MAX: usize = 15;

/// A message, borrowed from its line.
///
/// ```
/// use switchboard_chat::irc::message::Message;
///
/// let message = Message::from_client(b"@label=7 privmsg #room :good morning")?;
/// assert!(message.is("PRIVMSG"));
/// assert_eq!(*message.params, ["#room", "good morning"]);
/// assert_eq!(message.tags.get("label").unwrap().unescaped(), "7");
/// # Ok::<(), switchboard_chat::irc::message::ParseError<'static>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The tags; empty if there are none.
    pub tags: Tags<'a>,
    /// Where the message says it comes from, without the colon. What a client says here is not to be
    /// believed.
    pub source: Option<&'a str>,
    /// The command as it came: ASCII letters and digits, at least one, in any case.
    pub command: &'a str,
    /// The parameters. Whether the last one had a colon makes no difference.
    pub params: Params<'a>,
}

impl<'a> Message<'a> {
    /// Reads a line of a client, without its newline.
    ///
    /// Costs one look at each byte for what is forbidden, one for UTF-8, one for spaces; allocates
    /// nothing.
    ///
    /// # Errors
    /// See [`ParseError`], each with the answer that it deserves.
    pub fn from_client(line: &'a [u8]) -> Result<Message<'a>, ParseError<'a>> {
        Message::parse(line, TAG_DATA_BYTES_MAX + 2)
    }

    /// Reads a line of a server, which may have twice as many bytes of tags.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn from_server(line: &'a [u8]) -> Result<Message<'a>, ParseError<'a>> {
        Message::parse(line, TAGS_BYTES_MAX)
    }

    /// Whether this is the command `name`: commands are the same in any case.
    pub fn is(&self, name: &str) -> bool {
        self.command.eq_ignore_ascii_case(name)
    }

    fn parse(line: &'a [u8], tags_bytes_max: usize) -> Result<Message<'a>, ParseError<'a>> {
        check_lengths(line, tags_bytes_max)?;
        if memchr::memchr3(0, b'\r', b'\n', line).is_some() {
            return Err(ParseError::ForbiddenByte);
        }
        let text =
            std::str::from_utf8(line).map_err(|error| not_utf8(&line[..error.valid_up_to()]))?;
        let message = split(text)?;
        if message.tags.are_too_many() {
            return Err(ParseError::TooLong);
        }
        Ok(message)
    }
}

/// Why a line is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError<'a> {
    /// More bytes than allowed, in the tags or behind them, or more tags than
    /// [`TAGS_MAX`](super::tags::TAGS_MAX): the answer is `417 ERR_INPUTTOOLONG`.
    TooLong,
    /// The line is not UTF-8: the answer is `FAIL <command> INVALID_UTF8`.
    NotUtf8 {
        /// The command, or `*` if not even that is readable.
        command: &'a str,
        /// The tags that could be read, since the answer belongs to their `label`.
        tags: Tags<'a>,
    },
    /// A NUL or a newline within the line: it is not a line of IRC, and has no standard answer.
    ForbiddenByte,
    /// Nothing at all, or spaces: such a line is skipped.
    Empty,
    /// Tags or a source, and nothing behind them.
    NoCommand,
    /// What stands for the command holds something else than ASCII letters and digits: the answer is
    /// `421 ERR_UNKNOWNCOMMAND`.
    BadCommand {
        /// What stands there.
        command: &'a str,
        /// The tags, since the answer belongs to their `label`.
        tags: Tags<'a>,
    },
}

impl std::fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ParseError::TooLong => "the line is too long: shorten its text or its tags",
            ParseError::NotUtf8 { .. } => "the line is not UTF-8: set the client's encoding to it",
            ParseError::ForbiddenByte => "the line holds a NUL or a lone CR: send text",
            ParseError::Empty => "the line is empty",
            ParseError::NoCommand => "the line has no command",
            ParseError::BadCommand { .. } => "a command is made of ASCII letters and digits",
        })
    }
}

impl std::error::Error for ParseError<'_> {}

/// The parameters of a message: a slice of at most [`PARAMS_MAX`], held in place.
#[derive(Clone, Copy)]
pub struct Params<'a> {
    params: [&'a str; PARAMS_MAX],
    len: usize,
}

impl<'a> Params<'a> {
    /// The parameter `index`; unlike indexing, it lives as long as the line.
    pub fn get(&self, index: usize) -> Option<&'a str> {
        self.as_slice().get(index).copied()
    }

    /// All of them.
    pub fn as_slice(&self) -> &[&'a str] {
        &self.params[..self.len]
    }

    fn push(&mut self, param: &'a str) {
        self.params[self.len] = param;
        self.len += 1;
    }
}

impl<'a> Deref for Params<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        self.as_slice()
    }
}

impl Default for Params<'_> {
    fn default() -> Self {
        Params {
            params: [""; PARAMS_MAX],
            len: 0,
        }
    }
}

impl std::fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl PartialEq for Params<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Params<'_> {}

/// One space behind the tags counts to them, each further one to the text.
fn check_lengths(line: &[u8], tags_bytes_max: usize) -> Result<(), ParseError<'static>> {
    let mut text = line;
    if line.first() == Some(&b'@') {
        let tags_end = memchr::memchr(b' ', line).map_or(line.len(), |space| space + 1);
        if tags_end > tags_bytes_max {
            return Err(ParseError::TooLong);
        }
        text = &line[tags_end..];
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(ParseError::TooLong);
    }
    Ok(())
}

fn split(text: &str) -> Result<Message<'_>, ParseError<'_>> {
    let mut rest = text.trim_start_matches(' ');
    if rest.is_empty() {
        return Err(ParseError::Empty);
    }
    let mut tags = Tags::default();
    if let Some(tagged) = text.strip_prefix('@') {
        let (data, behind) = take_word(tagged);
        tags = Tags::new(data);
        rest = behind;
    }
    let mut source = None;
    if let Some(sourced) = rest.strip_prefix(':') {
        let (name, behind) = take_word(sourced);
        source = Some(name).filter(|name| !name.is_empty());
        rest = behind;
    }
    let (command, rest) = take_word(rest);
    if command.is_empty() {
        return Err(ParseError::NoCommand);
    }
    if !command.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(ParseError::BadCommand { command, tags });
    }
    Ok(Message {
        tags,
        source,
        command,
        params: split_params(rest),
    })
}

fn split_params(mut rest: &str) -> Params<'_> {
    let mut params = Params::default();
    while !rest.is_empty() {
        if let Some(trailing) = rest.strip_prefix(':') {
            params.push(trailing);
            break;
        }
        if params.len() == PARAMS_MAX - 1 {
            params.push(rest);
            break;
        }
        let (word, behind) = take_word(rest);
        params.push(word);
        rest = behind;
    }
    params
}

/// The text before the first space, and what stands behind the spaces.
fn take_word(text: &str) -> (&str, &str) {
    match memchr::memchr(b' ', text.as_bytes()) {
        Some(space) => (&text[..space], text[space..].trim_start_matches(' ')),
        None => (text, ""),
    }
}

/// What can be said of a line that is UTF-8 only so far.
#[cold]
fn not_utf8(readable: &[u8]) -> ParseError<'_> {
    let unknown = ParseError::NotUtf8 {
        command: "*",
        tags: Tags::default(),
    };
    // The word in which the text breaks off is known only in part, so it is left out.
    let Some(last_space) = memchr::memrchr(b' ', readable) else {
        return unknown;
    };
    let text = std::str::from_utf8(&readable[..last_space]).unwrap_or("");
    match split(text) {
        Ok(Message { command, tags, .. }) => ParseError::NotUtf8 { command, tags },
        Err(_) => unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Source (empty for none), command and parameters.
    fn parts(line: &str) -> (String, &str, Vec<&str>) {
        let message = Message::from_client(line.as_bytes()).unwrap();
        let source = message.source.unwrap_or("").to_owned();
        (source, message.command, message.params.to_vec())
    }

    #[track_caller]
    fn check(line: &str, source: &str, command: &str, params: &[&str]) {
        let expected = (source.to_owned(), command, params.to_vec());
        assert_eq!(parts(line), expected, "{line:?}");
    }

    #[test]
    fn parameters_end_with_a_trailing_one() {
        check("foo bar baz asdf", "", "foo", &["bar", "baz", "asdf"]);
        check(
            "foo bar baz :asdf quux",
            "",
            "foo",
            &["bar", "baz", "asdf quux"],
        );
        check("foo bar baz :", "", "foo", &["bar", "baz", ""]);
        check("foo bar baz ::asdf", "", "foo", &["bar", "baz", ":asdf"]);
        check(":me foo bar :  a b ", "me", "foo", &["bar", "  a b "]);
        check(
            ":me PRIVMSG bar :lol :) ",
            "me",
            "PRIVMSG",
            &["bar", "lol :) "],
        );
        check(":me foo b\tar baz", "me", "foo", &["b\tar", "baz"]);
        check(
            ":op MODE #c +oo one :two",
            "op",
            "MODE",
            &["#c", "+oo", "one", "two"],
        );
        check("JOIN :#chan", "", "JOIN", &["#chan"]);
        check("COMMAND", "", "COMMAND", &[]);
    }

    #[test]
    fn spaces_in_excess_are_skipped() {
        check(":src AWAY ", "src", "AWAY", &[]);
        check(":s MODE #foo +o bar  ", "s", "MODE", &["#foo", "+o", "bar"]);
        check(
            ":s.org 432  #momo :Bad: no",
            "s.org",
            "432",
            &["#momo", "Bad: no"],
        );
        check("  PING   x", "", "PING", &["x"]);
    }

    #[test]
    fn a_source_may_hold_odd_characters() {
        check(":cool\tguy foo bar", "cool\tguy", "foo", &["bar"]);
        let odd = "guy!~ag@n\u{2}et\u{3}05w\u{f}ork.admin";
        check(
            &format!(":{odd} PRIVMSG foo :bar baz"),
            odd,
            "PRIVMSG",
            &["foo", "bar baz"],
        );
        check(": foo bar", "", "foo", &["bar"]);
    }

    #[test]
    fn tags_come_first() {
        let line = b"@tag1=v;tag2;vendor1/tag3=v2;vendor2/tag4= :irc.example.com CMD p1 :p2 p2";
        let message = Message::from_client(line).unwrap();
        assert_eq!(message.source, Some("irc.example.com"));
        assert_eq!(*message.params, ["p1", "p2 p2"]);
        let value = |key| message.tags.get(key).unwrap().escaped();
        assert_eq!(value("tag1"), "v");
        assert_eq!(value("tag2"), "");
        assert_eq!(value("vendor1/tag3"), "v2");
        assert_eq!(value("vendor2/tag4"), "");
        // Behind a space it is no section of tags.
        let late = Message::from_client(b" @a=b CMD");
        assert!(matches!(
            late,
            Err(ParseError::BadCommand {
                command: "@a=b",
                ..
            })
        ));
    }

    #[test]
    fn the_fifteenth_parameter_takes_the_rest() {
        let line = "C 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17";
        let message = Message::from_client(line.as_bytes()).unwrap();
        assert_eq!(message.params.len(), PARAMS_MAX);
        assert_eq!(message.params.get(14), Some("15 16 17"));
        assert_eq!(message.params.get(15), None);
        let colon = Message::from_client(b"C 1 2 3 4 5 6 7 8 9 10 11 12 13 14 :15 16").unwrap();
        assert_eq!(colon.params.get(14), Some("15 16"));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let error = |line: &'static [u8]| Message::from_client(line).unwrap_err();
        assert_eq!(error(b""), ParseError::Empty);
        assert_eq!(error(b"   "), ParseError::Empty);
        assert_eq!(error(b"@a=b"), ParseError::NoCommand);
        assert_eq!(error(b"@a=b  :me "), ParseError::NoCommand);
        assert_eq!(error(b"PRIVMSG a :b\0"), ParseError::ForbiddenByte);
        assert_eq!(error(b"PRIVMSG a :b\rQUIT"), ParseError::ForbiddenByte);
        assert_eq!(error(b"PRIVMSG a :b\nQUIT"), ParseError::ForbiddenByte);
        let tags = Tags::new("label=1");
        let command = "PRIV-MSG";
        assert_eq!(
            error(b"@label=1 PRIV-MSG a"),
            ParseError::BadCommand { command, tags }
        );
    }

    #[test]
    fn text_that_is_not_utf8_still_tells_what_it_was_for() {
        let error = |line: &'static [u8]| Message::from_client(line).unwrap_err();
        let not_utf8 = |command, tags| ParseError::NotUtf8 {
            command,
            tags: Tags::new(tags),
        };
        assert_eq!(
            error(b"@label=1 PRIVMSG #a :caf\xe9"),
            not_utf8("PRIVMSG", "label=1")
        );
        assert_eq!(error(b"PRIVMSG \xe9"), not_utf8("PRIVMSG", ""));
        assert_eq!(error(b"PRIV\xe9MSG a"), not_utf8("*", ""));
        assert_eq!(error(b"@label=1 PRIV\xe9MSG a"), not_utf8("*", ""));
        assert_eq!(error(b"\xff"), not_utf8("*", ""));
    }

    #[test]
    fn the_bounds_hold_to_the_byte() {
        let with = |tag_bytes: usize, text_bytes: usize| {
            let tags = if tag_bytes == 0 {
                String::new()
            } else {
                format!("@{} ", "t".repeat(tag_bytes))
            };
            format!("{tags}{}", "C".repeat(text_bytes)).into_bytes()
        };
        assert!(Message::from_client(&with(0, 510)).is_ok());
        assert_eq!(
            Message::from_client(&with(0, 511)),
            Err(ParseError::TooLong)
        );
        assert_eq!(with(4094, 510).len(), CLIENT_LINE_BYTES_MAX);
        assert!(Message::from_client(&with(4094, 510)).is_ok());
        assert_eq!(
            Message::from_client(&with(4095, 1)),
            Err(ParseError::TooLong)
        );
        assert_eq!(
            Message::from_client(&with(4094, 511)),
            Err(ParseError::TooLong)
        );
        assert_eq!(with(8189, 510).len(), LINE_BYTES_MAX);
        assert!(Message::from_server(&with(8189, 510)).is_ok());
        assert_eq!(
            Message::from_server(&with(8190, 1)),
            Err(ParseError::TooLong)
        );
    }

    #[test]
    fn so_does_the_bound_of_tags() {
        let with = |tags: usize| format!("@{} C", vec!["a"; tags].join(";")).into_bytes();
        assert!(Message::from_client(&with(super::super::tags::TAGS_MAX)).is_ok());
        let one_more = with(super::super::tags::TAGS_MAX + 1);
        assert_eq!(Message::from_client(&one_more), Err(ParseError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(line: Vec<u8>) {
            let _ = Message::from_client(&line);
            let _ = Message::from_server(&line);
        }

        #[test]
        fn what_looks_like_a_message_is_bounded(line in "[@:]?[ -~é;:= @\\\\]{0,600}") {
            if let Ok(message) = Message::from_client(line.as_bytes()) {
                prop_assert!(message.params.len() <= PARAMS_MAX);
                prop_assert!(message.command.bytes().all(|b| b.is_ascii_alphanumeric()));
                for middle in message.params.iter().rev().skip(1) {
                    prop_assert!(!middle.is_empty());
                    prop_assert!(!middle.contains(' ') && !middle.starts_with(':'));
                }
            }
        }
    }
}
