//! Long lists in pieces, so that what one client has asked for neither fills its outbox at once nor
//! keeps the others waiting. It must never hold more than one list for a client.

use super::{Call, Session, View, labels};
use crate::chat::command::Label;
use crate::irc::numeric::RPL_TRYAGAIN;
use crate::irc::write::Line;

/// Entries that are written at once; a list that is not longer comes whole.
const PIECE: usize = 250;

/// Between two pieces: 25,000 entries a second.
const PAUSE_NS: u64 = 10_000_000;

/// A client has one list at a time, so one name is enough.
const BATCH: &str = "list";

/// What is left of a list.
pub(super) struct Pieces {
    /// Writes the next piece; `true`: it was the last one.
    next: Box<dyn FnMut(&mut Call<'_, '_>) -> bool>,
    label: Label,
    due_ns: u64,
}

impl Pieces {
    pub(super) fn due_ns(&self) -> u64 {
        self.due_ns
    }
}

impl Call<'_, '_> {
    /// Writes `items` by `piece` and then `end`; what is more than a piece is written later on.
    pub(super) fn in_pieces<T: 'static>(
        &mut self,
        command: &str,
        items: Vec<T>,
        mut piece: impl FnMut(&mut Call<'_, '_>, &[T]) + 'static,
        end: impl FnOnce(&mut Call<'_, '_>) + 'static,
    ) {
        if items.len() <= PIECE {
            piece(self, &items);
            end(self);
            return;
        }
        if self.session.pieces.is_some() {
            self.numeric(RPL_TRYAGAIN, &[command]);
            return;
        }
        let (mut at, mut end) = (0, Some(end));
        let next = move |call: &mut Call<'_, '_>| {
            let until = items.len().min(at + PIECE);
            piece(call, &items[at..until]);
            at = until;
            let is_last = at == items.len();
            if let Some(end) = end.take_if(|_| is_last) {
                end(call);
            }
            is_last
        };
        let label = self.label();
        if let Some(label) = &label {
            let line = Line::new(self.view.reply).tag("label", label);
            let line = line.from(&self.view.config.server, "BATCH");
            line.param(&format!("+{BATCH}"))
                .param("labeled-response")
                .end();
            self.answer_later();
        }
        self.session.pieces = Some(Box::new(Pieces {
            next: Box::new(next),
            label,
            due_ns: 0,
        }));
        self.session.next_piece(self.view);
    }
}

impl Session {
    /// Writes the next piece of the list that is under way.
    pub(super) fn next_piece(&mut self, view: &mut View<'_>) {
        let Some(mut pieces) = self.pieces.take() else {
            return;
        };
        let start = view.reply.len();
        let mut is_last = false;
        self.call(None, view, |call| is_last = (pieces.next)(call));
        if pieces.label.is_some() {
            labels::put_into(view.reply, start, BATCH);
            if is_last {
                let line = Line::new(view.reply).from(&view.config.server, "BATCH");
                line.param(&format!("-{BATCH}")).end();
            }
        }
        if !is_last && !self.is_over() {
            pieces.due_ns = view.now.monotonic_ns.saturating_add(PAUSE_NS);
            self.pieces = Some(pieces);
        }
    }
}
