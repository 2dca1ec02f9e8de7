//! The new process's side, before it has a loop: it asks, and takes what it is given.
//! It must never wait without a limit, nor take more than it was told would come.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use rustix::process::geteuid;
use socket2::SockRef;

use super::message::{Kind, LIMIT, Message, Record, VERSION};
use crate::driver::MESSAGE_DESCRIPTORS;
use crate::net::{FileClaim, SocketFile};
use crate::service::Socket;
use crate::{Error, Listener, PeerCredentials, Result};

/// How long the other process may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connection to the process that serves.
pub(super) struct Link {
    stream: UnixStream,
    /// What has come and was not looked at.
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

/// A socket that has come.
pub(super) struct Taken {
    pub(super) name: String,
    pub(super) socket: Socket,
    pub(super) is_door: bool,
    pub(super) claim: Option<FileClaim>,
}

/// Asks the process that serves at this path, if there is one.
pub(super) fn take(path: &Path) -> Result<Option<(Link, Vec<Taken>)>> {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) if is_nobody(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if PeerCredentials::of(&stream)?.uid != geteuid().as_raw() {
        return Err("the process that serves there belongs to another user".into());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut link = Link {
        stream,
        bytes: Vec::new(),
        descriptors: VecDeque::new(),
    };
    link.say(&Message::Hello { version: VERSION })?;
    let (sockets, descriptors) = match link.hear()? {
        Message::Offer {
            sockets,
            descriptors,
        } => (sockets, usize::from(descriptors)),
        Message::Refused(why) => return Err(why.into()),
        _ => return Err(unexpected()),
    };
    if descriptors > LIMIT {
        return Err(unexpected());
    }
    let mut taken = Vec::new();
    for _ in 0..sockets {
        match link.hear()? {
            Message::Socket(record) => taken.push(link.unpack(record)?),
            _ => return Err(unexpected()),
        }
    }
    match link.descriptors.is_empty() {
        true => Ok(Some((link, taken))),
        false => Err(unexpected()),
    }
}

/// Nobody listens there: no file, or one that was left behind.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn unexpected() -> Error {
    Error::other("the process that serves there does not keep to the protocol")
}

impl Link {
    fn say(&mut self, message: &Message) -> Result {
        Ok(self.stream.write_all(&message.encode())?)
    }

    fn hear(&mut self) -> Result<Message> {
        loop {
            if let Some((message, length)) = Message::decode(&self.bytes)? {
                self.bytes.drain(..length);
                return Ok(message);
            }
            if self.receive()? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    fn receive(&mut self) -> Result<usize> {
        let mut buffer = [0; 4096];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let message = loop {
            match recvmsg(
                &self.stream,
                &mut slices,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    return Err("the process that serves there does not answer".into());
                }
                received => break received.map_err(io::Error::from)?,
            }
        };
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                self.descriptors.extend(descriptors);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::from(Errno::MFILE).into()); // there was no room for all
        }
        if self.descriptors.len() > LIMIT {
            return Err(unexpected());
        }
        self.bytes.extend_from_slice(&buffer[..message.bytes]);
        Ok(message.bytes)
    }

    /// The socket, with those of the descriptors that are its own.
    fn unpack(&mut self, record: Record) -> Result<Taken> {
        let count = usize::from(record.descriptors);
        if count == 0 || count > self.descriptors.len() {
            return Err(unexpected());
        }
        let mut descriptors: Vec<OwnedFd> = self.descriptors.drain(..count).collect();
        if record.kind == Kind::Udp {
            let socket = descriptors.pop().filter(|_| count == 1);
            let socket = std::net::UdpSocket::from(socket.ok_or_else(unexpected)?);
            return Ok(Taken {
                name: record.name,
                socket: Socket::Udp(socket.try_into()?),
                is_door: false,
                claim: None,
            });
        }
        for descriptor in &descriptors {
            if !SockRef::from(&descriptor.as_fd()).is_listener()? {
                return Err(unexpected());
            }
        }
        let file = record.file.map(SocketFile::adopt).transpose()?;
        let claim = file.as_ref().map(SocketFile::claim);
        Ok(Taken {
            name: record.name,
            socket: Socket::Listener(Listener::inherited(descriptors, file)?),
            is_door: record.kind == Kind::Door,
            claim,
        })
    }

    /// Tells the other process that this one is ready, and waits until it has let go. If it has
    /// ended meanwhile, it has let go, too.
    pub(super) fn end(&mut self) -> Result {
        let heard = self.say(&Message::Ready).and_then(|()| self.hear());
        match heard {
            Ok(Message::Released) => Ok(()),
            Ok(_) => Err(unexpected()),
            Err(Error::Io(error)) if is_gone(&error) => {
                tracing::warn!(%error, "the process before has ended by itself");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
