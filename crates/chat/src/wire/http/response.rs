//! The bytes of an answer, and of each refusal.
//!
//! It must never put a byte of a request into an answer: nothing that a client sent can become a
//! header or a script.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// What a page may do: load its own style and script, talk to its own server, and be in no frame
/// (CSP 3).
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; manifest-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A whole answer. Send it, then close: it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code, for the log.
    pub status: u16,
    /// What to send.
    pub bytes: Vec<u8>,
}

/// How a route was asked whose answer is the program's to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// `HEAD`: the answer's body is left out; [`Asked::answer`] does that.
    pub head_only: bool,
}

impl Asked {
    /// The answer with this body, which nobody keeps: `text/plain` in UTF-8 (which is also what
    /// Prometheus reads).
    ///
    /// `status` is 200, or 503 for a server that is not well.
    pub fn answer(self, status: u16, body: &str, now: SystemTime) -> Answer {
        Head::new(status, now)
            .with("Cache-Control", "no-store")
            .with_body("text/plain; charset=utf-8", body.as_bytes(), self.head_only)
    }
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    /// For the person in front of the client: what to do instead.
    says: &'static str,
    /// The same for the client.
    fields: &'static [(&'static str, &'static str)],
}

impl Refusal {
    pub const MALFORMED: Refusal = Refusal::new(400, "This is not a request that I understand.");
    pub const KEY: Refusal = Refusal::new(
        400,
        "A WebSocket needs one Sec-WebSocket-Key of 16 bytes in base64.",
    );
    pub const ORIGIN: Refusal = Refusal::new(
        403,
        "Pages of other origins may not connect here; who runs the server can allow one \
         (--allow-origin).",
    );
    pub const NOT_FOUND: Refusal = Refusal::new(404, "There is no such page; try /.");
    pub const METHOD: Refusal =
        Refusal::new(405, "Ask for it with GET.").with(&[("Allow", "GET, HEAD")]);
    pub const METHOD_OF_WEBSOCKET: Refusal =
        Refusal::new(405, "Ask for it with GET.").with(&[("Allow", "GET")]);
    pub const BODY: Refusal = Refusal::new(413, "A request must have no body.");
    pub const TARGET_TOO_LONG: Refusal = Refusal::new(414, "The address is too long.");
    pub const HOST: Refusal = Refusal::new(
        421,
        "This server is not known by that name; who runs it can add names (--allow-host).",
    );
    pub const UPGRADE: Refusal = Refusal::new(
        426,
        "This is a WebSocket of version 13; connect with ws:// or wss://.",
    )
    .with(&[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]);
    pub const HEAD_TOO_LONG: Refusal = Refusal::new(
        431,
        "The request's header fields are too long, or too many; perhaps it has too many cookies.",
    );
    pub const VERSION: Refusal = Refusal::new(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");

    const fn new(status: u16, says: &'static str) -> Refusal {
        Refusal {
            status,
            says,
            fields: &[],
        }
    }

    const fn with(self, fields: &'static [(&'static str, &'static str)]) -> Refusal {
        Refusal { fields, ..self }
    }

    pub fn answer(self, head_only: bool, now: SystemTime) -> Answer {
        let mut head = Head::new(self.status, now).with("Cache-Control", "no-store");
        for (name, value) in self.fields {
            head = head.with(name, value);
        }
        let body = format!("{}\n", self.says);
        head.with_body("text/plain; charset=utf-8", body.as_bytes(), head_only)
    }
}

/// The head of an answer, as far as it is written.
#[derive(Debug)]
pub struct Head {
    status: u16,
    text: String,
}

impl Head {
    /// The fields that every answer has.
    pub fn new(status: u16, now: SystemTime) -> Head {
        let head = Head {
            status,
            text: format!("HTTP/1.1 {status} {}\r\n", reason(status)),
        };
        let connection = match status {
            // `Upgrade` is a field of this connection (RFC 9110 section 7.8).
            426 => "close, Upgrade",
            _ => "close",
        };
        head.with("Date", &date(now))
            .with("Connection", connection)
            .with("Content-Security-Policy", POLICY)
            .with("X-Content-Type-Options", "nosniff")
            .with("X-Frame-Options", "DENY")
            .with("Referrer-Policy", "no-referrer")
            .with("Cross-Origin-Resource-Policy", "same-origin")
    }

    pub fn with(mut self, name: &str, value: &str) -> Head {
        write!(self.text, "{name}: {value}\r\n").expect("a String takes all that is written");
        self
    }

    pub fn with_body(self, content_type: &str, body: &[u8], head_only: bool) -> Answer {
        let head = self
            .with("Content-Type", content_type)
            .with("Content-Length", &body.len().to_string());
        let mut answer = head.without_body();
        if !head_only {
            answer.bytes.extend_from_slice(body);
        }
        answer
    }

    /// For statuses that have none, as 304.
    pub fn without_body(mut self) -> Answer {
        self.text.push_str("\r\n");
        Answer {
            status: self.status,
            bytes: self.text.into_bytes(),
        }
    }
}

/// An HTTP date, which has no years before 1970 or after 9999, whatever the clock says.
fn date(now: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since.min(LAST))
}

/// The phrase that goes with a status (RFC 9110 section 15). Clients don't read it; people do.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
