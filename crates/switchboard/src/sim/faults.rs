//! What can go wrong in a simulation, how often, and how often it did.
//! It must never do any of it: the network, the hosts and their clocks look here and do.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// A kind of fault. What its rate counts is said at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A segment is cut in two at any byte (rate: per segment, and again for its rest).
    Split,
    /// A segment waits for the ones behind it and arrives together with them (per segment).
    Merge,
    /// A packet takes up to 100 ms longer (per packet, or datagram).
    Delay,
    /// A packet of a connection is lost and sent again after 200 ms or more (per packet).
    Loss,
    /// A send takes fewer bytes than there is room for (per send).
    ShortWrite,
    /// A send takes nothing, as with a full buffer, for up to 50 ms (per send).
    FullBuffer,
    /// A connection carries only 1 to 1000 KB/s (per connection).
    Narrow,
    /// The network resets a connection, at one end or both, whatever state it is in (per packet).
    Reset,
    /// A reset throws away what has arrived and is unread, as RFC 9293 (3.10.7.4) asks; Linux
    /// keeps it (per reset).
    Flush,
    /// The network forgets a connection: nothing arrives any more, at neither end (per packet).
    HalfOpen,
    /// A connect is refused, though somebody listens (per connect).
    Refuse,
    /// A connect is never answered (per connect).
    Unanswered,
    /// `accept` fails with `EMFILE` (per accept).
    NoDescriptors,
    /// A connection ends before it is accepted: `ECONNABORTED` (per accept).
    AbortedAccept,
    /// Two hosts cannot reach each other for up to 10 s (per host and minute).
    Partition,
    /// What one host sends does not reach another one for up to 10 s (per host and minute).
    OneWay,
    /// A host's wall clock jumps by up to an hour, either way (per host and minute).
    ClockJump,
    /// A tick of a reactor takes up to 50 ms (per tick).
    SlowHandler,
    /// A host stops for up to 5 s, and goes on as if nothing had been (per host and minute).
    Pause,
    /// A host loses its power, and is started again within 5 s (per host and minute).
    Crash,
    /// A datagram is lost (per datagram).
    DatagramLoss,
    /// A datagram arrives twice, the second time up to 50 ms later (per datagram).
    DatagramDouble,
    /// A datagram takes 1 to 100 ms longer, and those sent after it do not wait for it (per
    /// datagram).
    DatagramReorder,
    /// A job, or what is asked of a file, takes up to 5 s longer, as with a disk that is busy (per
    /// job).
    SlowJob,
    /// A write to the host's disk fails half-way, or a sync may have lost what it should keep:
    /// `EIO` (per write, append and sync); see [`Disk`](super::Disk).
    DiskError,
    /// A write to the host's disk finds room for a part only: `ENOSPC` (per write and append).
    DiskFull,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 26] = [
        Fault::Split,
        Fault::Merge,
        Fault::Delay,
        Fault::Loss,
        Fault::ShortWrite,
        Fault::FullBuffer,
        Fault::Narrow,
        Fault::Reset,
        Fault::Flush,
        Fault::HalfOpen,
        Fault::Refuse,
        Fault::Unanswered,
        Fault::NoDescriptors,
        Fault::AbortedAccept,
        Fault::Partition,
        Fault::OneWay,
        Fault::ClockJump,
        Fault::SlowHandler,
        Fault::Pause,
        Fault::Crash,
        Fault::DatagramLoss,
        Fault::DatagramDouble,
        Fault::DatagramReorder,
        Fault::SlowJob,
        Fault::DiskError,
        Fault::DiskFull,
    ];

    /// What scripts call it.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Split => "split",
            Fault::Merge => "merge",
            Fault::Delay => "delay",
            Fault::Loss => "loss",
            Fault::ShortWrite => "short-write",
            Fault::FullBuffer => "full-buffer",
            Fault::Narrow => "narrow",
            Fault::Reset => "reset",
            Fault::Flush => "flush",
            Fault::HalfOpen => "half-open",
            Fault::Refuse => "refuse",
            Fault::Unanswered => "unanswered",
            Fault::NoDescriptors => "no-descriptors",
            Fault::AbortedAccept => "aborted-accept",
            Fault::Partition => "partition",
            Fault::OneWay => "one-way",
            Fault::ClockJump => "clock-jump",
            Fault::SlowHandler => "slow-handler",
            Fault::Pause => "pause",
            Fault::Crash => "crash",
            Fault::DatagramLoss => "datagram-loss",
            Fault::DatagramDouble => "datagram-double",
            Fault::DatagramReorder => "datagram-reorder",
            Fault::SlowJob => "slow-job",
            Fault::DiskError => "disk-error",
            Fault::DiskFull => "disk-full",
        }
    }

    /// Those that only datagrams meet.
    pub(crate) const OF_DATAGRAMS: [Fault; 3] = [
        Fault::DatagramLoss,
        Fault::DatagramDouble,
        Fault::DatagramReorder,
    ];

    /// Those that only jobs and disks meet.
    pub(crate) const OF_DISKS: [Fault; 3] = [Fault::SlowJob, Fault::DiskError, Fault::DiskFull];

    /// Those whose rate is per host and minute: they come by themselves.
    pub(crate) const OF_HOSTS: [Fault; 5] = [
        Fault::Partition,
        Fault::OneWay,
        Fault::ClockJump,
        Fault::Pause,
        Fault::Crash,
    ];

    /// The highest rate: 1 for a probability, and 60,000 for a fault of a host, which is one in
    /// each millisecond. Time would not pass any more if there were no bound.
    pub fn highest_rate(self) -> f64 {
        if Fault::OF_HOSTS.contains(&self) {
            60_000.0
        } else {
            1.0
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How the network is, and how often what goes wrong in it and on the hosts.
///
/// ```
/// use std::time::Duration;
/// use switchboard::sim::{Fault, Faults};
///
/// let ms = Duration::from_millis;
/// let faults = Faults::none()
///     .latency(ms(1)..ms(20))
///     .with(Fault::Split, 0.2)
///     .with(Fault::Reset, 0.01);
/// assert_eq!(faults.to_string(), "split 0.2, reset 0.01");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    rates: [f64; Fault::ALL.len()],
    pub(crate) latency: Range<Duration>,
    pub(crate) bandwidth: Option<u64>,
    pub(crate) send_buffer: usize,
    pub(crate) receive_buffer: usize,
    pub(crate) backlog: usize,
    pub(crate) job_time: Range<Duration>,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults::none()
    }
}

impl Faults {
    /// A network in which nothing goes wrong: every packet takes half a millisecond.
    pub fn none() -> Faults {
        let half = Duration::from_micros(500);
        Faults {
            rates: [0.0; Fault::ALL.len()],
            latency: half..half,
            bandwidth: None,
            send_buffer: 64 * 1024,
            receive_buffer: 64 * 1024,
            backlog: 128,
            job_time: Duration::from_millis(1)..Duration::from_millis(10),
        }
    }

    /// Sets how often a fault happens: a probability (0 to 1), or a number of times per host and
    /// minute of virtual time; see [`Fault`].
    ///
    /// # Panics
    /// If the rate is negative, above the [highest](Fault::highest_rate), or not a number.
    #[must_use]
    pub fn with(mut self, fault: Fault, rate: f64) -> Faults {
        self.set(fault, rate);
        self
    }

    /// The same without one kind of fault.
    #[must_use]
    pub fn without(self, fault: Fault) -> Faults {
        self.with(fault, 0.0)
    }

    pub(crate) fn set(&mut self, fault: Fault, rate: f64) {
        let highest = fault.highest_rate();
        assert!(
            (0.0..=highest).contains(&rate),
            "the rate of {fault} is {rate}, and not from 0 to {highest}"
        );
        self.rates[fault as usize] = rate;
    }

    /// How often a fault happens.
    pub fn rate(&self, fault: Fault) -> f64 {
        self.rates[fault as usize]
    }

    /// The kinds that are switched on.
    pub fn active(&self) -> impl Iterator<Item = Fault> + '_ {
        Fault::ALL
            .into_iter()
            .filter(|fault| self.rate(*fault) > 0.0)
    }

    /// How long a packet takes from one host to another: drawn from the range for each. Within a
    /// host it takes 20 µs.
    #[must_use]
    pub fn latency(mut self, range: Range<Duration>) -> Faults {
        self.latency = range;
        self
    }

    /// How many bytes per second one direction of a connection carries (default: any number).
    #[must_use]
    pub fn bandwidth(mut self, bytes_per_second: Option<u64>) -> Faults {
        self.bandwidth = bytes_per_second.map(|rate| rate.max(1));
        self
    }

    /// How many bytes each end of a new connection buffers for sending and for receiving (default
    /// 64 KiB each, at least 1 byte); the latter is also how many bytes of datagrams a new UDP
    /// socket holds, but for the last one, which may go beyond.
    #[must_use]
    pub fn buffers(mut self, send: usize, receive: usize) -> Faults {
        self.send_buffer = send.max(1);
        self.receive_buffer = receive.max(1);
        self
    }

    /// How many connections a listener keeps for its program to accept (default 128). Those who
    /// come when it is full try again later, as with a real backlog.
    #[must_use]
    pub fn backlog(mut self, connections: usize) -> Faults {
        self.backlog = connections;
        self
    }

    /// How long an offloaded job, or the look-up of a name, takes (default 1 to 10 ms).
    #[must_use]
    pub fn job_time(mut self, range: Range<Duration>) -> Faults {
        self.job_time = range;
        self
    }
}

/// The faults that are switched on, with their rates.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for fault in self.active() {
            write!(f, "{separator}{fault} {}", self.rate(fault))?;
            separator = ", ";
        }
        if separator.is_empty() {
            f.write_str("no faults")?;
        }
        Ok(())
    }
}

/// How often each fault has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Counts {
    /// How often a fault has happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub(crate) fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub(crate) fn add(&mut self, more: &Counts) {
        for (count, more) in self.0.iter_mut().zip(more.0) {
            *count += more;
        }
    }
}
