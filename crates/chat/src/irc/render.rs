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
pub(crate) use lines::{Scene, event as write_event};
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

    /// What says that nothing more comes, behind the last line: a stream just ends.
    pub const fn goodbye(self) -> &'static [u8] {
        match self {
            Carrier::Stream => b"",
            Carrier::WebSocket(_) => &websocket::GOODBYE,
        }
    }
}

const WEBSOCKET_BIT: u32 = 1 << 29;
const BINARY_BIT: u32 = 1 << 30;

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

/// Events that are told together, and the forms in which they were needed so far.
#[derive(Debug)]
pub struct Rendered<'e> {
    events: &'e [Event],
    server: &'e str,
    unix_ms: u64,
    /// The bits of a viewer that make a difference.
    matters: u32,
    /// Whose doing some of them are.
    senders: Vec<UserId>,
    forms: Vec<(u32, Option<Bytes>)>,
    /// What the last of these was sent.
    own: Option<Bytes>,
}

impl<'e> Rendered<'e> {
    /// Events that happen now; `server` is how the server calls itself. Writes nothing yet.
    pub fn new(events: &'e [Event], server: &'e str, unix_ms: u64) -> Rendered<'e> {
        let matter = |event| lines::matters(event).bits();
        let mut senders: Vec<UserId> = events.iter().filter_map(lines::sender).collect();
        senders.dedup();
        Rendered {
            events,
            server,
            unix_ms,
            matters: events
                .iter()
                .map(matter)
                .fold(WEBSOCKET_BIT | BINARY_BIT, |a, b| a | b),
            senders,
            forms: Vec::new(),
            own: None,
        }
    }

    /// What this user is sent; `None`: nothing, since its client would not understand it. Writes it
    /// if no client of the kind was sent it before.
    pub fn to(&mut self, user: UserId, viewer: Viewer) -> Option<&Bytes> {
        if self.senders.contains(&user) {
            // An own message depends on more, and is made once anyway.
            self.own = self.write(viewer, Some(user));
            return self.own.as_ref();
        }
        let key = viewer.0 & self.matters;
        let known = self.forms.iter().position(|(known, _)| *known == key);
        let index = known.unwrap_or_else(|| {
            let form = self.write(Viewer(key), None);
            self.forms.push((key, form));
            self.forms.len() - 1
        });
        self.forms[index].1.as_ref()
    }

    #[cold]
    #[inline(never)]
    fn write(&self, viewer: Viewer, user: Option<UserId>) -> Option<Bytes> {
        let mut lines = Vec::with_capacity(512 * self.events.len());
        for event in self.events {
            let scene = lines::Scene {
                server: self.server,
                unix_ms: self.unix_ms,
                caps: viewer.caps(),
                own: user.is_some() && lines::sender(event) == user,
            };
            lines::event(&mut lines, event, &scene);
        }
        if lines.is_empty() {
            return None;
        }
        let carried = viewer.carrier().carry(lines);
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
    use crate::chat::command;
    use crate::chat::event::{Identity, Message, Place};
    use crate::chat::ids::Msgid;

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

    fn said(sequence: u64, text: &str, slot: u32) -> Event {
        let nick = format!("nick{slot}");
        Event::Said {
            message: std::sync::Arc::new(Message {
                msgid: Msgid {
                    database: 1,
                    sequence,
                },
                unix_ms: 0,
                place: Place::Room("#room".into()),
                from: std::sync::Arc::new(Identity {
                    nick: nick.as_str().into(),
                    user: "u".into(),
                    host: "h".into(),
                    account: None,
                    realname: "r".into(),
                    bot: false,
                }),
                kind: command::Kind::Message,
                text: text.into(),
                tags: Vec::new(),
                redacted: None,
            }),
            sender: Some(user(slot)),
            label: None,
        }
    }

    fn user(slot: u32) -> UserId {
        UserId {
            slot,
            generation: 0,
        }
    }

    #[test]
    fn events_that_are_told_together_are_what_they_are_one_by_one() {
        let events = [said(1, "one", 1), said(2, "two", 2), said(3, "three", 1)];
        let plain = Viewer::new(Caps::NONE, Carrier::Stream);
        let full = Viewer::new(caps::WORKING, Carrier::Stream);
        let framed = Viewer::new(caps::WORKING, Carrier::WebSocket(Kind::Binary));
        let mut together = Rendered::new(&events, "s", 0);
        // The first two have said some of it: one hears it again, the other does not.
        for (slot, viewer) in [(1, plain), (2, full), (3, plain), (4, full), (5, framed)] {
            let mut expected = Vec::new();
            for event in &events {
                let mut alone = Rendered::new(std::slice::from_ref(event), "s", 0);
                expected.extend(alone.to(user(slot), viewer).into_iter().flatten());
            }
            let together = together.to(user(slot), viewer).cloned();
            assert_eq!(together.as_deref(), Some(&expected[..]), "user {slot}");
        }
        let lines = together.to(user(1), plain).cloned();
        assert_eq!(
            lines.as_deref(),
            Some(&b":nick2!u@h PRIVMSG #room :two\r\n"[..])
        );
        let (first, second) = (
            together.to(user(6), full).cloned(),
            together.to(user(7), full).cloned(),
        );
        assert_eq!(
            first.map(|it| it.as_ptr()),
            second.map(|it| it.as_ptr()),
            "made once"
        );
    }
}
