//! Rules between the code and what is written beside it: manifests and `ARCHITECTURE.md`.
//!
//! They must never judge prose, only that what it names is what is there.

use toml::{Table, Value};

use crate::workspace::{Violation, Workspace};

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const MANIFEST: &str = "Cargo.toml";
const REACTOR: &str = "crates/switchboard/src/reactor.rs";
/// The steps of a tick, each numbered by a comment `// 1.` .. `// 6.` in the code.
const STEPS: usize = 6;

/// The workspace denies `unsafe`, and every member inherits its lints.
pub fn lints_not_inherited(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, manifest) in manifests(workspace) {
        if path == MANIFEST {
            let level = at(&manifest, &["workspace", "lints", "rust", "unsafe_code"]);
            if !matches!(level.and_then(Value::as_str), Some("deny" | "forbid")) {
                let advice = "set `unsafe_code = \"deny\"` under `[workspace.lints.rust]`";
                violations.push(Violation::new(path, 1, advice));
            }
        } else if at(&manifest, &["lints", "workspace"]).and_then(Value::as_bool) != Some(true) {
            let advice = "add `[lints]` with `workspace = true`, so that the house lints hold here";
            violations.push(Violation::new(path, 1, advice));
        }
    }
    violations
}

/// Every dependency of a crate stands in `ARCHITECTURE.md`, in backticks, where its reason is given.
/// Members of the workspace, crates that are never published, and what only tests use are free.
pub fn unexplained_dependencies(workspace: &Workspace) -> Vec<Violation> {
    let architecture = workspace
        .file(ARCHITECTURE)
        .map_or("", |file| file.text.as_str());
    let members: Vec<String> = manifests(workspace)
        .filter_map(|(_, manifest)| Some(at(&manifest, &["package", "name"])?.as_str()?.to_owned()))
        .collect();
    let mut violations = Vec::new();
    for (path, manifest) in manifests(workspace).filter(|(path, _)| path.starts_with("crates/")) {
        let is_published = at(&manifest, &["package", "publish"]) != Some(&Value::Boolean(false));
        for name in dependencies(&manifest).iter().filter(|_| is_published) {
            let is_explained = architecture.contains(&format!("`{name}`"));
            if !is_explained && !members.contains(name) {
                let text = workspace.file(path).map_or("", |file| &file.text);
                let advice = format!("`{name}` is not in {ARCHITECTURE}: give its reason there");
                violations.push(Violation::new(path, line_of(text, name), advice));
            }
        }
    }
    violations
}

/// `ARCHITECTURE.md` shows the tick as it stands in `reactor.rs`, but for white space.
///
/// The tick is the lines of `fn tick` from the one with the comment `// 1.` to the one with `// 6.`.
pub fn tick_drift(workspace: &Workspace) -> Vec<Violation> {
    let Some(file) = workspace.file(REACTOR) else {
        return vec![Violation::new(
            REACTOR,
            1,
            "is missing: `fn tick` lives there",
        )];
    };
    let source = file.source.as_ref();
    let Some(tick) = source.and_then(|source| source.functions.iter().find(|f| f.name == "tick"))
    else {
        return vec![Violation::new(REACTOR, 1, "has no `fn tick`")];
    };
    let (start, end) = (*tick.lines.start(), *tick.lines.end());
    let lines: Vec<&str> = file.text.lines().take(end).skip(start - 1).collect();
    let Some(steps) = numbered(&lines) else {
        let advice =
            format!("number the steps of `tick` in order with comments `// 1.` to `// {STEPS}.`");
        return vec![Violation::new(REACTOR, start, advice)];
    };
    let architecture = workspace
        .file(ARCHITECTURE)
        .map_or("", |file| file.text.as_str());
    if rust_blocks(architecture)
        .iter()
        .any(|block| squeeze(block).contains(&steps))
    {
        return Vec::new();
    }
    let advice = format!("no ```rust block shows the steps of `tick` as they are: {steps}");
    vec![Violation::new(
        ARCHITECTURE,
        line_of(architecture, "fn tick"),
        advice,
    )]
}

/// The text from step 1 to the last one, squeezed, if all are there once and in order.
fn numbered(lines: &[&str]) -> Option<String> {
    let number_of = |line: &&str| {
        let (_, comment) = line.split_once("// ")?;
        comment.split_once('.')?.0.parse::<usize>().ok()
    };
    let numbers: Vec<usize> = lines.iter().filter_map(number_of).collect();
    if numbers != (1..=STEPS).collect::<Vec<_>>() {
        return None;
    }
    let first = lines.iter().position(|line| number_of(line).is_some())?;
    let mut last = lines.iter().rposition(|line| number_of(line).is_some())?;
    if lines[last].trim().starts_with("//") {
        last += 1;
    }
    Some(squeeze(&lines[first..=last].join("\n")))
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn rust_blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in markdown.lines() {
        let fence = line.trim().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => *block = format!("{block}{line}\n"),
            (None, Some(language)) if language.starts_with("rust") => open = Some(String::new()),
            (None, _) => {}
        }
    }
    blocks
}

/// Every manifest that parses; Cargo itself complains of one that does not.
fn manifests(workspace: &Workspace) -> impl Iterator<Item = (&str, Table)> {
    let named = workspace
        .files()
        .filter(|(path, _)| *path == MANIFEST || path.ends_with(&format!("/{MANIFEST}")));
    named.filter_map(|(path, file)| Some((path, file.text.parse().ok()?)))
}

fn at<'table>(table: &'table Table, keys: &[&str]) -> Option<&'table Value> {
    let (last, tables) = keys.split_last()?;
    tables
        .iter()
        .try_fold(table, |table, key| table.get(*key)?.as_table())?
        .get(*last)
}

/// What the crate itself is built with, on any platform.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut tables = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let kinds = ["dependencies", "build-dependencies"];
    let listed = tables
        .iter()
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)));
    listed
        .filter_map(Value::as_table)
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// The first line that holds `word`, or the first of all.
fn line_of(text: &str, word: &str) -> usize {
    text.lines()
        .position(|line| line.contains(word))
        .map_or(1, |index| index + 1)
}

mod tests {
    use super::*;
    use crate::workspace::found;

    const CRATE: &str = "crates/switchboard/Cargo.toml";

    #[test]
    fn missing_lints_are_found() {
        let good = "[workspace.lints.rust]\nunsafe_code = \"deny\"\n";
        let member = "[lints]\nworkspace = true\n";
        assert!(found(lints_not_inherited, &[(MANIFEST, good), (CRATE, member)]).is_empty());
        assert_eq!(
            found(
                lints_not_inherited,
                &[(MANIFEST, "[workspace]\n"), (CRATE, "[package]\n")]
            ),
            ["Cargo.toml:1".to_owned(), format!("{CRATE}:1")]
        );
    }

    #[test]
    fn an_unexplained_dependency_is_found() {
        let manifest = "[package]\nname = \"switchboard\"\n[dependencies]\nbytes = \"1\"\nmio = \"1\"\n\
                        [target.'cfg(unix)'.dependencies]\nrustix = \"1\"\n[dev-dependencies]\nsyn = \"3\"\n";
        let chat = "[dependencies]\nswitchboard = { path = \"../switchboard\" }\n";
        let private = "[package]\npublish = false\n[dependencies]\nlibtest-mimic = \"0.8\"\n";
        let files = [
            (CRATE, manifest),
            ("crates/chat/Cargo.toml", chat),
            ("crates/partners/Cargo.toml", private),
            (ARCHITECTURE, "- `mio`: readiness\n- bytes\n"),
        ];
        assert_eq!(
            found(unexplained_dependencies, &files),
            [format!("{CRATE}:4"), format!("{CRATE}:7")]
        );
    }

    fn ticking(architecture: &str) -> Vec<String> {
        let reactor = "impl R {\n    fn tick(&mut self) {\n        self.wait(); // 1. sleeps\n        \
                       while self.next() {\n            // 2. lends\n            g();\n        }\n        \
                       a(); // 3. timers\n        b(); // 4.\n        c(); // 5.\n        // 6. last\n        d();\n    }\n}\n";
        found(
            tick_drift,
            &[(REACTOR, reactor), (ARCHITECTURE, architecture)],
        )
    }

    #[test]
    fn a_tick_that_drifted_is_found() {
        let shown = "# Tick\n```rust\nself.wait(); // 1. sleeps\nwhile self.next() {\n  // 2. lends\n  g();\n}\n\
                     a(); // 3. timers\nb(); // 4.\nc(); // 5.\n// 6. last\nd();\n```\n";
        assert!(ticking(shown).is_empty());
        assert_eq!(
            ticking(&shown.replace("d();", "e();")),
            ["ARCHITECTURE.md:1"]
        );
        assert_eq!(
            ticking(&shown.replace("```rust", "```text")),
            ["ARCHITECTURE.md:1"]
        );
        assert_eq!(ticking(""), ["ARCHITECTURE.md:1"]);
    }

    #[test]
    fn a_tick_without_its_numbers_is_found() {
        let text = "fn tick() {\n    a(); // 1. sleeps\n    b(); // 3. timers\n}\n";
        assert_eq!(
            found(tick_drift, &[(REACTOR, text)]),
            [format!("{REACTOR}:1")]
        );
        assert_eq!(
            found(tick_drift, &[(REACTOR, "fn turn() {}\n")]),
            [format!("{REACTOR}:1")]
        );
        assert_eq!(found(tick_drift, &[]), [format!("{REACTOR}:1")]);
    }
}
