//! A completion as the ring told it, and what it says.
//! It must never be looked at twice: its bytes are there once.

use io_uring::cqueue;

use super::buffers::Piece;

/// A completion as the ring told it.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) number: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
    /// Where in its buffer the bytes begin that it brought, if it brought any.
    pub(super) start: u32,
}

/// `IORING_CQE_F_BUFFER` and `IORING_CQE_F_MORE` of `io_uring_enter(2)`.
const BYTES_AND_MORE: u32 = 1 | 1 << 1;

impl Told {
    /// The bytes that it brought.
    #[inline]
    pub(super) fn piece(&self) -> Option<Piece> {
        let buffer = cqueue::buffer_select(self.flags)?;
        let len = self.result.max(0) as u32;
        Some(Piece::new(buffer, self.start, len))
    }

    pub(super) fn place(&self) -> u32 {
        self.number as u32
    }

    pub(super) fn operation(&self) -> u64 {
        self.number & (0xff << 32)
    }

    /// Whether it brought bytes, and the operation goes on.
    #[inline]
    pub(super) fn goes_on(&self) -> bool {
        self.flags & BYTES_AND_MORE == BYTES_AND_MORE
    }

    /// Whether the operation goes on.
    pub(super) fn more(&self) -> bool {
        cqueue::more(self.flags)
    }
}

/// Whether a receive that ended so is to be armed anew, if it is wanted.
pub(super) fn is_harmless(error: i32) -> bool {
    matches!(
        error,
        libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN
    )
}

pub(super) fn is_out_of_resources(error: i32) -> bool {
    matches!(
        error,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM
    )
}
