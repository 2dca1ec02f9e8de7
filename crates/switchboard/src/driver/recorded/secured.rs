//! TLS, as it is recorded: that it began, and what was sent in the clear before.
//! It must never write anything encrypted: a recording is of what the program saw.

use std::io;

use super::Recorder;
use super::entry::{self, Answer, Call};
use crate::Token;
use crate::driver::StartTls;

impl Recorder {
    pub(crate) fn keeps(&mut self, token: Token) -> bool {
        let keeps = self.inner.keeps(token);
        if keeps && !self.is_over() {
            entry::put_kept(self.sink.entries(), token);
        }
        keeps
    }

    pub(crate) fn start_tls(&mut self, token: Token, start: StartTls) -> io::Result<()> {
        let call = Call::StartTls(token, plain_of(&start));
        let result = self.inner.start_tls(token, start);
        self.outboxes.flushed(token, 0);
        self.note(&call, &Answer::of(&result));
        result
    }
}

/// What a source has sent as it is before it began to speak TLS, and not seen go.
pub(super) fn plain_of(start: &StartTls) -> Vec<u8> {
    let plain = start.plain.iter().flat_map(|plain| plain.pieces(0));
    plain.flatten().copied().collect()
}
