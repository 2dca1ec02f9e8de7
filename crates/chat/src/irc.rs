//! The grammar of IRC: lines into messages and back, modes and numerics. Names and masks are the
//! chat's own, which follow IRC's rules.
//!
//! It must never know who is connected, hold a socket or read a clock: text goes in, and values
//! that borrow from it come out. What they mean is decided by those who use them.
//!
//! The grammar is that of the [Modern IRC Client Protocol](https://modern.ircdocs.horse/) and of the
//! [IRCv3 specifications](https://ircv3.net/irc/), with UTF-8 as the only encoding (`UTF8ONLY`).

pub mod isupport;
pub mod lines;
pub mod message;
pub mod modes;
pub mod numeric;
pub mod tags;
pub mod write;

pub use crate::chat::{entries, masks, names};
