//! What a room is: who is in it, with which roles, and its settings. It must never tell anybody
//! anything; the commands do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::command::{Change, Flag, MaskList, Role};
use super::entries::Entry;
use super::event::{Identity, Member};
use super::ids::UserId;
use super::names;
use crate::store::record::{MaskEntry, RoomRecord};

/// One room while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub(super) u32);

/// A room.
#[derive(Debug)]
pub struct Room {
    pub(super) id: RoomId,
    name: Arc<str>,
    folded: Arc<str>,
    /// In the order in which they came, until somebody leaves: the order is the same in each run.
    pub(super) members: IndexMap<UserId, Role, FxBuildHasher>,
    /// Guests that hear what is said.
    pub(super) listeners: Vec<UserId>,
    pub(super) topic: Option<(Arc<str>, Arc<str>, u64)>,
    pub(super) flags: BTreeSet<Flag>,
    pub(super) key: Option<Arc<str>>,
    pub(super) limit: Option<u32>,
    masks: BTreeMap<MaskList, List>,
    /// What accounts may do here whenever they come, by their folded names.
    roles: BTreeMap<Arc<str>, Role>,
    created_unix_ms: u64,
    /// What it will be when all that waits to be stored is; `None`: nothing waits.
    draft: Option<Box<Draft>>,
    /// It is in the store, so it stays when all have left.
    pub(super) kept: bool,
}

/// The entries of one list, as they are shown and, at the same places, as they are compared: a
/// message of each member is compared with all of them.
#[derive(Debug, Default)]
struct List {
    shown: Vec<MaskEntry>,
    /// `None`: it is no mask, and means nobody.
    meant: Vec<Option<Entry>>,
}

/// A room's settings as they will be. Changes that wait build upon each other, or one of them would
/// store what the one before has just changed.
#[derive(Debug)]
struct Draft {
    in_flight: usize,
    record: RoomRecord,
    roles: BTreeMap<Arc<str>, Role>,
}

impl Room {
    pub(super) fn new(id: RoomId, name: Arc<str>, unix_ms: u64) -> Room {
        Room {
            id,
            folded: names::folded(&name),
            name,
            members: IndexMap::default(),
            listeners: Vec::new(),
            topic: None,
            // What people expect of a room: its members speak, its operators say what it is about.
            flags: [Flag::NoOutsiders, Flag::TopicLocked].into(),
            key: None,
            limit: None,
            masks: BTreeMap::new(),
            roles: BTreeMap::new(),
            created_unix_ms: unix_ms,
            draft: None,
            kept: false,
        }
    }

    pub(super) fn restored(id: RoomId, record: RoomRecord) -> Room {
        Room {
            topic: record.topic,
            flags: record.flags.into_iter().collect(),
            key: record.key,
            limit: record.limit,
            kept: true,
            ..Room::new(id, record.name, record.created_unix_ms)
        }
    }

    /// The settings as they will be when all that waits is stored.
    pub(super) fn record(&self) -> RoomRecord {
        match &self.draft {
            Some(draft) => draft.record.clone(),
            None => self.present(),
        }
    }

    /// One more change waits, after which the settings are `record` and these accounts have roles.
    pub(super) fn intend(&mut self, record: RoomRecord, roles: Vec<(Arc<str>, Role)>) {
        let draft = self.draft.get_or_insert_with(|| {
            Box::new(Draft {
                in_flight: 0,
                record: RoomRecord::default(),
                roles: BTreeMap::new(),
            })
        });
        draft.in_flight += 1;
        draft.record = record;
        draft.roles.extend(roles);
    }

    /// A change that waited is made, or given up.
    pub(super) fn settle(&mut self) {
        if let Some(draft) = &mut self.draft {
            draft.in_flight -= 1;
            if draft.in_flight == 0 {
                self.draft = None;
            }
        }
    }

    /// What an account may do when all that waits is stored.
    pub(super) fn intended_role(&self, account: &str) -> Role {
        let folded = names::fold(account);
        let draft = self.draft.as_ref();
        let waiting = draft.and_then(|draft| draft.roles.get(folded.as_ref()));
        waiting
            .copied()
            .unwrap_or_else(|| self.role_of_account(account))
    }

    fn present(&self) -> RoomRecord {
        RoomRecord {
            name: Arc::clone(&self.name),
            created_unix_ms: self.created_unix_ms,
            topic: self.topic.clone(),
            flags: self.flags.iter().copied().collect(),
            key: self.key.clone(),
            limit: self.limit,
        }
    }

    /// Its name, as whoever made it wrote it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The name that all spellings share.
    pub fn folded(&self) -> &Arc<str> {
        &self.folded
    }

    /// Its topic, who set it (`nick!user@host`), and when in milliseconds since 1970.
    pub fn topic(&self) -> Option<(&str, &str, u64)> {
        let (text, by, unix_ms) = self.topic.as_ref()?;
        Some((text, by, *unix_ms))
    }

    /// The switches that are on, in a fixed order.
    pub fn flags(&self) -> impl Iterator<Item = Flag> + '_ {
        self.flags.iter().copied()
    }

    /// Whether this switch is on.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// What joining needs.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The most members.
    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// When it was made, in milliseconds since 1970.
    pub fn created_unix_ms(&self) -> u64 {
        self.created_unix_ms
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Its members.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        let member = |(user, role): (&UserId, &Role)| Member {
            user: *user,
            role: *role,
        };
        self.members.iter().map(member)
    }

    /// What a member may do; `None`: no member.
    pub fn role_of(&self, user: UserId) -> Option<Role> {
        self.members.get(&user).copied()
    }

    /// The entries of one list, the oldest first.
    pub fn masks(&self, list: MaskList) -> &[MaskEntry] {
        self.masks.get(&list).map_or(&[], |list| &list.shown)
    }

    /// What an account may do here whenever it comes.
    pub fn role_of_account(&self, account: &str) -> Role {
        let found = self.roles.get(names::fold(account).as_ref());
        found.copied().unwrap_or_default()
    }

    /// The accounts that have a role here, by their folded names.
    pub fn roles(&self) -> impl Iterator<Item = (&Arc<str>, Role)> {
        self.roles.iter().map(|(account, role)| (account, *role))
    }

    pub(super) fn set_role_of_account(&mut self, account: Arc<str>, role: Role) {
        if role == Role::Member {
            self.roles.remove(&account);
        } else {
            self.roles.insert(account, role);
        }
    }

    pub(super) fn matches(&self, list: MaskList, who: &Identity, from: Option<IpAddr>) -> bool {
        let meant = self.masks.get(&list).map_or(&[][..], |list| &list.meant);
        meant.iter().flatten().any(|entry| entry.means(who, from))
    }

    pub(super) fn is_banned(&self, who: &Identity, from: Option<IpAddr>) -> bool {
        self.matches(MaskList::Ban, who, from) && !self.matches(MaskList::Exemption, who, from)
    }

    pub(super) fn is_muted(&self, who: &Identity, from: Option<IpAddr>) -> bool {
        let silenced =
            self.matches(MaskList::Mute, who, from) || self.matches(MaskList::Ban, who, from);
        silenced && !self.matches(MaskList::Exemption, who, from)
    }

    /// Puts an entry on a list; what is there already stays as it is.
    pub(super) fn add_mask(&mut self, list: MaskList, entry: MaskEntry) {
        let list = self.masks.entry(list).or_default();
        let mut shown = list.shown.iter();
        if !shown.any(|old| names::are_same(&old.mask, &entry.mask)) {
            list.meant.push(Entry::parse(&entry.mask).ok());
            list.shown.push(entry);
        }
    }

    pub(super) fn remove_mask(&mut self, list: MaskList, mask: &str) {
        let Some(list) = self.masks.get_mut(&list) else {
            return;
        };
        let is_it = |old: &MaskEntry| names::are_same(&old.mask, mask);
        if let Some(place) = list.shown.iter().position(is_it) {
            list.shown.remove(place);
            list.meant.remove(place);
        }
    }

    /// Whether `change` would change anything of what lists, switches, key and limit are now.
    pub(super) fn would_change(&self, change: &Change) -> bool {
        match change {
            Change::Flag(flag, on) => self.has(*flag) != *on,
            Change::Key(key) => self.key != *key,
            Change::Limit(limit) => self.limit != *limit,
            Change::Mask { list, mask, add } => {
                let mut entries = self.masks(*list).iter();
                entries.any(|old| names::are_same(&old.mask, mask)) != *add
            }
            Change::Role { .. } => true,
        }
    }
}

/// All rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: Vec<Option<Box<Room>>>,
    free: Vec<u32>,
    names: BTreeMap<Arc<str>, RoomId>,
}

impl Rooms {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<RoomId> {
        self.names.get(names::fold(name).as_ref()).copied()
    }

    pub(super) fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(id.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(super) fn by_name(&self) -> impl Iterator<Item = &Room> {
        self.names.values().filter_map(|id| self.get(*id))
    }

    pub(super) fn add(&mut self, make: impl FnOnce(RoomId) -> Room) -> RoomId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.rooms.push(None);
            (self.rooms.len() - 1) as u32
        });
        let room = make(RoomId(slot));
        self.names.insert(Arc::clone(&room.folded), room.id);
        self.rooms[slot as usize] = Some(Box::new(room));
        RoomId(slot)
    }

    pub(super) fn remove(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.get_mut(id.0 as usize).and_then(Option::take) {
            self.names.remove(&room.folded);
            self.free.push(id.0);
        }
    }
}
