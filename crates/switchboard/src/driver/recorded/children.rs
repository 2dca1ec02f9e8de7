//! Signals to child processes, on their way through a recorder and a replayer.
//! It must never start or signal a process in a replay: what became of it is in the recording.

use super::entry::{Answer, Call};
use super::{Recorder, Replayer};
use crate::Token;

impl Recorder {
    pub(crate) fn kill_child(&mut self, token: Token, signal: i32) {
        self.inner.kill_child(token, signal);
        self.note(&Call::KillChild(token, signal), &Answer::Nothing);
    }
}

impl Replayer {
    pub(crate) fn kill_child(&mut self, token: Token, signal: i32) {
        self.expect(&Call::KillChild(token, signal));
    }
}
