//! Who is connected: a slot for each user, and who is called what. It must never tell anybody
//! anything; the commands do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::event::Identity;
use super::ids::{Moment, UserId};
use super::names;
use super::rooms::RoomId;
use crate::rate::Bucket;

/// One connected user.
#[derive(Debug)]
pub struct User {
    id: UserId,
    pub(super) identity: Arc<Identity>,
    pub(super) from: Option<IpAddr>,
    pub(super) rooms: Vec<RoomId>,
    /// What most users have nothing of.
    rare: Option<Box<Rare>>,
    pub(super) admin: bool,
    /// The fingerprint of its certificate, empty if it has shown none; `None`: it does not speak TLS.
    pub(super) secured: Option<Arc<str>>,
    pub(super) guest: bool,
    pub(super) congested: bool,
    /// Durable commands that are not stored yet.
    pub(super) pending: usize,
    pub(super) messages: Bucket,
    pub(super) joins: Bucket,
    pub(super) signed_on: Moment,
    pub(super) last_spoke_ns: u64,
}

/// What most users have nothing of, and so costs them a pointer.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Rooms that this user may come into once, by their folded names.
    pub(super) invited: Vec<Arc<str>>,
    /// Folded nicks.
    pub(super) watches: Vec<Arc<str>>,
    pub(super) away: Option<Arc<str>>,
}

impl User {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// It has nothing of these after all.
    pub(super) fn trim(&mut self) {
        let is_empty = |rare: &mut Box<Rare>| {
            rare.invited.is_empty() && rare.watches.is_empty() && rare.away.is_none()
        };
        self.rare.take_if(is_empty);
    }

    /// Its name here.
    pub fn id(&self) -> UserId {
        self.id
    }

    /// How the others know this user.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Where the connection comes from; `None` if it is no network's.
    pub fn from(&self) -> Option<IpAddr> {
        self.from
    }

    /// Away, and why.
    pub fn away(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.away.as_ref()
    }

    /// An administrator of the server.
    pub fn is_admin(&self) -> bool {
        self.admin
    }

    /// Whether its connection is secured by TLS.
    pub fn is_secured(&self) -> bool {
        self.secured.is_some()
    }

    /// The SHA-256 fingerprint of the certificate that its client has shown.
    pub fn certificate(&self) -> Option<&Arc<str>> {
        self.secured.as_ref().filter(|shown| !shown.is_empty())
    }

    /// A plain client: it has no nick and is in no list.
    pub fn is_guest(&self) -> bool {
        self.guest
    }

    /// As much of it waits to be stored as the limits allow: nothing more is taken now.
    pub fn is_congested(&self) -> bool {
        self.congested
    }

    /// The rooms that this user is in, in the order in which it came into them.
    pub fn rooms(&self) -> &[RoomId] {
        &self.rooms
    }

    /// When the connection became a user.
    pub fn signed_on(&self) -> Moment {
        self.signed_on
    }

    /// How long ago it last said something, in whole seconds.
    pub fn idle_seconds(&self, now: Moment) -> u64 {
        now.monotonic_ns.saturating_sub(self.last_spoke_ns) / 1_000_000_000
    }

    /// The folded nicks that this user watches.
    pub fn watches(&self) -> &[Arc<str>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.watches)
    }

    /// The rooms that this user may come into once, by their folded names.
    pub fn invited(&self) -> &[Arc<str>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.invited)
    }

    /// How many of its commands wait to be stored: one that makes it more is answered later.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Its account.
    pub fn account(&self) -> Option<&Arc<str>> {
        self.identity.account.as_ref()
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    user: Option<Box<User>>,
}

/// All users.
#[derive(Debug, Default)]
pub(super) struct Users {
    slots: Vec<Slot>,
    free: Vec<u32>,
    // Ordered maps: no hash that somebody could aim at, and no order that depends on one.
    nicks: BTreeMap<Arc<str>, UserId>,
    accounts: BTreeMap<Arc<str>, Vec<UserId>>,
    guests: usize,
    admins: usize,
}

impl Users {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn guests(&self) -> usize {
        self.guests
    }

    pub(super) fn admins(&self) -> usize {
        self.admins
    }

    pub(super) fn set_admin(&mut self, id: UserId, is_admin: bool) {
        if let Some(user) = self.get_mut(id) {
            let was_admin = std::mem::replace(&mut user.admin, is_admin);
            self.admins -= usize::from(was_admin);
            self.admins += usize::from(is_admin);
        }
    }

    pub(super) fn get(&self, id: UserId) -> Option<&User> {
        let slot = self.slots.get(id.slot())?;
        (slot.generation == id.generation)
            .then_some(slot.user.as_deref())
            .flatten()
    }

    pub(super) fn get_mut(&mut self, id: UserId) -> Option<&mut User> {
        let slot = self.slots.get_mut(id.slot())?;
        (slot.generation == id.generation)
            .then_some(slot.user.as_deref_mut())
            .flatten()
    }

    pub(super) fn find(&self, nick: &str) -> Option<UserId> {
        self.nicks.get(names::fold(nick).as_ref()).copied()
    }

    /// All connections of an account, the oldest first.
    pub(super) fn of_account(&self, account: &str) -> &[UserId] {
        let found = self.accounts.get(names::fold(account).as_ref());
        found.map_or(&[], Vec::as_slice)
    }

    /// Everybody but guests, by nick.
    pub(super) fn by_nick(&self) -> impl Iterator<Item = &User> {
        self.nicks.values().filter_map(|id| self.get(*id))
    }

    /// Everybody, guests included.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &User> {
        self.slots.iter().filter_map(|slot| slot.user.as_deref())
    }

    pub(super) fn add(
        &mut self,
        identity: Identity,
        from: Option<IpAddr>,
        guest: bool,
        now: Moment,
    ) -> UserId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // As many users as a process has descriptors, at most.
            (self.slots.len() - 1) as u32
        });
        let generation = self.slots[slot as usize].generation;
        let id = UserId { slot, generation };
        if guest {
            self.guests += 1;
        } else {
            self.nicks.insert(names::folded(&identity.nick), id);
        }
        self.slots[slot as usize].user = Some(Box::new(User {
            id,
            identity: Arc::new(identity),
            from,
            rooms: Vec::new(),
            rare: None,
            admin: false,
            secured: None,
            guest,
            congested: false,
            pending: 0,
            messages: Bucket::default(),
            joins: Bucket::default(),
            signed_on: now,
            last_spoke_ns: now.monotonic_ns,
        }));
        self.account_added(id);
        id
    }

    pub(super) fn remove(&mut self, id: UserId) -> Option<Box<User>> {
        self.get(id)?;
        self.account_removed(id);
        let slot = &mut self.slots[id.slot()];
        let user = slot.user.take()?;
        // The last generation is never used again, nor is its slot.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(id.slot);
        }
        self.admins -= usize::from(user.admin);
        if user.guest {
            self.guests -= 1;
        } else {
            self.nicks.remove(names::fold(&user.identity.nick).as_ref());
        }
        Some(user)
    }

    /// Gives a user another identity, and keeps the indexes true. `None`: there is no such user.
    pub(super) fn change(
        &mut self,
        id: UserId,
        change: impl FnOnce(&mut Identity),
    ) -> Option<(Arc<Identity>, Arc<Identity>)> {
        let before = Arc::clone(&self.get(id)?.identity);
        let mut after = Identity::clone(&before);
        change(&mut after);
        let after = Arc::new(after);
        self.account_removed(id);
        if !self.get(id)?.guest {
            self.nicks.remove(names::fold(&before.nick).as_ref());
            self.nicks.insert(names::folded(&after.nick), id);
        }
        self.get_mut(id)?.identity = Arc::clone(&after);
        self.account_added(id);
        Some((before, after))
    }

    fn account_added(&mut self, id: UserId) {
        if let Some(account) = self.get(id).and_then(User::account) {
            let account = names::folded(account);
            self.accounts.entry(account).or_default().push(id);
        }
    }

    fn account_removed(&mut self, id: UserId) {
        let Some(account) = self.get(id).and_then(User::account) else {
            return;
        };
        let account = names::folded(account);
        if let Some(connections) = self.accounts.get_mut(&account) {
            connections.retain(|connection| *connection != id);
            if connections.is_empty() {
                self.accounts.remove(&account);
            }
        }
    }
}
