//! How fast the ticks of a replay follow each other, if not as fast as can be.
//! It must never sleep: it says for how long.

use std::time::{Duration, Instant};

use crate::Time;

pub(super) struct Pace {
    speed: f64,
    /// When the first tick began, here and in the recording.
    start: Option<(Instant, Time)>,
}

impl Pace {
    pub(super) fn new(speed: f64) -> Pace {
        Pace { speed, start: None }
    }

    /// How long it is until a tick of the recording is due.
    pub(super) fn left(&mut self, tick: Time) -> Duration {
        let (began, first) = *self.start.get_or_insert_with(|| (Instant::now(), tick));
        let after = (tick - first).as_secs_f64() / self.speed;
        // So slow that it would take for ever: as long as can be said.
        let after = Duration::try_from_secs_f64(after).unwrap_or(Duration::MAX);
        after.saturating_sub(began.elapsed())
    }
}
