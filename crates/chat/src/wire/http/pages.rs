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

/// All pages of the program.
pub fn embedded() -> Vec<Page> {
    vec![
        Page::new(
            "/",
            "text/html; charset=utf-8",
            include_str!("pages/index.html"),
        ),
        Page::new(
            "/style.css",
            "text/css; charset=utf-8",
            include_str!("pages/style.css"),
        ),
    ]
}

impl Page {
    fn new(path: &'static str, content_type: &'static str, body: &'static str) -> Page {
        Page {
            path,
            content_type,
            body: body.as_bytes(),
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
