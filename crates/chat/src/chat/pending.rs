//! What waits to be stored, in order, and what is to be told when it is. It must never let anything
//! be told that is not stored, nor hold more than its caller has allowed.

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::Label;
use super::event::{Identity, Message, Place, Receipt, Redaction};
use super::ids::{Msgid, UserId};
use super::refusal::Refusal;
use super::room_settings::Wanted;
use super::rooms::RoomId;
use crate::store::record::{AccountRecord, ServerBan, Write};

/// What somebody wants to be stored. What exactly is written is decided when its batch begins,
/// since what waits before it may fail.
#[derive(Debug)]
pub(super) enum Wish {
    /// It is for the record only.
    Record(Write),
    /// A room whose owner is an account.
    Room,
    /// That a room that nobody uses is gone, with all that was said there.
    NoRoom,
    Said {
        message: Arc<Message>,
        /// Whom a message to a person is for: another one may have the nick when it is stored.
        to: Option<UserId>,
    },
    Redacted {
        by: Arc<Identity>,
        place: Place,
        to: Option<UserId>,
        msgid: Msgid,
        redaction: Arc<Redaction>,
    },
    Topic {
        by: Arc<Identity>,
        text: Arc<str>,
        unix_ms: u64,
    },
    Changed {
        by: Arc<Identity>,
        changes: Vec<Wanted>,
        unix_ms: u64,
    },
    MarkedRead {
        user: UserId,
        account: Arc<str>,
        place: Place,
        unix_ms: u64,
    },
    Registered {
        account: Arc<AccountRecord>,
        invitation: Option<Arc<str>>,
    },
    Account {
        /// The folded name.
        account: Arc<str>,
        change: AccountChange,
        receipt: Receipt,
        /// If it is an administrator who does it.
        audit: Option<Write>,
    },
    /// An administrator's.
    Administered { audit: Write, act: Act },
}

/// A change of an account.
#[derive(Debug)]
pub(super) enum AccountChange {
    Verifier(Arc<str>),
    Certificate { fingerprint: Arc<str>, add: bool },
    Suspended,
}

/// What an administrator does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Kill {
        nick: Arc<str>,
        user: UserId,
        reason: Arc<str>,
    },
    Ban(Arc<ServerBan>),
    Unban(Arc<str>),
    Invite(Arc<str>),
    Announce(Arc<str>),
    /// Makes the user an administrator, if this is still its account.
    Promote {
        user: UserId,
        account: Option<Arc<str>>,
    },
}

/// One command that waits.
#[derive(Debug)]
pub(super) struct Deed {
    /// Who asked for it, and what to remind it of; nobody for what is only recorded.
    pub(super) by: Option<(UserId, Label)>,
    /// The room that it needs: it does not go while this waits.
    pub(super) room: Option<RoomId>,
    pub(super) wish: Wish,
    pub(super) bytes: usize,
}

/// One command that is being stored.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) deed: Deed,
    /// Why nothing of it is being stored, if so.
    pub(super) refused: Option<Refusal>,
    /// What the account will be, if it changes one.
    pub(super) account: Option<Arc<AccountRecord>>,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: VecDeque<Deed>,
    under_way: Option<Batch>,
    bytes: usize,
}

/// What is being stored.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) deeds: Vec<UnderWay>,
    /// Rooms that are stored for the first time.
    pub(super) rooms: Vec<RoomId>,
    /// Rooms that will not be stored any more.
    pub(super) gone: Vec<RoomId>,
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

    /// How many are not under way.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_none()
    }

    /// The next things to store together; `None` while the last ones are under way.
    pub(super) fn next(&mut self, deeds_max: usize) -> Option<Vec<Deed>> {
        if self.under_way.is_some() || self.waiting.is_empty() {
            return None;
        }
        let count = self.waiting.len().min(deeds_max.max(1));
        Some(self.waiting.drain(..count).collect())
    }

    /// Whether a room is being taken out of the store.
    pub(super) fn is_going(&self, room: RoomId) -> bool {
        let batch = self.under_way.as_ref();
        batch.is_some_and(|batch| batch.gone.contains(&room))
    }

    pub(super) fn begin(&mut self, batch: Batch) {
        self.under_way = Some(batch);
    }

    /// Those that were under way are not any more.
    pub(super) fn end(&mut self) -> Batch {
        let batch = self.under_way.take().unwrap_or_default();
        self.bytes -= batch.deeds.iter().map(|it| it.deed.bytes).sum::<usize>();
        batch
    }
}
