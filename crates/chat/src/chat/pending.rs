//! What waits to be stored, in order, and what is to be told when it is. It must never let anything
//! be told that is not stored, nor hold more than its caller has allowed.

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::{Change, Label};
use super::event::{Identity, Message, Place, Receipt, Redaction};
use super::ids::{Msgid, UserId};
use crate::store::record::{AccountRecord, ServerBan, Write};

/// What follows from a write, once it is durable.
#[derive(Debug)]
pub(super) enum Then {
    /// It is for the record only.
    Nothing,
    Said(Arc<Message>),
    Redacted {
        by: Arc<Identity>,
        place: Place,
        msgid: Msgid,
        redaction: Arc<Redaction>,
    },
    Topic {
        by: Arc<Identity>,
        /// The folded name.
        room: Arc<str>,
        text: Arc<str>,
        unix_ms: u64,
    },
    Changed {
        by: Arc<Identity>,
        /// The folded name.
        room: Arc<str>,
        changes: Vec<Change>,
        unix_ms: u64,
    },
    Registered {
        account: Arc<AccountRecord>,
        invitation: Option<Arc<str>>,
    },
    /// An account is otherwise than before; the asker is told this.
    Account(Arc<AccountRecord>, Receipt),
    Banned(Arc<ServerBan>),
    Unbanned(Arc<str>),
    InvitationMade(Arc<str>),
}

/// One command that waits.
#[derive(Debug)]
pub(super) struct Deed {
    /// Who asked for it, and what to remind it of; nobody for what is only recorded.
    pub(super) by: Option<(UserId, Label)>,
    pub(super) first: Write,
    pub(super) more: Vec<Write>,
    pub(super) then: Then,
    pub(super) bytes: usize,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: VecDeque<Deed>,
    under_way: Vec<Deed>,
    bytes: usize,
}

impl Pending {
    pub(super) fn push(&mut self, deed: Deed) {
        self.bytes += deed.bytes;
        self.waiting.push_back(deed);
    }

    /// What waits or is under way, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// The next things to store together; `None` while the last ones are under way.
    pub(super) fn begin(&mut self, deeds_max: usize) -> Option<Arc<[Write]>> {
        if !self.under_way.is_empty() || self.waiting.is_empty() {
            return None;
        }
        let count = self.waiting.len().min(deeds_max.max(1));
        self.under_way.extend(self.waiting.drain(..count));
        let writes = |deed: &Deed| {
            let first = std::iter::once(deed.first.clone());
            first.chain(deed.more.iter().cloned()).collect::<Vec<_>>()
        };
        Some(self.under_way.iter().flat_map(writes).collect())
    }

    /// Takes back what changes the settings of rooms and waits.
    pub(super) fn take_settings(&mut self) -> Vec<Deed> {
        let is_setting =
            |deed: &Deed| matches!(deed.then, Then::Topic { .. } | Then::Changed { .. });
        let (settings, rest) = self.waiting.drain(..).partition(is_setting);
        self.waiting = rest;
        let settings: VecDeque<Deed> = settings;
        self.bytes -= settings.iter().map(|deed| deed.bytes).sum::<usize>();
        settings.into()
    }

    /// Those that were under way are not any more.
    pub(super) fn end(&mut self) -> Vec<Deed> {
        let deeds = std::mem::take(&mut self.under_way);
        self.bytes -= deeds.iter().map(|deed| deed.bytes).sum::<usize>();
        deeds
    }
}
