//! Bytes that arrived while their source did not want them, or had no room for them.
//! Those of all sources together must never be more than the bound.

/// What arrived while it was not wanted, or was more than there was room for.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    /// Bytes at the front that have been handed out.
    pub(super) taken: usize,
    pub(super) end: Option<End>,
}

/// How a stream of bytes has ended.
#[derive(Clone, Copy)]
pub(super) enum End {
    Eof,
    Failed(i32),
}

/// How many bytes are kept for all sources.
pub(super) struct Total {
    bytes: usize,
    most: usize,
}

impl Total {
    pub(super) fn new(most: usize) -> Total {
        Total { bytes: 0, most }
    }

    /// Keeps further bytes, if that is within the bound.
    pub(super) fn keep(&mut self, kept: &mut Kept, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.most - self.bytes;
        if fits {
            self.bytes += bytes.len();
            kept.bytes.extend_from_slice(bytes);
        }
        fits
    }

    /// So many bytes have been handed out.
    pub(super) fn take(&mut self, kept: &mut Kept, len: usize) {
        self.bytes -= len;
        kept.taken += len;
        if kept.taken == kept.bytes.len() {
            kept.bytes = Vec::new();
            kept.taken = 0;
        }
    }

    /// Nobody wants what is left.
    pub(super) fn forget(&mut self, kept: &mut Option<Box<Kept>>) {
        if let Some(kept) = kept.take() {
            self.bytes -= kept.bytes.len() - kept.taken;
        }
    }
}
