//! What a batch writes: each command upon what those before it will have left. It must never change
//! the chat, since the batch may fail.
//!
//! When a batch begins, what is in memory is what is stored: the last one is done or has failed. So
//! each batch starts from there, and one that fails takes nothing with it that waits behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::accounts::CERTIFICATES_MAX;
use super::command::Role;
use super::ids::UserId;
use super::pending::{AccountChange, Act, Batch, Deed, UnderWay, Wish};
use super::refusal::Refusal;
use super::room_settings::{Made, RoomSettings, Wanted};
use super::rooms::{Room, RoomId};
use super::{Chat, names};
use crate::store::record::{AccountRecord, Write};

impl Chat {
    /// What to store now, all or nothing; `None` if nothing waits, or a batch is under way.
    ///
    /// Everything that came while the last batch was under way goes together: the slower the disk,
    /// the larger the batches, and one wait for it is shared by all of them. A batch may be empty,
    /// if all that waited turned out to be nothing; it is to be stored like others.
    pub fn next_batch(&mut self) -> Option<Arc<[Write]>> {
        let deeds = self.pending.next(self.settings.batch_max)?;
        let mut draft = Draft {
            chat: self,
            rooms: BTreeMap::new(),
            accounts: BTreeMap::new(),
            promoted: BTreeSet::new(),
            writes: Vec::with_capacity(deeds.len()),
            batch: Batch::default(),
        };
        for deed in deeds {
            draft.add(deed);
        }
        let Draft { writes, batch, .. } = draft;
        self.pending.begin(batch);
        Some(writes.into())
    }
}

/// The chat as it will be.
struct Draft<'a> {
    chat: &'a Chat,
    /// Settings that are changed, and whether the room is stored.
    rooms: BTreeMap<RoomId, (RoomSettings, bool)>,
    accounts: BTreeMap<Arc<str>, Arc<AccountRecord>>,
    promoted: BTreeSet<UserId>,
    writes: Vec<Write>,
    batch: Batch,
}

impl Draft<'_> {
    fn add(&mut self, deed: Deed) {
        let done = self.write(&deed);
        let (refused, account) = match done {
            Ok(account) => (None, account),
            Err(refusal) => (Some(refusal), None),
        };
        self.batch.deeds.push(UnderWay {
            deed,
            refused,
            account,
        });
    }

    /// Writes what somebody wants; the account as it will be, if it is about one.
    fn write(&mut self, deed: &Deed) -> Result<Option<Arc<AccountRecord>>, Refusal> {
        let room = deed.room.and_then(|id| self.chat.rooms.get(id));
        match &deed.wish {
            Wish::Record(write) => self.writes.push(write.clone()),
            Wish::Room => self.keep(room),
            Wish::NoRoom => self.forget(room)?,
            Wish::Said { message, .. } => {
                self.keep(room);
                self.writes.push(Write::Message(Arc::clone(message)));
            }
            Wish::Redacted {
                msgid, redaction, ..
            } => self.writes.push(Write::Redact {
                msgid: *msgid,
                redaction: Arc::clone(redaction),
            }),
            Wish::Topic { by, text, unix_ms } => {
                if let Some(room) = room {
                    let mut settings = self.settings(room);
                    settings.topic = topic(text, &by.source(), *unix_ms);
                    self.put(room, settings, true);
                }
            }
            Wish::Changed {
                by,
                changes,
                unix_ms,
            } => {
                if let Some(room) = room {
                    self.change(room, changes, (&by.nick, *unix_ms))?;
                }
            }
            Wish::MarkedRead {
                account,
                place,
                unix_ms,
                ..
            } => self.writes.push(Write::ReadMark {
                account: names::folded(account),
                target: names::folded(place.name()),
                unix_ms: *unix_ms,
            }),
            Wish::Registered {
                account,
                invitation,
            } => {
                self.put_account(Arc::clone(account));
                self.writes
                    .extend(invitation.iter().map(|code| Write::Invitation {
                        code: Arc::clone(code),
                        used_by: Some(Arc::clone(&account.name)),
                    }));
            }
            Wish::Account {
                account,
                change,
                audit,
                ..
            } => {
                let record = Arc::new(self.changed_account(account, change)?);
                self.put_account(Arc::clone(&record));
                self.writes.extend(audit.clone());
                return Ok(Some(record));
            }
            Wish::Administered { audit, act } => self.administer(audit, act),
        }
        Ok(None)
    }

    fn administer(&mut self, audit: &Write, act: &Act) {
        let is_new = match act {
            Act::Promote { user, .. } => self.promotes(*user),
            _ => true,
        };
        self.writes.extend(act.write());
        self.writes.extend(is_new.then(|| audit.clone()));
    }

    /// Whether this user is no administrator yet: one may have asked, and have been one by the
    /// account, before either is stored.
    fn promotes(&mut self, user: UserId) -> bool {
        let is_admin = self.chat.user(user).is_some_and(|user| user.is_admin());
        !is_admin && self.promoted.insert(user)
    }

    fn settings(&self, room: &Room) -> RoomSettings {
        let drafted = self.rooms.get(&room.id);
        drafted.map_or_else(|| room.settings.clone(), |(settings, _)| settings.clone())
    }

    /// The room is in the store from now on.
    fn keep(&mut self, room: Option<&Room>) {
        let Some(room) = room.filter(|room| !room.stored) else {
            return;
        };
        if !self.rooms.get(&room.id).is_some_and(|(_, stored)| *stored) {
            let settings = self.settings(room);
            self.put(room, settings, true);
        }
    }

    /// The room is not in the store any more, unless somebody has come to use it.
    fn forget(&mut self, room: Option<&Room>) -> Result<(), Refusal> {
        let room = room.ok_or(Refusal::Busy)?;
        let write = self.chat.forgetting(room).ok_or(Refusal::Busy)?;
        self.batch.gone.push(room.id);
        self.writes.push(write);
        Ok(())
    }

    /// These are the room's settings from now on; the room itself is written before all that belongs
    /// to it.
    fn put(&mut self, room: &Room, mut settings: RoomSettings, changes: bool) {
        let drafted = self.rooms.get(&room.id);
        let stored = room.stored || drafted.is_some_and(|(_, stored)| *stored);
        if changes || !stored {
            let record = room.record(&settings);
            self.writes.push(Write::Room(Arc::new(record)));
        }
        if !stored {
            self.batch.rooms.push(room.id);
            if let Some(account) = &room.founder {
                settings.set_role(Arc::clone(account), Role::Owner);
                self.writes.push(Write::Role {
                    room: Arc::clone(room.folded()),
                    account: Arc::clone(account),
                    role: Role::Owner,
                });
            }
        }
        self.rooms.insert(room.id, (settings, true));
    }

    /// All of the changes, or none.
    fn change(
        &mut self,
        room: &Room,
        changes: &[Wanted],
        (by, unix_ms): (&Arc<str>, u64),
    ) -> Result<(), Refusal> {
        // The owner by founding first, so that what the changes say of it is said upon it.
        self.keep(Some(room));
        let mut settings = self.settings(room);
        let (mut is_set, mut more) = (false, Vec::new());
        for wanted in changes {
            let made = settings.make(wanted, (by, unix_ms), self.chat.settings.masks_per_list);
            match made.map_err(|_| Refusal::ListFull(Arc::clone(room.name())))? {
                Made::Nothing | Made::Member => {}
                Made::Setting => is_set = true,
                Made::Listed(list, entry) => more.push(Write::Mask {
                    room: Arc::clone(room.folded()),
                    list,
                    entry,
                }),
                Made::Role(account, role) => more.push(Write::Role {
                    room: Arc::clone(room.folded()),
                    account,
                    role,
                }),
            }
        }
        self.put(room, settings, is_set);
        self.writes.append(&mut more);
        Ok(())
    }

    fn account(&self, folded: &str) -> Option<&Arc<AccountRecord>> {
        let drafted = self.accounts.get(folded);
        drafted.or_else(|| self.chat.accounts.get(folded))
    }

    fn put_account(&mut self, record: Arc<AccountRecord>) {
        self.writes.push(Write::Account(Arc::clone(&record)));
        self.accounts.insert(names::folded(&record.name), record);
    }

    fn changed_account(
        &self,
        folded: &Arc<str>,
        change: &AccountChange,
    ) -> Result<AccountRecord, Refusal> {
        let record = self.account(folded).ok_or(Refusal::NeedsAccount)?;
        let mut record = AccountRecord::clone(record);
        match change {
            AccountChange::Verifier(verifier) => record.verifier = Arc::clone(verifier),
            AccountChange::Suspended => record.suspended = true,
            AccountChange::Certificate { fingerprint, add } => {
                record.certificates.retain(|known| known != fingerprint);
                if *add {
                    if self.is_anothers(fingerprint, folded) {
                        return Err(Refusal::AccountExists("this certificate".into()));
                    }
                    if record.certificates.len() >= CERTIFICATES_MAX {
                        return Err(Refusal::ListFull("certificates".into()));
                    }
                    record.certificates.push(Arc::clone(fingerprint));
                }
            }
        }
        Ok(record)
    }

    /// Whether this certificate logs in to another account.
    fn is_anothers(&self, fingerprint: &Arc<str>, folded: &Arc<str>) -> bool {
        let has = |account: &AccountRecord| account.certificates.contains(fingerprint);
        let mut drafted = self.accounts.iter();
        if drafted.any(|(name, account)| name != folded && has(account)) {
            return true;
        }
        let owner = self.chat.certificates.get(fingerprint);
        owner.is_some_and(|owner| owner != folded && self.account(owner).is_some_and(|a| has(a)))
    }
}

impl Act {
    fn write(&self) -> Option<Write> {
        Some(match self {
            Act::Kill { .. } | Act::Announce(_) | Act::Promote { .. } => return None,
            Act::Ban(ban) => Write::ServerBan(Arc::clone(ban)),
            Act::Unban(mask) => Write::NoServerBan {
                mask: Arc::clone(mask),
            },
            Act::Invite(code) => Write::Invitation {
                code: Arc::clone(code),
                used_by: None,
            },
        })
    }
}

/// A topic as rooms have it: none, if it is empty.
pub(super) fn topic(
    text: &Arc<str>,
    source: &Arc<str>,
    unix_ms: u64,
) -> Option<(Arc<str>, Arc<str>, u64)> {
    (!text.is_empty()).then(|| (Arc::clone(text), Arc::clone(source), unix_ms))
}
