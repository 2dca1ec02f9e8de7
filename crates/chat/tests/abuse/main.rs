//! Hostile clients, over real sockets, against the real program: a file for each kind of abuse.
//! (`anything.rs` has the same server in a simulation.)
//!
//! All through each attack good clients talk (see `company.rs`): what they say must arrive, once and
//! in order, and within seconds. What the attacker is answered is asserted, and that the server has
//! kept within its bounds.

mod anything;
mod browser;
mod company;
mod escapes;
mod floods;
mod lines;
mod networks;
mod nicks;
mod origins;
mod paths;
mod peer;
mod slowloris;
mod smuggling;
mod storms;
mod town;
mod websocket;
#[path = "../program/world.rs"]
mod world;
