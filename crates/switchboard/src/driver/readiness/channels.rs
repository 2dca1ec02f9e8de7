//! Streams that are read and written in their own way (`driver/channel.rs`): one look at such a one
//! that is ready. It must never take a short read for the last one: a read ends behind a line, or
//! behind the bytes that descriptors came with.

use std::io::{self, ErrorKind};
use std::net::Shutdown;

use rustix::io::Errno;

use super::registering::READ;
use super::room::Told;
use super::steps::{
    BLOCKED, CONNECTING, ENDING, Entry, Flags, PAUSED, READABLE, Slot, Step, Then, WRITABLE,
};
use super::{Readiness, enqueue};
use crate::Token;
use crate::driver::Event;
use crate::driver::channel::{Channel, Read};
use crate::driver::socket::Source;
use crate::net::{ConnectOptions, Taken, UnixAddress, dial_unix};
use crate::outbox::Outbox;
use crate::sources::Way;

impl Readiness {
    /// Connects to a Unix socket, which is there at once or not at all.
    pub(crate) fn connect_unix(
        &mut self,
        token: Token,
        address: &UnixAddress,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        match dial_unix(address, options)?.take()? {
            Taken::Tcp(fd) | Taken::Unix(fd) => self.add_attempt(token, fd, READ)?,
            Taken::Channel(channel) => {
                self.arm(Source::of(&*channel), token, READ)?;
                let slot = self.occupy(token, Entry::Channel(channel));
                slot.flags.set(CONNECTING);
            }
        }
        let flags = &mut self.slots[token.slot as usize].flags;
        flags.told_of_room = Told::Unasked;
        enqueue(&mut self.next_tick, token, flags);
        Ok(())
    }

    pub(super) fn shut_channel(&mut self, token: Token, how: Shutdown) {
        if let Some((channel, _)) = channel(&mut self.slots, token) {
            channel.shutdown(how);
            self.look_again(token); // what it was does not tell of that
        }
    }

    #[cold]
    pub(super) fn send_through_channel(
        &mut self,
        token: Token,
        outbox: &mut Outbox,
    ) -> io::Result<()> {
        if let Some((channel, flags)) = channel(&mut self.slots, token)
            && !flags.any(BLOCKED | CONNECTING)
            && !channel.send(outbox)?
        {
            flags.block(token, &mut self.rearm); // a `Sent` completion will come
        }
        Ok(())
    }
}

/// The channel of `token`, unless that is stale, or another kind of source.
pub(super) fn channel(slots: &mut [Slot], token: Token) -> Option<(&mut Channel, &mut Flags)> {
    let slot = slots.get_mut(token.slot as usize)?;
    match &mut slot.entry {
        Entry::Channel(channel) if slot.flags.generation == token.generation => {
            Some((channel, &mut slot.flags))
        }
        _ => None,
    }
}

pub(super) fn channel_step(
    channel: &mut Channel,
    flags: &mut Flags,
    buffer: &mut [u8],
) -> (Option<Step>, Then) {
    if flags.any(CONNECTING) {
        flags.clear(CONNECTING);
        return (Some(Step::Event(Event::Connected)), Then::Now);
    }
    if flags.any(BLOCKED) && flags.any(WRITABLE) {
        flags.clear(BLOCKED);
        return (Some(Step::Event(Event::Sent)), Then::Now);
    }
    if channel.way == Way::Writer {
        let is_gone = flags.any(ENDING);
        flags.clear(READABLE | ENDING);
        let gone = || Step::Event(Event::Failed(Errno::PIPE.into()));
        return (is_gone.then(gone), Then::OnEvent);
    }
    if !flags.any(READABLE) || flags.any(PAUSED) || buffer.is_empty() {
        return (None, Then::OnEvent);
    }
    let event = match channel.read(buffer) {
        Ok(Read {
            bytes: n @ 1..,
            descriptors,
        }) => {
            let step = match descriptors.is_empty() {
                true => Step::Bytes(n),
                false => Step::BytesWith(n, descriptors),
            };
            return (Some(step), Then::NextTick);
        }
        Ok(_) => Some(Step::Event(Event::EndOfFile)),
        Err(error) if error.kind() == ErrorKind::Interrupted => return (None, Then::NextTick),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => Some(Step::Event(Event::Failed(error))),
    };
    flags.clear(READABLE);
    (event, Then::OnEvent)
}
