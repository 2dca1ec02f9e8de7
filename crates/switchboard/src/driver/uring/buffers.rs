//! The buffers that the kernel receives into, and who still needs a part of one.
//! A part must never be given back to the kernel while somebody may still read it.
//!
//! The kernel fills a buffer from its start to its end, a piece for each receive, and goes on to
//! the next one (since Linux 6.12; before that each piece has a buffer of its own). A buffer is
//! given back with the next wait after the kernel is done with it, unless a piece of it has not
//! been looked at, or is to be sent.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use rustix::io::Errno;

use super::Setup;

/// The one group of buffers of a ring.
pub(super) const GROUP: u16 = 0;

/// `IOU_PBUF_RING_INC` of `io_uring_register_buf_ring(3)`: the kernel fills a buffer piece by piece.
const PIECE_BY_PIECE: u16 = 2;

/// Where the kernel expects the array to begin.
const PAGE: usize = 4096;

/// Received bytes: there until the next wait, and longer if they are held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    buffer: u16,
    start: u32,
    pub(super) len: u32,
}

impl Piece {
    pub(super) fn new(buffer: u16, start: u32, len: u32) -> Piece {
        Piece { buffer, start, len }
    }

    /// A part of it.
    pub(super) fn part(self, start: usize, len: usize) -> Piece {
        debug_assert!(start + len <= self.len as usize);
        Piece {
            start: self.start + start as u32,
            len: len as u32,
            ..self
        }
    }
}

/// What is known of one buffer.
#[derive(Clone, Copy, Default)]
struct Use {
    /// Bytes that the kernel has filled.
    filled: u32,
    /// Sends of its bytes.
    holders: u32,
    /// Bytes of it have not been looked at, as far as `give_back_done` was told.
    is_unread: bool,
}

pub(super) struct Buffers {
    /// The array that is shared with the kernel; a power of two of entries.
    entries: NonNull<BufRingEntry>,
    layout: Layout,
    /// All buffers, one behind the other. Never a reference: the kernel writes to it.
    memory: NonNull<[u8]>,
    each: usize,
    uses: Box<[Use]>,
    /// Those that the kernel will not fill more of.
    done: Vec<u16>,
    tail: u16,
}

impl Buffers {
    pub(super) fn new(submitter: &Submitter<'_>, setup: &Setup) -> io::Result<Buffers> {
        let in_pieces = Buffers::with(submitter, setup.buffers, setup.buffer, PIECE_BY_PIECE);
        match in_pieces {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                Buffers::with(submitter, setup.whole_buffers, setup.whole_buffer, 0)
            }
            result => result,
        }
    }

    fn with(submitter: &Submitter<'_>, count: u16, each: usize, flags: u16) -> io::Result<Buffers> {
        let bytes = usize::from(count) * size_of::<BufRingEntry>();
        let layout = Layout::from_size_align(bytes, PAGE).map_err(io::Error::other)?;
        // SAFETY: the layout has a size.
        let entries = NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<BufRingEntry>())
            .unwrap_or_else(|| handle_alloc_error(layout));
        let memory = Box::leak(vec![0; usize::from(count) * each].into_boxed_slice());
        let mut buffers = Buffers {
            entries,
            layout,
            memory: NonNull::from(memory),
            each,
            uses: vec![Use::default(); count.into()].into_boxed_slice(),
            done: Vec::with_capacity(count.into()),
            tail: 0,
        };
        let address = entries.as_ptr().expose_provenance() as u64;
        // SAFETY: the array has `count` entries, and is freed in `free` only: when the ring has no
        // operation left that could look at it, and does not know of it any more.
        match unsafe { submitter.register_buf_ring_with_flags(address, count, GROUP, flags) } {
            Ok(()) => {
                (0..count).for_each(|buffer| buffers.give_back(buffer));
                Ok(buffers)
            }
            Err(error) => {
                buffers.release();
                Err(error)
            }
        }
    }

    /// Notes what a completion says of a buffer, and says where its piece begins. In the order of
    /// the completions, since none of them says that.
    #[inline]
    pub(super) fn take(&mut self, buffer: u16, len: u32, goes_on: bool) -> u32 {
        let state = &mut self.uses[usize::from(buffer)];
        let start = state.filled;
        debug_assert!((start + len) as usize <= self.each, "more than it holds");
        state.filled += len;
        if !goes_on {
            self.done.push(buffer); // each once, and there is room for all
        }
        start
    }

    /// Keeps a piece beyond the next wait.
    pub(super) fn hold(&mut self, piece: Piece) {
        self.uses[usize::from(piece.buffer)].holders += 1;
    }

    /// Undoes one `hold`.
    pub(super) fn let_go(&mut self, piece: Piece) {
        self.uses[usize::from(piece.buffer)].holders -= 1;
    }

    /// Whether the kernel is done with some buffers that it has not got back.
    #[inline]
    pub(super) fn is_any_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Gives back what the kernel is done with, but for what is held, and what is `unread`. Of all
    /// other pieces nobody may read a byte any more.
    pub(super) fn give_back_done(&mut self, unread: impl Iterator<Item = Piece>) {
        for piece in unread {
            self.uses[usize::from(piece.buffer)].is_unread = true;
        }
        let mut done = std::mem::take(&mut self.done);
        done.retain(|&buffer| {
            let state = self.uses[usize::from(buffer)];
            let is_needed = state.holders > 0 || state.is_unread;
            if !is_needed {
                self.give_back(buffer);
            }
            is_needed
        });
        self.done = done; // keeps the memory
        for state in &mut self.uses {
            state.is_unread = false;
        }
    }

    #[inline]
    pub(super) fn bytes(&self, piece: Piece) -> &[u8] {
        let start = usize::from(piece.buffer) * self.each + piece.start as usize;
        assert!(start + piece.len as usize <= self.memory.len());
        // SAFETY: within the memory, which is initialised. The kernel has written this piece and
        // will not do so again before the buffer is given back: that needs `self` for itself, and
        // is not done while somebody holds the piece or has yet to look at it. What was lent of it
        // before ends with the wait that gives it back.
        unsafe {
            std::slice::from_raw_parts(
                self.memory.cast::<u8>().as_ptr().add(start),
                piece.len as usize,
            )
        }
    }

    fn give_back(&mut self, buffer: u16) {
        self.uses[usize::from(buffer)] = Use::default();
        let mask = self.uses.len() as u16 - 1;
        let start = usize::from(buffer) * self.each;
        let index = usize::from(self.tail & mask);
        // SAFETY: within the array and the memory. The kernel does not look at this entry before
        // it sees the tail behind it. (The tail lies in a part of the first entry that these do
        // not write to.)
        unsafe {
            let entry = self.entries.as_ptr().add(index);
            let memory = self.memory.cast::<u8>().as_ptr().add(start);
            (*entry).set_addr(memory.expose_provenance() as u64);
            (*entry).set_len(self.each as u32);
            (*entry).set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail is part of the array, aligned, and written here alone.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr());
            AtomicU16::from_ptr(tail.cast_mut())
        };
        tail.store(self.tail, Ordering::Release);
    }

    /// Frees all, when the kernel has no operation left that uses it.
    pub(super) fn free(&mut self, submitter: &Submitter<'_>) {
        match submitter.unregister_buf_ring(GROUP) {
            Ok(()) => self.release(),
            Err(error) => tracing::error!(%error, "the buffers of a ring are left to the kernel"),
        }
    }

    fn release(&mut self) {
        // SAFETY: made by `with` in just these ways, and nobody looks at them any more: this is
        // called once, when registering them has failed or has been undone.
        unsafe {
            std::alloc::dealloc(self.entries.as_ptr().cast(), self.layout);
            drop(Box::from_raw(self.memory.as_ptr()));
        }
    }
}
