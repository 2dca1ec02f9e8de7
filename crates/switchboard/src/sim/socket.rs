//! Ends of connections without a reactor, for tests that play the peer by hand. They must never
//! block or let time pass: the simulation, or a reactor that waits, does.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};

use super::network::ListenerId;
use super::tcp::EndId;
use super::world::Shared;

/// One end of a simulated connection that a test reads and writes itself, as it would a
/// non-blocking [`std::net::TcpStream`]. Dropped, it closes.
pub struct Socket {
    world: Shared,
    end: EndId,
}

impl Socket {
    pub(crate) fn new(world: &Shared, end: EndId) -> Socket {
        Socket {
            world: world.clone(),
            end,
        }
    }

    /// Takes up to `buffer.len()` bytes that have arrived; 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has arrived; what ended the connection, such as `ConnectionReset`.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        world.heed_notices();
        Ok(world.recv(self.end, buffer)?)
    }

    /// Sends as many of `bytes` as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room, or no connection yet; what ended the connection.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        world.heed_notices();
        Ok(world.send(self.end, bytes)?)
    }

    /// Ends one side, or both: behind what was written already.
    pub fn shutdown(&mut self, how: Shutdown) {
        self.world.borrow_mut().shutdown(self.end, how);
    }

    /// Ends the connection so that the peer sees a reset.
    pub fn reset(self) {
        self.world.borrow_mut().reset(self.end);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.world.borrow_mut().close(self.end);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

/// Listens on a machine of the simulation for a test that plays the server by hand.
pub struct SocketListener {
    world: Shared,
    listener: ListenerId,
    address: SocketAddr,
}

impl SocketListener {
    pub(crate) fn new(world: &Shared, listener: ListenerId, address: SocketAddr) -> SocketListener {
        SocketListener {
            world: world.clone(),
            listener,
            address,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The oldest connection that waits.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; what a fault makes of it.
    pub fn accept(&mut self) -> io::Result<Socket> {
        let end = self.world.borrow_mut().accept(self.listener)?;
        Ok(Socket::new(&self.world, end))
    }
}

impl Drop for SocketListener {
    fn drop(&mut self) {
        self.world.borrow_mut().unlisten(&[self.listener]);
    }
}

impl fmt::Debug for SocketListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketListener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
