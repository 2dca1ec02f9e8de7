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

/// Lists of one client that are under way or wait: clients ask for one of each room that they are in.
const LISTS_MAX: usize = 8;

/// A client is told one list at a time, so one name is enough.
const BATCH: &str = "list";

/// What is left of a list.
pub(super) struct Pieces {
    /// Writes the next piece; `true`: it was the last one.
    next: Box<dyn FnMut(&mut Call<'_, '_>) -> bool>,
    label: Label,
    has_begun: bool,
    due_ns: u64,
    /// What comes after it.
    behind: Option<Box<Pieces>>,
}

impl Pieces {
    pub(super) fn due_ns(&self) -> u64 {
        self.due_ns
    }
}

/// Where the next list of a client is put, and how many there are before it.
fn end_of(mut lists: &mut Option<Box<Pieces>>) -> (&mut Option<Box<Pieces>>, usize) {
    let mut count = 0;
    while let Some(list) = lists {
        lists = &mut list.behind;
        count += 1;
    }
    (lists, count)
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
        let label = self.label();
        let (free, before) = end_of(&mut self.session.pieces);
        if before >= LISTS_MAX {
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
        *free = Some(Box::new(Pieces {
            next: Box::new(next),
            label,
            has_begun: false,
            due_ns: self.view.now.monotonic_ns,
            behind: None,
        }));
        if self.label().is_some() {
            self.answer_later();
        }
        if before == 0 {
            self.session.next_piece(self.view);
        }
    }
}

impl Session {
    /// Writes the next piece of the list that is under way.
    pub(super) fn next_piece(&mut self, view: &mut View<'_>) {
        let Some(mut pieces) = self.pieces.take() else {
            return;
        };
        if let Some(label) = pieces.label.as_deref().filter(|_| !pieces.has_begun) {
            let line = Line::new(view.reply).tag("label", label);
            let line = line.from(&view.config.server, "BATCH");
            line.param(&format!("+{BATCH}"))
                .param("labeled-response")
                .end();
        }
        pieces.has_begun = true;
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
        if self.is_over() {
            return;
        }
        let due_ns = view.now.monotonic_ns.saturating_add(PAUSE_NS);
        let mut left = match is_last {
            false => Some(pieces),
            true => pieces.behind,
        };
        if let Some(list) = &mut left {
            list.due_ns = due_ns;
        }
        self.pieces = left;
    }
}
