//! Where the library cannot hand sockets over: a server ends before the next one starts.
//! It must never do as if.

use switchboard::{Listener, Reactor};

use super::Server;
use crate::cli::{Entrance, ServeArgs};

/// As on Linux, of nothing.
pub(super) struct Handover;

impl Handover {
    pub(super) fn begin(args: &ServeArgs) -> Result<Handover, String> {
        match args.take_over {
            true => Err("--take-over works on Linux only: end the other server first".to_owned()),
            false => Ok(Handover),
        }
    }

    pub(super) fn takes_over(&self) -> bool {
        false
    }

    pub(super) fn take(&mut self, _: &Entrance) -> Option<Listener> {
        None
    }

    pub(super) fn offer(&mut self, _: &ServeArgs, _: &[Listener]) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn complete(self, _: &mut Reactor<Server>) -> Result<(), String> {
        Ok(())
    }
}

/// As on Linux, of nothing.
#[derive(Debug, Clone)]
pub(super) struct Start;

impl Start {
    pub(super) fn of_this_process() -> Option<Start> {
        None
    }

    pub(super) fn again(&self) {}
}
