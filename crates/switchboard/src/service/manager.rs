//! What a program tells its service manager, a datagram at a time (`sd_notify(3)`).
//! It must never wait for the manager: what does not fit into its queue is an error.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{Error, Result, UnixAddress};

/// The longest status that is told, in bytes: the manager reads 4,096 of a datagram.
const LONGEST_STATUS: usize = 2048;

/// The service manager of this process: systemd, or whoever else has set `NOTIFY_SOCKET`.
///
/// A clone speaks to the same one. [`Reactor::report_to`](crate::Reactor::report_to) says by itself
/// what every service should; what only the program knows is for the methods here. Each makes one
/// system call, and never blocks. (Who wants no child process to speak for this one takes
/// `NOTIFY_SOCKET` out of its environment with `Command::env_remove`.)
///
/// ```
/// # fn main() -> switchboard::Result {
/// use switchboard::service::ServiceManager;
///
/// if let Some(manager) = ServiceManager::from_env()? {
///     manager.status("reading the tables")?; // shown by `systemctl status`
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServiceManager {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    socket: Socket,
    /// Not connected to: a manager that is started again has a new socket there.
    address: SockAddr,
    watchdog: Option<Duration>,
    members: Mutex<Members>,
}

/// The reactors that report together.
#[derive(Debug, Default)]
struct Members {
    /// Whether each has been heard since the manager was told last; `None` for one that has ended.
    heard: Vec<Option<bool>>,
    is_ready: bool,
    is_stopping: bool,
}

impl ServiceManager {
    /// The manager that `NOTIFY_SOCKET` names (a path, or Linux's abstract `@name`), and for how
    /// long `WATCHDOG_USEC` lets this process be silent; `None` where there is no manager.
    ///
    /// # Errors
    /// A variable is malformed, or names a socket of another family; no descriptor is left.
    pub fn from_env() -> Result<Option<ServiceManager>> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let (time, process) = (env::var_os("WATCHDOG_USEC"), env::var_os("WATCHDOG_PID"));
        let watchdog = watchdog(time.as_deref(), process.as_deref())?;
        ServiceManager::at(&address(&name)?, watchdog).map(Some)
    }

    /// A manager that listens at this address, and restarts this process when it has not heard of it
    /// for as long as `watchdog`.
    ///
    /// # Errors
    /// The address cannot be one; no descriptor is left. Nothing is sent yet, so that nobody listens
    /// there shows later.
    pub fn at(address: &UnixAddress, watchdog: Option<Duration>) -> Result<ServiceManager> {
        let shared = Shared {
            socket: crate::net::socket(Domain::UNIX, Type::DGRAM, None)?,
            address: address.to_system()?,
            watchdog,
            members: Mutex::default(),
        };
        Ok(ServiceManager {
            shared: Arc::new(shared),
        })
    }

    /// For how long the manager lets this process be silent before it restarts it.
    pub fn watchdog(&self) -> Option<Duration> {
        self.shared.watchdog
    }

    /// The start-up is over (`READY=1`): those that depend on this service may start.
    ///
    /// # Errors
    /// The manager is gone, or reads nothing at present (`WouldBlock`).
    pub fn ready(&self) -> Result {
        self.tell("READY=1")
    }

    /// The process is about to end (`STOPPING=1`).
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn stopping(&self) -> Result {
        self.tell("STOPPING=1")
    }

    /// The configuration is being read again (`RELOADING=1`); [`ready`](Self::ready) says when it
    /// has been.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn reloading(&self) -> Result {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"))
    }

    /// One line for people, which `systemctl status` shows. It ends at a line break, and is cut
    /// after 2,048 bytes.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn status(&self, text: &str) -> Result {
        let line = text.lines().next().unwrap_or_default();
        let line = &line[..line.floor_char_boundary(LONGEST_STATUS)];
        self.tell(&format!("STATUS={line}"))
    }

    /// Another process is the service from now on (`MAINPID=`), as after a hand-over.
    /// The manager believes it of processes of the service alone
    /// (`NotifyAccess=all` if it did not start the one that says so).
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn main_process(&self, id: u32) -> Result {
        self.tell(&format!("MAINPID={id}"))
    }

    /// This process lives (`WATCHDOG=1`).
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn alive(&self) -> Result {
        self.tell("WATCHDOG=1")
    }

    fn tell(&self, message: &str) -> Result {
        let Shared {
            socket, address, ..
        } = &*self.shared;
        match socket.send_to(message.as_bytes(), address) {
            Ok(_) => Ok(()), // a datagram goes whole
            Err(error) => {
                let text = format!("cannot tell the service manager {message:?}: {error}");
                Err(io::Error::new(error.kind(), text).into())
            }
        }
    }

    /// A reactor takes part; its number.
    pub(super) fn join(&self) -> usize {
        self.with_members(|members| {
            members.heard.push(Some(false));
            members.heard.len() - 1
        })
    }

    pub(super) fn leave(&self, member: usize) {
        self.with_members(|members| {
            if let Some(heard) = members.heard.get_mut(member) {
                *heard = None;
            }
        });
    }

    /// The loop of one reactor runs. The manager is told when those of all do: a stuck one must not
    /// hide behind another.
    pub(super) fn beat(&self, member: usize) -> Result {
        let message = self.with_members(|members| {
            *members.heard.get_mut(member)? = Some(true);
            if members.heard.contains(&Some(false)) {
                return None;
            }
            for heard in members.heard.iter_mut().flatten() {
                *heard = false;
            }
            match std::mem::replace(&mut members.is_ready, true) {
                true => Some("WATCHDOG=1"),
                false => Some("READY=1"),
            }
        });
        message.map_or(Ok(()), |message| self.tell(message))
    }

    /// Another process is the service from now on: of this one nothing more is to be heard.
    #[cfg(target_os = "linux")]
    pub(super) fn retire(&self) {
        self.with_members(|members| {
            members.heard.clear();
            members.is_stopping = true;
        });
    }

    /// The first of the reactors shuts down.
    pub(super) fn stop(&self) -> Result {
        let is_first =
            self.with_members(|members| !std::mem::replace(&mut members.is_stopping, true));
        match is_first {
            true => self.stopping(),
            false => Ok(()),
        }
    }

    fn with_members<T>(&self, change: impl FnOnce(&mut Members) -> T) -> T {
        let members = self.shared.members.lock();
        change(&mut members.unwrap_or_else(PoisonError::into_inner))
    }
}

fn address(name: &OsStr) -> Result<UnixAddress> {
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] if !rest.is_empty() => Ok(UnixAddress::Abstract(rest.to_vec())),
        [b'/', ..] => Ok(UnixAddress::Path(name.into())),
        _ => Err(Error::other(format!(
            "NOTIFY_SOCKET is {name:?}, expected a path that begins with /, or @ and a name"
        ))),
    }
}

/// The time, if it is set, and set for this process.
fn watchdog(time: Option<&OsStr>, process: Option<&OsStr>) -> Result<Option<Duration>> {
    let Some(time) = time else { return Ok(None) };
    let own = std::process::id().to_string();
    if process.is_some_and(|process| *process != *own) {
        return Ok(None);
    }
    match time.to_str().and_then(|time| time.parse().ok()) {
        Some(micros @ 1..) => Ok(Some(Duration::from_micros(micros))),
        _ => Err(Error::other(format!(
            "WATCHDOG_USEC is {time:?}, expected microseconds"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_an_abstract_name_is_a_manager() {
        let path = address(OsStr::new("/run/x")).unwrap();
        assert_eq!(path, UnixAddress::Path("/run/x".into()));
        #[cfg(target_os = "linux")]
        assert_eq!(
            address(OsStr::new("@x")).unwrap(),
            UnixAddress::Abstract(b"x".to_vec())
        );
        for other in ["x", "@", "vsock:2:1234"] {
            address(OsStr::new(other)).unwrap_err();
        }
    }

    #[test]
    fn a_watchdog_is_for_one_process() {
        let own = std::process::id().to_string();
        let time = Some(OsStr::new("3000000"));
        let three = Some(Duration::from_secs(3));
        assert_eq!(watchdog(None, None).unwrap(), None);
        assert_eq!(watchdog(time, None).unwrap(), three);
        assert_eq!(watchdog(time, Some(OsStr::new(&own))).unwrap(), three);
        assert_eq!(watchdog(time, Some(OsStr::new("1x"))).unwrap(), None);
        for bad in ["0", "soon"] {
            watchdog(Some(OsStr::new(bad)), None).unwrap_err();
        }
    }
}
