//! A program in the simulation: a reactor, the state of its handlers, and how both are made again
//! after a crash. It must never run code of a host that has lost its power.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::world::{MachineId, Shared};
use crate::driver::{Driver, Simulated};
use crate::{Builder, Reactor, Result};

/// Names a host of a simulation, and knows the type of its state.
pub struct Host<S: 'static> {
    id: HostId,
    state: PhantomData<fn() -> S>,
}

impl<S: 'static> Host<S> {
    pub(crate) fn new(machine: MachineId) -> Host<S> {
        Host {
            id: HostId(machine),
            state: PhantomData,
        }
    }

    /// The host without the type of its state.
    pub fn id(self) -> HostId {
        self.id
    }
}

impl<S: 'static> Clone for Host<S> {
    fn clone(&self) -> Host<S> {
        *self
    }
}

impl<S: 'static> Copy for Host<S> {}

impl<S: 'static> fmt::Debug for Host<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// Names a host of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) MachineId);

impl<S: 'static> From<Host<S>> for HostId {
    fn from(host: Host<S>) -> HostId {
        host.id
    }
}

/// A host whatever its state.
pub(crate) trait Program {
    fn start(&mut self, world: &Shared) -> Result;
    fn turn(&mut self) -> Result;
    fn next_timeout(&self) -> Option<Duration>;
    /// Forgets the reactor and its state; nobody is told.
    fn power_off(&mut self);
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// Sets a new reactor up.
type Boot<S> = Box<dyn FnMut(&mut Reactor<S>) -> Result>;

pub(crate) struct ProgramOf<S: 'static> {
    pub(crate) machine: MachineId,
    pub(crate) builder: Builder,
    pub(crate) state: Box<dyn FnMut() -> S>,
    pub(crate) boot: Boot<S>,
    /// `None` while it is down.
    pub(crate) reactor: Option<Reactor<S>>,
}

impl<S: 'static> Program for ProgramOf<S> {
    fn start(&mut self, world: &Shared) -> Result {
        let seed = world.borrow_mut().start(self.machine);
        let driver = Driver::Simulated(Simulated::new(world.clone(), self.machine, false)?);
        let config = self.builder.clone().simulated(seed)?;
        let mut reactor = Reactor::with_driver(config, (self.state)(), driver);
        let outcome = (self.boot)(&mut reactor);
        self.reactor = Some(reactor);
        outcome
    }

    fn turn(&mut self) -> Result {
        match &mut self.reactor {
            Some(reactor) => reactor.turn(Some(Duration::ZERO)),
            None => Ok(()),
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.reactor.as_ref()?.next_timeout()
    }

    fn power_off(&mut self) {
        if let Some(reactor) = self.reactor.take() {
            reactor.abandon();
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
