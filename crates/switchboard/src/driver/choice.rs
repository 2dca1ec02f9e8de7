//! Which driver a reactor runs on: what is asked for, and what works here.
//! It must never fail for want of io_uring unless io_uring was asked for by name.

use std::io;

use super::{Driver as Running, Readiness};

/// What [`Auto`](Driver::Auto) tries first where both work. As CPU per message of 64 bytes, io_uring
/// takes 0.981 × (0.977–1.002) what readiness does at 64 connections and 0.930 × (0.848–0.958) at
/// 1,000 (`bench/results/echo.md`, 24 November 2026): a little ahead. What decides for it is a
/// fiftieth of a system call for each message instead of two, since loopback makes those cheap.
#[cfg(target_os = "linux")]
const PREFERRED: Driver = Driver::IoUring;

/// The ways to wait for the operating system. Handlers see no difference.
///
/// ```
/// use switchboard::{Driver, Reactor};
///
/// let reactor = Reactor::builder().driver(Driver::Auto).build(())?;
/// println!("runs on {}", reactor.driver());
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Driver {
    /// io_uring if it works here, else readiness. It tries by receiving a message; which one it
    /// took and why is told at the level `info`.
    Auto,
    /// epoll, kqueue, or AFD on Windows: one of these works everywhere.
    #[default]
    Readiness,
    /// io_uring, on Linux 6.0 or later: one system call for all that a tick sends, receives and
    /// accepts. Building the reactor fails where it is missing or forbidden.
    #[cfg(target_os = "linux")]
    IoUring,
    /// None of the operating system: that of a host in a [simulation](crate::sim), or of a
    /// [replay](crate::Builder::replay). It can't be asked for.
    Virtual,
}

/// Those that can be asked for by name, and how an error lists them.
#[cfg(target_os = "linux")]
const NAMED: [Driver; 3] = [Driver::Auto, Driver::Readiness, Driver::IoUring];
#[cfg(not(target_os = "linux"))]
const NAMED: [Driver; 2] = [Driver::Auto, Driver::Readiness];
#[cfg(target_os = "linux")]
const EXPECTED: &str = "auto, readiness or io_uring";
#[cfg(not(target_os = "linux"))]
const EXPECTED: &str = "auto or readiness; io_uring is a part of Linux";

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Driver::Auto => "auto",
            Driver::Readiness => "readiness",
            #[cfg(target_os = "linux")]
            Driver::IoUring => "io_uring",
            Driver::Virtual => "virtual",
        })
    }
}

/// From the names that [`Display`](std::fmt::Display) writes.
impl std::str::FromStr for Driver {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Driver, crate::Error> {
        let found = NAMED.into_iter().find(|driver| driver.to_string() == name);
        found.ok_or_else(|| {
            crate::Error::other(format!("{name:?} is no driver: expected {EXPECTED}"))
        })
    }
}

impl Driver {
    pub(crate) fn start(self, threads: usize, max_buffered: usize) -> io::Result<Running> {
        match self {
            Driver::Readiness => Ok(Running::Readiness(Readiness::new(threads)?)),
            #[cfg(target_os = "linux")]
            Driver::IoUring => io_uring(threads, max_buffered),
            Driver::Auto => auto(threads, max_buffered),
            Driver::Virtual => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a virtual driver comes with a simulation or a replay",
            )),
        }
    }
}

#[cfg(target_os = "linux")]
fn io_uring(threads: usize, max_buffered: usize) -> io::Result<Running> {
    super::Uring::probe()
        .and_then(|()| super::Uring::new(threads, max_buffered))
        .map(Running::Uring)
        .map_err(|error| {
            let why = match error.raw_os_error() {
                Some(libc::ENOSYS) => "the kernel has none",
                Some(libc::EPERM | libc::EACCES) => {
                    "it is forbidden, by seccomp or kernel.io_uring_disabled"
                }
                Some(libc::ENOMEM) => "its memory may not be locked, see `ulimit -l`",
                Some(libc::EINVAL) => "the kernel is too old, 6.0 is needed",
                _ => "it does not work",
            };
            let text = format!("no io_uring here: {why} ({error}); use another driver");
            io::Error::new(error.kind(), text)
        })
}

#[cfg(target_os = "linux")]
fn auto(threads: usize, max_buffered: usize) -> io::Result<Running> {
    if PREFERRED != Driver::IoUring {
        tracing::info!("the driver is readiness: it is the faster one where both work");
        return Driver::Readiness.start(threads, max_buffered);
    }
    match io_uring(threads, max_buffered) {
        Ok(running) => {
            tracing::info!("the driver is io_uring: it works here");
            Ok(running)
        }
        Err(error) => {
            tracing::info!(why = %error, "the driver is readiness");
            Driver::Readiness.start(threads, max_buffered)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn auto(threads: usize, max_buffered: usize) -> io::Result<Running> {
    tracing::info!("the driver is readiness: io_uring is a part of Linux");
    Driver::Readiness.start(threads, max_buffered)
}
