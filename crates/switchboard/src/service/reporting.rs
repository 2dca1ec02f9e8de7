//! What a reactor tells the service manager by itself: that its loop runs, again and again, and that
//! it stops. It must never report from anywhere but the loop: a stuck one has to be missed.

use std::time::Duration;

use super::ServiceManager;
use crate::core::Core;
use crate::driver::Driver;
use crate::timeouts::Due;
use crate::{Error, Reactor, Result};

/// Between two reports: the manager waits for twice as long, as `sd_watchdog_enabled(3)` advises.
fn period(watchdog: Duration) -> Duration {
    (watchdog / 2).max(Duration::from_millis(1))
}

/// A reactor's part in what the manager hears.
#[derive(Debug)]
pub(crate) struct Report {
    manager: ServiceManager,
    member: usize,
    /// Whether a timer is in the wheel.
    is_due: bool,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.manager.leave(self.member);
    }
}

impl<S: 'static> Reactor<S> {
    /// Reports to the service manager: `READY=1` from the loop's first tick, `WATCHDOG=1` every
    /// half of the time that the manager [allows](ServiceManager::watchdog), and `STOPPING=1` when a
    /// shutdown begins. Since these come from the loop, a manager restarts a process in which a
    /// handler holds it. A report that fails is logged; the next one is tried all the same.
    ///
    /// Each reactor of a [group](crate::ReactorGroup) does so with a clone of the same manager: it is
    /// told nothing while one of them is stuck.
    ///
    /// Costs a timer and, twice in that time, a system call. A reactor does not run on for its
    /// reports alone. A recording holds nothing of them, and a replay makes none.
    ///
    /// ```
    /// use std::os::unix::net::UnixDatagram;
    /// use std::time::Duration;
    /// use switchboard::service::ServiceManager;
    /// use switchboard::{Reactor, UnixAddress};
    ///
    /// # let directory = std::env::temp_dir().join(format!("report-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// let path = directory.join("notify");
    /// let systemd = UnixDatagram::bind(&path)?;
    ///
    /// let mut reactor = Reactor::new(())?;
    /// let manager = ServiceManager::at(&UnixAddress::Path(path), Some(Duration::from_secs(10)))?;
    /// reactor.report_to(manager)?;
    /// reactor.turn(None)?;
    ///
    /// let mut message = [0; 64];
    /// let length = systemd.recv(&mut message)?;
    /// assert_eq!(&message[..length], b"READY=1");
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// The reactor is a simulated one, which has no manager; [`Error::TooManyTimers`].
    ///
    /// # Platforms
    /// Unix.
    pub fn report_to(&mut self, manager: ServiceManager) -> Result {
        let (core, driver) = self.parts();
        match driver {
            Driver::Simulated(_) => Err("a simulated reactor has no service manager".into()),
            Driver::Replayer(_) => Ok(()),
            _ => core.report_to(manager),
        }
    }
}

impl<S: 'static> Core<S> {
    fn report_to(&mut self, manager: ServiceManager) -> Result {
        if self.stop.is_stopping() {
            return Err(Error::ShuttingDown);
        }
        self.start_timer(self.now, Due::Report)?;
        let member = manager.join();
        self.report = Some(Box::new(Report {
            manager,
            member,
            is_due: true,
        }));
        Ok(())
    }

    #[cold]
    pub(crate) fn report_due(&mut self) {
        let Some(report) = &mut self.report else {
            return;
        };
        log(report.manager.beat(report.member));

        let watchdog = report.manager.watchdog();
        report.is_due = false;
        let Some(watchdog) = watchdog else { return };
        let next = self.start_timer(self.now + period(watchdog), Due::Report);
        let is_due = next.is_ok();
        log(next.map(drop));
        if let Some(report) = &mut self.report {
            report.is_due = is_due;
        }
    }

    #[cold]
    pub(crate) fn report_stop(&mut self) {
        if let Some(report) = &self.report {
            log(report.manager.stop());
        }
    }

    /// Another process is the service from now on: the manager is told which, and hears no more of
    /// this one, nor of the other reactors of its group.
    #[cfg(target_os = "linux")]
    pub(crate) fn report_successor(&mut self, process: Option<u32>) {
        if let Some(report) = &self.report {
            if let Some(process) = process {
                log(report.manager.main_process(process));
            }
            report.manager.retire();
        }
    }

    /// How many timers there are that nobody is waiting for.
    pub(crate) fn report_timers(&self) -> usize {
        usize::from(self.report.as_ref().is_some_and(|report| report.is_due))
    }
}

fn log(report: Result) {
    if let Err(error) = report {
        tracing::warn!(%error, "a report is missing");
    }
}
