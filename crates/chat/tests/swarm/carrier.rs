//! What carries the lines of IRC: a stream, or a WebSocket. It must never look into a line.

use switchboard::{Context, Result};

use crate::town::{self, Town};

const OPENING: &str = "GET /ws HTTP/1.1\r\nHost: server:8080\r\nUpgrade: websocket\r\n\
                       Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: text.ircv3.net\r\n\r\n";

/// RFC 6455 has each frame of a client masked by four bytes of its own choice.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Stream,
    WebSocket {
        /// The server has agreed.
        open: bool,
    },
}

impl Carrier {
    pub fn begin(self, cx: &mut Context<'_, Town>) -> Result {
        match self {
            Carrier::Stream => Ok(()),
            Carrier::WebSocket { .. } => cx.send(OPENING),
        }
    }

    /// Lines that end in CR LF each.
    pub fn send(self, lines: &str, cx: &mut Context<'_, Town>) -> Result {
        if self == Carrier::Stream {
            return cx.send(lines);
        }
        let lines = lines.split_terminator("\r\n");
        let frames: Vec<u8> = lines
            .flat_map(|line| frame(TEXT, line.as_bytes()))
            .collect();
        cx.send(frames)
    }

    /// Takes the next line off what has come.
    pub fn line(&mut self, cx: &mut Context<'_, Town>) -> Result<Option<Vec<u8>>> {
        let Carrier::WebSocket { open } = self else {
            return Ok(town::line(cx));
        };
        if !*open {
            let head = b"\r\n\r\n";
            let Some(end) = cx.data().windows(4).position(|bytes| bytes == head) else {
                return Ok(None);
            };
            let is_agreed = cx.data().starts_with(b"HTTP/1.1 101 ");
            assert!(is_agreed, "{}", cx.data().escape_ascii());
            cx.consume(end + head.len());
            *open = true;
        }
        loop {
            let Some((opcode, payload)) = take_frame(cx) else {
                return Ok(None);
            };
            match opcode {
                TEXT => return Ok(Some(payload)),
                PING => cx.send(frame(PONG, &payload))?,
                _ => {}
            }
        }
    }
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            let len = u16::try_from(len).expect("a line is shorter");
            frame.extend_from_slice(&len.to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

fn take_frame(cx: &mut Context<'_, Town>) -> Option<(u8, Vec<u8>)> {
    let data = cx.data();
    let (&first, rest) = data.split_first()?;
    let (&short, rest) = rest.split_first()?;
    assert_eq!(first & 0xF0, 0x80, "a line is one whole frame");
    let (len, head) = match short {
        126 => (u16::from_be_bytes(*rest.first_chunk()?).into(), 4),
        short => (usize::from(short), 2),
    };
    assert!(short < 127, "a server masks nothing, and a line is short");
    let payload = data.get(head..head + len)?.to_vec();
    cx.consume(head + len);
    Some((first & 0x0F, payload))
}
