//! The addresses of a connection's two ends as they were at one moment, for a recording: what is
//! written down is what the program is told. It must never ask the system a second time.

use std::io;
use std::net::SocketAddr;

use super::Address;
use crate::replayable::Replayable;
use crate::{Error, Result};

/// What [`Stream::peer`](crate::Stream::peer) and `local` answer.
#[derive(Debug)]
pub(crate) struct KnownEnds {
    peer: io::Result<SocketAddr>,
    local: io::Result<SocketAddr>,
}

impl KnownEnds {
    pub(crate) fn new(peer: Result<Address>, local: Result<Address>) -> KnownEnds {
        KnownEnds {
            peer: plain(peer),
            local: plain(local),
        }
    }

    pub(crate) fn peer(&self) -> Result<Address> {
        again(&self.peer)
    }

    pub(crate) fn local(&self) -> Result<Address> {
        again(&self.local)
    }
}

impl Replayable for KnownEnds {
    fn encode(&self, out: &mut Vec<u8>) {
        self.peer.encode(out);
        self.local.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<KnownEnds> {
        let (peer, local) = Replayable::decode(bytes)?;
        Some(KnownEnds { peer, local })
    }
}

fn plain(answer: Result<Address>) -> io::Result<SocketAddr> {
    match answer {
        Ok(address) => address.ip().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "the address is not an IP address",
            )
        }),
        Err(Error::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn again(answer: &io::Result<SocketAddr>) -> Result<Address> {
    match answer {
        Ok(address) => Ok(Address::Ip(*address)),
        Err(error) => Err(copy_of(error).into()),
    }
}

/// The same number, or the same kind and text.
pub(crate) fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None if error.get_ref().is_none() => error.kind().into(),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
