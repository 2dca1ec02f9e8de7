//! The jobs of a simulated machine's reactor. It must never begin one when the reactor is gone.

use std::io;

use super::Simulated;
use crate::Token;
use crate::guard::guard;
use crate::offload::Job;

impl Simulated {
    pub(crate) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.offload(self.machine, token, job);
        Ok(())
    }
}

/// What waits on a lane goes; a job that runs ends in its time.
impl Drop for Simulated {
    fn drop(&mut self) {
        let Ok(mut world) = self.world.try_borrow_mut() else {
            return; // something in the world has panicked
        };
        let waiting = world.end_lanes(self.machine, self.boot);
        drop(world);
        for job in waiting {
            let _ = guard(move || drop(job)); // what it holds may panic; that ends nothing
        }
    }
}
