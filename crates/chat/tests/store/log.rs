//! The store on a simulated disk: what of it survives crashes and faults.

use std::sync::Arc;

use switchboard::sim::{Disk, Fault, Faults, Simulation};
use switchboard_chat::chat::command::Kind;
use switchboard_chat::chat::event::{Message, Place};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::log::LogStore;
use switchboard_chat::store::query::{Answer, Query, Span};
use switchboard_chat::store::record::Write;
use switchboard_chat::store::retention::Retention;
use switchboard_chat::store::{Archive, Store, StoreError};

use crate::world::{identity, room};

/// Messages of one batch say its number.
const BATCH: u64 = 3;

fn batch(number: u64) -> Vec<Write> {
    let message = |index| {
        Write::Message(Arc::new(Message {
            msgid: Msgid {
                database: 1,
                sequence: number * BATCH + index + 1,
            },
            unix_ms: number,
            place: Place::Room("#a".into()),
            from: identity("ann", None),
            kind: Kind::Message,
            text: number.to_string().into(),
            tags: Vec::new(),
            redacted: None,
        }))
    };
    (0..BATCH).map(message).collect()
}

fn open(disk: &Disk) -> LogStore {
    LogStore::open(disk, 1, Retention::default()).unwrap()
}

/// The numbers of the batches that are there, each of them whole.
fn there(store: &LogStore) -> Vec<u64> {
    let query = Query::History {
        conversation: room("#a"),
        span: Span::Latest(None),
        limit: usize::MAX,
        happenings: false,
    };
    let Ok(Answer::Entries(entries)) = store.archive().ask(&query) else {
        panic!("no history");
    };
    let numbers: Vec<u64> = entries
        .iter()
        .map(|entry| (entry.place().sequence - 1) / BATCH)
        .collect();
    let whole = numbers.chunks(BATCH as usize);
    let whole = whole.map(|batch| {
        assert_eq!(batch, [batch[0]; BATCH as usize], "a part of a batch");
        batch[0]
    });
    whole.collect()
}

fn faults(rate: f64) -> Faults {
    Faults::none()
        .with(Fault::DiskError, rate)
        .with(Fault::DiskFull, rate / 2.0)
}

#[test]
fn what_was_acknowledged_survives_any_crash() {
    let (mut failed, mut full, mut risen) = (0, 0, 0);
    for seed in 0..150 {
        let mut sim = Simulation::new(seed);
        let disk = sim.disk("server");
        let host = sim.host("server", || (), |_| Ok(())).unwrap();
        let (mut acknowledged, mut number) = (Vec::new(), 0);
        for life in 0..4 {
            let mut store = open(&disk);
            let found = there(&store);
            let more: Vec<_> = found
                .iter()
                .filter(|it| !acknowledged.contains(*it))
                .collect();
            assert!(more.len() <= life, "only the last batch of a life can rise");
            risen += more.len();
            let kept = found.iter().filter(|it| acknowledged.contains(*it));
            assert_eq!(kept.copied().collect::<Vec<_>>(), acknowledged);
            sim.faults(faults(0.2));
            for _ in 0..seed % 7 {
                match store.commit(&batch(number)) {
                    Ok(()) => acknowledged.push(number),
                    Err(StoreError::Full) => full += 1,
                    Err(_) => failed += 1,
                }
                number += 1;
            }
            let now: Vec<u64> = there(&store);
            let failed = (0..number).filter(|it| !acknowledged.contains(it) && !found.contains(it));
            assert!(
                failed.into_iter().all(|it| !now.contains(&it)),
                "seen, though it failed"
            );
            sim.faults(Faults::none());
            sim.crash(host);
            let off = store.commit(&batch(1000));
            assert!(off.is_err(), "without power nothing is stored");
            sim.restart(host).unwrap();
        }
    }
    assert!(
        failed > 50 && full > 20,
        "{failed} failed, {full} met a full disk"
    );
    assert!(risen > 0, "no batch came back of which nobody was sure");
}

#[test]
fn the_number_of_a_database_stays() {
    let mut sim = Simulation::new(1);
    let disk = sim.disk("server");
    let first = LogStore::open(&disk, 7, Retention::default()).unwrap();
    drop(first);
    let mut again = LogStore::open(&disk, 8, Retention::default()).unwrap();
    assert_eq!(again.load().unwrap().database, 7);
}

/// What is read may never have reached the disk, if the one who wrote it could not sync it.
#[test]
fn what_is_found_is_durable_once_the_store_is_open() {
    for seed in 0..100 {
        let mut sim = Simulation::new(seed);
        let disk = sim.disk("server");
        let host = sim.host("server", || (), |_| Ok(())).unwrap();
        let mut acknowledged = Vec::new();
        for life in 0..4 {
            sim.faults(faults(0.3));
            let mut open = || LogStore::open(&disk, 1, Retention::default());
            let opened = std::iter::repeat_with(&mut open)
                .take(1000)
                .find_map(Result::ok);
            let mut store = opened.expect("a disk fails so often only if the store cannot be read");
            sim.faults(Faults::none());
            assert_eq!(there(&store), acknowledged, "seed {seed}");
            store.commit(&batch(life)).unwrap();
            acknowledged.push(life);
            sim.crash(host);
            sim.restart(host).unwrap();
        }
    }
}

#[test]
fn what_was_pruned_stays_away() {
    let mut sim = Simulation::new(1);
    let disk = sim.disk("server");
    let retention = Retention {
        max_count: Some(BATCH),
        ..Retention::default()
    };
    let mut store = LogStore::open(&disk, 1, retention).unwrap();
    store.commit(&[batch(0), batch(1)].concat()).unwrap();
    while store.prune(0).unwrap() {}
    assert_eq!(there(&store), [1]);
    assert_eq!(there(&open(&disk)), [1]);
}

#[test]
fn a_log_that_no_crash_can_leave_is_refused() {
    let mut sim = Simulation::new(1);
    let disk = sim.disk("server");
    let mut store = open(&disk);
    store.commit(&batch(0)).unwrap();
    let files = disk.list().unwrap();
    let bytes = disk.read(&files[0]).unwrap();
    // The first frame is missing.
    let first = 8 + u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    disk.write(&files[0], &bytes[first..]).unwrap();
    let outcome = LogStore::open(&disk, 1, Retention::default());
    assert!(matches!(outcome, Err(StoreError::Failed(_))));
}
