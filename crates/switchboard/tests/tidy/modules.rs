//! Where the language looks for the file of a module that another file declares.
//!
//! This file must never ask whether a file is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Module, Source};

/// The files that the modules declared in `path` may be in, for those that are meant.
pub fn declared_files(
    path: &str,
    source: &Source,
    is_meant: impl Fn(&Module) -> bool,
) -> Vec<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.trim_end_matches(".rs");
    let children = if is_root(path) || name == "mod.rs" {
        directory.to_owned()
    } else {
        format!("{directory}/{stem}")
    };
    let mut files = Vec::new();
    let in_files = source.modules.iter().filter(|module| !module.is_inline);
    for module in in_files.filter(|module| is_meant(module)) {
        if let Some(given) = &module.path {
            files.push(normal(&format!("{directory}/{given}")));
            continue;
        }
        let mut place = children.clone();
        for outer in &module.inside {
            place = format!("{place}/{outer}");
        }
        files.push(format!("{place}/{}.rs", module.name));
        files.push(format!("{place}/{}/mod.rs", module.name));
    }
    files
}

/// Resolves the `..` of a path given in an attribute.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether Cargo takes `path` for the root of a crate without being told.
pub fn is_root(path: &str) -> bool {
    match path.rsplit('/').collect::<Vec<_>>()[..] {
        ["build.rs", package, ..] => package != "src",
        ["lib.rs" | "main.rs", "src", ..] => true,
        [_, "bin", "src", ..] | ["main.rs", _, "bin", "src", ..] => true,
        [_, "tests" | "examples" | "benches", ..] => true,
        ["main.rs", _, "tests" | "examples" | "benches", ..] => true,
        _ => false,
    }
}

/// The files that are compiled for tests only, since every declaration on the way to them is.
pub fn test_files<'a>(sources: impl Iterator<Item = (&'a str, &'a Source)>) -> BTreeSet<String> {
    let sources: BTreeMap<&str, &Source> = sources.collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = sources
        .iter()
        .flat_map(|(path, source)| declared_files(path, source, |module| module.is_for_tests))
        .collect();
    while let Some(path) = open.pop() {
        if let Some(source) = sources.get(path.as_str()) {
            open.extend(declared_files(&path, source, |module| !module.is_for_tests));
            found.insert(path);
        }
    }
    found
}
