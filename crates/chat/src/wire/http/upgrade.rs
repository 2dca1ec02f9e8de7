//! The handshake of a WebSocket (RFC 6455 section 4.2).
//!
//! It must never open one half: what lacks a part of the handshake is refused with what it lacks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::request::Request;
use super::response::Refusal;
use crate::wire::websocket::Kind;

/// What the server's key is made with (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A WebSocket that a client has asked for and may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The bytes of the request. What is behind them are frames.
    pub consumed: usize,
    /// What to send; it says 101.
    pub answer: Vec<u8>,
    /// In which kind of messages this client wants its lines.
    pub kind: Kind,
}

impl Opening {
    /// `end` is where the request's head ends.
    pub fn new(request: &Request<'_>, end: usize) -> Result<Opening, Refusal> {
        let asks = request.minor > 0
            && request.has_connection_upgrade
            && request.upgrades_to_websocket
            && request.websocket_version == Some("13");
        if !asks {
            return Err(Refusal::UPGRADE);
        }
        let key = request.websocket_key.ok_or(Refusal::KEY)?;
        if STANDARD.decode(key).map(|bytes| bytes.len()) != Ok(16) {
            return Err(Refusal::KEY);
        }
        let accept = STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n"
        );
        // The client's order of preference decides. One that offers nothing known gets no protocol
        // named, and text, which is what clients older than the protocols' names speak.
        let mut offered = request.websocket_protocols.iter();
        let chosen = offered.find_map(|name| Kind::of_protocol(name));
        if let Some(kind) = chosen {
            answer.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", kind.protocol()));
        }
        answer.push_str("\r\n");
        Ok(Opening {
            consumed: end,
            answer: answer.into_bytes(),
            kind: chosen.unwrap_or(Kind::Text),
        })
    }
}
