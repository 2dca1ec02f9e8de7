//! Who listens where, who can reach whom, and what a packet does where it arrives. It must never
//! deliver to an end that its machine does not know any more: that is answered by a reset.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;

use super::ends::SimulatedStream;
use super::failures::GONE;
use super::faults::Fault;
use super::packet::{Content, Packet};
use super::story::Detail;
use super::tcp::{End, EndId, State};
use super::udp::{Udp, UdpId};
use super::world::{Event, FIRST_PORT, Machine, MachineId, World};
use crate::Token;

/// How long a listening side waits for the last word of a connection being made (Linux: five
/// repeats of its answer, 1 s, 2 s and so on).
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(63);

/// Names one address that is listened on; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListenerId(pub(crate) u64);

pub(crate) struct Listener {
    pub(crate) machine: MachineId,
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<Token>,
    backlog: usize,
    /// Connections that are there, to be accepted.
    queue: VecDeque<EndId>,
    /// Connections that are being made.
    pub(crate) pending: usize,
}

#[derive(Default)]
pub(crate) struct Network {
    pub(crate) ends: BTreeMap<EndId, End>,
    pub(crate) listeners: BTreeMap<ListenerId, Listener>,
    pub(crate) udp: BTreeMap<UdpId, Udp>,
    /// Whose packets do not get to whom, by the number of the partition that it is part of.
    pub(crate) partitions: BTreeMap<u64, Vec<(MachineId, MachineId)>>,
    numbers: u64,
}

impl Network {
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn is_blocked(&self, from: MachineId, to: MachineId) -> bool {
        let mut partitions = self.partitions.values();
        partitions.any(|blocked| blocked.contains(&(from, to)))
    }

    fn is_taken(&self, machine: MachineId, address: SocketAddr) -> bool {
        self.listeners.values().any(|listener| {
            listener.machine == machine
                && listener.address.port() == address.port()
                && (listener.address.ip() == address.ip()
                    || listener.address.is_ipv4() == address.is_ipv4()
                        && (listener.address.ip().is_unspecified()
                            || address.ip().is_unspecified()))
        })
    }

    /// Who on a machine listens on an address.
    fn listener_at(&self, machine: MachineId, address: SocketAddr) -> Option<ListenerId> {
        let fits = |listener: &Listener| {
            let ip = listener.address.ip();
            listener.machine == machine
                && listener.address.port() == address.port()
                && (ip == address.ip() || ip.is_unspecified() && ip.is_ipv4() == address.is_ipv4())
        };
        let mut listeners = self.listeners.iter();
        listeners
            .find(|(_, listener)| fits(listener))
            .map(|(id, _)| *id)
    }
}

impl World {
    /// The machine that an address leads to from `machine`.
    pub(crate) fn route(&self, machine: MachineId, ip: IpAddr) -> Option<MachineId> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(machine);
        }
        let owner = |m: &Machine| IpAddr::V4(m.address) == ip || IpAddr::V6(m.address_v6) == ip;
        let index = self.machines.iter().position(owner)?;
        Some(MachineId(index as u32))
    }

    /// Listens on all of `addresses`, or on none.
    pub(crate) fn bind(
        &mut self,
        machine: MachineId,
        addresses: &[SocketAddr],
    ) -> io::Result<Vec<(ListenerId, SocketAddr)>> {
        let mut port = None;
        let mut bound: Vec<SocketAddr> = Vec::new();
        for address in addresses {
            let mut address = *address;
            let ip = address.ip();
            if !ip.is_unspecified() && self.route(machine, ip) != Some(machine) {
                return Err(Errno::ADDRNOTAVAIL.into());
            }
            if address.port() == 0 {
                let free = match port {
                    Some(port) => port,
                    None => self.free_port(machine, ip),
                };
                address.set_port(free);
            }
            port = Some(address.port());
            if self.network.is_taken(machine, address) {
                return Err(Errno::ADDRINUSE.into());
            }
            bound.push(address);
        }
        let backlog = self.faults_of(machine).backlog;
        let listen = |address: SocketAddr| {
            let id = ListenerId(self.network.number());
            let listener = Listener {
                machine,
                address,
                token: None,
                backlog,
                queue: VecDeque::new(),
                pending: 0,
            };
            self.network.listeners.insert(id, listener);
            (id, address)
        };
        Ok(bound.into_iter().map(listen).collect())
    }

    fn free_port(&mut self, machine: MachineId, ip: IpAddr) -> u16 {
        loop {
            let next = &mut self.machine_mut(machine).next_port;
            let port = *next;
            *next = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.network.is_taken(machine, (ip, port).into()) {
                return port;
            }
        }
    }

    pub(crate) fn unlisten(&mut self, listeners: &[ListenerId]) {
        for id in listeners {
            let Some(listener) = self.network.listeners.remove(id) else {
                continue;
            };
            for end in listener.queue {
                self.reset(end);
            }
        }
    }

    /// The oldest connection that waits for being accepted.
    pub(crate) fn accept(&mut self, id: ListenerId) -> Result<EndId, Errno> {
        let listener = self.network.listeners.get(&id).ok_or(Errno::BADF)?;
        let machine = listener.machine;
        if listener.queue.is_empty() {
            return Err(Errno::AGAIN);
        }
        if self.strikes(Fault::NoDescriptors, machine) {
            return Err(Errno::MFILE);
        }
        let aborted = self.strikes(Fault::AbortedAccept, machine);
        let listener = self.network.listeners.get_mut(&id).ok_or(Errno::BADF)?;
        let end = listener.queue.pop_front().ok_or(Errno::AGAIN)?;
        if aborted {
            self.reset(end);
            return Err(Errno::CONNABORTED);
        }
        Ok(end)
    }

    /// A connection that is there without having been made.
    pub(crate) fn pair(&mut self, near: MachineId, far: MachineId) -> (SimulatedStream, EndId) {
        let address = |world: &mut World, machine: MachineId| {
            let ip = IpAddr::V4(world.machine(machine).address);
            SocketAddr::new(ip, world.free_port(machine, ip))
        };
        let (local, remote) = (address(self, near), address(self, far));
        let ids = [EndId(self.network.number()), EndId(self.network.number())];
        let mut ends = [
            self.new_end(near, local, remote, State::Open),
            self.new_end(far, remote, local, State::Open),
        ];
        for (one, other) in [(0, 1), (1, 0)] {
            ends[one].peer = Some(ids[other]);
            ends[one].target = Some(ends[other].machine);
            ends[one].edge = ends[other].advertised;
        }
        self.network.ends.extend(ids.into_iter().zip(ends));
        let stream = self.hand_out(ids[0]);
        (stream.expect("it was put there just now"), ids[1])
    }

    /// Begins a connection.
    pub(crate) fn connect(&mut self, machine: MachineId, remote: SocketAddr) -> EndId {
        let target = self.route(machine, remote.ip());
        let ip = match remote.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V4(_) => self.machine(machine).address.into(),
            IpAddr::V6(_) => self.machine(machine).address_v6.into(),
        };
        let local = SocketAddr::new(ip, self.free_port(machine, ip));
        let id = EndId(self.network.number());
        let mut end = self.new_end(machine, local, remote, State::Connecting);
        end.target = target;
        end.blacked_out = self.strikes(Fault::Unanswered, machine);
        let (address, edge) = (remote, end.advertised);
        self.network.ends.insert(id, end);
        self.transmit(id, Content::Syn { address, edge });
        id
    }

    fn new_end(
        &mut self,
        machine: MachineId,
        local: SocketAddr,
        remote: SocketAddr,
        state: State,
    ) -> End {
        let faults = self.faults_of(machine);
        let buffers = (faults.send_buffer, faults.receive_buffer);
        let mut end = End::new(machine, local, remote, state, buffers);
        end.bandwidth = faults.bandwidth;
        if self.strikes(Fault::Narrow, machine) {
            let rate = self.dice.of_fault(Fault::Narrow).u64(1_000..1_000_000);
            end.bandwidth = Some(rate);
        }
        end
    }

    /// Whether the packet finds room where it goes: only a listener's backlog can be full.
    pub(crate) fn has_room_for(&self, packet: &Packet) -> bool {
        let (Content::Syn { address, .. }, Some(target)) = (&packet.content, packet.target) else {
            return true;
        };
        let Some(id) = self.network.listener_at(target, *address) else {
            return true; // room for a refusal
        };
        let listener = &self.network.listeners[&id];
        listener.queue.len() + listener.pending < listener.backlog
    }

    pub(crate) fn deliver(&mut self, packet: Packet) {
        if !self.has_room_for(&packet) {
            return self.hold(packet);
        }
        let Packet {
            from,
            source,
            target,
            to,
            content,
        } = packet;
        let Some(target) = target else { return };
        if let Content::Syn { address, edge } = content {
            return self.answer(from, target, address, edge);
        }
        let is_known = |id: &EndId| {
            let end = self.network.ends.get(id);
            end.is_some_and(|end| end.state != State::Reset)
        };
        let known = to.filter(is_known);
        let Some(to) = known else {
            if !matches!(content, Content::Rst) {
                self.refuse(from, target);
            }
            return;
        };
        if let Some(end) = self.network.ends.get_mut(&to) {
            end.last_heard = self.now;
        }
        if !matches!(content, Content::Rst) {
            self.establish(to);
        }
        match content {
            Content::Syn { .. } => {}
            Content::SynAck { edge } => self.complete(to, edge),
            // What is missing before it is never sent again: its sender is gone, and says so.
            Content::Data { at, .. } | Content::Fin { at }
                if self.network.ends.get(&to).is_some_and(|end| end.lacks(at)) =>
            {
                self.refuse(to, source);
            }
            Content::Data { bytes, .. } => self.receive(to, &bytes),
            Content::Fin { .. } => self.receive_fin(to),
            Content::Ack { received, edge } => self.heed_ack(to, received, edge),
            Content::Probe => self.acknowledge(to),
            Content::Rst => self.receive_reset(to),
        }
    }

    /// Somebody asks for a connection.
    fn answer(&mut self, from: EndId, target: MachineId, address: SocketAddr, edge: u64) {
        let Some(asking) = self.network.ends.get(&from) else {
            return; // has given up meanwhile
        };
        let (remote, source) = (asking.local, asking.machine);
        let Some(listener) = self.network.listener_at(target, address) else {
            return self.refuse(from, target);
        };
        if self.strikes(Fault::Refuse, target) {
            return self.refuse(from, target);
        }
        let id = EndId(self.network.number());
        let mut end = self.new_end(target, address, remote, State::Accepting);
        end.target = Some(source);
        end.peer = Some(from);
        end.listener = Some(listener);
        end.edge = edge;
        let edge = end.advertised;
        self.network.ends.insert(id, end);
        if let Some(listener) = self.network.listeners.get_mut(&listener) {
            listener.pending += 1;
        }
        if let Some(asking) = self.network.ends.get_mut(&from) {
            asking.peer = Some(id);
        }
        self.transmit(id, Content::SynAck { edge });
        self.after(HANDSHAKE_TIMEOUT, Event::Expire(id));
    }

    /// The connection that was asked for is there, on the asking side.
    fn complete(&mut self, id: EndId, edge: u64) {
        let Some(end) = self.network.ends.get_mut(&id) else {
            return;
        };
        if end.state != State::Connecting {
            return;
        }
        end.edge = edge;
        self.open_end(id);
        self.acknowledge(id);
    }

    /// The first packet after the answer makes the connection complete on the listening side.
    fn establish(&mut self, id: EndId) {
        let Some(end) = self.network.ends.get(&id) else {
            return;
        };
        if end.state != State::Accepting {
            return;
        }
        let Some(listener_id) = end.listener else {
            return;
        };
        let Some(listener) = self.network.listeners.get_mut(&listener_id) else {
            return self.reset(id); // closed meanwhile
        };
        listener.pending -= 1;
        listener.queue.push_back(id);
        let (machine, token) = (listener.machine, listener.token);
        self.open_end(id);
        if let Some(token) = token {
            self.touch(machine, token);
        }
    }

    /// A reset from a machine that has no such connection, or does not want it.
    pub(crate) fn refuse(&mut self, to: EndId, machine: MachineId) {
        let Some(end) = self.network.ends.get(&to) else {
            return;
        };
        let packet = Packet {
            from: end.peer.unwrap_or(EndId(0)),
            source: machine,
            target: Some(end.machine),
            to: Some(to),
            content: Content::Rst,
        };
        self.launch(packet);
    }

    fn receive_reset(&mut self, id: EndId) {
        let Some(end) = self.network.ends.get(&id) else {
            return;
        };
        let (machine, state) = (end.machine, end.state);
        let error = match state {
            State::Connecting => Errno::CONNREFUSED,
            State::Accepting | State::Open if end.fin_received => GONE,
            _ => Errno::CONNRESET,
        };
        let during = end.situation();
        let text = format!("{} <- {}, {during}", end.local, end.remote);
        self.tell(Some(machine), "reset", None, Detail::Text(text));
        self.fail(id, error);
    }

    /// Something that only waited has waited long enough.
    pub(crate) fn expire(&mut self, id: EndId) {
        let end = self.network.ends.get(&id);
        if end.is_some_and(|end| end.state == State::Accepting || end.orphaned && end.is_finished())
        {
            self.forget(id);
        }
    }

    /// A sender has tried for long enough.
    pub(crate) fn give_up(&mut self, id: EndId) {
        self.fail(id, Errno::TIMEDOUT);
    }

    /// Takes a machine off the network without a word: its power is gone.
    pub(crate) fn drop_ends_of(&mut self, machine: MachineId) {
        self.network.ends.retain(|_, end| end.machine != machine);
        self.network
            .listeners
            .retain(|_, listener| listener.machine != machine);
        self.drop_udp_of(machine);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Time;

    /// A sender that is reset does not send again what was lost, though what it sent after that is
    /// on its way.
    #[test]
    fn nothing_is_delivered_from_behind_a_gap() {
        let mut world = World::new(1);
        let (near, far) = (world.add_machine("near"), world.add_machine("far"));
        let (_stream, far_end) = world.pair(near, far);
        let near_end = world.network.ends[&far_end].peer.expect("it is a pair");
        let mut deliver = |at: u64, bytes: &[u8]| {
            world.deliver(Packet {
                from: near_end,
                source: near,
                target: Some(far),
                to: Some(far_end),
                content: Content::Data {
                    at,
                    bytes: bytes.to_vec(),
                },
            });
            while world.step(Time::ZERO + Duration::from_secs(1)).is_some() {}
            let mut buffer = [0; 8];
            let got = world.recv(far_end, &mut buffer);
            got.map(|n| buffer[..n].to_vec())
        };
        assert_eq!(deliver(0, b"one"), Ok(b"one".to_vec()));
        assert_eq!(deliver(5, b"three"), Err(Errno::CONNRESET));
    }
}
