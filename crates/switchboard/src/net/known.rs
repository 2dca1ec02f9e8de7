//! The addresses of a connection's two ends as they were at one moment, for a recording: what is
//! written down is what the program is told. It must never ask the system a second time.

use std::io;

use super::{Address, PeerCredentials};
use crate::replayable::Replayable;
use crate::{Error, Result};

/// What [`Stream::peer`](crate::Stream::peer) and `local` answer.
#[derive(Debug)]
pub(crate) struct KnownEnds {
    peer: io::Result<Address>,
    local: io::Result<Address>,
    /// Asked for of Unix sockets alone.
    credentials: Option<io::Result<PeerCredentials>>,
}

impl KnownEnds {
    pub(crate) fn new(peer: Result<Address>, local: Result<Address>) -> KnownEnds {
        KnownEnds {
            peer: plain(peer),
            local: plain(local),
            credentials: None,
        }
    }

    /// With those of the peer, if it is one that has any.
    #[cfg(target_os = "linux")]
    pub(crate) fn with_credentials(
        mut self,
        ask: impl FnOnce() -> Result<PeerCredentials>,
    ) -> KnownEnds {
        let is_unix = matches!(&self.local, Ok(Address::Unix(_)));
        self.credentials = is_unix.then(|| plain(ask()));
        self
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn credentials(&self) -> Result<PeerCredentials> {
        match &self.credentials {
            Some(credentials) => again(credentials),
            None => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
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
        self.credentials.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<KnownEnds> {
        let (peer, local, credentials) = Replayable::decode(bytes)?;
        Some(KnownEnds {
            peer,
            local,
            credentials,
        })
    }
}

fn plain<T>(answer: Result<T>) -> io::Result<T> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(Error::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn again<T: Clone>(answer: &io::Result<T>) -> Result<T> {
    match answer {
        Ok(answer) => Ok(answer.clone()),
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
