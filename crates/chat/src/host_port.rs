//! An address as people write it: `HOST:PORT`.
//!
//! It must never look a name up: that is the reactor's work, off the loop.

use std::fmt::{self, Display, Formatter};
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A host, by name or number, and a port.
///
/// ```
/// use switchboard_chat::host_port::HostPort;
///
/// let address: HostPort = "[::1]:8080".parse()?;
/// assert_eq!((address.host(), address.port()), ("::1", 8080));
/// assert_eq!(address.to_string(), "[::1]:8080");
/// # Ok::<(), switchboard_chat::host_port::NotAnAddress>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The host: a name, or an IPv4 or IPv6 address (without brackets).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port. When listening, 0 lets the system choose one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host at another port.
    pub fn with_port(&self, port: u16) -> HostPort {
        HostPort {
            host: self.host.clone(),
            port,
        }
    }
}

impl Display for HostPort {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is no address, and what one looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnAddress(String);

impl Display for NotAnAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAnAddress {}

impl FromStr for HostPort {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<HostPort, NotAnAddress> {
        let refuse = |why: String| Err(NotAnAddress(why));
        if text.is_empty() || text.contains('/') {
            return refuse("write HOST:PORT alone, as in localhost:8080".to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse(format!("the host is missing; write localhost:{text}"));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return refuse(format!("write an IPv6 address in brackets: [{text}]:8080"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return refuse(format!("the port is missing; write {text}:8080"));
        };
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(numbers) if numbers.parse::<Ipv6Addr>().is_ok() => numbers,
            _ if host.contains(['[', ']', ':']) => {
                return refuse("an IPv6 address looks like [::1]:8080".to_owned());
            }
            _ => host,
        };
        if host.is_empty() {
            return refuse(format!(
                "the host is missing; write localhost:{port} for this machine only, \
                 or 0.0.0.0:{port} for all its networks"
            ));
        }
        if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse(
                "a host name has no spaces; write for example localhost:8080".to_owned(),
            );
        }
        let Ok(port) = port.parse() else {
            return refuse("a port is a number from 0 to 65535, as in localhost:8080".to_owned());
        };
        Ok(HostPort {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        text.parse::<HostPort>().unwrap_err().to_string()
    }

    #[test]
    fn what_people_mean_is_understood() {
        for text in [
            "localhost:8080",
            "127.0.0.1:0",
            "[::1]:65535",
            "chat.example.org:7",
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        assert_eq!(why("8081"), "the host is missing; write localhost:8081");
        assert_eq!(
            why("localhost"),
            "the port is missing; write localhost:8080"
        );
        assert_eq!(why("::1"), "write an IPv6 address in brackets: [::1]:8080");
        assert!(why(":8080").contains("0.0.0.0:8080"));
        assert!(why("localhost:99999").contains("65535"));
        assert!(why("localhost:http").contains("65535"));
        assert!(why("[::1:8080").contains("[::1]:8080"));
        assert!(why("a b:1").contains("no spaces"));
        assert!(why("").contains("write HOST:PORT"));
    }
}
