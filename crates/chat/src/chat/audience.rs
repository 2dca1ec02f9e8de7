//! Who is to be told of something. It must never decide what; and nobody is told twice.

use std::sync::Arc;

use super::event::{Event, Identity};
use super::ids::UserId;
use super::outlet::Outlet;
use super::rooms::{Room, RoomId};
use super::{Chat, names};

impl Chat {
    /// Tells everybody in a room.
    pub(super) fn tell_room(&self, room: RoomId, event: &Event, out: &mut dyn Outlet) {
        if let Some(room) = self.rooms.get(room) {
            out.tell(&mut room.members.keys().copied(), event);
        }
    }

    /// Tells everybody in a room, its listeners, and somebody who may be in it or not.
    pub(super) fn tell_room_and(
        &self,
        room: RoomId,
        also: Option<UserId>,
        event: &Event,
        out: &mut dyn Outlet,
    ) {
        let Some(room) = self.rooms.get(room) else {
            return;
        };
        let outsider = also.filter(|user| {
            !room.members.contains_key(user)
                && !room.listeners.contains(user)
                && self.users.get(*user).is_some()
        });
        let members = room.members.keys().chain(&room.listeners);
        out.tell(&mut members.copied().chain(outsider), event);
    }

    /// Tells whoever shares a room with `user` in which such things are announced, and `user`.
    pub(super) fn tell_neighbours(
        &mut self,
        user: UserId,
        to_itself: bool,
        event: &Event,
        out: &mut dyn Outlet,
    ) {
        let mut audience = std::mem::take(&mut self.scratch);
        audience.clear();
        let big_room = self.settings.big_room;
        for room in self.users.get(user).map_or(&[][..], |user| &user.rooms) {
            let room = self.rooms.get(*room);
            if let Some(room) = room.filter(|room| room.len() <= big_room) {
                audience.extend(room.members.keys().copied());
            }
        }
        audience.sort_unstable();
        audience.dedup();
        audience.retain(|neighbour| *neighbour != user);
        if to_itself {
            audience.push(user);
        }
        out.tell(&mut audience.iter().copied(), event);
        self.scratch = audience;
    }

    /// Tells two people: a sender and the one whom it is for, and all connections of their accounts.
    pub(super) fn tell_people(
        &mut self,
        from: &Identity,
        sender: Option<UserId>,
        (to, account): (Option<UserId>, Option<&str>),
        event: &Event,
        out: &mut dyn Outlet,
    ) {
        let mut audience = std::mem::take(&mut self.scratch);
        audience.clear();
        let both = [sender, to].into_iter().flatten();
        audience.extend(both.filter(|user| self.users.get(*user).is_some()));
        for account in [from.account.as_deref(), account].into_iter().flatten() {
            audience.extend(self.users.of_account(account));
        }
        audience.sort_unstable();
        audience.dedup();
        out.tell(&mut audience.iter().copied(), event);
        self.scratch = audience;
    }

    /// Tells whoever watches this nick that it is there, or gone.
    pub(super) fn tell_watchers(
        &self,
        nick: &Arc<str>,
        user: Option<&Arc<Identity>>,
        out: &mut dyn Outlet,
    ) {
        if let Some(watchers) = self.watchers.get(names::fold(nick).as_ref()) {
            let event = Event::Watched {
                nick: Arc::clone(nick),
                user: user.cloned(),
            };
            out.tell(&mut watchers.iter().copied(), &event);
        }
    }

    /// Tells whoever watches this user's nick and does not hear of it as a neighbour.
    pub(super) fn tell_watching_strangers(&self, user: UserId, event: Event, out: &mut dyn Outlet) {
        let Some(who) = self.users.get(user) else {
            return;
        };
        let Some(watchers) = self.watchers.get(names::fold(&who.identity.nick).as_ref()) else {
            return;
        };
        let rooms = who.rooms.iter().filter_map(|room| self.rooms.get(*room));
        let rooms: Vec<&Room> = rooms.filter(|room| self.is_announced(room)).collect();
        let is_neighbour =
            |other: &UserId| rooms.iter().any(|room| room.members.contains_key(other));
        let strangers = watchers.iter().copied();
        let mut strangers = strangers.filter(|other| *other != user && !is_neighbour(other));
        out.tell(&mut strangers, &Event::OfWatched(Box::new(event)));
    }

    /// Whether coming and going is announced there.
    pub(super) fn is_announced(&self, room: &Room) -> bool {
        room.len() <= self.settings.big_room
    }
}
