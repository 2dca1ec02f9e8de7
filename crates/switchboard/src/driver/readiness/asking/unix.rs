//! Where the kernel tells of each change by itself, for as long as it is asked. It must never cost a
//! read anything.

use super::super::room::Told;
use super::super::steps::{Flags, Step};
use crate::Token;

pub(in super::super) use super::super::room::wanted;

/// What is told of a connection.
pub(in super::super) const OF_TCP: Told = Told::Always;

/// That we have shut a connection down is told like its end.
pub(in super::super) const TELLS_OF_SHUTDOWN: bool = true;

/// Whether a descriptor of ours, which others may poll, tells nothing of these until the next wait.
pub(in super::super) fn keeps_silent(rearm: &[Token]) -> bool {
    !rearm.is_empty()
}

/// A read has taken all that there was.
#[inline(always)]
pub(in super::super) fn drained(_: Token, _: &mut Vec<Token>) {}

/// A source was looked at, and is to be looked at again when the kernel tells of it.
#[inline(always)]
pub(in super::super) fn looked_at(_: Token, _: &mut Flags, _: Option<&Step>, _: &mut Vec<Token>) {}
