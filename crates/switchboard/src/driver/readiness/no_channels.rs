//! Where a stream is a TCP connection, and nothing else: what the driver would do with another kind.
//! It must never be given one.

use std::io;
use std::net::Shutdown;

use super::Readiness;
use crate::Token;
use crate::net::{ConnectOptions, UnixAddress};
use crate::outbox::Outbox;

impl Readiness {
    pub(crate) fn connect_unix(
        &mut self,
        _: Token,
        address: &UnixAddress,
        _: &ConnectOptions,
    ) -> io::Result<()> {
        address.never()
    }

    /// The token is stale.
    pub(super) fn send_through_channel(&mut self, _: Token, _: &mut Outbox) -> io::Result<()> {
        Ok(())
    }

    /// The token is stale.
    pub(super) fn shut_channel(&mut self, _: Token, _: Shutdown) {}
}
