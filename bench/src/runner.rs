//! One scenario: the servers are visited in turn, each peer between two visits
//! to the yardstick (and to those it stands beside), in several sittings with new servers.
//!
//! Must never let two servers work at the same time.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::interrupt;
use crate::peers::{Peer, YARDSTICK};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::scenario::Scenario;
use crate::station::{Row, Setting, Station, Tally, Visit};

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
    let peers: Vec<&Peer> = peers.iter().filter(|p| p.takes_part(&scenario)).collect();
    let mut tallies: Vec<Tally> = peers.iter().map(|p| Tally::new(p)).collect::<Result<_>>()?;
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
            let mut nests = nests(others);
            if !nests.is_empty() {
                // So that no peer always follows the same one.
                let count = nests.len();
                nests.rotate_left(round % count);
            }
            for nest in nests {
                let visits = self.visit(others, &nest)?;
                let after = yardstick.visit(plan)?;
                if let Some(visits) = visits {
                    pair(others, &nest, &visits, [before, after], round);
                }
                before = after;
            }
        }
        Ok(())
    }

    /// Visits a nest; nothing if one of its peers broke, which is then left out.
    fn visit(&mut self, others: &mut Vec<Station>, nest: &[String]) -> Result<Option<Vec<Visit>>> {
        let mut visits = vec![];
        for name in there_and_back(nest) {
            let Some(index) = others.iter().position(|station| station.name() == name) else {
                return Ok(None);
            };
            match others[index].visit(&self.setting.plan) {
                Ok(visit) => visits.push(visit),
                Err(error) => {
                    let broken = others.remove(index);
                    self.fail(broken.name(), &error)?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(visits))
    }

    /// Notes a peer's failure; Ctrl-C is not one.
    fn fail(&mut self, peer: &str, error: &anyhow::Error) -> Result<()> {
        interrupt::check()?;
        self.failures.push((peer.to_owned(), format!("{error:#}")));
        Ok(())
    }
}

/// The peers of a round, each with those that it stands beside around it: `[X]`, or `[A, B, X]`,
/// which is visited as A, B, X, B, A. A peer that stands around another has no visits of its own,
/// unless others stand around it, too.
fn nests(stations: &[Station]) -> Vec<Vec<String>> {
    let present = |name: &str| stations.iter().any(|station| station.name() == name);
    let around = |name: &str| stations.iter().any(|s| s.beside().contains(&name));
    let inner = stations
        .iter()
        .filter(|s| !around(s.name()) || s.beside().iter().any(|name| present(name)));
    inner
        .map(|station| {
            let beside = station.beside().iter().filter(|name| present(name));
            let names = beside.copied().chain([station.name()]);
            names.map(str::to_owned).collect()
        })
        .collect()
}

/// A, B, X, B, A
fn there_and_back(nest: &[String]) -> impl Iterator<Item = &str> {
    nest.iter()
        .chain(nest.iter().rev().skip(1))
        .map(String::as_str)
}

/// Enters the visits of a nest: each peer by the yardstick around all of it, the inner one by
/// each of those around it as well. Whatever drifts evenly meets both sides of each ratio alike.
fn pair(
    stations: &mut [Station],
    nest: &[String],
    visits: &[Visit],
    yardstick: [Visit; 2],
    round: usize,
) {
    let [before, after] = yardstick;
    let inner = nest.len() - 1;
    for station in stations {
        let Some(place) = nest.iter().position(|name| name == station.name()) else {
            continue;
        };
        // One of its two visits, by turns: both would count the same yardstick twice.
        let back = visits.len() - 1 - place;
        let own = visits[[place, back][round % 2]];
        station.pair(own, YARDSTICK, before, after);
        if place == inner {
            for (other, name) in nest[..inner].iter().enumerate() {
                let back = visits.len() - 1 - other;
                station.pair(own, name, visits[other], visits[back]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::there_and_back;

    #[test]
    fn a_nest_is_walked_in_and_out_again() {
        let walk = |names: &[&str]| {
            let nest: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            there_and_back(&nest).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(walk(&["X"]), "X");
        assert_eq!(walk(&["A", "B", "X"]), "A B X B A");
    }
}
