//! Encrypted bytes on their way from the protocol to the wire: one buffer for all connections.
//! It must never hold those of two connections at once.

use rustls::unbuffered::InsufficientSizeError;

/// Memory that is kept for the next connection, in bytes: a usual send, encrypted.
const KEPT: usize = 320 * 1024;

#[derive(Default)]
pub(super) struct Sealed {
    /// As long as it has ever been, so that it need not be cleared for each use.
    buffer: Vec<u8>,
    len: usize,
}

impl Sealed {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        if self.buffer.len() > KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Appends what `seal` writes, which needs about `guess` bytes and says how many if that was
    /// too little. False if it cannot write at all.
    pub(super) fn fill(
        &mut self,
        guess: usize,
        mut seal: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
    ) -> bool {
        let mut size = guess;
        for _ in 0..2 {
            if self.buffer.len() < self.len + size {
                self.buffer.resize(self.len + size, 0);
            }
            match seal(&mut self.buffer[self.len..]) {
                Ok(written) => {
                    self.len += written;
                    return true;
                }
                Err(Some(InsufficientSizeError { required_size })) => size = required_size,
                Err(None) => return false,
            }
        }
        false
    }
}
