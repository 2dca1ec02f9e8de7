//! Datagram sockets on io_uring: the ring polls, and what is there is received in batches, as on
//! readiness. It must never receive for a socket whose last batch is not handed out.
//!
//! A batch costs one system call beyond the wait. A multishot `recvmsg` would save it, and would
//! need buffers of 64 KiB for each datagram, whatever its length, or cut some.

use std::io;
use std::net::SocketAddr;

use super::Uring;
use super::completions::Found;
use super::table::{BLOCKED, Kind, QUEUED};
use crate::Token;
use crate::datagrams::{Datagrams, Undelivered};
use crate::driver::batches::{self, Caught, Sending};
use crate::driver::{Event, Resource};
use crate::net::UdpSocket;

impl Uring {
    pub(crate) fn listen_udp(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        let socket = UdpSocket::bind_first(addresses)?;
        self.register(token, Resource::Datagrams(socket))
    }

    /// Hands out the next one of the batch that was received last.
    #[inline]
    pub(super) fn hand_out_datagram(&mut self) -> Option<Token> {
        let token = self.inlet.waiting()?;
        if self.bytes_left == 0 || !self.inlet.hand_out() {
            return None;
        }
        self.count_datagram();
        Some(token)
    }

    #[cold]
    fn count_datagram(&mut self) {
        self.bytes_left = self.bytes_left.saturating_sub(self.inlet.cost());
    }

    /// The poll of a socket has told that there is something. It is armed again at once: while
    /// there is more, it tells so in the next tick.
    #[cold]
    pub(super) fn datagrams_ready(&mut self, index: u32) -> Option<(Token, Found)> {
        self.main_ended(index);
        let place = self.table.at(index);
        let token = place.token;
        if !place.wants_arming() {
            return None; // paused: asked again when it is resumed
        }
        let Kind::Datagrams(socket) = &place.kind else {
            return None;
        };
        let caught = self.inlet.receive(token, socket);
        self.arm_later(index);
        let event = match caught {
            Caught::Full | Caught::All => {
                return self
                    .hand_out_datagram()
                    .map(|token| (token, Found::Datagram));
            }
            Caught::Undelivered(error) => Event::Undelivered(Undelivered { to: None, error }),
            Caught::Failed(error) => Event::Failed(error),
        };
        Some((token, Found::Event(event)))
    }

    /// Hands out what was left of a batch when its socket was paused.
    #[cold]
    pub(super) fn hand_out_kept_datagram(&mut self, index: u32) -> Option<(Token, Found)> {
        let place = self.table.at(index);
        let token = place.token;
        let Kind::Datagrams(socket) = &mut place.kind else {
            return None;
        };
        let found = self.inlet.hand_out_kept(socket);
        if socket.has_kept() {
            place.set(QUEUED);
            self.kept.push_front(index);
        } else {
            self.arm_later(index);
        }
        self.count_datagram();
        found.then_some((token, Found::Datagram))
    }

    pub(crate) fn send_datagrams(
        &mut self,
        token: Token,
        queue: &mut Datagrams,
    ) -> Option<Undelivered> {
        let (index, place) = self.table.find(token)?;
        let Kind::Datagrams(socket) = &place.kind else {
            return None;
        };
        if place.any(BLOCKED) {
            return None; // a `Sent` completion will come
        }
        match batches::send(socket.as_fd(), queue) {
            Sending::Done => None,
            Sending::Blocked => {
                place.set(BLOCKED);
                self.arm_later(index);
                None
            }
            Sending::Undelivered(undelivered) => Some(undelivered),
        }
    }
}
