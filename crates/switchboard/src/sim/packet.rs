//! How packets travel: latency, bandwidth, loss, and what is done when nothing gets through.
//! What one end of a connection sends arrives in its order, as TCP makes it; the network must
//! never let data overtake other data, only be late.

use std::net::SocketAddr;
use std::time::Duration;

use super::dice::{self, Purpose};
use super::faults::Fault;
use super::tcp::{EndId, State};
use super::world::{Event, MachineId, World};

/// What a packet takes within one machine.
pub(super) const LOOPBACK: Duration = Duration::from_micros(20);

/// A sender tries again after this, then after twice as long, and so on: RFC 6298 has at least a
/// second, Linux 200 ms (and a second for the first packet of a connection).
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_CONNECT: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(120);

/// When a sender gives up: Linux with its default `tcp_retries2` and `tcp_syn_retries`.
const GIVE_UP: Duration = Duration::from_secs(924);
const GIVE_UP_CONNECT: Duration = Duration::from_secs(127);

pub(crate) struct Packet {
    pub(crate) from: EndId,
    pub(crate) source: MachineId,
    /// `None`: nobody has the address.
    pub(crate) target: Option<MachineId>,
    /// The end that it is for; `None` before there is one.
    pub(crate) to: Option<EndId>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    /// Asks for a connection to this address.
    Syn {
        address: SocketAddr,
        edge: u64,
    },
    SynAck {
        edge: u64,
    },
    /// `at` counts what its sender had sent before.
    Data {
        at: u64,
        bytes: Vec<u8>,
    },
    Fin {
        at: u64,
    },
    /// What has been received (bytes, and one for the end), and up to where there is room.
    Ack {
        received: u64,
        edge: u64,
    },
    /// Asks for an acknowledgement.
    Probe,
    Rst,
}

impl Content {
    /// Whether it is sent once only, and not again when it could not be delivered.
    fn is_sent_once(&self) -> bool {
        matches!(self, Content::Probe | Content::Rst)
    }
}

/// What stands behind something that could not be delivered yet.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) packets: std::collections::VecDeque<Packet>,
    /// When the first of them should have arrived, and how long the next wait is.
    since: crate::Time,
    wait: Duration,
}

impl World {
    /// Sends a packet of an end to its peer.
    pub(crate) fn transmit(&mut self, from: EndId, content: Content) {
        let Some(end) = self.network.ends.get(&from) else {
            return;
        };
        let is_reset = matches!(content, Content::Rst);
        if end.is_cut && !is_reset {
            return; // behind what is missing, nothing can be delivered
        }
        let (source, target, to, state) = (end.machine, end.target, end.peer, end.state);
        let packet = Packet {
            from,
            source,
            target,
            to,
            content,
        };
        if !is_reset && self.strikes(Fault::HalfOpen, source) {
            self.black_out(from);
        }
        if !is_reset && state != State::Reset && self.strikes(Fault::Reset, source) {
            return self.cut(packet);
        }
        self.launch(packet);
    }

    /// The network resets a connection instead of carrying a packet of it.
    fn cut(&mut self, packet: Packet) {
        let (from, source) = (packet.from, packet.source);
        // An asking end that is not told would have to ask again, as it does after a loss.
        let asks = matches!(packet.content, Content::Syn { .. } | Content::SynAck { .. });
        let sides = match self.dice.of_fault(Fault::Reset).u8(0..4) {
            _ if asks => 2,
            sides => sides,
        };
        if sides != 1 || packet.to.is_none() {
            self.launch(Packet {
                from: packet.to.unwrap_or(EndId(0)),
                source: packet.target.unwrap_or(source),
                target: Some(source),
                to: Some(from),
                content: Content::Rst,
            });
        }
        if sides != 0 && packet.to.is_some() {
            self.launch(Packet {
                content: Content::Rst,
                from,
                source,
                target: packet.target,
                to: packet.to,
            });
        }
        if sides == 1 {
            self.launch(packet); // and answered by a reset, behind the one above
        } else if let Some(end) = self.network.ends.get_mut(&from) {
            end.is_cut = true;
        }
    }

    /// The network resets one end of a connection.
    pub(crate) fn cut_now(&mut self, id: EndId) {
        if let Some(end) = self.network.ends.get_mut(&id) {
            end.is_cut = true;
            let machine = end.machine;
            self.refuse(id, machine);
        }
    }

    /// The network forgets a connection.
    pub(crate) fn black_out(&mut self, id: EndId) {
        let peer = self.network.ends.get(&id).and_then(|end| end.peer);
        for id in [Some(id), peer].into_iter().flatten() {
            if let Some(end) = self.network.ends.get_mut(&id) {
                end.blacked_out = true;
            }
        }
    }

    /// Puts a packet on its way.
    pub(crate) fn launch(&mut self, packet: Packet) {
        let (source, from) = (packet.source, packet.from);
        let mut delay = match packet.target {
            Some(target) if target == source => LOOPBACK,
            _ => {
                let range = self.faults_of(source).latency.clone();
                dice::duration(self.dice.of(Purpose::Latency), &range)
            }
        };
        if self.strikes(Fault::Delay, source) {
            let more = Duration::ZERO..Duration::from_millis(100);
            delay += dice::duration(self.dice.of_fault(Fault::Delay), &more);
        }
        if self.strikes(Fault::Loss, source) {
            delay += RETRY_FIRST;
            while self.strikes(Fault::Loss, source) && delay < Duration::from_secs(60) {
                delay *= 2;
            }
        }
        let is_data = matches!(packet.content, Content::Data { .. });
        if is_data && self.strikes(Fault::Merge, source) {
            let more = Duration::from_millis(1)..Duration::from_millis(40);
            delay += dice::duration(self.dice.of_fault(Fault::Merge), &more);
        }
        let len = match &packet.content {
            Content::Data { bytes, .. } => bytes.len() as u64,
            _ => 0,
        };
        let now = self.now;
        let Some(end) = self.network.ends.get_mut(&from) else {
            // A reset from a machine that knows no such connection.
            self.after(delay, Event::Arrival(packet));
            return;
        };
        if let Some(rate) = end.bandwidth {
            let takes = Duration::from_nanos(len.saturating_mul(1_000_000_000) / rate);
            end.line_free = end.line_free.max(now) + takes;
            delay += end.line_free - now;
        }
        // In order, whatever each packet drew.
        end.last_arrival = end.last_arrival.max(now + delay);
        let at = end.last_arrival;
        self.agenda.push(at, Event::Arrival(packet));
    }

    /// A packet has come to where it was sent, if anything lets it.
    pub(crate) fn arrive(&mut self, packet: Packet) {
        let sender = self.network.ends.get(&packet.from);
        let is_behind = sender.is_some_and(|end| !end.held.packets.is_empty());
        let is_reset = matches!(packet.content, Content::Rst);
        if is_behind && !is_reset || !self.gets_through(&packet) {
            return self.hold(packet);
        }
        self.deliver(packet);
    }

    fn gets_through(&self, packet: &Packet) -> bool {
        let blacked_out = |id: EndId| {
            let end = self.network.ends.get(&id);
            end.is_some_and(|end| end.blacked_out)
        };
        let Some(target) = packet.target else {
            return false;
        };
        self.machine(target).up
            && !self.network.is_blocked(packet.source, target)
            && !blacked_out(packet.from)
            && !packet.to.is_some_and(blacked_out)
    }

    /// Keeps a packet for its sender to try again.
    pub(crate) fn hold(&mut self, packet: Packet) {
        let from = packet.from;
        let now = self.now;
        let Some(end) = self.network.ends.get_mut(&from) else {
            return;
        };
        if packet.content.is_sent_once() {
            return;
        }
        let first = end.held.packets.is_empty();
        end.held.packets.push_back(packet);
        if first {
            end.held.since = now;
            end.held.wait = match end.state {
                State::Connecting => RETRY_CONNECT,
                _ => RETRY_FIRST,
            };
            let wait = end.held.wait;
            self.after(wait, Event::Retry(from));
        }
    }

    pub(crate) fn retry(&mut self, from: EndId) {
        let now = self.now;
        let Some(end) = self.network.ends.get_mut(&from) else {
            return;
        };
        let limit = match end.state {
            State::Connecting | State::Accepting => GIVE_UP_CONNECT,
            _ => GIVE_UP,
        };
        let held = &mut end.held;
        let Some(first) = held.packets.pop_front() else {
            return;
        };
        if self.gets_through(&first) && self.has_room_for(&first) {
            let Some(end) = self.network.ends.get_mut(&from) else {
                return;
            };
            let rest = std::mem::take(&mut end.held.packets);
            self.deliver(first);
            for packet in rest {
                self.arrive(packet);
            }
            return;
        }
        let Some(end) = self.network.ends.get_mut(&from) else {
            return;
        };
        let held = &mut end.held;
        held.packets.push_front(first);
        if now - held.since >= limit {
            held.packets.clear();
            return self.give_up(from);
        }
        held.wait = (held.wait * 2).min(RETRY_LONGEST);
        let wait = held.wait;
        self.after(wait, Event::Retry(from));
    }
}
