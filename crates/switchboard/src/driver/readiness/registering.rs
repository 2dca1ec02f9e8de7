//! What the kernel is told to watch, and from when until when.
//! It must never leave a descriptor registered that the driver does not hold any more.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use mio::unix::SourceFd;
use rustix::io::Errno;

use super::room::{self, Told};
use super::steps::{Entry, Flags, Listening, Notifying, PAUSED, READABLE, Slot, WRITABLE, Watch};
use super::{Readiness, enqueue};
use crate::driver::batches::DatagramSocket;
use crate::driver::{Notifier, READ_BUFFER, Resource};
use crate::io::{Child, Interest, SignalSet};
use crate::net::{Endpoint, Sockets, Taken};
use crate::sources::Way;
use crate::{Listener, Token};

impl Readiness {
    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        let mut always = false;
        let entry = match resource {
            Resource::Stream(stream) => return self.register_stream(token, stream.take()?),
            Resource::Listener(listener) => {
                let Sockets { file, fds } = listener.into_sockets()?;
                for fd in &fds {
                    self.arm(fd.as_fd(), token, READ)?;
                }
                Entry::Listener(Box::new(Listening {
                    _file: file,
                    fds,
                    next: 0,
                }))
            }
            Resource::Watch(source, interest) => {
                let borrowed = source.as_fd();
                let fd = borrowed.as_raw_fd();
                self.watched.begin(fd)?;
                match self.arm(borrowed, token, to_mio(interest)) {
                    Err(error) if is_always_ready(&error) => always = true,
                    Err(error) => {
                        self.watched.end(fd);
                        return Err(error);
                    }
                    Ok(()) => {}
                }
                Entry::Watch(Box::new(Watch {
                    _source: source,
                    fd,
                    interest,
                    always,
                }))
            }
            Resource::Datagrams(socket) => {
                let socket = DatagramSocket::new(socket.into_end()?);
                self.arm(socket.as_fd(), token, READ)?;
                let slot = self.occupy(token, Entry::Datagrams(Box::new(socket)));
                slot.flags.told_of_room = Told::Unasked;
                return Ok(());
            }
            Resource::Signals(signals) => {
                self.notified(token, Notifier::Signals(SignalSet::new(&signals)?))?
            }
            Resource::Child(process) => {
                self.notified(token, Notifier::Child(Child::spawn(process)?))?
            }
        };
        self.occupy(token, entry);
        if always {
            self.note_always_ready(token);
        }
        Ok(())
    }

    fn register_stream(&mut self, token: Token, taken: Taken) -> io::Result<()> {
        let told_of_room = room::of_stream(&taken);
        let interest = match &taken {
            Taken::Channel(channel) if channel.way == Way::Writer => mio::Interest::WRITABLE,
            Taken::Channel(channel) if channel.way == Way::Reader => READ,
            _ if told_of_room == Told::Unasked => READ,
            _ => BOTH,
        };
        let mut always = false;
        let entry = match taken {
            Taken::Tcp(fd) | Taken::Unix(fd) => {
                self.arm(fd.as_fd(), token, interest)?;
                Entry::Stream(fd)
            }
            Taken::Channel(channel) => {
                match self.arm(channel.as_fd(), token, interest) {
                    Err(error) if is_always_ready(&error) => always = true,
                    result => result?,
                }
                Entry::Channel(channel)
            }
        };
        self.occupy(token, entry).flags.told_of_room = told_of_room;
        if always {
            self.note_always_ready(token);
        }
        Ok(())
    }

    fn note_always_ready(&mut self, token: Token) {
        let flags = &mut self.slots[token.slot as usize].flags;
        flags.set(READABLE | WRITABLE);
        enqueue(&mut self.next_tick, token, flags);
    }

    fn notified(&self, token: Token, notifier: Notifier) -> io::Result<Entry> {
        self.arm(notifier.as_fd(), token, READ)?;
        let pending = Vec::new();
        Ok(Entry::Notifier(Box::new(Notifying { notifier, pending })))
    }

    pub(crate) fn kill_child(&mut self, token: Token, signal: i32) {
        if let Some(slot) = self.slots.get(token.slot as usize)
            && slot.flags.generation == token.generation
            && let Entry::Notifier(source) = &slot.entry
        {
            source.notifier.kill_child(signal);
        }
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

    pub(super) fn arm(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        self.poll
            .registry()
            .register(&mut SourceFd(&fd.as_raw_fd()), pack(token), interest)
    }

    /// Closing a descriptor is not enough: while a duplicate of it is open anywhere, the kernel
    /// goes on reporting it. An error means that it was not registered (a regular file).
    pub(super) fn disarm(&self, entry: &Entry) {
        let registry = self.poll.registry();
        let forget = |fd: RawFd| drop(registry.deregister(&mut SourceFd(&fd)));
        match entry {
            Entry::Free => {}
            Entry::Stream(fd) => forget(fd.as_raw_fd()),
            Entry::Channel(channel) => forget(channel.as_fd().as_raw_fd()),
            Entry::Connecting(attempts) => {
                attempts.fds.iter().for_each(|fd| forget(fd.as_raw_fd()));
            }
            Entry::Datagrams(socket) => forget(socket.as_fd().as_raw_fd()),
            Entry::Listener(listener) => listener.fds.iter().for_each(|fd| forget(fd.as_raw_fd())),
            Entry::Watch(watch) => forget(watch.fd),
            Entry::Notifier(source) => forget(source.notifier.as_fd().as_raw_fd()),
        }
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
            let (fd, interest) = match entry {
                Entry::Watch(_) if flags.any(PAUSED) => continue,
                Entry::Watch(watch) => (watch.fd, to_mio(watch.interest)),
                entry => match room::wanted(entry, flags) {
                    Some(wanted) => wanted,
                    None => continue,
                },
            };
            let registry = self.poll.registry();
            if let Err(error) = registry.reregister(&mut SourceFd(&fd), pack(token), interest) {
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

/// epoll refuses what never blocks, such as a regular file that standard input comes from.
fn is_always_ready(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}

fn to_mio(interest: Interest) -> mio::Interest {
    match interest {
        Interest::Read => READ,
        Interest::Write => mio::Interest::WRITABLE,
        Interest::ReadWrite => BOTH,
    }
}
