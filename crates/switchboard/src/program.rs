//! What the program has given to the reactor: its state, and the handler of each source.
//! It must never hold what the loop knows of a source: a handler is borrowed from here while its
//! context borrows the core, so that neither is moved for a call.

use crate::Token;
use crate::core::Core;
use crate::guard::guard;
use crate::handler::Handler;

pub(crate) struct Program<S: 'static> {
    pub(crate) state: S,
    /// By slot. Whoever looks here has found the token in `Sources`, and it is not stale.
    handlers: Vec<Option<Box<dyn Handler<S>>>>,
}

impl<S: 'static> Program<S> {
    pub(crate) fn new(state: S) -> Program<S> {
        Program {
            state,
            handlers: Vec::new(),
        }
    }

    /// The handler of a source, and the state, to be borrowed at once.
    #[inline]
    pub(crate) fn parts(&mut self, token: Token) -> Option<(&mut dyn Handler<S>, &mut S)> {
        match self.handlers.get_mut(token.slot as usize) {
            Some(Some(handler)) => Some((&mut **handler, &mut self.state)),
            _ => None,
        }
    }

    pub(crate) fn take(&mut self, token: Token) -> Option<Box<dyn Handler<S>>> {
        self.handlers.get_mut(token.slot as usize)?.take()
    }

    /// Gives a source its handler, and gives back the one that it had.
    pub(crate) fn put(
        &mut self,
        token: Token,
        handler: Box<dyn Handler<S>>,
    ) -> Option<Box<dyn Handler<S>>> {
        let slot = token.slot as usize;
        if slot >= self.handlers.len() {
            // As many at a time as there are slots: see `Sources::free_slot`.
            if slot >= self.handlers.capacity() {
                let more = slot + 1 - self.handlers.len();
                self.handlers.reserve_exact((slot / 8).max(16).max(more));
            }
            self.handlers.resize_with(slot + 1, || None);
        }
        self.handlers[slot].replace(handler)
    }
}

impl<S: 'static> Core<S> {
    /// Puts handlers in their place that were handed over in the call that has just ended: those
    /// of new sources, and those that replace another one.
    pub(crate) fn adopt_handlers(&mut self, program: &mut Program<S>) {
        let mut handed_over = std::mem::take(&mut self.handed_over);
        for (token, handler) in handed_over.drain(..) {
            if let Some(old) = program.put(token, handler) {
                self.drop_handler(old);
            }
        }
        self.handed_over = handed_over; // keeps the memory
    }

    /// Drops a handler; a panic in that is nobody else's fault.
    pub(crate) fn drop_handler(&mut self, handler: Box<dyn Handler<S>>) {
        self.note_any_panic(guard(move || drop(handler)));
    }
}
