//! A log that ends anywhere.

use std::fs;

use switchboard_chat::store::Store;

use crate::batches::{Directory, check, open, writes};
use crate::factor;

#[test]
fn a_log_that_is_cut_at_any_byte_holds_what_was_synced_until_there() {
    let directory = Directory::new();
    let mut store = open(directory.path()).unwrap();
    let log = directory.path().join("switchboard.db-wal");
    // How long the log was when each batch was acknowledged.
    let mut lengths = Vec::new();
    for batch in 1..=12 {
        let writes = writes(&mut store, batch);
        store.commit(&writes).unwrap();
        lengths.push(fs::metadata(&log).unwrap().len() as usize);
    }
    let database = fs::read(directory.path().join("switchboard.db")).unwrap();
    let log = fs::read(&log).unwrap();
    let mut dice = fastrand::Rng::with_seed(2);
    let ends = lengths.iter().flat_map(|end| [end - 1, *end, end + 1]);
    let anywhere = (0..150 * factor()).map(|_| dice.usize(0..=log.len()));
    let cuts: Vec<usize> = ends.chain(anywhere).collect();
    for cut in cuts {
        let mut torn = log[..cut.min(log.len())].to_vec();
        // Behind the cut: the end of the file, or what the disk held there before.
        match dice.u8(0..3) {
            0 => {}
            1 => torn.resize(cut.next_multiple_of(4096), 0),
            _ => torn.extend((0..600).map(|_| dice.u8(..))),
        }
        let copy = Directory::new();
        fs::write(copy.path().join("switchboard.db"), &database).unwrap();
        fs::write(copy.path().join("switchboard.db-wal"), torn).unwrap();
        let store = open(copy.path()).unwrap();
        let whole = (1..).zip(&lengths).filter(|(_, end)| **end <= cut);
        let whole: Vec<u64> = whole.map(|(batch, _)| batch).collect();
        check(&store, &whole, 0);
    }
}
