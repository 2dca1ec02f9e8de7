//! The part of the seam that is about datagrams: what comes, what is given to the kernel, and what
//! came of it. It must never know which kind of address there is.
//!
//! - `bind_udp`: a socket without a token yet, for UDP or a Unix one; may block while a name is looked up.
//! - `listen_udp`: binds the first of the addresses that can be, under a token.
//! - `send_datagrams`: sends from the front of the queue what it can now, each datagram whole, and
//!   takes that off. When not all went, a `Sent` completion comes as soon as it makes sense to call
//!   again. What is answered could not be sent and is off the queue, or (without an address) was
//!   sent earlier; then it makes sense to call again at once.
//! - Completions: `Datagram` for each that has come, lent as the bytes of a `Received` are;
//!   `Undelivered` for what the system tells of one that was sent earlier. After the latter the
//!   socket goes on; `Failed` ends it, as with all sources.

use std::io;
use std::net::SocketAddr;

use super::Driver;
use crate::datagrams::{Datagrams, Undelivered};
use crate::net::{Endpoint, UdpSocket, cannot_bind};
use crate::{Address, Token};

/// One that has come.
#[derive(Debug)]
pub(crate) struct Datagram<'d> {
    pub(crate) bytes: &'d [u8],
    pub(crate) from: &'d Address,
    /// It was longer.
    pub(crate) is_truncated: bool,
}

/// What a datagram counts at least of the bytes that one tick may read: a flood of empty ones has
/// an end, too.
pub(super) const LEAST_COST: usize = 256;

impl Driver {
    pub(crate) fn bind_udp(&mut self, endpoint: &Endpoint) -> io::Result<UdpSocket> {
        let socket = match self {
            Driver::Simulated(driver) => driver.bind_udp(endpoint),
            Driver::Recorder(recorder) => return recorder.bind_udp(endpoint),
            Driver::Replayer(replayer) => return replayer.bind_udp(endpoint),
            _ => UdpSocket::bind_system(endpoint),
        };
        socket.map_err(|error| cannot_bind(endpoint, &error))
    }

    pub(crate) fn listen_udp(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        match self {
            Driver::Readiness(driver) => driver.listen_udp(token, addresses),
            Driver::Simulated(driver) => driver.listen_udp(token, addresses),
            Driver::Recorder(recorder) => recorder.listen_udp(token, addresses),
            Driver::Replayer(replayer) => replayer.listen_udp(token, addresses),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.listen_udp(token, addresses),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.listen_udp(token, addresses),
            #[cfg(feature = "tls")]
            Driver::Moving => Ok(()),
        }
    }

    pub(crate) fn send_datagrams(
        &mut self,
        token: Token,
        queue: &mut Datagrams,
    ) -> Option<Undelivered> {
        match self {
            Driver::Readiness(driver) => driver.send_datagrams(token, queue),
            Driver::Simulated(driver) => driver.send_datagrams(token, queue),
            Driver::Recorder(recorder) => recorder.send_datagrams(token, queue),
            Driver::Replayer(replayer) => replayer.send_datagrams(token, queue),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.send_datagrams(token, queue),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.send_datagrams(token, queue),
            #[cfg(feature = "tls")]
            Driver::Moving => None,
        }
    }
}
