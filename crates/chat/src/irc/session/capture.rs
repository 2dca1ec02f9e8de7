//! What a command's own user is told at once, in the order of the other answers to it. It must never
//! keep from anybody else what they are told.

use crate::chat::command::Label;
use crate::chat::event::{Event, Receipt};
use crate::chat::ids::UserId;
use crate::chat::outlet::Outlet;
use crate::chat::refusal::Refusal;
use crate::irc::render::{self, Scene};

/// An outlet that writes what concerns one user among the answers to its command.
pub(super) struct Capture<'c> {
    pub(super) out: &'c mut dyn Outlet,
    pub(super) me: UserId,
    pub(super) scene: Scene<'c>,
    pub(super) reply: &'c mut Vec<u8>,
}

impl Outlet for Capture<'_> {
    fn tell(&mut self, to: &mut dyn Iterator<Item = UserId>, event: &Event) {
        let mut is_told = false;
        let mut others = to.filter(|user| {
            let is_me = *user == self.me;
            is_told |= is_me;
            !is_me
        });
        self.out.tell(&mut others, event);
        if is_told {
            render::write_event(self.reply, event, &self.scene);
        }
    }

    fn answer(&mut self, to: UserId, label: Label, outcome: Result<Receipt, Refusal>) {
        self.out.answer(to, label, outcome);
    }

    fn dismiss(&mut self, user: UserId, reason: &str) {
        self.out.dismiss(user, reason);
    }

    fn congested(&mut self, user: UserId) {
        self.out.congested(user);
    }

    fn ready(&mut self, user: UserId) {
        self.out.ready(user);
    }
}
