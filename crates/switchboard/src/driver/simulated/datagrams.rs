//! Datagram sockets of a simulated machine. It must never look at one twice before the others had
//! their turn, as on readiness.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

use super::{Entry, Simulated, Step, slot_of};
use crate::datagrams::{Datagrams, Undelivered};
use crate::driver::datagrams::LEAST_COST;
use crate::driver::{Event, Resource};
use crate::net::{Endpoint, UdpSocket};
use crate::sim::{Detail, UdpId};
use crate::{Address, Token};

/// A datagram socket, and how many bytes of a datagram are wanted.
#[derive(Clone, Copy)]
pub(super) struct Datagramming {
    pub(super) id: UdpId,
    pub(super) longest: usize,
}

/// What a datagram that lies in the buffer says beside its bytes.
pub(super) struct Sender {
    pub(super) from: Address,
    pub(super) is_truncated: bool,
}

impl Simulated {
    pub(crate) fn bind_udp(&mut self, endpoint: &Endpoint) -> io::Result<UdpSocket> {
        let mut world = self.world.borrow_mut();
        let addresses = world.look_up(endpoint)?;
        let (id, local) = world.bind_udp(self.machine, &addresses)?;
        let socket = world.hand_out_udp(self.machine, id, local);
        Ok(UdpSocket::simulated(socket))
    }

    pub(crate) fn listen_udp(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let (id, local) = world.bind_udp(self.machine, addresses)?;
        let socket = world.hand_out_udp(self.machine, id, local);
        drop(world);
        self.register(token, Resource::Datagrams(UdpSocket::simulated(socket)))
    }

    /// Takes a socket over; false if it is of another machine or world.
    pub(super) fn watch_datagrams(&mut self, token: Token, socket: UdpSocket) -> bool {
        let notifier = self.world.borrow().notifier();
        let Some((socket, longest)) = socket.into_simulated() else {
            return false;
        };
        let peer = socket.peer;
        let Some(id) = socket.into_socket(self.machine, &notifier) else {
            return false;
        };
        self.world.borrow_mut().adopt_udp(id, token, peer);
        self.occupy(token, Entry::Datagrams(Datagramming { id, longest }));
        self.again(token, false);
        true
    }

    pub(super) fn datagram_step(&mut self, token: Token, socket: Datagramming) -> Option<Step> {
        let slot = slot_of(&mut self.slots, token)?;
        let mut world = self.world.borrow_mut();
        let udp = world.network.udp.get(&socket.id);
        if slot.blocked && udp.is_some_and(|udp| udp.is_writable()) {
            slot.blocked = false;
            drop(world);
            self.again(token, true);
            return Some(Step::Event(Event::Sent));
        }
        if slot.paused {
            return None;
        }
        let received = world.recv_datagram(socket.id, &mut self.buffer[..socket.longest]);
        let udp = world.network.udp.get(&socket.id);
        let more = udp.is_some_and(|udp| udp.is_readable());
        drop(world);
        if more {
            self.again(token, false);
        }
        match received {
            Ok((from, n, is_truncated)) => {
                self.bytes_left = self.bytes_left.saturating_sub(n.max(LEAST_COST));
                self.sender = Some(Sender {
                    from: from.into(),
                    is_truncated,
                });
                Some(Step::Datagram(n))
            }
            Err(Errno::AGAIN) => None,
            Err(error) => {
                let error = error.into();
                let undelivered = Undelivered { to: None, error };
                Some(Step::Event(Event::Undelivered(undelivered)))
            }
        }
    }

    pub(crate) fn send_datagrams(
        &mut self,
        token: Token,
        queue: &mut Datagrams,
    ) -> Option<Undelivered> {
        let slot = slot_of(&mut self.slots, token)?;
        let Entry::Datagrams(socket) = slot.entry else {
            return None;
        };
        if slot.blocked {
            return None; // a `Sent` completion will come
        }
        let mut world = self.world.borrow_mut();
        while let Some(first) = queue.front() {
            let to = first.to.and_then(Address::ip);
            let sent = match (first.to, to) {
                (Some(_), None) => Err(Errno::AFNOSUPPORT),
                _ => world.send_datagram(socket.id, first.bytes, to),
            };
            match sent {
                Ok(()) => {
                    let text = to.map_or("to its peer".to_owned(), |to| format!("to {to}"));
                    let machine = Some(self.machine);
                    world.tell(machine, "sent a datagram", Some(token), Detail::Text(text));
                    world.tell(machine, "", Some(token), Detail::Bytes(first.bytes));
                }
                Err(Errno::AGAIN) => {
                    cov_mark::hit!(datagram_send_blocked);
                    slot.blocked = true;
                    return None;
                }
                // Of an earlier one: this one is tried again.
                Err(error @ Errno::CONNREFUSED) => {
                    let error = error.into();
                    return Some(Undelivered { to: None, error });
                }
                Err(error) => {
                    let error = error.into();
                    let to = queue.pop().flatten();
                    return Some(Undelivered { to, error });
                }
            }
            queue.pop();
        }
        None
    }
}
