//! Connections being made: each attempt is a place of its own, under the token of its source.
//! The first that succeeds is the source's connection. It must never leave another one behind.

use std::io;
use std::net::SocketAddr;

use super::Uring;
use super::table::Connecting;
use crate::Token;
use crate::net::{ConnectOptions, open_stream};

impl Uring {
    pub(crate) fn connect(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        let fd = open_stream(address, options)?;
        let index = self
            .table
            .insert_attempt(token, Connecting::new(fd, address));
        self.arm_later(index);
        Ok(())
    }

    /// Ends the attempts of a source, but for the one that has made its connection.
    pub(super) fn end_attempts(&mut self, token: Token, winner: Option<u32>) {
        for index in self.table.take_attempts(token, winner) {
            self.cancel_all(index);
            self.table.end(index);
            self.table.free_if_done(index);
        }
    }
}
