//! What is seen of a replay from outside: how far it is, and how it has ended.
//! It must never be waited for: any thread looks when it likes.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use crate::replay::{Divergence, ReplayEnd};
use crate::{Error, Result};

/// What the program that replays can see of it from outside.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) ticks: AtomicU64,
    pub(crate) time: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) outcome: Mutex<Option<Outcome>>,
}

/// How a replay has ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Same(ReplayEnd),
    Diverged(Divergence),
    Unusable(String),
}

impl Outcome {
    pub(crate) fn into_result(self) -> Result<ReplayEnd> {
        match self {
            Outcome::Same(end) => Ok(end),
            Outcome::Diverged(divergence) => Err(Error::Diverged(Box::new(divergence))),
            Outcome::Unusable(why) => Err(Error::Recording(why)),
        }
    }
}
