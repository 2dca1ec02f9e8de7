//! What is done once the store has said how a batch went. It must never be told twice of one batch.

use std::sync::Arc;

use super::Chat;
use super::batch::topic;
use super::command::{Change, Label, Role};
use super::event::{Event, Identity, Place};
use super::ids::{Moment, UserId};
use super::letters;
use super::outlet::Outlet;
use super::pending::{Deed, UnderWay, Wish};
use super::refusal::Refusal;
use super::room_settings::{Made, Wanted, after};
use super::rooms::RoomId;
use crate::store::StoreError;
use crate::store::record::What;

/// Who is answered, and what it is reminded of.
pub(super) type Answered = (Option<UserId>, Label);

/// What a room is told of at once, in bytes as the queue counts them.
const SAID_BYTES_MAX: usize = 16 * 1024;

/// Messages that follow each other in a batch, all of one room.
#[derive(Default)]
struct Said {
    room: Option<RoomId>,
    events: Vec<Event>,
    bytes: usize,
}

impl Chat {
    /// How the batch under way went: tells everybody what follows, or its senders that it failed.
    pub fn stored(&mut self, outcome: &Result<(), StoreError>, now: Moment, out: &mut dyn Outlet) {
        let batch = self.pending.end();
        let failure = outcome.as_ref().err().map(|error| error.to_string().into());
        if failure.is_none() {
            self.rooms_are_stored(&batch.rooms);
            self.rooms_are_gone(&batch.gone);
        }
        let mut said = Said::default();
        for it in batch.deeds {
            let room = it.deed.room;
            self.release(&it.deed, out);
            if let Wish::Said { message, .. } = &it.deed.wish {
                self.last_told = self.last_told.max(message.msgid.sequence);
            }
            let it = match (&failure, &it.refused) {
                (None, None) => match self.gather(it, &mut said, out) {
                    Some(it) => it,
                    None => {
                        self.let_go(room);
                        continue;
                    }
                },
                _ => it,
            };
            self.tell_said(&mut said, out);
            match (&failure, &it.refused) {
                (Some(why), _) => self.failed(it.deed, Refusal::CannotStore(Arc::clone(why)), out),
                (None, Some(refusal)) => {
                    let refusal = refusal.clone();
                    self.failed(it.deed, refusal, out);
                }
                (None, None) => self.done(it, now, out),
            }
            self.let_go(room);
        }
        self.tell_said(&mut said, out);
    }

    /// Puts a message to a room behind those that its members are told of together; gives back what
    /// is none, has a sender who is not in the room, or may need many lines.
    fn gather(&mut self, it: UnderWay, said: &mut Said, out: &mut dyn Outlet) -> Option<UnderWay> {
        let room = it.deed.room;
        let members = room.and_then(|id| self.rooms.get(id)).map(|it| &it.members);
        let (Some((sender, _)), Some(members)) = (&it.deed.by, members) else {
            return Some(it);
        };
        let message = match &it.deed.wish {
            Wish::Said { message, .. } if members.contains_key(sender) => Arc::clone(message),
            _ => return Some(it),
        };
        if message.text.contains('\n') {
            return Some(it);
        }
        if said.room != room || said.bytes + it.deed.bytes > SAID_BYTES_MAX {
            self.tell_said(said, out);
            said.room = room;
        }
        said.bytes += it.deed.bytes;
        let (sender, label) = it.deed.by.unzip();
        said.events.push(Event::Said {
            message,
            sender,
            label: label.flatten(),
        });
        None
    }

    /// Tells a room what was said there.
    fn tell_said(&self, said: &mut Said, out: &mut dyn Outlet) {
        if let Some(room) = said.room.take().and_then(|id| self.rooms.get(id)) {
            let members = room.members.keys().chain(&room.listeners);
            out.tell_all(&mut members.copied(), &said.events);
        }
        said.events.clear();
        said.bytes = 0;
    }

    /// One command less waits that needs the room.
    fn let_go(&mut self, room: Option<RoomId>) {
        if let Some(id) = room {
            if let Some(room) = self.rooms.get_mut(id) {
                room.waiting -= 1;
            }
            self.drop_if_unused(id);
        }
    }

    fn rooms_are_stored(&mut self, rooms: &[RoomId]) {
        for id in rooms {
            if let Some(room) = self.rooms.get_mut(*id) {
                room.stored = true;
                if let Some(account) = room.founder.take() {
                    room.settings.set_role(account, Role::Owner);
                }
            }
        }
    }

    /// A user may have more to store again.
    fn release(&mut self, deed: &Deed, out: &mut dyn Outlet) {
        let half = self.settings.pending_per_user / 2;
        let Some((id, _)) = deed.by else { return };
        if let Some(user) = self.users.get_mut(id) {
            user.pending -= 1;
            if user.pending <= half && std::mem::take(&mut user.congested) {
                out.ready(id);
            }
        }
    }

    fn done(&mut self, it: UnderWay, now: Moment, out: &mut dyn Outlet) {
        let (sender, label) = it.deed.by.unzip();
        let label = label.flatten();
        let there = sender.filter(|sender| self.users.get(*sender).is_some());
        let room = it.deed.room;
        match it.deed.wish {
            Wish::Record(_) | Wish::Room | Wish::NoRoom => {}
            Wish::Said { message, to } => {
                let event = Event::Said {
                    message: Arc::clone(&message),
                    sender,
                    label,
                };
                let place = (&message.place, room, to);
                self.tell_place(place, &message.from, there, &event, out);
            }
            Wish::Redacted {
                by,
                place,
                to,
                msgid,
                redaction,
            } => {
                let event = Event::Redacted {
                    by: Arc::clone(&by),
                    place: place.clone(),
                    msgid,
                    reason: Arc::clone(&redaction.reason),
                    sender,
                    label,
                };
                self.tell_place((&place, room, to), &by, there, &event, out);
            }
            Wish::Topic { by, text, unix_ms } => {
                let Some(id) = room else { return };
                let event = self.topic_set(id, &by, &text, unix_ms, (sender, label));
                if let Some(event) = event {
                    self.tell_room_and(id, there, &event, out);
                }
                self.happened(id, &by, || What::Topic(text), now);
            }
            Wish::Changed {
                by,
                changes,
                unix_ms,
            } => {
                let by = (by, unix_ms);
                self.room_changed(room, by, changes, (sender, label), now, out);
            }
            Wish::MarkedRead {
                account,
                place,
                unix_ms,
                ..
            } => {
                let unix_ms = self.keep_mark(&account, place.name(), unix_ms);
                let event = Event::MarkedRead { place, unix_ms };
                let connections = self.users.of_account(&account);
                out.tell(&mut connections.iter().copied(), &event);
            }
            Wish::Registered { account, .. } => self.registered(account, (there, label), now, out),
            Wish::Account { receipt, .. } => {
                self.account_changed(it.account, receipt, (there, label), now, out);
            }
            Wish::Administered { act, .. } => self.acted(act, (there, label), now, out),
        }
    }

    fn room_changed(
        &mut self,
        room: Option<RoomId>,
        (by, unix_ms): (Arc<Identity>, u64),
        changes: Vec<Wanted>,
        (sender, label): Answered,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let Some(id) = room else { return };
        let changes = self.make(id, changes, (&by.nick, unix_ms));
        let Some(room) = self.rooms.get(id) else {
            return;
        };
        let is_nothing = changes.is_empty();
        let written = letters::written(&changes);
        let event = Event::RoomChanged {
            by: Some(Arc::clone(&by)),
            room: Arc::clone(room.name()),
            changes,
            sender,
            label,
        };
        let there = sender.filter(|sender| self.users.get(*sender).is_some());
        if is_nothing {
            // Nobody else has anything to learn from it.
            out.tell(&mut there.into_iter(), &event);
        } else {
            self.tell_room_and(id, there, &event, out);
        }
        for text in written {
            self.happened(id, &by, || What::Modes(text), now);
        }
        self.recheck_listeners(id);
    }

    fn topic_set(
        &mut self,
        id: RoomId,
        by: &Arc<Identity>,
        text: &Arc<str>,
        unix_ms: u64,
        (sender, label): Answered,
    ) -> Option<Event> {
        let room = self.rooms.get_mut(id)?;
        room.settings.topic = topic(text, &by.source(), unix_ms);
        Some(Event::Topic {
            by: Arc::clone(by),
            room: Arc::clone(room.name()),
            text: Arc::clone(text),
            unix_ms,
            sender,
            label,
        })
    }

    /// Makes stored changes in memory, too; what has changed, as members are told.
    fn make(
        &mut self,
        id: RoomId,
        changes: Vec<Wanted>,
        (by, unix_ms): (&Arc<str>, u64),
    ) -> Vec<Change> {
        let masks_max = self.settings.masks_per_list;
        let mut told = Vec::new();
        for wanted in changes {
            let Some(room) = self.rooms.get_mut(id) else {
                break;
            };
            // It was made in the batch, so the list has room for it.
            let made = room.settings.make(&wanted, (by, unix_ms), masks_max);
            match (made, &wanted.change) {
                (Ok(Made::Setting | Made::Listed(..)), _) => told.push(wanted.change),
                (Ok(Made::Role(..) | Made::Member), Change::Role { role, add, .. }) => {
                    let Some((them, account)) = &wanted.them else {
                        continue;
                    };
                    // A role of an account is that of each of its connections.
                    let connections = account.as_ref().map(|a| self.users.of_account(a));
                    let others = connections.unwrap_or_default().iter();
                    let others = others.filter(|other| *other != them);
                    for user in std::iter::once(them).chain(others) {
                        let Some(current) = room.members.get_mut(user) else {
                            continue;
                        };
                        let now = after(*current, *role, *add);
                        if *current != now
                            && let Some(user) = self.users.get(*user)
                        {
                            *current = now;
                            told.push(Change::Role {
                                nick: Arc::clone(&user.identity.nick),
                                role: *role,
                                add: *add,
                            });
                        }
                    }
                }
                _ => {}
            }
        }
        told
    }

    fn tell_place(
        &mut self,
        (place, room, to): (&Place, Option<RoomId>, Option<UserId>),
        from: &Identity,
        sender: Option<UserId>,
        event: &Event,
        out: &mut dyn Outlet,
    ) {
        match (place, room) {
            (Place::Room(_), Some(room)) => self.tell_room_and(room, sender, event, out),
            // It is stored, and its sender has a right to know.
            (Place::Room(_), None) => out.tell(&mut sender.into_iter(), event),
            (Place::Person { account, .. }, _) => {
                self.tell_people(from, sender, (to, account.as_deref()), event, out);
            }
        }
    }

    fn failed(&mut self, deed: Deed, why: Refusal, out: &mut dyn Outlet) {
        let mut asker = deed.by;
        match deed.wish {
            Wish::Registered {
                account,
                invitation,
            } => self.give_up_registration(&account, invitation),
            Wish::MarkedRead { user, .. } => asker = Some((user, None)),
            _ => {}
        }
        if let Some((user, label)) = asker
            && self.users.get(user).is_some()
        {
            out.answer(user, label, Err(why));
        }
    }
}
