//! One connection that speaks TLS: how far it is, and what waits in it for either side.
//! It must never touch the driver below: `tls.rs` moves the bytes.

use std::io;
use std::mem;

use super::engine::{Engine, RECORD, Task};
use super::sealed::Sealed;
use crate::driver::{Event, READ_BUFFER};
use crate::guard::guard;
use crate::outbox::Outbox;

/// What of a message that has not come as a whole is kept, in bytes. `rustls` takes messages of up to
/// 64 KiB, but counts neither the headers of the records they come in nor empty ones.
const MESSAGE: usize = 128 * 1024;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being made.
    Dialling,
    Handshake,
    Open,
    /// Nothing is sent or received any more, but for an alert.
    Failed,
}

/// Our half-close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    NotYet,
    /// Once all is with the kernel.
    Due,
    Done,
}

/// Memory that all connections work in, one after the other.
#[derive(Default)]
pub(super) struct Work {
    /// What was received, and is decrypted in place.
    incoming: Vec<u8>,
    /// What was decrypted: this is what is lent.
    pub(super) plain: Vec<u8>,
    pub(super) sealed: Sealed,
}

pub(super) struct Link {
    pub(super) generation: u32,
    engine: Engine,
    pub(super) stage: Stage,
    /// The beginning of a record (in the handshake, of a message) that has not come as a whole.
    rest: Vec<u8>,
    /// Decrypted, and more than the source had room for, or while it was paused.
    unread: Vec<u8>,
    /// Encrypted, and the driver below did not take it.
    pub(super) wire: Outbox,
    /// What the core wants.
    pub(super) room: usize,
    pub(super) is_paused: bool,
    /// What the driver below was told last.
    pub(super) told_room: usize,
    /// The handshake is done, which is still to be told.
    is_secured: bool,
    /// The peer has finished, or we have stopped listening.
    pub(super) is_ended: bool,
    /// That is still to be told.
    end_due: bool,
    /// Why it has failed, until that is told.
    failure: Option<io::Error>,
    /// Who waits to send was told to look, since what is unread holds that back.
    has_hinted: bool,
    /// It has failed here, and the peer is told by an alert first.
    pub(super) is_alerting: bool,
    /// We are about to stop listening, after the handshake if need be.
    pub(super) is_deaf: bool,
    /// We have said that we have finished.
    has_notified: bool,
    pub(super) finish: Finish,
    /// In the list of those that have something to tell.
    pub(super) is_queued: bool,
}

/// What there is to tell of a connection.
pub(super) enum News {
    /// Bytes at the front of `Work::plain`.
    Bytes(usize),
    Event(Event<'static>),
}

impl Link {
    pub(super) fn new(generation: u32, engine: Engine, stage: Stage) -> Link {
        Link {
            generation,
            engine,
            stage,
            rest: Vec::new(),
            unread: Vec::new(),
            wire: Outbox::default(),
            room: READ_BUFFER,
            is_paused: false,
            told_room: READ_BUFFER,
            is_secured: false,
            is_ended: false,
            is_deaf: false,
            end_due: false,
            failure: None,
            has_hinted: false,
            is_alerting: false,
            has_notified: false,
            finish: Finish::NotYet,
            is_queued: false,
        }
    }

    /// Whether what the core sends can be encrypted now.
    pub(super) fn can_seal(&self) -> bool {
        self.stage == Stage::Open && self.wire.is_empty() && !self.has_notified
    }

    /// Takes what has arrived. What is to be read is in `work.plain` then.
    pub(super) fn open(&mut self, bytes: &[u8], work: &mut Work) {
        work.plain.clear();
        if self.stage == Stage::Failed || self.is_ended && self.stage == Stage::Open {
            return; // what still comes is nobody's
        }
        work.incoming.clear();
        work.incoming.append(&mut self.rest);
        work.incoming.extend_from_slice(bytes);
        let used = match self.stage {
            Stage::Open => self.turn(work, Task::Nothing).0,
            // The program's own verifier or choice of a certificate may run in there, and panic.
            _ => match guard(|| self.turn(work, Task::Nothing).0) {
                Ok(used) => used,
                Err(message) => {
                    self.fail(io::Error::other(format!("TLS: {message}")));
                    return;
                }
            },
        };
        match work.incoming.get(used..) {
            Some(rest) if rest.len() > MESSAGE => {
                let text = "TLS: a message comes in too many pieces";
                self.fail(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            Some(rest) if !rest.is_empty() => self.rest.extend_from_slice(rest),
            _ => self.rest = Vec::new(), // an idle connection holds nothing
        }
    }

    /// Encrypts bytes for the peer.
    pub(super) fn seal(&mut self, bytes: &[u8], work: &mut Work) -> io::Result<()> {
        self.do_now(Task::Encrypt(bytes), work)
    }

    /// Says that we have finished, if that can be said.
    pub(super) fn notify(&mut self, work: &mut Work) {
        if self.stage == Stage::Open && !mem::replace(&mut self.has_notified, true) {
            // If it cannot be said, the peer learns of it by the end of the connection.
            let _ = self.do_now(Task::Finish, work);
        }
    }

    fn do_now(&mut self, task: Task<'_>, work: &mut Work) -> io::Result<()> {
        mem::swap(&mut work.incoming, &mut self.rest);
        let (used, is_done) = self.turn(work, task);
        work.incoming.drain(..used);
        mem::swap(&mut work.incoming, &mut self.rest);
        match is_done {
            true => Ok(()),
            false => {
                work.sealed.clear(); // it would go out on another connection
                Err(self.failure.take().unwrap_or_else(exhausted))
            }
        }
    }

    /// Has the protocol work on what has arrived; says how much of that is done with, and whether
    /// the task is.
    fn turn(&mut self, work: &mut Work, task: Task<'_>) -> (usize, bool) {
        let Work {
            incoming,
            plain,
            sealed,
        } = work;
        let turn = self.engine.turn(incoming, task, plain, sealed);
        if self.stage == Stage::Handshake && turn.error.is_none() && !self.engine.is_handshaking() {
            self.stage = Stage::Open;
            self.is_secured = true;
        }
        if turn.is_finished {
            self.is_ended = true;
            self.end_due = true;
        }
        if let Some(error) = turn.error {
            self.is_alerting = true;
            let error = self.explain(&error);
            self.fail(error);
        }
        (turn.used, turn.is_done)
    }

    fn explain(&self, error: &rustls::Error) -> io::Error {
        use rustls::{Error, InvalidMessage};
        let text = match (self.stage, error) {
            (Stage::Handshake, Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "the peer does not speak TLS".to_owned()
            }
            (Stage::Handshake, error) => format!("TLS handshake: {error}"),
            (_, error) => format!("TLS: {error}"),
        };
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    /// Nothing more comes of it; the first reason stays.
    pub(super) fn fail(&mut self, error: io::Error) {
        if self.stage != Stage::Failed {
            self.stage = Stage::Failed;
            self.failure = Some(error);
        }
    }

    /// The connection below has ended.
    pub(super) fn cut(&mut self, by_us: bool) {
        if self.is_ended {
            return;
        }
        if by_us && self.stage == Stage::Open {
            self.is_ended = true;
            self.end_due = true;
            return;
        }
        let text = match self.stage {
            Stage::Open => "the connection ended without a close_notify: something may be missing",
            _ => "the connection ended during the TLS handshake",
        };
        self.fail(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }

    /// Keeps what was decrypted for later.
    pub(super) fn keep(&mut self, plain: &[u8]) {
        self.unread.extend_from_slice(plain);
    }

    /// Whether what was just decrypted can be handed out at once.
    pub(super) fn is_straight(&self, len: usize) -> bool {
        self.unread.is_empty() && !self.is_secured && !self.is_paused && len <= self.room
    }

    /// Whether the core takes what was decrypted.
    fn is_read(&self) -> bool {
        !self.is_paused && self.room > 0
    }

    /// Why it has failed, if that is to be told behind bytes that the core does not take: it may
    /// wait for room in an outbox that will never have any.
    pub(super) fn take_withheld(&mut self) -> Option<io::Error> {
        match self.unread.is_empty() || self.is_read() {
            true => None,
            false => self.failure.take(),
        }
    }

    /// Whether [`news`](Self::news) has an answer.
    pub(super) fn has_news(&self) -> bool {
        if self.is_secured {
            true
        } else if !self.unread.is_empty() {
            self.is_read() || self.failure.is_some() && !self.has_hinted
        } else if self.end_due {
            !self.is_paused
        } else {
            self.failure.is_some() // a pause is no reason to keep that back
        }
    }

    /// What is to be told next.
    pub(super) fn news(&mut self, work: &mut Work) -> Option<News> {
        if !self.has_news() {
            return None;
        }
        if mem::take(&mut self.is_secured) {
            let session = Box::new(self.engine.session());
            return Some(News::Event(Event::Secured(session)));
        }
        if !self.unread.is_empty() && !self.is_read() {
            self.has_hinted = true;
            return Some(News::Event(self.take_lost().unwrap_or(Event::Sent)));
        }
        if !self.unread.is_empty() {
            self.has_hinted = false;
            mem::swap(&mut work.plain, &mut self.unread);
            self.unread = Vec::new(); // an idle connection holds nothing
            let len = work.plain.len().min(self.room);
            self.unread.extend_from_slice(&work.plain[len..]);
            return Some(News::Bytes(len));
        }
        if mem::take(&mut self.end_due) {
            return Some(News::Event(Event::EndOfFile));
        }
        if let Some(lost) = self.take_lost() {
            return Some(News::Event(lost));
        }
        let failure = self.failure.take()?;
        Some(News::Event(Event::Failed(failure)))
    }

    /// What the core believes to be sent, and is not: it has to know before it hears why. Then it
    /// has something to send again, and so it asks.
    fn take_lost(&mut self) -> Option<Event<'static>> {
        let is_lost = !self.wire.is_empty() && !self.engine.is_handshaking();
        is_lost.then(|| Event::Unsent(Box::new(mem::take(&mut self.wire))))
    }

    /// How much the driver below may bring at once: whole records, or nothing.
    pub(super) fn wanted_room(&self) -> usize {
        match self.stage {
            Stage::Open if self.room == 0 || !self.unread.is_empty() => 0,
            Stage::Open => self.room.max(RECORD),
            _ => READ_BUFFER,
        }
    }
}

fn exhausted() -> io::Error {
    io::Error::other("TLS: the keys of this connection are used up")
}
