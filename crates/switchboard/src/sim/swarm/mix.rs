//! Faults drawn from a seed, and the parts that such a mix can be without. It must never draw by
//! anything but the seed, nor with functions whose last digit differs between machines.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

use super::{Fault, Faults};
use crate::sim::dice::mix;

impl Faults {
    /// A mix that depends on the seed alone: about half of the faults off, the others at any rate
    /// from rare to wild; latencies, bandwidth, buffers, backlog and the time that jobs take from
    /// usual to extreme. One in sixteen has no faults at all.
    pub fn drawn(seed: u64) -> Faults {
        // Not the sequence that a scenario may have made from the same seed.
        let mut rng = Rng::with_seed(mix(seed, u64::from_be_bytes(*b"a swarm.")));
        let calm = rng.u8(..16) == 0;
        let mut faults = Faults::none();
        let mut draw = |rng: &mut Rng, fault| {
            let halvings = rng.i32(0..8);
            if rng.bool() && !calm {
                faults.set(fault, wildest(fault) * 0.5_f64.powi(halvings));
            }
        };
        for fault in Fault::ALL {
            if !Fault::OF_DATAGRAMS.contains(&fault) && !Fault::OF_DISKS.contains(&fault) {
                draw(&mut rng, fault);
            }
        }
        let (micros, millis) = (Duration::from_micros, Duration::from_millis);
        let usual = Faults::none();
        let latency = match rng.u8(..8) {
            0..4 => usual.latency.clone(),
            4 => Duration::ZERO..micros(rng.u64(1..100)),
            5 => range(&mut rng, 1_000, 20_000),
            6 => range(&mut rng, 20_000, 200_000),
            _ => range(&mut rng, 1, 1_000_000),
        };
        let bandwidth = match rng.u8(..4) {
            0 => Some(1_000 << rng.u32(0..14)),
            _ => None,
        };
        let send = buffer(&mut rng);
        let receive = buffer(&mut rng);
        let backlog = match rng.u8(..4) {
            0 => rng.usize(1..4),
            _ => 128,
        };
        let jobs = match rng.u8(..4) {
            0 => Duration::ZERO..Duration::ZERO,
            1 => range(&mut rng, 1, 1_000_000),
            _ => millis(1)..millis(10),
        };
        for fault in Fault::OF_DATAGRAMS.into_iter().chain(Fault::OF_DISKS) {
            draw(&mut rng, fault); // last, so that the rest of a seed's mix is what it was before
        }
        faults
            .latency(latency)
            .bandwidth(bandwidth)
            .buffers(send, receive)
            .backlog(backlog)
            .job_time(jobs)
    }

    /// All of it, as a line of text: how the network differs from [`none`](Self::none), then the
    /// faults.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let usual = Faults::none();
        // Writing to a string cannot fail.
        if self.latency != usual.latency {
            let _ = write!(text, "latency {:?}, ", self.latency);
        }
        if let Some(rate) = self.bandwidth {
            let _ = write!(text, "bandwidth {rate} B/s, ");
        }
        let buffers = (self.send_buffer, self.receive_buffer);
        if buffers != (usual.send_buffer, usual.receive_buffer) {
            let _ = write!(text, "buffers {} B and {} B, ", buffers.0, buffers.1);
        }
        if self.backlog != usual.backlog {
            let _ = write!(text, "backlog {}, ", self.backlog);
        }
        if self.job_time != usual.job_time {
            let _ = write!(text, "jobs {:?}, ", self.job_time);
        }
        let _ = write!(text, "{self}");
        text
    }
}

/// The highest rate that leaves a program something to do. Each mix takes it, or a half of it, or
/// a quarter, down to a 128th.
fn wildest(fault: Fault) -> f64 {
    match fault {
        Fault::Split | Fault::Merge | Fault::ShortWrite | Fault::FullBuffer => 0.8,
        Fault::Delay | Fault::Narrow | Fault::NoDescriptors | Fault::AbortedAccept => 0.5,
        Fault::Refuse | Fault::Unanswered | Fault::Flush => 0.5,
        Fault::SlowHandler | Fault::SlowJob => 0.2,
        Fault::Loss | Fault::DiskError | Fault::DiskFull => 0.1,
        Fault::Reset | Fault::HalfOpen => 0.05,
        Fault::DatagramLoss | Fault::DatagramDouble | Fault::DatagramReorder => 0.5,
        Fault::Partition | Fault::OneWay | Fault::Pause | Fault::Crash => 6.0,
        Fault::ClockJump => 30.0,
    }
}

fn range(rng: &mut Rng, shortest: u64, longest: u64) -> Range<Duration> {
    let (one, other) = (rng.u64(shortest..longest), rng.u64(shortest..longest));
    Duration::from_micros(one.min(other))..Duration::from_micros(one.max(other))
}

fn buffer(rng: &mut Rng) -> usize {
    match rng.u8(..8) {
        0 => rng.usize(1..16),
        1 => rng.usize(16..1024),
        2 => rng.usize(1024..65536),
        3 => 1024 * 1024,
        _ => 64 * 1024,
    }
}

/// Something that a mix can be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Latency,
    Bandwidth,
    Buffers,
    Backlog,
    Jobs,
    Fault(Fault),
}

impl Part {
    pub(super) fn all() -> impl Iterator<Item = Part> {
        let network = [
            Part::Latency,
            Part::Bandwidth,
            Part::Buffers,
            Part::Backlog,
            Part::Jobs,
        ];
        // What disturbs most goes first: without it the rest is easier to follow.
        let faults = Fault::ALL.into_iter().rev().map(Part::Fault);
        faults.chain(network)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Part::Latency => "latency",
            Part::Bandwidth => "bandwidth",
            Part::Buffers => "buffers",
            Part::Backlog => "backlog",
            Part::Jobs => "jobs",
            Part::Fault(fault) => fault.name(),
        }
    }

    pub(super) fn from_name(name: &str) -> Result<Part, String> {
        Part::all().find(|part| part.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Part::all().map(Part::name).collect();
            format!(
                "SWITCHBOARD_WITHOUT: {name:?} is none of {}",
                names.join(", ")
            )
        })
    }

    pub(super) fn remove(self, faults: &mut Faults) {
        let usual = Faults::none();
        match self {
            Part::Latency => faults.latency = usual.latency,
            Part::Bandwidth => faults.bandwidth = usual.bandwidth,
            Part::Buffers => {
                faults.send_buffer = usual.send_buffer;
                faults.receive_buffer = usual.receive_buffer;
            }
            Part::Backlog => faults.backlog = usual.backlog,
            Part::Jobs => faults.job_time = usual.job_time,
            Part::Fault(fault) => faults.set(fault, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_alone_decides() {
        for seed in 0..100 {
            assert_eq!(Faults::drawn(seed), Faults::drawn(seed));
            assert_ne!(Faults::drawn(seed), Faults::drawn(seed + 1));
        }
    }

    #[test]
    fn every_fault_is_off_in_about_half_of_the_mixes() {
        for fault in Fault::ALL {
            let rates = (0..1000).map(|seed| Faults::drawn(seed).rate(fault));
            let on = rates.clone().filter(|rate| *rate > 0.0).count();
            assert!((400..550).contains(&on), "{fault} is on in {on} of 1000");
            let highest = rates.fold(0.0, f64::max);
            assert_eq!(highest, wildest(fault), "{fault}");
        }
        let calm = (0..1000).filter(|seed| Faults::drawn(*seed).active().count() == 0);
        assert!(calm.count() > 30);
    }

    #[test]
    fn a_mix_without_all_of_its_parts_is_the_usual_network() {
        for seed in 0..100 {
            let mut faults = Faults::drawn(seed);
            for part in Part::all() {
                part.remove(&mut faults);
                assert_eq!(Part::from_name(part.name()), Ok(part));
            }
            assert_eq!(faults, Faults::none());
        }
    }
}
