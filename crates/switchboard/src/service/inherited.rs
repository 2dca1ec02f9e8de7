//! Sockets that somebody else has opened, by their names: those of systemd's socket activation
//! (`sd_listen_fds(3)`).
//! It must never guess: a descriptor that is of another kind than expected is an error.

use std::env;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;
use socket2::SockRef;

use crate::{Error, Listener, Result, UdpSocket};

/// How many sockets one program may inherit.
const LIMIT: usize = 1024;

/// What a descriptor without a name is called, as `sd_listen_fds_with_names(3)` does.
const UNNAMED: &str = "unknown";

/// Sockets that were open before this program ran, each with a name. Several may have the same
/// one. What is not taken is closed when this is dropped.
///
/// They come from a service manager ([`from_service_manager`](Self::from_service_manager)), or from
/// the process that was the service before ([`Upgrade::inherited`](crate::upgrade::Upgrade::inherited)).
#[derive(Debug, Default)]
pub struct Inherited {
    pub(crate) sockets: Vec<(String, Socket)>,
}

/// Something that can be inherited.
#[derive(Debug)]
pub(crate) enum Socket {
    Listener(Listener),
    Udp(UdpSocket),
}

impl Inherited {
    /// Takes the sockets that the service manager has opened for this process (`LISTEN_FDS`,
    /// `LISTEN_PID`, `LISTEN_FDNAMES`): listening TCP and Unix ones and UDP ones, at most 1,024.
    /// None, if there is no manager, if it had none to give, or if they were meant for another
    /// process. (Without `LISTEN_PID`, as `systemfd --no-pid` does it, they are taken to be ours.)
    ///
    /// A name is what `FileDescriptorName=` says in the `.socket` unit, and otherwise that of the
    /// unit (`web.socket`); where there are no names, all are called `unknown`.
    ///
    /// Call it first in `main`, before there are other threads: it takes `LISTEN_FDS` and
    /// `LISTEN_PID` out of the environment, so that child processes do not look for sockets (what
    /// may be left of `LISTEN_FDNAMES` means nothing without them), and a second call finds none.
    /// The descriptors are set to close when this process runs another program. Takes a few system
    /// calls for each. A reactor of a [simulation](crate::sim) or a [replay](crate::Replay) refuses
    /// these sockets when they are registered.
    ///
    /// ```
    /// use switchboard::service::Inherited;
    ///
    /// let inherited = Inherited::from_service_manager()?;
    /// assert!(inherited.is_empty()); // nobody has started this example so
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// A variable is malformed, or there are more than 1,024 sockets; a descriptor is not open, or is
    /// of another kind (a connection that the manager has accepted, as with `Accept=yes`; a FIFO; a
    /// Unix datagram socket). Then none is taken.
    pub fn from_service_manager() -> Result<Inherited> {
        let Some(count) = announced(&variable("LISTEN_FDS")?, &variable("LISTEN_PID")?)? else {
            return Ok(Inherited::default());
        };
        let names = named(variable("LISTEN_FDNAMES")?, count)?;
        let mut descriptors = ListenFd::from_env();
        let mut sockets = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let socket = take(&mut descriptors, index)
                .map_err(|what| Error::other(format!("the inherited socket {name:?} {what}")))?;
            sockets.push((name, socket));
        }
        Ok(Inherited { sockets })
    }

    /// Takes all listeners of that name, in the order in which they came.
    pub fn take_listeners(&mut self, name: &str) -> Vec<Listener> {
        let is_wanted = |entry: &mut (String, Socket)| {
            entry.0 == name && matches!(entry.1, Socket::Listener(_))
        };
        let taken = self.sockets.extract_if(.., is_wanted);
        taken
            .filter_map(|(_, socket)| match socket {
                Socket::Listener(listener) => Some(listener),
                Socket::Udp(_) => None,
            })
            .collect()
    }

    /// Takes all UDP sockets of that name, in the order in which they came.
    pub fn take_udp(&mut self, name: &str) -> Vec<UdpSocket> {
        let is_wanted =
            |entry: &mut (String, Socket)| entry.0 == name && matches!(entry.1, Socket::Udp(_));
        let taken = self.sockets.extract_if(.., is_wanted);
        taken
            .filter_map(|(_, socket)| match socket {
                Socket::Udp(socket) => Some(socket),
                Socket::Listener(_) => None,
            })
            .collect()
    }

    /// The names of what was not taken, one for each socket.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is nothing (more) to take.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::other(format!("{name} is no text"))),
    }
}

/// How many descriptors there are for this process.
fn announced(count: &Option<String>, process: &Option<String>) -> Result<Option<usize>> {
    let Some(count) = count else { return Ok(None) };
    if let Some(process) = process.as_deref().filter(|process| !process.is_empty()) {
        let process: u32 = process.parse().map_err(|_| {
            Error::other(format!("LISTEN_PID is {process:?}, expected a process id"))
        })?;
        if process != std::process::id() {
            return Ok(None);
        }
    }
    match count.parse() {
        Ok(count) if count <= LIMIT => Ok(Some(count)),
        _ => Err(Error::other(format!(
            "LISTEN_FDS is {count:?}, expected a number up to {LIMIT}"
        ))),
    }
}

/// A name for each of them.
fn named(names: Option<String>, count: usize) -> Result<Vec<String>> {
    let Some(names) = names else {
        return Ok(vec![UNNAMED.to_owned(); count]);
    };
    let names: Vec<String> = names.split(':').map(str::to_owned).collect();
    match names.len() == count {
        true => Ok(names),
        false => Err(Error::other(format!(
            "LISTEN_FDNAMES has {} names for {count} sockets",
            names.len()
        ))),
    }
}

/// The descriptor of that number, or what is wrong with it.
fn take(descriptors: &mut ListenFd, index: usize) -> Result<Socket> {
    if let Ok(Some(tcp)) = descriptors.take_tcp_listener(index) {
        must_listen(&SockRef::from(&tcp))?;
        return Ok(Socket::Listener(inherited(tcp.into())?));
    }
    if let Ok(Some(unix)) = descriptors.take_unix_listener(index) {
        must_listen(&SockRef::from(&unix))?;
        return Ok(Socket::Listener(inherited(unix.into())?));
    }
    if let Ok(Some(udp)) = descriptors.take_udp_socket(index) {
        return Ok(Socket::Udp(udp.try_into()?));
    }
    Err("is not open, or of another kind than TCP, UDP and Unix stream sockets".into())
}

/// The manager listens on it as well, and goes on when this process has ended.
fn inherited(socket: OwnedFd) -> Result<Listener> {
    Ok(Listener::inherited(vec![socket], None)?)
}

/// Others do not tell (Apple's): there, the first `accept` does.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn must_listen(_: &SockRef<'_>) -> Result {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn must_listen(socket: &SockRef<'_>) -> Result {
    match socket.is_listener()? {
        true => Ok(()),
        false => Err("does not listen: it has to be one with Accept=no".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_announced_to_others_is_not_ours() {
        let own = std::process::id().to_string();
        assert_eq!(announced(&None, &some(&own)).unwrap(), None);
        assert_eq!(announced(&some("2"), &some(&own)).unwrap(), Some(2));
        assert_eq!(announced(&some("2"), &None).unwrap(), Some(2));
        assert_eq!(announced(&some("x"), &some("1")).unwrap(), None);
    }

    #[test]
    fn malformed_variables_and_too_many_sockets_are_errors() {
        let most = LIMIT.to_string();
        assert_eq!(announced(&some(&most), &None).unwrap(), Some(LIMIT));
        for (count, process) in [("1025", None), ("-1", None), ("x", None), ("1", some("me"))] {
            announced(&some(count), &process).unwrap_err();
        }
    }

    #[test]
    fn each_socket_has_a_name() {
        assert_eq!(named(None, 2).unwrap(), ["unknown", "unknown"]);
        assert_eq!(named(some("a:"), 2).unwrap(), ["a", ""]);
        named(some("a"), 2).unwrap_err();
    }
}
