//! Where the examples are that `cargo test` has built.

use std::process::Command;

/// A command that runs the example `name`, which `cargo test` has built beside this test. (A run
/// that is limited to one test, with `--test`, builds no examples and takes those that are there.)
#[track_caller]
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("the system tells");
    let profile = test.ancestors().nth(2).expect("it is in PROFILE/deps");
    let program = profile.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built: run `cargo test -p switchboard`, or `cargo build --examples` first",
        program.display()
    );
    Command::new(program)
}
