//! The clients that people have, all on one server: irssi, WeeChat, a WebSocket client, the tutorial's
//! client and nc.

mod irssi;
mod others;
mod place;
mod room;
mod talk;
mod weechat;
#[path = "../program/world.rs"]
mod world;

use std::process::ExitCode;

use switchboard_partners::Suite;

fn main() -> ExitCode {
    talk::tests(room::tests(Suite::new())).run()
}
