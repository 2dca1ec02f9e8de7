//! Rules on how the code hangs together: lengths of functions, and what nothing leads to.
//!
//! They must never guess at types: a name that occurs is taken for a use of it.

use std::collections::BTreeSet;

use crate::modules;
use crate::source::{Function, Source, holds};
use crate::workspace::{Violation, Workspace, is_in};

/// A function longer than this does not fit on a screen.
const LONG: usize = 70;

const LIBRARY: &str = "crates/switchboard/src/";
const HANDLER: &str = "crates/switchboard/src/handler.rs";
const TESTS: &str = "crates/switchboard/tests/";
const SUITE: &str = "crates/switchboard/tests/suite/";

/// A function that was longer than the limit when the rule met it: it may shrink, not grow.
pub struct Giant {
    pub path: &'static str,
    pub function: &'static str,
    pub lines: usize,
}

/// No function is longer than the limit, except for `giants`, and those only shrink.
pub fn overlong_functions(workspace: &Workspace, giants: &[Giant]) -> Vec<Violation> {
    let length = |function: &Function| function.lines.end() - function.lines.start() + 1;
    let mut violations = Vec::new();
    for (path, source) in workspace.sources() {
        let is_giant = |giant: &&Giant, name: &str| giant.path == path && giant.function == name;
        for function in &source.functions {
            let (name, lines) = (&function.name, length(function));
            let allowed = giants
                .iter()
                .find(|giant| is_giant(giant, name))
                .map(|giant| giant.lines);
            let advice = match allowed {
                None if lines > LONG => format!(
                    "`{name}` has {lines} lines, more than {LONG}: split it by the state that each \
                     part owns"
                ),
                Some(allowed) if lines > allowed => {
                    format!("`{name}` has grown from {allowed} to {lines} lines: split it instead")
                }
                Some(allowed) if lines < allowed => format!(
                    "`{name}` has shrunk from {allowed} to {lines} lines: lower the number in the \
                     table of giants, or remove the line if it is at most {LONG}"
                ),
                _ => continue,
            };
            violations.push(Violation::new(path, *function.lines.start(), advice));
        }
    }
    for giant in giants {
        let source = workspace
            .file(giant.path)
            .and_then(|file| file.source.as_ref());
        if !source.is_some_and(|source| source.functions.iter().any(|f| f.name == giant.function)) {
            let advice = format!(
                "`{}` is gone: remove it from the table of giants",
                giant.function
            );
            violations.push(Violation::new(giant.path, 1, advice));
        }
    }
    violations
}

/// Every Rust file is a root that Cargo finds by itself, or declared by a module that exists.
pub fn dead_files(workspace: &Workspace) -> Vec<Violation> {
    let declared: BTreeSet<String> = workspace
        .sources()
        .flat_map(|(path, source)| modules::declared_files(path, source, |_| true))
        .collect();
    let is_dead = |path: &&str| !modules::is_root(path) && !declared.contains(*path);
    let dead = workspace
        .files()
        .map(|(path, _)| path)
        .filter(|path| path.ends_with(".rs"));
    let advice = "no `mod` declares this file, so it is never compiled: declare it, or remove it";
    dead.filter(is_dead)
        .map(|path| Violation::new(path, 1, advice))
        .collect()
}

/// Every `handle_*` method that `handler.rs` declares is called by another file of the library.
pub fn uncalled_handler_methods(workspace: &Workspace) -> Vec<Violation> {
    let Some(handler) = workspace
        .file(HANDLER)
        .and_then(|file| file.source.as_ref())
    else {
        return vec![Violation::new(
            HANDLER,
            1,
            "is missing: the traits of handlers live there",
        )];
    };
    let is_called = |name: &str| {
        let library = workspace
            .sources()
            .filter(|(path, _)| path.starts_with(LIBRARY));
        let others =
            library.filter(|(path, _)| *path != HANDLER && workspace.is_program_text(path));
        let mut lines = others.flat_map(|(_, source)| source.program_lines());
        lines.any(|(_, code)| {
            code.contains(&format!(".{name}(")) || code.contains(&format!("::{name}("))
        })
    };
    let methods = handler
        .functions
        .iter()
        .filter(|function| function.is_declared_by_trait);
    methods
        .filter(|method| method.name.starts_with("handle_") && !is_called(&method.name))
        .map(|method| {
            let advice = format!(
                "nothing in the library calls `{}`: call it, or remove it",
                method.name
            );
            Violation::new(HANDLER, *method.lines.start(), advice)
        })
        .collect()
}

/// Every public case of the suite, a `pub fn name(world: &mut World ..)`, is named by another line
/// of the tests, as it is by the list that runs it.
pub fn unlisted_cases(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, source) in workspace
        .sources()
        .filter(|(path, _)| is_in(path, &[SUITE]))
    {
        for case in source
            .functions
            .iter()
            .filter(|case| case.is_public && case.takes_a_world)
        {
            let is_named = |(other, source): (&str, &Source)| {
                let mut lines = source.code_lines();
                lines.any(|(line, code)| {
                    holds(code, &case.name) && (other != path || line != *case.lines.start())
                })
            };
            if !workspace
                .sources()
                .filter(|(other, _)| other.starts_with(TESTS))
                .any(is_named)
            {
                let advice = format!(
                    "the case `{}` never runs: add it to the suite's list",
                    case.name
                );
                violations.push(Violation::new(path, *case.lines.start(), advice));
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
    fn an_overlong_function_is_found_and_a_giant_only_shrinks() {
        let fitting = format!("fn f() {{\n{}}}\n", "\n".repeat(LONG - 2));
        let long = format!("#[inline]\nfn f() {{\n{}}}\n", "\n".repeat(LONG - 1));
        let with = |lines: Option<usize>, text: &str| {
            let giants = lines.map(|lines| Giant {
                path: SOURCE,
                function: "f",
                lines,
            });
            let giants: Vec<Giant> = giants.into_iter().collect();
            found(
                |workspace| overlong_functions(workspace, &giants),
                &[(SOURCE, text)],
            )
        };
        assert!(with(None, &fitting).is_empty());
        assert_eq!(with(None, &long), [format!("{SOURCE}:2")]);
        assert!(with(Some(LONG + 1), &long).is_empty());
        assert_eq!(
            with(Some(LONG + 2), &long),
            [format!("{SOURCE}:2")],
            "shrunk, not lowered"
        );
        assert_eq!(
            with(Some(LONG + 1), &(long.replace('}', "\n}"))),
            [format!("{SOURCE}:2")],
            "grown"
        );
        assert_eq!(
            with(Some(LONG + 1), "fn g() {}\n"),
            [format!("{SOURCE}:1")],
            "gone"
        );
    }

    #[test]
    fn an_overlong_method_is_found() {
        let body = "\n".repeat(LONG);
        for text in [
            format!("impl A {{\nfn f() {{\n{body}}}\n}}\n"),
            format!("trait A {{\nfn f() {{\n{body}}}\n}}\n"),
            format!("mod a {{\nfn f() {{\n{body}}}\n}}\n"),
        ] {
            let rule = |workspace: &Workspace| overlong_functions(workspace, &[]);
            assert_eq!(found(rule, &[(SOURCE, &text)]), [format!("{SOURCE}:2")]);
        }
    }

    #[test]
    fn a_file_that_nothing_declares_is_found() {
        let files = [
            (
                "crates/a/src/lib.rs",
                "mod driver;\nmod inline {\n    mod deep;\n}\n",
            ),
            ("crates/a/src/driver/mod.rs", "#[cfg(unix)]\nmod uring;\n"),
            ("crates/a/src/driver/uring.rs", "mod errno;\n"),
            ("crates/a/src/driver/uring/errno.rs", ""),
            ("crates/a/src/inline/deep.rs", ""),
            ("crates/a/src/errno.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            (
                "crates/a/tests/all.rs",
                "list! { mod suite; }\n#[path = \"rules/../more.in.rs\"]\nmod more;\n",
            ),
            ("crates/a/tests/suite/mod.rs", ""),
            ("crates/a/tests/suite/lost.rs", ""),
            ("crates/a/examples/echo.rs", ""),
        ];
        assert_eq!(
            found(dead_files, &files),
            ["crates/a/src/errno.rs:1", "crates/a/tests/suite/lost.rs:1"]
        );
    }

    #[test]
    fn an_uncalled_handler_method_is_found() {
        let handler = "pub trait Handler {\n    fn handle_read(&mut self) {}\n    fn handle_eof(&mut self);\n}\n\
                       impl Handler for () {\n    fn handle_eof(&mut self) { self.handle_eof() }\n}\n";
        let caller = "fn f(h: &mut H) {\n    h.handle_read(); // h.handle_eof()\n}\n";
        let files = [
            (HANDLER, handler),
            ("crates/switchboard/src/reactor.rs", caller),
        ];
        assert_eq!(
            found(uncalled_handler_methods, &files),
            [format!("{HANDLER}:3")]
        );
        assert_eq!(
            found(uncalled_handler_methods, &[]),
            [format!("{HANDLER}:1")]
        );
    }

    #[test]
    fn an_unlisted_case_is_found() {
        let close = "crates/switchboard/tests/suite/close.rs";
        let cases = "pub fn twice(world: &mut World) {}\npub fn once(world: &mut World) {}\n\
                     pub fn fixture(size: usize) {}\nfn inner(world: &mut World) {}\n";
        let list = "suite! { close::twice }\n";
        let files = [
            (close, cases),
            ("crates/switchboard/tests/suite/mod.rs", list),
        ];
        assert_eq!(found(unlisted_cases, &files), [format!("{close}:2")]);
    }
}
