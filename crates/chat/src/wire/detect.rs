//! Which protocol a client speaks, from the first bytes that it sends.
//!
//! It must never guess, keep bytes or look at a clock: a decision is a function of the bytes so
//! far, and more bytes never change one that was made. So it is the same however a stream is cut.
//!
//! # What counts
//! Only whole greetings do. While the bytes may still become one, the answer is
//! [`Decision::Undecided`], and nothing may be taken for a message; in particular a pause must end
//! none. As soon as they can't, it is [`Decision::Plain`].
//!
//! - **TLS**: the first eleven bytes of a record that begins a ClientHello (RFC 8446 sections 5.1
//!   and 4.1.2): content type 22, version 3.x, a length that a record may have, handshake type 1,
//!   a length that a ClientHello may have and that fills the record, version 3.x.
//! - **HTTP**: `METHOD SP target SP HTTP/1.`, with a method of RFC 9110 or `PATCH` in capitals and
//!   one of the four forms that a target has (RFC 9112 section 3.2). `GET well soon` is chat from
//!   the `w` on. Also `PRI * HTTP/2.0`, with which HTTP/2 begins unasked (RFC 9113 section 3.4):
//!   such a client is answered in its own protocol that it is not understood.
//! - **IRC**: whole lines, in any case, with LF or CR LF, that are nothing but `CAP`, `PASS`,
//!   `NICK` and `USER`, up to a `CAP`, or up to both of `NICK` and `USER`.
//!
//! # IRC or a sentence
//! What clients send first: irssi, HexChat and WeeChat `CAP LS 302` (WeeChat after `PASS`, if it
//! has one); older ones and bots `NICK` and `USER` in either order, perhaps after `PASS`. All of
//! these are also words of a chat, so each line has to be one that a client would send:
//!
//! - `CAP` has a subcommand of clients: `LS` with or without a version, `LIST`, `END`, `REQ` with
//!   something. `CAP in hand` is chat.
//! - `NICK` has one parameter of at most 64 bytes. `NICK is great` is chat.
//! - `PASS` has one parameter. `PASS me the salt` is chat.
//! - `USER` has at least four (RFC 2812 section 3.1.3). Before any `NICK`, the fourth must be the
//!   last one, as in `USER guest 0 * :Ronnie`: a sentence that begins with "User" is chat.
//!
//! What is left undecided are single lines like `NICK rocks`: the next line tells. If the stream
//! ends there, it was chat; a client that then neither goes on nor leaves is one that has sent half
//! a greeting.

use std::fmt;

use memchr::memchr;

/// No greeting is longer: beyond this many bytes whatever is still undecided is plain. As long as
/// the head of a request may be, so a request that could be served is always recognised.
pub const GREETING_BYTES_MAX: usize = 8192;

/// The longest nickname that makes a `NICK` line a greeting, in bytes.
const NICK_BYTES_MAX: usize = 64;

/// What the first bytes of a client amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// A ClientHello: decrypt, then look again at what comes out.
    Tls,
    /// An HTTP request, of HTTP/1 or (to be refused) of HTTP/2.
    Http,
    /// An IRC client that registers.
    Irc,
    /// None of the others, whatever comes.
    Plain,
    /// Nothing yet, or the beginning of a greeting. A pause ends no message now. At the end of the
    /// stream it is plain; at the handshake's deadline it is a client to be given up.
    Undecided,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decision::Tls => "TLS",
            Decision::Http => "HTTP",
            Decision::Irc => "IRC",
            Decision::Plain => "plain lines",
            Decision::Undecided => "half a greeting",
        })
    }
}

/// Which protocols are looked for; what is switched off is never recognised, nor waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detect {
    /// TLS. Off for what came out of TLS.
    pub tls: bool,
    /// HTTP, and with it WebSocket.
    pub http: bool,
    /// IRC.
    pub irc: bool,
}

impl Detect {
    /// All of them.
    pub const ALL: Detect = Detect {
        tls: true,
        http: true,
        irc: true,
    };

    /// The protocol of a client that has sent `bytes` so far: all of them, none consumed.
    ///
    /// No allocation. Linear in the bytes, of which it looks at [`GREETING_BYTES_MAX`] at most.
    ///
    /// ```
    /// use switchboard_chat::wire::detect::{Decision, Detect};
    ///
    /// assert_eq!(Detect::ALL.look(b"GET "), Decision::Undecided);
    /// assert_eq!(Detect::ALL.look(b"GET well soon"), Decision::Plain);
    /// assert_eq!(Detect::ALL.look(b"GET / HTTP/1.1\r\n"), Decision::Http);
    /// assert_eq!(Detect::ALL.look(b"CAP LS 302\r\n"), Decision::Irc);
    /// ```
    pub fn look(self, bytes: &[u8]) -> Decision {
        let seen = &bytes[..bytes.len().min(GREETING_BYTES_MAX)];
        let mut may_become_one = false;
        for (is_on, is_like, decision) in [
            (self.tls, client_hello(seen), Decision::Tls),
            (self.http, request_line(seen), Decision::Http),
            (self.irc, registration(seen), Decision::Irc),
        ] {
            match is_like {
                Match::Whole if is_on => return decision,
                Match::Beginning if is_on => may_become_one = true,
                _ => {}
            }
        }
        if may_become_one && bytes.len() < GREETING_BYTES_MAX {
            Decision::Undecided
        } else {
            Decision::Plain
        }
    }
}

/// How bytes compare with a kind of greeting.
///
/// `Whole` and `No` are final: they hold for all bytes that begin like these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    Beginning,
    Whole,
}

impl Match {
    fn beginning_if(possible: bool) -> Match {
        if possible {
            Match::Beginning
        } else {
            Match::No
        }
    }
}

fn client_hello(bytes: &[u8]) -> Match {
    // A version, extensions and all of these: RFC 8446 section 4.1.2 counted with one suite.
    const HELLO_BYTES_MIN: u32 = 41;
    // What TLS libraries take; the length has 24 bits.
    const HELLO_BYTES_MAX: u32 = 0xffff;
    // The least that holds the handshake's type, its length and its version.
    const RECORD_BYTES_MIN: u32 = 6;
    const RECORD_BYTES_MAX: u32 = 1 << 14;
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        Some(digits.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
    };
    let is_version = |n: u32| (0x300..=0x304).contains(&n);
    let record = number(3, 5);
    let hello = number(6, 9);
    let possible = number(0, 1).is_none_or(|kind| kind == 22)
        && number(1, 2).is_none_or(|major| major == 3)
        && number(1, 3).is_none_or(is_version)
        && record.is_none_or(|n| (RECORD_BYTES_MIN..=RECORD_BYTES_MAX).contains(&n))
        && number(5, 6).is_none_or(|kind| kind == 1)
        && hello.is_none_or(|n| (HELLO_BYTES_MIN..=HELLO_BYTES_MAX).contains(&n))
        // Nothing may follow a ClientHello in its record; it may go on in the next one.
        && hello.zip(record).is_none_or(|(hello, record)| hello + 4 >= record)
        && number(9, 11).is_none_or(is_version);
    match number(9, 11) {
        Some(_) if possible => Match::Whole,
        _ => Match::beginning_if(possible),
    }
}

fn request_line(bytes: &[u8]) -> Match {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"DELETE ",
        b"CONNECT ",
        b"OPTIONS ",
        b"TRACE ",
        b"PATCH ",
    ];
    let of_method = |method: &&[u8]| match after(bytes, method) {
        Ok(rest) => target_and_version(rest, *method == b"CONNECT "),
        Err(unfinished) => unfinished,
    };
    let http2 = after(bytes, b"PRI * HTTP/2.0").map_or_else(|unfinished| unfinished, whole);
    METHODS.iter().map(of_method).fold(http2, Match::max)
}

fn target_and_version(bytes: &[u8], is_connect: bool) -> Match {
    let Some(end) = bytes.iter().position(|byte| !is_of_target(*byte)) else {
        return target(bytes, is_connect).min(Match::Beginning);
    };
    let (target_bytes, version) = bytes.split_at(end);
    match target(target_bytes, is_connect) {
        Match::Whole => after(version, b" HTTP/1.").map_or_else(|unfinished| unfinished, whole),
        _ => Match::No,
    }
}

fn is_of_target(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

/// Whether these are a target, or the beginning of one.
fn target(bytes: &[u8], is_connect: bool) -> Match {
    if is_connect {
        let mut parts = bytes.rsplitn(2, |byte| *byte == b':');
        let (port, host) = (parts.next().unwrap_or_default(), parts.next());
        let is_whole = host.is_some_and(|host| !host.is_empty())
            && !port.is_empty()
            && port.iter().all(u8::is_ascii_digit);
        return if is_whole {
            Match::Whole
        } else {
            Match::Beginning
        };
    }
    match bytes {
        [] => Match::Beginning,
        [b'/', ..] | [b'*'] => Match::Whole,
        _ => ["http://", "https://"]
            .iter()
            .map(|scheme| {
                let scheme = scheme.as_bytes();
                let common = bytes.len().min(scheme.len());
                match bytes[..common].eq_ignore_ascii_case(&scheme[..common]) {
                    true if bytes.len() > scheme.len() => Match::Whole,
                    is_alike => Match::beginning_if(is_alike),
                }
            })
            .fold(Match::No, Match::max),
    }
}

/// What follows `text` in `bytes`, or how far they are alike.
fn after<'a>(bytes: &'a [u8], text: &[u8]) -> Result<&'a [u8], Match> {
    bytes
        .strip_prefix(text)
        .ok_or_else(|| Match::beginning_if(text.starts_with(bytes)))
}

fn whole(_: &[u8]) -> Match {
    Match::Whole
}

fn registration(bytes: &[u8]) -> Match {
    let (mut has_nick, mut has_user) = (false, false);
    let mut rest = bytes;
    while let Some(end) = memchr(b'\n', rest) {
        let line = Line::new(&rest[..end], true);
        rest = &rest[end + 1..];
        match line.command(has_nick) {
            None => return Match::No,
            Some(Command::Cap) => return Match::Whole,
            Some(Command::Nick) => has_nick = true,
            Some(Command::User) => has_user = true,
            Some(Command::Pass) => {}
        }
        if has_nick && has_user {
            return Match::Whole;
        }
    }
    let line = Line::new(rest, false);
    Match::beginning_if(line.command(has_nick).is_some())
}

/// The commands that a client registers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Cap,
    Pass,
    Nick,
    User,
}

impl Command {
    const NAMED: [(&[u8], Command); 4] = [
        (b"CAP", Command::Cap),
        (b"PASS", Command::Pass),
        (b"NICK", Command::Nick),
        (b"USER", Command::User),
    ];
}

/// A line without its newline, or the beginning of one.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    text: &'a [u8],
    is_whole: bool,
}

impl<'a> Line<'a> {
    /// In an unfinished line, a CR at the end may be half of the newline.
    fn new(text: &'a [u8], is_whole: bool) -> Line<'a> {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Line { text, is_whole }
    }

    /// The command that this line is, or (if it is unfinished) one that it may become.
    fn command(self, has_nick: bool) -> Option<Command> {
        if self.text.iter().any(|byte| matches!(byte, 0 | b'\r')) {
            return None;
        }
        let Some(end) = memchr(b' ', self.text) else {
            let begun = |(name, _): &&(&[u8], Command)| begins(name, self.text);
            let (_, command) = Command::NAMED.iter().find(begun)?;
            return (!self.is_whole).then_some(*command);
        };
        let (name, parameters) = self.text.split_at(end);
        let called = |(known, _): &&(&[u8], Command)| known.eq_ignore_ascii_case(name);
        let (_, command) = Command::NAMED.iter().find(called)?;
        let count = words(parameters).count();
        let is_plausible = match command {
            Command::Cap => self.is_of_capabilities(parameters),
            Command::Pass => count <= 1,
            Command::Nick => count <= 1 && words(parameters).all(is_nick),
            Command::User => has_nick || count <= 4,
        };
        let least = if *command == Command::User { 4 } else { 1 };
        (is_plausible && (count >= least || !self.is_whole)).then_some(*command)
    }

    fn is_of_capabilities(self, parameters: &[u8]) -> bool {
        const SUBCOMMANDS: [&[u8]; 4] = [b"LS", b"LIST", b"END", b"REQ"];
        let mut parameters_left = words(parameters);
        let Some(subcommand) = parameters_left.next() else {
            return true;
        };
        let argument = parameters_left.next();
        if argument.is_none() && !self.is_whole && !parameters.ends_with(b" ") {
            return SUBCOMMANDS.iter().any(|name| begins(name, subcommand));
        }
        match subcommand.to_ascii_uppercase().as_slice() {
            b"LS" => {
                let is_version = |word: &[u8]| word.iter().all(u8::is_ascii_digit);
                argument.is_none_or(is_version) && parameters_left.next().is_none()
            }
            b"LIST" | b"END" => argument.is_none(),
            b"REQ" => argument.is_some() || !self.is_whole,
            _ => false,
        }
    }
}

/// Whether `name` begins with `text`, in any case.
fn begins(name: &[u8], text: &[u8]) -> bool {
    name.get(..text.len())
        .is_some_and(|beginning| beginning.eq_ignore_ascii_case(text))
}

fn is_nick(word: &[u8]) -> bool {
    word.len() <= NICK_BYTES_MAX && !word.contains(&b' ')
}

/// The parameters of a line. One that begins with a colon goes on to the line's end.
fn words(parameters: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = parameters;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let word = &rest[start..];
        let end = match word {
            [b':', ..] => word.len(),
            _ => memchr(b' ', word).unwrap_or(word.len()),
        };
        rest = &word[end..];
        Some(&word[usize::from(word[0] == b':')..end])
    })
}

#[cfg(test)]
mod tests;
