//! Descriptors that travel with the bytes of a Unix socket: who may send and receive them, and how
//! many. It must never keep one whose source has ended, nor more than the source's bound.

use std::mem;
use std::os::fd::OwnedFd;

use crate::core::{Core, Request};
use crate::driver::MESSAGE_DESCRIPTORS;
use crate::handler::Close;
use crate::payload::Payload;
use crate::{Context, Error, LoopContext, Result, Token};

/// What is known of a source that descriptors travel to and from.
pub(crate) struct Carrier {
    limit: usize,
    /// Those that have come and were not taken.
    received: Vec<OwnedFd>,
}

impl<S: 'static> Context<'_, S> {
    /// As [`send_with_descriptors_to`](LoopContext::send_with_descriptors_to), to this source.
    ///
    /// # Errors
    /// As [`send_with_descriptors_to`](LoopContext::send_with_descriptors_to).
    ///
    /// # Platforms
    /// Unix.
    pub fn send_with_descriptors<'p>(
        &mut self,
        payload: impl Into<Payload<'p>>,
        descriptors: Vec<OwnedFd>,
    ) -> Result {
        let token = self.token();
        self.send_with_descriptors_to(token, payload, descriptors)
    }

    /// The descriptors that have come to this source and were not taken yet, in the order in which
    /// they were sent. They have come no later than the first byte of the message that they were
    /// sent with, so whoever has read that byte can take them. All are closed on `exec`.
    ///
    /// What is not taken is closed with the source. If more than the source's limit have come and
    /// are not taken, the source ends.
    ///
    /// # Platforms
    /// Unix.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        let token = self.token();
        let carrier = self.core.carriers.get_mut(&token);
        carrier.map_or_else(Vec::new, |carrier| mem::take(&mut carrier.received))
    }
}

impl<S: 'static> LoopContext<'_, S> {
    /// Appends to the outbox of a Unix socket, and has `descriptors` go with the first byte: the
    /// receiver gets duplicates of them, ours are closed when they have gone. Both ends must have
    /// said that they want that ([`Stream::enable_descriptors`](crate::Stream::enable_descriptors),
    /// [`ConnectOptions::with_descriptors`](crate::ConnectOptions::with_descriptors)): a receiver
    /// that has not gets the bytes alone.
    ///
    /// ```
    /// use std::io::{Read, Write, pipe};
    /// use std::os::unix::net::UnixStream;
    /// use switchboard::{Context, Handler, Reactor, Result, Stream};
    ///
    /// struct Receiver;
    ///
    /// impl Handler<String> for Receiver {
    ///     fn handle_read(&mut self, text: &mut String, cx: &mut Context<'_, String>) -> Result {
    ///         assert_eq!(cx.recv(64), b"a pipe");
    ///         for descriptor in cx.take_descriptors() {
    ///             std::fs::File::from(descriptor).read_to_string(text)?;
    ///         }
    ///         cx.close();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// struct Sender;
    /// impl Handler<String> for Sender {}
    ///
    /// # fn main() -> Result {
    /// let mut reactor = Reactor::new(String::new())?;
    /// let (here, there) = UnixStream::pair()?;
    /// let (mut here, mut there) = (Stream::try_from(here)?, Stream::try_from(there)?);
    /// here.enable_descriptors(1)?;
    /// there.enable_descriptors(1)?;
    /// let (reader, mut writer) = pipe()?;
    /// writer.write_all(b"through the pipe")?;
    /// drop(writer);
    /// reactor.with(|_, cx| -> Result {
    ///     cx.register(there, Receiver)?;
    ///     let sender = cx.register(here, Sender)?;
    ///     cx.send_with_descriptors_to(sender, "a pipe", vec![reader.into()])
    /// })?;
    /// reactor.run()?;
    /// assert_eq!(reactor.state(), "through the pipe");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); [`Error::WrongKind`] if descriptors were not enabled, or for a
    /// payload without a byte that they could go with; [`Error::TooManyDescriptors`] if more would
    /// wait than the source's limit, or for more than 253 (Linux's bound for one message). Then
    /// nothing was taken, and the descriptors are closed.
    ///
    /// # Platforms
    /// Unix.
    pub fn send_with_descriptors_to<'p>(
        &mut self,
        token: Token,
        payload: impl Into<Payload<'p>>,
        descriptors: Vec<OwnedFd>,
    ) -> Result {
        self.core
            .send_with_descriptors(token, payload.into(), descriptors, self.lent)
    }
}

impl<S: 'static> Core<S> {
    /// From now on descriptors may travel to and from a source.
    pub(crate) fn carry_descriptors(&mut self, token: Token, limit: usize) {
        if limit > 0 {
            let received = Vec::new();
            self.carriers.insert(token, Carrier { limit, received });
        }
    }

    fn send_with_descriptors(
        &mut self,
        token: Token,
        payload: Payload<'_>,
        descriptors: Vec<OwnedFd>,
        lent: &[u8],
    ) -> Result {
        self.sender(token)?;
        let wrong = |asked| Err(Error::WrongKind { token, asked });
        let Some(limit) = self.carriers.get(&token).map(|carrier| carrier.limit) else {
            return wrong("send descriptors, which have to be enabled for a Unix socket first");
        };
        if descriptors.is_empty() {
            return self.send_at_length(token, payload, lent);
        }
        if payload.len() == 0 {
            return wrong("send descriptors without a byte that they go with");
        }
        let source = self.sender(token)?;
        let outbox = source.outbox.as_ref();
        let waiting = outbox.map_or(0, |outbox| outbox.attached());
        let count = waiting + descriptors.len();
        if count > limit || descriptors.len() > MESSAGE_DESCRIPTORS {
            source.wants_write |= waiting > 0; // it may fit when these have gone
            return Err(Error::TooManyDescriptors { count, limit });
        }
        self.check_room(token, payload.len(), lent)?;
        self.push_attached(token, payload, descriptors);
        if self.is_recorded {
            let what = "descriptors that are sent";
            self.requests.push(Request::Unrecordable(what));
        }
        Ok(())
    }

    /// Descriptors have come, with the bytes that are offered next.
    #[cold]
    pub(crate) fn keep_descriptors(&mut self, token: Token, descriptors: Vec<OwnedFd>) {
        let is_open = self
            .sources
            .get(token)
            .is_some_and(|source| !source.is_ending());
        let Some(carrier) = self.carriers.get_mut(&token).filter(|_| is_open) else {
            return; // nobody's: closed
        };
        carrier.received.extend(descriptors);
        let (count, limit) = (carrier.received.len(), carrier.limit);
        if count > limit {
            cov_mark::hit!(too_many_descriptors);
            let why = Error::TooManyDescriptors { count, limit };
            self.finish(token, Close::Error(why));
        }
    }
}
