//! One message as a line: whatever the parts hold, what comes out is one line that reads back.
//!
//! It must never write a line that is longer than the protocol allows, a newline within a line, or
//! a part that reads as another part. It never fails for that: it replaces, cuts or leaves out, as
//! said at each method, so that no text from the network can break the stream of another client.

use super::message::{Message, TEXT_BYTES_MAX};
use super::numeric::Numeric;
use super::tags::{TAG_DATA_BYTES_MAX, TagValue, escape_into};

/// The longest source that is written; a longer one is cut. It leaves room for a command and its
/// target, and is more than the longest `nick!user@host` here.
pub const SOURCE_BYTES_MAX: usize = 256;

/// Stands for a command that has no letter or digit: a numeric that nobody uses.
const NO_COMMAND: &[u8] = b"000";

/// A line that is being appended to `out`: its tags, and then its source and command.
///
/// Allocates only if `out` has no room.
///
/// ```
/// use switchboard_chat::irc::write::Line;
///
/// let mut out = Vec::new();
/// Line::new(&mut out)
///     .tag("msgid", "63E1033A")
///     .from("ada!ada@example.org", "PRIVMSG")
///     .param("#room")
///     .text("good morning");
/// assert_eq!(out, b"@msgid=63E1033A :ada!ada@example.org PRIVMSG #room :good morning\r\n");
/// ```
#[must_use = "a line is begun by its tags, and needs a command"]
#[derive(Debug)]
pub struct Line<'b> {
    out: &'b mut Vec<u8>,
    /// Where the line begins in `out`.
    start: usize,
    server_tag_bytes: usize,
    client_tag_bytes: usize,
}

impl<'b> Line<'b> {
    /// Begins a line at the end of `out`. Nothing is written until there is something to write.
    pub fn new(out: &'b mut Vec<u8>) -> Line<'b> {
        Line {
            start: out.len(),
            out,
            server_tag_bytes: 0,
            client_tag_bytes: 0,
        }
    }

    /// Adds a tag; its value is escaped, and may be empty. The caller names each key once, and the
    /// tags of the server before those of a client (`+`), as the specification asks.
    ///
    /// Bytes that no key can hold are left out of it, and NUL out of the value. A tag without a key
    /// is left out, and so is one that does not fit: 4,094 bytes are for the tags of the server, and
    /// as many for the client's.
    pub fn tag(self, key: &str, value: &str) -> Line<'b> {
        self.add_tag(key, |out| escape_into(out, value))
    }

    /// Adds a tag as it came in another message, without unescaping it.
    pub fn tag_as_it_came(self, key: &str, value: TagValue<'_>) -> Line<'b> {
        self.add_tag(key, |out| {
            // A value that was not read from a line may hold anything.
            push_without(out, value.escaped(), |byte| {
                matches!(byte, 0 | b'\r' | b'\n' | b' ' | b';')
            });
        })
    }

    fn add_tag(mut self, key: &str, write_value: impl FnOnce(&mut Vec<u8>)) -> Line<'b> {
        let before = self.out.len();
        self.out
            .push(if before == self.start { b'@' } else { b';' });
        let key_at = self.out.len();
        push_without(self.out, key, |byte| {
            matches!(byte, 0 | b'\r' | b'\n' | b' ' | b';' | b'=')
        });
        let key_end = self.out.len();
        if key_at == key_end {
            self.out.truncate(before);
            return self;
        }
        self.out.push(b'=');
        write_value(self.out);
        // An empty value takes no byte, not even its `=`.
        if self.out.len() == key_end + 1 {
            self.out.truncate(key_end);
        }
        let is_client_only = self.out[key_at] == b'+';
        let used = match is_client_only {
            true => &mut self.client_tag_bytes,
            false => &mut self.server_tag_bytes,
        };
        // The separator before the first tag of each kind is not data of that kind.
        let separator = usize::from(*used > 0);
        let tag_bytes = self.out.len() - key_at + separator;
        if *used + tag_bytes > TAG_DATA_BYTES_MAX {
            self.out.truncate(before);
        } else {
            *used += tag_bytes;
        }
        self
    }

    /// The source (a server's name, or `nick!user@host`) and the command.
    ///
    /// A source that is empty is left out; one longer than [`SOURCE_BYTES_MAX`] is cut; what it
    /// cannot hold becomes `_`. Of the command, only ASCII letters and digits are written, at most
    /// 32.
    pub fn from(mut self, source: &str, command: &str) -> Body<'b> {
        self.end_tags();
        let text_at = self.out.len();
        if !source.is_empty() {
            self.out.push(b':');
            push_middle(self.out, cut(source, SOURCE_BYTES_MAX));
            self.out.push(b' ');
        }
        self.body(text_at, command)
    }

    /// The command, without a source: as clients write, and servers for `PING`, `ERROR` and
    /// `AUTHENTICATE`. See [`from`](Self::from) for what is written of it.
    pub fn command(mut self, command: &str) -> Body<'b> {
        self.end_tags();
        let text_at = self.out.len();
        self.body(text_at, command)
    }

    /// A numeric reply of `server` to `client`, which is `*` before it has a nick.
    pub fn numeric(self, server: &str, numeric: Numeric, client: &str) -> Body<'b> {
        let client = if client.is_empty() { "*" } else { client };
        self.from(server, numeric.digits()).param(client)
    }

    fn end_tags(&mut self) {
        if self.out.len() > self.start {
            self.out.push(b' ');
        }
    }

    fn body(self, text_at: usize, command: &str) -> Body<'b> {
        let command_at = self.out.len();
        let letters = command.bytes().filter(u8::is_ascii_alphanumeric);
        self.out.extend(letters.take(32));
        if self.out.len() == command_at {
            self.out.extend_from_slice(NO_COMMAND);
        }
        Body {
            out: self.out,
            text_at,
            trailing_at: None,
        }
    }
}

/// A line that has its command, and takes parameters until it is ended.
#[must_use = "end the line with `text` or `end`: without it, it has no newline"]
#[derive(Debug)]
pub struct Body<'b> {
    out: &'b mut Vec<u8>,
    /// Where the part that is bounded by 512 bytes begins in `out`.
    text_at: usize,
    /// Where the colon of the last parameter stands, if it has one.
    trailing_at: Option<usize>,
}

impl<'b> Body<'b> {
    /// Adds a parameter, with a colon if it needs one (because it is empty, holds a space or begins
    /// with a colon).
    ///
    /// NUL, CR and LF become `_`. If another parameter follows one that has a colon, that one is
    /// changed to what may stand in the middle: an empty one becomes `*`, and its spaces and a
    /// leading colon become `_`. So a line has as many parameters as were added (but see
    /// [`PARAMS_MAX`](super::message::PARAMS_MAX)), and none reads as two.
    pub fn param(mut self, param: &str) -> Body<'b> {
        self.close_trailing();
        self.out.push(b' ');
        let needs_colon = param.is_empty() || param.starts_with(':') || param.contains(' ');
        if needs_colon {
            self.trailing_at = Some(self.out.len());
            self.out.push(b':');
            push_replacing(self.out, param, is_newline_or_nul, b'_');
        } else {
            push_middle(self.out, param);
        }
        self
    }

    /// Adds a number as a parameter.
    pub fn number(mut self, number: u64) -> Body<'b> {
        self.close_trailing();
        self.out.push(b' ');
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
        self
    }

    /// Adds each of `params`.
    pub fn params<'p>(self, params: impl IntoIterator<Item = &'p str>) -> Body<'b> {
        params.into_iter().fold(self, Body::param)
    }

    /// Adds `text` as the last parameter, always with a colon, and ends the line. NUL, CR and LF
    /// become spaces. See [`end`](Self::end) for what is returned.
    pub fn text(mut self, text: &str) -> usize {
        self.close_trailing();
        self.out.extend_from_slice(b" :");
        push_replacing(self.out, text, is_newline_or_nul, b' ');
        self.end()
    }

    /// Ends the line. If it is longer than 512 bytes without its tags, it is cut at the end of a
    /// character; returns how many bytes were cut off, 0 for a whole line.
    pub fn end(self) -> usize {
        let text = &self.out[self.text_at..];
        let mut kept = text.len();
        if kept > TEXT_BYTES_MAX {
            kept = TEXT_BYTES_MAX;
            while is_within_char(text[kept]) {
                kept -= 1;
            }
        }
        let cut_off = text.len() - kept;
        self.out.truncate(self.text_at + kept);
        self.out.extend_from_slice(b"\r\n");
        cut_off
    }

    fn close_trailing(&mut self) {
        let Some(colon_at) = self.trailing_at.take() else {
            return;
        };
        if self.out.len() == colon_at + 1 {
            self.out[colon_at] = b'*';
            return;
        }
        self.out.remove(colon_at);
        if self.out[colon_at] == b':' {
            self.out[colon_at] = b'_';
        }
        for byte in &mut self.out[colon_at..] {
            if *byte == b' ' {
                *byte = b'_';
            }
        }
    }
}

/// Appends a whole numeric reply: `params` behind the client's name, and the numeric's standard text
/// if it has one. Returns how many bytes were cut off, see [`Body::end`].
///
/// ```
/// use switchboard_chat::irc::{numeric, write};
///
/// let mut out = Vec::new();
/// write::reply(&mut out, "irc.example.org", numeric::ERR_NOSUCHCHANNEL, "ada", &["#none"]);
/// assert_eq!(out, b":irc.example.org 403 ada #none :No such channel\r\n");
/// ```
pub fn reply(
    out: &mut Vec<u8>,
    server: &str,
    numeric: Numeric,
    client: &str,
    params: &[&str],
) -> usize {
    let body = Line::new(out).numeric(server, numeric, client);
    let body = body.params(params.iter().copied());
    match numeric.text() {
        "" => body.end(),
        text => body.text(text),
    }
}

/// Appends `message`, with each of its tags once. Returns how many bytes were cut off.
pub fn message(out: &mut Vec<u8>, message: &Message<'_>) -> usize {
    let mut line = Line::new(out);
    for tag in message.tags.iter() {
        line = line.tag_as_it_came(tag.key, tag.value);
    }
    let body = match message.source {
        Some(source) => line.from(source, message.command),
        None => line.command(message.command),
    };
    body.params(message.params.iter().copied()).end()
}

/// How many bytes of text fit behind `:source command params :` in one line. A longer text is cut,
/// so who wants to say more splits it by this (see [`cut`]).
///
/// Clients count like this too, with the source by which the server shows them to others.
///
/// ```
/// use switchboard_chat::irc::write::text_room;
///
/// assert_eq!(text_room("ada!ada@example.org", "PRIVMSG", &["#room"]), 474);
/// ```
pub fn text_room(source: &str, command: &str, params: &[&str]) -> usize {
    let source_bytes = match source.len().min(SOURCE_BYTES_MAX) {
        0 => 0,
        bytes => bytes + 2,
    };
    let params_bytes: usize = params.iter().map(|param| param.len() + 1).sum();
    TEXT_BYTES_MAX.saturating_sub(source_bytes + command.len() + params_bytes + 2)
}

/// The longest beginning of `text` that has at most `bytes_max` bytes and ends with a whole
/// character.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

const fn is_newline_or_nul(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

const fn is_within_char(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// What cannot stand in the middle of a line becomes `_`; the caller has looked for a leading colon.
fn push_middle(out: &mut Vec<u8>, text: &str) {
    push_replacing(out, text, |b| is_newline_or_nul(b) || b == b' ', b'_');
}

/// All bytes that `is_bad` finds are ASCII, so what is left is UTF-8.
fn push_replacing(out: &mut Vec<u8>, text: &str, is_bad: impl Fn(u8) -> bool, by: u8) {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    // Without a branch, so that many bytes are looked at in one step.
    for byte in &mut out[start..] {
        *byte = if is_bad(*byte) { by } else { *byte };
    }
}

fn push_without(out: &mut Vec<u8>, text: &str, is_bad: impl Fn(u8) -> bool) {
    if text.bytes().any(&is_bad) {
        out.extend(text.bytes().filter(|&byte| !is_bad(byte)));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(Line<'_>) -> usize) -> (String, usize) {
        let mut out = b"before\r\n".to_vec();
        let cut_off = write(Line::new(&mut out));
        let text = String::from_utf8(out).unwrap();
        (text.strip_prefix("before\r\n").unwrap().to_owned(), cut_off)
    }

    fn line(write: impl FnOnce(Line<'_>) -> usize) -> String {
        let (line, cut_off) = written(write);
        assert_eq!(cut_off, 0);
        line.strip_suffix("\r\n").unwrap().to_owned()
    }

    #[test]
    fn only_the_last_parameter_gets_a_colon() {
        let foo =
            |params: &[&str]| line(|l| l.from("me", "foo").params(params.iter().copied()).end());
        assert_eq!(foo(&[]), ":me foo");
        assert_eq!(foo(&[""]), ":me foo :");
        assert_eq!(foo(&["bar", "baz", "asdf"]), ":me foo bar baz asdf");
        assert_eq!(foo(&["bar", "asdf quux"]), ":me foo bar :asdf quux");
        assert_eq!(foo(&["bar", ""]), ":me foo bar :");
        assert_eq!(foo(&["bar", ":asdf"]), ":me foo bar ::asdf");
        assert_eq!(foo(&["bar", "  a b "]), ":me foo bar :  a b ");
        assert_eq!(foo(&["b\tar", "baz"]), ":me foo b\tar baz");
        assert_eq!(
            line(|l| l.command("PING").number(0).number(u64::MAX).end()),
            "PING 0 18446744073709551615"
        );
        assert_eq!(line(|l| l.command("PING").text("x")), "PING :x");
        assert_eq!(line(|l| l.from("", "PING").end()), "PING");
    }

    #[test]
    fn tags_are_escaped() {
        assert_eq!(
            line(|l| l
                .tag("a", "b\\and\nk")
                .tag("d", "gh;764")
                .command("foo")
                .end()),
            r"@a=b\\and\nk;d=gh\:764 foo"
        );
        assert_eq!(
            line(|l| l.tag("asd", "").from("me", "foo").text("  ")),
            "@asd :me foo :  "
        );
        let value = super::super::tags::Tags::new(r"x=a\:b").get("x").unwrap();
        assert_eq!(
            line(|l| l.tag_as_it_came("x", value).command("foo").end()),
            r"@x=a\:b foo"
        );
    }

    #[test]
    fn what_would_break_out_of_its_place_is_changed() {
        let foo = |params: &[&str]| line(|l| l.command("foo").params(params.iter().copied()).end());
        assert_eq!(foo(&["", "x"]), "foo * x");
        assert_eq!(foo(&[":a", "x"]), "foo _a x");
        assert_eq!(foo(&["a b", "x"]), "foo a_b x");
        assert_eq!(foo(&[":", "::", ": :", "x"]), "foo _ _: __: x");
        assert_eq!(foo(&["a\r\nQUIT", "b\0c d\n"]), "foo a__QUIT :b_c d_");
        assert_eq!(line(|l| l.command("foo").text("a\r\nQUIT")), "foo :a  QUIT");
        assert_eq!(line(|l| l.from("a b\n:c", "f o\ro ").end()), ":a_b_:c foo");
        assert_eq!(line(|l| l.command("\r\n").end()), "000");
        assert_eq!(
            line(|l| l.tag("a b;c=d\r\n", "x y").command("f").end()),
            r"@abcd=x\sy f"
        );
        assert_eq!(line(|l| l.tag(" ", "x").command("f").end()), "f");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let room = text_room("me", "PRIVMSG", &["#c"]);
        let cut_off = |text: &str| {
            let (line, cut_off) =
                written(|l| l.tag("t", "v").from("me", "PRIVMSG").param("#c").text(text));
            assert!(line.len() <= "@t=v ".len() + 512);
            assert!(line.ends_with("\r\n"));
            cut_off
        };
        assert_eq!(cut_off(&"x".repeat(room)), 0);
        assert_eq!(cut_off(&"x".repeat(room + 3)), 3);
        // The last character has one byte in the room, and two beyond it.
        assert_eq!(cut_off(&("x".repeat(room - 1) + "€")), 3);
        assert_eq!(cut("a€", 3), "a");
        assert_eq!(cut("a€", 9), "a€");
    }

    #[test]
    fn a_tag_that_does_not_fit_is_left_out_whole() {
        let long = "v".repeat(TAG_DATA_BYTES_MAX - 2);
        let one_more = format!("{long}v");
        let (kept, _) = written(|l| l.tag("a", &long).tag("+a", &long[1..]).command("C").end());
        let tags = kept.strip_suffix(" C\r\n").unwrap();
        assert_eq!(tags.len() + 1, super::super::tags::TAGS_BYTES_MAX);
        assert_eq!(line(|l| l.tag("a", &one_more).command("C").end()), "C");
        assert_eq!(
            line(|l| l
                .tag("a", "1")
                .tag("b", &long)
                .tag("+c", "")
                .command("C")
                .end()),
            "@a=1;+c C"
        );
    }

    #[test]
    fn a_reply_has_its_text_and_a_target() {
        use super::super::numeric;
        let mut out = Vec::new();
        reply(&mut out, "s", numeric::ERR_NOTREGISTERED, "", &[]);
        reply(
            &mut out,
            "s",
            numeric::RPL_TOPIC,
            "ada",
            &["#c", "tea at five"],
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            ":s 451 * :You have not registered\r\n:s 332 ada #c :tea at five\r\n"
        );
    }
}
