//! Replacing a running server by a new process: it takes every listening socket of the old one over
//! a Unix socket, and the old one goes on until the new one is ready, and then lets its connections
//! finish.
//!
//! It must never lose a connection that is on its way: the sockets are the same ones all the time, so
//! whoever connects is in their queue, whichever process comes to accept it.
//!
//! What happens, in order:
//!
//! 1. The new process connects to the upgrade socket ([`Upgrade::at`]), and gets duplicates of the
//!    sockets that the old one has [offered](Upgrade::offer), with their names. Only a process of the
//!    same user gets them (by the kernel's word), and the socket's file is for that user alone.
//! 2. It sets itself up. The old one goes on accepting. If the new one fails, or is not ready within
//!    a minute, nothing has happened, and another one may try.
//! 3. When it is ready it [serves](Upgrade::serve) the upgrade socket itself, for the next one. The old
//!    one is told, and calls what it was given for that moment, which [drains] its reactors.
//!
//! Every socket has to be offered, each of those of a [group](crate::ReactorGroup) too (they share a
//! port by `SO_REUSEPORT`): what waits in the queue of one that is closed is lost.
//!
//! ```
//! use std::time::Duration;
//! use switchboard::upgrade::Upgrade;
//! use switchboard::{Context, Handler, Listener, Reactor, Result, Stream};
//!
//! struct Echo;
//!
//! impl Handler<()> for Echo {
//!     fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
//!         cx.register(stream, Echo).map(drop)
//!     }
//!
//!     fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
//!         let data = cx.recv(usize::MAX);
//!         cx.send(data)
//!     }
//! }
//!
//! /// What the old process and the new one do alike.
//! fn start(path: &std::path::Path) -> Result<Reactor<()>> {
//!     let mut upgrade = Upgrade::at(path)?; // from a process that serves there, if there is one
//!     let mut listeners = upgrade.inherited().take_listeners("web");
//!     if listeners.is_empty() {
//!         listeners.push(Listener::bind("localhost:0")?); // the first of all
//!     }
//!     let mut reactor = Reactor::new(())?;
//!     for listener in listeners {
//!         upgrade.offer("web", &listener)?; // for the next one
//!         reactor.listen_on(listener, Echo)?;
//!     }
//!     upgrade.serve(&mut reactor, |_, cx| cx.drain(Duration::from_secs(60)))?;
//!     Ok(reactor)
//! }
//!
//! # let directory = std::env::temp_dir().join(format!("upgrade-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! let path = directory.join("upgrade.sock");
//! let mut old = start(&path)?;
//! let new = std::thread::spawn({
//!     let path = path.clone();
//!     move || start(&path).map(drop) // in a program: another process
//! });
//! old.run()?; // until it has handed over, and has no connection
//! new.join().unwrap()?;
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), switchboard::Error>(())
//! ```
//!
//! Under systemd, the old process tells it which one is the service from now on, if it
//! [reports](crate::Reactor::report_to) to it. (The new one then needs an environment without the old
//! one's `WATCHDOG_PID`.)
//!
//! [drains]: crate::LoopContext::drain
//!
//! # Platforms
//! Linux.

mod giving;
mod message;
mod taking;

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use self::giving::Door;
use self::message::{Kind, LIMIT, Record};
use self::taking::Link;
use crate::driver::MESSAGE_DESCRIPTORS;
use crate::net::FileClaim;
use crate::service::{Inherited, Socket};
use crate::{Driver, Error, Listener, LoopContext, Reactor, Result, Token, UdpSocket};

/// One process's part in an upgrade: what it takes from the one before, and what it offers to the
/// next. See the [module](self).
///
/// Dropped without [`serve`](Self::serve), it leaves the process that serves as it is.
pub struct Upgrade {
    path: PathBuf,
    /// To the process that serves there.
    link: Option<Link>,
    /// The upgrade socket, from that process.
    door: Option<Listener>,
    inherited: Inherited,
    /// Files of what was inherited: ours to remove once the other process has let go.
    claims: Vec<FileClaim>,
    offered: Vec<Offered>,
}

/// A socket for the next process.
struct Offered {
    record: Record,
    descriptors: Vec<OwnedFd>,
    claim: Option<FileClaim>,
}

impl Upgrade {
    /// Takes the sockets of the process that serves upgrades at this path; nothing if none does.
    /// Blocks until they have come, for ten seconds at most. Nothing changes for that process yet.
    ///
    /// # Errors
    /// The process that serves there belongs to another user, speaks another version, is being
    /// upgraded by a third one at this moment, or does not answer; there is no permission to connect.
    pub fn at(path: impl AsRef<Path>) -> Result<Upgrade> {
        let path = std::path::absolute(path)?;
        let taken = taking::take(&path).map_err(|error| {
            let text = format!("cannot take over at {}: {error}", path.display());
            Error::other(text)
        })?;
        let mut upgrade = Upgrade {
            path,
            link: None,
            door: None,
            inherited: Inherited::default(),
            claims: Vec::new(),
            offered: Vec::new(),
        };
        if let Some((link, taken)) = taken {
            upgrade.link = Some(link);
            for socket in taken {
                upgrade.claims.extend(socket.claim);
                match socket.socket {
                    Socket::Listener(door) if socket.is_door => upgrade.door = Some(door),
                    other => upgrade.inherited.sockets.push((socket.name, other)),
                }
            }
        }
        Ok(upgrade)
    }

    /// Whether there is a process that goes on until [`serve`](Self::serve) is called here.
    pub fn is_upgrade(&self) -> bool {
        self.link.is_some()
    }

    /// The sockets of the process before. What is not taken out of here is closed for good once
    /// neither process has it.
    pub fn inherited(&mut self) -> &mut Inherited {
        &mut self.inherited
    }

    /// Offers a listener, under a name, to the process that will replace this one. While the offer
    /// stands, its sockets are open, even if the reactor has closed the listener. Makes a system call
    /// for each of its sockets. Whether it speaks TLS is for the next process to say again.
    ///
    /// # Errors
    /// The name is longer than 255 bytes; more than 1,023 sockets are offered, or 253 addresses in one
    /// listener; no descriptor is left; the listener is [simulated](crate::sim) or replayed.
    pub fn offer(&mut self, name: &str, listener: &Listener) -> Result {
        self.add(name, Kind::Listener, listener)
    }

    /// As [`offer`](Self::offer), for a UDP socket.
    ///
    /// # Errors
    /// As [`offer`](Self::offer).
    pub fn offer_udp(&mut self, name: &str, socket: &UdpSocket) -> Result {
        let Some(descriptor) = socket.as_fd() else {
            return Err("what is simulated or replayed cannot be handed over".into());
        };
        let descriptor = descriptor.try_clone_to_owned()?;
        self.push(name, Kind::Udp, vec![descriptor], None)
    }

    fn add(&mut self, name: &str, kind: Kind, listener: &Listener) -> Result {
        let (descriptors, claim) = listener.share()?;
        self.push(name, kind, descriptors, claim)
    }

    fn push(
        &mut self,
        name: &str,
        kind: Kind,
        descriptors: Vec<OwnedFd>,
        claim: Option<FileClaim>,
    ) -> Result {
        let before = self.offered.iter();
        let count: usize = before.map(|offered| offered.descriptors.len()).sum();
        let own = usize::from(kind != Kind::Door); // there has to be room for that one
        if count + descriptors.len() + own > LIMIT || descriptors.len() > MESSAGE_DESCRIPTORS {
            let text = format!("more sockets than can be handed over ({LIMIT}): offer fewer");
            return Err(text.into());
        }
        let file = claim.as_ref().map(|claim| claim.path.clone());
        let record = Record::new(kind, name, descriptors.len(), file)?;
        self.offered.push(Offered {
            record,
            descriptors,
            claim,
        });
        Ok(())
    }

    /// This process is ready: serves the upgrade socket from now on, and has the process before, if
    /// there is one, hand over. `handed_over` is called when the next process is ready in its turn; it
    /// should [drain](LoopContext::drain) this reactor, and those of its group by their remotes. It
    /// blocks until the process before has let go, for ten seconds at most.
    ///
    /// Of a group, one reactor serves, when the setups of all have succeeded. The upgrade socket is a
    /// source of the reactor like any listener, so the reactor does not end for lack of others.
    ///
    /// # Errors
    /// The path cannot be listened on (in the first process); the process before does not let go; the
    /// reactor is a simulated or replayed one.
    pub fn serve<S: 'static>(
        mut self,
        reactor: &mut Reactor<S>,
        handed_over: impl FnOnce(&mut S, &mut LoopContext<'_, S>) + 'static,
    ) -> Result<Token> {
        if reactor.driver() == Driver::Virtual {
            return Err("there is nothing to upgrade in a simulation or a replay".into());
        }
        let door = match self.door.take() {
            Some(door) => door,
            None => Listener::bind_with_mode(&self.path, 0o600)?,
        };
        self.add("", Kind::Door, &door)?;
        let offered = std::mem::take(&mut self.offered);
        let token = reactor.listen_on(door, Door::new(offered, Box::new(handed_over)))?;
        if let Some(mut link) = self.link.take() {
            link.end().map_err(|error| {
                Error::other(format!("the process before does not let go: {error}"))
            })?;
        }
        for claim in self.claims.drain(..) {
            claim.set_stays(false);
        }
        Ok(token)
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("path", &self.path)
            .field("is_upgrade", &self.is_upgrade())
            .field("inherited", &self.inherited)
            .field("offered", &self.offered.len())
            .finish_non_exhaustive()
    }
}
