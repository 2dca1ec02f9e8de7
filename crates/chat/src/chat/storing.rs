//! What is done once the store has said how a batch went. It must never be told twice of one batch.

use std::sync::Arc;

use super::Chat;
use super::command::{Change, Label};
use super::event::{Event, Identity, Message, Place};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Then};
use super::refusal::Refusal;
use crate::store::StoreError;
use crate::store::record::{What, Write};

impl Chat {
    /// What to store now, all or nothing; `None` if nothing waits, or a batch is under way.
    ///
    /// Everything that came while the last batch was under way goes together: the slower the disk,
    /// the larger the batches, and one wait for it is shared by all of them.
    pub fn next_batch(&mut self) -> Option<Arc<[Write]>> {
        self.pending.begin(self.settings.batch_max)
    }

    /// How the batch under way went: tells everybody what follows, or its senders that it failed.
    pub fn stored(&mut self, outcome: &Result<(), StoreError>, now: Moment, out: &mut dyn Outlet) {
        let deeds = self.pending.end();
        match outcome {
            Ok(()) => {
                for deed in deeds {
                    self.release(&deed, out);
                    self.done(deed, now, out);
                }
            }
            Err(error) => {
                let why: Arc<str> = error.to_string().into();
                // Settings that wait were made for a room in which those that failed are done.
                let based = self.pending.take_settings();
                for deed in deeds.into_iter().chain(based) {
                    self.release(&deed, out);
                    self.failed(deed, &why, out);
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

    fn done(&mut self, deed: Deed, now: Moment, out: &mut dyn Outlet) {
        let (sender, label) = deed.by.unzip();
        let label = label.flatten();
        match deed.then {
            Then::Nothing => {}
            Then::Said(message) => {
                let event = Event::Said {
                    message: Arc::clone(&message),
                    sender,
                    label,
                };
                self.tell_of(&message, sender, &event, out);
            }
            Then::Redacted {
                by,
                place,
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
                self.tell_place(&place, &by, sender, &event, out);
            }
            Then::Topic {
                by,
                room,
                text,
                unix_ms,
            } => self.topic_set(by, &room, text, unix_ms, (sender, label), now, out),
            Then::Changed {
                by,
                room,
                changes,
                unix_ms,
            } => self.room_changed(by, &room, changes, unix_ms, (sender, label), out),
            then => self.account_done(then, sender, label, now, out),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of what was stored")]
    fn topic_set(
        &mut self,
        by: Arc<Identity>,
        room: &str,
        text: Arc<str>,
        unix_ms: u64,
        (sender, label): (Option<UserId>, Label),
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let Some(id) = self.rooms.find(room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        room.settle();
        let source = format!("{}!{}@{}", by.nick, by.user, by.host).into();
        room.topic = (!text.is_empty()).then(|| (Arc::clone(&text), source, unix_ms));
        let event = Event::Topic {
            by: Arc::clone(&by),
            room: Arc::clone(room.name()),
            text: Arc::clone(&text),
            unix_ms,
            sender,
            label,
        };
        if let Some(room) = self.rooms.get(id) {
            self.tell_room_and(room, sender, &event, out);
        }
        self.happened(id, &by, || What::Topic(text), now);
    }

    fn room_changed(
        &mut self,
        by: Arc<Identity>,
        room: &str,
        changes: Vec<Change>,
        unix_ms: u64,
        (sender, label): (Option<UserId>, Label),
        out: &mut dyn Outlet,
    ) {
        let changes = self.apply(room, changes, &by.nick, unix_ms);
        let Some(id) = self.rooms.find(room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        room.settle();
        let event = Event::RoomChanged {
            by: Some(by),
            room: Arc::clone(room.name()),
            changes,
            sender,
            label,
        };
        if let Some(room) = self.rooms.get(id) {
            self.tell_room_and(room, sender, &event, out);
        }
    }

    fn tell_of(
        &mut self,
        message: &Message,
        sender: Option<UserId>,
        event: &Event,
        out: &mut dyn Outlet,
    ) {
        let from = Arc::clone(&message.from);
        self.tell_place(&message.place, &from, sender, event, out);
    }

    fn tell_place(
        &mut self,
        place: &Place,
        from: &Identity,
        sender: Option<UserId>,
        event: &Event,
        out: &mut dyn Outlet,
    ) {
        match place {
            Place::Room(name) => match self.room(name) {
                Some(room) => self.tell_room_and(room, sender, event, out),
                // Everybody has left meanwhile; it is stored, and its sender has a right to know.
                None => out.tell(&mut sender.into_iter(), event),
            },
            Place::Person { nick, account } => {
                self.tell_people(from, sender, (nick, account.as_deref()), event, out);
            }
        }
    }

    fn failed(&mut self, deed: Deed, why: &Arc<str>, out: &mut dyn Outlet) {
        match &deed.then {
            Then::Topic { room, .. } | Then::Changed { room, .. } => {
                if let Some(room) = self.rooms.find(room).and_then(|id| self.rooms.get_mut(id)) {
                    room.settle();
                }
            }
            Then::Registered {
                account,
                invitation,
            } => self.give_up_registration(account, invitation.clone()),
            _ => {}
        }
        if let Some((user, label)) = deed.by
            && self.users.get(user).is_some()
        {
            out.answer(user, label, Err(Refusal::CannotStore(Arc::clone(why))));
        }
    }
}
