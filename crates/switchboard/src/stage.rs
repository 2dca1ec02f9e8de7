//! What sources send in small pieces during a tick, in one buffer for all of them: as a rule the
//! kernel takes it at the end of the tick, so no source needs an outbox of its own for it.
//! It must never keep bytes beyond a flush: what the kernel does not take moves to an outbox.

use crate::sources::Source;

/// How many bytes are staged at most; what goes beyond is put into outboxes at once.
const STAGE: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Stage {
    bytes: Vec<u8>,
}

/// Where the bytes of one source lie. They come before those in its outbox.
#[derive(Clone, Copy, Default)]
pub(crate) struct Staged {
    start: u32,
    len: u32,
}

impl Staged {
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}

impl Stage {
    /// Appends to what a source has here. False, and nothing is done, if there is no room, or if
    /// another source has sent since.
    #[inline]
    pub(crate) fn push(&mut self, staged: &mut Staged, bytes: &[u8]) -> bool {
        let end = self.bytes.len();
        if staged.len == 0 {
            staged.start = end as u32; // at most STAGE
        }
        let fits = end + bytes.len() <= STAGE && staged.start as usize + staged.len() == end;
        if fits {
            self.bytes.extend_from_slice(bytes);
            staged.len += bytes.len() as u32;
        }
        fits
    }

    #[inline]
    pub(crate) fn bytes(&self, staged: Staged) -> &[u8] {
        &self.bytes[staged.start as usize..][..staged.len()]
    }

    /// Moves the bytes of a source, except the first `gone`, to its outbox.
    #[cold]
    pub(crate) fn unstage(&self, source: &mut Source, gone: usize) {
        let staged = std::mem::take(&mut source.staged);
        if staged.len() > gone {
            let outbox = source.outbox.get_or_insert_with(Box::default);
            debug_assert!(outbox.is_empty(), "what was staged comes first");
            outbox.push(&self.bytes(staged)[gone..]);
        }
    }

    /// Once no source has anything here.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}
