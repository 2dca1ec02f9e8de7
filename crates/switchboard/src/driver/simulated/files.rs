//! The files of a simulated machine: each thing asked is a job of it, on its disk and in virtual
//! time. It must never touch a file of the system that the simulation runs on.

use super::Simulated;
use crate::driver::Event;
use crate::driver::files::Task;
use crate::io::FileAsk;
use crate::offload::Done;
use crate::sim::Disk;

impl Simulated {
    pub(crate) fn ask_file(&mut self, ask: FileAsk) {
        let task = self.files.ask(ask);
        self.begin_file(task);
    }

    fn begin_file(&mut self, task: Option<Task<Disk>>) {
        if let Some(task) = task {
            let (token, job) = task.into_job();
            let mut world = self.world.borrow_mut();
            world.offload(self.machine, token, job);
        }
    }

    /// What a job that has ended is to the program: one of its own, or something asked of a file.
    pub(super) fn job_or_file(&mut self, done: Box<Done>) -> Event<'static> {
        match self.files.end_job(done) {
            Ok((done, next)) => {
                self.begin_file(next);
                Event::File(Box::new(done))
            }
            Err(done) => Event::Done(done),
        }
    }
}
