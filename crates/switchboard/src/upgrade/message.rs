//! What two processes say to each other in an upgrade, as bytes: each message is its length (u32,
//! little-endian, as all numbers here), its kind, and its parts.
//! It must never change what the first two messages look like: with those, processes of different
//! versions tell each other that they are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::{Error, Result};

/// Of what follows the first message.
pub(super) const VERSION: u16 = 1;

/// How many descriptors one process hands over, the upgrade socket's included.
pub(super) const LIMIT: usize = 1024;

/// The longest name of a socket, in bytes.
const LONGEST_NAME: usize = 255;

/// The longest message, in bytes: a path has 4,096 at most.
const LONGEST: usize = 8 * 1024;

const MAGIC: &[u8] = b"switchboard upgrade";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The new process's first.
    Hello { version: u16 },
    /// The old one's answer, for people.
    Refused(String),
    /// Or how many sockets follow, with how many descriptors.
    Offer { sockets: u16, descriptors: u16 },
    /// Its descriptors come with its first byte.
    Socket(Record),
    /// The new process serves from now on.
    Ready,
    /// The old one does not, any more.
    Released,
}

/// What kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Listener,
    Udp,
    /// The upgrade socket itself.
    Door,
}

/// One socket, or several that are listened on as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) descriptors: u16,
    /// Of a Unix socket, if it is to be removed at its end.
    pub(super) file: Option<PathBuf>,
}

impl Record {
    pub(super) fn new(
        kind: Kind,
        name: &str,
        descriptors: usize,
        file: Option<PathBuf>,
    ) -> Result<Record> {
        if name.len() > LONGEST_NAME {
            let text = format!("the name of a socket is longer than {LONGEST_NAME} bytes");
            return Err(text.into());
        }
        let name = name.to_owned();
        let descriptors = u16::try_from(descriptors).map_err(Error::other)?;
        Ok(Record {
            kind,
            name,
            descriptors,
            file,
        })
    }
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        match self {
            Message::Hello { version } => {
                body.push(0);
                body.extend_from_slice(MAGIC);
                body.extend_from_slice(&version.to_le_bytes());
            }
            Message::Refused(why) => {
                body.push(1);
                body.extend_from_slice(why.as_bytes());
            }
            Message::Offer {
                sockets,
                descriptors,
            } => {
                body.push(2);
                body.extend_from_slice(&sockets.to_le_bytes());
                body.extend_from_slice(&descriptors.to_le_bytes());
            }
            Message::Socket(record) => {
                body.push(3);
                body.push(match record.kind {
                    Kind::Listener => 0,
                    Kind::Udp => 1,
                    Kind::Door => 2,
                });
                body.extend_from_slice(&record.descriptors.to_le_bytes());
                body.push(record.name.len() as u8); // 255 at most
                body.extend_from_slice(record.name.as_bytes());
                let file = record.file.as_ref();
                body.extend_from_slice(file.map_or(&[], |file| file.as_os_str().as_bytes()));
            }
            Message::Ready => body.push(4),
            Message::Released => body.push(5),
        }
        let mut frame = (body.len() as u32).to_le_bytes().to_vec();
        frame.append(&mut body);
        frame
    }

    /// The message at the beginning, and its length; `None` if more has to come.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Message, usize)>> {
        let Some((length, rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > LONGEST {
            return Err(unknown());
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = parse(body).ok_or_else(unknown)?;
        Ok(Some((message, 4 + length)))
    }
}

fn unknown() -> Error {
    Error::other("what the other process says is no message of an upgrade")
}

fn parse(body: &[u8]) -> Option<Message> {
    let (kind, mut rest) = body.split_first()?;
    let number = |rest: &mut &[u8]| {
        let (number, behind) = rest.split_first_chunk()?;
        *rest = behind;
        Some(u16::from_le_bytes(*number))
    };
    let message = match kind {
        0 => {
            rest = rest.strip_prefix(MAGIC)?;
            let version = number(&mut rest)?;
            return Some(Message::Hello { version }); // later versions may say more
        }
        1 => return Some(Message::Refused(String::from_utf8_lossy(rest).into_owned())),
        2 => Message::Offer {
            sockets: number(&mut rest)?,
            descriptors: number(&mut rest)?,
        },
        3 => return parse_record(rest).map(Message::Socket),
        4 => Message::Ready,
        5 => Message::Released,
        _ => return None,
    };
    rest.is_empty().then_some(message)
}

fn parse_record(bytes: &[u8]) -> Option<Record> {
    let (&[kind, low, high, length], rest) = bytes.split_first_chunk()?;
    let (name, file) = rest.split_at_checked(length.into())?;
    Some(Record {
        kind: match kind {
            0 => Kind::Listener,
            1 => Kind::Udp,
            2 => Kind::Door,
            _ => return None,
        },
        name: std::str::from_utf8(name).ok()?.to_owned(),
        descriptors: u16::from_le_bytes([low, high]),
        file: (!file.is_empty()).then(|| OsStr::from_bytes(file).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Message> {
        let record = |kind, name: &str, file: Option<&str>| {
            let record = Record::new(kind, name, 2, file.map(PathBuf::from));
            Message::Socket(record.expect("a short name"))
        };
        vec![
            Message::Hello { version: 7 },
            Message::Refused("no".to_owned()),
            Message::Offer {
                sockets: 3,
                descriptors: 1024,
            },
            record(Kind::Listener, "web", None),
            record(Kind::Listener, &"n".repeat(255), Some("/run/x.sock")),
            record(Kind::Udp, "", None),
            record(Kind::Door, "", Some("/run/upgrade")),
            Message::Ready,
            Message::Released,
        ]
    }

    #[test]
    fn messages_come_back_as_they_were_however_they_are_cut() {
        for message in all() {
            let mut bytes = message.encode();
            for end in 0..bytes.len() {
                assert_eq!(Message::decode(&bytes[..end]).unwrap(), None);
            }
            let length = bytes.len();
            bytes.push(9);
            assert_eq!(Message::decode(&bytes).unwrap(), Some((message, length)));
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let cases: [&[u8]; 5] = [
            &[0, 0, 0, 0],
            &[0xff, 0xff, 0, 0],
            &[1, 0, 0, 0, 9],
            &[2, 0, 0, 0, 4, 4],
            &[6, 0, 0, 0, 3, 0, 1, 0, 9, b'x'],
        ];
        for bytes in cases {
            Message::decode(bytes).unwrap_err();
        }
        Record::new(Kind::Listener, &"n".repeat(256), 1, None).unwrap_err();
    }
}
