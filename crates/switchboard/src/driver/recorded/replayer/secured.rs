//! TLS, as it is replayed: not at all, since the recording is of what was not encrypted.
//! It must never need a key.
#![cfg(feature = "tls")]

use std::io;

use super::Replayer;
use crate::Token;
use crate::driver::StartTls;
use crate::driver::recorded::entry::{Call, Entry};
use crate::driver::recorded::secured::plain_of;

impl Replayer {
    pub(crate) fn keeps(&mut self, token: Token) -> bool {
        match self.reader.peek() {
            Ok((Entry::Kept(then), len)) if then == token && !self.is_over => {
                self.reader.skip(len);
                true
            }
            _ => false,
        }
    }

    /// What was encrypted then is in the recording as it was before.
    pub(crate) fn start_tls(&mut self, token: Token, start: &StartTls) -> io::Result<()> {
        let result = self.began(&Call::StartTls(token, plain_of(start)));
        self.outboxes.flushed(token, 0);
        result
    }
}
