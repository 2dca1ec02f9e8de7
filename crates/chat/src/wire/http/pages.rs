//! The pages that are part of the program, and when a browser has them already.
//!
//! It must never read a file: what is served was there when the program was compiled.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::request::Request;
use super::response::{Answer, Asked, Head};

/// A page under its path.
#[derive(Debug, Clone)]
pub struct Page {
    pub path: &'static str,
    content_type: &'static str,
    body: &'static [u8],
    /// In quotes, as it is sent.
    tag: String,
}

/// Each file of the page under its path, which is its place below `web/`, too.
macro_rules! embedded {
    ($($path:literal;)*) => {
        &[$(($path, include_bytes!(concat!("../../../web", $path)))),*]
    };
}

/// Every file of the page: whatever is not in this table is not there.
const FILES: &[(&str, &[u8])] = embedded! {
    "/index.html";
    "/icon.svg";
    "/manifest.webmanifest";
    "/theme.css";
    "/style.css";
    "/messages.css";
    "/client/client.js";
    "/client/commands.js";
    "/client/history.js";
    "/client/liveness.js";
    "/client/memory.js";
    "/client/outbox.js";
    "/irc/batches.js";
    "/irc/line.js";
    "/irc/link.js";
    "/irc/sasl.js";
    "/irc/session.js";
    "/model/chat.js";
    "/model/conversation.js";
    "/model/entry.js";
    "/model/modes.js";
    "/model/names.js";
    "/model/timeline.js";
    "/text/links.js";
    "/text/pieces.js";
    "/text/visible.js";
    "/ui/actions.js";
    "/ui/app.js";
    "/ui/banner.js";
    "/ui/composer.js";
    "/ui/dialogs.js";
    "/ui/dom.js";
    "/ui/items.js";
    "/ui/keys.js";
    "/ui/log.js";
    "/ui/members.js";
    "/ui/menu.js";
    "/ui/message.js";
    "/ui/notify.js";
    "/ui/rooms.js";
    "/ui/search.js";
    "/ui/welcome.js";
    "/ui/window.js";
};

/// All pages of the program.
pub fn embedded() -> Vec<Page> {
    let pages = FILES.iter().map(|(path, body)| match *path {
        "/index.html" => Page::new("/", content_type(path), body),
        path => Page::new(path, content_type(path), body),
    });
    pages.collect()
}

/// By the end of its name, as <https://www.iana.org/assignments/media-types> has them.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

impl Page {
    fn new(path: &'static str, content_type: &'static str, body: &'static [u8]) -> Page {
        Page {
            path,
            content_type,
            body,
            tag: format!("\"{}\"", STANDARD.encode(Sha1::digest(body))),
        }
    }

    /// The page, or that it is still the one that the browser has.
    ///
    /// A browser keeps it and asks each time whether it has changed: an upgraded server is seen at
    /// once.
    pub fn answer(&self, request: &Request<'_>, asked: Asked, now: SystemTime) -> Answer {
        let is_known = request.known_tags.iter().any(|known| {
            // Compared weakly (RFC 9110 section 13.1.2).
            *known == "*" || known.strip_prefix("W/").unwrap_or(known) == self.tag
        });
        let status = if is_known { 304 } else { 200 };
        let head = Head::new(status, now)
            .with("ETag", &self.tag)
            .with("Cache-Control", "no-cache");
        if is_known {
            head.without_body()
        } else {
            head.with_body(self.content_type, self.body, asked.head_only)
        }
    }
}
