//! What a script can do to the world, and when it comes by itself. It must never touch a host's
//! program: that is handed to the simulation as a deed.

use std::ops::Range;
use std::time::Duration;

use super::dice;
use super::faults::Fault;
use super::host::HostId;
use super::story::Detail;
use super::tcp::{End, EndId};
use super::world::{Deed, Event, MachineId, World};

/// Something that is done to a simulated world at a moment; see
/// [`Simulation::at`](super::Simulation::at). Where there is a `lasting`, it ends after that time;
/// without, it stays.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// What one side sends does not reach the other side.
    Partition {
        /// One side.
        from: Vec<HostId>,
        /// The other side.
        to: Vec<HostId>,
        /// Whether what the other side sends does not arrive either.
        both_ways: bool,
        /// For how long.
        lasting: Option<Duration>,
    },
    /// Everybody reaches everybody again.
    Heal,
    /// A host loses its power, and is started again after `lasting`.
    Crash {
        /// The host.
        host: HostId,
        /// For how long.
        lasting: Option<Duration>,
    },
    /// A host that is down is started again.
    Restart(HostId),
    /// The reactor of a host does not run; its kernel goes on.
    Pause {
        /// The host.
        host: HostId,
        /// For how long.
        lasting: Option<Duration>,
    },
    /// A paused host goes on, however often it was paused.
    Resume(HostId),
    /// The wall clock of a host jumps.
    ClockJump {
        /// The host.
        host: HostId,
        /// By so many nanoseconds, backwards if negative.
        nanos: i64,
    },
    /// All connections between two hosts are reset.
    Reset(HostId, HostId),
    /// The network forgets all connections between two hosts: nothing arrives any more.
    HalfOpen(HostId, HostId),
    /// Sets how often a fault happens.
    Set {
        /// The fault.
        fault: Fault,
        /// See [`Fault`] for what it counts.
        rate: f64,
        /// On this host only, or on all.
        host: Option<HostId>,
        /// For how long.
        lasting: Option<Duration>,
    },
    /// Sets how long packets take.
    Latency(Range<Duration>),
    /// Sets how many bytes per second one direction of a new connection carries.
    Bandwidth(Option<u64>),
}

impl Action {
    /// The action as a script says it.
    pub(crate) fn describe(&self, name: impl Fn(HostId) -> String) -> String {
        let one = |host: &HostId| format!("{{{}}}", name(*host));
        let all = |hosts: &[HostId]| {
            let names: Vec<String> = hosts.iter().map(|host| name(*host)).collect();
            format!("{{{}}}", names.join(", "))
        };
        let during = |lasting: &Option<Duration>| match lasting {
            Some(lasting) => format!(" for {} ns", lasting.as_nanos()),
            None => String::new(),
        };
        match self {
            Action::Partition {
                from,
                to,
                both_ways,
                lasting,
            } => {
                let word = if *both_ways { "from" } else { "to" };
                let (from, to) = (all(from), all(to));
                format!("partition {from} {word} {to}{}", during(lasting))
            }
            Action::Heal => "heal".to_owned(),
            Action::Crash { host, lasting } => format!("crash {}{}", one(host), during(lasting)),
            Action::Restart(host) => format!("restart {}", one(host)),
            Action::Pause { host, lasting } => format!("pause {}{}", one(host), during(lasting)),
            Action::Resume(host) => format!("resume {}", one(host)),
            Action::ClockJump { host, nanos } => {
                format!("jump the clock of {} by {nanos} ns", one(host))
            }
            Action::Reset(a, b) => format!("reset {} and {}", one(a), one(b)),
            Action::HalfOpen(a, b) => format!("half-open {} and {}", one(a), one(b)),
            Action::Set {
                fault,
                rate,
                host,
                lasting,
            } => {
                let on = host
                    .as_ref()
                    .map_or(String::new(), |h| format!(" on {}", one(h)));
                format!("set {fault} to {rate}{on}{}", during(lasting))
            }
            Action::Latency(range) => {
                let (shortest, longest) = (range.start.as_nanos(), range.end.as_nanos());
                format!("latency {shortest} ns to {longest} ns")
            }
            Action::Bandwidth(rate) => format!("bandwidth {}", rate.unwrap_or(u64::MAX)),
        }
    }
}

/// What ends by itself.
pub(crate) enum Ending {
    Partition(u64),
    Rate(Fault, f64, Option<MachineId>),
}

impl World {
    /// Does something, or says what the simulation has to do.
    pub(crate) fn act(&mut self, action: Action) -> Option<Deed> {
        let text = action.describe(|host| self.machine(host.0).name.clone());
        self.tell(None, "script", None, Detail::Text(text));
        match action {
            Action::Partition {
                from,
                to,
                both_ways,
                lasting,
            } => self.partition(&from, &to, both_ways, lasting),
            Action::Heal => self.network.partitions.clear(),
            Action::Crash { host, lasting } => {
                if self.machine(host.0).up {
                    self.counts.count(Fault::Crash);
                    if let Some(lasting) = lasting {
                        self.after(lasting, Event::Act(Action::Restart(host)));
                    }
                    return Some(Deed::Crash(host.0));
                }
            }
            Action::Restart(host) => return Some(Deed::Start(host.0)),
            Action::Pause { host, lasting } => {
                self.counts.count(Fault::Pause);
                self.machine_mut(host.0).paused = true;
                if let Some(lasting) = lasting {
                    self.after(lasting, Event::Act(Action::Resume(host)));
                }
            }
            Action::Resume(host) => self.machine_mut(host.0).paused = false,
            Action::ClockJump { host, nanos } => {
                self.counts.count(Fault::ClockJump);
                let machine = self.machine_mut(host.0);
                machine.clock_offset = machine.clock_offset.saturating_add(nanos);
            }
            Action::Reset(one, other) => {
                for end in self.ends_between(one, other) {
                    self.counts.count(Fault::Reset);
                    self.cut_now(end);
                }
            }
            Action::HalfOpen(one, other) => {
                for end in self.ends_between(one, other) {
                    self.counts.count(Fault::HalfOpen);
                    self.black_out(end);
                }
            }
            Action::Set {
                fault,
                rate,
                host,
                lasting,
            } => {
                let before = self.set_rate(fault, rate, host.map(|host| host.0));
                if let Some(lasting) = lasting {
                    let ending = Ending::Rate(fault, before, host.map(|host| host.0));
                    self.after(lasting, Event::Ends(ending));
                }
            }
            Action::Latency(range) => self.faults.latency = range,
            Action::Bandwidth(rate) => self.faults.bandwidth = rate,
        }
        None
    }

    fn partition(
        &mut self,
        from: &[HostId],
        to: &[HostId],
        both_ways: bool,
        lasting: Option<Duration>,
    ) {
        let kind = if both_ways {
            Fault::Partition
        } else {
            Fault::OneWay
        };
        self.counts.count(kind);
        let mut blocked = Vec::new();
        for (from, to) in from
            .iter()
            .flat_map(|from| to.iter().map(move |to| (from, to)))
        {
            blocked.push((from.0, to.0));
            if both_ways {
                blocked.push((to.0, from.0));
            }
        }
        let number = self.network.number();
        self.network.partitions.insert(number, blocked);
        if let Some(lasting) = lasting {
            self.after(lasting, Event::Ends(Ending::Partition(number)));
        }
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Partition(number) => {
                self.network.partitions.remove(&number);
            }
            Ending::Rate(fault, rate, machine) => {
                self.set_rate(fault, rate, machine);
            }
        }
    }

    /// Sets a rate for all or for one, and says what it was.
    fn set_rate(&mut self, fault: Fault, rate: f64, machine: Option<MachineId>) -> f64 {
        let general = self.faults.clone();
        let faults = match machine {
            Some(machine) => self.machine_mut(machine).faults.get_or_insert(general),
            None => &mut self.faults,
        };
        let before = faults.rate(fault);
        faults.set(fault, rate);
        self.heed_rates();
        before
    }

    /// All ends of connections between two machines.
    fn ends_between(&self, one: HostId, other: HostId) -> Vec<EndId> {
        let is_between = |end: &End| {
            let ends = (end.machine, end.target);
            ends == (one.0, Some(other.0)) || ends == (other.0, Some(one.0))
        };
        let ends = self.network.ends.iter();
        ends.filter(|(_, end)| is_between(end))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Rates have changed: the faults of hosts come by themselves that have one, and disks have to
    /// be told of theirs.
    pub(crate) fn heed_rates(&mut self) {
        for index in 0..self.machines.len() {
            let machine = MachineId(index as u32);
            self.machine(machine)
                .disk
                .set_faults(self.faults_of(machine));
            for fault in Fault::OF_HOSTS {
                let is_planned = self.machine(machine).planned.contains(&fault);
                if self.machine(machine).is_host && !is_planned {
                    self.plan_chance(fault, machine);
                }
            }
        }
    }

    fn plan_chance(&mut self, fault: Fault, machine: MachineId) {
        let rate = self.faults_of(machine).rate(fault);
        if rate <= 0.0 {
            return;
        }
        self.machine_mut(machine).planned.push(fault);
        // Twice the mean, so that the mean is right. No logarithm: those differ between systems.
        let longest = (2.0 * 60e9 / rate) as u64;
        let wait = self.dice.of_fault(fault).u64(..longest.max(1));
        self.after(Duration::from_nanos(wait), Event::Chance(fault, machine));
    }

    /// The moment for a fault of a host has come, unless it was switched off meanwhile.
    pub(crate) fn chance(&mut self, fault: Fault, machine: MachineId) -> Option<Deed> {
        let planned = &mut self.machine_mut(machine).planned;
        planned.retain(|planned| *planned != fault);
        if self.faults_of(machine).rate(fault) <= 0.0 {
            return None;
        }
        self.plan_chance(fault, machine);
        let host = HostId(machine);
        let others = self.machines.len() as u32 - 1;
        let rng = self.dice.of_fault(fault);
        let mut up_to = |seconds| {
            let range = Duration::ZERO..Duration::from_secs(seconds);
            Some(dice::duration(rng, &range))
        };
        let action = match fault {
            Fault::Pause => Action::Pause {
                host,
                lasting: up_to(5),
            },
            Fault::Crash => Action::Crash {
                host,
                lasting: up_to(5),
            },
            Fault::ClockJump => {
                const HOUR: i64 = 3_600_000_000_000;
                let nanos = rng.i64(-HOUR..HOUR);
                Action::ClockJump { host, nanos }
            }
            Fault::Partition | Fault::OneWay if others > 0 => {
                let lasting = up_to(10);
                let other = rng.u32(0..others);
                let other = MachineId(other + u32::from(other >= machine.0));
                Action::Partition {
                    from: vec![host],
                    to: vec![HostId(other)],
                    both_ways: fault == Fault::Partition,
                    lasting,
                }
            }
            _ => return None,
        };
        self.act(action)
    }
}
