//! A request out of its head: the fields that matter here, each at most once.
//!
//! It must never be lenient: where two readers of a request could disagree, it is refused. The
//! grammar is `httparse`'s; this file adds what RFC 9112 leaves to a server.

use super::FIELDS_MAX;
use super::origin::Host;
use super::response::Refusal;
use super::target;

/// The methods that there are routes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    /// One that no route allows.
    Other,
}

/// A request, as far as anybody here asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    pub method: Method,
    /// Decoded, without the query.
    pub path: String,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// None only with HTTP/1.0.
    pub host: Option<Host<'a>>,
    pub origin: Option<&'a str>,
    /// All `If-None-Match` fields.
    pub known_tags: Vec<&'a str>,
    pub has_connection_upgrade: bool,
    pub upgrades_to_websocket: bool,
    pub websocket_key: Option<&'a str>,
    pub websocket_version: Option<&'a str>,
    /// In the order of the client's preference.
    pub websocket_protocols: Vec<&'a str>,
}

impl<'a> Request<'a> {
    /// The request whose head this is, up to and with its empty line.
    pub fn parse(head: &'a [u8]) -> Result<Request<'a>, Refusal> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(Refusal::MALFORMED),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HEAD_TOO_LONG),
            Err(httparse::Error::Version) => return Err(Refusal::VERSION),
            Err(_) => return Err(Refusal::MALFORMED),
        }
        // A complete request has all three.
        let method = parsed.method.unwrap_or_default();
        let target = parsed.path.unwrap_or_default();
        let mut request = Request {
            method: match method {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                _ => Method::Other,
            },
            path: target::path(method, target)?,
            minor: parsed.version.unwrap_or_default(),
            host: None,
            origin: None,
            known_tags: Vec::new(),
            has_connection_upgrade: false,
            upgrades_to_websocket: false,
            websocket_key: None,
            websocket_version: None,
            websocket_protocols: Vec::new(),
        };
        let mut body = Body::default();
        for field in parsed.headers.iter() {
            request.take(field, &mut body)?;
        }
        body.refuse_any()?;
        if request.host.is_none() && request.minor > 0 {
            return Err(Refusal::MALFORMED);
        }
        Ok(request)
    }

    fn take(&mut self, field: &httparse::Header<'a>, body: &mut Body<'a>) -> Result<(), Refusal> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let text = || std::str::from_utf8(field.value).map_err(|_| Refusal::MALFORMED);
        if is("Host") {
            let host = Host::parse(text()?).ok_or(Refusal::MALFORMED)?;
            once(&mut self.host, host)
        } else if is("Origin") {
            once(&mut self.origin, text()?)
        } else if is("Sec-WebSocket-Key") {
            once(&mut self.websocket_key, text()?)
        } else if is("Sec-WebSocket-Version") {
            once(&mut self.websocket_version, text()?)
        } else if is("Content-Length") {
            once(&mut body.length, field.value)
        } else if is("Transfer-Encoding") {
            body.has_encoding = true;
            Ok(())
        } else if is("Sec-WebSocket-Protocol") {
            self.websocket_protocols.extend(items(text()?));
            Ok(())
        } else if is("If-None-Match") {
            self.known_tags.extend(items(text()?));
            Ok(())
        } else if is("Connection") {
            let mut options = items(text()?);
            self.has_connection_upgrade |= options.any(|it| it.eq_ignore_ascii_case("upgrade"));
            Ok(())
        } else if is("Upgrade") {
            let mut protocols = items(text()?);
            self.upgrades_to_websocket |= protocols.any(|it| it.eq_ignore_ascii_case("websocket"));
            Ok(())
        } else {
            Ok(())
        }
    }
}

/// What the head says about a body. Nothing here wants one, and whether there is one is what
/// readers of a request disagree on most (RFC 9112 section 11.2).
#[derive(Debug, Default)]
struct Body<'a> {
    length: Option<&'a [u8]>,
    has_encoding: bool,
}

impl Body<'_> {
    fn refuse_any(&self) -> Result<(), Refusal> {
        match self.length {
            _ if self.has_encoding => Err(Refusal::MALFORMED),
            None | Some(b"0") => Ok(()),
            Some(length) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
                Err(Refusal::BODY)
            }
            Some(_) => Err(Refusal::MALFORMED),
        }
    }
}

/// A field that may come once came: twice is a request that two readers may read differently.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::MALFORMED),
    }
}

/// The members of a list (RFC 9110 section 5.6.1), which may be empty.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(|item| item.trim_matches([' ', '\t']))
        .filter(|item| !item.is_empty())
}
