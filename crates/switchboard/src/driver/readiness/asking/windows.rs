//! Where the kernel tells once of what it was asked about, as long as it holds: so it is asked again as
//! soon as that has been used up. It must never be asked about what nobody uses up, such as bytes for
//! a source that is paused, or the end of a stream that was told already: it would tell of it in
//! every tick.

use super::super::registering::{BOTH, READ};
use super::super::room::Told;
use super::super::steps::{BLOCKED, ENDED, Entry, Flags, READABLE, Step, WRITABLE};
use crate::Token;
use crate::driver::Event;

/// What is told of a connection: of room it is asked once a send has found none.
pub(in super::super) const OF_TCP: Told = Told::Unasked;

/// That we have shut a connection down shows in the next call only.
pub(in super::super) const TELLS_OF_SHUTDOWN: bool = false;

/// There is no descriptor that others could poll.
pub(in super::super) fn keeps_silent(_: &[Token]) -> bool {
    false
}

/// A read has taken all that there was.
pub(in super::super) fn drained(token: Token, rearm: &mut Vec<Token>) {
    rearm.push(token);
}

/// A source was looked at, and is to be looked at again when the kernel tells of it.
pub(in super::super) fn looked_at(
    token: Token,
    flags: &mut Flags,
    found: Option<&Step>,
    rearm: &mut Vec<Token>,
) {
    if let Some(Step::Event(Event::EndOfFile | Event::Failed(_))) = found {
        flags.set(ENDED);
    }
    rearm.push(token);
}

/// What to ask the kernel about; `None` if the source waits for nothing.
pub(in super::super) fn wanted(entry: &Entry, flags: &mut Flags) -> Option<mio::Interest> {
    if let Entry::Connecting(_) = entry {
        return Some(BOTH);
    }
    let read = !flags.any(READABLE | ENDED);
    let room = flags.any(BLOCKED) && !flags.any(WRITABLE);
    match (read, room) {
        (true, true) => Some(BOTH),
        (true, false) => Some(READ),
        (false, true) => Some(mio::Interest::WRITABLE),
        (false, false) => None,
    }
}
