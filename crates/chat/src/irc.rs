//! IRC: its grammar (lines into messages and back, modes and numerics; names and masks are the chat's
//! own, which follow IRC's rules), and on it the adapter of the chat: [`session`] for what one client
//! says, [`render`] for what it is told.
//!
//! It must never hold a socket or read a clock. The grammar knows nobody who is connected: text goes
//! in, and values that borrow from it come out; what they mean is decided by those who use them.
//!
//! The grammar is that of the [Modern IRC Client Protocol](https://modern.ircdocs.horse/) and of the
//! [IRCv3 specifications](https://ircv3.net/irc/), with UTF-8 as the only encoding (`UTF8ONLY`).

pub mod caps;
pub mod config;
pub mod isupport;
pub mod lines;
pub mod message;
pub mod modes;
pub mod numeric;
pub mod pieces;
mod refusals;
pub mod render;
pub mod session;
pub mod tags;
pub mod write;

pub use crate::chat::{entries, masks, names};
