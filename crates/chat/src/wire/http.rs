//! HTTP/1 as far as a chat needs it: what one request asks for, and the bytes of its answer.
//!
//! It must never touch a socket, a clock or the file system, and never read a second request: each
//! connection is one request, one answer that says `Connection: close`, and the end. What a
//! browser loads here is two small files and a WebSocket, so keeping connections would save nothing
//! that anybody notices; and bytes behind a request that are never read as another one leave
//! nothing to smuggle a request in with.
//!
//! A handler's side of it is one call for each batch of bytes, until the answer is not
//! [`Step::NeedMore`]:
//!
//! ```
//! use std::time::SystemTime;
//! use switchboard_chat::wire::http::{Site, Step};
//!
//! let site = Site::default();
//! let now = SystemTime::UNIX_EPOCH; // on the reactor: `cx.wall_time()`
//! assert_eq!(site.take(b"GET / HT", now), Step::NeedMore);
//! let Step::Answer(answer) = site.take(b"GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n", now) else {
//!     panic!("a page is answered at once");
//! };
//! assert_eq!(answer.status, 200); // send `answer.bytes`, then close
//! ```

mod origin;
mod pages;
mod request;
mod response;
mod target;
mod upgrade;

use std::time::SystemTime;

use memchr::memchr;

pub use response::{Answer, Asked};
pub use upgrade::Opening;

use pages::Page;
use request::{Method, Request};
use response::Refusal;

/// The longest head of a request, its empty line included, in bytes.
///
/// As long as a greeting may be: see [`crate::wire::detect`].
pub const HEAD_BYTES_MAX: usize = 8192;

/// The most header fields of a request. Browsers send fifteen to twenty.
pub const FIELDS_MAX: usize = 64;

/// What to do next for a client that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The request is not complete: ask again with more bytes behind these.
    NeedMore,
    /// Send this, and close.
    Answer(Answer),
    /// Is the server well? Send what [`Asked::answer`] makes of it, and close.
    Health(Asked),
    /// The server's metrics: send what [`Asked::answer`] makes of them, and close.
    Metrics(Asked),
    /// Consume the request, send the answer, and go on with a
    /// [`WebSocket`](crate::wire::websocket::WebSocket).
    WebSocket(Opening),
}

/// What is served, and to whom.
#[derive(Debug, Clone)]
pub struct Site {
    pages: Vec<Page>,
    metrics: bool,
    /// How the server calls itself.
    name: String,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            pages: pages::embedded(),
            metrics: false,
            name: String::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// What lies behind a path.
#[derive(Debug, Clone, Copy)]
enum Route<'a> {
    Page(&'a Page),
    Health,
    Metrics,
    WebSocket,
}

impl Site {
    /// Whether `/metrics` exists. It does not by default: it tells everybody who asks how much the
    /// server has to do.
    #[must_use]
    pub fn with_metrics(mut self, metrics: bool) -> Site {
        self.metrics = metrics;
        self
    }

    /// How the server calls itself, which is one of the names under which it is known.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Site {
        name.clone_into(&mut self.name);
        self
    }

    /// Further names under which this server is known, as `Host` gives them, without ports. With
    /// one, any other name is answered with 421; none (the default) means any name.
    ///
    /// A page elsewhere may have its own name point to this server's address, and is then of the
    /// same origin (DNS rebinding). So a server that only trusts its network should have names, and
    /// one that only this machine can reach is careful without ([`Site::take_locally`]). Addresses
    /// and `localhost` are always known: nobody can have them point elsewhere.
    #[must_use]
    pub fn with_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Site {
        self.hosts = hosts.into_iter().collect();
        self
    }

    /// Origins besides the server's own whose pages may open a WebSocket, as in
    /// `https://chat.example`.
    #[must_use]
    pub fn with_origins(mut self, origins: impl IntoIterator<Item = String>) -> Site {
        self.origins = origins.into_iter().collect();
        self
    }

    /// What to do for a client that has sent `data`: all of its bytes, none consumed.
    ///
    /// Looks at the head only when it is complete, so the result is the same however the bytes are
    /// cut. `now` is the wall clock's time, for the answer's `Date`. Allocates the answer.
    pub fn take(&self, data: &[u8], now: SystemTime) -> Step {
        self.take_from(data, now, false)
    }

    /// The same for a client that has come in where only programs on this machine can: no page that
    /// was loaded under a name which is not known (see [`Site::with_hosts`]) gets a WebSocket.
    pub fn take_locally(&self, data: &[u8], now: SystemTime) -> Step {
        self.take_from(data, now, true)
    }

    fn take_from(&self, data: &[u8], now: SystemTime, local: bool) -> Step {
        let end = match head_end(data) {
            Ok(Some(end)) => end,
            Ok(None) => return Step::NeedMore,
            Err(refusal) => return Step::Answer(refusal.answer(false, now)),
        };
        let request = match Request::parse(&data[..end]) {
            Ok(request) => request,
            Err(refusal) => return Step::Answer(refusal.answer(false, now)),
        };
        let head_only = request.method == Method::Head;
        self.respond(&request, end, now, local)
            .unwrap_or_else(|refusal| Step::Answer(refusal.answer(head_only, now)))
    }

    fn respond(
        &self,
        request: &Request<'_>,
        end: usize,
        now: SystemTime,
        local: bool,
    ) -> Result<Step, Refusal> {
        if !self.hosts.is_empty() {
            self.check_host(request)?;
        }
        let route = self.route(&request.path)?;
        match (route, request.method) {
            (_, Method::Get) => {}
            (Route::WebSocket, _) => return Err(Refusal::METHOD_OF_WEBSOCKET),
            (_, Method::Head) => {}
            (_, Method::Other) => return Err(Refusal::METHOD),
        }
        let asked = Asked {
            head_only: request.method == Method::Head,
        };
        Ok(match route {
            Route::Page(page) => Step::Answer(page.answer(request, asked, now)),
            Route::Health => Step::Health(asked),
            Route::Metrics => Step::Metrics(asked),
            Route::WebSocket => {
                self.check_origin(request, local)?;
                Step::WebSocket(Opening::new(request, end)?)
            }
        })
    }

    fn route(&self, path: &str) -> Result<Route<'_>, Refusal> {
        match path {
            "/healthz" => Ok(Route::Health),
            "/metrics" if self.metrics => Ok(Route::Metrics),
            "/ws" => Ok(Route::WebSocket),
            _ => {
                let page = self.pages.iter().find(|page| page.path == path);
                page.map(Route::Page).ok_or(Refusal::NOT_FOUND)
            }
        }
    }

    fn check_host(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let is_known = request.host.is_none_or(|host| {
            let is_host = |name: &str| name.eq_ignore_ascii_case(host.name);
            host.is_fixed() || is_host(&self.name) || self.hosts.iter().any(|name| is_host(name))
        });
        if is_known { Ok(()) } else { Err(Refusal::HOST) }
    }

    /// Browsers send `Origin` with every WebSocket and leave it to the server to look (RFC 6455
    /// section 10.2). Other clients may leave it out, and could as well forge it.
    fn check_origin(&self, request: &Request<'_>, local: bool) -> Result<(), Refusal> {
        let Some(origin) = request.origin else {
            return Ok(());
        };
        let allowed = |other: &String| other.eq_ignore_ascii_case(origin);
        if self.origins.iter().any(allowed) {
            return Ok(());
        }
        if !request.host.is_some_and(|host| host.is_origin_of(origin)) {
            return Err(Refusal::ORIGIN);
        }
        if local {
            self.check_host(request)?;
        }
        Ok(())
    }
}

/// Where the head ends, its empty line included; `None` if it has not.
///
/// Of a newline without CR, what is behind it, and a head without an end, whatever comes first
/// decides.
fn head_end(data: &[u8]) -> Result<Option<usize>, Refusal> {
    let head = &data[..data.len().min(HEAD_BYTES_MAX)];
    let mut start = 0;
    while let Some(length) = memchr(b'\n', &head[start..]) {
        let line = &head[start..start + length];
        start += length + 1;
        match line {
            b"\r" => return Ok(Some(start)),
            [.., b'\r'] => {}
            // A line that ends so is two lines to some readers, and one to others.
            _ => return Err(Refusal::MALFORMED),
        }
    }
    match (data.len() < HEAD_BYTES_MAX, start) {
        (true, _) => Ok(None),
        (false, 0) => Err(Refusal::TARGET_TOO_LONG),
        (false, _) => Err(Refusal::HEAD_TOO_LONG),
    }
}

#[cfg(test)]
mod tests;
