//! Messages to rooms, all servers in turn: what a delivery costs, how long it takes.
//!
//! Must never let two servers work at the same time.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::chat::clients::Clients;
use crate::chat::dialect::MARK;
use crate::chat::peers::{Peer, Running};
use crate::chat::plan::Plan;
use crate::chat::protocol::{Few, Offer, Slice};
use crate::chat::rooms::Latencies;
use crate::cores::Cores;
use crate::progress::Progress;
use crate::statistics::{Estimate, median};
use crate::syscalls::{self, Syscalls};
use crate::{interrupt, process};

/// Until all are in their rooms.
const GATHER_LIMIT: Duration = Duration::from_secs(40);

/// Rooms, and what is offered at a fixed rate.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What `--scenario` takes.
    pub name: &'static str,
    /// What the report says.
    pub title: &'static str,
    /// How many.
    pub rooms: usize,
    /// Who listens in each.
    pub members: usize,
    /// Messages a second of the slices at a fixed rate: within what the slowest peer can do.
    pub per_second: u32,
}

/// As the goals name them.
pub const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "one-room",
        title: "One room of 1,000",
        rooms: 1,
        members: 1000,
        per_second: 100,
    },
    Scenario {
        name: "hundred-rooms",
        title: "100 rooms of 50",
        rooms: 100,
        members: 50,
        per_second: 400,
    },
];

/// Messages that the sender has on the way in all rooms together, if nobody says otherwise.
pub const WINDOW: usize = 16;

/// What the runs share.
pub struct Setting<'a> {
    /// Their extent.
    pub plan: Plan,
    /// Their cores.
    pub cores: Cores,
    /// Where servers and traces write.
    pub scratch: &'a Path,
    /// Why strace cannot be used, if so.
    pub strace: Result<(), String>,
    /// Messages that the sender has on the way in all rooms together.
    pub window: usize,
}

/// What slices of one kind showed.
#[derive(Default)]
struct Series {
    /// Deliveries per second of the server's CPU, of each round's two slices together.
    efficiency: Vec<f64>,
    rate: Vec<f64>,
    server_share: Vec<f64>,
    load_share: Vec<f64>,
    /// For each server of ours its efficiency by this one's, in the same round.
    ours_by_it: Vec<(&'static str, Vec<f64>)>,
}

/// What one peer has shown so far, over all sittings.
struct Tally {
    fast: Series,
    paced: Series,
    latencies: [Latencies; 2],
    syscalls: Option<Result<Syscalls, String>>,
}

/// The figures of slices of one kind.
pub struct Summary {
    /// Deliveries per second of the server's CPU.
    pub efficiency: Estimate,
    /// Deliveries a second.
    pub rate: f64,
    /// The part of its core that the server took.
    pub server_share: f64,
    /// The part of theirs that the clients took.
    pub load_share: f64,
    /// In nanoseconds, at p50 and p99.
    pub delivery: [u64; 2],
    /// The same of receipts, if there were any.
    pub receipt: Option<[u64; 2]>,
    /// For each server of ours how many times as many deliveries it makes per second of CPU.
    pub ours_by_it: Vec<(&'static str, Estimate)>,
}

/// One peer's line of the report.
pub struct Row {
    /// Whose.
    pub peer: Peer,
    /// As fast as the window allows.
    pub fast: Summary,
    /// At the fixed rate.
    pub paced: Summary,
    /// Per delivery, or why they were not counted.
    pub syscalls: Result<Syscalls, String>,
}

/// What came of a scenario.
pub struct Outcome {
    /// Which.
    pub scenario: Scenario,
    /// Those that came through.
    pub rows: Vec<Row>,
    /// Those that did not, and why.
    pub failures: Vec<(&'static str, String)>,
}

/// A server with its clients in their rooms.
struct Station {
    running: Running,
    clients: Clients,
}

impl Station {
    fn open(peer: &Peer, scenario: &Scenario, setting: &Setting<'_>) -> Result<Self> {
        let running = peer.start(setting.cores.server, setting.scratch, false)?;
        let clients = Clients::start(
            peer.name,
            setting.cores.load,
            running.address,
            peer.dialect,
            scenario.rooms,
            scenario.members,
        )?;
        let mut station = Self { running, clients };
        station
            .gather(peer, scenario, setting)
            .map_err(|error| station.running.ending().unwrap_or(error))?;
        Ok(station)
    }

    fn gather(&mut self, peer: &Peer, scenario: &Scenario, setting: &Setting<'_>) -> Result<()> {
        let all = Few {
            count: scenario.rooms * scenario.members + 1,
            at_once: peer.at_once,
            limit_millis: u64::try_from(GATHER_LIMIT.as_millis())?,
        };
        let (joined, _) = self.clients.join(all)?;
        ensure!(
            joined == all.count,
            "{joined} of {} clients were in their rooms after {GATHER_LIMIT:?}",
            all.count
        );
        self.clients.mark(MARK)?;
        let warm_up = offer(scenario, setting, setting.plan.warm_up_millis, false, false);
        self.clients.run(warm_up).map(drop)
    }

    /// What it showed, and the server's CPU in nanoseconds.
    fn slice(
        &mut self,
        scenario: &Scenario,
        setting: &Setting<'_>,
        paced: bool,
    ) -> Result<(Slice, u64)> {
        let plan = &setting.plan;
        interrupt::check()?;
        self.clients
            .run(offer(scenario, setting, plan.lead_in_millis, paced, false))?;
        let before = process::cpu_nanos(self.running.pid())?;
        let slice = self
            .clients
            .run(offer(scenario, setting, plan.slice_millis, paced, true))
            .map_err(|error| self.running.ending().unwrap_or(error))?;
        let spent = process::cpu_nanos(self.running.pid())? - before;
        ensure!(spent > 0, "the kernel accounted no time to the server");
        Ok((slice, spent))
    }

    fn close(
        mut self,
        tally: &mut Tally,
        scenario: &Scenario,
        setting: &Setting<'_>,
    ) -> Result<()> {
        let [fast, paced] = &mut tally.latencies;
        self.clients.add_latencies(false, fast)?;
        self.clients.add_latencies(true, paced)?;
        if tally.syscalls.is_none() {
            let counted = setting.strace.clone().and_then(|()| {
                let load = offer(scenario, setting, setting.plan.strace_millis, false, false);
                let pid = self.running.pid();
                syscalls::count(pid, setting.cores.load, setting.scratch, || {
                    Ok(self.clients.run(load)?.deliveries)
                })
                .map_err(|error| format!("{error:#}"))
            });
            tally.syscalls = Some(counted);
        }
        Ok(())
    }
}

fn offer(
    scenario: &Scenario,
    setting: &Setting<'_>,
    millis: u64,
    paced: bool,
    counts: bool,
) -> Offer {
    Offer {
        millis,
        window: setting.window,
        per_second: paced.then_some(scenario.per_second),
        asks_receipts: paced,
        counts,
    }
}

/// Runs a scenario until it is done or `deadline` has come.
pub fn run(
    scenario: Scenario,
    peers: &[Peer],
    setting: &Setting<'_>,
    deadline: Instant,
    progress: &Progress,
) -> Result<Outcome> {
    let mut failures = vec![];
    let mut tallies = vec![];
    for _ in peers {
        tallies.push(Tally {
            fast: Series::default(),
            paced: Series::default(),
            latencies: [Latencies::new()?, Latencies::new()?],
            syscalls: None,
        });
    }
    for sitting in 0..setting.plan.sittings {
        if sitting > 0 && Instant::now() >= deadline {
            break;
        }
        let mut sitting_of = Sitting {
            scenario,
            peers,
            setting,
            stations: vec![],
            failures: &mut failures,
        };
        sitting_of.open(progress)?;
        for round in 0..setting.plan.rounds {
            if round > 0 && Instant::now() >= deadline {
                break;
            }
            progress.say(&format!("sitting {}, round {}", sitting + 1, round + 1));
            for paced in [false, true] {
                sitting_of.round(&mut tallies, round, paced)?;
            }
        }
        sitting_of.close(&mut tallies);
    }
    let rows = peers.iter().zip(tallies).filter_map(|(peer, tally)| {
        let failed = failures.iter().any(|(name, _)| *name == peer.name);
        (!failed).then(|| tally.into_row(peer))
    });
    let rows = rows.collect::<Result<_>>()?;
    Ok(Outcome {
        scenario,
        rows,
        failures,
    })
}

/// All servers from their start to their end.
struct Sitting<'a> {
    scenario: Scenario,
    peers: &'a [Peer],
    setting: &'a Setting<'a>,
    /// One for each peer, unless it has failed.
    stations: Vec<Option<Station>>,
    failures: &'a mut Vec<(&'static str, String)>,
}

impl Sitting<'_> {
    fn open(&mut self, progress: &Progress) -> Result<()> {
        for peer in self.peers {
            progress.say(&format!("{} gathers its clients", peer.name));
            let has_failed = self.failures.iter().any(|(name, _)| *name == peer.name);
            let opened = match has_failed {
                true => None,
                false => Some(Station::open(peer, &self.scenario, self.setting)),
            };
            interrupt::check()?;
            let station = match opened {
                Some(Ok(station)) => Some(station),
                Some(Err(error)) => self.fail(peer, &error),
                None => None,
            };
            self.stations.push(station);
        }
        Ok(())
    }

    fn fail(&mut self, peer: &Peer, error: &anyhow::Error) -> Option<Station> {
        self.failures.push((peer.name, format!("{error:#}")));
        None
    }

    /// Two slices of each peer: the others, ours, ours, the others backwards, so that what drifts
    /// evenly meets all alike.
    fn round(&mut self, tallies: &mut [Tally], round: usize, paced: bool) -> Result<()> {
        let is_ours = |index: &usize| self.peers[*index].is_ours();
        let (ours, mut order): (Vec<usize>, Vec<usize>) =
            (0..self.peers.len()).partition(|index| is_ours(index));
        let turn = round % order.len().max(1);
        order.rotate_left(turn);
        order.extend(&ours);
        let mut seen: Vec<Vec<(Slice, u64)>> = vec![vec![]; self.peers.len()];
        for index in order.iter().chain(order.iter().rev()) {
            let Some(station) = &mut self.stations[*index] else {
                continue;
            };
            match station.slice(&self.scenario, self.setting, paced) {
                Ok(slice) => seen[*index].push(slice),
                Err(error) => {
                    interrupt::check()?;
                    self.stations[*index] = self.fail(&self.peers[*index], &error);
                }
            }
        }
        let efficiencies: Vec<Option<f64>> = seen
            .iter()
            .map(|slices| (slices.len() == 2).then(|| efficiency(slices)))
            .collect();
        for (index, tally) in tallies.iter_mut().enumerate() {
            let Some(own) = efficiencies[index] else {
                continue;
            };
            let series = match paced {
                true => &mut tally.paced,
                false => &mut tally.fast,
            };
            series.add(own, &seen[index]);
            for one in &ours {
                if let Some(of_ours) = efficiencies[*one] {
                    series.pair(self.peers[*one].name, of_ours / own);
                }
            }
        }
        Ok(())
    }

    fn close(self, tallies: &mut [Tally]) {
        for ((peer, station), tally) in self.peers.iter().zip(self.stations).zip(tallies) {
            if let Some(station) = station
                && let Err(error) = station.close(tally, &self.scenario, self.setting)
            {
                self.failures.push((peer.name, format!("{error:#}")));
            }
        }
    }
}

fn efficiency(slices: &[(Slice, u64)]) -> f64 {
    let deliveries: u64 = slices.iter().map(|(slice, _)| slice.deliveries).sum();
    let spent: u64 = slices.iter().map(|(_, spent)| spent).sum();
    deliveries as f64 * 1e9 / spent as f64
}

impl Series {
    fn add(&mut self, efficiency: f64, slices: &[(Slice, u64)]) {
        self.efficiency.push(efficiency);
        for (slice, spent) in slices {
            let elapsed = slice.elapsed_nanos as f64;
            self.rate.push(slice.deliveries as f64 * 1e9 / elapsed);
            self.server_share.push(*spent as f64 / elapsed);
            self.load_share.push(slice.load_nanos as f64 / elapsed);
        }
    }

    fn pair(&mut self, ours: &'static str, ratio: f64) {
        match self.ours_by_it.iter_mut().find(|(name, _)| *name == ours) {
            Some((_, ratios)) => ratios.push(ratio),
            None => self.ours_by_it.push((ours, vec![ratio])),
        }
    }

    fn summary(&self, latencies: &Latencies) -> Result<Summary> {
        let middle = |samples: &[f64]| median(samples).context("it had no slice");
        let at = |of: &hdrhistogram::Histogram<u64>| [0.5, 0.99].map(|q| of.value_at_quantile(q));
        let ratios = self.ours_by_it.iter();
        Ok(Summary {
            efficiency: Estimate::of(&self.efficiency).context("it had no round")?,
            rate: middle(&self.rate)?,
            server_share: middle(&self.server_share)?,
            load_share: middle(&self.load_share)?,
            delivery: at(&latencies.delivery),
            receipt: (!latencies.receipt.is_empty()).then(|| at(&latencies.receipt)),
            ours_by_it: ratios
                .filter_map(|(name, ratios)| Some((*name, Estimate::of(ratios)?)))
                .collect(),
        })
    }
}

impl Tally {
    fn into_row(self, peer: &Peer) -> Result<Row> {
        let [fast, paced] = &self.latencies;
        let not_reached = || Err("the scenario ended before".to_owned());
        Ok(Row {
            peer: peer.clone(),
            fast: self.fast.summary(fast)?,
            paced: self.paced.summary(paced)?,
            syscalls: self.syscalls.unwrap_or_else(not_reached),
        })
    }
}
