//! A client over WebSocket, for a test that says every byte itself: an opening, frames, and what
//! comes back.

use crate::peer::Peer;

/// A text frame that is whole, a ping, a close.
pub const TEXT: u8 = 0x81;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;
pub const CLOSE: u8 = 0x88;

const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x88];

/// What a browser asks at `address` for a page of the server itself, without the last empty line.
pub fn opening(address: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: text.ircv3.net\r\n"
    )
}

/// A frame as clients send them: the first byte, the payload, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

/// What stands before the payload.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes
}

pub struct Browser(pub Peer);

impl Browser {
    #[track_caller]
    pub fn open(address: &str) -> Browser {
        let mut browser = Browser(Peer::connect(address));
        browser.0.say(format!("{}\r\n", opening(address)));
        browser.hear_head();
        browser
    }

    /// One that is registered under this nick.
    #[track_caller]
    pub fn enter(address: &str, nick: &str, caps: &str) -> Browser {
        let mut browser = Browser::open(address);
        browser.say(&format!("CAP REQ :{caps}"));
        browser.say(&format!("NICK {nick}"));
        browser.say(&format!("USER {nick} 0 * :{nick}"));
        browser.say("CAP END");
        browser.hear_line_with(" 001 ");
        browser
    }

    /// That the WebSocket is open.
    #[track_caller]
    pub fn hear_head(&mut self) {
        let first = self.0.hear_line();
        assert_eq!(first, "HTTP/1.1 101 Switching Protocols");
        while !self.0.hear_line().is_empty() {}
    }

    #[track_caller]
    pub fn say(&mut self, line: &str) {
        self.0.say(frame(TEXT, line.as_bytes()));
    }

    /// The first byte of the next frame, and its payload.
    #[track_caller]
    pub fn hear_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.0.hear_bytes(2);
        let length = match head[1] {
            126 => {
                let bytes = self.0.hear_bytes(2);
                usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            }
            short @ 0..126 => usize::from(short),
            other => panic!("{other}: a server's frame is short, and not masked"),
        };
        (head[0], self.0.hear_bytes(length))
    }

    /// The next line.
    #[track_caller]
    pub fn hear_line(&mut self) -> String {
        let (first, payload) = self.hear_frame();
        assert_eq!(first, TEXT, "{payload:?}");
        String::from_utf8(payload).expect("what the server says is text")
    }

    #[track_caller]
    pub fn hear_line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.hear_line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until all that it has said is answered, and returns the answers.
    #[track_caller]
    pub fn settle(&mut self) -> Vec<String> {
        self.say("PING :settled");
        let mut lines = Vec::new();
        loop {
            let line = self.hear_line();
            if line.contains("PONG") && line.ends_with("settled") {
                return lines;
            }
            lines.push(line);
        }
    }

    /// The code of the close that comes after whatever else, and that nothing comes behind it.
    #[track_caller]
    pub fn hear_close(&mut self) -> u16 {
        loop {
            let (first, payload) = self.hear_frame();
            if first == CLOSE {
                let rest = self.0.hear_all();
                assert!(rest.is_empty(), "{rest:?} comes behind a close");
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}
