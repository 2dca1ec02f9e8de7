//! What goes out with the next wait: at most one send for each source, so that none overtakes
//! another. Memory that the kernel may read must never be changed or freed before it has been
//! submitted, and is never held for longer.
//!
//! Each send is attempted once, without waiting for room (`MSG_DONTWAIT`), so it ends within the
//! call that submits it. It has a completion only if not all bytes went: what is left then goes back
//! to the outbox that it came from.

use std::io::IoSlice;

use io_uring::{opcode, squeue, types};

use super::buffers::{Buffers, Piece};
use super::ring::SEND;
use crate::outbox::Outbox;

/// Pieces of memory in one send. The kernel takes up to 1024, and copies the array first.
const SLICES: usize = 64;

/// Bytes in one piece that are sent at once; the kernel takes less than 2 GiB in any case.
const MOST: usize = 1 << 30;

/// Kept for the next sources that send.
const SPARE: usize = 256;

/// Without a signal if the peer is gone, without waiting, and as an error if not all went.
pub(super) const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_WAITALL;

/// The send of one source.
pub(super) struct Due {
    pub(super) place: u32,
    /// What it sends if that is little: bytes of the stage.
    start: u32,
    len: u32,
    /// What it sends otherwise.
    large: Option<Box<Large>>,
    /// Somebody waits to hear that it is done.
    pub(super) is_awaited: bool,
    /// Its entry is in the ring: nothing that it points to may be touched.
    pub(super) is_queued: bool,
    /// What the kernel made of it, if that is not "all sent".
    result: Option<i32>,
}

/// What one source sends if that is more than a little.
struct Large {
    /// Bytes sent on as they were received, which go first.
    lent: Vec<Piece>,
    outbox: Outbox,
    /// How many bytes the kernel was given.
    asked: usize,
    slices: Vec<libc::iovec>,
    header: libc::msghdr,
}

/// What became of a send.
pub(super) struct Outcome {
    pub(super) place: u32,
    pub(super) is_awaited: bool,
    /// What has not gone.
    pub(super) rest: Option<Box<Outbox>>,
    /// The kernel takes nothing more now.
    pub(super) is_blocked: bool,
    pub(super) error: Option<i32>,
}

#[derive(Default)]
pub(super) struct Sends {
    due: Vec<Due>,
    /// The small ones, one behind the other. The kernel is given pointers to it.
    stage: Vec<u8>,
    #[expect(
        clippy::vec_box,
        reason = "the kernel is given the address of what is in the boxes"
    )]
    spare: Vec<Box<Large>>,
}

impl Sends {
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    pub(super) fn is_any_awaited(&self) -> bool {
        self.due.iter().any(|due| due.is_awaited)
    }

    pub(super) fn at(&mut self, index: u32) -> &mut Due {
        &mut self.due[index as usize]
    }

    /// Has the source in `place` send a few bytes, and says at which index, if it can be done.
    #[inline]
    pub(super) fn small(&mut self, place: u32, bytes: &[u8]) -> Option<u32> {
        if self.due.first().is_some_and(|due| due.is_queued) {
            return None; // the stage must not move
        }
        let start = self.stage.len() as u32; // what the core stages in a tick fits by far
        self.stage.extend_from_slice(bytes);
        Some(self.begin(place, start, bytes.len() as u32, None))
    }

    /// Has the source in `place` send what will be added.
    pub(super) fn large(&mut self, place: u32) -> u32 {
        let large = self.spare.pop().unwrap_or_else(Large::new);
        self.begin(place, 0, 0, Some(large))
    }

    #[inline]
    fn begin(&mut self, place: u32, start: u32, len: u32, large: Option<Box<Large>>) -> u32 {
        self.due.push(Due {
            place,
            start,
            len,
            large,
            is_awaited: false,
            is_queued: false,
            result: None,
        });
        (self.due.len() - 1) as u32 // one for each place at most
    }

    /// What the kernel is to do for the send at `index`. The entry points to memory that this owns
    /// or holds: none of it may be touched before `settle`.
    #[inline]
    pub(super) fn entry(&mut self, index: u32, fd: types::Fd, buffers: &Buffers) -> squeue::Entry {
        let due = &mut self.due[index as usize];
        due.is_queued = true;
        let entry = match &mut due.large {
            None => {
                let bytes = &self.stage[due.start as usize..][..due.len as usize];
                send(fd, bytes.as_ptr(), due.len)
            }
            Some(large) => {
                let entry = large.entry(fd, buffers);
                due.is_awaited |= large.asked < large.len(); // more than one call takes
                entry
            }
        };
        entry.user_data(SEND | u64::from(index))
    }

    /// There was no room in the ring for what `entry` made.
    pub(super) fn not_queued(&mut self, index: u32) {
        self.due[index as usize].is_queued = false;
    }

    /// The kernel did not take all of a send.
    pub(super) fn note(&mut self, number: u64, result: i32) {
        if let Some(due) = self.due.get_mut((number & !SEND) as usize) {
            due.result = Some(result);
        }
    }

    /// Takes what became of the sends, when all have been submitted.
    pub(super) fn settle(&mut self, buffers: &mut Buffers, mut tell: impl FnMut(Outcome)) {
        for due in self.due.drain(..) {
            let asked = due
                .large
                .as_ref()
                .map_or(due.len as usize, |large| large.asked);
            let (sent, is_blocked, error) = match due.result {
                None if due.is_queued => (asked, false, None),
                None => (0, false, None),
                Some(n @ 0..) => (n as usize, (n as usize) < asked, None),
                Some(error) if error == -libc::EAGAIN => (0, true, None),
                Some(error) if error == -libc::EINTR => (0, false, None),
                Some(error) => (0, false, Some(-error)),
            };
            let mut rest = None;
            if let Some(mut large) = due.large {
                rest = large.settle(sent, buffers);
                if self.spare.len() < SPARE && large.outbox.is_reusable() {
                    self.spare.push(large);
                }
            } else if sent < due.len as usize {
                let small = &self.stage[due.start as usize..][..due.len as usize];
                rest.get_or_insert_with(Box::<Outbox>::default)
                    .push(&small[sent..]);
            }
            tell(Outcome {
                place: due.place,
                is_awaited: due.is_awaited,
                rest,
                is_blocked,
                error,
            });
        }
        self.stage.clear();
    }
}

impl Due {
    /// Adds all that is in an outbox, if it can be done.
    pub(super) fn take_outbox(&mut self, outbox: &mut Outbox) -> bool {
        match &mut self.large {
            Some(large) if large.outbox.is_empty() && !self.is_queued => {
                std::mem::swap(&mut large.outbox, outbox);
                true
            }
            _ => false,
        }
    }

    /// Adds a copy of `bytes`, if it can be done.
    pub(super) fn take_bytes(&mut self, bytes: &[u8]) -> bool {
        match &mut self.large {
            Some(large) if large.outbox.is_empty() && !self.is_queued => {
                large.outbox.push(bytes);
                true
            }
            _ => false,
        }
    }

    /// Adds a piece that is held for it, if it can be done.
    pub(super) fn take_piece(&mut self, piece: Piece) -> bool {
        match &mut self.large {
            Some(large) if large.outbox.is_empty() && !self.is_queued => {
                large.lent.push(piece);
                true
            }
            _ => false,
        }
    }
}

#[inline]
fn send(fd: types::Fd, start: *const u8, len: u32) -> squeue::Entry {
    opcode::Send::new(fd, start, len).flags(FLAGS).build()
}

impl Large {
    fn new() -> Box<Large> {
        Box::new(Large {
            lent: Vec::new(),
            outbox: Outbox::default(),
            asked: 0,
            slices: Vec::new(),
            // SAFETY: null pointers and zero lengths are valid for it.
            header: unsafe { std::mem::zeroed() },
        })
    }

    fn entry(&mut self, fd: types::Fd, buffers: &Buffers) -> squeue::Entry {
        if self.lent.is_empty()
            && let Some(bytes) = self.outbox.single()
        {
            self.asked = bytes.len().min(MOST);
            return send(fd, bytes.as_ptr(), self.asked as u32);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let lent = self.lent.len().min(SLICES);
        for (slice, piece) in slices.iter_mut().zip(&self.lent) {
            *slice = IoSlice::new(buffers.bytes(*piece));
        }
        let filled = lent + self.outbox.gather(&mut slices[lent..]);
        let slices = &slices[..filled];
        self.slices.clear();
        self.slices.extend(slices.iter().map(|slice| libc::iovec {
            iov_base: slice.as_ptr().cast_mut().cast(),
            iov_len: slice.len(),
        }));
        self.asked = slices.iter().map(|slice| slice.len()).sum();
        self.header.msg_iov = self.slices.as_mut_ptr();
        self.header.msg_iovlen = filled as _;
        let flags = FLAGS as u32;
        opcode::SendMsg::new(fd, &raw const self.header)
            .flags(flags)
            .build()
    }

    fn len(&self) -> usize {
        let lent: usize = self.lent.iter().map(|piece| piece.len as usize).sum();
        lent + self.outbox.len()
    }

    /// Lets go of all that has gone, and takes out what has not.
    fn settle(&mut self, sent: usize, buffers: &mut Buffers) -> Option<Box<Outbox>> {
        let rest = (sent < self.len()).then(|| Box::new(self.rest(sent, buffers)));
        for piece in self.lent.drain(..) {
            buffers.let_go(piece);
        }
        self.outbox.clear();
        rest
    }

    /// What is left when `sent` bytes have gone: a copy of what was lent, then the outbox.
    #[cold]
    fn rest(&mut self, mut sent: usize, buffers: &Buffers) -> Outbox {
        let mut rest = Outbox::default();
        for piece in &self.lent {
            let gone = sent.min(piece.len as usize);
            rest.push(&buffers.bytes(*piece)[gone..]);
            sent -= gone;
        }
        self.outbox.advance(sent);
        if rest.is_empty() {
            std::mem::swap(&mut rest, &mut self.outbox); // with how much of its first piece has gone
        } else {
            rest.append(&mut self.outbox);
        }
        rest
    }
}
