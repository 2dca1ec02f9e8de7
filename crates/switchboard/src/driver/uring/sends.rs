//! What goes out with the next wait: at most one send for each source, so that none overtakes
//! another. Memory that the kernel may read must never be changed or freed before it has been
//! submitted, and is never held for longer.
//!
//! Each send is attempted once, without waiting for room (`MSG_DONTWAIT`), so it ends within the
//! call that submits it, and its completion, if it has one, is there when that returns. What has not
//! gone goes back to the outbox that it came from.

use std::io::IoSlice;
use std::os::fd::RawFd;

use io_uring::squeue::Flags;
use io_uring::{opcode, squeue, types};

use super::buffers::{Buffers, Piece};
use super::ring::SEND;
use crate::outbox::Outbox;
use crate::stage::{Stage, Staged};

/// Pieces of memory in one send. The kernel takes up to 1024, and copies the array first.
const SLICES: usize = 64;

/// Bytes in one piece that are sent at once; the kernel takes less than 2 GiB in any case.
const MOST: usize = 1 << 30;

/// Kept for the next sources that send.
const SPARE: usize = 256;

/// Without a signal if the peer is gone, without waiting, and as an error if not all went.
pub(super) const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_WAITALL;

/// So many small sends of a tick have a completion each, the others only if not all bytes went: those
/// would not fit into the queue of completions beside all else.
///
/// To be told of a success costs less than not to be: for each entry that asks for silence
/// (`SKIP_SUCCESS`) the kernel writes to a cache line of the ring that other cores read whenever they
/// bring something for it. See ARCHITECTURE.md for what was measured.
pub(super) const TOLD: usize = 1024;

/// With fewer small ones none is told of: a call that is does not sleep, which would be one more for each
/// message of a single peer.
const FEW: usize = 8;

/// With more small ones for each completion that the tick has seen, none is told of either: that is a
/// broadcast, so little is brought meanwhile, and one more call for each tick is all that it costs.
const ANSWERS: usize = 2;

/// The send of one source.
#[derive(Clone, Copy)]
struct Due {
    place: u32,
    /// The place keeps it open until the send is settled.
    fd: RawFd,
    /// What it sends if that is little.
    staged: Staged,
    /// Which of `Sends::large` it sends otherwise.
    large: u32,
    /// What the kernel made of it.
    result: i32,
    /// Somebody waits to hear that it is done.
    is_awaited: bool,
}

/// In the number of a send that has a completion in any case.
const IN_ANY_CASE: u64 = 1 << 62;

/// The result of a send of which no completion says otherwise: all bytes went.
const ALL: i32 = i32::MAX;

/// What is sent is little.
const SMALL: u32 = u32::MAX;

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
#[expect(
    clippy::vec_box,
    reason = "the kernel is given the address of what is in the boxes"
)]
pub(super) struct Sends {
    due: Vec<Due>,
    /// What the large ones of `due` send, in their order.
    large: Vec<Box<Large>>,
    /// How many of these are in the ring: nothing that they point to may be touched.
    queued: usize,
    /// How many of these have yet to be told of, whatever becomes of them.
    untold: u32,
    /// How many completions the tick has seen that these come from.
    seen: usize,
    /// What the small ones send. The kernel is given pointers to it.
    stage: Stage,
    /// Some of `due` send bytes of it, so it must stay as it is.
    is_stage_kept: bool,
    /// Some of `due` are awaited.
    is_any_awaited: bool,
    /// Some of `due` are large, or awaited, or have failed.
    is_any_unusual: bool,
    spare: Vec<Box<Large>>,
    /// Places whose sources have ended with a send due.
    closed: Vec<u32>,
}

impl Sends {
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Whether another wait than the present one has to submit some.
    pub(super) fn is_any_awaited(&self) -> bool {
        self.is_any_awaited
    }

    /// How many completions of sends come with the call that submits what is queued, in any case.
    pub(super) fn untold(&self) -> u32 {
        self.untold
    }

    /// The next sends are those of a tick that has seen so many completions.
    pub(super) fn note_seen(&mut self, completions: usize) {
        self.seen = completions;
    }

    /// Whether there are as many small ones as it pays to be told of.
    fn are_told(&self) -> bool {
        let small = self.due.len() - self.large.len();
        small >= FEW && small <= ANSWERS * self.seen
    }

    /// Whether the source in `place` has a send due, at `index` if at all: a place remembers where
    /// its last one was, and need not be told when that has ended.
    #[inline]
    pub(super) fn is_due(&self, place: u32, index: u32) -> bool {
        (self.due.get(index as usize)).is_some_and(|due| due.place == place)
    }

    /// The source in `place`, which has one due, has ended: `finish` tells of it.
    pub(super) fn note_closed(&mut self, place: u32) {
        self.closed.push(place);
    }

    /// Somebody waits to hear that the send at `index` is done.
    pub(super) fn await_it(&mut self, index: u32) {
        self.due[index as usize].is_awaited = true;
        self.is_any_awaited = true;
        self.is_any_unusual = true;
    }

    /// Has the source in `place` send a few bytes of the stage that `keep_stage` will get, and says
    /// at which index, if it can be done.
    #[inline]
    pub(super) fn small(&mut self, place: u32, fd: RawFd, staged: Staged) -> Option<u32> {
        if self.is_stage_kept {
            return None; // that of an earlier flush
        }
        Some(self.begin(place, fd, staged, SMALL))
    }

    /// Takes the stage, if something of it is to be sent, for an empty one.
    pub(super) fn keep_stage(&mut self, stage: &mut Stage) {
        if !self.is_stage_kept && self.due.len() > self.large.len() {
            std::mem::swap(&mut self.stage, stage);
            self.is_stage_kept = true;
        }
    }

    /// Has the source in `place` send what will be added.
    pub(super) fn large(&mut self, place: u32, fd: RawFd) -> u32 {
        let large = self.spare.pop().unwrap_or_else(Large::new);
        self.is_any_unusual = true;
        self.large.push(large);
        let which = (self.large.len() - 1) as u32;
        self.begin(place, fd, Staged::default(), which)
    }

    #[inline]
    fn begin(&mut self, place: u32, fd: RawFd, staged: Staged, large: u32) -> u32 {
        let index = self.due.len() as u32; // one for each place at most
        self.due.push(Due {
            place,
            fd,
            staged,
            large,
            result: ALL,
            is_awaited: false,
        });
        index
    }

    /// Tells what the kernel is to do for at most `room` of the sends that are not in the ring. The
    /// small ones among the first `told` have a completion in any case, if it pays. The entries point
    /// to memory that this owns or holds: none of it may be touched before `settle`.
    #[inline]
    pub(super) fn queue(
        &mut self,
        room: usize,
        told: usize,
        buffers: &Buffers,
        mut push: impl FnMut(squeue::Entry),
    ) {
        let first = self.queued;
        let mut untold = 0;
        let told = if self.are_told() { told } else { 0 };
        for (offset, due) in self.due[first..].iter_mut().take(room).enumerate() {
            let index = first + offset;
            let is_told = due.large == SMALL && index < told;
            untold += u32::from(is_told);
            let (flags, number) = if is_told {
                (Flags::empty(), SEND | IN_ANY_CASE | index as u64)
            } else {
                (Flags::SKIP_SUCCESS, SEND | index as u64)
            };
            if due.large == SMALL {
                push(send(due.fd, self.stage.bytes(due.staged), number, flags));
            } else {
                let large = &mut self.large[due.large as usize];
                push(large.entry(due.fd, number, flags, buffers));
                if large.asked < large.len() {
                    due.is_awaited = true; // more than one call takes
                    self.is_any_awaited = true;
                }
            }
        }
        self.untold += untold;
        self.queued = self.due.len().min(first + room);
    }

    pub(super) fn are_queued(&self) -> bool {
        self.queued == self.due.len()
    }

    /// The completion of a send.
    #[inline]
    pub(super) fn note(&mut self, number: u64, result: i32) {
        let is_told = number & IN_ANY_CASE != 0;
        self.untold = self.untold.saturating_sub(is_told.into());
        let index = (number & !(SEND | IN_ANY_CASE)) as usize;
        let Some(due) = self.due.get_mut(index) else {
            return;
        };
        if !is_told || usize::try_from(result) != Ok(due.staged.len()) {
            due.result = result;
            self.is_any_unusual = true;
        }
    }

    /// Tells what became of the sends of which not only this is known, that all bytes went. When
    /// all have been submitted.
    pub(super) fn settle(&mut self, buffers: &mut Buffers, mut tell: impl FnMut(Outcome)) {
        if !self.is_any_unusual {
            return;
        }
        let mut larges = self.large.drain(..);
        for due in &self.due {
            let large = (due.large != SMALL).then(|| larges.next()).flatten();
            let asked = match &large {
                Some(large) => large.asked,
                None => due.staged.len(),
            };
            let (sent, is_blocked, error) = match due.result {
                ALL => (asked, false, None),
                n @ 0.. => (n as usize, (n as usize) < asked, None),
                error if error == -libc::EAGAIN => (0, true, None),
                error if error == -libc::EINTR => (0, false, None),
                error => (0, false, Some(-error)),
            };
            let mut rest = None;
            if let Some(mut large) = large {
                rest = large.settle(sent, buffers);
                if self.spare.len() < SPARE && large.outbox.is_reusable() {
                    self.spare.push(large);
                }
            } else if sent < asked {
                rest.get_or_insert_with(Box::<Outbox>::default)
                    .push(&self.stage.bytes(due.staged)[sent..]);
            }
            tell(Outcome {
                place: due.place,
                is_awaited: due.is_awaited,
                rest,
                is_blocked,
                error,
            });
        }
    }

    /// Once all is settled: from now on nothing is due. Tells the places of `note_closed`.
    pub(super) fn finish(&mut self, tell: impl FnMut(u32)) {
        self.closed.drain(..).for_each(tell);
        self.due.clear();
        self.queued = 0;
        self.untold = 0;
        self.is_stage_kept = false;
        self.is_any_awaited = false;
        self.is_any_unusual = false;
    }

    /// The outbox and the pieces of the send at `index`, if something can be added to it.
    fn open(&mut self, index: u32) -> Option<&mut Large> {
        if (index as usize) < self.queued {
            return None;
        }
        let which = self.due[index as usize].large;
        let large = self.large.get_mut(which as usize)?; // there is none at `SMALL`
        large.outbox.is_empty().then_some(large)
    }

    /// Adds all that is in an outbox, if it can be done.
    pub(super) fn take_outbox(&mut self, index: u32, outbox: &mut Outbox) -> bool {
        let Some(large) = self.open(index) else {
            return false;
        };
        std::mem::swap(&mut large.outbox, outbox);
        true
    }

    /// Adds a piece that is held for it, if it can be done.
    pub(super) fn take_piece(&mut self, index: u32, piece: Piece) -> bool {
        let Some(large) = self.open(index) else {
            return false;
        };
        large.lent.push(piece);
        true
    }
}

/// `struct io_uring_sqe` of `io_uring_enter(2)`, as far as a send has values in it. What the crate
/// builds is cleared first, and copied more than once: it took three times the instructions.
#[repr(C)]
struct SendEntry {
    opcode: u8,
    flags: u8,
    priority: u16,
    fd: RawFd,
    offset: u64,
    address: u64,
    len: u32,
    send_flags: i32,
    number: u64,
    nothing: [u64; 3],
}

#[inline]
fn send(fd: RawFd, bytes: &[u8], number: u64, flags: Flags) -> squeue::Entry {
    let entry = SendEntry {
        opcode: opcode::Send::CODE,
        flags: flags.bits(),
        priority: 0,
        fd,
        offset: 0,
        address: bytes.as_ptr().expose_provenance() as u64,
        len: bytes.len() as u32, // of the stage, or at most `MOST`
        send_flags: FLAGS,
        number,
        nothing: [0; 3],
    };
    // SAFETY: both are the kernel's structure, of one size (or this does not compile) and without
    // padding, and it may hold any values.
    unsafe { std::mem::transmute::<SendEntry, squeue::Entry>(entry) }
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

    #[inline(never)]
    fn entry(&mut self, fd: RawFd, number: u64, flags: Flags, buffers: &Buffers) -> squeue::Entry {
        if self.lent.is_empty()
            && let Some(bytes) = self.outbox.single()
        {
            self.asked = bytes.len().min(MOST);
            return send(fd, &bytes[..self.asked], number, flags);
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
        let entry = opcode::SendMsg::new(types::Fd(fd), &raw const self.header);
        let entry = entry.flags(FLAGS as u32).build();
        entry.flags(flags).user_data(number)
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
