//! The clients that people have, all on one server: irssi, WeeChat, a WebSocket client, the tutorial's
//! client and nc.

mod irssi;
mod login;
mod others;
mod page;
mod place;
mod restart;
mod room;
mod talk;
mod weechat;
#[path = "../program/world.rs"]
mod world;

use std::process::ExitCode;

use switchboard_partners::Suite;

fn main() -> ExitCode {
    let suite = talk::tests(room::tests(Suite::new()));
    page::tests(restart::tests(login::tests(suite))).run()
}
