//! One run of a scenario, and what came of it. It must never let a panic of the scenario out of it,
//! nor print it in a swarm's threads: one that shrinks would print dozens.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

use super::{Counts, Faults, Simulation};
use crate::Result;
use crate::guard::guard;

pub(super) struct Attempt {
    /// `None` if it went well.
    pub(super) error: Option<String>,
    /// Empty if nobody wants to read it.
    pub(super) story: String,
    pub(super) hash: u128,
    pub(super) counts: Counts,
}

thread_local! {
    /// Panics of this thread are the scenario's.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// Where the last one of them was.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics of this thread noted instead of printed, until it ends.
pub(super) fn keep_panics_quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // In a thread that ends it may be gone already.
            if QUIET.try_with(Cell::get) == Ok(true) {
                let place = info.location().map(ToString::to_string);
                PLACE.with(|last| *last.borrow_mut() = place);
            } else {
                before(info);
            }
        }));
    });
    QUIET.set(true);
}

/// Which runs are to be told about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    All,
    Failures,
}

impl Attempt {
    pub(super) fn new(
        seed: u64,
        faults: &Faults,
        scenario: impl Fn(&mut Simulation) -> Result,
        tell: Tell,
    ) -> Attempt {
        PLACE.take();
        let mut sim = Simulation::new(seed);
        sim.faults(faults.clone());
        let error = match guard(|| scenario(&mut sim)) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(message) => Some(format!("panicked: {message}")),
        };
        let (hash, counts) = (sim.log_hash(), sim.counts());
        let story = match error.is_some() || tell == Tell::All {
            true => sim.story(),
            false => String::new(),
        };
        // Its reactors end here, with calls of the scenario's code.
        let ended = guard(move || drop(sim));
        let error = error.or(ended
            .err()
            .map(|message| format!("panicked at the end: {message}")));
        let place = PLACE
            .take()
            .map_or(String::new(), |place| format!("\n(a panic at {place})"));
        Attempt {
            error: error.map(|error| error + &place),
            story,
            hash,
            counts,
        }
    }
}
