//! The way of an event to a method of its handler, and what a call leaves behind.
//! It must never let a panic of the program's code past: `receive` relies on the tick's guard, all
//! other calls have one of their own.

use std::panic::resume_unwind;

use crate::core::Core;
use crate::driver::Driver;
use crate::guard::guard;
use crate::handler::Handler;
use crate::inbox::Inbox;
use crate::payload::Payload;
use crate::program::Program;
use crate::reading::Unread;
use crate::sending::Forward;
use crate::sources::Phase;
use crate::{Context, Error, Result, Stream, Token};

/// Calls of `handle_read` in a row for the bytes of one read. A handler that takes them in
/// smaller portions than a 64th goes on in the next tick, after the other sources.
const READS_IN_A_ROW: usize = 64;

impl<S: 'static> Core<S> {
    /// The usual event, and the shortest way to the program: bytes for a handler that has left
    /// nothing unread. A stale token ends here.
    #[inline(always)]
    pub(crate) fn receive(&mut self, program: &mut Program<S>, token: Token, bytes: &[u8]) {
        tracing::trace!(%token, completion = "received");
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        if source.inbox.is_some() || source.phase != Phase::Open || source.apart {
            return self.call(program, token, bytes, read);
        }
        source.last_active = self.now;
        let Some((handler, state)) = program.parts(token) else {
            return;
        };
        self.receiver = Some(token); // for the guard around all of them
        let mut cx = Context::new(self, token, bytes, bytes);
        let outcome = handler.handle_read(state, &mut cx);
        if outcome.is_ok() && cx.taken == bytes.len() && cx.core.handed_over.is_empty() {
            self.receiver = None;
            return;
        }
        let outcome = outcome.and_then(|()| read_on(handler, state, &mut cx));
        let Context { taken, again, .. } = cx;
        self.receiver = None;
        self.settle(
            program,
            token,
            Returned {
                outcome,
                inbox: None,
                bytes,
                taken,
                again,
            },
        );
    }

    /// The handler of `receive` panicked. Nothing of the source was moved for the call, so there
    /// is nothing to put back.
    #[cold]
    pub(crate) fn receiver_panicked(
        &mut self,
        program: &mut Program<S>,
        driver: &Driver,
        message: String,
    ) {
        let Some(token) = self.receiver.take() else {
            resume_unwind(Box::new(message)) // not the program's code: a bug of the reactor
        };
        self.adopt_handlers(program);
        if let Some(Forward { token, range }) = self.forward.take() {
            self.push(token, Payload::Copied(driver.lent(range)));
        }
        self.fail(program, token, Error::Panicked(message));
    }

    /// Calls one method of the handler of `token`, with `bytes` that the driver lends, behind a
    /// guard of its own. The one place but `receive` where events meet the program's code; a
    /// stale token ends here.
    #[cold]
    #[inline(never)]
    pub(crate) fn call(
        &mut self,
        program: &mut Program<S>,
        token: Token,
        bytes: &[u8],
        method: impl FnOnce(&mut dyn Handler<S>, &mut S, &mut Context<'_, S>) -> Result,
    ) {
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        // A side that was shut down still receives on Linux, after its end was told.
        if source.is_ending() || source.eof && !bytes.is_empty() {
            return; // what still comes is nobody's
        }
        let Some((handler, state)) = program.parts(token) else {
            return;
        };
        if !bytes.is_empty() {
            source.last_active = self.now;
        }
        let mut inbox = source.inbox.take();
        if source.limits.is_some() && !bytes.is_empty() {
            self.spend(token, bytes.len());
        }
        let (data, lent) = match &mut inbox {
            None => (bytes, bytes),
            Some(inbox) => (inbox.append(bytes), &[][..]),
        };
        let mut cx = Context::new(self, token, data, lent);
        let outcome = guard(|| method(handler, state, &mut cx));
        let Context { taken, again, .. } = cx;
        let returned = Returned {
            outcome: outcome.unwrap_or_else(|message| Err(Error::Panicked(message))),
            inbox,
            bytes,
            taken,
            again,
        };
        self.settle(program, token, returned);
    }

    /// What a call left behind, apart from the usual nothing.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, program: &mut Program<S>, token: Token, returned: Returned<'_>) {
        let Returned {
            mut outcome,
            inbox,
            bytes,
            taken,
            mut again,
        } = returned;
        // What is unread is for the new handler; or for this one, whom a resume promises it.
        again |= self.is_replaced(token) || self.is_resumed(token);
        self.adopt_handlers(program);
        let kept = inbox.as_ref().map_or(0, |inbox| inbox.len() - bytes.len());
        let inbox = match inbox {
            Some(mut inbox) => {
                inbox.consume(taken);
                inbox
            }
            None => Box::new(Inbox::from_slice(&bytes[taken..])),
        };
        if kept > 0 || inbox.len() > 0 {
            let stuck = !bytes.is_empty() && taken == 0;
            outcome = outcome.and(self.keep_unread(
                token,
                Unread {
                    inbox,
                    kept,
                    again,
                    stuck,
                    consumed: taken > 0,
                },
            ));
        }
        if let Err(error) = outcome {
            if self.forward.is_some() {
                self.keep_forward(bytes); // `handle_error` may send as well, and lends nothing
            }
            self.fail(program, token, error);
        }
    }

    pub(crate) fn accepted(&mut self, program: &mut Program<S>, token: Token, stream: Stream) {
        self.spend(token, 1);
        #[cfg(feature = "tls")]
        let stream = stream.with_role(self.role_of_accepted(token));
        self.call(program, token, &[], |handler, state, cx| {
            if let Err(error) = handler.handle_accepted(state, cx, stream) {
                handler.handle_error(state, cx, &error); // of that connection, not the listener
            }
            Ok(())
        });
    }
}

/// What the call of a method came back with.
struct Returned<'a> {
    outcome: Result,
    /// With `bytes` appended already, and `taken` not consumed yet.
    inbox: Option<Box<Inbox>>,
    bytes: &'a [u8],
    taken: usize,
    again: bool,
}

/// Calls `handle_read`, once more for every portion that the handler leaves to itself.
#[inline]
pub(crate) fn read<S: 'static>(
    handler: &mut dyn Handler<S>,
    state: &mut S,
    cx: &mut Context<'_, S>,
) -> Result {
    handler.handle_read(state, cx)?;
    read_on(handler, state, cx)
}

/// The calls after the first one.
#[cold]
fn read_on<S: 'static>(
    handler: &mut dyn Handler<S>,
    state: &mut S,
    cx: &mut Context<'_, S>,
) -> Result {
    let mut before = 0;
    for _ in 1..READS_IN_A_ROW {
        if !cx.again || cx.taken == before || !cx.may_read() {
            break;
        }
        before = cx.taken;
        cx.again = false;
        handler.handle_read(state, cx)?;
    }
    Ok(())
}
