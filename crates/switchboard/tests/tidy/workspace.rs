//! The files that the rules look at, and the shape of what they find.
//!
//! Files come from the disk or, in the tests of the rules, from a list in memory. This file must
//! never judge what it has read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use crate::modules;
use crate::source::Source;

/// Directories that hold sources of ours. Everything else at the top is read by name.
const TREES: &[&str] = &["bench", "crates"];
/// Files at the top that rules ask for.
const TOP_FILES: &[&str] = &[".ci/run", "ARCHITECTURE.md", "Cargo.toml", "README.md"];
/// What a file's name ends in for a rule to be interested.
const EXTENSIONS: &[&str] = &["c", "js", "py", "rs", "sh", "toml"];
/// Directories inside [`TREES`] that hold what was built or downloaded.
const FOREIGN: &[&str] = &["node_modules", "target", "venv"];

/// All files of interest, by their path from the top of the workspace, with `/` between the parts.
pub struct Workspace {
    files: BTreeMap<String, File>,
    /// The files under `src` that are compiled for tests only.
    tests: BTreeSet<String>,
}

/// One file: its text, and what is known of it when it is Rust.
pub struct File {
    pub text: String,
    /// `None` for what is not Rust, and for Rust that does not parse.
    pub source: Option<Source>,
}

impl Workspace {
    /// Reads the workspace at `root`, following no hidden directories.
    pub fn read(root: &Path) -> Self {
        let mut paths = Vec::new();
        for tree in TREES {
            walk(root, tree, &mut paths);
        }
        paths.extend(TOP_FILES.iter().map(|path| path.to_string()));
        let files = paths.into_iter().filter_map(|path| {
            // A file that another program removes meanwhile, or that is not there yet: the rules
            // that need it ask for it by name.
            let text = fs::read_to_string(root.join(&path)).ok()?;
            Some((path, text))
        });
        Self::from_texts(files)
    }

    /// A workspace of a few files in memory.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self::from_texts(
            files
                .iter()
                .map(|(path, text)| (path.to_string(), text.to_string())),
        )
    }

    fn from_texts(files: impl Iterator<Item = (String, String)>) -> Self {
        let file = |path: &str, text: String| {
            let is_rust = path.ends_with(".rs");
            let source = is_rust.then(|| Source::parse(&text).ok()).flatten();
            File { text, source }
        };
        let files: BTreeMap<String, File> = files
            .map(|(path, text)| (path.clone(), file(&path, text)))
            .collect();
        let tests = modules::test_files(sources(&files));
        Self { files, tests }
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Every file, in the order of the paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Every Rust file that parses.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        sources(&self.files)
    }

    /// Whether `path` is part of a library or program, as `crates/NAME/src/..` is and the files
    /// there that only tests have are not.
    pub fn is_program_text(&self, path: &str) -> bool {
        path.ends_with(".rs") && path.contains("/src/") && !self.tests.contains(path)
    }
}

fn sources(files: &BTreeMap<String, File>) -> impl Iterator<Item = (&str, &Source)> {
    files
        .iter()
        .filter_map(|(path, file)| Some((path.as_str(), file.source.as_ref()?)))
}

fn walk(root: &Path, directory: &str, paths: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root.join(directory)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{directory}/{name}");
        if name.starts_with('.') || FOREIGN.contains(&name.as_str()) {
            continue;
        }
        if entry.path().is_dir() {
            walk(root, &path, paths);
        } else if EXTENSIONS
            .iter()
            .any(|extension| name.ends_with(&format!(".{extension}")))
        {
            paths.push(path);
        }
    }
}

/// Whether `path` is one of `rooms`: a path, or a directory when it ends in `/`.
pub fn is_in(path: &str, rooms: &[&str]) -> bool {
    rooms
        .iter()
        .any(|room| path == *room || (room.ends_with('/') && path.starts_with(room)))
}

/// A place that breaks a rule.
pub struct Violation {
    path: String,
    line: usize,
    advice: String,
}

impl Violation {
    /// `line` counts from 1; `advice` says what is wrong and what to do instead.
    pub fn new(path: &str, line: usize, advice: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.advice)
    }
}

/// What a rule finds in a few files in memory, as `path:line` (for the tests of the rules).
pub fn found(rule: impl Fn(&Workspace) -> Vec<Violation>, files: &[(&str, &str)]) -> Vec<String> {
    let place = |violation: &Violation| format!("{}:{}", violation.path, violation.line);
    rule(&Workspace::of(files)).iter().map(place).collect()
}
