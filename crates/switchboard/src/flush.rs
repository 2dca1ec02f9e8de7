//! Step 5 of a tick: outboxes go to the driver, and who waited for room is told.
//! It must never send for a source twice in one tick, however often it was written to.

use std::net::Shutdown;
use std::{io, mem};

use crate::Token;
use crate::core::Core;
use crate::driver::Driver;
use crate::handler::Close;
use crate::outbox::Outbox;
use crate::program::Program;
use crate::sources::{Kind, Phase, Way};
use crate::stage::{Stage, Staged};

impl<S: 'static> Core<S> {
    pub(crate) fn flush_outboxes(&mut self, program: &mut Program<S>, driver: &mut Driver) {
        let mut dirty = mem::take(&mut self.dirty);
        let watched = match driver {
            Driver::Readiness(_) => {
                self.flush_all(&mut dirty, driver, Driver::send_staged_if_ready)
            }
            #[cfg(target_os = "linux")]
            Driver::Uring(_) => self.flush_all(&mut dirty, driver, Driver::send_staged_by_ring),
            Driver::Recorder(_) => self.flush_all(&mut dirty, driver, Driver::send_staged_recorded),
            _ => self.flush_all(&mut dirty, driver, Driver::send_staged),
        };
        dirty.truncate(watched);
        driver.keep_stage(&mut self.stage);
        self.stage.clear();
        // What the handlers called here send is flushed in the next tick, which does not wait: a
        // handler that sends in every `handle_write` must not hold this one.
        for &token in &dirty {
            self.flushed(program, driver, token);
        }
        dirty.clear();
        if self.dirty.is_empty() {
            self.dirty = dirty; // keeps the memory
        }
    }

    /// Flushes all, and says how many have to be looked at: these are the first ones then.
    #[inline(never)] // as with `dispatch_through`
    fn flush_all(
        &mut self,
        dirty: &mut [Token],
        driver: &mut Driver,
        send_staged: impl Fn(&mut Driver, Token, &Stage, Staged) -> io::Result<usize>,
    ) -> usize {
        let mut watched = 0;
        for i in 0..dirty.len() {
            if self.flush(driver, dirty[i], &send_staged) {
                dirty[watched] = dirty[i];
                watched += 1;
            }
        }
        watched
    }

    /// Sends what a source has staged, and says whether `flushed` has to look at it: if nothing is
    /// left, and nobody waits for that, it has not.
    #[inline(always)]
    fn flush(
        &mut self,
        driver: &mut Driver,
        token: Token,
        send_staged: impl Fn(&mut Driver, Token, &Stage, Staged) -> io::Result<usize>,
    ) -> bool {
        let Some(source) = self.sources.get_mut(token) else {
            return false;
        };
        source.dirty = false;
        let all = source.staged.len();
        if all == 0 || source.phase != Phase::Open {
            return self.flush_outbox(driver, token);
        }
        match send_staged(driver, token, &self.stage, source.staged) {
            Ok(sent) if sent == all => {
                self.outboxed -= sent;
                source.staged = Staged::default();
                source.last_active = self.now;
                tracing::trace!(%token, sent, "flushed");
                source.is_awaiting_flush()
            }
            Ok(sent) => self.flush_rest(driver, token, sent),
            Err(error) => self.flush_failed(token, error),
        }
    }

    /// The kernel took `sent` bytes of what was staged, or nothing.
    #[cold]
    fn flush_rest(&mut self, driver: &mut Driver, token: Token, sent: usize) -> bool {
        self.outboxed -= sent;
        if let Some(source) = self.sources.get_mut(token) {
            self.stage.unstage(source, sent);
            if sent > 0 {
                cov_mark::hit!(partial_write);
                source.last_active = self.now;
            } else {
                cov_mark::hit!(full_send_buffer);
            }
        }
        self.flush_outbox(driver, token)
    }

    #[cold]
    fn flush_failed(&mut self, token: Token, error: io::Error) -> bool {
        self.unstage(token);
        self.finish(token, Close::Io(error));
        false
    }

    /// As `flush`, for more than a little.
    #[cold]
    fn flush_outbox(&mut self, driver: &mut Driver, token: Token) -> bool {
        self.unstage(token);
        let Some(source) = self.sources.get_mut(token) else {
            return false;
        };
        if !matches!(source.phase, Phase::Open | Phase::Flushing) {
            return false;
        }
        if source.kind == Kind::Datagram {
            return true; // sent when the handler can be told of what cannot be
        }
        let Some(mut outbox) = source.outbox.take() else {
            return true;
        };
        let is_limited = source.limits.is_some();
        let before = outbox.len();
        let result = driver.send(token, &mut outbox);
        let left = outbox.len();
        self.outboxed -= before - left;
        if left < before {
            source.last_active = self.now;
        }
        tracing::trace!(%token, sent = before - left, left, "flushed");
        if left > 0 || result.is_err() {
            source.outbox = Some(outbox);
        } else {
            self.recycle(outbox);
        }
        if let Err(error) = result {
            return self.flush_failed(token, error);
        }
        if is_limited {
            self.note_flush(token, left < before);
        }
        true
    }

    /// What a driver took in an earlier tick has come back: it goes first.
    #[cold]
    pub(crate) fn put_back(&mut self, token: Token, mut rest: Box<Outbox>) {
        self.unstage(token);
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        self.outboxed += rest.len();
        if let Some(newer) = &mut source.outbox {
            rest.append(newer);
        }
        source.wants_write |= rest.len() > source.options.low as usize;
        source.outbox = Some(rest);
        self.mark_dirty(token);
    }

    /// What the state of the outbox means for reading, for half-close and close, and for a
    /// handler that waits for room.
    fn flushed(&mut self, program: &mut Program<S>, driver: &mut Driver, token: Token) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        if source.kind == Kind::Datagram {
            return self.flush_datagrams(program, driver, token);
        }
        let left = source.outbox_len();
        let awaits = source.phase == Phase::Flushing || source.is_awaiting_flush();
        if left == 0 && awaits && !driver.is_flushed(token) {
            #[cfg(feature = "tls")]
            self.await_driver(driver, token);
            return; // `Sent` or `Unsent` comes, as a rule in the next tick, which does not sleep
        }
        if source.phase == Phase::Flushing {
            #[cfg(feature = "tls")]
            self.nothing_is_kept(token);
            return self.close_flushed(driver, token);
        }
        if left == 0 && source.write_ending && !source.write_ended {
            cov_mark::hit!(half_close);
            source.write_ended = true;
            driver.shutdown(token, Shutdown::Write);
            if source.way == Way::Writer {
                return self.close(token, Close::Requested);
            }
            // If the end is still to be told, what is unread comes first: see `offer_unread`.
            if source.eof && !source.eof_due {
                return self.close(token, Close::Eof);
            }
        }
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        let above = left > source.options.low as usize;
        let holds = above && source.has_backpressure();
        if holds != source.held {
            if holds {
                cov_mark::hit!(held_back);
            }
            self.set_reading(token, |source| source.held = holds);
        }
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        if !above && mem::take(&mut source.wants_write) {
            self.transfers_go_on(program, token);
            self.call(program, token, &[], |handler, state, cx| {
                handler.handle_write(state, cx)
            });
            if self
                .sources
                .get(token)
                .is_some_and(|source| source.has_offer())
            {
                self.mark_again(token); // what was left unread for want of room
            }
        }
    }
}
