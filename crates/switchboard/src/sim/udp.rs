//! Datagrams of the simulated network: sockets, and what becomes of a datagram on its way. It must
//! never cut one, put two together, or deliver one twice but by fault.
//!
//! Without faults, what one socket sends arrives in its order (each takes the network's latency),
//! unless there is nobody, a partition or no power at its arrival, or no room: then it is gone
//! without a word, but for the answer "port unreachable", which a connected socket is told of.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;

use super::dice::{self, Purpose};
use super::faults::Fault;
use super::packet::LOOPBACK;
use super::story::Detail;
use super::world::{Event, FIRST_PORT, MachineId, World};
use crate::{Time, Token};

/// Names one socket; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UdpId(pub(crate) u64);

/// The most that fits into an IPv4 packet (RFC 768, RFC 791).
const LONGEST: usize = 65_507;

pub(crate) struct Udp {
    machine: MachineId,
    local: SocketAddr,
    /// The only one that it speaks to.
    peer: Option<SocketAddr>,
    token: Option<Token>,
    received: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Bytes of those.
    held: usize,
    receive_buffer: usize,
    /// Told by the next call, once.
    error: Option<Errno>,
    /// Its send buffer is full, by fault.
    stalled: bool,
    /// When the last of what was sent in order arrives.
    last_arrival: Time,
}

/// One on its way.
pub(crate) struct Flying {
    sender: UdpId,
    source: MachineId,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Udp {
    pub(crate) fn is_writable(&self) -> bool {
        !self.stalled
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.error.is_some() || !self.received.is_empty()
    }
}

impl World {
    pub(crate) fn bind_udp(
        &mut self,
        machine: MachineId,
        addresses: &[SocketAddr],
    ) -> io::Result<(UdpId, SocketAddr)> {
        let mut failure = Errno::ADDRNOTAVAIL;
        for address in addresses {
            match self.bind_one_udp(machine, *address) {
                Ok(bound) => return Ok(bound),
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    fn bind_one_udp(
        &mut self,
        machine: MachineId,
        mut local: SocketAddr,
    ) -> Result<(UdpId, SocketAddr), Errno> {
        let ip = local.ip();
        if !ip.is_unspecified() && self.route(machine, ip) != Some(machine) {
            return Err(Errno::ADDRNOTAVAIL);
        }
        if local.port() == 0 {
            local.set_port(self.free_udp_port(machine, ip));
        } else if self.is_udp_taken(machine, local) {
            return Err(Errno::ADDRINUSE);
        }
        let id = UdpId(self.network.number());
        let socket = Udp {
            machine,
            local,
            peer: None,
            token: None,
            received: VecDeque::new(),
            held: 0,
            receive_buffer: self.faults_of(machine).receive_buffer,
            error: None,
            stalled: false,
            last_arrival: Time::ZERO,
        };
        self.network.udp.insert(id, socket);
        Ok((id, local))
    }

    fn is_udp_taken(&self, machine: MachineId, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip(), address.port());
        self.network.udp.values().any(|socket| {
            let other = socket.local.ip();
            socket.machine == machine
                && socket.local.port() == port
                && (other == ip
                    || other.is_ipv4() == ip.is_ipv4()
                        && (other.is_unspecified() || ip.is_unspecified()))
        })
    }

    fn free_udp_port(&mut self, machine: MachineId, ip: IpAddr) -> u16 {
        loop {
            let next = &mut self.machine_mut(machine).next_port;
            let port = *next;
            *next = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.is_udp_taken(machine, (ip, port).into()) {
                return port;
            }
        }
    }

    /// A reactor takes a socket over.
    pub(crate) fn adopt_udp(&mut self, id: UdpId, token: Token, peer: Option<SocketAddr>) {
        if let Some(socket) = self.network.udp.get_mut(&id) {
            socket.token = Some(token);
            socket.peer = peer;
        }
    }

    pub(crate) fn close_udp(&mut self, id: UdpId) {
        self.network.udp.remove(&id);
    }

    /// What `sendto` does.
    pub(crate) fn send_datagram(
        &mut self,
        id: UdpId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<(), Errno> {
        let socket = self.network.udp.get_mut(&id).ok_or(Errno::BADF)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let to = to.or(socket.peer).ok_or(Errno::DESTADDRREQ)?;
        if bytes.len() > LONGEST {
            return Err(Errno::MSGSIZE);
        }
        if to.is_ipv4() != socket.local.is_ipv4() {
            return Err(Errno::AFNOSUPPORT);
        }
        if socket.stalled {
            return Err(Errno::AGAIN);
        }
        let (machine, local) = (socket.machine, socket.local);
        if self.route(machine, to.ip()).is_none() {
            return Err(Errno::NETUNREACH);
        }
        if self.strikes(Fault::FullBuffer, machine) {
            let range = Duration::from_micros(100)..Duration::from_millis(50);
            let delay = dice::duration(self.dice.of_fault(Fault::FullBuffer), &range);
            if let Some(socket) = self.network.udp.get_mut(&id) {
                socket.stalled = true;
            }
            self.after(delay, Event::UnstallUdp(id));
            return Err(Errno::AGAIN);
        }
        // Who does not say which of its addresses it sends from sends from the one that fits.
        let from = match local.ip().is_unspecified() {
            true if to.ip().is_loopback() => SocketAddr::new(to.ip(), local.port()),
            true => SocketAddr::new(self.machine(machine).address.into(), local.port()),
            false => local,
        };
        self.launch_datagram(Flying {
            sender: id,
            source: machine,
            from,
            to,
            bytes: bytes.to_vec(),
        });
        Ok(())
    }

    fn launch_datagram(&mut self, datagram: Flying) {
        let source = datagram.source;
        if self.strikes(Fault::DatagramLoss, source) {
            let text = format!("{} -> {}", datagram.from, datagram.to);
            return self.tell(Some(source), "datagram lost", None, Detail::Text(text));
        }
        if self.strikes(Fault::DatagramDouble, source) {
            let again = Flying {
                bytes: datagram.bytes.clone(),
                ..datagram
            };
            let more = Duration::ZERO..Duration::from_millis(50);
            let later = dice::duration(self.dice.of_fault(Fault::DatagramDouble), &more);
            let delay = self.datagram_latency(&again) + later;
            self.after(delay, Event::Datagram(again));
        }
        let mut delay = self.datagram_latency(&datagram);
        if self.strikes(Fault::Delay, source) {
            let more = Duration::ZERO..Duration::from_millis(100);
            delay += dice::duration(self.dice.of_fault(Fault::Delay), &more);
        }
        if self.strikes(Fault::DatagramReorder, source) {
            // Nobody waits for it: what is sent meanwhile overtakes it.
            let more = Duration::from_millis(1)..Duration::from_millis(100);
            delay += dice::duration(self.dice.of_fault(Fault::DatagramReorder), &more);
            return self.after(delay, Event::Datagram(datagram));
        }
        let now = self.now;
        let Some(socket) = self.network.udp.get_mut(&datagram.sender) else {
            return;
        };
        socket.last_arrival = socket.last_arrival.max(now + delay);
        let at = socket.last_arrival;
        self.agenda.push(at, Event::Datagram(datagram));
    }

    fn datagram_latency(&mut self, datagram: &Flying) -> Duration {
        if self.route(datagram.source, datagram.to.ip()) == Some(datagram.source) {
            return LOOPBACK;
        }
        let range = self.faults_of(datagram.source).latency.clone();
        dice::duration(self.dice.of(Purpose::Latency), &range)
    }

    /// A datagram has come to where it was sent, if anything lets it.
    pub(crate) fn datagram_arrives(&mut self, datagram: Flying) {
        let Flying { source, to, .. } = datagram;
        let Some(target) = self.route(source, to.ip()) else {
            return;
        };
        if !self.machine(target).up || self.network.is_blocked(source, target) {
            cov_mark::hit!(datagram_swallowed);
            return;
        }
        let Some(id) = self.udp_at(target, to) else {
            // "Port unreachable" (ICMP); it may get lost as everything else.
            let latency = self.datagram_latency(&datagram);
            return self.after(latency, Event::Unreachable(datagram.sender, target, to));
        };
        let Some(socket) = self.network.udp.get_mut(&id) else {
            return;
        };
        if socket.peer.is_some_and(|peer| peer != datagram.from) {
            return; // connected to somebody else
        }
        // As in Linux, the last one may go beyond the bound; so there is always room for one.
        if socket.held >= socket.receive_buffer {
            cov_mark::hit!(datagram_without_room);
            let text = format!("{} -> {to}, no room", datagram.from);
            return self.tell(Some(target), "datagram lost", None, Detail::Text(text));
        }
        socket.held += datagram.bytes.len().max(1);
        socket.received.push_back((datagram.from, datagram.bytes));
        if let Some(token) = socket.token {
            self.touch(target, token);
        }
    }

    /// Who on a machine receives what is sent to an address: a connected socket before others would
    /// be finer; one port has one socket here.
    fn udp_at(&self, machine: MachineId, address: SocketAddr) -> Option<UdpId> {
        let fits = |socket: &Udp| {
            let ip = socket.local.ip();
            socket.machine == machine
                && socket.local.port() == address.port()
                && (ip == address.ip() || ip.is_unspecified() && ip.is_ipv4() == address.is_ipv4())
        };
        let mut sockets = self.network.udp.iter();
        sockets.find(|(_, socket)| fits(socket)).map(|(id, _)| *id)
    }

    /// The answer that nobody is there has come back.
    pub(crate) fn datagram_refused(&mut self, id: UdpId, target: MachineId, to: SocketAddr) {
        let Some(socket) = self.network.udp.get_mut(&id) else {
            return;
        };
        let (machine, token) = (socket.machine, socket.token);
        if self.network.is_blocked(target, machine) {
            return;
        }
        let Some(socket) = self.network.udp.get_mut(&id) else {
            return;
        };
        if socket.peer == Some(to) {
            socket.error = Some(Errno::CONNREFUSED);
            if let Some(token) = token {
                self.touch(machine, token);
            }
        }
    }

    /// What `recvfrom` does: who sent it, how much of it there is room for, and whether that is
    /// all.
    pub(crate) fn recv_datagram(
        &mut self,
        id: UdpId,
        buffer: &mut [u8],
    ) -> Result<(SocketAddr, usize, bool), Errno> {
        let socket = self.network.udp.get_mut(&id).ok_or(Errno::BADF)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let (from, bytes) = socket.received.pop_front().ok_or(Errno::AGAIN)?;
        socket.held -= bytes.len().max(1);
        let n = bytes.len().min(buffer.len());
        buffer[..n].copy_from_slice(&bytes[..n]);
        Ok((from, n, n < bytes.len()))
    }

    pub(crate) fn unstall_udp(&mut self, id: UdpId) {
        if let Some(socket) = self.network.udp.get_mut(&id) {
            socket.stalled = false;
            if let Some(token) = socket.token {
                let machine = socket.machine;
                self.touch(machine, token);
            }
        }
    }

    /// A machine loses its power.
    pub(crate) fn drop_udp_of(&mut self, machine: MachineId) {
        self.network
            .udp
            .retain(|_, socket| socket.machine != machine);
    }
}
