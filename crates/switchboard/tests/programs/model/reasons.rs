//! Why a source may end: whether the reason that it is told fits to what has happened to it.
//! It must never be satisfied with "some reason": a loss has to be told.

use switchboard::{Close, Deadline, Error};

use super::{Id, Kind, Model, Phase};
use crate::streams::{Match, match_exactly, match_with_drops};

/// [`Close`] without what differs between systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Requested,
    Aborted,
    Eof,
    ConnectFailed,
    Io,
    TimedOut(Deadline),
    SlowConsumer,
    /// The program's own error.
    Failed,
    InboxFull,
    BufferedLimit,
    Panicked,
    Shutdown,
    /// It has ended by itself, and is still to say why.
    Unknown,
}

impl From<&Close> for Why {
    fn from(close: &Close) -> Why {
        match close {
            Close::Requested => Why::Requested,
            Close::Aborted => Why::Aborted,
            Close::Eof => Why::Eof,
            Close::ConnectFailed(_) => Why::ConnectFailed,
            Close::Io(_) => Why::Io,
            Close::TimedOut(deadline) => Why::TimedOut(*deadline),
            Close::SlowConsumer => Why::SlowConsumer,
            Close::Error(error) => error.into(),
            Close::Panicked(_) => Why::Panicked,
            Close::Shutdown => Why::Shutdown,
            _ => Why::Unknown,
        }
    }
}

impl From<&Error> for Why {
    fn from(error: &Error) -> Why {
        match error {
            Error::Panicked(_) => Why::Panicked,
            Error::InboxFull { .. } => Why::InboxFull,
            Error::BufferedLimit { .. } => Why::BufferedLimit,
            Error::Other(_) => Why::Failed,
            _ => Why::Unknown,
        }
    }
}

impl Why {
    /// Whether it may take the place of an earlier reason: bytes may have been lost by it.
    pub fn is_loss(self) -> bool {
        !matches!(self, Why::Requested | Why::Eof | Why::Failed)
    }

    /// Whether it promises that the peer has been sent everything.
    pub fn is_orderly(self) -> bool {
        matches!(self, Why::Requested | Why::Eof)
    }

    /// Whether it ends its source in the tick in which it happens.
    pub fn is_immediate(self) -> bool {
        matches!(self, Why::Aborted | Why::SlowConsumer | Why::Panicked)
    }
}

impl Model {
    /// `handle_close` has told the reason.
    pub fn ended(&mut self, id: Id, why: Why) {
        let source = &self.sources[id];
        if source.phase == Phase::Ended {
            return self.violated(format_args!("handle_close of source {id} came twice"));
        }
        let fits = self.fits(id, why);
        let causes = source.causes.clone();
        let source = &mut self.sources[id];
        source.phase = Phase::Ended;
        source.left = 0;
        source.outbox = 0;
        source.causes.push(why);
        self.note(id, format_args!("ended {why:?}"));
        self.demand(
            fits,
            format_args!("source {id} ended with {why:?}, after {causes:?}"),
        );
    }

    fn fits(&self, id: Id, why: Why) -> bool {
        let causes = &self.sources[id].causes;
        if causes.contains(&Why::Panicked) {
            return why == Why::Panicked;
        }
        let spontaneous = self.may_be_spontaneous(id, why);
        match causes.first() {
            Some(first) if *first == why => true,
            // The end came first, but was still to be told.
            Some(Why::Requested) if why == Why::Eof => self.peer_has_ended(id),
            Some(Why::Unknown) | None if spontaneous => true,
            Some(_) => why.is_loss() && (spontaneous || causes.contains(&why)),
            None => false,
        }
    }

    /// Whether a source may end with `why` though nobody asked for that.
    fn may_be_spontaneous(&self, id: Id, why: Why) -> bool {
        let source = &self.sources[id];
        match why {
            Why::Eof => source.shut_write && self.peer_has_ended(id),
            Why::ConnectFailed => source.dialled && source.far.is_none(),
            // Who neither reads nor writes any more is reset by what still comes.
            Why::Io => {
                let gone = self.far_of(id).is_some_and(|far| far.gone);
                gone || source.shut_read && source.shut_write
            }
            Why::TimedOut(Deadline::Close) => source.phase == Phase::Ending,
            Why::BufferedLimit => source.refused_for_all,
            Why::Shutdown => self.stopping,
            _ => false,
        }
    }

    /// Whether the stream from the peer has ended, or will without anybody else's doing.
    pub fn peer_has_ended(&self, id: Id) -> bool {
        let far = self.far_of(id);
        self.sources[id].shut_read || far.is_some_and(|far| far.finished || far.gone)
    }

    /// What the peer of a source has received, against what was accepted for it.
    ///
    /// # Errors
    /// It is no beginning of that.
    pub fn delivered(&self, id: Id, received: &[u8]) -> Result<Match, String> {
        let source = &self.sources[id];
        if source.kind == Kind::Listener {
            return Ok(Match::Whole);
        }
        let judge = if source.drops {
            match_with_drops
        } else {
            match_exactly
        };
        judge(received, &source.sent).map_err(|at| {
            format!(
                "the peer of source {id} has received {} bytes, wrong from {at} on, of {:?}",
                received.len(),
                source.sent
            )
        })
    }
}
