//! Bytes of one source that its handler left for later.
//! It must never move the remainder on every `consume`: the cost of a byte is constant.

/// A queue of bytes that lies in one piece, so that a handler can look at all of it.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that are consumed already.
    head: usize,
}

impl Inbox {
    pub(crate) fn from_slice(bytes: &[u8]) -> Inbox {
        Inbox {
            buffer: bytes.to_vec(),
            head: 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.head..]
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len() - self.head
    }

    /// Adds bytes, and shows all that are there.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> &[u8] {
        // Moving what is left is paid for by the bytes consumed since the last move: each byte
        // is moved at most once for every byte that was consumed before it.
        if self.head >= self.len() {
            self.buffer.drain(..self.head);
            self.head = 0;
        }
        self.buffer.extend_from_slice(bytes);
        self.bytes()
    }

    /// Takes `n` bytes off the front; `n` is at most [`len`](Self::len).
    pub(crate) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len(), "consumed {n} of {} bytes", self.len());
        self.head += n;
    }
}

#[cfg(test)]
mod tests;
