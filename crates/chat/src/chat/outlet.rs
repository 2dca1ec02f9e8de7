//! The way out of the chat: whom to tell what. It must never be asked anything by the chat.

use super::command::Label;
use super::event::{Event, Receipt};
use super::ids::UserId;
use super::refusal::Refusal;

/// What the chat's decisions lead to. The reactor's handlers implement it; a test notes down.
///
/// Calls come in the order in which users are to see things.
pub trait Outlet {
    /// Tells each of `to` of `event`. A user comes up once in `to`.
    ///
    /// What a protocol (or a client of it) does not understand, its adapter leaves out.
    fn tell(&mut self, to: &mut dyn Iterator<Item = UserId>, event: &Event);

    /// Tells each of `to` of all of `events`, in their order: what was said in one room and stored
    /// together. Whoever has many to tell writes it once, and sends each of them once.
    fn tell_all(&mut self, to: &mut dyn Iterator<Item = UserId>, events: &[Event]) {
        let to: Vec<UserId> = to.collect();
        for event in events {
            self.tell(&mut to.iter().copied(), event);
        }
    }

    /// The answer to a durable command that nobody else is told of, or the reason for which a
    /// durable command (a message, too) was not done after all.
    fn answer(&mut self, to: UserId, label: Label, outcome: Result<Receipt, Refusal>);

    /// Ends this user's connection, after what was told before; `reason` is for the user. The chat
    /// has forgotten the user already.
    fn dismiss(&mut self, user: UserId, reason: &str);

    /// Nothing more is taken from this user until [`ready`](Outlet::ready): as much of it waits to be
    /// stored as the limits allow. (What is sent nevertheless is refused as `Busy`.)
    fn congested(&mut self, user: UserId);

    /// The opposite of [`congested`](Outlet::congested).
    fn ready(&mut self, user: UserId);
}
