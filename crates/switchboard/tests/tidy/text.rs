//! Rules on what a reader reads first: heads, lengths, names, and words that must never stay.
//!
//! This file must never need to know what the code does.

use crate::source::{Source, holds};
use crate::workspace::{File, Violation, Workspace};

/// A file longer than this gives its reason at the top.
const LONG: usize = 500;
/// A `mod.rs` shorter than this only lists its parts, which needs no limits.
const MERE_LIST: usize = 30;
/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils"];

/// Words that must not stay in any file, comments included, and what to do instead. Each is cut in
/// two here, so that this file keeps its own rule.
const BANNED: &[(&str, &str)] = &[
    (
        concat!("thread", "::sleep"),
        "wait for the event itself, or let virtual time pass",
    ),
    (
        concat!("time", ".sleep("),
        "wait for the event itself, or let virtual time pass",
    ),
    (concat!("todo", "!("), "write it, or leave it out"),
    (
        concat!("unimplemented", "!("),
        "write it, or return an error that says what to do",
    ),
    (concat!("TO", "DO"), "do it, or file an issue"),
    (concat!("FIX", "ME"), "mend it, or file an issue"),
    (
        concat!("XX", "X"),
        "mend it, or say plainly what a reader has to know",
    ),
    (
        concat!("HA", "CK"),
        "mend it, or say plainly why it has to be so",
    ),
    (concat!("dbg", "!("), "use a tracing event, or remove it"),
    (
        concat!("#[ign", "ore"),
        "let the test run; one without its partner belongs to `partners`",
    ),
    (concat!("allow(dead", "_code"), "remove what nobody calls"),
    (concat!("expect(dead", "_code"), "remove what nobody calls"),
];

/// Every Rust file parses; the other rules do not look at one that does not.
pub fn not_understood(workspace: &Workspace) -> Vec<Violation> {
    let rust = workspace.files().filter(|(path, _)| path.ends_with(".rs"));
    let broken = rust.filter_map(|(path, file)| Some((path, Source::parse(&file.text).err()?)));
    broken
        .map(|(path, error)| {
            let line = error.span().start().line;
            Violation::new(path, line, format!("is not understood, mend it: {error}"))
        })
        .collect()
}

/// Every Rust file starts with a `//!` comment.
pub fn heads_missing(workspace: &Workspace) -> Vec<Violation> {
    let rust = workspace.files().filter(|(path, _)| path.ends_with(".rs"));
    let headless = rust.filter(|(_, file)| head(file).is_empty());
    let advice = "starts without a `//!` line, say there which idea the file owns";
    headless
        .map(|(path, _)| Violation::new(path, 1, advice))
        .collect()
}

/// Every file of a library or program in `crates/` says in its head what it must never do. A front
/// page (`lib.rs`, `main.rs`) and a `mod.rs` that only lists its parts have nothing to keep.
pub fn limits_missing(workspace: &Workspace) -> Vec<Violation> {
    let owes_limits = |path: &str, file: &File| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_list = name == "mod.rs" && file.text.lines().count() < MERE_LIST;
        path.starts_with("crates/")
            && workspace.is_program_text(path)
            && !matches!(name, "lib.rs" | "main.rs")
            && !is_list
    };
    let says_never = |file: &File| head(file).iter().any(|line| holds(line, "never"));
    workspace
        .files()
        .filter(|(path, file)| owes_limits(path, file) && !says_never(file))
        .map(|(path, _)| {
            Violation::new(
                path,
                1,
                "add a sentence `It must never ..` to the first `//!` comment",
            )
        })
        .collect()
}

/// A file of more than 500 lines has a line `//! Length: ..` in its head that gives the reason.
pub fn long_without_reason(workspace: &Workspace) -> Vec<Violation> {
    let gives_reason = |line: &&str| {
        line.strip_prefix("//! Length:")
            .is_some_and(|reason| !reason.trim().is_empty())
    };
    let rust = workspace.files().filter(|(path, _)| path.ends_with(".rs"));
    let long = rust.filter_map(|(path, file)| {
        let lines = file.text.lines().count();
        (lines > LONG && !head(file).iter().any(gives_reason)).then_some((path, lines))
    });
    long.map(|(path, lines)| {
        let advice = format!(
            "has {lines} lines, more than {LONG}: split it by what it owns, or give the reason in \
             a line `//! Length: ..` of its first comment"
        );
        Violation::new(path, 1, advice)
    })
    .collect()
}

/// No file, directory or inline module is called by a name under which anything could lie.
pub fn empty_names(workspace: &Workspace) -> Vec<Violation> {
    let advice = |name: &str| format!("`{name}` says nothing, name the idea that it owns");
    let mut violations = Vec::new();
    for (path, source) in workspace.sources() {
        for name in path.trim_end_matches(".rs").split('/') {
            if EMPTY_NAMES.contains(&name) {
                violations.push(Violation::new(path, 1, advice(name)));
            }
        }
        for module in source.modules.iter().filter(|module| module.is_inline) {
            if EMPTY_NAMES.contains(&module.name.as_str()) {
                violations.push(Violation::new(path, module.line, advice(&module.name)));
            }
        }
    }
    violations
}

/// No banned word stands in any file, in code or comment.
pub fn banned_words(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, file) in workspace.files() {
        for (index, line) in file.text.lines().enumerate() {
            for (word, instead) in BANNED.iter().filter(|(word, _)| holds(line, word)) {
                violations.push(Violation::new(
                    path,
                    index + 1,
                    format!("`{word}`: {instead}"),
                ));
            }
        }
    }
    violations
}

/// A lint on what is not used is silenced only with a `reason = ".."` on the same line.
pub fn unreasoned_leftovers(workspace: &Workspace) -> Vec<Violation> {
    let advice = "remove what is not used, or give a `reason = \"..\"` on this line";
    let silences = |line: &str| line.contains("allow(unused") || line.contains("expect(unused");
    let mut violations = Vec::new();
    for (path, source) in workspace.sources() {
        let leftovers = source.code_lines().filter(|(_, code)| silences(code));
        for (line, _) in leftovers.filter(|(_, code)| !holds(code, "reason")) {
            violations.push(Violation::new(path, line, advice));
        }
    }
    violations
}

/// The lines of the `//!` comment that the file starts with.
fn head(file: &File) -> Vec<&str> {
    file.text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect()
}

mod tests {
    use super::*;
    use crate::workspace::found;

    const SOURCE: &str = "crates/switchboard/src/outbox.rs";

    #[test]
    fn a_file_that_does_not_parse_is_found() {
        assert_eq!(
            found(not_understood, &[(SOURCE, "fn f( {")]),
            [format!("{SOURCE}:1")]
        );
        assert!(found(not_understood, &[(SOURCE, "fn f() {}")]).is_empty());
    }

    #[test]
    fn a_missing_head_is_found() {
        assert_eq!(
            found(heads_missing, &[(SOURCE, "use a::B;\n")]),
            [format!("{SOURCE}:1")]
        );
        assert!(found(heads_missing, &[(SOURCE, "//! Owns bytes.\nuse a::B;\n")]).is_empty());
    }

    #[test]
    fn missing_limits_are_found() {
        let silent = "//! Owns bytes.\n\n// It must never matter here.\n";
        assert_eq!(
            found(limits_missing, &[(SOURCE, silent)]),
            [format!("{SOURCE}:1")]
        );
        let limited = "//! Owns bytes. It must\n//! never look at a descriptor.\n";
        assert!(found(limits_missing, &[(SOURCE, limited)]).is_empty());
        let list = "crates/switchboard/src/net/mod.rs";
        assert!(found(limits_missing, &[(list, silent)]).is_empty());
        assert_eq!(
            found(
                limits_missing,
                &[(list, &(silent.to_owned() + &"\n".repeat(30)))]
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_long_file_without_a_reason_is_found() {
        let body = "\n".repeat(LONG);
        let long = format!("//! Owns bytes.\n{body}");
        assert_eq!(
            found(long_without_reason, &[(SOURCE, &long)]),
            [format!("{SOURCE}:1")]
        );
        let reasoned = format!("//! Owns bytes.\n//!\n//! Length: one table, seen whole.\n{body}");
        assert!(found(long_without_reason, &[(SOURCE, &reasoned)]).is_empty());
        let pretended = format!("//! Owns bytes.\n//! Length:\n{body}");
        assert_eq!(found(long_without_reason, &[(SOURCE, &pretended)]).len(), 1);
    }

    #[test]
    fn an_empty_name_is_found() {
        let inline = "mod outbox;\nmod common {}\n";
        assert_eq!(
            found(empty_names, &[(SOURCE, inline)]),
            [format!("{SOURCE}:2")]
        );
        for path in ["crates/chat/src/util.rs", "crates/chat/tests/common/mod.rs"] {
            assert_eq!(found(empty_names, &[(path, "")]), [format!("{path}:1")]);
        }
        assert!(found(empty_names, &[("crates/chat/src/utility_bill.rs", "")]).is_empty());
    }

    #[test]
    fn each_banned_word_is_found() {
        for (word, _) in BANNED {
            let text = format!("fn f() {{}}\n// {word}\n");
            assert_eq!(
                found(banned_words, &[(SOURCE, &text)]),
                [format!("{SOURCE}:2")],
                "{word}"
            );
        }
        assert!(found(banned_words, &[("bench/run.sh", "mktemp /tmp/XXXXXX\n")]).is_empty());
    }

    #[test]
    fn an_unreasoned_leftover_is_found() {
        let bare = "#[expect(unused_variables)]\nfn f(a: u8) {}\n";
        assert_eq!(
            found(unreasoned_leftovers, &[(SOURCE, bare)]),
            [format!("{SOURCE}:1")]
        );
        let reasoned = "#[expect(unused_variables, reason = \"for the docs\")]\nfn f(a: u8) {}\n";
        assert!(found(unreasoned_leftovers, &[(SOURCE, reasoned)]).is_empty());
    }
}
