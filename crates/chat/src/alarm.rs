//! One timer for a deadline that moves.
//!
//! It must never start a timer for a deadline that moved back: most deadlines move with every
//! message, and an alarm that rings too early only has its owner look and arm it again.

use switchboard::{Context, Result, Time, TimerId};

/// The timer of one source, if one is running, and when it fires.
#[derive(Debug, Default)]
pub struct Alarm {
    running: Option<(u64, TimerId)>,
}

impl Alarm {
    /// Has `handle_timer` called at `deadline_ns` (of the reactor's clock), or before.
    ///
    /// # Errors
    /// Those of [`Context::set_timer`].
    pub fn arm<S>(&mut self, cx: &mut Context<'_, S>, deadline_ns: Option<u64>) -> Result {
        let Some(deadline_ns) = deadline_ns else {
            return Ok(());
        };
        if let Some((earlier_ns, timer)) = self.running {
            if earlier_ns <= deadline_ns {
                return Ok(());
            }
            cx.cancel_timer(timer);
        }
        let timer = cx.set_timer(Time::from_nanos(deadline_ns) - cx.now())?;
        self.running = Some((deadline_ns, timer));
        Ok(())
    }

    /// A timer of the source has fired: call this first in `handle_timer`.
    pub fn fired(&mut self, timer: TimerId) {
        self.running.take_if(|(_, running)| *running == timer);
    }
}
