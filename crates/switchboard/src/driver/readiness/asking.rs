//! What the kernel has to be asked again once it has told of it, and when. It must never be left
//! unasked about anything that a source waits for.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{OF_TCP, TELLS_OF_SHUTDOWN, drained, keeps_silent, looked_at, wanted};
#[cfg(windows)]
pub(super) use windows::{OF_TCP, TELLS_OF_SHUTDOWN, drained, keeps_silent, looked_at, wanted};
