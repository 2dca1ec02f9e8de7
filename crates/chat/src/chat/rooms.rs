//! What a room is: who is in it, with which roles, and its settings. It must never tell anybody
//! anything; the commands do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxBuildHasher;

use super::command::{Change, Flag, MaskList, Role};
use super::event::{Identity, Member};
use super::ids::UserId;
use super::names;
use super::room_settings::{RoomSettings, Wanted};
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
    pub(super) listeners: IndexSet<UserId, FxBuildHasher>,
    /// As they are stored, if the room is.
    pub(super) settings: RoomSettings,
    created_unix_ms: u64,
    /// The folded name of the account that has made the room: it owns it once the room is stored.
    pub(super) founder: Option<Arc<str>>,
    /// It is in the store, so it stays when all have left.
    pub(super) stored: bool,
    /// When somebody last left, as a number that grows: of those that are empty, the lowest is the
    /// longest unused.
    pub(super) emptied: u64,
    /// Commands that wait to be stored and need the room.
    pub(super) waiting: usize,
}

impl Room {
    pub(super) fn new(id: RoomId, name: Arc<str>, unix_ms: u64) -> Room {
        Room {
            id,
            folded: names::folded(&name),
            name,
            members: IndexMap::default(),
            listeners: IndexSet::default(),
            settings: RoomSettings::of_a_new_room(),
            created_unix_ms: unix_ms,
            founder: None,
            stored: false,
            emptied: 0,
            waiting: 0,
        }
    }

    pub(super) fn restored(id: RoomId, record: RoomRecord) -> Room {
        Room {
            settings: RoomSettings::of(&record),
            stored: true,
            ..Room::new(id, record.name, record.created_unix_ms)
        }
    }

    /// The room with these settings, as it is stored.
    pub(super) fn record(&self, settings: &RoomSettings) -> RoomRecord {
        RoomRecord {
            name: Arc::clone(&self.name),
            created_unix_ms: self.created_unix_ms,
            topic: settings.topic.clone(),
            flags: settings.flags.iter().copied().collect(),
            key: settings.key.clone(),
            limit: settings.limit,
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
        let (text, by, unix_ms) = self.settings.topic.as_ref()?;
        Some((text, by, *unix_ms))
    }

    /// The switches that are on, in a fixed order.
    pub fn flags(&self) -> impl Iterator<Item = Flag> + '_ {
        self.settings.flags.iter().copied()
    }

    /// Whether this switch is on.
    pub fn has(&self, flag: Flag) -> bool {
        self.settings.flags.contains(&flag)
    }

    /// What joining needs.
    pub fn key(&self) -> Option<&str> {
        self.settings.key.as_deref()
    }

    /// The most members.
    pub fn limit(&self) -> Option<u32> {
        self.settings.limit
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
        self.settings.masks(list)
    }

    /// What an account may do here whenever it comes.
    pub fn role_of_account(&self, account: &str) -> Role {
        self.settings.role_of_account(account)
    }

    /// The accounts that have a role here, by their folded names.
    pub fn roles(&self) -> impl Iterator<Item = (&Arc<str>, Role)> {
        let roles = self.settings.roles.iter();
        roles.map(|(account, role)| (account, *role))
    }

    pub(super) fn matches(&self, list: MaskList, who: &Identity, from: Option<IpAddr>) -> bool {
        self.settings.matches(list, who, from)
    }

    /// Whether a change would change nothing of what is.
    pub(super) fn is_so(&self, wanted: &Wanted) -> bool {
        match &wanted.change {
            Change::Flag(flag, on) => self.has(*flag) == *on,
            Change::Key(key) => self.settings.key == *key,
            Change::Limit(limit) => self.settings.limit == *limit,
            Change::Mask { list, mask, add } => self.settings.lists_mask(*list, mask) == *add,
            Change::Role { .. } => false,
        }
    }

    pub(super) fn is_banned(&self, who: &Identity, from: Option<IpAddr>) -> bool {
        self.matches(MaskList::Ban, who, from) && !self.matches(MaskList::Exemption, who, from)
    }

    pub(super) fn is_muted(&self, who: &Identity, from: Option<IpAddr>) -> bool {
        let silenced =
            self.matches(MaskList::Mute, who, from) || self.matches(MaskList::Ban, who, from);
        silenced && !self.matches(MaskList::Exemption, who, from)
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
