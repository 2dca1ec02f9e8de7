//! How users come into rooms, leave them, are put out and invited. It must never decide who may
//! speak there.

use std::sync::Arc;

use super::command::{Change, Flag, MaskList, Role};
use super::event::{Event, Identity};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Wish};
use super::refusal::Refusal;
use super::rooms::{Room, RoomId};
use super::{Chat, names};
use crate::store::record::{Happening, What, Write};

/// Rooms that a user was invited into and has not gone to; the oldest one is forgotten.
const INVITATIONS_MAX: usize = 32;

impl Chat {
    pub(super) fn join(
        &mut self,
        user: UserId,
        name: &str,
        key: Option<&str>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let limit = self.settings.rooms_per_user;
        let who = self.known(user)?;
        let known = self.rooms.find(name).and_then(|id| self.rooms.get(id));
        if let Some(room) = known {
            if room.members.contains_key(&user) {
                return Ok(());
            }
            self.may_join(user, room, key)?;
            if self.pending.is_going(room.id) {
                return Err(Refusal::Busy);
            }
        } else if names::check_channel(name).is_err() {
            return Err(Refusal::BadRoomName(name.into()));
        }
        if who.rooms.len() >= limit {
            return Err(Refusal::TooManyRooms(limit));
        }
        self.not_too_fast(user, now)?;
        let room = match self.rooms.find(name) {
            Some(room) => room,
            None => {
                self.make_way()?;
                self.rooms.add(|id| Room::new(id, name.into(), now.unix_ms))
            }
        };
        self.put_in(room, user, now, out)
    }

    pub(super) fn may_join(
        &self,
        user: UserId,
        room: &Room,
        key: Option<&str>,
    ) -> Result<(), Refusal> {
        let who = self.known(user)?;
        let name = || Arc::clone(room.name());
        // Who runs the room cannot be kept out of it.
        if self.standing(room, user) >= Role::Operator {
            return Ok(());
        }
        if room.is_banned(&who.identity, who.from) {
            return Err(Refusal::Banned(name()));
        }
        if room.has(Flag::AccountsOnly) && who.account().is_none() {
            return Err(Refusal::NeedsAccount);
        }
        // An invitation opens what is closed: the door, the lock and the last seat.
        let invited = who.invited().contains(room.folded())
            || room.matches(MaskList::Invitation, &who.identity, who.from);
        if invited {
            return Ok(());
        }
        if room.has(Flag::InviteOnly) {
            return Err(Refusal::InviteOnly(name()));
        }
        if room.key().is_some_and(|needed| key != Some(needed)) {
            return Err(Refusal::BadKey(name()));
        }
        if room
            .limit()
            .is_some_and(|limit| room.len() >= limit as usize)
        {
            return Err(Refusal::RoomFull(name()));
        }
        Ok(())
    }

    fn put_in(
        &mut self,
        id: RoomId,
        user: UserId,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let identity = Arc::clone(self.identity(user)?);
        let account = identity.account.as_deref().map(names::folded);
        let (founds, owns) = self.founds(id, account.as_deref());
        let (Some(room), Some(who)) = (self.rooms.get_mut(id), self.users.get_mut(user)) else {
            return Err(Refusal::NoSuchNick("*".into()));
        };
        let role = match (owns, founds) {
            (true, _) => Role::Owner,
            (false, true) => Role::Operator,
            (false, false) => {
                let stored = account
                    .as_ref()
                    .map(|account| room.role_of_account(account));
                stored.unwrap_or_default()
            }
        };
        if owns {
            room.founder = account;
        }
        room.members.insert(user, role);
        who.rooms.push(id);
        if !who.invited().is_empty() {
            let invited = &mut who.rare().invited;
            invited.retain(|invited| invited != room.folded());
            who.trim();
        }
        let event = Event::Joined {
            user: Arc::clone(&identity),
            away: who.away().cloned(),
            room: Arc::clone(room.name()),
        };
        let announced = self
            .rooms
            .get(id)
            .is_some_and(|room| self.is_announced(room));
        if announced {
            self.tell_room(id, &event, out);
        } else {
            out.tell(&mut std::iter::once(user), &event);
        }
        if owns {
            self.push(Deed {
                by: None,
                room: Some(id),
                wish: Wish::Room,
                bytes: 256,
            });
        }
        if role != Role::Member && !founds && announced {
            self.tell_of_role(id, role, &identity, out);
        }
        let realname = Arc::clone(&identity.realname);
        self.happened(id, &identity, || What::Joined { realname }, now);
        Ok(())
    }

    /// Tells a room that somebody has a role there by the account.
    pub(super) fn tell_of_role(
        &self,
        id: RoomId,
        role: Role,
        whose: &Identity,
        out: &mut dyn Outlet,
    ) {
        let Some(room) = self.rooms.get(id) else {
            return;
        };
        let nick = Arc::clone(&whose.nick);
        let add = true;
        let event = Event::RoomChanged {
            by: None,
            room: Arc::clone(room.name()),
            changes: vec![Change::Role { nick, role, add }],
            sender: None,
            label: None,
        };
        self.tell_room(id, &event, out);
    }

    /// Whether whoever comes into this room runs it, and whether its account owns it.
    fn founds(&self, id: RoomId, account: Option<&str>) -> (bool, bool) {
        let is_lobby = self.rooms.find(&self.settings.lobby) == Some(id);
        let Some(room) = self.rooms.get(id).filter(|_| !is_lobby) else {
            return (false, false);
        };
        // Somebody has to be able to set the topic of a room that is nobody's.
        let founds = room.is_empty() && room.roles().next().is_none();
        // What others have spoken in is not owned by who comes back first.
        let is_new = founds && !room.stored && room.waiting == 0;
        let owns = is_new && account.is_some_and(|account| self.may_own_another(account));
        (founds, owns)
    }

    /// Whether an account can have one room more for its own: those stay for ever.
    fn may_own_another(&self, account: &str) -> bool {
        let owns = |room: &&Room| {
            room.role_of_account(account) == Role::Owner || room.founder.as_deref() == Some(account)
        };
        let is_full = self.pending.bytes() >= self.settings.pending_bytes_max;
        !is_full && self.rooms.by_name().filter(owns).count() < self.settings.rooms_per_user
    }

    pub(super) fn part(
        &mut self,
        user: UserId,
        name: &str,
        reason: Arc<str>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.line(&reason)?;
        let (id, room) = self.room_with(user, name)?;
        let identity = Arc::clone(self.identity(user)?);
        let event = Event::Parted {
            user: Arc::clone(&identity),
            room: Arc::clone(room.name()),
            reason: Arc::clone(&reason),
        };
        if self.is_announced(room) {
            self.tell_room(id, &event, out);
        } else {
            out.tell(&mut std::iter::once(user), &event);
        }
        self.happened(id, &identity, || What::Parted(reason), now);
        self.take_out(id, user);
        Ok(())
    }

    pub(super) fn kick(
        &mut self,
        user: UserId,
        name: &str,
        nick: Arc<str>,
        reason: Arc<str>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.line(&reason)?;
        let (id, room) = self.seen(user, name)?;
        let own = self.standing(room, user);
        if own < Role::Operator {
            self.room_with(user, name)?;
            return Err(Refusal::NeedsOperator(Arc::clone(room.name())));
        }
        let them = self
            .users
            .find(&nick)
            .ok_or_else(|| Refusal::NoSuchNick(nick.clone()))?;
        let theirs = room
            .role_of(them)
            .ok_or_else(|| Refusal::TheyAreNotInRoom(nick.clone(), Arc::clone(room.name())))?;
        let kept = self.known(them)?.account();
        let theirs = theirs.max(kept.map_or(Role::Member, |a| room.role_of_account(a)));
        if theirs > own {
            return Err(Refusal::NeedsOperator(Arc::clone(room.name())));
        }
        let by = Arc::clone(self.identity(user)?);
        let nick = Arc::clone(&self.identity(them)?.nick);
        let event = Event::Kicked {
            by: Arc::clone(&by),
            room: Arc::clone(room.name()),
            nick: Arc::clone(&nick),
            reason: Arc::clone(&reason),
        };
        self.tell_room_and(id, Some(user), &event, out);
        self.happened(id, &by, || What::Kicked { nick, reason }, now);
        self.take_out(id, them);
        Ok(())
    }

    pub(super) fn invite(
        &mut self,
        user: UserId,
        name: &str,
        nick: Arc<str>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let them = self
            .users
            .find(&nick)
            .ok_or_else(|| Refusal::NoSuchNick(nick.clone()))?;
        let (id, room) = self.seen(user, name)?;
        let standing = self.standing(room, user);
        if standing < Role::Operator {
            self.room_with(user, name)?;
            if room.has(Flag::InviteOnly) {
                return Err(Refusal::NeedsOperator(Arc::clone(room.name())));
            }
        }
        if room.members.contains_key(&them) {
            return Err(Refusal::AlreadyInRoom(nick, Arc::clone(room.name())));
        }
        self.not_too_fast(user, now)?;
        let Some(room) = self.rooms.get(id) else {
            return Err(Refusal::NoSuchRoom(name.into()));
        };
        let (name, folded) = (Arc::clone(room.name()), Arc::clone(room.folded()));
        let event = Event::Invited {
            by: Arc::clone(self.identity(user)?),
            nick: Arc::clone(&self.identity(them)?.nick),
            invited: them,
            room: name,
        };
        let operators = room
            .members
            .iter()
            .filter(|(_, role)| **role >= Role::Operator);
        let operators = operators
            .map(|(member, _)| *member)
            .filter(|member| *member != user);
        out.tell(&mut operators.chain([them]), &event);
        if let Some(them) = self.users.get_mut(them)
            && !them.invited().contains(&folded)
        {
            let invited = &mut them.rare().invited;
            if invited.len() >= INVITATIONS_MAX {
                invited.remove(0);
            }
            invited.push(folded);
        }
        Ok(())
    }

    /// What a user may do in a room: as its member, by its account, or as an administrator.
    pub fn standing(&self, room: &Room, user: UserId) -> Role {
        let Some(who) = self.users.get(user) else {
            return Role::Member;
        };
        if who.admin {
            return Role::Owner;
        }
        let by_account = who.account().map(|account| room.role_of_account(account));
        let member = room.role_of(user).unwrap_or_default();
        member.max(by_account.unwrap_or_default())
    }

    /// Whether `user` may know that a room exists. Its members and who runs it may, whatever it is.
    pub fn may_see(&self, user: UserId, room: &Room) -> bool {
        let is_guest = || self.users.get(user).is_some_and(|user| user.guest);
        !room.has(Flag::Secret)
            || room.members.contains_key(&user)
            || self.standing(room, user) > Role::Member
            || (is_guest() && names::are_same(room.name(), &self.settings.lobby))
    }

    /// A room that this user may know of.
    pub(super) fn seen(&self, user: UserId, name: &str) -> Result<(RoomId, &Room), Refusal> {
        let none = || Refusal::NoSuchRoom(name.into());
        let room = self.room(name).ok_or_else(none)?;
        match self.may_see(user, room) {
            true => Ok((room.id, room)),
            false => Err(none()),
        }
    }

    /// A room that this user is in.
    pub(super) fn room_with(&self, user: UserId, name: &str) -> Result<(RoomId, &Room), Refusal> {
        let (id, room) = self.seen(user, name)?;
        match room.members.contains_key(&user) {
            true => Ok((id, room)),
            false => Err(Refusal::NotInRoom(name.into())),
        }
    }

    pub(super) fn take_out(&mut self, id: RoomId, user: UserId) {
        if let Some(user) = self.users.get_mut(user) {
            user.rooms.retain(|room| *room != id);
        }
        if let Some(room) = self.rooms.get_mut(id) {
            room.members.swap_remove(&user);
            self.emptyings += 1;
            room.emptied = self.emptyings;
            self.drop_if_unused(id);
        }
    }

    pub(super) fn ensure_lobby(&mut self, unix_ms: u64) {
        if self.rooms.find(&self.settings.lobby).is_none() {
            let name = Arc::clone(&self.settings.lobby);
            self.rooms.add(|id| Room::new(id, name, unix_ms));
        }
    }

    pub(super) fn lobby_mut(&mut self) -> Option<&mut Room> {
        let id = self.rooms.find(&self.settings.lobby)?;
        self.rooms.get_mut(id)
    }

    /// Remembers for the room's history what happened, unless the room is too big to announce it,
    /// nothing is kept of it, or so much waits to be stored that there are more important things.
    pub(super) fn happened(
        &mut self,
        room: RoomId,
        who: &Arc<Identity>,
        what: impl FnOnce() -> What,
        now: Moment,
    ) {
        let Some(room) = self.rooms.get(room) else {
            return;
        };
        let busy = self.pending.bytes() > self.settings.pending_bytes_max / 2;
        if busy || !room.stored || !self.is_announced(room) {
            return;
        }
        let room = Arc::clone(room.name());
        let happening = Happening {
            msgid: self.next_msgid(),
            unix_ms: self.stamp(now),
            room,
            source: who.source(),
            account: who.account.clone(),
            what: what(),
        };
        self.pending.push(Deed {
            by: None,
            room: None,
            wish: Wish::Record(Write::Happened(Arc::new(happening))),
            bytes: 256,
        });
    }
}
