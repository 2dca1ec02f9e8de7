//! What goes out as it came in, and so need not be written a second time: echoes, and what is passed
//! on to others. It must never look further back than the present frame: a reader has no other.

/// Shorter ones are written out: a reference would hardly be shorter.
const WORTH: usize = 16;

/// Where the bytes that were received lie in the present frame.
#[derive(Default)]
pub(super) struct Relays {
    received: Vec<(usize, usize)>,
    /// The one to compare with next: what many have sent mostly goes out in the same order.
    next: usize,
}

impl Relays {
    /// Another frame begins.
    pub(super) fn clear(&mut self) {
        self.received.clear();
        self.next = 0;
    }

    /// `len` bytes have been received, and lie at `start` in the frame.
    #[inline]
    pub(super) fn note(&mut self, start: usize, len: usize) {
        if len >= WORTH {
            self.received.push((start, len));
        }
    }

    /// Where in `frame` the bytes lie that are to go out now: they may be those received next, or
    /// the same that went out to another one before.
    #[inline]
    pub(super) fn find(&mut self, frame: &[u8], bytes: &[u8]) -> Option<usize> {
        if let Some(start) = self.same(self.next, frame, bytes) {
            self.next += 1;
            return Some(start);
        }
        self.same(self.next.wrapping_sub(1), frame, bytes)
    }

    #[inline]
    fn same(&self, at: usize, frame: &[u8], bytes: &[u8]) -> Option<usize> {
        let (start, len) = *self.received.get(at)?;
        (len == bytes.len() && frame.get(start..start + len)? == bytes).then_some(start)
    }

    /// They were others: with luck, the following ones are in step again.
    pub(super) fn pass(&mut self) {
        self.next = (self.next + 1).min(self.received.len());
    }
}
