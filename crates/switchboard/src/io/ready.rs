//! Bare readiness: what to watch a descriptor for, and what it turned out to be ready for.
//! It must never read or write the descriptor: its handler does.

/// What a descriptor is [watched](crate::LoopContext::watch) for.
///
/// # Platforms
/// Unix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That a read would not block: there are bytes, or the end of the file.
    Read,
    /// That a write would not block.
    Write,
    /// Either.
    ReadWrite,
}

impl Interest {
    pub(crate) fn read(self) -> bool {
        self != Interest::Write
    }

    pub(crate) fn write(self) -> bool {
        self != Interest::Read
    }
}

/// What a watched descriptor is ready for.
///
/// Errors and hang-ups show as whatever it is watched for: the next read or write tells.
///
/// # Platforms
/// Unix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// A read will not block.
    pub read: bool,
    /// A write will not block.
    pub write: bool,
}
