//! Files in a recording: what was asked is compared in a replay, by its text; what came of it is
//! in the recording, with every byte that was read. It must never open a file in a replay.

use super::entry::{Answer, Call};
use super::{Recorder, Replayer};
use crate::JobId;
use crate::io::{FileAsk, FileDone, FileId, FileOutcome};
use crate::replayable::Replayable;

impl Recorder {
    pub(crate) fn ask_file(&mut self, ask: FileAsk) {
        if !self.is_over() {
            self.note(&call(&ask), &Answer::Nothing);
        }
        self.inner.ask_file(ask);
    }
}

impl Replayer {
    pub(crate) fn ask_file(&mut self, ask: FileAsk) {
        self.expect(&call(&ask));
    }
}

fn call(ask: &FileAsk) -> Call {
    let FileAsk {
        token,
        job,
        file,
        op,
    } = ask;
    Call::AskFile(*token, format!("{file}, job {}: {op}", job.0))
}

impl Replayable for FileDone {
    fn encode(&self, out: &mut Vec<u8>) {
        self.file.0.encode(out);
        self.job.0.encode(out);
        self.result.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<FileDone> {
        Some(FileDone {
            file: FileId(Replayable::decode(bytes)?),
            job: JobId(Replayable::decode(bytes)?),
            result: Replayable::decode(bytes)?,
        })
    }
}

impl Replayable for FileOutcome {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            FileOutcome::Opened { len } => (0_u8, *len).encode(out),
            FileOutcome::Read { offset, bytes } => {
                (1_u8, *offset).encode(out);
                bytes.encode(out);
            }
            FileOutcome::Written { len } => (2_u8, *len).encode(out),
            FileOutcome::Synced => out.push(3),
            FileOutcome::Closed => out.push(4),
            // No driver brings these, but what is put can be read.
            FileOutcome::Copied { len } => (5_u8, *len).encode(out),
            FileOutcome::Sent { len } => (6_u8, *len).encode(out),
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<FileOutcome> {
        Some(match u8::decode(bytes)? {
            0 => FileOutcome::Opened {
                len: Replayable::decode(bytes)?,
            },
            1 => FileOutcome::Read {
                offset: Replayable::decode(bytes)?,
                bytes: Replayable::decode(bytes)?,
            },
            2 => FileOutcome::Written {
                len: Replayable::decode(bytes)?,
            },
            3 => FileOutcome::Synced,
            4 => FileOutcome::Closed,
            5 => FileOutcome::Copied {
                len: Replayable::decode(bytes)?,
            },
            6 => FileOutcome::Sent {
                len: Replayable::decode(bytes)?,
            },
            _ => return None,
        })
    }
}
