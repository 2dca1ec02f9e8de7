//! One client's WebSocket: frames in, lines of IRC out; and a line as one frame for everybody.
//!
//! It must never hold a line for somebody who does not read, and never draw a random number: a
//! server's frames are not masked. The protocol (RFC 6455: masks, fragments, UTF-8, pings, the
//! closing handshake) is `tungstenite`'s, which is given one whole frame at a time. This file looks
//! at each frame's header first, so that nobody waits for one that will be refused, and counts what
//! `tungstenite` does not: fragments, and control frames in a second.
//!
//! One message is one line, without its newline (IRCv3, "WebSocket support"). Text and binary
//! messages are taken from everybody; what is sent is of the kind that was agreed.
//!
//! ```
//! use switchboard_chat::wire::websocket::{Kind, Limits, Step, WebSocket, frame};
//!
//! let mut websocket = WebSocket::new(&Limits::DEFAULT);
//! let mut out = Vec::new();
//! let received = [0x81, 0x83, 0, 0, 0, 0, b'H', b'i', b'!'];
//! let Step::Line { line, consumed } = websocket.next(&received, 0, &mut out) else {
//!     panic!("this is a whole message");
//! };
//! assert_eq!((&line[..], consumed), (&b"Hi!"[..], 9));
//! assert_eq!(frame(b"Hi!\r\n", Kind::Text)[..], [0x81, 3, b'H', b'i', b'!']);
//! ```

use std::fmt;
use std::io::{self, Cursor, Read, Write};

use bytes::Bytes;
use memchr::memchr2;
use tungstenite::error::Error;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{FrameHeader, Utf8Bytes};
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig, WebSocketContext};

use crate::rate::{Bucket, Rate};

/// The longest header of a frame: two bytes, a length of eight, a mask (RFC 6455 section 5.2).
const HEADER_BYTES_MAX: usize = 14;

/// The longest payload of a control frame (RFC 6455 section 5.5), and so of a reason and its code.
const CONTROL_BYTES_MAX: usize = 125;

/// What an idle client's codec holds: a usual line goes through it in one piece, a long one in more.
const CODEC_BYTES: usize = 128;

/// In which kind of messages a client gets its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8, for which bytes that are none are replaced.
    Text,
    /// The bytes as they are.
    Binary,
}

impl Kind {
    /// The kind that a subprotocol asks for.
    pub fn of_protocol(name: &str) -> Option<Kind> {
        [Kind::Text, Kind::Binary]
            .into_iter()
            .find(|kind| kind.protocol() == name)
    }

    /// The name of the subprotocol.
    pub const fn protocol(self) -> &'static str {
        match self {
            Kind::Text => "text.ircv3.net",
            Kind::Binary => "binary.ircv3.net",
        }
    }
}

/// A line, with or without its newline, as the frame that any server sends to any client.
///
/// It depends on nobody's state: a line for a thousand members is made a frame once for each kind.
/// One allocation of its size, a small one when it is first shared, and one if `line` should be
/// UTF-8 and is not.
pub fn frame(line: &[u8], kind: Kind) -> Bytes {
    let mut out = Vec::new();
    put_frame(line, kind, &mut out);
    out.into()
}

/// Each of the lines as a frame: what one client alone is told.
///
/// Appends to `out`. Send nothing behind a [`close`](WebSocket::close).
pub fn put_frames(lines: &[u8], kind: Kind, out: &mut Vec<u8>) {
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        put_frame(line, kind, out);
    }
}

fn put_frame(line: &[u8], kind: Kind, out: &mut Vec<u8>) {
    let line = without_newline(line);
    let replaced;
    let (opcode, payload) = match kind {
        Kind::Text => {
            replaced = String::from_utf8_lossy(line);
            (Data::Text, replaced.as_bytes())
        }
        Kind::Binary => (Data::Binary, line),
    };
    let header = FrameHeader {
        opcode: OpCode::Data(opcode),
        ..FrameHeader::default()
    };
    let length = payload.len() as u64;
    out.reserve(header.len(length) + payload.len());
    header
        .format(length, out)
        .expect("memory takes all that is written");
    out.extend_from_slice(payload);
}

/// Appends a close, as any server says it to any client (RFC 6455 section 7.4.1): 1001 when the
/// server goes away, 1008 when it sends the client away. A reason of more than 123 bytes is cut.
/// Send nothing behind it.
pub fn put_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let header = FrameHeader {
        opcode: OpCode::Control(Control::Close),
        ..FrameHeader::default()
    };
    let reason = cut(reason);
    header
        .format(2 + reason.len() as u64, out)
        .expect("memory takes all that is written");
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// As much of a reason as there is room for behind its code.
fn cut(reason: &str) -> &str {
    let room = reason.len().min(CONTROL_BYTES_MAX - 2);
    &reason[..reason.floor_char_boundary(room)]
}

fn without_newline(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The close of a chat that is over (1000): the same from any server to any client, as a [`frame`].
pub const GOODBYE: [u8; 4] = [0x88, 2, 0x03, 0xe8];

/// What a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes, and so the longest frame.
    pub message_bytes_max: usize,
    /// The most frames of one message. Browsers send one.
    pub fragments_max: u32,
    /// How often it may ping, or say that it is there.
    pub controls: Rate,
}

impl Limits {
    /// A line of IRC with the longest tags there are (8,191 bytes, IRCv3 "Message tags"): one that
    /// a client may not send is answered on IRC, and doesn't end the connection. And the pings of a
    /// client with a timer.
    pub const DEFAULT: Limits = Limits {
        message_bytes_max: 8191 + 510,
        fragments_max: 64,
        controls: Rate::new(5, 50),
    };
}

/// Why a WebSocket has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client said so, or agreed; with the code that it gave, if it did.
    ByClient(Option<u16>),
    /// The client broke a rule.
    Refused {
        /// The code that it was told (RFC 6455 section 7.4.1).
        code: u16,
        /// What it was told.
        reason: &'static str,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::ByClient(Some(code)) => write!(f, "the client closed it with {code}"),
            Ended::ByClient(None) => f.write_str("the client closed it"),
            Ended::Refused { code, reason } => write!(f, "{reason} ({code})"),
        }
    }
}

const fn protocol_error(reason: &'static str) -> Ended {
    Ended::Refused { code: 1002, reason }
}

const fn policy_violation(reason: &'static str) -> Ended {
    Ended::Refused { code: 1008, reason }
}

const TOO_LONG: Ended = Ended::Refused {
    code: 1009,
    reason: "the message is too long",
};

/// What to do next for a client. In each case, first send what was written to `out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A line, without its newline and with none inside.
    Line {
        /// Its bytes. Those of a short one share a buffer with the codec, so let them go soon.
        line: Bytes,
        /// Bytes to take off the front of the data. Then ask again.
        consumed: usize,
    },
    /// Ask again with more bytes behind what is not consumed.
    NeedMore {
        /// Bytes to take off the front of the data.
        consumed: usize,
    },
    /// It is over, and will be whenever you ask again: close when all is sent.
    Ended(Ended),
}

/// The state of one client's WebSocket. It holds the fragments of one message at most.
#[derive(Debug)]
pub struct WebSocket {
    context: WebSocketContext,
    limits: Limits,
    controls: Bucket,
    fragments: u32,
    /// We have said goodbye, and only wait for the client's.
    is_closing: bool,
    ended: Option<Ended>,
}

impl WebSocket {
    /// A WebSocket whose handshake is done.
    pub fn new(limits: &Limits) -> WebSocket {
        WebSocket {
            context: codec(limits),
            limits: *limits,
            controls: Bucket::default(),
            fragments: 0,
            is_closing: false,
            ended: None,
        }
    }

    /// The most bytes that [`next`](Self::next) ever leaves with its caller.
    pub const fn buffer_bytes_max(&self) -> usize {
        HEADER_BYTES_MAX + self.limits.message_bytes_max
    }

    /// The next line of `data`: all bytes that were received and not consumed.
    ///
    /// Answers to pings and to a close are appended to `out`. `now_ns` is the reactor's clock, for
    /// the rate of control frames. The result is the same however the bytes are cut.
    pub fn next(&mut self, data: &[u8], now_ns: u64, out: &mut Vec<u8>) -> Step {
        let mut consumed = 0;
        loop {
            if let Some(why) = self.ended {
                return Step::Ended(why);
            }
            let rest = &data[consumed..];
            let taken = match Incoming::look(rest, &self.limits) {
                Ok(None) => return Step::NeedMore { consumed },
                Ok(Some(frame)) => {
                    consumed += frame.bytes;
                    self.take(&frame, &rest[..frame.bytes], now_ns, out)
                }
                Err(why) => Err(why),
            };
            match taken {
                Ok(None) => {}
                Ok(Some(line)) => return Step::Line { line, consumed },
                Err(why) => self.end(why, out),
            }
        }
    }

    /// Says goodbye: 1000 when the chat is over, 1001 when the server goes away. Lines that still
    /// come are thrown away; [`Step::Ended`] follows when the client has answered, for which the
    /// caller sets a deadline.
    ///
    /// A reason of more than 123 bytes is cut.
    pub fn close(&mut self, code: u16, reason: &str, out: &mut Vec<u8>) {
        self.is_closing = true;
        self.say_goodbye(code, cut(reason).into(), out);
    }

    fn say_goodbye(&mut self, code: u16, reason: Utf8Bytes, out: &mut Vec<u8>) {
        let goodbye = CloseFrame {
            code: code.into(),
            reason,
        };
        let mut pipe = Pipe { input: &[], out };
        // It fails only when the client has closed, and then it has been answered.
        let _ = self.context.close(&mut pipe, Some(goodbye));
    }

    fn end(&mut self, why: Ended, out: &mut Vec<u8>) {
        if let Ended::Refused { code, reason } = why {
            self.say_goodbye(code, Utf8Bytes::from_static(reason), out);
        }
        self.ended = Some(why);
    }

    /// Takes a whole frame, which may be the last one of a message.
    fn take(
        &mut self,
        frame: &Incoming,
        bytes: &[u8],
        now_ns: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, Ended> {
        if frame.is_control {
            if !self.controls.take(self.limits.controls, now_ns) {
                return Err(policy_violation("too many control frames"));
            }
        } else {
            self.fragments += 1;
            if self.fragments > self.limits.fragments_max {
                return Err(policy_violation("the message is in too many frames"));
            }
        }
        let mut pipe = Pipe { input: bytes, out };
        let message = match self.context.read(&mut pipe) {
            Ok(message) => message,
            // A fragment: the codec has asked for the next one.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(refusal(&error)),
        };
        match message {
            Message::Text(text) => self.line(text.into()),
            Message::Binary(bytes) => self.line(bytes),
            Message::Close(said) => {
                // "Connection closed" is how this one succeeds.
                let _ = self.context.flush(&mut pipe);
                Err(Ended::ByClient(said.map(|said| said.code.into())))
            }
            _ => {
                // The pong, if it was a ping.
                self.context
                    .flush(&mut pipe)
                    .map_err(|error| refusal(&error))?;
                Ok(None)
            }
        }
    }

    fn line(&mut self, mut message: Bytes) -> Result<Option<Bytes>, Ended> {
        self.fragments = 0;
        if self.is_closing {
            return Ok(None);
        }
        // The codec would hold on to what a long message needed. Between two messages, a new one is
        // no different.
        if message.len() > CODEC_BYTES {
            self.context = codec(&self.limits);
        }
        // Clients must leave the newline out, and some don't.
        message.truncate(without_newline(&message).len());
        match memchr2(b'\r', b'\n', &message) {
            None => Ok(Some(message)),
            Some(_) => Err(policy_violation("a message must be one line")),
        }
    }
}

fn codec(limits: &Limits) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(CODEC_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(limits.message_bytes_max))
        .max_frame_size(Some(limits.message_bytes_max.max(CONTROL_BYTES_MAX)));
    WebSocketContext::new(Role::Server, Some(config))
}

fn refusal(error: &Error) -> Ended {
    match error {
        Error::Utf8(_) => Ended::Refused {
            code: 1007,
            reason: "the text is not UTF-8",
        },
        Error::Capacity(_) => TOO_LONG,
        _ => protocol_error("these are not frames of a WebSocket's client"),
    }
}

/// A whole frame at the front of the data.
#[derive(Debug)]
struct Incoming {
    /// With its header.
    bytes: usize,
    is_control: bool,
}

impl Incoming {
    /// `None` if the frame is not complete; an error as soon as its header is, if it will not do.
    fn look(data: &[u8], limits: &Limits) -> Result<Option<Incoming>, Ended> {
        let mut cursor = Cursor::new(data);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|error| refusal(&error))?;
        let Some((header, length)) = parsed else {
            return Ok(None);
        };
        let is_control = matches!(header.opcode, OpCode::Control(_));
        if header.mask.is_none() {
            return Err(protocol_error("a client's frames are masked"));
        }
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(protocol_error("no extension was agreed"));
        }
        if is_control && (!header.is_final || length > CONTROL_BYTES_MAX as u64) {
            return Err(protocol_error("a control frame is short and whole"));
        }
        if !is_control && length > limits.message_bytes_max as u64 {
            return Err(TOO_LONG);
        }
        // Both are small: a header, and a length within the limit.
        let bytes = (cursor.position() + length) as usize;
        Ok((bytes <= data.len()).then_some(Incoming { bytes, is_control }))
    }
}

/// What the codec takes for a connection: bytes at hand, and a buffer.
#[derive(Debug)]
struct Pipe<'a> {
    input: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The end of these bytes is not the end of the connection.
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
