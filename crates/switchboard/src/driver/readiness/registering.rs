//! What the kernel is told to watch, and from when until when.
//! It must never leave a descriptor registered that the driver does not hold any more.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use mio::unix::SourceFd;
use rustix::io::Errno;

use super::steps::{Entry, Flags, Listening, Notifying, PAUSED, READABLE, Slot, WRITABLE, Watch};
use super::{Readiness, enqueue};
use crate::driver::batches::DatagramSocket;
use crate::driver::channel::Channel;
use crate::driver::{Notifier, READ_BUFFER, Resource};
use crate::io::{Child, Interest, SignalSet};
use crate::net::{Endpoint, Sockets, Taken};
use crate::sources::Way;
use crate::{Listener, Token};

impl Readiness {
    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        let mut always = false;
        let entry = match resource {
            Resource::Stream(stream) => match stream.take()? {
                Taken::Socket(fd) => {
                    self.arm(fd.as_fd(), token, BOTH)?;
                    Entry::Stream(fd)
                }
                Taken::Channel(channel) => {
                    always = self.arm_channel(&channel, token)?;
                    Entry::Channel(channel)
                }
            },
            Resource::Listener(listener) => {
                let Sockets { file, fds } = listener.into_sockets()?;
                for fd in &fds {
                    self.arm(fd.as_fd(), token, mio::Interest::READABLE)?;
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
                self.arm(socket.as_fd(), token, BOTH)?;
                Entry::Datagrams(Box::new(socket))
            }
            Resource::Signals(signals) => {
                self.notified(token, Notifier::Signals(SignalSet::new(&signals)?))?
            }
            Resource::Child(process) => {
                self.notified(token, Notifier::Child(Child::spawn(process)?))?
            }
        };
        let slot = self.occupy(token, entry);
        if always {
            slot.flags.set(READABLE | WRITABLE);
            enqueue(
                &mut self.next_tick,
                token,
                &mut self.slots[token.slot as usize].flags,
            );
        }
        Ok(())
    }

    /// Says whether it is always ready.
    fn arm_channel(&self, channel: &Channel, token: Token) -> io::Result<bool> {
        let interest = match channel.way {
            Way::Connection | Way::Both => BOTH,
            Way::Reader => mio::Interest::READABLE,
            Way::Writer => mio::Interest::WRITABLE,
        };
        match self.arm(channel.as_fd(), token, interest) {
            Err(error) if is_always_ready(&error) => Ok(true),
            result => result.map(|()| false),
        }
    }

    fn notified(&self, token: Token, notifier: Notifier) -> io::Result<Entry> {
        self.arm(notifier.as_fd(), token, mio::Interest::READABLE)?;
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

    /// Bare readiness is level-triggered for its users, since they may read as little as they
    /// like: asking the kernel again reports what is still ready.
    pub(super) fn rearm_watches(&mut self) {
        for token in std::mem::take(&mut self.rearm) {
            let Some(slot) = self.slots.get_mut(token.slot as usize) else {
                continue;
            };
            if slot.flags.generation != token.generation || slot.flags.any(PAUSED) {
                continue;
            }
            let Entry::Watch(watch) = &slot.entry else {
                continue;
            };
            let interest = to_mio(watch.interest);
            let registry = self.poll.registry();
            if let Err(error) = registry.reregister(&mut SourceFd(&watch.fd), pack(token), interest)
            {
                tracing::debug!(%token, %error, "cannot watch any longer");
                slot.flags.set(READABLE | WRITABLE); // the handler's own read finds out why
                enqueue(&mut self.next_tick, token, &mut slot.flags);
            }
        }
    }
}

pub(super) const BOTH: mio::Interest = mio::Interest::READABLE.add(mio::Interest::WRITABLE);

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
        Interest::Read => mio::Interest::READABLE,
        Interest::Write => mio::Interest::WRITABLE,
        Interest::ReadWrite => BOTH,
    }
}
