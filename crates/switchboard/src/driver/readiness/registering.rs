//! What the kernel is told to watch, and from when until when.
//! It must never leave a descriptor registered that the driver does not hold any more.

use std::io;
use std::net::SocketAddr;

use rustix::fd::OwnedFd;

use super::asking;
#[cfg(unix)]
use super::descriptors;
use super::room::{self, Told};
#[cfg(unix)]
use super::steps::PAUSED;
use super::steps::{Entry, Flags, Listening, READABLE, Slot, WRITABLE};
use super::{Readiness, enqueue};
#[cfg(unix)]
use crate::driver::Notifier;
use crate::driver::batches::DatagramSocket;
#[cfg(unix)]
use crate::driver::socket::Source;
use crate::driver::socket::{Socket, hold, source};
use crate::driver::{READ_BUFFER, Resource};
use crate::net::{Endpoint, Sockets, Taken};
#[cfg(unix)]
use crate::sources::Way;
use crate::{Listener, Token};

impl Readiness {
    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        let (entry, told_of_room) = match resource {
            Resource::Stream(stream) => return self.register_stream(token, stream.take()?),
            Resource::Listener(listener) => {
                let Sockets { file, fds } = listener.into_sockets()?;
                let fds = fds.into_iter().map(|fd| self.hold(fd, token, READ));
                let listening = Listening {
                    _file: file,
                    fds: fds.collect::<io::Result<_>>()?,
                    next: 0,
                };
                (Entry::Listener(Box::new(listening)), Told::Always)
            }
            Resource::Datagrams(socket) => {
                let mut socket = DatagramSocket::new(socket.into_end()?);
                self.arm(source(&mut socket.socket), token, READ)?;
                (Entry::Datagrams(Box::new(socket)), Told::Unasked)
            }
            #[cfg(unix)]
            Resource::Watch(source, interest) => return self.watch(token, source, interest),
            #[cfg(unix)]
            Resource::Signals(signals) => {
                return self.notify(token, Notifier::of_signals(&signals)?);
            }
            #[cfg(unix)]
            Resource::Child(process) => return self.notify(token, Notifier::of_child(process)?),
        };
        self.occupy(token, entry).flags.told_of_room = told_of_room;
        Ok(())
    }

    fn register_stream(&mut self, token: Token, taken: Taken) -> io::Result<()> {
        let told_of_room = room::of_stream(&taken);
        let interest = match &taken {
            #[cfg(unix)]
            Taken::Channel(channel) if channel.way == Way::Writer => mio::Interest::WRITABLE,
            #[cfg(unix)]
            Taken::Channel(channel) if channel.way == Way::Reader => READ,
            _ if told_of_room == Told::Unasked => READ,
            _ => BOTH,
        };
        let (entry, is_always_ready) = match taken {
            Taken::Tcp(fd) | Taken::Unix(fd) => {
                (Entry::Stream(self.hold(fd, token, interest)?), false)
            }
            #[cfg(unix)]
            Taken::Channel(channel) => {
                let always = self.arm_unless_always(Source::of(&*channel), token, interest)?;
                (Entry::Channel(channel), always)
            }
        };
        self.occupy(token, entry).flags.told_of_room = told_of_room;
        if is_always_ready {
            self.note_always_ready(token);
        }
        Ok(())
    }

    pub(super) fn note_always_ready(&mut self, token: Token) {
        let flags = &mut self.slots[token.slot as usize].flags;
        flags.set(READABLE | WRITABLE);
        enqueue(&mut self.next_tick, token, flags);
    }

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> io::Result<Listener> {
        Listener::bind_system(endpoint)
    }

    pub(crate) fn listen(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        self.register(token, Resource::Listener(Listener::bind_all(addresses)?))
    }

    pub(super) fn occupy(&mut self, token: Token, entry: Entry) -> &mut Slot {
        let index = token.slot as usize;
        if index >= self.slots.len() {
            // Grows as the slab of sources does, and for the same reason.
            if index >= self.slots.capacity() {
                self.slots
                    .reserve_exact(index + 1 - self.slots.len() + (index / 8).max(16));
            }
            self.slots.resize_with(index + 1, || Slot {
                entry: Entry::Free,
                flags: Flags::default(),
            });
        }
        let slot = &mut self.slots[index];
        slot.entry = entry;
        slot.flags = Flags {
            generation: token.generation,
            room: READ_BUFFER as u32,
            ..Flags::default()
        };
        slot
    }

    /// Watches a new socket.
    pub(super) fn hold(
        &self,
        socket: OwnedFd,
        token: Token,
        interest: mio::Interest,
    ) -> io::Result<Socket> {
        let mut socket = hold(socket);
        self.arm(source(&mut socket), token, interest)?;
        Ok(socket)
    }

    pub(super) fn arm(
        &self,
        mut source: impl mio::event::Source,
        token: Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        let registry = self.poll.registry();
        registry.register(&mut source, pack(token), interest)
    }

    /// Closing a descriptor is not enough: while a duplicate of it is open anywhere, the kernel
    /// goes on reporting it. An error means that it was not registered (a regular file).
    pub(super) fn disarm(&self, mut entry: Entry) {
        let registry = self.poll.registry();
        entry.each_source(&mut |source| drop(registry.deregister(source)));
    }

    /// Asks the kernel anew for what is wanted of some sources. It then tells what of that is there
    /// already: bare readiness is level-triggered for its users by that, since they may read as
    /// little as they like.
    pub(super) fn rearm(&mut self) {
        for token in std::mem::take(&mut self.rearm) {
            let Some(Slot { entry, flags }) = self.slots.get_mut(token.slot as usize) else {
                continue;
            };
            if flags.generation != token.generation {
                continue;
            }
            let interest = match entry {
                #[cfg(unix)]
                Entry::Watch(_) if flags.any(PAUSED) => None,
                #[cfg(unix)]
                Entry::Watch(watch) => Some(descriptors::to_mio(watch.interest)),
                _ => asking::wanted(entry, flags),
            };
            let Some(interest) = interest else {
                continue;
            };
            let registry = self.poll.registry();
            let mut result = Ok(());
            entry.each_source(&mut |source| {
                if let Err(error) = registry.reregister(source, pack(token), interest) {
                    result = Err(error);
                }
            });
            if let Err(error) = result {
                tracing::debug!(%token, %error, "cannot watch any longer");
                flags.set(READABLE | WRITABLE); // the next read or send finds out why
                flags.told_of_room = Told::Unasked;
                enqueue(&mut self.next_tick, token, flags);
            }
        }
    }
}

pub(super) const READ: mio::Interest = mio::Interest::READABLE;
pub(super) const BOTH: mio::Interest = READ.add(mio::Interest::WRITABLE);

pub(super) fn pack(token: Token) -> mio::Token {
    mio::Token((token.generation as usize) << 32 | token.slot as usize)
}

pub(super) fn unpack(token: mio::Token) -> Token {
    Token {
        slot: token.0 as u32,
        generation: (token.0 >> 32) as u32,
    }
}
