//! Whether io_uring works here: receives and sends on pairs of sockets, made as the driver makes
//! them.
//! It must never compare versions: a kernel that is new enough may still be told to refuse.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::squeue::Flags;
use io_uring::{opcode, types};

use super::buffers::GROUP;
use super::ring::{Ring, SEND};
use super::{READ_BUFFER, Setup, sends};

/// How long the kernel may take for what it has to do at once.
const PATIENCE: Duration = Duration::from_secs(1);

const MESSAGES: [&[u8]; 2] = [b"does io_uring work here?", b"in order?"];

/// More than a socket takes at once.
const TOO_MUCH: usize = 512 * 1024;

/// # Errors
/// Why it does not work.
pub(super) fn probe(setup: &Setup) -> io::Result<()> {
    let mut ring = Ring::new(setup)?;
    ring.enable()?;
    let (near, mut far) = UnixStream::pair()?;
    let (other, mut its_far) = UnixStream::pair()?;
    far.write_all(MESSAGES[0])?;
    its_far.write_all(MESSAGES[1])?;
    send(&mut ring, &near)?;
    receive(&mut ring, [&near, &other])
}

/// What `sends.rs` relies on: a send that does not wait ends in the call that submits it, with a
/// completion if not all went, and without one otherwise if none was asked for.
fn send(ring: &mut Ring, near: &UnixStream) -> io::Result<()> {
    let bytes = vec![0; TOO_MUCH];
    for (len, number) in [(1, SEND), (TOO_MUCH, SEND | 1)] {
        let fd = types::Fd(near.as_raw_fd());
        let entry = opcode::Send::new(fd, bytes.as_ptr(), len as u32).flags(sends::FLAGS);
        // SAFETY: `bytes` outlives the operation: it ends before the next call returns, and if it
        // should not, `bytes` is never freed.
        unsafe { ring.attempt(entry.build().user_data(number))? };
    }
    let submitted = ring.wait(0, None);
    let mut told = Vec::new();
    let sent = |number, result| told.push((number, result));
    let drained = ring.drain(&mut Vec::new(), true, sent, |_| true);
    let all_ended = match &told[..] {
        [] => true, // this system's sockets take more
        [(number, result)] => *number == SEND | 1 && *result > 0,
        _ => false,
    };
    if submitted.is_ok() && drained.is_ok() && all_ended && ring.is_submitted() {
        return Ok(());
    }
    std::mem::forget(bytes);
    submitted.and(drained)?;
    Err(io::Error::other(format!(
        "a send ended otherwise: {told:?}"
    )))
}

/// What `buffers.rs` relies on: completions come in the order of the receives, also where one
/// receives once and the next goes on, since none says where in a buffer its bytes begin. (Early
/// kernels with incremental buffers hold the former back: then bytes would get to the wrong source.)
fn receive(ring: &mut Ring, near: [&UnixStream; 2]) -> io::Result<()> {
    let [once, on] = near.map(|near| types::Fd(near.as_raw_fd()));
    let once = opcode::Recv::new(once, std::ptr::null_mut(), READ_BUFFER as u32).buf_group(GROUP);
    let once = once.build().flags(Flags::BUFFER_SELECT).user_data(0);
    let on = opcode::RecvMulti::new(on, GROUP).build().user_data(1);
    for entry in [once, on] {
        // SAFETY: it points to nothing.
        unsafe { ring.start(&entry)? };
    }
    ring.wait(2, Some(PATIENCE))?;
    let mut told = Vec::new();
    ring.drain(&mut told, true, |_, _| {}, |_| true)?;
    if told.len() != 2 {
        let text = format!("two completions were expected, and {} came", told.len());
        return Err(io::Error::other(text));
    }
    let mut all_right = true;
    for new in told {
        if new.result < 0 {
            return Err(io::Error::from_raw_os_error(-new.result));
        }
        let piece = new
            .piece()
            .ok_or_else(|| io::Error::other("it received without a buffer of ours"))?;
        let message = MESSAGES[new.number as usize];
        all_right &= ring.buffers.bytes(piece) == message && new.more() == (new.number == 1);
    }
    if all_right {
        Ok(())
    } else {
        Err(io::Error::other("it received something else"))
    }
}
