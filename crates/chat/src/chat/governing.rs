//! Topics, switches, lists and roles of a room: who may change them. It must never change them
//! before that is stored; `storing.rs` does.
//!
//! Who may is decided when a command comes, by what is stored then: a change has no effect, on rights
//! too, before it is told.

use std::sync::Arc;

use super::command::{Change, Flag, Label, Role};
use super::entries::Entry;
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Wish};
use super::refusal::Refusal;
use super::room_settings::Wanted;
use super::rooms::Room;
use super::{Chat, names};

/// Changes of one command.
const CHANGES_MAX: usize = 32;

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
        let (id, room) = self.seen(user, name)?;
        if self.standing(room, user) < Role::Operator {
            self.room_with(user, name)?;
            if room.has(Flag::TopicLocked) {
                return Err(Refusal::NeedsOperator(Arc::clone(room.name())));
            }
        }
        let asker = Some((user, label));
        let bytes = 512 + text.len();
        self.reserve(&asker, bytes, Some(now), out)?;
        let unix_ms = self.stamp(now);
        self.push(Deed {
            by: asker,
            room: Some(id),
            wish: Wish::Topic { by, text, unix_ms },
            bytes,
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
        let (id, room) = self.seen(user, name)?;
        let standing = self.standing(room, user);
        if standing < Role::Operator {
            return Err(Refusal::NeedsOperator(Arc::clone(room.name())));
        }
        if changes.len() > CHANGES_MAX {
            return Err(Refusal::TooLong(CHANGES_MAX));
        }
        let checked = changes.into_iter();
        let checked = checked.map(|change| self.checked(room, standing, change));
        let changes: Vec<Wanted> = checked.collect::<Result<_, _>>()?;
        // While something waits for the room, only the batch can tell whether it is so already.
        if room.waiting == 0 && changes.iter().all(|wanted| room.is_so(wanted)) {
            return Ok(());
        }
        let asker = Some((user, label));
        let bytes = 256 * (1 + changes.len());
        self.reserve(&asker, bytes, Some(now), out)?;
        let unix_ms = self.stamp(now);
        self.push(Deed {
            by: asker,
            room: Some(id),
            wish: Wish::Changed {
                by,
                changes,
                unix_ms,
            },
            bytes,
        });
        Ok(())
    }

    /// One change as it will be made, if whoever asks may.
    fn checked(&self, room: &Room, standing: Role, change: Change) -> Result<Wanted, Refusal> {
        let refuse = || Refusal::NeedsOperator(Arc::clone(room.name()));
        let mut them = None;
        let change = match change {
            Change::Key(Some(key)) => {
                // IRC has it in the middle of a line.
                names::check_key(&key).map_err(|_| Refusal::BadKey(Arc::clone(room.name())))?;
                Change::Key(Some(key))
            }
            // Nobody could come in, as IRC has it: no limit.
            Change::Limit(Some(0)) => Change::Limit(None),
            Change::Mask { list, mask, add } => {
                let mask = in_full(&mask)?;
                let is_full = room.masks(list).len() >= self.settings.masks_per_list;
                if add && is_full && !room.settings.lists_mask(list, &mask) {
                    return Err(Refusal::ListFull(Arc::clone(room.name())));
                }
                Change::Mask { list, mask, add }
            }
            Change::Role { nick, role, add } => {
                let none = || Refusal::NoSuchNick(Arc::clone(&nick));
                let id = self.users.find(&nick).ok_or_else(none)?;
                let theirs = room.role_of(id).ok_or_else(|| {
                    Refusal::TheyAreNotInRoom(Arc::clone(&nick), Arc::clone(room.name()))
                })?;
                let user = self.known(id)?;
                let account = user.account().map(|account| names::folded(account));
                let kept = account
                    .as_ref()
                    .map(|account| room.role_of_account(account));
                // An operator gives and takes what is below an owner; owners answer to owners.
                let theirs = theirs.max(kept.unwrap_or_default());
                let needed = role.max(if add { role } else { theirs });
                if needed > standing {
                    return Err(refuse());
                }
                let nick = Arc::clone(&user.identity.nick);
                them = Some((id, account));
                Change::Role { nick, role, add }
            }
            other => other,
        };
        Ok(Wanted { change, them })
    }
}

/// A mask as lists show it: `ann` is `ann!*@*`, `a@b` is `*!a@b`, `10.0.0.0/8` is its host.
pub(super) fn in_full(mask: &Arc<str>) -> Result<Arc<str>, Refusal> {
    let entry = Entry::parse(mask).map_err(|_| Refusal::BadMask(Arc::clone(mask)))?;
    Ok(entry.to_string().into())
}
