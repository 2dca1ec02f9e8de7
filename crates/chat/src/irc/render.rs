//! Events as the bytes that a client sees, each form made once and shared by all who see it.
//!
//! It must never look at who a recipient is, beyond what the client has asked for and whether the
//! event is its own doing: a message to a thousand members is written a few times, and each further
//! member costs a mask, a comparison and a shared pointer.

mod answers;
mod lines;
mod messages;
pub(crate) mod playback;
mod tagged;

use bytes::Bytes;

use super::caps::{self, Caps};
use crate::chat::event::Event;
use crate::chat::ids::UserId;
use crate::wire::websocket::{self, Kind};

pub use answers::answer;
pub(crate) use lines::{Scene, entry_text, event as write_event, flag_letter};
pub use tagged::{IsoTime, source};

/// What carries the lines of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A stream of lines, with or without TLS.
    Stream,
    /// A WebSocket, a line in each message.
    WebSocket(Kind),
}

impl Carrier {
    /// What `lines` are on this carrier. A stream takes them as they are.
    pub fn carry(self, lines: Vec<u8>) -> Vec<u8> {
        match self {
            Carrier::Stream => lines,
            Carrier::WebSocket(kind) => {
                let mut frames = Vec::with_capacity(lines.len() + lines.len() / 8);
                websocket::put_frames(&lines, kind, &mut frames);
                frames
            }
        }
    }
}

const WEBSOCKET_BIT: u32 = 1 << 29;
const BINARY_BIT: u32 = 1 << 30;
/// The event is the recipient's own doing.
const OWN_BIT: u32 = 1 << 31;

/// All that rendering has to know of a client: its capabilities and its carrier, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Viewer(u32);

impl Viewer {
    /// A client.
    pub const fn new(caps: Caps, carrier: Carrier) -> Viewer {
        let carrier = match carrier {
            Carrier::Stream => 0,
            Carrier::WebSocket(Kind::Text) => WEBSOCKET_BIT,
            Carrier::WebSocket(Kind::Binary) => WEBSOCKET_BIT | BINARY_BIT,
        };
        Viewer(caps.bits() | carrier)
    }

    /// Its capabilities.
    pub const fn caps(self) -> Caps {
        Caps::from_bits(self.0)
    }

    /// Its carrier.
    pub const fn carrier(self) -> Carrier {
        match (self.0 & WEBSOCKET_BIT, self.0 & BINARY_BIT) {
            (0, _) => Carrier::Stream,
            (_, 0) => Carrier::WebSocket(Kind::Text),
            _ => Carrier::WebSocket(Kind::Binary),
        }
    }
}

/// One event, and the forms in which it was needed so far.
#[derive(Debug)]
pub struct Rendered<'e> {
    event: &'e Event,
    server: &'e str,
    unix_ms: u64,
    /// The bits of a viewer that make a difference.
    matters: u32,
    sender: Option<UserId>,
    forms: Vec<(u32, Option<Bytes>)>,
}

impl<'e> Rendered<'e> {
    /// An event that happens now; `server` is how the server calls itself. Writes nothing yet.
    pub fn new(event: &'e Event, server: &'e str, unix_ms: u64) -> Rendered<'e> {
        Rendered {
            event,
            server,
            unix_ms,
            matters: lines::matters(event).bits() | WEBSOCKET_BIT | BINARY_BIT,
            sender: lines::sender(event),
            forms: Vec::new(),
        }
    }

    /// What this user is sent; `None`: nothing, since its client would not understand it. Writes it
    /// if no client of the kind was sent it before.
    pub fn to(&mut self, user: UserId, viewer: Viewer) -> Option<&Bytes> {
        let mut key = viewer.0 & self.matters;
        if self.sender == Some(user) {
            // An own message depends on more, and is made once anyway.
            key = viewer.0 | OWN_BIT;
        }
        let known = self.forms.iter().position(|(known, _)| *known == key);
        let index = known.unwrap_or_else(|| {
            let form = self.form(key);
            self.forms.push((key, form));
            self.forms.len() - 1
        });
        self.forms[index].1.as_ref()
    }

    #[cold]
    #[inline(never)]
    fn form(&self, key: u32) -> Option<Bytes> {
        let mut lines = Vec::with_capacity(512);
        let scene = lines::Scene {
            server: self.server,
            unix_ms: self.unix_ms,
            caps: Viewer(key).caps(),
            own: key & OWN_BIT != 0,
        };
        lines::event(&mut lines, self.event, &scene);
        if lines.is_empty() {
            return None;
        }
        let carried = Viewer(key).carrier().carry(lines);
        Some(Bytes::copy_from_slice(&carried))
    }
}

/// Whether labels are answered: the specification wants both.
pub(crate) fn answers_labels(caps: Caps) -> bool {
    caps.has(caps::LABELED_RESPONSE | caps::BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_its_capabilities_and_its_carrier() {
        let carriers = [
            Carrier::Stream,
            Carrier::WebSocket(Kind::Text),
            Carrier::WebSocket(Kind::Binary),
        ];
        for carrier in carriers {
            let viewer = Viewer::new(caps::WORKING, carrier);
            assert_eq!((viewer.caps(), viewer.carrier()), (caps::WORKING, carrier));
        }
    }
}
