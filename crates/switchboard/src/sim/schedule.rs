//! What happens next: an event of the world, or the turn of a host. It must never prefer one of
//! two hosts that could run at the same moment by anything but the seed.

use std::time::Duration;

use super::dice::Purpose;
use super::host::Program;
use super::simulation::Simulation;
use super::world::MachineId;
use crate::{Error, Result, Time};

/// What a tick takes at least: a host that always has something to do cannot stop the clock.
pub(crate) const TICK: Duration = Duration::from_micros(1);

/// Steps in one call, so that a host that spins is an error and not a test that hangs.
const MAX_STEPS: u64 = 50_000_000;

pub(super) struct Running {
    pub(super) machine: MachineId,
    pub(super) program: Box<dyn Program>,
    /// When its reactor wants to run next, if nothing happens before.
    pub(super) wakes: Option<Time>,
    /// Its last tick takes until then.
    pub(super) busy_until: Time,
}

impl Simulation {
    pub(super) fn run(
        &mut self,
        until: Time,
        mut done: impl FnMut(&Simulation) -> bool,
    ) -> Result<bool> {
        for _ in 0..MAX_STEPS {
            if done(self) {
                return Ok(true);
            }
            if !self.step(until)? {
                return Ok(false);
            }
        }
        let (now, seed) = (self.now() - Time::ZERO, self.seed());
        let text = format!(
            "{MAX_STEPS} steps and no end: a host does something in every tick \
             (at {now:?}, seed {seed})"
        );
        Err(text.into())
    }

    /// The next event, or the next turn of a host. False if none is due by `until`.
    fn step(&mut self, until: Time) -> Result<bool> {
        let mut world = self.world.borrow_mut();
        world.heed_notices();
        if let Some(deed) = world.left_over.pop() {
            drop(world);
            return self.perform(deed).map(|()| true);
        }
        let mut next = None;
        let mut equals = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let machine = world.machine(host.machine);
            if !machine.up || machine.paused {
                continue;
            }
            let wakes = if machine.has_news() {
                Some(world.now)
            } else {
                host.wakes
            };
            let Some(at) = wakes.map(|at| at.max(host.busy_until).max(world.now)) else {
                continue;
            };
            if next.is_none_or(|next| at < next) {
                next = Some(at);
                equals.clear();
            }
            if next == Some(at) {
                equals.push(index);
            }
        }
        let event = world.agenda.next_at().filter(|at| *at <= until);
        match next.filter(|at| *at <= until) {
            Some(at) if event.is_none_or(|event| at < event) => {
                let chosen = match equals.len() {
                    1 => 0,
                    several => world.dice.of(Purpose::Order).usize(0..several),
                };
                world.now = at;
                drop(world);
                self.turn(equals[chosen])?;
                Ok(true)
            }
            _ => {
                let Some(deed) = world.step(until) else {
                    return Ok(false);
                };
                drop(world);
                deed.map_or(Ok(()), |deed| self.perform(deed))?;
                Ok(true)
            }
        }
    }

    fn turn(&mut self, index: usize) -> Result {
        let host = &mut self.hosts[index];
        let outcome = host.program.turn();
        let now = self.world.borrow().now;
        host.wakes = host.program.next_timeout().map(|after| now + after);
        let slow = self.world.borrow_mut().slowness(host.machine);
        host.busy_until = now + TICK + slow;
        outcome.map_err(|error| self.failure(index, &error))
    }

    pub(super) fn failure(&self, index: usize, error: &Error) -> Error {
        let world = self.world.borrow();
        let name = &world.machine(self.hosts[index].machine).name;
        let (now, seed) = (world.now - Time::ZERO, world.dice.seed());
        Error::from(format!(
            "host {name} failed at {now:?} (seed {seed}): {error}"
        ))
    }
}
