//! The system calls that send: one piece, or many in one call (`writev`, in the form that can be
//! told not to raise a signal). It must never loop: the driver decides whether to go on.

use std::io::{self, IoSlice};

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::steps::{BLOCKED, Flags};
use crate::Token;
use crate::driver::socket::{NO_SIGNAL, send_gathered};
use crate::outbox::Outbox;

/// Chunks given to the kernel in one call; Linux takes up to 1024, and copies the array first.
const SLICES: usize = 32;

#[inline]
pub(super) fn single(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::net::send(fd, bytes, NO_SIGNAL)
}

/// Sends what the kernel takes of `bytes` now, and says how much that was.
#[inline]
pub(super) fn some(
    fd: BorrowedFd<'_>,
    flags: &mut Flags,
    whose: (Token, &mut Vec<Token>),
    bytes: &[u8],
) -> io::Result<usize> {
    if flags.any(BLOCKED) {
        return Ok(0); // a `Sent` completion will come
    }
    match single(fd, bytes) {
        Ok(n) => {
            if n < bytes.len() {
                flags.block(whose.0, whose.1);
            }
            Ok(n)
        }
        Err(error) => refused(flags, whose, error),
    }
}

#[cold]
fn refused(
    flags: &mut Flags,
    (token, rearm): (Token, &mut Vec<Token>),
    error: Errno,
) -> io::Result<usize> {
    match error {
        Errno::AGAIN => flags.block(token, rearm),
        Errno::INTR => {}
        _ => return Err(error.into()),
    }
    Ok(0)
}

/// Sends as many chunks of an outbox as one call takes, and says how much that would be.
pub(super) fn gathered(fd: BorrowedFd<'_>, outbox: &Outbox) -> (usize, Result<usize, Errno>) {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = outbox.gather(&mut slices);
    let slices = &slices[..filled];
    let asked = slices.iter().map(|slice| slice.len()).sum();
    (asked, send_gathered(fd, slices))
}
