//! What of a room is stored: its settings, lists and roles, and what a change makes of them. It must
//! never know who is in the room; the same changes upon the same settings give the same, so that
//! what is stored and what is in memory cannot part.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::command::{Change, Flag, MaskList, Role};
use super::entries::Entry;
use super::event::Identity;
use super::ids::UserId;
use super::names;
use crate::store::record::{MaskChange, MaskEntry, RoomRecord};

/// The entries of one list, as they are shown and, at the same places, as they are compared: a
/// message of each member is compared with all of them.
#[derive(Debug, Clone, Default, PartialEq)]
struct List {
    shown: Vec<MaskEntry>,
    /// `None`: it is no mask, and means nobody.
    meant: Vec<Option<Entry>>,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RoomSettings {
    /// Text, who set it (`nick!user@host`), when in milliseconds since 1970.
    pub(super) topic: Option<(Arc<str>, Arc<str>, u64)>,
    pub(super) flags: BTreeSet<Flag>,
    pub(super) key: Option<Arc<str>>,
    pub(super) limit: Option<u32>,
    lists: BTreeMap<MaskList, List>,
    /// What accounts may do here whenever they come, by their folded names.
    pub(super) roles: BTreeMap<Arc<str>, Role>,
}

/// A change that somebody may make, and whom it means: a nick may be another one's when it is made.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) change: Change,
    /// Whose role, and the folded name of the account that it is kept for.
    pub(super) them: Option<(UserId, Option<Arc<str>>)>,
}

/// What a change has made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It was so already.
    Nothing,
    /// A switch, the key or the limit.
    Setting,
    /// A list.
    Listed(MaskList, MaskChange),
    /// The role of an account.
    Role(Arc<str>, Role),
    /// What no store knows of: the role of a member.
    Member,
}

/// The list has as many entries as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListIsFull;

impl RoomSettings {
    /// Those of a new room. What people expect of one: its members speak, its operators say what it
    /// is about.
    pub(super) fn of_a_new_room() -> RoomSettings {
        RoomSettings {
            flags: [Flag::NoOutsiders, Flag::TopicLocked].into(),
            ..RoomSettings::default()
        }
    }

    pub(super) fn of(record: &RoomRecord) -> RoomSettings {
        RoomSettings {
            topic: record.topic.clone(),
            flags: record.flags.iter().copied().collect(),
            key: record.key.clone(),
            limit: record.limit,
            ..RoomSettings::default()
        }
    }

    pub(super) fn masks(&self, list: MaskList) -> &[MaskEntry] {
        self.lists.get(&list).map_or(&[], |list| &list.shown)
    }

    pub(super) fn lists_mask(&self, list: MaskList, mask: &str) -> bool {
        let mut shown = self.masks(list).iter();
        shown.any(|old| names::are_same(&old.mask, mask))
    }

    pub(super) fn matches(&self, list: MaskList, who: &Identity, from: Option<IpAddr>) -> bool {
        let meant = self.lists.get(&list).map_or(&[][..], |list| &list.meant);
        meant.iter().flatten().any(|entry| entry.means(who, from))
    }

    /// Puts an entry on a list; what is there already stays as it is.
    pub(super) fn add_mask(&mut self, list: MaskList, entry: MaskEntry) {
        if !self.lists_mask(list, &entry.mask) {
            let list = self.lists.entry(list).or_default();
            list.meant.push(Entry::parse(&entry.mask).ok());
            list.shown.push(entry);
        }
    }

    fn remove_mask(&mut self, list: MaskList, mask: &str) {
        let Some(list) = self.lists.get_mut(&list) else {
            return;
        };
        let is_it = |old: &MaskEntry| names::are_same(&old.mask, mask);
        if let Some(place) = list.shown.iter().position(is_it) {
            list.shown.remove(place);
            list.meant.remove(place);
        }
    }

    pub(super) fn role_of_account(&self, account: &str) -> Role {
        let found = self.roles.get(names::fold(account).as_ref());
        found.copied().unwrap_or_default()
    }

    pub(super) fn set_role(&mut self, account: Arc<str>, role: Role) {
        if role == Role::Member {
            self.roles.remove(&account);
        } else {
            self.roles.insert(account, role);
        }
    }

    /// Makes a change, by somebody of the nick `by`; lists grow to `masks_max` entries.
    pub(super) fn make(
        &mut self,
        wanted: &Wanted,
        (by, unix_ms): (&Arc<str>, u64),
        masks_max: usize,
    ) -> Result<Made, ListIsFull> {
        match &wanted.change {
            Change::Flag(flag, on) => {
                let changes = match on {
                    true => self.flags.insert(*flag),
                    false => self.flags.remove(flag),
                };
                Ok(setting(changes))
            }
            Change::Key(key) => Ok(setting(replace(&mut self.key, key))),
            Change::Limit(limit) => Ok(setting(replace(&mut self.limit, limit))),
            Change::Mask { list, mask, add } if self.lists_mask(*list, mask) == *add => {
                Ok(Made::Nothing)
            }
            Change::Mask { list, mask, add } => {
                let mask = Arc::clone(mask);
                if !add {
                    self.remove_mask(*list, &mask);
                    return Ok(Made::Listed(*list, MaskChange::Removed { mask }));
                }
                if self.masks(*list).len() >= masks_max {
                    return Err(ListIsFull);
                }
                let by = Arc::clone(by);
                let entry = MaskEntry { mask, by, unix_ms };
                self.add_mask(*list, entry.clone());
                Ok(Made::Listed(*list, MaskChange::Added(entry)))
            }
            Change::Role { role, add, .. } => {
                let Some((_, Some(account))) = &wanted.them else {
                    return Ok(Made::Member);
                };
                let had = self.role_of_account(account);
                let now = after(had, *role, *add);
                self.set_role(Arc::clone(account), now);
                match now == had {
                    true => Ok(Made::Member),
                    false => Ok(Made::Role(Arc::clone(account), now)),
                }
            }
        }
    }
}

/// A role that is given replaces a lower one; one that is taken away leaves nothing, if it was there.
pub(super) fn after(had: Role, role: Role, add: bool) -> Role {
    match add {
        true => had.max(role),
        false if had == role => Role::Member,
        false => had,
    }
}

fn setting(changes: bool) -> Made {
    match changes {
        true => Made::Setting,
        false => Made::Nothing,
    }
}

fn replace<T: Clone + PartialEq>(place: &mut T, value: &T) -> bool {
    let changes = place != value;
    place.clone_from(value);
    changes
}
