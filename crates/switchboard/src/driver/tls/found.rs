//! What the driver below has brought, by value: whose it is decides what becomes of it, and what was
//! lent can be looked at or passed on, not both. It must never copy the bytes of a stream.

#[cfg(unix)]
use std::os::fd::OwnedFd;

use crate::Address;
use crate::driver::{Datagram, Event};

pub(super) enum Found {
    /// So many bytes, which are lent still.
    Bytes(usize),
    /// And descriptors that came with them, for a plain source.
    #[cfg(unix)]
    BytesWith(usize, Vec<OwnedFd>),
    Datagram(KeptDatagram),
    Event(Event<'static>),
}

/// A datagram is copied: the driver below does not lend it twice.
pub(super) struct KeptDatagram {
    bytes: Vec<u8>,
    from: Address,
    is_truncated: bool,
}

impl KeptDatagram {
    pub(super) fn lend(&self) -> Datagram<'_> {
        Datagram {
            bytes: &self.bytes,
            from: &self.from,
            is_truncated: self.is_truncated,
        }
    }
}

impl Found {
    pub(super) fn of(event: Event<'_>) -> Found {
        Found::Event(match event {
            Event::Received(bytes) => return Found::Bytes(bytes.len()),
            #[cfg(unix)]
            Event::ReceivedWith(bytes, descriptors) => {
                return Found::BytesWith(bytes.len(), descriptors);
            }
            Event::Datagram(datagram) => {
                return Found::Datagram(KeptDatagram {
                    bytes: datagram.bytes.to_vec(),
                    from: datagram.from.clone(),
                    is_truncated: datagram.is_truncated,
                });
            }
            Event::Accepted(stream) => Event::Accepted(stream),
            Event::AcceptFailed(error) => Event::AcceptFailed(error),
            Event::Connected => Event::Connected,
            Event::Secured(session) => Event::Secured(session),
            Event::Undelivered(what) => Event::Undelivered(what),
            Event::EndOfFile => Event::EndOfFile,
            Event::Sent => Event::Sent,
            Event::Unsent(rest) => Event::Unsent(rest),
            Event::Failed(error) => Event::Failed(error),
            #[cfg(unix)]
            Event::Ready(ready) => Event::Ready(ready),
            #[cfg(unix)]
            Event::Signal(signal) => Event::Signal(signal),
            #[cfg(unix)]
            Event::Exited(status) => Event::Exited(status),
            Event::Resolved(host, addresses) => Event::Resolved(host, addresses),
            Event::Done(done) => Event::Done(done),
            Event::File(done) => Event::File(done),
        })
    }
}
