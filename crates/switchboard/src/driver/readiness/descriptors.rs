//! What only Unix has to wait for: descriptors that are watched for their owners, and those that tell of
//! something else: signals, the end of a process. It must never read a descriptor that is not its own.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::io::Errno;

use super::Readiness;
use super::registering::{BOTH, READ};
use super::steps::{ENDING, Entry, Flags, PAUSED, READABLE, Step, Then, WRITABLE};
use crate::driver::socket::Source;
use crate::driver::{Event, Notifier};
use crate::io::Interest;
use crate::{Ready, Token};

pub(super) struct Watch {
    /// Held for its descriptor's sake, which `fd` is.
    pub(super) _source: Box<dyn AsFd>,
    /// Asked of the source once: what it does when asked is the program's code.
    pub(super) fd: RawFd,
    pub(super) interest: Interest,
    /// The kernel refuses to watch it, as it does with regular files: those are always ready.
    pub(super) always: bool,
}

pub(super) struct Notifying {
    pub(super) notifier: Notifier,
    /// Taken from it, and not handed out yet.
    pub(super) pending: Vec<Event<'static>>,
}

impl Readiness {
    pub(super) fn watch(
        &mut self,
        token: Token,
        source: Box<dyn AsFd>,
        interest: Interest,
    ) -> io::Result<()> {
        let fd = source.as_fd().as_raw_fd();
        self.watched.begin(fd)?;
        let armed = self.arm_unless_always(Source(fd), token, to_mio(interest));
        if armed.is_err() {
            self.watched.end(fd);
        }
        let always = armed?;
        let watch = Watch {
            _source: source,
            fd,
            interest,
            always,
        };
        self.occupy(token, Entry::Watch(Box::new(watch)));
        if always {
            self.note_always_ready(token);
        }
        Ok(())
    }

    pub(super) fn notify(&mut self, token: Token, notifier: Notifier) -> io::Result<()> {
        self.arm(Source::of(&notifier), token, READ)?;
        let pending = Vec::new();
        let notifying = Notifying { notifier, pending };
        self.occupy(token, Entry::Notifier(Box::new(notifying)));
        Ok(())
    }

    /// Says whether it is always ready.
    pub(super) fn arm_unless_always(
        &self,
        source: Source,
        token: Token,
        interest: mio::Interest,
    ) -> io::Result<bool> {
        match self.arm(source, token, interest) {
            Err(error) if is_always_ready(&error) => Ok(true),
            result => result.map(|()| false),
        }
    }

    /// Tells when a turn of the loop has something to do.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    pub(crate) fn kill_child(&mut self, token: Token, signal: i32) {
        if let Some(slot) = self.slots.get(token.slot as usize)
            && slot.flags.generation == token.generation
            && let Entry::Notifier(source) = &slot.entry
        {
            source.notifier.kill_child(signal);
        }
    }
}

pub(super) fn watch_step(
    watch: &Watch,
    flags: &mut Flags,
    token: Token,
    rearm: &mut Vec<Token>,
) -> (Option<Step>, Then) {
    let ready = Ready {
        read: flags.any(READABLE) && watch.interest.read(),
        write: flags.any(WRITABLE) && watch.interest.write(),
    };
    if flags.any(PAUSED) || !(ready.read || ready.write) {
        return (None, Then::OnEvent);
    }
    let event = Some(Step::Event(Event::Ready(ready)));
    if watch.always {
        return (event, Then::NextTick);
    }
    flags.clear(READABLE | WRITABLE | ENDING);
    rearm.push(token);
    (event, Then::OnEvent)
}

pub(super) fn notifier_step(source: &mut Notifying, flags: &mut Flags) -> (Option<Step>, Then) {
    if source.pending.is_empty() && flags.any(READABLE) {
        source.pending = source.notifier.take();
        flags.clear(READABLE);
    }
    match source.pending.pop() {
        Some(event) => (Some(Step::Event(event)), Then::Now),
        None => (None, Then::OnEvent),
    }
}

/// epoll refuses what never blocks, such as a regular file that standard input comes from.
fn is_always_ready(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}

pub(super) fn to_mio(interest: Interest) -> mio::Interest {
    match interest {
        Interest::Read => READ,
        Interest::Write => mio::Interest::WRITABLE,
        Interest::ReadWrite => BOTH,
    }
}
