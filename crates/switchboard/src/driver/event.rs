//! What a driver brings: completions, one kind for each thing that can happen to a source.
//! It must never say what follows from one: the core knows.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::process::ExitStatus;

use super::Datagram;
#[cfg(unix)]
use crate::Ready;
use crate::datagrams::Undelivered;
use crate::offload::Done;
use crate::outbox::Outbox;
use crate::{FileDone, Stream, Token};

/// Something that has happened to the source `token`.
pub(crate) struct Completion<'d> {
    pub(crate) token: Token,
    pub(crate) event: Event<'d>,
}

#[derive(Debug)]
pub(crate) enum Event<'d> {
    Accepted(Stream),
    /// The listener is paused until [`Driver::set_reading`]: it is out of descriptors or memory.
    AcceptFailed(io::Error),
    Connected,
    /// The handshake is done, and this was agreed.
    #[cfg(feature = "tls")]
    Secured(Box<crate::tls::Session>),
    Received(&'d [u8]),
    /// With descriptors that came with these bytes.
    #[cfg(unix)]
    ReceivedWith(&'d [u8], Vec<OwnedFd>),
    Datagram(Datagram<'d>),
    /// A datagram that was sent earlier; the socket goes on.
    Undelivered(Undelivered),
    EndOfFile,
    /// Calling `send` again makes sense: it can take more, or what it took has gone.
    Sent,
    /// What `send` or `forward` took and the kernel did not: it goes before all that was sent
    /// since. `Sent` says when to try again.
    Unsent(Box<Outbox>),
    Failed(io::Error),
    #[cfg(unix)]
    Ready(Ready),
    #[cfg(unix)]
    Signal(i32),
    #[cfg(unix)]
    Exited(ExitStatus),
    /// The addresses of a host, with port 0.
    Resolved(String, io::Result<Vec<SocketAddr>>),
    Done(Box<Done>),
    File(Box<FileDone>),
}

impl Event<'_> {
    /// What a trace calls it. Never what it carries: that is the program's.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Event::Accepted(_) => "accepted",
            Event::AcceptFailed(_) => "accept failed",
            Event::Connected => "connected",
            #[cfg(feature = "tls")]
            Event::Secured(_) => "secured",
            Event::Received(_) => "received",
            #[cfg(unix)]
            Event::ReceivedWith(..) => "received with descriptors",
            Event::Datagram(_) => "datagram",
            Event::Undelivered(_) => "undelivered",
            Event::EndOfFile => "end of file",
            Event::Sent => "sent",
            Event::Unsent(_) => "unsent",
            Event::Failed(_) => "failed",
            #[cfg(unix)]
            Event::Ready(_) => "ready",
            #[cfg(unix)]
            Event::Signal(_) => "signal",
            #[cfg(unix)]
            Event::Exited(_) => "exited",
            Event::Resolved(..) => "resolved",
            Event::Done(_) => "job done",
            Event::File(_) => "file",
        }
    }
}
