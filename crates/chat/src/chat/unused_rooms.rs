//! Rooms that nobody uses and that are nobody's: the longest unused ones make way for new ones. It
//! must never take a room in which somebody is, or in which an account has a role.

use std::sync::Arc;

use super::Chat;
use super::pending::{Deed, Wish};
use super::refusal::Refusal;
use super::room_settings::RoomSettings;
use super::rooms::{Room, RoomId};
use crate::store::record::Write;

/// The part of all rooms that is kept free: while it lasts, nobody waits for a room to make way.
const SPARE: usize = 10;

impl Chat {
    /// Before there is one room more: has another one make way, if there are nearly as many as the
    /// limit allows. Looks at all rooms then.
    ///
    /// # Errors
    /// There are as many.
    pub(super) fn make_way(&mut self) -> Result<(), Refusal> {
        let max = self.settings.rooms_max;
        if self.rooms.len() + max / SPARE < max {
            return Ok(());
        }
        let bytes = 256;
        let unused = self.longest_unused();
        let unused = unused.filter(|_| self.reserve_bytes(bytes).is_ok());
        if unused.is_some() {
            self.push(Deed {
                by: None,
                room: unused,
                wish: Wish::NoRoom,
                bytes,
            });
        }
        match unused {
            _ if self.rooms.len() < max => Ok(()),
            Some(_) => Err(Refusal::Busy),
            None => Err(Refusal::TooManyRoomsInAll(max)),
        }
    }

    /// Those come first of which nothing is lost.
    fn longest_unused(&self) -> Option<RoomId> {
        let unused = |room: &&Room| room.waiting == 0 && self.is_unused(room);
        let rooms = self.rooms.by_name().filter(unused);
        let first = rooms.min_by_key(|room| (!is_as_new(&room.settings), room.emptied));
        first.map(|room| room.id)
    }

    /// Whether a stored room is empty and nobody who could come has a role in it.
    fn is_unused(&self, room: &Room) -> bool {
        let is_somebody = |account: &Arc<str>| {
            let account = self.accounts.get(account);
            account.is_some_and(|account| !account.suspended)
        };
        room.stored
            && room.is_empty()
            && self.rooms.find(&self.settings.lobby) != Some(room.id)
            && !room.roles().any(|(account, _)| is_somebody(account))
    }

    /// What takes a room out of the store; nothing, if somebody has come to use it. What was said in
    /// one that is as a new one is found again under its name, as it was there for all to read.
    pub(super) fn forgetting(&self, room: &Room) -> Option<Write> {
        let is_unused = room.waiting == 1 && self.is_unused(room);
        is_unused.then(|| Write::NoRoom {
            room: Arc::clone(room.folded()),
            history: !is_as_new(&room.settings),
        })
    }

    /// These are not in the store any more. They go, unless something waits for them: then they are
    /// new ones.
    pub(super) fn rooms_are_gone(&mut self, rooms: &[RoomId]) {
        for id in rooms {
            if let Some(room) = self.rooms.get_mut(*id) {
                room.stored = false;
                room.settings = RoomSettings::of_a_new_room();
            }
        }
    }

    /// A room goes that nothing is stored of, when the last one has left and nothing waits for it.
    pub(super) fn drop_if_unused(&mut self, id: RoomId) {
        let lobby = self.rooms.find(&self.settings.lobby);
        let unused = |room: &Room| room.is_empty() && !room.stored && room.waiting == 0;
        if lobby != Some(id) && self.rooms.get(id).is_some_and(unused) {
            self.rooms.remove(id);
        }
    }
}

/// But for roles: who has one is nobody any more.
fn is_as_new(settings: &RoomSettings) -> bool {
    *settings == RoomSettings::of_a_new_room()
}
