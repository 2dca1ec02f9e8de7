//! What a program holds of a simulated connection, listener or socket before a reactor has it. It must
//! never borrow the world: it may be dropped anywhere, so it leaves a notice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::network::ListenerId;
use super::tcp::EndId;
use super::udp::UdpId;
use super::world::{MachineId, Notice, World};

/// Where notices to one world go.
#[derive(Clone, Debug)]
pub(crate) struct Notifier(Sender<Notice>);

impl Notifier {
    pub(crate) fn new(sender: Sender<Notice>) -> Notifier {
        Notifier(sender)
    }

    pub(crate) fn tell(&self, notice: Notice) {
        let _ = self.0.send(notice); // without a world, nobody has to know
    }

    fn is_of(&self, other: &Notifier) -> bool {
        self.0.same_channel(&other.0)
    }
}

/// Wakes the reactor of one machine.
#[derive(Debug)]
pub(crate) struct MachineWaker {
    machine: MachineId,
    notifier: Notifier,
}

impl MachineWaker {
    pub(crate) fn wake(&self) {
        self.notifier.tell(Notice::Woken(self.machine));
    }
}

#[derive(Debug)]
pub(crate) struct SimulatedStream {
    end: EndId,
    machine: MachineId,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    gone: Arc<AtomicBool>,
    /// After how many nanoseconds of silence the peer is probed; 0 for never.
    keepalive: AtomicU64,
    /// Taken when a reactor takes the connection over.
    notifier: Option<Notifier>,
}

impl SimulatedStream {
    /// Whether the peer has reset it.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    pub(crate) fn set_keepalive(&self, idle: Duration) {
        let nanos = u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX);
        self.keepalive.store(nanos, Ordering::Relaxed);
    }

    pub(crate) fn keepalive(&self) -> Option<Duration> {
        let nanos = self.keepalive.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// The end in the world, if it belongs to this machine of this world.
    pub(crate) fn into_end(mut self, machine: MachineId, notifier: &Notifier) -> Option<EndId> {
        let is_ours = self
            .notifier
            .as_ref()
            .is_some_and(|own| own.is_of(notifier));
        if !is_ours || self.machine != machine {
            return None;
        }
        self.notifier = None;
        Some(self.end)
    }
}

impl Drop for SimulatedStream {
    fn drop(&mut self) {
        if let Some(notifier) = &self.notifier {
            notifier.tell(Notice::Dropped(self.end));
        }
    }
}

#[derive(Debug)]
pub(crate) struct SimulatedListener {
    listeners: Vec<(ListenerId, SocketAddr)>,
    machine: MachineId,
    notifier: Option<Notifier>,
}

impl SimulatedListener {
    /// Never empty.
    pub(crate) fn addresses(&self) -> &[(ListenerId, SocketAddr)] {
        &self.listeners
    }

    /// The listeners in the world, if they belong to this machine of this world.
    pub(crate) fn into_listeners(
        mut self,
        machine: MachineId,
        notifier: &Notifier,
    ) -> Option<Vec<ListenerId>> {
        let is_ours = self
            .notifier
            .as_ref()
            .is_some_and(|own| own.is_of(notifier));
        if !is_ours || self.machine != machine {
            return None;
        }
        self.notifier = None;
        Some(self.ids())
    }

    fn ids(&self) -> Vec<ListenerId> {
        self.listeners.iter().map(|(id, _)| *id).collect()
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        if let Some(notifier) = &self.notifier {
            notifier.tell(Notice::ListenerDropped(self.ids()));
        }
    }
}

#[derive(Debug)]
pub(crate) struct SimulatedUdp {
    id: UdpId,
    machine: MachineId,
    pub(crate) local: SocketAddr,
    pub(crate) peer: Option<SocketAddr>,
    notifier: Option<Notifier>,
}

impl SimulatedUdp {
    /// The socket in the world, if it belongs to this machine of this world.
    pub(crate) fn into_socket(mut self, machine: MachineId, notifier: &Notifier) -> Option<UdpId> {
        let own = self.notifier.as_ref();
        if !own.is_some_and(|own| own.is_of(notifier)) || self.machine != machine {
            return None;
        }
        self.notifier = None;
        Some(self.id)
    }
}

impl Drop for SimulatedUdp {
    fn drop(&mut self) {
        if let Some(notifier) = &self.notifier {
            notifier.tell(Notice::UdpDropped(self.id));
        }
    }
}

impl World {
    pub(crate) fn waker(&self, machine: MachineId) -> MachineWaker {
        MachineWaker {
            machine,
            notifier: self.notifier(),
        }
    }

    /// An end as its program holds it; `None` if it is gone.
    pub(crate) fn hand_out(&self, id: EndId) -> Option<SimulatedStream> {
        let end = self.network.ends.get(&id)?;
        Some(SimulatedStream {
            end: id,
            machine: end.machine,
            local: end.local,
            remote: end.remote,
            gone: Arc::clone(&end.gone),
            keepalive: AtomicU64::new(0),
            notifier: Some(self.notifier()),
        })
    }

    pub(crate) fn hand_out_udp(
        &self,
        machine: MachineId,
        id: UdpId,
        local: SocketAddr,
    ) -> SimulatedUdp {
        SimulatedUdp {
            id,
            machine,
            local,
            peer: None,
            notifier: Some(self.notifier()),
        }
    }

    pub(crate) fn hand_out_listener(
        &self,
        machine: MachineId,
        listeners: Vec<(ListenerId, SocketAddr)>,
    ) -> SimulatedListener {
        SimulatedListener {
            listeners,
            machine,
            notifier: Some(self.notifier()),
        }
    }
}
