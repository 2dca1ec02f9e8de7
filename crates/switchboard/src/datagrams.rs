//! Datagrams on their way out, and the handler's calls about those that come or could not be sent.
//! It must never cut a datagram, put two together, or send one twice.

use std::collections::VecDeque;
use std::io;

use crate::core::Core;
use crate::driver::{Datagram, Driver, Resource};
use crate::handler::{Close, Handler};
use crate::payload::Payload;
use crate::program::Program;
use crate::sources::{Kind, Phase};
use crate::{Address, Context, Error, LoopContext, Result, ToEndpoint, Token, UdpSocket};

/// What a datagram counts in an outbox beyond its bytes, so that empty ones have a bound too: about
/// the memory that its entry takes.
pub(crate) const OVERHEAD: usize = 64;

/// The most that UDP carries over IPv4 and IPv6: 65,535 bytes less the headers (RFC 768, and RFC
/// 791, whose length includes its header; RFC 8200 leaves it out).
const MOST_IPV4: usize = 65_507;
const MOST_IPV6: usize = 65_527;

/// An empty outbox of more bytes than this gives its memory back.
const SPARE: usize = 64 * 1024;

/// The datagrams of one socket that the kernel has not taken, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    entries: VecDeque<Entry>,
    /// All of them, one behind the other, after `gone` bytes of earlier ones.
    bytes: Vec<u8>,
    gone: usize,
}

#[derive(Debug)]
struct Entry {
    len: usize,
    to: Option<Address>,
}

/// One that waits. `to` is the peer that its socket is connected to, if it is `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) to: Option<&'a Address>,
}

/// A datagram that is not delivered, or one that was sent before: why, and where it was to go.
#[derive(Debug)]
pub(crate) struct Undelivered {
    pub(crate) to: Option<Address>,
    pub(crate) error: io::Error,
}

impl Datagrams {
    /// What it holds, as the bounds count it.
    pub(crate) fn cost(&self) -> usize {
        self.bytes.len() - self.gone + OVERHEAD * self.entries.len()
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The oldest one.
    pub(crate) fn front(&self) -> Option<Outgoing<'_>> {
        let first = self.entries.front()?;
        let bytes = &self.bytes[self.gone..self.gone + first.len];
        let to = first.to.as_ref();
        Some(Outgoing { bytes, to })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Outgoing<'_>> {
        let mut start = self.gone;
        self.entries.iter().map(move |entry| {
            let bytes = &self.bytes[start..start + entry.len];
            start += entry.len;
            let to = entry.to.as_ref();
            Outgoing { bytes, to }
        })
    }

    pub(crate) fn push(&mut self, bytes: &[u8], to: Option<Address>) {
        self.bytes.extend_from_slice(bytes);
        let len = bytes.len();
        self.entries.push_back(Entry { len, to });
    }

    /// Takes the oldest one off, and says where it was to go; `None` if there is none.
    pub(crate) fn pop(&mut self) -> Option<Option<Address>> {
        let Entry { len, to } = self.entries.pop_front()?;
        self.gone += len;
        if self.entries.is_empty() {
            self.bytes.clear();
            self.gone = 0;
            if self.bytes.capacity() > SPARE {
                self.bytes = Vec::new();
            }
        } else if self.gone > self.bytes.len() / 2 {
            // No byte is moved more than once, on average.
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
        Some(to)
    }

    /// Takes the oldest one off to make room, and says what it counted.
    pub(crate) fn drop_oldest(&mut self) -> Option<usize> {
        let before = self.cost();
        self.pop()?;
        Some(before - self.cost())
    }
}

impl<S: 'static> LoopContext<'_, S> {
    /// Gives a UDP socket to the reactor, and what comes to it to `handler`: each datagram by
    /// [`handle_datagram`](Handler::handle_datagram).
    ///
    /// # Errors
    /// There are too many sources, or the reactor is shutting down: the socket is closed.
    pub fn register_udp(&mut self, socket: UdpSocket, handler: impl Handler<S>) -> Result<Token> {
        self.add(Kind::Datagram, Resource::Datagrams(socket), handler)
    }

    /// Gives a Unix datagram socket to the reactor, and what comes to it to `handler`, as
    /// [`register_udp`](Self::register_udp).
    ///
    /// # Errors
    /// As [`register_udp`](Self::register_udp).
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn register_unix_datagram(
        &mut self,
        socket: crate::UnixDatagram,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        self.register_udp(socket.0, handler)
    }

    /// Binds a UDP socket to the first address of `endpoint` that it can be bound to. Never blocks:
    /// a failure arrives as `handle_close`. What is sent before goes out when it is bound. For a
    /// client, bind `0.0.0.0:0` (or `[::]:0`). To set options, or to learn the port,
    /// [bind](UdpSocket::bind) first and [register](Self::register_udp) that.
    ///
    /// # Errors
    /// The address is malformed, there are too many sources, or the reactor is shutting down.
    pub fn listen_udp(
        &mut self,
        endpoint: impl ToEndpoint,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        let endpoint = endpoint.to_endpoint()?;
        let token = self
            .core
            .insert(Kind::Datagram, Phase::Connecting, handler)?;
        self.core.start_attempt(token, endpoint, None);
        Ok(token)
    }

    /// Has any datagram socket send one datagram to `to`, at the end of this tick; copies the
    /// bytes. Once this is `Ok`, the datagram is given to the system once, whole, and after those
    /// that were sent before it; whether it arrives, nobody knows. If the system refuses it (there
    /// is no route, it is too long for the path), `handle_error` is told
    /// [`Error::Undelivered`](crate::Error::Undelivered), and the socket goes on.
    ///
    /// While the system's own buffer is full, datagrams wait in the socket's outbox, where each
    /// counts 64 bytes beyond its own. [`SourceOptions`](crate::SourceOptions) are its bounds: above the high watermark
    /// this one is refused (the default), or the oldest ones are dropped
    /// ([`OutboxPolicy::DropOldest`](crate::OutboxPolicy)), or the socket is closed; `handle_write`
    /// says when there is room again.
    ///
    /// # Errors
    /// [`Error::DatagramTooLarge`](crate::Error::DatagramTooLarge) for one that UDP cannot carry;
    /// [`Error::Full`](crate::Error::Full) above the high watermark;
    /// [`Error::BufferedLimit`](crate::Error::BufferedLimit) if all sources together hold too much;
    /// [`Error::WrongKind`](crate::Error::WrongKind) if it is no datagram socket;
    /// [`Error::Stale`](crate::Error::Stale) if it is closed or closing. Nothing is sent then.
    pub fn send_datagram_to<'p>(
        &mut self,
        token: Token,
        payload: impl Into<Payload<'p>>,
        to: impl Into<Address>,
    ) -> Result {
        let to = Some(to.into());
        self.core.push_datagram(token, &payload.into(), to)
    }
}

impl<S: 'static> Context<'_, S> {
    /// Sends a datagram from this socket; see
    /// [`send_datagram_to`](LoopContext::send_datagram_to).
    ///
    /// # Errors
    /// As [`send_datagram_to`](LoopContext::send_datagram_to).
    pub fn send_datagram<'p>(
        &mut self,
        payload: impl Into<Payload<'p>>,
        to: impl Into<Address>,
    ) -> Result {
        let token = self.token();
        self.send_datagram_to(token, payload, to)
    }

    /// Whether the datagram that `handle_datagram` was called with was longer: its first bytes are
    /// there, as many as the socket [wants](crate::UdpSocket::set_longest), and the others are lost.
    pub fn is_truncated(&self) -> bool {
        self.core.is_truncated
    }
}

impl<S: 'static> Core<S> {
    /// Queues a datagram, within the socket's bounds.
    pub(crate) fn push_datagram(
        &mut self,
        token: Token,
        payload: &Payload<'_>,
        to: Option<Address>,
    ) -> Result {
        let source = self.sources.get(token).ok_or(Error::Stale(token))?;
        if source.kind != Kind::Datagram {
            let asked = "send datagrams";
            return Err(Error::WrongKind { token, asked });
        }
        if source.is_ending() {
            return Err(Error::Stale(token));
        }
        let bytes = payload.bytes();
        let limit = match to.as_ref().and_then(Address::ip) {
            Some(to) if to.is_ipv4() => MOST_IPV4,
            Some(_) => MOST_IPV6,
            None => usize::MAX, // the system knows
        };
        if bytes.len() > limit {
            let len = bytes.len();
            return Err(Error::DatagramTooLarge { len, limit });
        }
        let cost = bytes.len() + OVERHEAD;
        let total = self.buffered() + cost;
        if source.outbox_len() + cost > source.options.high as usize
            || total > self.config.max_buffered
        {
            self.make_room(token, cost)?;
        }
        if let Some(source) = self.sources.get_mut(token) {
            let queue = source.datagrams.get_or_insert_default();
            queue.push(bytes, to);
            source.wants_write |= queue.cost() > source.options.low as usize;
            self.outboxed += cost;
        }
        self.mark_dirty(token);
        Ok(())
    }

    /// One has come. What its handler answers with an error is that datagram's affair: whoever can
    /// send to a socket must not be able to end it.
    #[cold]
    #[inline(never)]
    pub(crate) fn datagram(
        &mut self,
        program: &mut Program<S>,
        token: Token,
        datagram: &Datagram<'_>,
    ) {
        let Datagram { bytes, from, .. } = *datagram;
        self.is_truncated = datagram.is_truncated;
        self.call(program, token, &[], |handler, state, cx| {
            if let Err(error) = handler.handle_datagram(state, cx, bytes, from) {
                handler.handle_error(state, cx, &error);
            }
            Ok(())
        });
        self.is_truncated = false;
    }

    /// The system told that one was not delivered.
    #[cold]
    #[inline(never)]
    pub(crate) fn undelivered(
        &mut self,
        program: &mut Program<S>,
        token: Token,
        undelivered: Undelivered,
    ) {
        let Undelivered { to, error } = undelivered;
        let error = Error::Undelivered { to, error };
        self.call(program, token, &[], |handler, state, cx| {
            handler.handle_error(state, cx, &error);
            Ok(())
        });
    }

    /// Gives the driver what it takes, and tells the handler of what could not be sent, and of room.
    #[cold]
    #[inline(never)]
    pub(crate) fn flush_datagrams(
        &mut self,
        program: &mut Program<S>,
        driver: &mut Driver,
        token: Token,
    ) {
        let queued = |source: &crate::sources::Source| {
            let queue = source.datagrams.as_ref();
            queue.map_or(0, |queue| queue.count())
        };
        // What `handle_error` sends waits for the next tick, or one that sends again and again what
        // cannot be sent would hold this one. Each try takes one, or tells of an earlier one.
        let mut tries = 2 * self.sources.get(token).map_or(0, queued);
        loop {
            let Some(source) = self.sources.get_mut(token) else {
                return;
            };
            if !matches!(source.phase, Phase::Open | Phase::Flushing) {
                return;
            }
            let Some(queue) = source.datagrams.as_mut().filter(|queue| !queue.is_empty()) else {
                break;
            };
            if tries == 0 {
                self.mark_dirty(token);
                break;
            }
            tries -= 1;
            let before = queue.cost();
            let outcome = driver.send_datagrams(token, queue);
            let left = queue.cost();
            self.outboxed -= before - left;
            tracing::trace!(%token, sent = before - left, left, "flushed");
            match outcome {
                None => break,
                Some(undelivered) => self.undelivered(program, token, undelivered),
            }
        }
        self.datagrams_flushed(program, driver, token);
    }

    fn datagrams_flushed(&mut self, program: &mut Program<S>, driver: &mut Driver, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let left = source.outbox_len();
        if source.phase == Phase::Flushing {
            match left {
                0 => self.finish(token, Close::Requested),
                _ => self.close_flushed(driver, token),
            }
            return;
        }
        let has_room = left <= source.options.low as usize;
        if has_room && std::mem::take(&mut source.wants_write) {
            self.call(program, token, &[], |handler, state, cx| {
                handler.handle_write(state, cx)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_keep_their_order_and_their_boundaries() {
        let mut queue = Datagrams::default();
        let all: Vec<Vec<u8>> = (0..100).map(|n| vec![n as u8; n % 7]).collect();
        for (n, bytes) in all.iter().enumerate() {
            queue.push(bytes, None);
            if n % 3 == 0 {
                let oldest = n / 3;
                let first = queue.front().expect("it has not gone");
                assert_eq!(first.bytes, all[oldest]);
                let cost = queue.cost();
                assert_eq!(queue.drop_oldest(), Some(all[oldest].len() + OVERHEAD));
                assert_eq!(queue.cost(), cost - all[oldest].len() - OVERHEAD);
            }
        }
        let left: Vec<&[u8]> = queue.iter().map(|one| one.bytes).collect();
        assert_eq!(left, all[34..]);
        while queue.pop().is_some() {}
        assert_eq!((queue.cost(), queue.count()), (0, 0));
    }
}
