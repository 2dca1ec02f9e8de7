//! Who says what to whom, and who may. It must never tell a message to anybody: `storing.rs` does,
//! once it is durable.

use std::sync::Arc;

use super::command::{Flag, Kind, Label, Role, Say, Tag, Target};
use super::event::{Event, Identity, Message, Place, Redaction};
use super::ids::{Moment, Msgid, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Wish};
use super::refusal::Refusal;
use super::rooms::{Room, RoomId};
use super::{Asker, Chat, names};
use crate::store::query::Conversation;

/// Where something is said, and for which room or user that is there.
pub(super) type Somewhere = (Place, Option<RoomId>, Option<UserId>);

/// Tags of one message together, in bytes; as much as IRCv3 lets a client send.
const TAG_BYTES_MAX: usize = 4096;

impl Chat {
    pub(super) fn say(
        &mut self,
        user: UserId,
        say: Say,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let from = Arc::clone(self.identity(user)?);
        self.check_content(&say)?;
        let place = self.place(user, &say.target)?;
        let by = Some((user, say.label));
        self.store_message(by, from, place, (say.kind, say.text, say.tags), now, out)
    }

    /// What a guest says in the lobby, under a name of its own choosing that nobody else can have.
    ///
    /// # Errors
    /// As for any message. Nothing was done.
    pub fn post(
        &mut self,
        user: UserId,
        (name, text): (Option<&str>, &str),
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let mut from = Identity::clone(self.identity(user)?);
        if name.is_some() {
            from.nick = names::of_guest(name, 0);
        }
        let lobby = Arc::clone(&self.settings.lobby);
        let say = Say {
            target: Target::Room(lobby),
            kind: Kind::Message,
            text: text.into(),
            tags: Vec::new(),
            label,
        };
        // An empty line is a message to a one-sided server; it is answered, and kept as it is.
        if !text.is_empty() {
            self.check_content(&say)?;
        }
        let place = self.place(user, &say.target)?;
        let by = Some((user, say.label));
        self.store_message(
            by,
            from.into(),
            place,
            (say.kind, say.text, say.tags),
            now,
            out,
        )
    }

    /// Whether a guest hears the lobby. One who could not come into it does not.
    pub fn listen(&mut self, user: UserId, on: bool) {
        let may = self.guest_may(user);
        if let Some(room) = self.lobby_mut() {
            if on && may {
                room.listeners.insert(user);
            } else {
                room.listeners.swap_remove(&user);
            }
        }
    }

    /// Whether a guest could come into the lobby, which it has for a room without being in it.
    fn guest_may(&self, user: UserId) -> bool {
        let guest = self.users.get(user).is_some_and(|user| user.guest);
        let lobby = self.room(&self.settings.lobby);
        guest && lobby.is_some_and(|lobby| self.may_join(user, lobby, None).is_ok())
    }

    /// A room is another one than before: who may not come into it any more does not hear it.
    pub(super) fn recheck_listeners(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        let mut listeners = std::mem::take(&mut room.listeners);
        if !listeners.is_empty() {
            listeners.retain(|user| self.guest_may(*user));
        }
        if let Some(room) = self.rooms.get_mut(id) {
            room.listeners = listeners;
        }
    }

    fn check_content(&self, say: &Say) -> Result<(), Refusal> {
        let max = self.settings.text_bytes_max;
        if say.text.len() > max {
            return Err(Refusal::TooLong(max));
        }
        if say.kind != Kind::Tags && say.text.is_empty() {
            return Err(Refusal::NoText);
        }
        check_tags(&say.tags)
    }

    /// Where `target` is, if `user` may speak there.
    fn place(&self, user: UserId, target: &Target) -> Result<Somewhere, Refusal> {
        match target {
            Target::Room(name) => {
                let (id, room) = self.seen(user, name)?;
                self.may_speak(room, user)?;
                Ok((Place::Room(Arc::clone(room.name())), Some(id), None))
            }
            Target::Person(nick) => self.person(nick),
        }
    }

    fn person(&self, nick: &Arc<str>) -> Result<Somewhere, Refusal> {
        if let Some(them) = self.users.find(nick).and_then(|them| self.users.get(them)) {
            let place = Place::Person {
                nick: Arc::clone(&them.identity.nick),
                account: them.account().cloned(),
            };
            return Ok((place, None, Some(them.id())));
        }
        match self.account(nick) {
            // Kept for when they come back.
            Some(account) if !account.suspended => {
                let place = Place::Person {
                    nick: Arc::clone(&account.name),
                    account: Some(Arc::clone(&account.name)),
                };
                Ok((place, None, None))
            }
            _ => Err(Refusal::NoSuchNick(Arc::clone(nick))),
        }
    }

    fn may_speak(&self, room: &Room, user: UserId) -> Result<(), Refusal> {
        let who = self.known(user)?;
        if self.standing(room, user) >= Role::Voice {
            return Ok(());
        }
        let is_lobby = names::are_same(room.name(), &self.settings.lobby);
        let in_lobby = is_lobby && self.guest_may(user);
        let outside = !room.members.contains_key(&user) && !in_lobby;
        let silent = room.has(Flag::Moderated)
            || (outside && room.has(Flag::NoOutsiders))
            || (who.account().is_none() && room.has(Flag::AccountsSpeak))
            || room.is_muted(&who.identity, who.from);
        if silent {
            return Err(Refusal::CannotSpeak(Arc::clone(room.name())));
        }
        Ok(())
    }

    fn store_message(
        &mut self,
        by: Asker,
        from: Arc<Identity>,
        (place, room, to): Somewhere,
        (kind, text, tags): (Kind, Arc<str>, Vec<Tag>),
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let bytes = 256 + text.len() + tags.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        self.reserve(&by, bytes, Some(now), out)?;
        let message = Arc::new(Message {
            msgid: self.next_msgid(),
            unix_ms: self.stamp(now),
            place,
            from,
            kind,
            text,
            tags,
            redacted: None,
        });
        self.push(Deed {
            by,
            room,
            wish: Wish::Said { message, to },
            bytes,
        });
        Ok(())
    }

    pub(super) fn signal(
        &mut self,
        user: UserId,
        target: Target,
        tags: Vec<Tag>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        check_tags(&tags)?;
        let from = Arc::clone(self.identity(user)?);
        let (place, room, to) = self.place(user, &target)?;
        self.count_message(user, now)?;
        let event = Event::Signalled {
            from: Arc::clone(&from),
            place: place.clone(),
            tags,
        };
        match (&place, room) {
            (Place::Room(_), Some(id)) => self.tell_room(id, &event, out),
            (Place::Room(_), None) => {}
            (Place::Person { account, .. }, _) => {
                self.tell_people(&from, Some(user), (to, account.as_deref()), &event, out);
            }
        }
        Ok(())
    }

    /// `found` is what the archive has under this name: only who has it can say whose it is.
    ///
    /// # Errors
    /// It is not there, or not the user's own, and the user does not run the room.
    pub fn may_redact(&self, user: UserId, found: Option<&Message>) -> Result<(), Refusal> {
        let message = found.filter(|message| message.redacted.is_none());
        let message = message.ok_or(Refusal::NoSuchMessage)?;
        let who = self.known(user)?;
        let account = who.account().zip(message.from.account.as_ref());
        if account.is_some_and(|(own, theirs)| names::are_same(own, theirs)) {
            return Ok(());
        }
        match &message.place {
            Place::Room(name) => {
                let (_, room) = self.seen(user, name).map_err(|_| Refusal::NoSuchMessage)?;
                if self.standing(room, user) >= Role::Operator {
                    return Ok(());
                }
                Err(Refusal::NeedsOperator(Arc::clone(name)))
            }
            Place::Person { .. } => Err(Refusal::NoSuchMessage),
        }
    }

    /// The adapter has asked [`may_redact`](Chat::may_redact) with what the archive has.
    #[allow(clippy::too_many_arguments, reason = "the fields of one command")]
    pub(super) fn redact(
        &mut self,
        user: UserId,
        target: Target,
        msgid: Msgid,
        reason: Arc<str>,
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.line(&reason)?;
        let by = Arc::clone(self.identity(user)?);
        let (place, room, to) = match &target {
            Target::Room(name) => {
                let (id, room) = self.seen(user, name)?;
                (Place::Room(Arc::clone(room.name())), Some(id), None)
            }
            Target::Person(nick) => self.person(nick)?,
        };
        let asker = Some((user, label));
        let bytes = 256 + reason.len();
        self.reserve(&asker, bytes, Some(now), out)?;
        let redaction = Arc::new(Redaction {
            by: Arc::clone(&by.nick),
            reason,
            unix_ms: self.stamp(now),
        });
        self.push(Deed {
            by: asker,
            room,
            wish: Wish::Redacted {
                by,
                place,
                to,
                msgid,
                redaction,
            },
            bytes,
        });
        Ok(())
    }

    /// Which history `target` is for this user.
    ///
    /// A room's is for its members, and all of it: who comes in reads what was said before, as in
    /// the clients that people know. So whoever decides who comes in (a key, invitations, bans)
    /// decides who reads, and nobody reads who was put out or never came in. A ban takes a member's
    /// voice, and to end reading takes a kick as well. Administrators read every room's.
    ///
    /// # Errors
    /// It is not for this user to read.
    pub fn conversation_of(&self, user: UserId, target: &Target) -> Result<Conversation, Refusal> {
        let who = self.known(user)?;
        match target {
            Target::Room(name) => {
                let (_, room) = self.seen(user, name)?;
                if !room.members.contains_key(&user) && !who.admin {
                    return Err(Refusal::NotInRoom(Arc::clone(room.name())));
                }
                Ok(Conversation::Room(Arc::clone(room.folded())))
            }
            Target::Person(nick) => {
                let own = who.account().ok_or(Refusal::NeedsAccount)?;
                let theirs = match self.person(nick)?.0 {
                    Place::Person { account, .. } => account,
                    Place::Room(_) => None,
                };
                // Without an account, the next one of that nick may be somebody else.
                let theirs = theirs.ok_or_else(|| Refusal::NoSuchNick(Arc::clone(nick)))?;
                Ok(Conversation::between(own, &theirs))
            }
        }
    }

    pub(super) fn mark_read(
        &mut self,
        user: UserId,
        target: Target,
        unix_ms: u64,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let account = self.known(user)?.account().cloned();
        let account = account.ok_or(Refusal::NeedsAccount)?;
        let place = match &target {
            Target::Room(name) => Place::Room(Arc::clone(self.room_with(user, name)?.1.name())),
            // Nobody else's mark is stored for ever under each name that anybody thinks of.
            Target::Person(nick) => match self.person(nick)?.0 {
                Place::Person { account, .. } => Place::Person {
                    nick: Arc::clone(nick),
                    account,
                },
                place => place,
            },
        };
        if let Some(known) = self
            .mark(user, place.name())
            .filter(|known| *known >= unix_ms)
        {
            // Whoever asks is behind: it alone is told where the others are.
            let event = Event::MarkedRead {
                place,
                unix_ms: known,
            };
            out.tell(&mut std::iter::once(user), &event);
            return Ok(());
        }
        self.count_message(user, now)?;
        self.reserve_bytes(128)?;
        self.push(Deed {
            by: None,
            room: None,
            wish: Wish::MarkedRead {
                user,
                account,
                place,
                unix_ms,
            },
            bytes: 128,
        });
        Ok(())
    }

    fn count_message(&mut self, user: UserId, now: Moment) -> Result<(), Refusal> {
        let rate = self.settings.message_rate;
        let Some(user) = self.users.get_mut(user) else {
            return Ok(());
        };
        // A guest's session has counted already.
        let Some(rate) = rate.filter(|_| !user.admin && !user.guest) else {
            return Ok(());
        };
        if user.messages.take(rate, now.monotonic_ns) {
            return Ok(());
        }
        let wait_ns = user.messages.wait_ns(rate, now.monotonic_ns);
        Err(Refusal::TooFast(wait_ns.div_ceil(1_000_000)))
    }

    /// Something waits for the next batch, and its room for it.
    pub(super) fn push(&mut self, deed: Deed) {
        if let Some(room) = deed.room.and_then(|id| self.rooms.get_mut(id)) {
            room.waiting += 1;
        }
        self.pending.push(deed);
    }

    /// Room in the queue for something durable that nobody waits for.
    pub(super) fn reserve_bytes(&self, bytes: usize) -> Result<(), Refusal> {
        match self.pending.bytes() + bytes > self.settings.pending_bytes_max {
            true => Err(Refusal::Busy),
            false => Ok(()),
        }
    }

    /// Room in the queue for something durable; counts it as a message if there is a time.
    pub(super) fn reserve(
        &mut self,
        by: &Asker,
        bytes: usize,
        message: Option<Moment>,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.reserve_bytes(bytes)?;
        let Some((user, _)) = by else {
            return Ok(());
        };
        let limit = self.settings.pending_per_user;
        if self.known(*user)?.pending >= limit {
            return Err(Refusal::Busy);
        }
        if let Some(now) = message {
            self.count_message(*user, now)?;
        }
        if let Some(who) = self.users.get_mut(*user) {
            if let Some(now) = message {
                who.last_spoke_ns = now.monotonic_ns;
            }
            who.pending += 1;
            if who.pending >= limit && !std::mem::replace(&mut who.congested, true) {
                out.congested(*user);
            }
        }
        Ok(())
    }
}

fn check_tags(tags: &[Tag]) -> Result<(), Refusal> {
    let bytes: usize = tags.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
    if bytes > TAG_BYTES_MAX {
        return Err(Refusal::TooLong(TAG_BYTES_MAX));
    }
    Ok(())
}
