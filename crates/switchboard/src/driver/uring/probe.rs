//! Whether io_uring works here: a receive on a pair of sockets, made as the driver makes them.
//! It must never compare versions: a kernel that is new enough may still be told to refuse.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::{cqueue, opcode, types};

use super::Setup;
use super::buffers::GROUP;
use super::ring::{Ring, SEND};

/// How long the kernel may take for what it has to do at once.
const PATIENCE: Duration = Duration::from_secs(1);

const MESSAGE: &[u8] = b"does io_uring work here?";

/// # Errors
/// Why it does not work.
pub(super) fn probe(setup: &Setup) -> io::Result<()> {
    let mut ring = Ring::new(setup)?;
    ring.enable()?;
    let (near, mut far) = UnixStream::pair()?;
    far.write_all(MESSAGE)?;
    let receive = opcode::RecvMulti::new(types::Fd(near.as_raw_fd()), GROUP).build();
    let send = opcode::Send::new(
        types::Fd(near.as_raw_fd()),
        MESSAGE.as_ptr(),
        MESSAGE.len() as u32,
    );
    let send = send.flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_WAITALL);
    // SAFETY: the one points to nothing, the other to a constant.
    unsafe {
        ring.attempt(send.build().user_data(SEND))?;
        ring.start(&receive)?;
    }
    ring.wait(1, Some(PATIENCE))?;
    let mut told = Vec::new();
    ring.drain(|number, result, flags| told.push((number, result, flags)))?;
    let &[(0, result, flags)] = &told[..] else {
        return Err(io::Error::other(format!(
            "one completion was expected, and {} came",
            told.len()
        )));
    };
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    let buffer = cqueue::buffer_select(flags)
        .ok_or_else(|| io::Error::other("it received without one of our buffers"))?;
    let goes_on = cqueue::buffer_more(flags);
    let piece = ring.buffers.take(buffer, result as usize, goes_on);
    let is_right = ring.buffers.bytes(piece) == MESSAGE && cqueue::more(flags);
    ring.buffers.let_go(piece);
    if is_right {
        Ok(())
    } else {
        Err(io::Error::other("it received something else"))
    }
}
