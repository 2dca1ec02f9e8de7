//! Topics, switches, lists and roles of a room: who may change them. It must never change them
//! before that is stored; `storing.rs` does.

use std::sync::Arc;

use super::command::{Change, Flag, Label, Role};
use super::entries::Entry;
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Then};
use super::refusal::Refusal;
use super::rooms::Room;
use super::{Chat, names};
use crate::store::record::{MaskChange, MaskEntry, RoomRecord, Write};

/// Changes of one command.
const CHANGES_MAX: usize = 32;

/// Accounts by their folded names, and what they may do.
type AccountRoles = Vec<(Arc<str>, Role)>;

impl Chat {
    pub(super) fn set_topic(
        &mut self,
        user: UserId,
        name: &str,
        text: Arc<str>,
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.line(&text)?;
        let by = Arc::clone(self.identity(user)?);
        let id = self.room_named(name)?;
        let room = self
            .rooms
            .get(id)
            .ok_or_else(|| Refusal::NoSuchRoom(name.into()))?;
        if self.standing(room, user) < Role::Operator {
            self.room_with(user, name)?;
            if room.has(Flag::TopicLocked) {
                return Err(Refusal::NeedsOperator(Arc::clone(room.name())));
            }
        }
        let (mut record, folded) = (room.record(), Arc::clone(room.folded()));
        let asker = Some((user, label));
        self.reserve(&asker, 512, Some(now), out)?;
        let unix_ms = self.stamp(now);
        let source = format!("{}!{}@{}", by.nick, by.user, by.host).into();
        record.topic = (!text.is_empty()).then(|| (Arc::clone(&text), source, unix_ms));
        self.intend(&folded, record.clone(), Vec::new());
        self.pending.push(Deed {
            by: asker,
            first: Write::Room(Arc::new(record)),
            more: Vec::new(),
            then: Then::Topic {
                by,
                room: folded,
                text,
                unix_ms,
            },
            bytes: 512,
        });
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one command")]
    pub(super) fn change(
        &mut self,
        user: UserId,
        name: &str,
        changes: Vec<Change>,
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let by = Arc::clone(self.identity(user)?);
        let id = self.room_named(name)?;
        let room = self
            .rooms
            .get(id)
            .ok_or_else(|| Refusal::NoSuchRoom(name.into()))?;
        let standing = self.standing(room, user);
        if standing < Role::Operator {
            return Err(Refusal::NeedsOperator(Arc::clone(room.name())));
        }
        if changes.len() > CHANGES_MAX {
            return Err(Refusal::TooLong(CHANGES_MAX));
        }
        let mut wanted = Vec::new();
        for change in changes {
            let change = self.checked(room, standing, change)?;
            if room.would_change(&change) {
                wanted.push(change);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let unix_ms = self.last_unix_ms.max(now.unix_ms);
        let (record, roles, writes) = self.writes_of(room, &wanted, &by.nick, unix_ms);
        let folded = Arc::clone(room.folded());
        let asker = Some((user, label));
        let bytes = 256 * (1 + wanted.len());
        self.reserve(&asker, bytes, Some(now), out)?;
        self.intend(&folded, record.clone(), roles);
        self.pending.push(Deed {
            by: asker,
            // The room itself always comes first, since the others belong to it.
            first: Write::Room(Arc::new(record)),
            more: writes,
            then: Then::Changed {
                by,
                room: folded,
                changes: wanted,
                unix_ms,
            },
            bytes,
        });
        Ok(())
    }

    /// One change as it will be made, if whoever asks may.
    fn checked(&self, room: &Room, standing: Role, change: Change) -> Result<Change, Refusal> {
        let refuse = || Refusal::NeedsOperator(Arc::clone(room.name()));
        match change {
            Change::Key(Some(key)) => {
                self.line(&key)?;
                Ok(Change::Key(Some(key)))
            }
            Change::Mask { list, mask, add } => {
                let mask = in_full(&mask)?;
                if add && room.masks(list).len() >= self.settings.masks_per_list {
                    return Err(Refusal::ListFull(Arc::clone(room.name())));
                }
                Ok(Change::Mask { list, mask, add })
            }
            Change::Role { nick, role, add } => {
                let none = || Refusal::NoSuchNick(Arc::clone(&nick));
                let them = self.users.find(&nick).ok_or_else(none)?;
                let theirs = room.role_of(them).ok_or_else(|| {
                    Refusal::TheyAreNotInRoom(Arc::clone(&nick), Arc::clone(room.name()))
                })?;
                // An operator gives and takes what is below an owner; owners answer to owners.
                let needed = role.max(if add { role } else { theirs });
                if needed > standing {
                    return Err(refuse());
                }
                let nick = Arc::clone(&self.identity(them)?.nick);
                Ok(Change::Role { nick, role, add })
            }
            other => Ok(other),
        }
    }

    /// The settings and roles after these changes, and what has to be stored besides the settings.
    fn writes_of(
        &self,
        room: &Room,
        changes: &[Change],
        by: &Arc<str>,
        unix_ms: u64,
    ) -> (RoomRecord, AccountRoles, Vec<Write>) {
        let mut record = room.record();
        let (mut roles, mut more) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Mask { list, mask, add } => more.push(Write::Mask {
                    room: Arc::clone(room.folded()),
                    list: *list,
                    entry: mask_change(mask, *add, by, unix_ms),
                }),
                Change::Role { nick, role, add } => {
                    let them = self.users.find(nick).and_then(|them| self.users.get(them));
                    if let Some(account) = them.and_then(|them| them.account()) {
                        let account = names::folded(account);
                        let role = after(room.intended_role(&account), *role, *add);
                        roles.push((Arc::clone(&account), role));
                        more.push(Write::Role {
                            room: Arc::clone(room.folded()),
                            account,
                            role,
                        });
                    }
                }
                setting => set(&mut record, setting),
            }
        }
        (record, roles, more)
    }

    /// Makes a stored change in memory, too; those that no longer mean anybody fall out.
    pub(super) fn apply(
        &mut self,
        folded: &str,
        changes: Vec<Change>,
        by: &Arc<str>,
        unix_ms: u64,
    ) -> Vec<Change> {
        let Some(id) = self.rooms.find(folded) else {
            return Vec::new();
        };
        let mut made = Vec::new();
        for change in changes {
            let them = match &change {
                Change::Role { nick, .. } => {
                    let them = self.users.find(nick);
                    them.map(|them| {
                        (
                            them,
                            self.users.get(them).and_then(|u| u.account()).cloned(),
                        )
                    })
                }
                _ => None,
            };
            let Some(room) = self.rooms.get_mut(id) else {
                break;
            };
            match &change {
                Change::Flag(flag, true) => {
                    room.flags.insert(*flag);
                }
                Change::Flag(flag, false) => {
                    room.flags.remove(flag);
                }
                Change::Key(key) => room.key.clone_from(key),
                Change::Limit(limit) => room.limit = *limit,
                Change::Mask { list, mask, add } => match mask_change(mask, *add, by, unix_ms) {
                    MaskChange::Added(entry) => room.add_mask(*list, entry),
                    MaskChange::Removed { mask } => room.remove_mask(*list, &mask),
                },
                Change::Role { role, add, .. } => {
                    let Some((them, account)) = them else {
                        continue;
                    };
                    if let Some(account) = account {
                        let had = room.role_of_account(&account);
                        let now = after(had, *role, *add);
                        room.set_role_of_account(names::folded(&account), now);
                    }
                    let Some(current) = room.members.get_mut(&them) else {
                        continue;
                    };
                    *current = after(*current, *role, *add);
                }
            }
            made.push(change);
        }
        made
    }

    /// What is stored of a room is not forgotten when all have left it.
    fn intend(&mut self, folded: &str, record: RoomRecord, roles: AccountRoles) {
        if let Some(room) = self
            .rooms
            .find(folded)
            .and_then(|id| self.rooms.get_mut(id))
        {
            room.kept = true;
            room.intend(record, roles);
        }
    }
}

/// A mask as lists show it: `ann` is `ann!*@*`, `a@b` is `*!a@b`, `10.0.0.0/8` is its host.
pub(super) fn in_full(mask: &Arc<str>) -> Result<Arc<str>, Refusal> {
    let entry = Entry::parse(mask).map_err(|_| Refusal::BadMask(Arc::clone(mask)))?;
    Ok(entry.to_string().into())
}

/// A role that is given replaces a lower one; one that is taken away leaves nothing, if it was there.
fn after(had: Role, role: Role, add: bool) -> Role {
    match add {
        true => had.max(role),
        false if had == role => Role::Member,
        false => had,
    }
}

fn mask_change(mask: &Arc<str>, add: bool, by: &Arc<str>, unix_ms: u64) -> MaskChange {
    let mask = Arc::clone(mask);
    if !add {
        return MaskChange::Removed { mask };
    }
    MaskChange::Added(MaskEntry {
        mask,
        by: Arc::clone(by),
        unix_ms,
    })
}

fn set(record: &mut RoomRecord, setting: &Change) {
    match setting {
        Change::Flag(flag, on) => {
            record.flags.retain(|other| other != flag);
            if *on {
                record.flags.push(*flag);
                record.flags.sort_unstable();
            }
        }
        Change::Key(key) => record.key.clone_from(key),
        Change::Limit(limit) => record.limit = *limit,
        Change::Mask { .. } | Change::Role { .. } => {}
    }
}
