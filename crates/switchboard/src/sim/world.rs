//! The world of a simulation: its clock, its machines, and what is going to happen. All reactors
//! of a simulation share it. It must never call a handler, a job or any code of the program while
//! it is borrowed.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, unbounded};

use super::action::{Action, Ending};
use super::agenda::Agenda;
use super::dice::{self, Dice, Purpose};
use super::disk::Disk;
use super::ends::Notifier;
use super::faults::{Counts, Fault, Faults};
use super::jobs::run_job;
use super::names;
use super::network::{ListenerId, Network};
use super::packet::Packet;
use super::story::{Detail, Entry, Story};
use super::tcp::EndId;
use super::udp::{Flying, UdpId};
use crate::offload::{Job, Outcome};
use crate::{Lane, Time, Token};

/// All reactors of a simulation run in one thread, one at a time.
pub(crate) type Shared = Rc<RefCell<World>>;

/// Names a machine: something with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MachineId(pub(crate) u32);

/// What is said to the world from outside of it: by wakers and by dropped connections, which may
/// be in the hands of any code.
pub(crate) enum Notice {
    Woken(MachineId),
    Dropped(EndId),
    ListenerDropped(Vec<ListenerId>),
    UdpDropped(UdpId),
    Disk {
        machine: MachineId,
        what: &'static str,
        path: String,
        bytes: Vec<u8>,
    },
}

/// What is going to happen.
pub(crate) enum Event {
    Arrival(Packet),
    /// It may be time to ask a silent peer for a sign of life.
    Probe(EndId),
    /// A sender tries again what could not be delivered.
    Retry(EndId),
    /// A send buffer that was full by fault takes bytes again.
    Unstall(EndId),
    Datagram(Flying),
    /// Nobody was at an address that a socket has sent to; the answer comes from a machine.
    Unreachable(UdpId, MachineId, SocketAddr),
    UnstallUdp(UdpId),
    /// A connection was not completed, or not finished by its peer.
    Expire(EndId),
    /// A fault of a host comes by itself.
    Chance(Fault, MachineId),
    /// A script says so.
    Act(Action),
    Ends(Ending),
    Job {
        machine: MachineId,
        boot: u32,
        token: Token,
        job: Job,
    },
    Resolved {
        machine: MachineId,
        boot: u32,
        token: Token,
        host: String,
    },
}

/// What the world cannot do itself, since it is the program's code.
pub(crate) enum Deed {
    Crash(MachineId),
    Start(MachineId),
    Job {
        machine: MachineId,
        boot: u32,
        token: Token,
        job: Job,
    },
}

/// What one source catches, and what has come and is not told yet.
#[cfg(unix)]
pub(crate) struct Signals {
    pub(crate) set: Vec<i32>,
    pub(crate) pending: Vec<i32>,
}

pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// Its other one, which only who is told of it knows.
    pub(crate) address_v6: Ipv6Addr,
    pub(crate) up: bool,
    /// Its reactor does not run; what comes waits in buffers.
    pub(crate) paused: bool,
    /// How often it was started: what began before the last start is void.
    pub(crate) boot: u32,
    /// How far its wall clock is off, in nanoseconds.
    pub(crate) clock_offset: i64,
    pub(crate) next_port: u16,
    /// Its reactor has been woken.
    pub(crate) woken: bool,
    /// Sources of its reactor that may have something to tell, in this order.
    pub(crate) touched: Vec<Token>,
    pub(crate) results: VecDeque<(Token, Outcome)>,
    /// Its lanes on which a job runs, and the jobs that wait for that.
    pub(crate) lanes: BTreeMap<Lane, VecDeque<(Token, Job)>>,
    /// Sources of its reactor that catch signals.
    #[cfg(unix)]
    pub(crate) signals: BTreeMap<Token, Signals>,
    pub(crate) disk: Disk,
    /// It has a program that can be started again.
    pub(crate) is_host: bool,
    /// Faults that will come by themselves, once each.
    pub(crate) planned: Vec<Fault>,
    /// Rates that hold for this machine in place of the general ones.
    pub(crate) faults: Option<Faults>,
}

impl Machine {
    /// What was meant for a reactor that is gone.
    fn clear(&mut self) {
        self.woken = false;
        self.paused = false;
        self.touched.clear();
        self.results.clear();
        self.lanes.clear();
        #[cfg(unix)]
        self.signals.clear();
    }

    /// Whether its reactor has a reason to look.
    pub(crate) fn has_news(&self) -> bool {
        self.woken || !self.touched.is_empty() || !self.results.is_empty()
    }
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) agenda: Agenda<Event>,
    pub(crate) machines: Vec<Machine>,
    /// Names with addresses of their own.
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
    pub(crate) network: Network,
    pub(crate) dice: Dice,
    pub(crate) story: Story,
    pub(crate) faults: Faults,
    pub(crate) counts: Counts,
    /// Deeds that a lone reactor came upon, and could not do.
    pub(crate) left_over: Vec<Deed>,
    notices: Receiver<Notice>,
    notifier: Notifier,
}

/// The wall clocks' time when a simulation begins: 1 January 2026, 00:00 UTC.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let (notifier, notices) = unbounded();
        World {
            now: Time::ZERO,
            agenda: Agenda::new(),
            machines: Vec::new(),
            names: BTreeMap::new(),
            network: Network::default(),
            dice: Dice::new(seed),
            story: Story::new(seed),
            faults: Faults::none(),
            counts: Counts::default(),
            left_over: Vec::new(),
            notices,
            notifier: Notifier::new(notifier),
        }
    }

    /// For what has to tell the world something without borrowing it.
    pub(crate) fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    pub(crate) fn into_shared(self) -> Shared {
        Rc::new(RefCell::new(self))
    }

    /// A machine is switched on, with a new reactor. Gives the seed of that.
    pub(crate) fn start(&mut self, id: MachineId) -> u64 {
        let machine = self.machine_mut(id);
        machine.up = true;
        machine.boot += 1;
        machine.clear();
        machine.disk.power_on();
        let text = format!("at {}", machine.address);
        self.tell(Some(id), "started", None, Detail::Text(text));
        self.dice.of(Purpose::Hosts).u64(..)
    }

    /// A machine loses its power. False if it has none.
    pub(crate) fn power_off(&mut self, id: MachineId) -> bool {
        let machine = self.machine_mut(id);
        if !std::mem::replace(&mut machine.up, false) {
            return false;
        }
        machine.boot += 1;
        machine.clear();
        let disk = machine.disk.clone();
        disk.power_off(self.dice.of(Purpose::Disk));
        self.drop_ends_of(id);
        self.tell(Some(id), "crashed", None, Detail::None);
        true
    }

    /// How much longer than usual the tick of a reactor takes that has just ended.
    pub(crate) fn slowness(&mut self, id: MachineId) -> Duration {
        if !self.strikes(Fault::SlowHandler, id) {
            return Duration::ZERO;
        }
        let range = Duration::ZERO..Duration::from_millis(50);
        dice::duration(self.dice.of_fault(Fault::SlowHandler), &range)
    }

    #[cfg(unix)]
    pub(crate) fn raise(&mut self, id: MachineId, signal: i32) -> bool {
        let machine = self.machine_mut(id);
        let before = machine.touched.len();
        for (token, signals) in &mut machine.signals {
            if signals.set.contains(&signal) && !signals.pending.contains(&signal) {
                signals.pending.push(signal);
                machine.touched.push(*token);
            }
        }
        machine.touched.len() > before
    }

    pub(crate) fn machine(&self, id: MachineId) -> &Machine {
        &self.machines[id.0 as usize]
    }

    pub(crate) fn machine_mut(&mut self, id: MachineId) -> &mut Machine {
        &mut self.machines[id.0 as usize]
    }

    pub(crate) fn machine_called(&self, name: &str) -> Option<MachineId> {
        let index = self.machines.iter().position(|m| m.name == name)?;
        Some(MachineId(index as u32))
    }

    /// The machine of that name, which is made if there is none. It has the address 10.0.0.1 if
    /// it is the first, and so on.
    pub(crate) fn add_machine(&mut self, name: &str) -> MachineId {
        if let Some(id) = self.machine_called(name) {
            return id;
        }
        let id = MachineId(self.machines.len() as u32);
        let disks = dice::mix(self.dice.seed(), u64::from_be_bytes(*b"its disk"));
        let disk = Disk::new(id, self.notifier(), dice::mix(disks, id.0.into()));
        disk.set_faults(&self.faults);
        self.machines.push(Machine {
            name: name.to_owned(),
            address: Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + id.0),
            address_v6: names::address_v6(id),
            up: true,
            paused: false,
            boot: 0,
            clock_offset: 0,
            next_port: FIRST_PORT,
            woken: false,
            touched: Vec::new(),
            results: VecDeque::new(),
            lanes: BTreeMap::new(),
            #[cfg(unix)]
            signals: BTreeMap::new(),
            disk,
            is_host: false,
            planned: Vec::new(),
            faults: None,
        });
        id
    }

    pub(crate) fn wall_time(&self, machine: MachineId) -> SystemTime {
        let offset = self.machine(machine).clock_offset;
        let time = SystemTime::UNIX_EPOCH + EPOCH + (self.now - Time::ZERO);
        let amount = Duration::from_nanos(offset.unsigned_abs());
        if offset < 0 {
            time - amount
        } else {
            time + amount
        }
    }

    /// The rates that hold for a machine.
    pub(crate) fn faults_of(&self, machine: MachineId) -> &Faults {
        self.machine(machine)
            .faults
            .as_ref()
            .unwrap_or(&self.faults)
    }

    /// Whether a fault happens now on a machine; counted if so.
    pub(crate) fn strikes(&mut self, fault: Fault, machine: MachineId) -> bool {
        let rate = self.faults_of(machine).rate(fault);
        let strikes = self.dice.strikes(fault, rate);
        if strikes {
            self.counts.count(fault);
        }
        strikes
    }

    pub(crate) fn tell(
        &mut self,
        machine: Option<MachineId>,
        what: &'static str,
        token: Option<Token>,
        detail: Detail<'_>,
    ) {
        let entry = Entry {
            machine,
            what,
            token,
            detail,
        };
        self.story.tell(self.now, entry);
    }

    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.agenda.push(self.now + delay, event);
    }

    /// Tells the reactor of a machine that a source may have something new.
    pub(crate) fn touch(&mut self, machine: MachineId, token: Token) {
        self.machine_mut(machine).touched.push(token);
    }

    pub(crate) fn heed_notices(&mut self) {
        while let Ok(notice) = self.notices.try_recv() {
            match notice {
                Notice::Woken(machine) => self.machine_mut(machine).woken = true,
                Notice::Dropped(end) => self.close(end),
                Notice::ListenerDropped(listeners) => self.unlisten(&listeners),
                Notice::UdpDropped(socket) => self.close_udp(socket),
                Notice::Disk {
                    machine,
                    what,
                    path,
                    bytes,
                } => {
                    self.tell(Some(machine), what, None, Detail::Text(path));
                    if !bytes.is_empty() {
                        self.tell(Some(machine), "", None, Detail::Bytes(&bytes));
                    }
                }
            }
        }
    }

    /// Lets the next event happen if it is due by `until`. False if there is none.
    pub(crate) fn step(&mut self, until: Time) -> Option<Option<Deed>> {
        if self.agenda.next_at()? > until {
            return None;
        }
        let (at, event) = self.agenda.pop()?;
        self.now = self.now.max(at);
        match event {
            Event::Arrival(packet) => self.arrive(packet),
            Event::Probe(end) => self.probe(end),
            Event::Retry(end) => self.retry(end),
            Event::Unstall(end) => self.unstall(end),
            Event::Datagram(datagram) => self.datagram_arrives(datagram),
            Event::Unreachable(socket, by, to) => self.datagram_refused(socket, by, to),
            Event::UnstallUdp(socket) => self.unstall_udp(socket),
            Event::Expire(end) => self.expire(end),
            Event::Chance(fault, machine) => return Some(self.chance(fault, machine)),
            Event::Act(action) => return Some(self.act(action)),
            Event::Ends(ending) => self.end(ending),
            Event::Job {
                machine,
                boot,
                token,
                job,
            } => {
                return Some(self.is_current(machine, boot).then_some(Deed::Job {
                    machine,
                    boot,
                    token,
                    job,
                }));
            }
            Event::Resolved {
                machine,
                boot,
                token,
                host,
            } => {
                if self.is_current(machine, boot) {
                    let addresses = self.addresses_of(&host);
                    let outcome = Outcome::Resolved(host, addresses);
                    self.machine_mut(machine)
                        .results
                        .push_back((token, outcome));
                }
            }
        }
        Some(None)
    }

    pub(super) fn is_current(&self, machine: MachineId, boot: u32) -> bool {
        let machine = self.machine(machine);
        machine.up && machine.boot == boot
    }
}

pub(crate) fn no_unix_sockets() -> std::io::Error {
    let text = "a simulation has no Unix sockets: give a host and a port";
    std::io::Error::new(std::io::ErrorKind::Unsupported, text)
}

/// Ports that nobody asked for by number are counted from here on (RFC 6335, section 6).
pub(crate) const FIRST_PORT: u16 = 49152;

/// Does what the world could not do while it was borrowed.
pub(crate) fn perform(shared: &Shared, deed: Deed) {
    match deed {
        // Only the simulation knows the programs: it finds these here.
        deed @ (Deed::Crash(_) | Deed::Start(_)) => shared.borrow_mut().left_over.push(deed),
        Deed::Job {
            machine,
            boot,
            token,
            job,
        } => run_job(shared, machine, boot, token, job),
    }
}
