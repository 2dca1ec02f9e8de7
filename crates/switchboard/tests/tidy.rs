//! The house rules that a program can keep, over every source file of the workspace.
//!
//! A rule is a function from the [`Workspace`] to the places that break it, each with what to do
//! instead. It lives beside a test that shows it failing on a bad snippet, since a rule that cannot
//! fail keeps nothing. This file applies each rule to the workspace itself and owns the list of
//! exceptions; it must never hold a rule of its own.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/structure.rs"]
mod structure;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/workspace.rs"]
mod workspace;

use std::sync::OnceLock;

use structure::Giant;
use workspace::{Violation, Workspace};

/// Functions longer than the limit that are allowed to stay, and must not grow.
///
/// The table is a ratchet: whoever shortens one of these lowers its number here, and removes the
/// line once the function fits. New entries need a reason in a comment of their own.
const GIANTS: &[Giant] = &[];

/// Files that may hold `unsafe`: a path, or a directory when it ends in `/`.
const UNSAFE_ROOMS: &[&str] = &[
    "crates/switchboard/src/driver/uring.rs",
    "crates/switchboard/src/driver/uring/",
    "crates/python/",
];

/// Where shared ownership is the honest model: one virtual network seen by several reactors.
const SHARED_OWNERSHIP_ROOMS: &[&str] = &[
    "crates/switchboard/src/driver/simulated.rs",
    "crates/switchboard/src/sim/",
];

/// The workspace that this test belongs to, read once for all rules.
fn workspace() -> &'static Workspace {
    static WORKSPACE: OnceLock<Workspace> = OnceLock::new();
    WORKSPACE
        .get_or_init(|| Workspace::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../..").as_ref()))
}

#[track_caller]
fn keep(rule: impl Fn(&Workspace) -> Vec<Violation>) {
    let violations = rule(workspace());
    let list: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

/// Without this, a moved directory would make every rule hold by having nothing to look at.
#[test]
fn the_rules_look_at_the_workspace() {
    for path in [
        "Cargo.toml",
        "bench/Cargo.toml",
        "crates/chat/src/main.rs",
        "crates/switchboard/Cargo.toml",
        "crates/switchboard/src/lib.rs",
        "crates/switchboard/tests/tidy.rs",
    ] {
        assert!(workspace().file(path).is_some(), "{path} was not read");
    }
}

#[test]
fn every_source_file_is_understood() {
    keep(text::not_understood);
}

#[test]
fn every_file_says_what_it_owns() {
    keep(text::heads_missing);
}

#[test]
fn every_file_says_what_it_must_never_do() {
    keep(text::limits_missing);
}

#[test]
fn long_files_give_their_reason() {
    keep(text::long_without_reason);
}

#[test]
fn names_say_what_is_inside() {
    keep(text::empty_names);
}

#[test]
fn banned_words_stay_out() {
    keep(text::banned_words);
}

#[test]
fn what_is_not_used_stays_out() {
    keep(text::unreasoned_leftovers);
}

#[test]
fn every_unwrap_says_why_it_cannot_fail() {
    keep(code::bare_unwraps);
}

#[test]
fn shared_ownership_stays_in_its_rooms() {
    keep(|workspace| code::shared_ownership(workspace, SHARED_OWNERSHIP_ROOMS));
}

#[test]
fn time_in_public_signatures_is_ours() {
    keep(code::foreign_instants);
}

#[test]
fn unsafe_stays_in_its_rooms_and_gives_its_reason() {
    keep(|workspace| code::stray_unsafe(workspace, UNSAFE_ROOMS));
}

#[test]
fn functions_fit_on_a_screen() {
    keep(|workspace| structure::overlong_functions(workspace, GIANTS));
}

#[test]
fn every_file_is_part_of_a_crate() {
    keep(structure::dead_files);
}

#[test]
fn every_handler_method_is_called() {
    keep(structure::uncalled_handler_methods);
}

#[test]
fn every_case_of_the_suite_is_listed() {
    keep(structure::unlisted_cases);
}

#[test]
fn every_crate_keeps_the_workspace_lints() {
    keep(documents::lints_not_inherited);
}

#[test]
fn every_dependency_has_its_reason() {
    keep(documents::unexplained_dependencies);
}

#[test]
fn the_tick_in_the_architecture_is_the_tick_in_the_code() {
    keep(documents::tick_drift);
}
