//! Rules on single lines of code: unwraps, shared ownership, foreign time, `unsafe`.
//!
//! They see code without comments and strings, and must never be satisfied or broken by either.

use crate::source::{Source, holds};
use crate::workspace::{Violation, Workspace, is_in};

const LIBRARY: &[&str] = &["crates/switchboard/src/"];

/// An `unwrap` in a library or program says why it cannot fail, on its line or the one above.
pub fn bare_unwraps(workspace: &Workspace) -> Vec<Violation> {
    let advice = "`.unwrap()`: return the error, use `expect(\"why it cannot fail\")`, or say so in \
                  a comment on this line or the one above";
    each_line(
        workspace,
        |_| true,
        |source, line, code| {
            (holds(code, ".unwrap()") && source.remark(line).is_empty()).then_some(advice)
        },
    )
}

/// Shared ownership with run-time borrows stays in `rooms`.
pub fn shared_ownership(workspace: &Workspace, rooms: &[&str]) -> Vec<Violation> {
    let advice = "`Rc` or `RefCell`: keep the data in the core or in the state that handlers are \
                  given, and ask by token";
    let is_bound = |path: &str| is_in(path, LIBRARY) && !is_in(path, rooms);
    each_line(workspace, is_bound, |_, _, code| {
        (holds(code, "Rc") || holds(code, "RefCell")).then_some(advice)
    })
}

/// Public signatures of the library use our own time, which the simulation can move.
pub fn foreign_instants(workspace: &Workspace) -> Vec<Violation> {
    let advice = "`std::time::Instant` in a public signature: use the reactor's own time, which \
                  the simulation can move";
    let library = workspace.sources().filter(|(path, _)| is_in(path, LIBRARY));
    let place = |(path, source): (&str, &Source)| -> Vec<Violation> {
        let lines = source.foreign_instants.iter();
        lines
            .map(|line| Violation::new(path, *line, advice))
            .collect()
    };
    library.flat_map(place).collect()
}

/// `unsafe` stays in `rooms`, and each one says why it is sound.
pub fn stray_unsafe(workspace: &Workspace, rooms: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, source) in workspace.sources() {
        for (line, code) in source.code_lines() {
            let is_unsafe = holds(code, "unsafe");
            if (is_unsafe || holds(code, "unsafe_code")) && !is_in(path, rooms) {
                let advice =
                    "`unsafe`: use a crate that wraps the call safely (`rustix`, `socket2`)";
                violations.push(Violation::new(path, line, advice));
            } else if is_unsafe && !gives_safety(source, line) {
                let advice =
                    "`unsafe`: say in a comment `// SAFETY: ..` directly above why it is sound";
                violations.push(Violation::new(path, line, advice));
            }
        }
    }
    violations
}

fn gives_safety(source: &Source, line: usize) -> bool {
    let above = source.comment_block_above(line, usize::MAX);
    let here = &source.comments[line - 1];
    above.contains("SAFETY:") || above.contains("# Safety") || here.contains("SAFETY:")
}

/// Asks `judge` about every line of the program text in files that `is_bound` names.
fn each_line(
    workspace: &Workspace,
    is_bound: impl Fn(&str) -> bool,
    judge: impl Fn(&Source, usize, &str) -> Option<&'static str>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let texts = workspace
        .sources()
        .filter(|(path, _)| workspace.is_program_text(path));
    for (path, source) in texts.filter(|(path, _)| is_bound(path)) {
        for (line, code) in source.program_lines() {
            if let Some(advice) = judge(source, line, code) {
                violations.push(Violation::new(path, line, advice));
            }
        }
    }
    violations
}

mod tests {
    use super::*;
    use crate::workspace::found;

    const SOURCE: &str = "crates/switchboard/src/outbox.rs";

    #[test]
    fn a_bare_unwrap_is_found() {
        let bare = "fn f() {\n    g(\".unwrap()\");\n    g().unwrap();\n}\n";
        assert_eq!(
            found(bare_unwraps, &[(SOURCE, bare)]),
            [format!("{SOURCE}:3")]
        );
        let in_macro = "fn f() {\n    println!(\"{}\", g().unwrap());\n}\n";
        assert_eq!(
            found(bare_unwraps, &[(SOURCE, in_macro)]),
            [format!("{SOURCE}:2")]
        );
        let beside = "fn f() {\n    g().unwrap(); // it was pushed just now\n}\n";
        assert!(found(bare_unwraps, &[(SOURCE, beside)]).is_empty());
        let above = "fn f() {\n    // It was pushed just now.\n    g().unwrap();\n}\n";
        assert!(found(bare_unwraps, &[(SOURCE, above)]).is_empty());
        let after_code = "fn f() {\n    g(); // of the line above\n    g().unwrap();\n}\n";
        assert_eq!(
            found(bare_unwraps, &[(SOURCE, after_code)]),
            [format!("{SOURCE}:3")]
        );
        let in_tests = "#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap() }\n}\n";
        assert!(found(bare_unwraps, &[(SOURCE, in_tests)]).is_empty());
        let declared = (
            "crates/switchboard/src/lib.rs",
            "mod outbox;\n#[cfg(test)]\nmod checks;\n",
        );
        let only_for_tests = [declared, ("crates/switchboard/src/checks.rs", bare)];
        assert!(found(bare_unwraps, &only_for_tests).is_empty());
        assert_eq!(
            found(bare_unwraps, &[declared, (SOURCE, bare)]),
            [format!("{SOURCE}:3")]
        );
        let in_a_test_file = [("crates/switchboard/tests/echo.rs", bare)];
        assert!(found(bare_unwraps, &in_a_test_file).is_empty());
    }

    #[test]
    fn stray_shared_ownership_is_found() {
        let rule =
            |workspace: &Workspace| shared_ownership(workspace, &["crates/switchboard/src/sim/"]);
        let text = "use std::sync::Arc;\nstruct A(Arc<u8>, std::cell::RefCell<u8>);\n";
        assert_eq!(found(rule, &[(SOURCE, text)]), [format!("{SOURCE}:2")]);
        assert!(found(rule, &[("crates/switchboard/src/sim/world.rs", text)]).is_empty());
    }

    #[test]
    fn foreign_time_in_a_public_signature_is_found() {
        let bare = "use std::time::{Duration, Instant};\n\
                    pub fn f(at: Option<Instant>) {}\n\
                    pub(crate) fn g() -> Instant {}\n\
                    pub struct A { pub at: Instant, then: Instant }\n";
        assert_eq!(
            found(foreign_instants, &[(SOURCE, bare)]),
            [format!("{SOURCE}:2"), format!("{SOURCE}:4")]
        );
        let by_path = "pub trait A { fn f(&self) -> std::time::Instant; }\n";
        assert_eq!(
            found(foreign_instants, &[(SOURCE, by_path)]),
            [format!("{SOURCE}:1")]
        );
        let ours = "use crate::clock::Instant;\npub fn f(at: Instant) {}\n";
        assert!(found(foreign_instants, &[(SOURCE, ours)]).is_empty());
    }

    #[test]
    fn stray_unsafe_is_found() {
        let room = "crates/switchboard/src/driver/uring.rs";
        let rule = |workspace: &Workspace| stray_unsafe(workspace, &[room]);
        let reasoned = "fn f() {\n    // SAFETY: the ring outlives\n    // the buffer.\n    unsafe { g() }\n}\n";
        assert!(found(rule, &[(room, reasoned)]).is_empty());
        assert_eq!(found(rule, &[(SOURCE, reasoned)]), [format!("{SOURCE}:4")]);
        assert_eq!(
            found(rule, &[(room, "fn f() {\n    unsafe { g() }\n}\n")]),
            [format!("{room}:2")]
        );
        let opened = "#![allow(unsafe_code)]\n";
        assert_eq!(found(rule, &[(SOURCE, opened)]), [format!("{SOURCE}:1")]);
        assert!(
            found(
                rule,
                &[(SOURCE, "// never unsafe\nfn f() { g(\"unsafe\") }\n")]
            )
            .is_empty()
        );
    }
}
