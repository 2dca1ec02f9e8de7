//! A recording's entries, one after the other, with one frame in memory.
//! It must never give out an entry of a frame whose checksum does not fit.

use std::fs::File;
use std::io::BufReader;

use super::entry::{Entry, Send, Went};
use super::frame::{FRAME_HEAD, Found, read_frame};
use super::header::Opened;

pub(super) struct Reader {
    file: BufReader<File>,
    len: u64,
    /// Where the next frame begins.
    place: u64,
    frame: Vec<u8>,
    /// Bytes of the frame that are done with.
    taken: usize,
    /// Set when nothing of the frame is left, and there is no other one.
    stop: Option<Stop>,
}

/// Why there is no further entry.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// The file ends, with so many bytes of a frame that was cut short.
    Cut(u64),
    Corrupt(String),
}

impl Reader {
    pub(super) fn new(opened: Opened) -> Reader {
        let mut reader = Reader {
            file: opened.file,
            len: opened.len,
            place: opened.place,
            frame: Vec::new(),
            taken: 0,
            stop: None,
        };
        reader.skip(0);
        reader
    }

    /// How many bytes of the file are done with, and how many there are.
    pub(super) fn progress(&self) -> (u64, u64) {
        let rest = (self.frame.len() - self.taken) as u64;
        (self.place - rest, self.len)
    }

    /// The next entry, and its length for [`skip`](Self::skip).
    pub(super) fn peek(&self) -> Result<(Entry<'_>, usize), Stop> {
        if let Some(stop) = &self.stop {
            return Err(stop.clone());
        }
        let whole = &self.frame[self.taken..];
        let mut rest = whole;
        match Entry::take(&mut rest).and_then(|entry| self.resolve(entry)) {
            Some(entry) => Ok((entry, whole.len() - rest.len())),
            None => {
                let place = self.progress().0;
                let why = format!("has an entry at byte {place} that is not understood");
                Err(Stop::Corrupt(why))
            }
        }
    }

    /// With the bytes that the entry only refers to.
    fn resolve<'f>(&'f self, entry: Entry<'f>) -> Option<Entry<'f>> {
        let Entry::SentAgain { token, back, len } = entry else {
            return Some(entry);
        };
        let start = self.taken.checked_sub(back)?;
        let new = self.frame[start..self.taken].get(..len)?;
        Some(Entry::Send(Send {
            token,
            new,
            went: Went::All,
            failed: None,
        }))
    }

    /// Done with the entry that [`peek`](Self::peek) has shown, of this length.
    pub(super) fn skip(&mut self, len: usize) {
        self.taken += len;
        while self.taken == self.frame.len() && self.stop.is_none() {
            self.stop = self.load().err();
        }
    }

    fn load(&mut self) -> Result<(), Stop> {
        let left = self.len.saturating_sub(self.place);
        self.taken = 0;
        let found = read_frame(&mut self.file, left, &mut self.frame);
        if let Ok(Found::Frame) = found {
            self.place += (FRAME_HEAD + self.frame.len()) as u64;
            return Ok(());
        }
        self.frame.clear();
        let place = self.place;
        Err(match found {
            Ok(Found::Corrupt) => Stop::Corrupt(format!("is corrupt at byte {place}")),
            Ok(_) => Stop::Cut(left),
            Err(error) => Stop::Corrupt(format!("cannot be read at byte {place}: {error}")),
        })
    }
}
