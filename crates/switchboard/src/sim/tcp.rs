//! One end of a simulated connection, and what its program can do with it: what the kernel does
//! for a non-blocking socket. It must never hand out bytes behind the peer's end, or twice.

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;

use super::dice;
use super::faults::Fault;
use super::network::ListenerId;
use super::packet::{Content, Held};
use super::world::{Event, MachineId, World};
use crate::{Time, Token};

/// Names one end of a connection; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EndId(pub(crate) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Has asked for a connection.
    Connecting,
    /// Has answered to that, and waits for the last word.
    Accepting,
    Open,
    /// Ended by a reset, or given up.
    Reset,
}

/// The longest segment: a whole send buffer, as on a loopback device. Faults cut it.
const SEGMENT: usize = 64 * 1024;

/// Probes without an answer after which a peer is given up (Linux: `tcp_keepalive_probes`).
const PROBES: u32 = 9;

/// How long a closed end waits for its peer to finish (Linux: `tcp_fin_timeout`).
const FIN_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct End {
    pub(crate) machine: MachineId,
    /// The machine of the peer's address; `None` if nobody has it.
    pub(crate) target: Option<MachineId>,
    pub(crate) peer: Option<EndId>,
    /// Who is to accept it.
    pub(crate) listener: Option<ListenerId>,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) state: State,
    /// The source of a reactor that is told of news.
    pub(crate) token: Option<Token>,
    /// Told by the next call, once.
    pub(crate) error: Option<Errno>,
    /// Set when the peer cannot be asked for any more.
    pub(crate) gone: Arc<AtomicBool>,
    /// The program has closed it: what is left to do is the kernel's.
    pub(crate) orphaned: bool,
    /// The network has forgotten the connection.
    pub(crate) blacked_out: bool,
    /// A packet was swallowed in exchange for a reset, which is on its way here.
    pub(crate) is_cut: bool,

    /// Not sent yet.
    unsent: VecDeque<u8>,
    send_buffer: usize,
    /// Bytes sent, taken by the peer, and how many the peer lets us send in all. The end of our
    /// side counts as one.
    sent: u64,
    acked: u64,
    pub(crate) edge: u64,
    stalled: bool,
    /// A send has not taken all: its program waits for room.
    wants_room: bool,
    write_ended: bool,
    fin_sent: bool,

    received: VecDeque<u8>,
    receive_buffer: usize,
    arrived: u64,
    /// The edge that the peer knows of.
    pub(crate) advertised: u64,
    read_ended: bool,
    pub(crate) fin_received: bool,

    /// Bytes per second, and when all is sent that was given to the line.
    pub(crate) bandwidth: Option<u64>,
    pub(crate) line_free: Time,
    pub(crate) last_arrival: Time,
    pub(crate) held: Held,

    /// After which silence the peer is probed.
    keepalive: Option<Duration>,
    pub(crate) last_heard: Time,
}

impl End {
    pub(crate) fn new(
        machine: MachineId,
        local: SocketAddr,
        remote: SocketAddr,
        state: State,
        (send_buffer, receive_buffer): (usize, usize),
    ) -> End {
        End {
            machine,
            target: None,
            peer: None,
            listener: None,
            local,
            remote,
            state,
            token: None,
            error: None,
            gone: Arc::new(AtomicBool::new(false)),
            orphaned: false,
            blacked_out: false,
            is_cut: false,
            unsent: VecDeque::new(),
            send_buffer,
            sent: 0,
            acked: 0,
            edge: 0,
            stalled: false,
            wants_room: false,
            write_ended: false,
            fin_sent: false,
            received: VecDeque::new(),
            receive_buffer,
            arrived: 0,
            advertised: receive_buffer as u64,
            read_ended: false,
            fin_received: false,
            bandwidth: None,
            line_free: Time::ZERO,
            last_arrival: Time::ZERO,
            held: Held::default(),
            keepalive: None,
            last_heard: Time::ZERO,
        }
    }

    /// Bytes that the send buffer has room for.
    fn room(&self) -> usize {
        let fin = u64::from(self.fin_sent);
        let in_flight = (self.sent - fin).saturating_sub(self.acked) as usize;
        self.send_buffer
            .saturating_sub(self.unsent.len() + in_flight)
    }

    /// Whether a program that waits for room is told now: a third, as in Linux.
    pub(crate) fn is_writable(&self) -> bool {
        self.state == State::Reset
            || self.state == State::Open && !self.stalled && self.room() * 3 >= self.send_buffer
    }

    /// Whether a read would find something: bytes, the end, an error.
    pub(crate) fn is_readable(&self) -> bool {
        !self.received.is_empty() || self.has_ended()
    }

    fn has_ended(&self) -> bool {
        self.fin_received || self.read_ended || self.state == State::Reset
    }

    fn window_edge(&self) -> u64 {
        // What our program has taken, and the room behind it.
        let taken = self.arrived - u64::from(self.fin_received) - self.received.len() as u64;
        taken + self.receive_buffer as u64
    }

    /// How far the connection has come, in words for the log.
    pub(crate) fn situation(&self) -> &'static str {
        match self.state {
            State::Connecting => "while connecting",
            State::Accepting => "while being accepted",
            State::Reset => "after another one",
            State::Open if self.orphaned => "after closing",
            State::Open if self.fin_received && self.write_ended => "after both ends",
            State::Open if self.fin_received => "after the peer's end",
            State::Open if self.write_ended => "after our end",
            State::Open => "while open",
        }
    }

    /// Whether something before `at` has not arrived.
    pub(crate) fn lacks(&self, at: u64) -> bool {
        self.arrived < at
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.fin_sent && self.acked >= self.sent
    }
}

impl World {
    fn end_mut(&mut self, id: EndId) -> Option<&mut End> {
        self.network.ends.get_mut(&id)
    }

    pub(crate) fn touch_end(&mut self, id: EndId) {
        if let Some(end) = self.network.ends.get(&id)
            && let Some(token) = end.token
        {
            let machine = end.machine;
            self.touch(machine, token);
        }
    }

    /// The outcome of a connect, once it is known.
    pub(crate) fn connected(&mut self, id: EndId) -> Option<Result<(), Errno>> {
        let end = self.end_mut(id)?;
        match end.state {
            State::Connecting | State::Accepting => None,
            State::Open => Some(Ok(())),
            State::Reset => Some(match end.error.take() {
                Some(error) => Err(error),
                None => Ok(()), // it was there, if only for a moment
            }),
        }
    }

    /// What `recv` does: 0 is the end.
    pub(crate) fn recv(&mut self, id: EndId, buffer: &mut [u8]) -> Result<usize, Errno> {
        let end = self.end_mut(id).ok_or(Errno::BADF)?;
        if end.received.is_empty() {
            return match end.error.take() {
                Some(error) => Err(error),
                None if end.has_ended() => Ok(0),
                None => Err(Errno::AGAIN),
            };
        }
        let n = buffer.len().min(end.received.len());
        for (to, from) in buffer.iter_mut().zip(end.received.drain(..n)) {
            *to = from;
        }
        // Small steps of the window are not worth a packet (RFC 1122, 4.2.3.3).
        let grown = end.window_edge() - end.advertised;
        if grown >= (end.receive_buffer as u64 / 4).max(1) && !end.has_ended() {
            self.acknowledge(id);
        }
        Ok(n)
    }

    /// What `send` does: takes as much as there is room for.
    pub(crate) fn send(&mut self, id: EndId, bytes: &[u8]) -> Result<usize, Errno> {
        let end = self.end_mut(id).ok_or(Errno::BADF)?;
        if let Some(error) = end.error.take() {
            return Err(error);
        }
        if end.write_ended || end.state == State::Reset {
            return Err(super::failures::GONE);
        }
        if end.state != State::Open || end.stalled || end.room() == 0 {
            end.wants_room = true;
            return Err(Errno::AGAIN);
        }
        let machine = end.machine;
        let mut n = bytes.len().min(end.room());
        if self.strikes(Fault::FullBuffer, machine) {
            let range = Duration::from_micros(100)..Duration::from_millis(50);
            let delay = dice::duration(self.dice.of_fault(Fault::FullBuffer), &range);
            if let Some(end) = self.end_mut(id) {
                end.stalled = true;
                end.wants_room = true;
            }
            self.after(delay, Event::Unstall(id));
            return Err(Errno::AGAIN);
        }
        if n > 1 && self.strikes(Fault::ShortWrite, machine) {
            n = self.dice.of_fault(Fault::ShortWrite).usize(1..n);
        }
        if let Some(end) = self.end_mut(id) {
            end.unsent.extend(&bytes[..n]);
            end.wants_room |= n < bytes.len();
        }
        self.pump(id);
        Ok(n)
    }

    pub(crate) fn unstall(&mut self, id: EndId) {
        if let Some(end) = self.end_mut(id) {
            end.stalled = false;
            self.tell_of_room(id);
        }
    }

    fn tell_of_room(&mut self, id: EndId) {
        if let Some(end) = self.end_mut(id)
            && end.wants_room
            && end.is_writable()
        {
            end.wants_room = false;
            self.touch_end(id);
        }
    }

    /// Sends what the peer has room for, and the end behind the last byte.
    pub(crate) fn pump(&mut self, id: EndId) {
        loop {
            let Some(end) = self.end_mut(id) else { return };
            if end.state != State::Open || end.fin_sent {
                return;
            }
            let window = end.edge.saturating_sub(end.sent) as usize;
            let mut n = end.unsent.len().min(window).min(SEGMENT);
            if n == 0 {
                if end.unsent.is_empty() && end.write_ended {
                    end.fin_sent = true;
                    let at = end.sent;
                    end.sent += 1;
                    self.transmit(id, Content::Fin { at });
                }
                return;
            }
            let machine = end.machine;
            if n > 1 && self.strikes(Fault::Split, machine) {
                n = self.dice.of_fault(Fault::Split).usize(1..n);
            }
            let Some(end) = self.end_mut(id) else { return };
            let at = end.sent;
            end.sent += n as u64;
            let bytes = end.unsent.drain(..n).collect();
            self.transmit(id, Content::Data { at, bytes });
        }
    }

    pub(crate) fn shutdown(&mut self, id: EndId, how: Shutdown) {
        let Some(end) = self.end_mut(id) else { return };
        if how != Shutdown::Read {
            end.write_ended = true;
        }
        if how != Shutdown::Write {
            end.read_ended = true;
            self.touch_end(id);
        }
        self.pump(id);
    }

    /// What `close` does. Unread bytes make it a reset, as in Linux (RFC 2525, 2.17).
    pub(crate) fn close(&mut self, id: EndId) {
        let Some(end) = self.end_mut(id) else { return };
        end.token = None;
        match end.state {
            State::Reset => return self.forget(id),
            State::Connecting => return self.forget(id), // what still comes is answered by a reset
            State::Accepting | State::Open => {}
        }
        if !end.received.is_empty() {
            return self.reset(id);
        }
        end.orphaned = true;
        end.write_ended = true;
        self.pump(id);
        self.settle_orphan(id);
    }

    /// Ends a connection at once: the peer gets a reset.
    pub(crate) fn reset(&mut self, id: EndId) {
        self.transmit(id, Content::Rst);
        self.forget(id);
    }

    pub(crate) fn forget(&mut self, id: EndId) {
        if let Some(end) = self.network.ends.remove(&id) {
            end.gone.store(true, Ordering::Relaxed);
            if end.state == State::Accepting
                && let Some(listener) = end.listener
                && let Some(listener) = self.network.listeners.get_mut(&listener)
            {
                listener.pending -= 1;
            }
        }
    }

    /// A closed end is gone when both sides have finished, or after a while.
    fn settle_orphan(&mut self, id: EndId) {
        let Some(end) = self.end_mut(id) else { return };
        if !end.orphaned || !end.is_finished() {
            return;
        }
        if end.fin_received {
            self.forget(id);
        } else {
            self.after(FIN_TIMEOUT, Event::Expire(id));
        }
    }

    pub(crate) fn acknowledge(&mut self, id: EndId) {
        let Some(end) = self.end_mut(id) else { return };
        let edge = end.window_edge();
        end.advertised = edge;
        let received = end.arrived;
        self.transmit(id, Content::Ack { received, edge });
    }

    pub(crate) fn heed_ack(&mut self, id: EndId, received: u64, edge: u64) {
        let Some(end) = self.end_mut(id) else { return };
        end.acked = end.acked.max(received);
        end.edge = end.edge.max(edge);
        self.pump(id);
        self.tell_of_room(id);
        self.settle_orphan(id);
    }

    /// The connection is there, as this end knows now.
    pub(crate) fn open_end(&mut self, id: EndId) {
        if let Some(end) = self.end_mut(id) {
            end.state = State::Open;
            self.touch_end(id);
            self.pump(id);
        }
    }

    pub(crate) fn receive(&mut self, id: EndId, bytes: &[u8]) {
        let Some(end) = self.end_mut(id) else { return };
        if end.orphaned {
            return self.reset(id); // nobody will ever read it
        }
        end.arrived += bytes.len() as u64;
        if !end.read_ended {
            end.received.extend(bytes);
            debug_assert!(
                end.received.len() <= end.receive_buffer,
                "more arrived than the window allows"
            );
        }
        self.touch_end(id);
        self.acknowledge(id);
    }

    pub(crate) fn receive_fin(&mut self, id: EndId) {
        let Some(end) = self.end_mut(id) else { return };
        if !end.received.is_empty() {
            cov_mark::hit!(end_with_data);
        }
        end.arrived += 1;
        end.fin_received = true;
        self.touch_end(id);
        self.acknowledge(id);
        self.settle_orphan(id);
    }

    pub(crate) fn set_keepalive(&mut self, id: EndId, idle: Duration) {
        let idle = idle.max(Duration::from_secs(1));
        let now = self.now;
        if let Some(end) = self.end_mut(id) {
            end.keepalive = Some(idle);
            end.last_heard = now;
            self.after(idle, Event::Probe(id));
        }
    }

    /// Asks a silent peer for a sign of life. While data is on its way, its own tries do that.
    pub(crate) fn probe(&mut self, id: EndId) {
        let now = self.now;
        let Some(end) = self.end_mut(id) else { return };
        let Some(idle) = end.keepalive.filter(|_| !end.orphaned) else {
            return;
        };
        let between = (idle / 4).max(Duration::from_secs(1));
        let silence = now - end.last_heard;
        let waits = end.state != State::Open || end.acked < end.sent || !end.unsent.is_empty();
        match end.state {
            State::Reset => {}
            _ if waits => self.after(idle, Event::Probe(id)),
            _ if silence < idle => self.after(idle - silence, Event::Probe(id)),
            _ if silence >= idle + between * PROBES => self.fail(id, Errno::TIMEDOUT),
            _ => {
                self.transmit(id, Content::Probe);
                self.after(between, Event::Probe(id));
            }
        }
    }

    /// The connection is over at this end, for the reason `error`.
    pub(crate) fn fail(&mut self, id: EndId, error: Errno) {
        let Some(end) = self.end_mut(id) else { return };
        if end.state == State::Reset {
            return;
        }
        if end.orphaned || end.state == State::Accepting {
            return self.forget(id);
        }
        let machine = end.machine;
        end.gone.store(true, Ordering::Relaxed);
        end.state = State::Reset;
        end.error = Some(error);
        end.unsent.clear();
        end.held.packets.clear();
        if self.strikes(Fault::Flush, machine)
            && let Some(end) = self.end_mut(id)
        {
            end.received.clear();
        }
        self.touch_end(id);
    }
}
