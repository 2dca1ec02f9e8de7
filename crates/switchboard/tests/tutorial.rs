//! The tutorial's two programs: each alone, with each other, and with counterparts on Python's
//! asyncore. This file lists the tests; the modules beside it hold them.

#[path = "tutorial/client_alone.rs"]
mod client_alone;
#[path = "tutorial/examples.rs"]
mod examples;
#[path = "tutorial/programs.rs"]
mod programs;
#[path = "tutorial/server_alone.rs"]
mod server_alone;
#[path = "tutorial/together.rs"]
mod together;

use std::process::ExitCode;

use switchboard_partners::Suite;

fn main() -> ExitCode {
    let suite = server_alone::tests(Suite::new());
    let suite = client_alone::tests(suite);
    together::tests(suite).run()
}
