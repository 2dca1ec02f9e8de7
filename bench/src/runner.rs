//! One scenario: the servers are visited in turn, each peer between two visits
//! to the yardstick, in several sittings with new servers.
//!
//! Must never let two servers work at the same time.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::interrupt;
use crate::peers::{Peer, YARDSTICK};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::scenario::Scenario;
use crate::station::{Row, Setting, Station, Tally};

/// What a scenario showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which one.
    pub scenario: Scenario,
    /// The yardstick first.
    pub rows: Vec<Row>,
    /// Peers that broke, with the reason.
    pub failures: Vec<(String, String)>,
}

/// A scenario that is being run.
struct Run<'a> {
    setting: &'a Setting<'a>,
    scenario: Scenario,
    deadline: Instant,
    progress: &'a Progress,
    failures: Vec<(String, String)>,
}

/// Runs one scenario. The first peer is the yardstick; if it fails, so does the scenario.
pub fn run(
    scenario: Scenario,
    peers: &[Peer],
    setting: &Setting<'_>,
    deadline: Instant,
    progress: &Progress,
) -> Result<Outcome> {
    let mut run = Run {
        setting,
        scenario,
        deadline,
        progress,
        failures: vec![],
    };
    let mut tallies: Vec<Tally> = peers.iter().map(Tally::new).collect::<Result<_>>()?;
    for sitting in 0..setting.plan.sittings {
        if sitting > 0 && Instant::now() > deadline {
            progress.note(&format!("out of time after {sitting} sittings"));
            break;
        }
        tallies = run.sit(tallies, sitting)?;
        // The rounds have rotated them.
        tallies.sort_by_key(|tally| peers.iter().position(|peer| peer.name == tally.peer.name));
    }
    let rows = tallies.into_iter().map(Tally::into_row);
    Ok(Outcome {
        scenario,
        rows: rows.collect::<Result<_>>()?,
        failures: run.failures,
    })
}

impl Run<'_> {
    /// Starts all servers, visits them in turn, and ends them.
    fn sit(&mut self, tallies: Vec<Tally>, sitting: usize) -> Result<Vec<Tally>> {
        let mut stations = vec![];
        for tally in tallies {
            let peer = tally.peer.name.clone();
            self.progress.say(&format!("starting {peer}"));
            match Station::open(tally, &self.scenario, self.setting) {
                Ok(station) => stations.push(station),
                Err(error) => self.fail(&peer, &error)?,
            }
        }
        ensure!(
            stations.first().is_some_and(|s| s.name() == YARDSTICK),
            "the yardstick failed: {:?}",
            self.failures
        );
        let mut yardstick = stations.remove(0);
        self.compare(&mut yardstick, &mut stations, sitting)?;
        let mut tallies = vec![];
        for station in std::iter::once(yardstick).chain(stations) {
            let peer = station.name().to_owned();
            self.progress.say(&format!("ending {peer}"));
            match station.close(self.setting) {
                Ok(tally) => tallies.push(tally),
                Err(error) => self.fail(&peer, &error)?,
            }
        }
        Ok(tallies)
    }

    /// The rounds: yardstick, X, yardstick, Y, yardstick …
    fn compare(
        &mut self,
        yardstick: &mut Station,
        others: &mut Vec<Station>,
        sitting: usize,
    ) -> Result<()> {
        let plan: &Plan = &self.setting.plan;
        let mut before = yardstick.visit(plan)?;
        for round in 0..plan.rounds {
            // One round at least, so that every peer has its figures.
            if round > 0 && Instant::now() > self.deadline {
                self.progress
                    .note(&format!("out of time after {round} rounds of a sitting"));
                break;
            }
            let done = sitting * plan.rounds + round + 1;
            let all = plan.sittings * plan.rounds;
            self.progress.say(&format!("round {done} of {all}"));
            let mut index = 0;
            while index < others.len() {
                let own = others[index].visit(plan);
                let after = yardstick.visit(plan)?;
                match own {
                    Ok(own) => {
                        others[index].pair(own, before, after);
                        index += 1;
                    }
                    Err(error) => {
                        let broken = others.remove(index);
                        self.fail(broken.name(), &error)?;
                    }
                }
                before = after;
            }
            // So that no peer always follows the same one.
            if !others.is_empty() {
                others.rotate_left(1);
            }
        }
        Ok(())
    }

    /// Notes a peer's failure; Ctrl-C is not one.
    fn fail(&mut self, peer: &str, error: &anyhow::Error) -> Result<()> {
        interrupt::check()?;
        self.failures.push((peer.to_owned(), format!("{error:#}")));
        Ok(())
    }
}
