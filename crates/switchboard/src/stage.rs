//! What sources send in small pieces during a tick, in one buffer for all of them: as a rule the
//! kernel takes it at the end of the tick, so no source needs an outbox of its own for it.
//! It must never keep bytes beyond a flush: what the kernel does not take moves to an outbox, and
//! a driver that sends later takes the whole stage (`Driver::keep_stage`).

use bytes::Bytes;

use crate::sources::Source;

/// How many bytes are staged at most; what goes beyond is put into outboxes at once.
const STAGE: usize = 64 * 1024;

pub(crate) struct Stage {
    bytes: Box<[u8]>,
    filled: usize,
    /// What was copied here last of what many are sent, and where it lies: the next ones need no copy.
    /// Held, so that nothing else gets its address meanwhile.
    shared: Option<(Bytes, Staged)>,
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

impl Default for Stage {
    fn default() -> Stage {
        Stage::new()
    }
}

impl Stage {
    /// Makes room, which costs memory only as far as it is used.
    pub(crate) fn new() -> Stage {
        Stage {
            bytes: vec![0; STAGE].into_boxed_slice(),
            filled: 0,
            shared: None,
        }
    }

    /// Puts bytes that others are sent, too, behind what a source has here, as `extend`: those that
    /// have nothing here yet share one copy. Bytes here never change, so neither does what they have
    /// if one of them is sent more.
    #[inline]
    pub(crate) fn share(&mut self, staged: &mut Staged, bytes: &Bytes) -> bool {
        if staged.len() == 0
            && let Some((last, place)) = &self.shared
            && last.as_ptr() == bytes.as_ptr()
            && last.len() == bytes.len()
        {
            *staged = *place;
            return true;
        }
        self.share_anew(staged, bytes)
    }

    #[inline(never)]
    fn share_anew(&mut self, staged: &mut Staged, bytes: &Bytes) -> bool {
        let Some(room) = self.extend(staged, bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        let len = bytes.len() as u32;
        let start = staged.start + staged.len - len;
        self.shared = Some((bytes.clone(), Staged { start, len }));
        true
    }

    /// Room for `len` bytes behind what a source has here. `None` if there is not enough, or if
    /// another source has sent since.
    #[inline(always)]
    pub(crate) fn extend(&mut self, staged: &mut Staged, len: usize) -> Option<&mut [u8]> {
        let end = self.filled;
        if staged.len() > 0 && staged.start as usize + staged.len() != end {
            return None;
        }
        let room = self.bytes.get_mut(end..end + len)?;
        self.filled = end + len;
        // Both are at most STAGE.
        staged.start = (end - staged.len()) as u32;
        staged.len += len as u32;
        Some(room)
    }

    #[inline]
    pub(crate) fn bytes(&self, staged: Staged) -> &[u8] {
        let start = staged.start as usize;
        &self.bytes[start..start + staged.len()] // one check, not two
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
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
        if self.shared.is_some() {
            self.shared = None;
        }
    }
}

#[cfg(test)]
mod tests;
