//! Connections being made: several attempts may be under way for one source, all under its token.
//! The first that succeeds is the source's connection. It must never send a byte on another one,
//! nor tell of one once there is a winner.

use std::io;
use std::net::SocketAddr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::registering::{BOTH, pack};
use super::steps::{ENDING, Entry, QUEUED, READABLE, Step, Then, WRITABLE};
use super::{Readiness, asking};
use crate::Token;
use crate::driver::Event;
use crate::driver::socket::{Socket, begin_connect, source};
use crate::net::{ConnectOptions, open_stream};

/// A source whose connection is being made.
#[derive(Default)]
pub(super) struct Connecting {
    /// The attempts under way, the earliest first.
    pub(super) fds: Vec<Socket>,
    /// There has been more than one, so what the kernel tells may be of another.
    is_race: bool,
}

impl Readiness {
    pub(crate) fn connect(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        let fd = open_stream(address, options)?;
        begin_connect(fd.as_fd(), address)?;
        self.add_attempt(token, fd, BOTH)
    }

    /// One more attempt, which may have succeeded already.
    pub(super) fn add_attempt(
        &mut self,
        token: Token,
        fd: OwnedFd,
        interest: mio::Interest,
    ) -> io::Result<()> {
        let fd = self.hold(fd, token, interest)?;
        let slot = self.slots.get_mut(token.slot as usize);
        let slot = slot.filter(|slot| slot.flags.generation == token.generation);
        if let Some(Entry::Connecting(connecting)) = slot.map(|slot| &mut slot.entry) {
            connecting.fds.push(fd);
            connecting.is_race = true;
        } else {
            let mut connecting = Box::new(Connecting::default());
            connecting.fds.push(fd);
            let slot = self.occupy(token, Entry::Connecting(connecting));
            slot.flags.told_of_room = asking::OF_TCP;
        }
        Ok(())
    }

    /// Looks for an attempt with an outcome. The kernel has told of the source, not of which one.
    #[cold]
    pub(super) fn look_at_attempts(&mut self, token: Token) -> (Option<Step>, Then) {
        let Some(slot) = self.slots.get_mut(token.slot as usize) else {
            return (None, Then::OnEvent);
        };
        let Entry::Connecting(connecting) = &mut slot.entry else {
            return (None, Then::OnEvent);
        };
        let mut attempts = connecting.fds.iter().enumerate();
        let known = attempts.find_map(|(index, fd)| Some((index, outcome(fd.as_fd())?)));
        let Some((index, outcome)) = known else {
            slot.flags.clear(READABLE);
            return (None, Then::OnEvent);
        };
        let fd = connecting.fds.remove(index);
        let event = match outcome {
            Ok(()) => {
                let is_race = connecting.is_race;
                let others = std::mem::replace(&mut slot.entry, Entry::Stream(fd));
                self.disarm(others);
                if is_race {
                    self.forget_the_others(token);
                }
                Event::Connected
            }
            Err(error) => {
                self.disarm(Entry::Stream(fd));
                Event::Failed(error.into())
            }
        };
        (Some(Step::Event(event)), Then::Now)
    }

    /// What is noted of a source may be of its lost attempts, the announced end of one above all:
    /// the kernel is asked again for what holds of the winner.
    fn forget_the_others(&mut self, token: Token) {
        let Some(slot) = self.slots.get_mut(token.slot as usize) else {
            return;
        };
        let Entry::Stream(fd) = &mut slot.entry else {
            return;
        };
        let registry = self.poll.registry();
        if let Err(error) = registry.reregister(&mut source(fd), pack(token), BOTH) {
            tracing::debug!(%token, %error, "cannot be watched anew");
            return; // what is noted costs a read too many, now and then
        }
        slot.flags.clear(READABLE | WRITABLE | ENDING);
        let rest = self.ready.iter_mut().skip(self.looked_at);
        for (_, bits) in rest.filter(|(of, _)| *of == token) {
            *bits &= QUEUED;
        }
    }
}

/// What has become of an attempt; `None` if it is still under way.
fn outcome(fd: BorrowedFd<'_>) -> Option<Result<(), Errno>> {
    match rustix::net::sockopt::socket_error(fd) {
        Ok(Ok(())) if rustix::net::getpeername(fd).is_err() => None,
        Ok(Ok(())) => Some(Ok(())),
        Ok(Err(error)) | Err(error) => Some(Err(error)),
    }
}
