//! `kill -9` at any moment.

use crate::batches::{Directory, check, next, open, there};
use crate::child::{Storing, command};
use crate::factor;

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let directory = Directory::new();
    let mut all = Vec::new();
    let mut dice = fastrand::Rng::with_seed(1);
    let mut stopped_in_a_commit = 0;
    for _ in 0..200 * factor() {
        let before = all.last().copied().unwrap_or(0);
        let mut child = Storing::start(command(&[], directory.path(), u64::MAX / 2));
        let mut acknowledged = Vec::new();
        // The moment of its death is somewhere after one of its first batches, or before.
        for _ in 0..dice.u32(0..12) {
            acknowledged.push(child.stored().expect("it goes on"));
        }
        for _ in 0..dice.u32(0..20_000) {
            std::hint::spin_loop();
        }
        child.kill();
        // What it said before it was killed is in the pipe.
        acknowledged.extend(std::iter::from_fn(|| child.stored()));
        drop(child);
        let mut store = open(directory.path()).unwrap();
        check(&store, &acknowledged, before);
        let last = next(&mut store) - 1;
        stopped_in_a_commit += usize::from(acknowledged.last().copied().unwrap_or(before) != last);
        all.extend(before + 1..=last);
    }
    let store = open(directory.path()).unwrap();
    assert_eq!(there(&store, 0), all);
    println!("{stopped_in_a_commit} had stored one that they did not come to acknowledge");
}
