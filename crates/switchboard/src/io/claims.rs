//! What the sources of this process want of its signals: that a second one ends the process, if the
//! first was to end the loop, and that the default action comes back afterwards.
//! It must never run code of ours in a signal handler: `signal-hook` does there what is left to do.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::{SigId, flag, low_level};

/// The signals of one source.
pub(super) struct Claims {
    signals: Vec<i32>,
    /// What is done in the signal handler.
    actions: Vec<SigId>,
}

impl Claims {
    /// With `is_forcing`, the second of the signals does what it does by default, and so does each
    /// of them when no source catches it any more.
    pub(super) fn new(signals: &[i32], is_forcing: bool) -> io::Result<Claims> {
        let mut claims = Claims {
            signals: Vec::new(),
            actions: Vec::new(),
        };
        let has_come = Arc::new(AtomicBool::new(false));
        for signal in signals {
            claims.signals.push(*signal);
            begin_use(*signal, is_forcing)?;
            if is_forcing {
                // In this order: at the first one, the condition does not hold yet.
                let ends = flag::register_conditional_default(*signal, Arc::clone(&has_come))?;
                claims.actions.push(ends);
                let comes = flag::register(*signal, Arc::clone(&has_come))?;
                claims.actions.push(comes);
            }
        }
        Ok(claims)
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        for action in self.actions.drain(..) {
            low_level::unregister(action);
        }
        for signal in self.signals.drain(..) {
            end_use(signal);
        }
    }
}

/// Who catches one signal.
#[derive(Default)]
struct Uses {
    count: usize,
    /// Under this condition it does what it does by default, if that was ever asked for. (It is
    /// not put back to that: others may have set something else meanwhile.)
    is_unused: Arc<AtomicBool>,
    has_default: bool,
}

fn uses() -> MutexGuard<'static, BTreeMap<i32, Uses>> {
    static USES: Mutex<BTreeMap<i32, Uses>> = Mutex::new(BTreeMap::new());
    USES.lock().unwrap_or_else(PoisonError::into_inner) // no step leaves it half done
}

fn begin_use(signal: i32, is_forcing: bool) -> io::Result<()> {
    let mut uses = uses();
    let uses = uses.entry(signal).or_default();
    uses.count += 1;
    uses.is_unused.store(false, Ordering::SeqCst);
    if is_forcing && !uses.has_default {
        flag::register_conditional_default(signal, Arc::clone(&uses.is_unused))?;
        uses.has_default = true;
    }
    Ok(())
}

fn end_use(signal: i32) {
    if let Some(uses) = uses().get_mut(&signal) {
        uses.count -= 1;
        uses.is_unused.store(uses.count == 0, Ordering::SeqCst);
    }
}
