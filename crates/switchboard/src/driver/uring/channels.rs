//! Streams that are read and written in their own way (`driver/channel.rs`): the ring polls them, and
//! they are read and written by calls. It must never read for one that is paused.

use std::io::{self, ErrorKind};
use std::net::Shutdown;

use rustix::io::Errno;

use super::completions::Found;
use super::table::{BLOCKED, ENDED, Kind};
use super::{Lent, Told, Uring};
use crate::Token;
use crate::driver::channel::Read;
use crate::driver::{Event, Resource};
use crate::net::{ConnectOptions, UnixAddress, dial_unix};
use crate::outbox::Outbox;
use crate::sources::Way;

/// What of a poll says that nobody is there to read what is written.
const GONE: i32 = (libc::POLLERR | libc::POLLHUP) as i32;

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

    /// Shuts down what is no connection: nothing tells of that but we.
    #[cold]
    pub(super) fn shutdown_channel(&mut self, token: Token, how: Shutdown) {
        let Some((index, place)) = self.table.find(token) else {
            return;
        };
        let Kind::Channel(channel) = &mut place.kind else {
            return;
        };
        channel.shutdown(how);
        if how != Shutdown::Write && channel.way != Way::Connection && !place.any(ENDED) {
            place.set(ENDED);
            self.events.push_back((token, Event::EndOfFile));
            self.cancel_main(index);
        }
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
        if channel.way == Way::Writer {
            place.set(ENDED); // there is nothing else to learn
            // What cannot be polled says so by an error, and a socket's peer may only have finished.
            let is_gone = told.result > 0 && told.result & GONE != 0;
            let gone = Event::Failed(Errno::PIPE.into());
            return is_gone.then_some((token, Found::Event(gone)));
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
