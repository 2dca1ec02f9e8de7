//! Numbered batches: what they hold, and which of them are in a database. It must never say that a
//! batch is there of which a part is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_chat::chat::command::Kind;
use switchboard_chat::chat::event::{Identity, Message, Place, Redaction};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::query::{Anchor, Answer, Conversation, Entry, Query, Span};
use switchboard_chat::store::record::Write;
use switchboard_chat::store::sqlite::SqliteStore;
use switchboard_chat::store::{Archive, Store, StoreError};

/// Names of one batch begin at a multiple of this.
const STRIDE: u64 = 8;

/// A directory that goes with its test.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        Directory::within(&std::env::temp_dir())
    }

    /// In memory, where there is such a place: syncs cost nothing there.
    pub fn in_memory() -> Directory {
        let memory = Path::new("/dev/shm");
        let elsewhere = std::env::temp_dir();
        Directory::within(if memory.is_dir() { memory } else { &elsewhere })
    }

    fn within(place: &Path) -> Directory {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-crash-{}-{number}", std::process::id());
        let path = place.join(name);
        fs::create_dir_all(&path).unwrap();
        Directory(path.canonicalize().unwrap())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn open(directory: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(directory.join("switchboard.db"))
}

/// Messages in this batch.
fn size(batch: u64) -> u64 {
    1 + batch % 5
}

/// The batch after the last one that is there.
pub fn next(store: &mut SqliteStore) -> u64 {
    store.load().unwrap().last_sequence / STRIDE + 1
}

fn msgid(database: u32, batch: u64, index: u64) -> Msgid {
    let sequence = batch * STRIDE + index;
    Msgid { database, sequence }
}

/// Its messages; and it takes the first message of the batch before back.
pub fn writes(store: &mut SqliteStore, batch: u64) -> Vec<Write> {
    let database = store.load().unwrap().database;
    let message = |index| {
        Write::Message(Arc::new(Message {
            msgid: msgid(database, batch, index),
            unix_ms: batch,
            place: Place::Room("#a".into()),
            from: Arc::new(Identity {
                nick: "ann".into(),
                user: "ann".into(),
                host: "host".into(),
                account: None,
                realname: "Ann".into(),
                bot: false,
            }),
            kind: Kind::Message,
            text: format!("batch {batch} message {index} {}", "x".repeat(60)).into(),
            tags: Vec::new(),
            redacted: None,
        }))
    };
    let redact = Write::Redact {
        msgid: msgid(database, batch - 1, 0),
        redaction: Arc::new(Redaction {
            by: "op".into(),
            reason: "".into(),
            unix_ms: batch,
        }),
    };
    (0..size(batch)).map(message).chain([redact]).collect()
}

/// The batches after `after` that are there: each of them whole, in order, and no message twice.
pub fn there(store: &SqliteStore, after: u64) -> Vec<u64> {
    let mut archive = store.archive().unwrap();
    let mut anchor = Anchor::Time(after);
    let mut entries = Vec::new();
    loop {
        let query = Query::History {
            conversation: Conversation::Room("#a".into()),
            span: Span::After(anchor),
            limit: 1000,
            happenings: false,
        };
        let Ok(Answer::Entries(part)) = archive.ask(&query) else {
            panic!("no history");
        };
        let Some(Entry::Message(last)) = part.last() else {
            break;
        };
        anchor = Anchor::Msgid(last.msgid);
        entries.extend(part);
    }
    let messages: Vec<Arc<Message>> = entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Message(message) => message,
            Entry::Happening(other) => panic!("nothing else happened: {other:?}"),
        })
        .collect();
    let sequences: Vec<u64> = messages.iter().map(|it| it.msgid.sequence).collect();
    let batches: BTreeSet<u64> = sequences.iter().map(|it| it / STRIDE).collect();
    let whole = |batch: u64| (0..size(batch)).map(move |index| batch * STRIDE + index);
    let expected: Vec<u64> = batches.iter().copied().flat_map(whole).collect();
    assert_eq!(sequences, expected, "a part of a batch is there");
    for message in &messages {
        let batch = message.msgid.sequence / STRIDE;
        let is_first = message.msgid.sequence % STRIDE == 0;
        let is_redacted = is_first && batches.contains(&(batch + 1));
        let redacted = message.redacted.is_some();
        assert_eq!(redacted, is_redacted, "a part of what came after {batch}");
        assert_eq!(message.text.is_empty(), redacted);
    }
    batches.into_iter().collect()
}

/// Checks that all of `acknowledged` are there, in order, and at most the one after them.
#[track_caller]
pub fn check(store: &SqliteStore, acknowledged: &[u64], after: u64) {
    let there = there(store, after);
    let kept = there.iter().filter(|it| acknowledged.contains(it));
    let kept: Vec<u64> = kept.copied().collect();
    assert_eq!(kept, acknowledged, "an acknowledged batch is lost");
    let next = acknowledged.last().map_or(after + 1, |last| last + 1);
    let more: Vec<&u64> = there
        .iter()
        .filter(|it| !acknowledged.contains(it))
        .collect();
    assert!(
        more.is_empty() || more == [&next],
        "{more:?} after {acknowledged:?}"
    );
}
