//! Who says what to whom, and who may. It must never tell a message to anybody: `storing.rs` does,
//! once it is durable.

use std::sync::Arc;

use super::command::{Flag, Kind, Label, Role, Say, Tag, Target};
use super::event::{Event, Identity, Message, Place, Redaction};
use super::ids::{Moment, Msgid, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Then};
use super::refusal::Refusal;
use super::rooms::Room;
use super::{Asker, Chat, names};
use crate::store::query::Conversation;
use crate::store::record::Write;

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

    /// Whether a guest hears the lobby.
    pub fn listen(&mut self, user: UserId, on: bool) {
        if let Some(room) = self.lobby_mut() {
            room.listeners.retain(|listener| *listener != user);
            if on {
                room.listeners.push(user);
            }
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
    fn place(&self, user: UserId, target: &Target) -> Result<Place, Refusal> {
        match target {
            Target::Room(name) => {
                let id = self.room_named(name)?;
                let none = || Refusal::NoSuchRoom(Arc::clone(name));
                let room = self.rooms.get(id).ok_or_else(none)?;
                self.may_speak(room, user)?;
                Ok(Place::Room(Arc::clone(room.name())))
            }
            Target::Person(nick) => self.person(nick),
        }
    }

    fn person(&self, nick: &Arc<str>) -> Result<Place, Refusal> {
        if let Some(them) = self.users.find(nick).and_then(|them| self.users.get(them)) {
            return Ok(Place::Person {
                nick: Arc::clone(&them.identity.nick),
                account: them.account().cloned(),
            });
        }
        match self.account(nick) {
            // Kept for when they come back.
            Some(account) if !account.suspended => Ok(Place::Person {
                nick: Arc::clone(&account.name),
                account: Some(Arc::clone(&account.name)),
            }),
            _ => Err(Refusal::NoSuchNick(Arc::clone(nick))),
        }
    }

    fn may_speak(&self, room: &Room, user: UserId) -> Result<(), Refusal> {
        let who = self.known(user)?;
        if self.standing(room, user) >= Role::Voice {
            return Ok(());
        }
        let in_lobby = who.guest && names::are_same(room.name(), &self.settings.lobby);
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
        place: Place,
        (kind, text, tags): (Kind, Arc<str>, Vec<Tag>),
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let bytes = 256 + text.len() + tags.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        self.reserve(&by, bytes, Some(now), out)?;
        let mut more = Vec::new();
        if let Place::Room(name) = &place
            && let Some(id) = self.rooms.find(name)
            && let Some(room) = self.rooms.get_mut(id)
            && !std::mem::replace(&mut room.kept, true)
        {
            more.push(Write::Room(Arc::new(room.record())));
        }
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
        self.pending.push(Deed {
            by,
            first: Write::Message(Arc::clone(&message)),
            more,
            then: Then::Said(message),
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
        let place = self.place(user, &target)?;
        self.count_message(user, now)?;
        let event = Event::Signalled {
            from: Arc::clone(&from),
            place: place.clone(),
            tags,
        };
        match &place {
            Place::Room(name) => {
                if let Some(id) = self.rooms.find(name) {
                    self.tell_room(id, &event, out);
                }
            }
            Place::Person { nick, account } => {
                self.tell_people(&from, Some(user), (nick, account.as_deref()), &event, out);
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
                let room = self.room(name).ok_or(Refusal::NoSuchMessage)?;
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
        let place = match &target {
            Target::Room(name) => Place::Room(Arc::clone(
                self.room(name)
                    .ok_or_else(|| Refusal::NoSuchRoom(Arc::clone(name)))?
                    .name(),
            )),
            Target::Person(nick) => self.person(nick)?,
        };
        let asker = Some((user, label));
        self.reserve(&asker, 256 + reason.len(), Some(now), out)?;
        let redaction = Arc::new(Redaction {
            by: Arc::clone(&by.nick),
            reason,
            unix_ms: self.stamp(now),
        });
        self.pending.push(Deed {
            by: asker,
            first: Write::Redact {
                msgid,
                redaction: Arc::clone(&redaction),
            },
            more: Vec::new(),
            then: Then::Redacted {
                by,
                place,
                msgid,
                redaction,
            },
            bytes: 256,
        });
        Ok(())
    }

    /// Which history `target` is for this user.
    ///
    /// # Errors
    /// It is not for this user to read.
    pub fn conversation_of(&self, user: UserId, target: &Target) -> Result<Conversation, Refusal> {
        let who = self.known(user)?;
        match target {
            Target::Room(name) => {
                let room = self.room(name);
                let room = room.ok_or_else(|| Refusal::NoSuchRoom(Arc::clone(name)))?;
                if !room.members.contains_key(&user) && !who.admin {
                    return Err(Refusal::NotInRoom(Arc::clone(room.name())));
                }
                Ok(Conversation::Room(Arc::clone(room.folded())))
            }
            Target::Person(nick) => {
                let own = who.account().ok_or(Refusal::NeedsAccount)?;
                let theirs = match self.person(nick)? {
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
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let account = self.known(user)?.account().cloned();
        let account = account.ok_or(Refusal::NeedsAccount)?;
        let place = match &target {
            Target::Room(name) => Place::Room(Arc::clone(self.room_with(user, name)?.1.name())),
            Target::Person(nick) => Place::Person {
                nick: Arc::clone(nick),
                account: None,
            },
        };
        self.reserve(&None, 128, None, out)?;
        let name = match &place {
            Place::Room(name) => name,
            Place::Person { nick, .. } => nick,
        };
        self.pending.push(Deed {
            by: None,
            first: Write::ReadMark {
                account: names::folded(&account),
                target: names::folded(name),
                unix_ms,
            },
            more: Vec::new(),
            then: Then::Nothing,
            bytes: 128,
        });
        let event = Event::MarkedRead { place, unix_ms };
        let connections = self.users.of_account(&account);
        out.tell(&mut connections.iter().copied(), &event);
        Ok(())
    }

    fn count_message(&mut self, user: UserId, now: Moment) -> Result<(), Refusal> {
        let rate = self.settings.message_rate;
        let Some(user) = self.users.get_mut(user) else {
            return Ok(());
        };
        user.last_spoke_ns = now.monotonic_ns;
        let Some(rate) = rate.filter(|_| !user.admin) else {
            return Ok(());
        };
        if user.messages.take(rate, now.monotonic_ns) {
            return Ok(());
        }
        let wait_ns = user.messages.wait_ns(rate, now.monotonic_ns);
        Err(Refusal::TooFast(wait_ns.div_ceil(1_000_000)))
    }

    /// Room in the queue for something durable; counts it as a message if there is a time.
    pub(super) fn reserve(
        &mut self,
        by: &Asker,
        bytes: usize,
        message: Option<Moment>,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if self.pending.bytes() + bytes > self.settings.pending_bytes_max {
            return Err(Refusal::Busy);
        }
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
