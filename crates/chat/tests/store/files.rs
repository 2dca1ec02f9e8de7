//! What the store on a real disk does with its files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use switchboard_chat::store::query::{Answer, Query};
use switchboard_chat::store::sqlite::{SqliteArchive, SqliteStore, VERSION};
use switchboard_chat::store::{Archive, Store, StoreError};

use switchboard_chat::store::record::Write;

use crate::world::{Directory, World, redaction, write};

fn why(outcome: Result<SqliteStore, StoreError>) -> String {
    outcome.expect_err("it is opened").to_string()
}

#[test]
fn two_servers_never_have_the_same_data() {
    let directory = Directory::new();
    let first = SqliteStore::open(directory.database()).unwrap();
    let why = why(SqliteStore::open(directory.database()));
    let process = std::process::id().to_string();
    assert!(why.contains(&format!("process {process} has")), "{why}");
    assert!(why.contains("switchboard.db open"), "{why}");
    drop(first);
    SqliteStore::open(directory.database()).unwrap();
}

#[test]
fn only_the_owner_can_read_the_files() {
    let directory = Directory::new();
    let mut store = SqliteStore::open(directory.database()).unwrap();
    store.load().unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let expected = ["", "-shm", "-wal", ".lock"].map(|end| format!("switchboard.db{end}"));
    assert_eq!(names, expected);
}

#[test]
fn what_was_stored_is_there_when_it_is_opened_again() {
    let directory = Directory::new();
    let mut store = SqliteStore::open(directory.database()).unwrap();
    let database = store.load().unwrap().database;
    let world = World::sqlite(Default::default());
    let message = world.said(1, 2, "#a", "text");
    let msgid = message.msgid;
    store.commit(&[write(message)]).unwrap();
    drop(store);
    let mut store = SqliteStore::open(directory.database()).unwrap();
    assert_eq!(store.load().unwrap().database, database);
    let mut archive = SqliteArchive::open(directory.database()).unwrap();
    let found = archive.ask(&Query::Message(msgid)).unwrap();
    assert!(matches!(found, Answer::Message(Some(_))), "{found:?}");
}

#[test]
fn what_is_no_database_of_ours_is_refused() {
    let directory = Directory::new();
    fs::write(
        directory.database(),
        "no database, but long enough".repeat(50),
    )
    .unwrap();
    assert!(why(SqliteStore::open(directory.database())).contains("no database"));
    fs::remove_file(directory.database()).unwrap();
    let other = rusqlite::Connection::open(directory.database()).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(directory.database()).unwrap();
    assert!(why(SqliteStore::open(directory.database())).contains("another program"));
    assert_eq!(
        fs::read(directory.database()).unwrap(),
        before,
        "it was changed"
    );
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let directory = Directory::new();
    drop(SqliteStore::open(directory.database()).unwrap());
    let later = rusqlite::Connection::open(directory.database()).unwrap();
    later
        .pragma_update(None, "user_version", VERSION + 1)
        .unwrap();
    drop(later);
    let outcome = SqliteStore::open(directory.database()).map(drop);
    let too_new = StoreError::TooNew {
        found: VERSION + 1,
        known: VERSION,
    };
    assert_eq!(outcome, Err(too_new.clone()));
    let outcome = SqliteArchive::open(directory.database()).map(drop);
    assert_eq!(outcome, Err(too_new));
}

#[test]
fn a_damaged_file_is_an_error_that_says_so() {
    let directory = Directory::new();
    let world = World::sqlite(Default::default());
    let mut store = SqliteStore::open(directory.database()).unwrap();
    let batch: Vec<Write> = (1..500)
        .map(|number| write(world.said(number, number, "#a", "some text")))
        .collect();
    store.commit(&batch).unwrap();
    drop(store);
    let mut bytes = fs::read(directory.database()).unwrap();
    bytes[8192..].fill(0xa5);
    fs::write(directory.database(), bytes).unwrap();
    let outcome =
        SqliteStore::open(directory.database()).and_then(|mut store| store.commit(&batch));
    let why = outcome.expect_err("it is whole").to_string();
    assert!(why.contains("damaged") && why.contains("backup"), "{why}");
}

#[test]
fn a_redacted_text_is_in_no_file_once_the_log_is_empty() {
    let directory = Directory::new();
    let world = World::sqlite(Default::default());
    let mut store = SqliteStore::open(directory.database()).unwrap();
    let secret = "verysecretword";
    let message = world.said(1, 1, "#a", secret);
    let msgid = message.msgid;
    store.commit(&[write(message)]).unwrap();
    let is_there = || {
        let files = fs::read_dir(directory.path()).unwrap();
        files.into_iter().any(|file| {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes())
        })
    };
    while store.prune(1).unwrap() {}
    assert!(is_there());
    let redact = Write::Redact {
        msgid,
        redaction: redaction(),
    };
    store.commit(&[redact]).unwrap();
    while store.prune(1).unwrap() {}
    assert!(!is_there());
}
