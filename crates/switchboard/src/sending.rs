//! From `send` to the outbox: bounds and policies, what is copied and what is not.
//! It must never make a system call: what is sent here goes out in step 5 of the tick, or, when
//! bytes are sent on as they were received, right after the handler's call.

use std::ops::Range;
#[cfg(unix)]
use std::os::fd::OwnedFd;

use bytes::Bytes;

use crate::core::Core;
use crate::driver::Driver;
use crate::handler::Close;
use crate::outbox::{Outbox, OutboxPolicy};
use crate::payload::Payload;
use crate::sources::{Kind, Phase, Source};
use crate::{Error, LoopContext, Result, Token};

/// From this length on, bytes that a handler sends on as it received them go from the driver's
/// buffer straight to the kernel, right after the call. Shorter ones are copied to the outbox and
/// go out with all others at the end of the tick.
///
/// Measured with `bench/` on 24 November 2026, as CPU per message of a raw epoll server's: at 64
/// connections of single 64-byte messages 0.981 if each is sent at once, 0.957 at the end of the
/// tick. With 16 such messages in one read it is the other way round: 0.993 at once, 1.013 to 1.023
/// at the end, and the latency's p99 is 0.98 against 1.34.
const FORWARD: usize = 512;

/// Up to this length shared bytes are copied all the same: a chunk of their own would cost more
/// memory than they are, and a slice for the kernel each.
const SHARE: usize = 1024;

/// Up to this length bytes for many are staged, with one copy for all of them: so nobody needs an outbox
/// for them, unless its kernel has no room. Longer ones are not copied at all.
const SHARE_STAGED: usize = 4096;

/// Outboxes kept for the next source that sends, so that a request and its answer need no
/// allocation.
const SPARE_OUTBOXES: usize = 256;

/// A send of bytes that the driver has lent, not copied yet.
pub(crate) struct Forward {
    pub(crate) token: Token,
    pub(crate) range: Range<usize>,
}

impl<S: 'static> LoopContext<'_, S> {
    #[inline]
    pub(crate) fn send<'p>(&mut self, token: Token, payload: impl Into<Payload<'p>>) -> Result {
        match payload.into() {
            Payload::Copied(bytes) => self.send_copied(token, bytes),
            Payload::Lent(bytes) => self.send_lent(token, bytes),
            shared => self.core.send_at_length(token, shared, self.lent),
        }
    }

    #[inline(never)]
    fn send_lent(&mut self, token: Token, bytes: &Bytes) -> Result {
        if bytes.len() <= SHARE_STAGED && self.core.stage_shared(token, bytes) {
            return Ok(());
        }
        self.core
            .send_at_length(token, Payload::Lent(bytes), self.lent)
    }

    /// One function for all callers, small as it looks: it is too much to be part of each.
    #[inline(never)]
    fn send_copied(&mut self, token: Token, bytes: &[u8]) -> Result {
        if bytes.len() < FORWARD && self.core.stage(token, bytes) {
            return Ok(());
        }
        self.core
            .send_at_length(token, Payload::Copied(bytes), self.lent)
    }
}

impl<S: 'static> Core<S> {
    /// The source of `token`, if it can still send.
    #[inline]
    pub(crate) fn sender(&mut self, token: Token) -> Result<&mut Source> {
        match self.sources.get_mut(token) {
            Some(source) if source.can_send() => Ok(source),
            Some(source) if source.kind != Kind::Stream => Err(Error::WrongKind {
                token,
                asked: "send",
            }),
            Some(source) if !source.is_ending() => Err(Error::SendingEnded(token)),
            _ => {
                cov_mark::hit!(stale_token);
                Err(Error::Stale(token))
            }
        }
    }

    /// The usual send: a little, to a source of which nothing waits since an earlier tick. False,
    /// and nothing is done, if it is another one.
    #[inline(always)]
    fn stage(&mut self, token: Token, bytes: &[u8]) -> bool {
        let Some(source) = self.sources.get_mut(token) else {
            return false;
        };
        let fits = source.can_stage()
            && source.staged.len() + bytes.len() <= source.options.low as usize
            && self.inboxed + self.outboxed + bytes.len() <= self.config.max_buffered
            && self.forward.is_none()
            // Whatever is called before the copy, if only to grow a list, costs saved registers.
            && self.dirty.len() < self.dirty.capacity();
        if !fits {
            return false;
        }
        if !source.dirty {
            self.dirty.push(token);
            source.dirty = true;
        }
        let Some(room) = self.stage.extend(&mut source.staged, bytes.len()) else {
            return false; // what takes its place will be flushed too
        };
        self.outboxed += bytes.len();
        room.copy_from_slice(bytes); // last: nothing has to be kept in registers meanwhile
        true
    }

    /// As `stage`, for bytes that others are sent, too.
    #[inline(always)]
    fn stage_shared(&mut self, token: Token, bytes: &Bytes) -> bool {
        let Some(source) = self.sources.get_mut(token) else {
            return false;
        };
        let len = bytes.len();
        let fits = source.can_stage()
            && source.staged.len() + len <= source.options.low as usize
            && self.inboxed + self.outboxed + len <= self.config.max_buffered
            && self.forward.is_none()
            && self.stage.share(&mut source.staged, bytes);
        if !fits {
            return false;
        }
        self.outboxed += len;
        if !source.dirty {
            source.dirty = true;
            self.dirty.push(token);
        }
        true
    }

    /// Whether a send that goes to the outbox has room there, made by the source's policy if need be.
    #[cfg(unix)]
    pub(crate) fn check_room(&mut self, token: Token, len: usize, lent: &[u8]) -> Result {
        if self.forward.is_some() {
            self.keep_forward(lent);
        }
        let fits = self.buffered() + len <= self.config.max_buffered;
        let source = self.sender(token)?;
        if source.outbox_len() + len > source.options.high as usize || !fits {
            self.make_room(token, len)?;
        }
        Ok(())
    }

    /// Any send. `lent` is what the driver has lent to the handler that asks.
    #[cold]
    pub(crate) fn send_at_length(
        &mut self,
        token: Token,
        payload: Payload<'_>,
        lent: &[u8],
    ) -> Result {
        if self.forward.is_some() {
            self.keep_forward(lent);
        }
        let is_datagram = |source: &Source| source.kind == Kind::Datagram;
        if self.sources.get(token).is_some_and(is_datagram) {
            return self.push_datagram(token, &payload, None);
        }
        let len = payload.len();
        let fits = self.buffered() + len <= self.config.max_buffered;
        let source = self.sender(token)?;
        let outbox_len = source.outbox_len() + len;
        if outbox_len > source.options.high as usize || !fits {
            self.make_room(token, len)?;
        } else if len >= FORWARD
            && outbox_len == len
            && source.options.policy != OutboxPolicy::DropOldest // its rest would look whole
            && source.phase == Phase::Open // before, `close` has to find it in the outbox
            && let Payload::Copied(bytes) = payload
            && let Some(range) = range_within(lent, bytes)
        {
            self.forward = Some(Forward { token, range });
            return Ok(());
        }
        if let Some(bytes) = payload.to_copy(SHARE)
            && self.stage(token, bytes)
        {
            return Ok(());
        }
        self.push(token, payload);
        Ok(())
    }

    /// A send would exceed a bound: apply the source's policy.
    #[cold]
    pub(crate) fn make_room(&mut self, token: Token, len: usize) -> Result {
        let max_buffered = self.config.max_buffered;
        let total = self.buffered() + len;
        self.unstage(token);
        let source = self.sources.get_mut(token).ok_or(Error::Stale(token))?;
        let limit = source.options.high as usize;
        let most = limit.min(max_buffered);
        if len > most {
            return Err(Error::TooLarge { len, limit: most });
        }
        let policy = source.options.policy;
        // Descriptors know their byte by how many are before it.
        let is_plain = |outbox: &Outbox| outbox.is_plain();
        if policy == OutboxPolicy::DropOldest && source.outbox.as_deref().is_none_or(is_plain) {
            let mut dropped = 0;
            while source.outbox_len() + len > limit || total - dropped > max_buffered {
                let Some(bytes) = source.drop_oldest() else {
                    break;
                };
                dropped += bytes;
            }
            if dropped > 0 {
                cov_mark::hit!(oldest_dropped);
            }
            self.outboxed -= dropped;
            tracing::debug!(%token, dropped, "oldest sends dropped");
        }
        let total = self.buffered() + len;
        let source = self.sources.get_mut(token).ok_or(Error::Stale(token))?;
        let buffered = source.outbox_len();
        if buffered + len > limit {
            source.wants_write = true;
            if policy == OutboxPolicy::Disconnect {
                cov_mark::hit!(slow_consumer);
                self.finish(token, Close::SlowConsumer);
            }
            cov_mark::hit!(send_refused);
            return Err(Error::Full { buffered, limit });
        }
        if total > max_buffered {
            if !source.refused {
                source.refused = true;
                self.refused.push(token);
                self.prune_refused();
            }
            self.refused_at = self.buffered();
            return Err(Error::BufferedLimit {
                limit: max_buffered,
            });
        }
        Ok(())
    }

    /// Those that have ended since stay in the list; they must not make up most of it.
    fn prune_refused(&mut self) {
        if self.refused.len() > 64 + 2 * self.sources.len() {
            let sources = &self.sources;
            self.refused.retain(|token| sources.get(*token).is_some());
        }
    }

    /// Moves what a source has staged to its outbox: something has to follow it there.
    pub(crate) fn unstage(&mut self, token: Token) {
        if let Some(source) = self.sources.get_mut(token) {
            self.stage.unstage(source, 0);
        }
    }

    /// Appends to an outbox.
    pub(crate) fn push(&mut self, token: Token, payload: Payload<'_>) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        self.stage.unstage(source, 0);
        let spare = &mut self.spare_outboxes;
        let outbox = source
            .outbox
            .get_or_insert_with(|| spare.pop().unwrap_or_default());
        let drops = source.options.policy == OutboxPolicy::DropOldest;
        self.outboxed += payload.len();
        match payload.to_copy(SHARE) {
            // Dropping whole sends needs their boundaries, so they are not gathered then.
            Some(bytes) if !drops => outbox.push(bytes),
            _ => outbox.push_shared(payload.into_bytes()),
        }
        source.wants_write |= outbox.len() > source.options.low as usize;
        if !source.dirty {
            source.dirty = true;
            self.dirty.push(token);
        }
    }

    /// Appends to an outbox, with descriptors that go with the first byte.
    #[cfg(unix)]
    #[cold]
    pub(crate) fn push_attached(
        &mut self,
        token: Token,
        payload: Payload<'_>,
        descriptors: Vec<OwnedFd>,
    ) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        self.stage.unstage(source, 0);
        let spare = &mut self.spare_outboxes;
        let outbox = source
            .outbox
            .get_or_insert_with(|| spare.pop().unwrap_or_default());
        outbox.attach(descriptors);
        self.push(token, payload);
    }

    /// Copies a pending forward after all, since something else has to follow it.
    #[cold]
    pub(crate) fn keep_forward(&mut self, lent: &[u8]) {
        if let Some(Forward { token, range }) = self.forward.take() {
            self.push(token, Payload::Copied(&lent[range]));
        }
    }

    /// An empty outbox, for the next source that sends.
    #[inline]
    pub(crate) fn recycle(&mut self, outbox: Box<Outbox>) {
        if self.spare_outboxes.len() < SPARE_OUTBOXES && outbox.is_reusable() {
            self.spare_outboxes.push(outbox);
        }
    }

    #[inline(never)]
    pub(crate) fn submit_forward(&mut self, driver: &mut Driver) {
        let Some(Forward { token, range }) = self.forward.take() else {
            return;
        };
        let sent = match driver.forward(token, range.clone()) {
            Ok(sent) => sent,
            Err(error) => {
                // What was to be sent is lost with it, which the reason must tell.
                self.push(token, Payload::Copied(driver.lent(range)));
                return self.finish(token, Close::Io(error));
            }
        };
        if sent > 0
            && let Some(source) = self.sources.get_mut(token)
        {
            source.last_active = self.now;
        }
        if sent < range.len() {
            let rest = driver.lent(range.start + sent..range.end);
            self.push(token, Payload::Copied(rest));
        }
    }
}

/// Where `part` lies in `whole`, if it does.
fn range_within(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}
