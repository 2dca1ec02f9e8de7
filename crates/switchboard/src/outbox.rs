//! Bytes of one source that the kernel has not taken yet, in the order of the sends.
//! It must never move a remainder after a partial write, and never knows of sockets or limits.

#[cfg(unix)]
mod attached;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use bytes::Bytes;

use crate::replayable::{Replayable, put_slice};

/// Small sends are gathered in chunks of about this size, in bytes. Larger chunks would copy no
/// less, and would keep more memory alive behind a slow reader.
const CHUNK: usize = 16 * 1024;

/// An empty outbox that has room for more chunks than this is not kept.
const SPARE_CHUNKS: usize = 64;

/// What a source does when a send would lift its outbox above the high watermark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboxPolicy {
    /// The send fails with [`Error::Full`](crate::Error::Full), and `handle_write` says when
    /// there is room again.
    #[default]
    Refuse,
    /// The send fails with [`Error::Full`](crate::Error::Full), and the source is closed with
    /// [`Close::SlowConsumer`](crate::Close::SlowConsumer).
    Disconnect,
    /// The oldest sends of which no byte has gone out are dropped, each as a whole, until the
    /// new one fits: for feeds, where only the newest counts.
    DropOldest,
}

/// A queue of chunks, and how much of the first has gone out.
///
/// Small sends are copied together into `tail`, which stands behind all of `chunks`; shared
/// bytes are queued as they are.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    chunks: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// Bytes of the first chunk (of `tail`, if there is none) that have gone out.
    head: usize,
    len: usize,
    /// Bytes that were dropped since somebody asked.
    dropped: usize,
    /// Descriptors that go with some of its bytes.
    #[cfg(unix)]
    attached: Option<Box<attached::Attached>>,
}

impl Outbox {
    /// Bytes that have not gone out yet.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy of `bytes`, together with its neighbours where they are small.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.tail.len() + bytes.len() > CHUNK && !self.tail.is_empty() {
            self.seal_tail();
        }
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends `bytes` without a copy. It stays apart from its neighbours, so that it can be
    /// dropped as a whole.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        self.seal_tail();
        self.len += bytes.len();
        if !bytes.is_empty() {
            self.chunks.push_back(bytes);
        }
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(mem::take(&mut self.tail).into());
        }
    }

    /// Fills `slices` with what goes out next, and says how many it filled.
    pub(crate) fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.head;
        let mut filled = 0;
        let tail = Some(self.tail.as_slice()).filter(|tail| !tail.is_empty());
        let chunks = self.chunks.iter().map(|chunk| &chunk[..]).chain(tail);
        for (slot, chunk) in slices.iter_mut().zip(chunks) {
            *slot = IoSlice::new(&chunk[skip..]);
            skip = 0;
            filled += 1;
        }
        filled
    }

    /// What goes out next, but for its first `skip` bytes, piece by piece.
    pub(crate) fn pieces(&self, skip: usize) -> impl Iterator<Item = &[u8]> + Clone {
        let mut skip = self.head + skip;
        let chunks = self.chunks.iter().map(|chunk| &chunk[..]);
        chunks.chain([&self.tail[..]]).filter_map(move |chunk| {
            let rest = chunk.get(skip..);
            skip = skip.saturating_sub(chunk.len());
            rest.filter(|rest| !rest.is_empty())
        })
    }

    /// What goes out next, if it lies in one piece.
    #[inline]
    pub(crate) fn single(&self) -> Option<&[u8]> {
        self.chunks.is_empty().then(|| &self.tail[self.head..])
    }

    /// Notes that `n` more bytes have gone out; `n` is at most [`len`](Self::len).
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.len, "advanced by {n} of {} bytes", self.len);
        self.len -= n;
        self.head += n;
        while let Some(first) = self.chunks.front() {
            if self.head < first.len() {
                return;
            }
            self.head -= first.len();
            self.chunks.pop_front();
        }
        if self.len == 0 {
            self.tail.clear();
            self.head = 0;
        }
    }

    /// Drops all that is in it, and keeps its memory.
    #[cfg(target_os = "linux")] // only a ring keeps them
    pub(crate) fn clear(&mut self) {
        self.advance(self.len);
    }

    /// Appends what was sent after all that is in this one, and leaves `newer` empty. No byte of
    /// `newer` has gone out.
    pub(crate) fn append(&mut self, newer: &mut Outbox) {
        debug_assert_eq!(newer.head, 0, "bytes of the newer one went out first");
        if newer.is_empty() {
            return;
        }
        self.seal_tail();
        self.chunks.append(&mut newer.chunks);
        mem::swap(&mut self.tail, &mut newer.tail);
        self.len += mem::take(&mut newer.len);
        self.dropped += newer.take_dropped();
    }

    /// Drops the oldest chunk of which no byte has gone out, and says how long it was: `None`
    /// if there is no such chunk. Each chunk is one send if all were given to `push_shared`.
    pub(crate) fn drop_oldest(&mut self) -> Option<usize> {
        let oldest = usize::from(self.head > 0);
        let dropped = self.chunks.remove(oldest)?.len();
        self.len -= dropped;
        self.dropped += dropped;
        Some(dropped)
    }

    /// How many bytes were dropped since this was called last.
    pub(crate) fn take_dropped(&mut self) -> usize {
        mem::take(&mut self.dropped)
    }

    /// Whether nothing but bytes waits in it.
    pub(crate) fn is_plain(&self) -> bool {
        #[cfg(unix)]
        return self.attached.is_none();
        #[cfg(not(unix))]
        return true;
    }

    /// Whether an empty one is worth keeping for another source: it holds little memory.
    #[inline]
    pub(crate) fn is_reusable(&self) -> bool {
        self.tail.capacity() <= CHUNK && self.chunks.capacity() <= SPARE_CHUNKS
    }
}

/// With its chunks, which say what can be dropped.
impl Replayable for Outbox {
    fn encode(&self, out: &mut Vec<u8>) {
        self.chunks.len().encode(out);
        self.chunks.iter().for_each(|chunk| chunk.encode(out));
        put_slice(out, &self.tail);
        self.head.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Outbox> {
        let (chunks, tail, head): (Vec<Bytes>, Bytes, usize) = Replayable::decode(bytes)?;
        let all = chunks.iter().map(Bytes::len).sum::<usize>() + tail.len();
        let first = chunks.first().map_or(tail.len(), Bytes::len);
        Some(Outbox {
            len: all.checked_sub(head).filter(|_| head <= first)?,
            chunks: chunks.into(),
            tail: tail.into(),
            head,
            dropped: 0,
            #[cfg(unix)]
            attached: None,
        })
    }
}

#[cfg(test)]
mod tests;
