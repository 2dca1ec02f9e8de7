//! Datagram sockets on readiness: a look at one brings a batch, which is handed out one by one.
//! It must never look at a socket again before the others had their turn.

use std::io;
use std::net::SocketAddr;

use super::Readiness;
use super::steps::{BLOCKED, Entry, Flags, PAUSED, READABLE, Step, Then, WRITABLE};
use crate::Token;
use crate::datagrams::{Datagrams, Undelivered};
use crate::driver::batches::{self, Caught, DatagramSocket, Inlet, Sending};
use crate::driver::{Event, Resource};
use crate::net::UdpSocket;

impl Readiness {
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
    pub(super) fn count_datagram(&mut self) {
        self.bytes_left = self.bytes_left.saturating_sub(self.inlet.cost());
    }

    pub(crate) fn send_datagrams(
        &mut self,
        token: Token,
        queue: &mut Datagrams,
    ) -> Option<Undelivered> {
        let slot = self.slots.get_mut(token.slot as usize)?;
        let Entry::Datagrams(socket) = &slot.entry else {
            return None;
        };
        if slot.flags.generation != token.generation || slot.flags.any(BLOCKED) {
            return None; // a `Sent` completion will come
        }
        match batches::send(socket.as_fd(), queue) {
            Sending::Done => None,
            Sending::Blocked => {
                slot.flags.block(token, &mut self.rearm);
                None
            }
            Sending::Undelivered(undelivered) => Some(undelivered),
        }
    }
}

/// A datagram socket is ready for something: a send that was blocked, a batch of datagrams.
pub(super) fn step(
    socket: &mut DatagramSocket,
    flags: &mut Flags,
    token: Token,
    inlet: &mut Inlet,
) -> (Option<Step>, Then) {
    if flags.any(BLOCKED) && flags.any(WRITABLE) {
        flags.clear(BLOCKED);
        return (Some(Step::Event(Event::Sent)), Then::Now);
    }
    if flags.any(PAUSED) {
        return (None, Then::OnEvent);
    }
    if inlet.hand_out_kept(socket) {
        return (Some(Step::Datagram), Then::Now);
    }
    if !flags.any(READABLE) {
        return (None, Then::OnEvent);
    }
    let caught = inlet.receive(token, socket);
    let then = match caught {
        Caught::Full | Caught::Undelivered(_) => Then::NextTick,
        Caught::All | Caught::Failed(_) => {
            flags.clear(READABLE); // the kernel has said "would block", or given less
            Then::OnEvent
        }
    };
    let step = match caught {
        Caught::Undelivered(error) => {
            let undelivered = Undelivered { to: None, error };
            Some(Step::Event(Event::Undelivered(undelivered)))
        }
        Caught::Failed(error) => Some(Step::Event(Event::Failed(error))),
        Caught::Full | Caught::All => inlet.hand_out().then_some(Step::Datagram),
    };
    (step, then)
}
