//! What stands for Unix sockets on a system without them: types that have no value, so that whoever
//! passes one on compiles, and there is none to pass on. It must never be given a way to make one.

use std::fmt;

use socket2::SockAddr;

use crate::replayable::Replayable;
use crate::{Endpoint, Error, Result, ToEndpoint};

/// The name of a Unix socket, of which there is none here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixAddress(Never);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Never {}

impl UnixAddress {
    /// Nobody gets here.
    pub(crate) fn never(&self) -> ! {
        match self.0 {}
    }

    /// What follows `unix:` in a text.
    pub(super) fn parse(text: &str) -> Result<UnixAddress> {
        Err(Error::BadAddress(format!(
            "unix:{text} is not an address: this system has no Unix sockets; give HOST:PORT"
        )))
    }

    pub(super) fn from_system(_: &SockAddr) -> Option<UnixAddress> {
        None
    }
}

impl ToEndpoint for UnixAddress {
    fn to_endpoint(&self) -> Result<Endpoint> {
        self.never()
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.never()
    }
}

/// A recording that was made where there are some is refused.
impl Replayable for UnixAddress {
    fn encode(&self, _: &mut Vec<u8>) {
        self.never()
    }

    fn decode(_: &mut &[u8]) -> Option<UnixAddress> {
        None
    }
}

/// The file of a Unix socket.
#[derive(Debug)]
pub(crate) struct SocketFile(Never);
