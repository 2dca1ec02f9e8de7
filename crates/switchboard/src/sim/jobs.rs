//! The jobs of simulated machines, which take virtual time: any number at once, but one of each
//! serial lane. It must never run one while the world is borrowed, nor one of a machine that has
//! lost its power.

use std::collections::VecDeque;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::dice::{self, Purpose};
use super::faults::Fault;
use super::world::{Event, MachineId, Shared, World};
use crate::offload::{Job, Outcome};
use crate::{Lane, Token};

impl World {
    pub(crate) fn offload(&mut self, machine: MachineId, token: Token, job: Job) {
        if let Some(on) = &job.lane {
            match self.machine_mut(machine).lanes.entry(on.lane) {
                Entry::Occupied(mut busy) => return busy.get_mut().push_back((token, job)),
                Entry::Vacant(free) => drop(free.insert(VecDeque::new())),
            }
        }
        self.begin_job(machine, token, job);
    }

    fn begin_job(&mut self, machine: MachineId, token: Token, job: Job) {
        let mut delay = self.job_time(machine);
        if self.strikes(Fault::SlowJob, machine) {
            let range = Duration::ZERO..Duration::from_secs(5);
            delay += dice::duration(self.dice.of_fault(Fault::SlowJob), &range);
        }
        let boot = self.machine(machine).boot;
        let event = Event::Job {
            machine,
            boot,
            token,
            job,
        };
        self.after(delay, event);
    }

    pub(super) fn job_time(&mut self, machine: MachineId) -> Duration {
        let range = self.faults_of(machine).job_time.clone();
        dice::duration(self.dice.of(Purpose::Jobs), &range)
    }

    /// A job of the lane has ended: the next one begins.
    fn go_on(&mut self, machine: MachineId, lane: Lane) {
        let lanes = &mut self.machine_mut(machine).lanes;
        match lanes.get_mut(&lane).and_then(VecDeque::pop_front) {
            Some((token, job)) => self.begin_job(machine, token, job),
            None => drop(lanes.remove(&lane)),
        }
    }

    /// The reactor of a machine has gone, unless that has another one already: what its lanes have
    /// not begun is given back.
    pub(crate) fn end_lanes(&mut self, machine: MachineId, boot: u32) -> Vec<(Token, Job)> {
        if !self.is_current(machine, boot) {
            return Vec::new();
        }
        let lanes = std::mem::take(&mut self.machine_mut(machine).lanes);
        lanes.into_values().flatten().collect()
    }
}

pub(super) fn run_job(shared: &Shared, machine: MachineId, boot: u32, token: Token, job: Job) {
    let lane = job.lane.as_ref().map(|on| on.lane);
    let done = Box::new(job.perform());
    let mut world = shared.borrow_mut();
    world.heed_notices();
    // The job may have taken its own machine down.
    if world.is_current(machine, boot) {
        let outcome = Outcome::Done(done);
        let results = &mut world.machine_mut(machine).results;
        results.push_back((token, outcome));
        if let Some(lane) = lane {
            world.go_on(machine, lane);
        }
    }
}
