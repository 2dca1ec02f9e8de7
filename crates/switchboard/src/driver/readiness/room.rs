//! When the kernel is asked to tell that there is room for what is sent. It must never leave a
//! send that has found no room without an answer.
//!
//! A TCP socket or a pipe tells of room only after a send has found none, so it is asked once and
//! for all. A datagram or Unix socket tells whenever somebody has taken what was sent, which would
//! end a wait for nothing each time: it is asked only while a send waits.

use super::asking::OF_TCP;
#[cfg(unix)]
use super::registering::{BOTH, READ};
#[cfg(unix)]
use super::steps::Entry;
use super::steps::{BLOCKED, Flags, WRITABLE};
use crate::Token;
use crate::net::Taken;
#[cfg(unix)]
use crate::sources::Way;

/// Whether the kernel is asked to tell that there is room.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// From the beginning to the end.
    #[default]
    Always,
    /// It is not, since no send waits.
    Unasked,
    /// It is, until a wait begins and no send waits.
    Asked,
}

/// What of a stream is told when it is registered.
pub(super) fn of_stream(taken: &Taken) -> Told {
    match taken {
        Taken::Tcp(_) => OF_TCP,
        Taken::Unix(_) => Told::Unasked,
        #[cfg(unix)]
        Taken::Channel(channel) if channel.is_socket() && channel.way != Way::Writer => {
            Told::Unasked
        }
        #[cfg(unix)]
        Taken::Channel(_) => Told::Always,
    }
}

/// What to ask of the kernel from now on, if that is not what it was asked.
#[cfg(unix)]
pub(super) fn wanted(entry: &Entry, flags: &mut Flags) -> Option<mio::Interest> {
    if !matches!(
        entry,
        Entry::Stream(_) | Entry::Channel(_) | Entry::Datagrams(_)
    ) {
        return None;
    }
    let (told, interest) = match (flags.any(BLOCKED), flags.told_of_room) {
        (true, Told::Unasked) => (Told::Asked, BOTH),
        (false, Told::Asked) => (Told::Unasked, READ),
        _ => return None,
    };
    flags.told_of_room = told;
    Some(interest)
}

impl Flags {
    /// The kernel takes nothing more until it says so, for which it may have to be asked.
    #[cold]
    pub(super) fn block(&mut self, token: Token, rearm: &mut Vec<Token>) {
        self.clear(WRITABLE);
        self.set(BLOCKED);
        if self.told_of_room == Told::Unasked {
            rearm.push(token);
        }
    }
}

#[cfg(test)]
mod tests;
