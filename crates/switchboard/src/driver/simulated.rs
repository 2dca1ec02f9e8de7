//! The driver of a simulated machine: it does what `readiness.rs` does, on a kernel that is data
//! in memory. It must never keep the world borrowed when it returns, and never sleep: while a
//! reactor waits, the world's time passes.

mod datagrams;
#[cfg(unix)]
mod descriptor;
mod files;
mod jobs;
mod slots;
mod steps;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use super::results::TICK_RESULTS;
use super::waker::Bell;
use super::{
    Completion, Datagram, Event, Files, READ_BUFFER, Resource, TICK_ACCEPTS, TICK_BYTES, Waker,
};
use crate::core::Seen;
use crate::net::{ConnectOptions, Endpoint, UnixAddress};
use crate::outbox::Outbox;
#[cfg(unix)]
use crate::sim::Signals;
use crate::sim::{
    Detail, Disk, EndId, Machine, MachineId, Purpose, Shared, TICK, no_unix_sockets, perform,
};
use crate::{Listener, Time, Token};

use datagrams::Sender;
use slots::{Entry, Slot, slot_of};

pub(crate) struct Simulated {
    world: Shared,
    machine: MachineId,
    /// What it was started for.
    boot: u32,
    /// Nobody but this reactor lets time pass.
    is_lone: bool,
    started: Time,
    slots: Vec<Slot>,
    /// Sources to look at in this tick, and in the next one.
    queue: VecDeque<Token>,
    next_tick: Vec<Token>,
    bytes_left: usize,
    accepts_left: usize,
    results_left: usize,
    buffer: Box<[u8]>,
    /// Of the datagram in the buffer, if one was handed out last.
    sender: Option<Sender>,
    files: Files<Disk>,
    waker: Arc<Waker>,
}

/// By value: lending comes last.
enum Step {
    Bytes(usize),
    Datagram(usize),
    Event(Event<'static>),
}

impl Simulated {
    pub(crate) fn new(world: Shared, machine: MachineId, is_lone: bool) -> io::Result<Simulated> {
        #[cfg(unix)]
        descriptor::ready()?;
        let (started, boot, waker, disk) = {
            let world = world.borrow();
            let Machine { boot, disk, .. } = world.machine(machine);
            (world.now, *boot, world.waker(machine), disk.clone())
        };
        Ok(Simulated {
            world,
            machine,
            boot,
            is_lone,
            started,
            slots: Vec::new(),
            queue: VecDeque::new(),
            next_tick: Vec::new(),
            bytes_left: 0,
            accepts_left: 0,
            results_left: 0,
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            sender: None,
            files: Files::new(disk),
            waker: Arc::new(Waker::new(Bell::Simulated(waker))),
        })
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + (self.world.borrow().now - self.started)
    }

    pub(crate) fn wall_time(&self) -> SystemTime {
        self.world.borrow().wall_time(self.machine)
    }

    pub(crate) fn has_backlog(&self) -> bool {
        !self.queue.is_empty()
            || !self.next_tick.is_empty()
            || self.world.borrow().machine(self.machine).has_news()
    }

    /// Lets time pass until there is something for this reactor, or the timeout is over.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let begin = self.world.borrow().now;
        // Or a reactor that always has something to do would stop the clock.
        let least = begin + if self.is_lone { TICK } else { Duration::ZERO };
        let most = timeout.map(|timeout| least.max(begin + timeout));
        loop {
            let mut world = self.world.borrow_mut();
            world.heed_notices();
            let is_due = !self.queue.is_empty()
                || !self.next_tick.is_empty()
                || world.machine(self.machine).has_news();
            let until = if is_due { Some(least) } else { most };
            if until.is_some_and(|until| world.now >= until) {
                break;
            }
            match world.step(until.unwrap_or(Time::from_nanos(u64::MAX))) {
                Some(None) => {}
                Some(Some(deed)) => {
                    drop(world);
                    perform(&self.world, deed);
                }
                None => match until {
                    Some(until) => world.now = until,
                    None => {
                        let nothing = "nothing is left to happen in the simulation, so this \
                                       reactor would wait for ever";
                        return Err(io::Error::new(io::ErrorKind::WouldBlock, nothing));
                    }
                },
            }
        }
        self.begin_tick();
        Ok(())
    }

    fn begin_tick(&mut self) {
        self.bytes_left = TICK_BYTES;
        self.accepts_left = TICK_ACCEPTS;
        self.results_left = TICK_RESULTS;
        let mut world = self.world.borrow_mut();
        let machine = world.machine_mut(self.machine);
        if std::mem::take(&mut machine.woken) {
            self.waker.acknowledge();
        }
        let mut touched = std::mem::take(&mut machine.touched);
        touched.retain(|token| match slot_of(&mut self.slots, *token) {
            Some(slot) => !std::mem::replace(&mut slot.queued, true),
            None => false,
        });
        // A kernel promises no order among sources that became ready before one wait.
        world.dice.of(Purpose::Order).shuffle(&mut touched);
        self.queue.extend(touched);
        self.queue.extend(self.next_tick.drain(..));
    }

    pub(crate) fn next(&mut self) -> Option<Completion<'_>> {
        let (token, step) = self.step()?;
        let event = match step {
            Step::Bytes(n) => Event::Received(&self.buffer[..n]),
            Step::Event(event) => event,
            Step::Datagram(n) => {
                let Sender { from, is_truncated } = self.sender.as_ref()?;
                Event::Datagram(Datagram {
                    bytes: &self.buffer[..n],
                    from,
                    is_truncated: *is_truncated,
                })
            }
        };
        let bytes = match &event {
            Event::Received(bytes) => Detail::Bytes(bytes),
            Event::Datagram(datagram) => Detail::Bytes(datagram.bytes),
            Event::Undelivered(what) => Detail::Text(what.error.to_string()),
            Event::Failed(error) | Event::AcceptFailed(error) => Detail::Text(error.to_string()),
            Event::Accepted(stream) => Detail::Text(match stream.peer() {
                Ok(peer) => format!("from {peer}"),
                Err(_) => "gone already".to_owned(),
            }),
            #[cfg(unix)]
            Event::Signal(signal) => Detail::Text(signal.to_string()),
            Event::Resolved(host, Ok(addresses)) => {
                let ips = addresses.iter().map(|address| address.ip().to_string());
                Detail::Text(format!("{host}: {}", ips.collect::<Vec<_>>().join(", ")))
            }
            Event::Resolved(_, Err(error)) => Detail::Text(error.to_string()),
            Event::File(done) => Detail::Text(match &done.result {
                Ok(_) => done.file.to_string(),
                Err(error) => error.to_string(),
            }),
            _ => Detail::None,
        };
        let machine = Some(self.machine);
        let mut world = self.world.borrow_mut();
        world.tell(machine, event.name(), Some(token), bytes);
        drop(world);
        Some(Completion { token, event })
    }

    /// Has a source looked at again, in this tick or at the back of the next one.
    fn again(&mut self, token: Token, now: bool) {
        let Some(slot) = slot_of(&mut self.slots, token) else {
            return;
        };
        if std::mem::replace(&mut slot.queued, true) {
            return;
        }
        if now {
            self.queue.push_front(token);
        } else {
            self.next_tick.push(token);
        }
    }

    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        let foreign = || {
            let text = "not a connection, listener or socket of this machine of the simulation: make it \
                        with this reactor";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let notifier = self.world.borrow().notifier();
        match resource {
            Resource::Stream(stream) => {
                let stream = stream.into_simulated().ok_or_else(foreign)?;
                let keepalive = stream.keepalive();
                let end = stream
                    .into_end(self.machine, &notifier)
                    .ok_or_else(foreign)?;
                self.watch_end(token, end, keepalive);
                self.occupy(token, Entry::Stream(end));
                self.again(token, false);
            }
            Resource::Listener(listener) => {
                let listener = listener.into_simulated().ok_or_else(foreign)?;
                let listeners = listener
                    .into_listeners(self.machine, &notifier)
                    .ok_or_else(foreign)?;
                let mut world = self.world.borrow_mut();
                for id in &listeners {
                    if let Some(listener) = world.network.listeners.get_mut(id) {
                        listener.token = Some(token);
                    }
                }
                drop(world);
                self.occupy(token, Entry::Listener(listeners));
                self.again(token, false);
            }
            #[cfg(unix)]
            Resource::Signals(wanted) => {
                let set = wanted.numbers;
                self.occupy(token, Entry::Signals);
                let mut world = self.world.borrow_mut();
                let pending = Vec::new();
                let signals = &mut world.machine_mut(self.machine).signals;
                signals.insert(token, Signals { set, pending });
            }
            Resource::Datagrams(socket) => {
                if !self.watch_datagrams(token, socket) {
                    return Err(foreign());
                }
            }
            #[cfg(unix)]
            Resource::Watch(..) => {
                let text = "a simulation has no descriptors to watch";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
            #[cfg(unix)]
            Resource::Child(_) => {
                let text = "a simulation runs no child processes: simulate a host in its place";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        }
        Ok(())
    }

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> io::Result<Listener> {
        let mut world = self.world.borrow_mut();
        let addresses = world.look_up(endpoint)?;
        let listeners = world.bind(self.machine, &addresses)?;
        let listener = world.hand_out_listener(self.machine, listeners);
        Ok(Listener::simulated(listener))
    }

    pub(crate) fn listen(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let listeners = world.bind(self.machine, addresses)?;
        let listener = world.hand_out_listener(self.machine, listeners);
        drop(world);
        self.register(token, Resource::Listener(Listener::simulated(listener)))
    }

    pub(crate) fn connect(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        let id = self.world.borrow_mut().connect(self.machine, address);
        self.watch_end(token, id, options.keepalive);
        let entry = slot_of(&mut self.slots, token).map(|slot| &mut slot.entry);
        if let Some(Entry::Connecting(ends)) = entry {
            ends.push(id);
        } else {
            self.occupy(token, Entry::Connecting(vec![id]));
        }
        self.again(token, false);
        Ok(())
    }

    pub(crate) fn connect_unix(
        &mut self,
        _: Token,
        _: &UnixAddress,
        _: &ConnectOptions,
    ) -> io::Result<()> {
        Err(no_unix_sockets())
    }

    fn watch_end(&mut self, token: Token, id: EndId, keepalive: Option<Duration>) {
        let mut world = self.world.borrow_mut();
        if let Some(end) = world.network.ends.get_mut(&id) {
            end.token = Some(token);
        }
        if let Some(idle) = keepalive {
            world.set_keepalive(id, idle);
        }
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.resolve(self.machine, token, host);
        Ok(())
    }

    pub(crate) fn send(&mut self, token: Token, outbox: &mut Outbox) -> io::Result<()> {
        while !outbox.is_empty() {
            let mut slices = [io::IoSlice::new(&[])];
            outbox.gather(&mut slices);
            let asked = slices[0].len();
            let sent = self.send_bytes(token, &slices[0])?;
            outbox.advance(sent);
            if sent < asked {
                break; // a `Sent` or `Connected` completion will come
            }
        }
        Ok(())
    }

    pub(crate) fn forward(&mut self, token: Token, lent: Range<usize>) -> io::Result<usize> {
        let slot = slot_of(&mut self.slots, token);
        send_some(&self.world, self.machine, slot, token, &self.buffer[lent])
    }

    pub(crate) fn send_bytes(&mut self, token: Token, bytes: &[u8]) -> io::Result<usize> {
        let slot = slot_of(&mut self.slots, token);
        send_some(&self.world, self.machine, slot, token, bytes)
    }

    pub(crate) fn lent(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    pub(crate) fn set_reading(&mut self, token: Token, reading: bool) {
        if let Some(slot) = slot_of(&mut self.slots, token) {
            slot.paused = !reading;
            if reading {
                self.again(token, false);
            }
        }
    }

    pub(crate) fn set_room(&mut self, token: Token, room: usize) {
        if let Some(slot) = slot_of(&mut self.slots, token) {
            let had_room = slot.room > 0;
            slot.room = room;
            if !had_room {
                self.again(token, false); // it may wait for that
            }
        }
    }

    pub(crate) fn shutdown(&mut self, token: Token, how: Shutdown) {
        if let Some(slot) = slot_of(&mut self.slots, token)
            && let Entry::Stream(end) = &slot.entry
        {
            self.world.borrow_mut().shutdown(*end, how);
        }
    }

    pub(crate) fn close(&mut self, token: Token) {
        let Some(slot) = slot_of(&mut self.slots, token) else {
            return;
        };
        let entry = std::mem::replace(&mut slot.entry, Entry::Free);
        let mut world = self.world.borrow_mut();
        match entry {
            Entry::Free => {}
            Entry::Stream(end) => world.close(end),
            Entry::Connecting(ends) => ends.into_iter().for_each(|end| world.close(end)),
            Entry::Listener(listeners) => world.unlisten(&listeners),
            Entry::Datagrams(socket) => world.close_udp(socket.id),
            #[cfg(unix)]
            Entry::Signals => {
                world.machine_mut(self.machine).signals.remove(&token);
            }
        }
    }

    fn occupy(&mut self, token: Token, entry: Entry) {
        let index = token.slot as usize;
        let free = || Slot {
            entry: Entry::Free,
            generation: 0,
            room: 0,
            blocked: false,
            paused: false,
            ended: false,
            queued: false,
        };
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, free);
        }
        self.slots[index] = Slot {
            entry,
            generation: token.generation,
            room: READ_BUFFER,
            ..free()
        };
    }

    /// Notes what the loop did without the driver.
    pub(crate) fn tell(&mut self, seen: impl Iterator<Item = Seen>) {
        let mut world = self.world.borrow_mut();
        for seen in seen {
            let (what, token, detail) = match seen {
                Seen::Timer(token) => ("timer", token, Detail::None),
                Seen::Post => ("posted closure", None, Detail::None),
                Seen::Closed(token, why) => ("closed", Some(token), Detail::Text(why)),
            };
            world.tell(Some(self.machine), what, token, detail);
        }
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }
}

/// Sends what there is room for, and says how much that was.
fn send_some(
    world: &Shared,
    machine: MachineId,
    slot: Option<&mut Slot>,
    token: Token,
    bytes: &[u8],
) -> io::Result<usize> {
    let Some(slot) = slot.filter(|slot| !slot.blocked) else {
        return Ok(0);
    };
    let Entry::Stream(end) = slot.entry else {
        return Ok(0);
    };
    let mut world = world.borrow_mut();
    let sent = match world.send(end, bytes) {
        Ok(n) => n,
        Err(Errno::AGAIN) => 0,
        Err(error) => return Err(error.into()),
    };
    slot.blocked = sent < bytes.len();
    if sent > 0 {
        let detail = Detail::Bytes(&bytes[..sent]);
        world.tell(Some(machine), "sent", Some(token), detail);
    }
    Ok(sent)
}
