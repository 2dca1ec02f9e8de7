//! The host that a request was sent to, and the origin of the page that sent it.
//!
//! It must never trust a name that it can't read: an origin that is no `http` or `https` one is
//! nobody's.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The value of `Host`: a name or address, and perhaps a port (RFC 9110 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// With brackets, if it is an IPv6 address.
    pub name: &'a str,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// None for what is no host, or an empty one.
    pub fn parse(text: &'a str) -> Option<Host<'a>> {
        let name_end = match text.strip_prefix('[') {
            Some(address) => address.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (name, rest) = text.split_at(name_end);
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            // `parse` would take a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        let is_ok = match name.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => {
                let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                !name.is_empty() && name.bytes().all(is_of_name)
            }
        };
        is_ok.then_some(Host { name, port })
    }

    /// Whether this names the same machine for everybody who reads it: an address, or a name that
    /// no resolver asks the network for (RFC 6761 section 6.3). Any other name its owner can have
    /// point wherever he likes.
    pub fn is_fixed(self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.starts_with('[') // only addresses have brackets
            || name.parse::<Ipv4Addr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
    }

    /// Whether pages of this `Origin` (RFC 6454 section 7) came from this host.
    ///
    /// A port that is left out is the one of the origin's scheme, on both sides: behind a proxy
    /// the scheme that the browser sees is not the one that is spoken here.
    pub fn is_origin_of(self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        Host::parse(authority).is_some_and(|other| {
            other.name.eq_ignore_ascii_case(self.name)
                && other.port.unwrap_or(default_port) == self.port.unwrap_or(default_port)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        for (text, name, port) in [
            ("localhost", "localhost", None),
            ("localhost:8080", "localhost", Some(8080)),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:443", "[::1]", Some(443)),
            ("a_b.c-d", "a_b.c-d", None),
        ] {
            assert_eq!(Host::parse(text), Some(Host { name, port }), "{text}");
        }
        for text in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:+1",
            "a:65536",
            "a b",
            "a/b",
            "a@b",
            "a,b",
            "[::1",
            "[::1]x",
            "[a]",
            "[]",
            "a:1:2",
            "a%41",
            "caf\u{e9}",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_and_localhost_are_nobodys_to_move() {
        let is_fixed = |host: &str| Host::parse(host).is_some_and(Host::is_fixed);
        for host in [
            "localhost:80",
            "LOCALHOST",
            "a.localhost",
            "192.0.2.1:80",
            "[::1]",
        ] {
            assert!(is_fixed(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "127.1",
            "1",
        ] {
            assert!(!is_fixed(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_its_own_host_and_port() {
        let is_same = |host: &str, origin: &str| {
            Host::parse(host).is_some_and(|host| host.is_origin_of(origin))
        };
        assert!(is_same("chat.example", "https://chat.example"));
        assert!(is_same("chat.example:443", "https://chat.example"));
        assert!(is_same("CHAT.example", "http://chat.EXAMPLE:80"));
        assert!(is_same("[::1]:8080", "http://[::1]:8080"));
        for origin in [
            "https://evil.example",
            "https://chat.example.evil.example",
            "https://chat.example:444",
            "https://chat.example@evil.example",
            "https://evil.example/chat.example",
            "https://chat.example/",
            "ftp://chat.example",
            "null",
            "",
            "chat.example",
            "https://",
        ] {
            assert!(!is_same("chat.example", origin), "{origin}");
        }
        assert!(!is_same("localhost:8080", "http://localhost:3000"));
        assert!(!is_same("localhost:8080", "http://127.0.0.1:8080"));
    }
}
