//! How users come into rooms, leave them, are put out and invited. It must never decide who may
//! speak there.

use std::sync::Arc;

use super::command::{Change, Flag, MaskList, Role};
use super::event::{Event, Identity};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Then};
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
        } else if names::check_channel(name).is_err() {
            return Err(Refusal::BadRoomName(name.into()));
        } else if self.rooms.len() >= self.settings.rooms_max {
            return Err(Refusal::TooManyRoomsInAll(self.settings.rooms_max));
        }
        if who.rooms.len() >= limit {
            return Err(Refusal::TooManyRooms(limit));
        }
        self.not_too_fast(user, now)?;
        let room = match self.rooms.find(name) {
            Some(room) => room,
            None => self.rooms.add(|id| Room::new(id, name.into(), now.unix_ms)),
        };
        self.put_in(room, user, now, out)
    }

    fn may_join(&self, user: UserId, room: &Room, key: Option<&str>) -> Result<(), Refusal> {
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
        let invited = who.invited.contains(room.folded())
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
        let lobby = self.rooms.find(&self.settings.lobby);
        let (Some(room), Some(who)) = (self.rooms.get_mut(id), self.users.get_mut(user)) else {
            return Err(Refusal::NoSuchNick("*".into()));
        };
        let stored = who.account().map(|account| room.role_of_account(account));
        // Somebody has to be able to set the topic of a room that is nobody's.
        let founds = room.is_empty() && room.roles().next().is_none() && lobby != Some(id);
        let role = match (stored, founds) {
            (Some(_), true) => Role::Owner,
            (None, true) => Role::Operator,
            (stored, false) => stored.unwrap_or_default(),
        };
        let owns = stored.is_some() && role == Role::Owner && founds;
        room.members.insert(user, role);
        who.rooms.push(id);
        who.invited.retain(|invited| invited != room.folded());
        let (name, folded) = (Arc::clone(room.name()), Arc::clone(room.folded()));
        let event = Event::Joined {
            user: Arc::clone(&identity),
            away: who.away.clone(),
            room: Arc::clone(&name),
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
        if owns && let Some(account) = identity.account.as_deref() {
            self.found(id, names::folded(account));
        }
        if role != Role::Member && !founds {
            let event = Event::RoomChanged {
                by: None,
                room: name,
                changes: vec![Change::Role {
                    nick: Arc::clone(&identity.nick),
                    role,
                    add: true,
                }],
                sender: None,
                label: None,
            };
            if announced {
                self.tell_room(id, &event, out);
            }
        }
        debug_assert!(self.rooms.find(&folded) == Some(id), "a room has one name");
        let realname = Arc::clone(&identity.realname);
        self.happened(id, &identity, || What::Joined { realname }, now);
        Ok(())
    }

    /// A room of an account's: it stays, and so does who owns it.
    fn found(&mut self, id: RoomId, account: Arc<str>) {
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        room.set_role_of_account(Arc::clone(&account), Role::Owner);
        room.kept = true;
        let role = Write::Role {
            room: Arc::clone(room.folded()),
            account,
            role: Role::Owner,
        };
        let first = Write::Room(Arc::new(room.record()));
        self.pending.push(Deed {
            by: None,
            first,
            more: vec![role],
            then: Then::Nothing,
            bytes: 256,
        });
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
        let id = self.room_named(name)?;
        let room = self.rooms.get(id).ok_or(Refusal::NoSuchMessage)?;
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
        self.tell_room_and(room, Some(user), &event, out);
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
        let id = self.room_named(name)?;
        let room = self.rooms.get(id).ok_or(Refusal::NoSuchMessage)?;
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
            && !them.invited.contains(&folded)
        {
            if them.invited.len() >= INVITATIONS_MAX {
                them.invited.remove(0);
            }
            them.invited.push(folded);
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

    pub(super) fn room_named(&self, name: &str) -> Result<RoomId, Refusal> {
        let none = || Refusal::NoSuchRoom(name.into());
        self.rooms.find(name).ok_or_else(none)
    }

    /// A room that this user is in.
    pub(super) fn room_with(&self, user: UserId, name: &str) -> Result<(RoomId, &Room), Refusal> {
        let id = self.room_named(name)?;
        match self.rooms.get(id) {
            Some(room) if room.members.contains_key(&user) => Ok((id, room)),
            _ => Err(Refusal::NotInRoom(name.into())),
        }
    }

    /// A room that is nobody's and that nothing was kept of goes when the last one has left.
    pub(super) fn take_out(&mut self, id: RoomId, user: UserId) {
        if let Some(user) = self.users.get_mut(user) {
            user.rooms.retain(|room| *room != id);
        }
        if let Some(room) = self.rooms.get_mut(id) {
            room.members.swap_remove(&user);
            if room.is_empty() && !room.kept {
                self.rooms.remove(id);
            }
        }
    }

    pub(super) fn ensure_lobby(&mut self, unix_ms: u64) {
        if self.rooms.find(&self.settings.lobby).is_none() {
            let name = Arc::clone(&self.settings.lobby);
            self.rooms.add(|id| Room::new(id, name, unix_ms));
        }
        if let Some(room) = self.lobby_mut() {
            room.kept = true;
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
        if busy || !room.kept || !self.is_announced(room) {
            return;
        }
        let room = Arc::clone(room.name());
        let happening = Happening {
            msgid: self.next_msgid(),
            unix_ms: self.stamp(now),
            room,
            source: format!("{}!{}@{}", who.nick, who.user, who.host).into(),
            account: who.account.clone(),
            what: what(),
        };
        self.pending.push(Deed {
            by: None,
            first: Write::Happened(Arc::new(happening)),
            more: Vec::new(),
            then: Then::Nothing,
            bytes: 256,
        });
    }
}
