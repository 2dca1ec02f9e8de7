//! The chat without a socket: commands in, what each user is told out.

mod accounts;
mod durable;
mod governing;
mod hardening;
mod lobby;
mod random;
mod rooms;
mod world;
