//! Masks: which users `nick!user@host` means, with `*` and `?`, and by network.
//!
//! It must never take more time than pattern times text, whatever the pattern, nor forget an address
//! because the user is shown under a name.
//!
//! A backslash is a character like others (nicks may hold it), so `*` and `?` cannot be escaped; no
//! nick, user or host holds them.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::escape;

/// The longest mask, in bytes.
pub const MASK_BYTES_MAX: usize = 192;

/// The text of an IPv6 address has at most so many bytes.
const IP_TEXT_BYTES_MAX: usize = 46;

/// Whether `text` is what `pattern` says: `*` stands for any characters, `?` for one, and letters of
/// ASCII are the same in both cases.
///
/// Takes at most `pattern.len() * text.len()` steps: a mismatch goes back to the last `*` only,
/// since what an earlier one could take besides, the last one can take as well.
///
/// ```
/// use switchboard_chat::chat::masks::glob;
///
/// assert!(glob("*.Example.org", "mail.example.ORG"));
/// assert!(!glob("a?", "a"));
/// ```
pub fn glob(pattern: &str, text: &str) -> bool {
    glob_counting(pattern.as_bytes(), text, &mut 0)
}

/// Counts its steps in `steps`, for a test of what they are bounded by.
fn glob_counting(pattern: &[u8], text: &str, steps: &mut usize) -> bool {
    let bytes = text.as_bytes();
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`, and the first byte of the text that it does not take.
    let mut star: Option<(usize, usize)> = None;
    while t < bytes.len() {
        *steps += 1;
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
            }
            Some(b'?') => {
                p += 1;
                t = text.ceil_char_boundary(t + 1);
            }
            Some(byte) if byte.eq_ignore_ascii_case(&bytes[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((behind, taken)) = star else {
                    return false;
                };
                let taken = text.ceil_char_boundary(taken + 1);
                star = Some((behind, taken));
                (p, t) = (behind, taken);
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Who is compared with a mask.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The nick.
    pub nick: &'a str,
    /// The user name.
    pub user: &'a str,
    /// The host as others see it.
    pub host: &'a str,
    /// The address that the user connects from. It is compared even where `host` hides it, or a ban
    /// of a network would end with a cloak.
    pub ip: Option<IpAddr>,
}

/// Why a text is no mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskError {
    /// There is none.
    Empty,
    /// It has more than [`MASK_BYTES_MAX`] bytes in its full form.
    TooLong,
    /// It holds a space, or what cannot be seen.
    BadChar(char),
    /// Behind `/` stands no length that a network's address can have.
    BadNetwork,
}

impl fmt::Display for MaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskError::Empty => f.write_str("the mask is empty: write nick!user@host"),
            MaskError::TooLong => write!(f, "the mask is longer than {MASK_BYTES_MAX} bytes"),
            MaskError::BadChar(c) => {
                f.write_str("a mask cannot hold '")?;
                escape::write_char(f, *c)?;
                f.write_str("'")
            }
            MaskError::BadNetwork => f.write_str(
                "the network's length is wrong: write it as 10.0.0.0/8 or 2001:db8::/32",
            ),
        }
    }
}

impl std::error::Error for MaskError {}

/// A mask in its full form, `nick!user@host`, where the host may be a network.
///
/// ```
/// use switchboard_chat::chat::masks::{Mask, Subject};
///
/// let ada = Subject {
///     nick: "ada",
///     user: "al",
///     host: "hidden.example.org",
///     ip: Some("10.1.2.3".parse()?),
/// };
/// assert!(Mask::parse("*!*@10.0.0.0/8")?.matches(&ada));
/// assert!(Mask::parse("*@10.1.2.*")?.matches(&ada));
/// assert_eq!(Mask::parse("ada")?.to_string(), "ada!*@*");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    text: String,
    /// Where `!` and `@` stand in `text`.
    user_at: usize,
    host_at: usize,
    network: Option<IpNet>,
}

impl Mask {
    /// Reads a mask as people write it. What is missing becomes `*`: `ada` is a nick, `*.org` (with
    /// a dot, a colon or a slash in it) a host, `al@*` a user and a host, `ada!al` a nick and a
    /// user. Several `*` behind one another become one, and a network loses the bits behind its
    /// length.
    ///
    /// # Errors
    /// If it is too long, cannot be seen, or its network has no such length.
    pub fn parse(text: &str) -> Result<Mask, MaskError> {
        check_chars(text)?;
        if text.len() > MASK_BYTES_MAX {
            return Err(MaskError::TooLong);
        }
        let (nick, user, host) = complete(text);
        let network = read_network(host)?;
        let host = network.map_or_else(|| host.to_owned(), |network| network.to_string());
        let mut full = String::with_capacity(text.len() + 4);
        push_part(&mut full, nick);
        let user_at = full.len();
        full.push('!');
        push_part(&mut full, user);
        let host_at = full.len();
        full.push('@');
        push_part(&mut full, &host);
        if full.len() > MASK_BYTES_MAX {
            return Err(MaskError::TooLong);
        }
        Ok(Mask {
            text: full,
            user_at,
            host_at,
            network,
        })
    }

    /// The full form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part for the nick.
    pub fn nick(&self) -> &str {
        &self.text[..self.user_at]
    }

    /// The part for the user name.
    pub fn user(&self) -> &str {
        &self.text[self.user_at + 1..self.host_at]
    }

    /// The part for the host.
    pub fn host(&self) -> &str {
        &self.text[self.host_at + 1..]
    }

    /// The network, if the host is one.
    pub fn network(&self) -> Option<IpNet> {
        self.network
    }

    /// Whether it is a mask for everybody, which a server may want to refuse.
    pub fn is_everybody(&self) -> bool {
        let is_any = |part: &str| part == "*";
        let is_any_host = match self.network {
            Some(network) => network.prefix_len() == 0,
            None => is_any(self.host()),
        };
        is_any(self.nick()) && is_any(self.user()) && is_any_host
    }

    /// Whether it means `subject`. Allocates nothing.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        glob(self.nick(), subject.nick)
            && glob(self.user(), subject.user)
            && (glob(self.host(), subject.host)
                || subject.ip.is_some_and(|ip| self.means_address(ip)))
    }

    fn means_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if let Some(network) = self.network {
            return network.contains(&ip);
        }
        let mut text = [0; IP_TEXT_BYTES_MAX];
        let mut rest = &mut text[..];
        let is_whole = write!(rest, "{ip}").is_ok();
        let len = IP_TEXT_BYTES_MAX - rest.len();
        is_whole && std::str::from_utf8(&text[..len]).is_ok_and(|ip| glob(self.host(), ip))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// That there is something, and that it can be seen and stands in the middle of a line.
pub(crate) fn check_chars(text: &str) -> Result<(), MaskError> {
    let is_bad = |c: &char| c.is_whitespace() || (*c != '\\' && !escape::is_plain(*c));
    match text.chars().find(is_bad) {
        Some(bad) => Err(MaskError::BadChar(bad)),
        None if text.is_empty() => Err(MaskError::Empty),
        None => Ok(()),
    }
}

/// Nick, user and host, as far as they are there; an empty part stands for any.
fn complete(text: &str) -> (&str, &str, &str) {
    match (text.split_once('!'), text.rsplit_once('@')) {
        (Some((nick, rest)), _) => {
            let (user, host) = rest.rsplit_once('@').unwrap_or((rest, ""));
            (nick, user, host)
        }
        (None, Some((user, host))) => ("", user, host),
        (None, None) if text.contains(['.', ':', '/']) => ("", "", text),
        (None, None) => (text, "", ""),
    }
}

fn push_part(full: &mut String, part: &str) {
    if part.is_empty() {
        full.push('*');
    }
    for c in part.chars() {
        if c != '*' || !full.ends_with('*') {
            full.push(c);
        }
    }
}

/// A host with a slash may be a cloak (`user/ada`); only behind an address it is a network.
fn read_network(host: &str) -> Result<Option<IpNet>, MaskError> {
    let Some((address, _)) = host.rsplit_once('/') else {
        return Ok(None);
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Ok(None);
    };
    let network: IpNet = host.parse().map_err(|_| MaskError::BadNetwork)?;
    // Clients are compared by their canonical address, so `::ffff:10.0.0.0/104` means `10.0.0.0/8`.
    if address != address.to_canonical() && network.prefix_len() >= 96 {
        let network = IpNet::new(address.to_canonical(), network.prefix_len() - 96);
        return network
            .map(|n| Some(n.trunc()))
            .map_err(|_| MaskError::BadNetwork);
    }
    Ok(Some(network.trunc()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(text: &str) -> Mask {
        Mask::parse(text).unwrap()
    }

    /// Whether the mask means `nick!user@host`; a host that is an address is the user's.
    fn means(mask_text: &str, source: &str) -> bool {
        let (nick, rest) = source.split_once('!').unwrap();
        let (user, host) = rest.split_once('@').unwrap();
        let ip = host.parse().ok();
        mask(mask_text).matches(&Subject {
            nick,
            user,
            host,
            ip,
        })
    }

    #[test]
    fn masks_mean_whom_they_say() {
        for (mask, yes, no) in [
            ("*@127.0.0.1", "guy!ab@127.0.0.1", "guy!ab@127.0.0.5"),
            ("cool!*@*", "Cool!x@example.com", "coolguy!ab@127.0.0.1"),
            ("cool!?name@*", "cool!~name@h", "cool!name@h"),
            ("cool!a?*@*", "cool!abc@h", "cool!a@h"),
            ("cool[guy]!*@*", "cool[guy]!a@h", "coolg!ab@h"),
            ("cool*!*@*.NET", "coolest!x@a.net", "coo!x@a.net"),
            (r"\o!*@*", r"\o!x@h", "o!x@h"),
        ] {
            assert!(means(mask, yes), "{mask} {yes}");
            assert!(!means(mask, no), "{mask} {no}");
        }
        // Signs have no other case.
        assert!(!means("[!*@*", "{!x@h"));
    }

    #[test]
    fn what_is_missing_is_any() {
        for (text, full) in [
            ("ada", "ada!*@*"),
            ("ada!al", "ada!al@*"),
            ("al@host", "*!al@host"),
            ("@host", "*!*@host"),
            ("!@", "*!*@*"),
            ("*.org", "*!*@*.org"),
            ("2001:db8::1", "*!*@2001:db8::1"),
            ("10.1.2.3/8", "*!*@10.0.0.0/8"),
            ("a**b***!*?*@**", "a*b*!*?*@*"),
            ("user/ada", "*!*@user/ada"),
        ] {
            assert_eq!(mask(text).as_str(), full);
            assert_eq!(mask(full).as_str(), full);
        }
        assert!(mask("*").is_everybody());
        assert!(mask("0.0.0.0/0").is_everybody());
        assert!(!mask("*@h").is_everybody());
    }

    #[test]
    fn networks() {
        assert!(means("*!*@10.0.0.0/8", "a!b@10.255.0.1"));
        assert!(!means("*!*@10.0.0.0/8", "a!b@11.0.0.1"));
        assert!(means("*!*@10.0.0.0/8", "a!b@::ffff:10.0.0.1"));
        assert!(means("*!*@::ffff:10.0.0.0/104", "a!b@10.9.9.9"));
        assert!(means("*!*@2001:db8::/32", "a!b@2001:db8:1::5"));
        assert!(!means("*!*@2001:db8::/32", "a!b@2001:db9::"));
        assert!(!means("x!*@10.0.0.0/8", "a!b@10.0.0.1"));
        assert_eq!(mask("*@10.0.0.0/8").network(), "10.0.0.0/8".parse().ok());
        // An address is compared though another host is shown.
        let hidden = Subject {
            nick: "a",
            user: "b",
            host: "cloak",
            ip: "10.0.0.1".parse().ok(),
        };
        assert!(mask("*@10.0.0.?").matches(&hidden));
        assert!(mask("*@10.0.0.0/30").matches(&hidden));
        assert!(!mask("*@10.0.0.2").matches(&hidden));
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        assert_eq!(Mask::parse(""), Err(MaskError::Empty));
        assert_eq!(Mask::parse("a b"), Err(MaskError::BadChar(' ')));
        assert_eq!(Mask::parse("a\r\n"), Err(MaskError::BadChar('\r')));
        assert_eq!(
            Mask::parse("a\u{202e}"),
            Err(MaskError::BadChar('\u{202e}'))
        );
        assert_eq!(Mask::parse("10.0.0.0/33"), Err(MaskError::BadNetwork));
        assert_eq!(Mask::parse("*@::/129"), Err(MaskError::BadNetwork));
        assert_eq!(
            Mask::parse(&"a".repeat(188)).map(|m| m.text.len()),
            Ok(MASK_BYTES_MAX)
        );
        assert_eq!(Mask::parse(&"a".repeat(189)), Err(MaskError::TooLong));
        assert_eq!(Mask::parse(&"a".repeat(193)), Err(MaskError::TooLong));
    }

    #[test]
    fn a_question_mark_is_one_character() {
        assert!(glob("?", "é") && glob("*?", "日本") && glob("??", "日本"));
        assert!(!glob("??", "é") && !glob("?", ""));
        assert!(glob("*", "") && glob("", "") && !glob("", "a"));
    }

    #[test]
    fn the_worst_patterns_take_pattern_times_text() {
        let text = "a".repeat(20_000);
        for pattern in [
            "*a*a*a*a*a*a*a*a*b",
            "*?*?*?*?*b",
            "a*a*a*aab",
            "*aaaaaaaaaaaaaaaab",
        ] {
            let mut steps = 0;
            assert!(!glob_counting(pattern.as_bytes(), &text, &mut steps));
            assert!(
                steps <= pattern.len() * text.len() + pattern.len(),
                "{pattern}: {steps}"
            );
        }
    }

    /// By the definition, and exponential.
    fn model(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=text.len()).any(|skip| model(rest, &text[skip..])),
            (['?', p @ ..], [_, t @ ..]) => model(p, t),
            ([a, p @ ..], [b, t @ ..]) => a.eq_ignore_ascii_case(b) && model(p, t),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_the_definition(pattern in "[aBé*?]{0,8}", text in "[abéê]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob(&pattern, &text), model(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn any_text_is_a_mask_or_an_error(text: String, spoken in "[!@*?./:a0-9]{0,20}") {
            for text in [text, spoken] {
                if let Ok(mask) = Mask::parse(&text) {
                    prop_assert_eq!(Mask::parse(mask.as_str()), Ok(mask.clone()));
                    prop_assert!(mask.as_str().len() <= MASK_BYTES_MAX);
                }
            }
        }
    }
}
