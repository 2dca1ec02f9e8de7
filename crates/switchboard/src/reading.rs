//! What a handler leaves unread, and when it is offered again; and how the end of a stream keeps
//! its place behind the bytes. It must never drop unread bytes of a source that is still open.

use std::io;
use std::mem;

use crate::calling::read;
use crate::core::{Core, Request};
use crate::driver::READ_BUFFER;
use crate::handler::Close;
use crate::inbox::Inbox;
use crate::program::Program;
use crate::sources::Phase;
use crate::{Error, Result, Token};

/// What a call has left of the bytes that were lent to it.
pub(crate) struct Unread {
    pub(crate) inbox: Box<Inbox>,
    /// How long the inbox was before the call, as it is counted in `Core::inboxed`.
    pub(crate) kept: usize,
    /// The handler asks to see the rest without waiting for more.
    pub(crate) again: bool,
    /// New bytes came, and nothing was consumed.
    pub(crate) stuck: bool,
    /// Something was.
    pub(crate) consumed: bool,
}

impl<S: 'static> Core<S> {
    /// Puts what is unread into the source's inbox, within its bounds.
    #[cold]
    pub(crate) fn keep_unread(&mut self, token: Token, unread: Unread) -> Result {
        let Unread {
            inbox,
            kept,
            again,
            stuck,
            consumed,
        } = unread;
        self.inboxed -= kept;
        let total = self.buffered() + inbox.len();
        let Some(source) = self.sources.get_mut(token) else {
            return Ok(());
        };
        if source.phase > Phase::Open {
            return Ok(());
        }
        if total > self.config.max_buffered {
            return Err(Error::BufferedLimit {
                limit: self.config.max_buffered,
            });
        }
        let left = inbox.len();
        let limit = source.options.inbox_limit as usize;
        // One that waits for room in its outbox, or to be resumed, will consume later.
        let waits = again || source.is_waiting();
        if left >= limit && stuck && !waits {
            return Err(Error::InboxFull { limit });
        }
        if left >= limit {
            cov_mark::hit!(inbox_full);
        }
        // A full inbox gets no new bytes: whoever still consumes of it must be offered the rest.
        let offer = again && source.reads() || consumed && left >= limit && !waits;
        if left > 0 {
            source.inbox = Some(inbox);
        }
        self.inboxed += left;
        // Also if it has not changed: the bounds may have, while it was lent.
        self.request_room(token);
        self.note_unread(token, consumed);
        if offer && left > 0 {
            self.mark_again(token);
        }
        Ok(())
    }

    /// Offers inboxes again whose handlers asked for it, and then the end of the stream, if it
    /// had to wait for that. The end of step 2 of a tick.
    pub(crate) fn offer_unread(&mut self, program: &mut Program<S>) {
        for token in mem::take(&mut self.again) {
            let Some(source) = self.sources.get_mut(token) else {
                continue;
            };
            source.again = false;
            if !source.reads() {
                continue; // offered when reading is resumed
            }
            if source.inbox.is_some() {
                self.offer_inbox(program, token);
            }
            let Some(source) = self.sources.get_mut(token) else {
                continue;
            };
            if source.eof_due && source.reads() && !source.again && !source.has_refused_unread() {
                source.eof_due = false;
                self.call(program, token, &[], |handler, state, cx| {
                    handler.handle_eof(state, cx)
                });
                self.close_if_ended(token);
            }
        }
    }

    /// Calls `handle_read` without new bytes. If the inbox is full, this was the last chance to
    /// make room in it: nothing more will come.
    fn offer_inbox(&mut self, program: &mut Program<S>, token: Token) {
        self.call(program, token, &[], read);
        let Some(source) = self.sources.get(token) else {
            return;
        };
        let limit = source.options.inbox_limit as usize;
        let waits = source.again || source.is_waiting();
        if source.phase == Phase::Open && source.inbox_len() >= limit && !waits {
            self.fail(program, token, Error::InboxFull { limit });
        }
    }

    pub(crate) fn end_of_file(&mut self, program: &mut Program<S>, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        source.apart = true;
        if mem::replace(&mut source.eof, true) {
            return; // a driver may see it again when it looks for something else
        }
        match source.phase {
            // Behind what is unread, if that only waits for its turn or for room in the outbox.
            Phase::Open if source.again || source.has_refused_unread() => {
                cov_mark::hit!(end_behind_unread);
                source.eof_due = true;
            }
            Phase::Open => {
                self.call(program, token, &[], |handler, state, cx| {
                    handler.handle_eof(state, cx)
                });
                self.close_if_ended(token);
            }
            Phase::Flushing => self.mark_dirty(token),
            Phase::Lingering => self.finish(token, Close::Requested),
            Phase::Connecting | Phase::Finishing => {}
        }
    }

    /// Both sides have finished: nothing can happen on this connection any more.
    fn close_if_ended(&mut self, token: Token) {
        if self
            .sources
            .get(token)
            .is_some_and(|source| source.write_ended)
        {
            self.close(token, Close::Eof);
        }
    }

    /// The system reported that the connection failed, or could not be made.
    #[cold]
    pub(crate) fn source_failed(&mut self, token: Token, error: io::Error) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        match source.phase {
            Phase::Connecting => cov_mark::hit!(failed_while_connecting),
            Phase::Open => cov_mark::hit!(failed_while_open),
            Phase::Flushing => cov_mark::hit!(failed_while_flushing),
            Phase::Lingering => cov_mark::hit!(failed_while_lingering),
            Phase::Finishing => {}
        }
        match source.phase {
            Phase::Connecting if self.attempts.contains_key(&token) => {
                self.attempt_failed(token, error);
            }
            Phase::Connecting => self.finish(token, Close::ConnectFailed(error)),
            _ => self.finish(token, Close::Io(error)),
        }
    }

    /// From now on what arrives is thrown away.
    pub(crate) fn discard_unread(&mut self, token: Token) {
        self.set_reading(token, |source| {
            source.paused = false;
            source.held = false;
        });
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        if let Some(inbox) = source.inbox.take() {
            self.inboxed -= inbox.len();
        }
        // A full inbox may have stopped the driver.
        self.requests.push(Request::SetRoom(token, READ_BUFFER));
    }
}
