//! Streams that descriptors travel with: the ring polls them, and they are read and written by calls
//! of their own. It must never read more than one wait has told of, nor for one that is paused.

use std::io::{self, ErrorKind};

use super::completions::Found;
use super::table::{BLOCKED, ENDED, Kind};
use super::{Lent, Told, Uring};
use crate::Token;
use crate::driver::channel::Read;
use crate::driver::{Event, Resource};
use crate::net::{ConnectOptions, UnixAddress, dial_unix};
use crate::outbox::Outbox;

/// One read of such a stream, in bytes: they are read to memory of the driver's own.
const READ: usize = 64 * 1024;

impl Uring {
    /// Connects to a Unix socket, which is there at once or not at all.
    pub(crate) fn connect_unix(
        &mut self,
        token: Token,
        address: &UnixAddress,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        self.close(token); // an earlier attempt
        let stream = dial_unix(address, options)?;
        self.register(token, Resource::Stream(stream))?;
        self.events.push_back((token, Event::Connected));
        self.set_straight();
        Ok(())
    }

    #[cold]
    pub(super) fn send_through_channel(
        &mut self,
        token: Token,
        outbox: &mut Outbox,
    ) -> io::Result<()> {
        if let Some((index, place)) = self.table.find(token)
            && let Kind::Channel(channel) = &place.kind
            && !place.any(BLOCKED)
            && !channel.send(outbox)?
        {
            place.set(BLOCKED);
            self.arm_later(index); // `Sent` comes when it has room
        }
        Ok(())
    }

    /// The poll of such a stream has told something.
    pub(super) fn readable(&mut self, index: u32, told: Told) -> Option<(Token, Found)> {
        if !told.more() {
            self.main_ended(index);
        }
        let place = self.table.at(index);
        let token = place.token;
        let Kind::Channel(channel) = &place.kind else {
            return None;
        };
        if !place.is_flowing() {
            return None; // armed anew when that has changed
        }
        let limit = (place.room as usize).min(READ).min(self.bytes_left);
        self.scratch.resize(limit, 0);
        let found = match channel.read(&mut self.scratch) {
            Ok(Read {
                bytes: n @ 1..,
                descriptors,
            }) => {
                self.scratch.truncate(n);
                self.bytes_left -= n;
                self.lent = Lent::Scratch;
                Some(match descriptors.is_empty() {
                    true => Found::Bytes,
                    false => Found::BytesWith(descriptors),
                })
            }
            Ok(_) => Some(Found::Event(Event::EndOfFile)),
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                None
            }
            Err(error) => Some(Found::Event(Event::Failed(error))),
        };
        if let Some(Found::Event(_)) = found {
            place.set(ENDED);
        }
        self.arm_later(index);
        Some((token, found?))
    }
}
