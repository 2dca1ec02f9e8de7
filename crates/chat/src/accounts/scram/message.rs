//! The grammar of SCRAM's messages (RFC 5802, section 7).
//!
//! It must never decide whether somebody is let in: it says what a message says, or that it is none.

use super::{MESSAGE_BYTES_MAX, ScramError};

/// The attributes of one message, from left to right.
pub struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub fn new(text: &'a str) -> Attributes<'a> {
        Attributes { rest: Some(text) }
    }

    /// The next part, up to a comma.
    pub fn part(&mut self, what: &'static str) -> Result<&'a str, ScramError> {
        let rest = self.rest.ok_or(ScramError::Malformed(what))?;
        let (part, rest) = match rest.split_once(',') {
            Some((part, rest)) => (part, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        Ok(part)
    }

    /// The value of the next attribute, which must be `name` (as `n=`), and not empty.
    pub fn value(&mut self, name: &str, what: &'static str) -> Result<&'a str, ScramError> {
        let part = self.part(what)?;
        if part.starts_with("m=") {
            return Err(ScramError::Extension);
        }
        match part.strip_prefix(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(ScramError::Malformed(what)),
        }
    }

    /// Whatever follows are optional extensions, which are ignored as long as they look like some.
    pub fn extensions(mut self) -> Result<(), ScramError> {
        const WHAT: &str = "an extension";
        while self.rest.is_some() {
            let part = self.part(WHAT)?;
            let (name, value) = part.split_once('=').ok_or(ScramError::Malformed(WHAT))?;
            let is_name = name.len() == 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
            if !is_name || value.is_empty() {
                return Err(ScramError::Malformed(WHAT));
            }
            if name == "m" {
                return Err(ScramError::Extension);
            }
        }
        Ok(())
    }

    /// Everything that has not been looked at.
    pub fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

/// A message as text: of a bounded length, UTF-8, and without NUL, which no part may contain.
pub fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(ScramError::TooLong);
    }
    let text = str::from_utf8(message).map_err(|_| ScramError::NotUtf8)?;
    match text.contains('\0') {
        true => Err(ScramError::Malformed("a character")),
        false => Ok(text),
    }
}

/// A nonce is printable ASCII without commas, and not empty.
pub fn check_nonce(text: &str) -> Result<(), ScramError> {
    let is_printable = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    match !text.is_empty() && text.bytes().all(is_printable) {
        true => Ok(()),
        false => Err(ScramError::Malformed("the nonce")),
    }
}

/// A name as it is written in a message.
pub fn escape_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name that is written so. `=2C` and `=3D` are the only escapes, and only in capitals.
pub fn unescape_name(text: &str) -> Result<String, ScramError> {
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(ScramError::NameEncoding),
        };
        name.push(character);
        name.push_str(rest);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_come_back() {
        for (name, escaped) in [
            ("ann", "ann"),
            ("a,b=c", "a=2Cb=3Dc"),
            ("=2C", "=3D2C"),
            ("=", "=3D"),
        ] {
            assert_eq!(escape_name(name), escaped);
            assert_eq!(unescape_name(escaped).as_deref(), Ok(name));
        }
        for wrong in ["=", "a=", "=2", "=2c", "=3d", "=41", "==3D"] {
            assert_eq!(
                unescape_name(wrong),
                Err(ScramError::NameEncoding),
                "{wrong}"
            );
        }
    }

    #[test]
    fn nonces_are_printable() {
        assert!(check_nonce("!+-~=").is_ok());
        for wrong in ["", "a,b", "a b", "a\u{7f}", "é"] {
            assert!(check_nonce(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn extensions_are_ignored_unless_mandatory() {
        let ignore = |text| Attributes::new(text).extensions();
        assert_eq!(ignore("x=1,Y=2=3"), Ok(()));
        assert_eq!(ignore("x=1,m=2"), Err(ScramError::Extension));
        for wrong in ["", "x", "x=", "xy=1", "1=1", "x=1,"] {
            assert_eq!(
                ignore(wrong),
                Err(ScramError::Malformed("an extension")),
                "{wrong}"
            );
        }
    }
}
