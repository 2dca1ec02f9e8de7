//! How likely the swarm finds a bug: in how many seeds it fails, for the bugs of `tests/planted/`.
//! It must never change the tree that it is in: `tests/planted/run` makes copies.

use std::path::Path;
use std::process::Command;

use switchboard::sim::Swarm;
use switchboard::{Error, Result};

use crate::world;

/// Says in how many seeds the swarm fails: in none, in a tree without a bug. `tests/planted/run`
/// reads what it prints; otherwise it only looks at a few.
#[test]
fn survey() {
    let asked: Option<u64> = std::env::var("SWITCHBOARD_SURVEY")
        .ok()
        .map(|seeds| seeds.parse().expect("SWITCHBOARD_SURVEY is a number"));
    let swarm = Swarm::new("survey").seeds(asked.unwrap_or(3));
    let failed = swarm.survey(world::chat);
    let first = failed.first().map_or("-".to_owned(), u64::to_string);
    println!("survey {} {first}", failed.len());
    assert!(asked.is_some() || failed.is_empty(), "{failed:?}");
}

/// A patch that does not apply any more plants nothing.
#[test]
fn every_planted_bug_can_still_be_planted() -> Result {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut patches = 0;
    for entry in tree.join("crates/chat/tests/planted").read_dir()? {
        let patch = entry?.path();
        if patch
            .extension()
            .is_none_or(|extension| extension != "patch")
        {
            continue;
        }
        patches += 1;
        let check = Command::new("git")
            .args(["apply", "--check"])
            .arg(&patch)
            .current_dir(&tree)
            .output();
        let Ok(check) = check else {
            println!("not checked: there is no git");
            return Ok(());
        };
        if !check.status.success() {
            let text = String::from_utf8_lossy(&check.stderr);
            let text = format!("{} does not apply: {text}", patch.display());
            return Err(Error::other(text));
        }
    }
    assert!(patches >= 10, "{patches} bugs are planted");
    Ok(())
}
