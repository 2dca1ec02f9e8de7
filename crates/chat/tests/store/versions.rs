//! Databases that earlier versions have made, one of each schema: what was stored there is read by
//! the present code, and it goes on from there.
//!
//! `tests/data/version-N.db` was written by the code of that version, by this file:
//! `SWITCHBOARD_WRITE_DATABASE=1 cargo test -p switchboard-chat --test store versions`. The file of
//! a version that is released never changes again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchboard::sim::Simulation;
use switchboard_chat::chat::command::{Flag, Kind, MaskList, Role};
use switchboard_chat::chat::event::{Message, Place};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::log::LogStore;
use switchboard_chat::store::query::{Answer, Conversation, Query, Span};
use switchboard_chat::store::record::{
    AccountRecord, Happening, MaskChange, MaskEntry, RoomRecord, ServerBan, What, Write,
};
use switchboard_chat::store::retention::Retention;
use switchboard_chat::store::sqlite::{SqliteStore, VERSION};
use switchboard_chat::store::{Archive, Store};

use crate::world::{Directory, identity, redaction, room};

fn data(version: u32) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    data.join(format!("version-{version}.db"))
}

fn msgid(database: u32, sequence: u64) -> Msgid {
    Msgid { database, sequence }
}

fn messages(database: u32) -> Vec<Write> {
    let said = Message {
        msgid: msgid(database, 1),
        unix_ms: 1000,
        place: Place::Room("#Lobby".into()),
        from: identity("ann", Some("Ann")),
        kind: Kind::Message,
        text: "Hello wörld \u{1f980}\nsecond line".into(),
        tags: vec![("reply".into(), "a \"b\" \\".into())],
        redacted: None,
    };
    let all = [
        said.clone(),
        Message {
            msgid: msgid(database, 2),
            kind: Kind::Notice,
            redacted: Some(redaction()),
            text: "".into(),
            ..said.clone()
        },
        Message {
            msgid: msgid(database, 3),
            unix_ms: 2000,
            kind: Kind::Tags,
            text: "".into(),
            ..said.clone()
        },
        Message {
            msgid: msgid(database, 4),
            unix_ms: 3000,
            place: Place::Person {
                nick: "bob".into(),
                account: Some("Bob".into()),
            },
            ..said.clone()
        },
        Message {
            msgid: msgid(database ^ 1, 77),
            unix_ms: 1500,
            from: identity("bob", None),
            ..said
        },
    ];
    all.map(|message| Write::Message(Arc::new(message))).into()
}

fn happenings(database: u32) -> Vec<Write> {
    let kinds = [
        What::Joined {
            realname: "Ann".into(),
        },
        What::Parted("bye".into()),
        What::Quit("".into()),
        What::Kicked {
            nick: "bob".into(),
            reason: "why".into(),
        },
        What::Renamed("anne".into()),
        What::Topic("topic".into()),
        What::Modes("+o bob".into()),
    ];
    let happening = |(number, what)| {
        Write::Happened(Arc::new(Happening {
            msgid: msgid(database, number),
            unix_ms: 4000,
            room: "#lobby".into(),
            source: "ann!a@h".into(),
            account: Some("Ann".into()),
            what,
        }))
    };
    (10..).zip(kinds).map(happening).collect()
}

fn settings() -> Vec<Write> {
    let mask = |list, mask: &str| Write::Mask {
        room: "#lobby".into(),
        list,
        entry: MaskChange::Added(MaskEntry {
            mask: mask.into(),
            by: "op".into(),
            unix_ms: 5,
        }),
    };
    vec![
        Write::Room(Arc::new(RoomRecord {
            name: "#Lobby".into(),
            created_unix_ms: 1,
            topic: Some(("it".into(), "ann!a@h".into(), 2)),
            flags: vec![Flag::InviteOnly, Flag::Secret, Flag::AccountsSpeak],
            key: Some("key".into()),
            limit: Some(5),
        })),
        mask(MaskList::Mute, "z!*@*"),
        mask(MaskList::Ban, "a!*@*"),
        Write::Role {
            room: "#lobby".into(),
            account: "ann".into(),
            role: Role::Owner,
        },
        Write::Account(Arc::new(AccountRecord {
            name: "Ann".into(),
            verifier: "SCRAM-SHA-256".into(),
            created_unix_ms: 3,
            certificates: vec!["aa".into()],
            suspended: true,
        })),
        Write::ReadMark {
            account: "ann".into(),
            target: "#lobby".into(),
            unix_ms: 9,
        },
        Write::ServerBan(Arc::new(ServerBan {
            mask: "10.0.0.0/8".into(),
            reason: "spam".into(),
            by: "admin".into(),
            created_unix_ms: 4,
            until_unix_ms: Some(8),
        })),
        Write::Invitation {
            code: "code".into(),
            used_by: None,
        },
        Write::Audit {
            unix_ms: 6,
            admin: "admin".into(),
            action: "banned 10.0.0.0/8".into(),
        },
    ]
}

fn everything(database: u32) -> Vec<Write> {
    [messages(database), happenings(database), settings()].concat()
}

/// All that can be asked of it.
fn answers(archive: &mut dyn Archive, database: u32) -> Vec<Answer> {
    let history = |conversation| Query::History {
        conversation,
        span: Span::Latest(None),
        limit: 100,
        happenings: true,
    };
    let queries = [
        history(room("#lobby")),
        history(Conversation::between("ann", "bob")),
        Query::Search {
            conversations: vec![room("#lobby")],
            words: "hello second".into(),
            from: None,
            before: None,
            limit: 9,
        },
        Query::Targets {
            account: Some("ann".into()),
            rooms: vec!["#lobby".into()],
            between: (0, 10_000),
            limit: 9,
        },
        Query::Message(msgid(database, 2)),
        Query::ReadMarks {
            account: "ann".into(),
        },
        Query::Audit { limit: 9 },
    ];
    queries.map(|query| archive.ask(&query).unwrap()).into()
}

#[test]
fn a_database_of_each_version_is_read_and_goes_on() {
    if std::env::var_os("SWITCHBOARD_WRITE_DATABASE").is_some() {
        let directory = Directory::new();
        let mut store = SqliteStore::open(directory.database()).unwrap();
        let database = store.load().unwrap().database;
        store.commit(&everything(database)).unwrap();
        drop(store);
        fs::copy(directory.database(), data(VERSION)).unwrap();
    }
    for version in 1..=VERSION {
        let directory = Directory::new();
        fs::copy(data(version), directory.database()).unwrap();
        let mut store = SqliteStore::open(directory.database()).unwrap();
        let snapshot = store.load().unwrap();
        let database = snapshot.database;
        // The simple store says what is to be there.
        let mut simulation = Simulation::new(1);
        let disk = simulation.disk("server");
        let mut log = LogStore::open(&disk, database, Retention::default()).unwrap();
        log.commit(&everything(database)).unwrap();
        assert_eq!(snapshot, log.load().unwrap(), "of version {version}");
        let expected = answers(&mut log.archive(), database);
        let mut archive = store.archive().unwrap();
        assert_eq!(answers(&mut archive, database), expected);
        // It goes on: nothing of it is new, and what is new is stored.
        store.commit(&everything(database)).unwrap();
        assert_eq!(answers(&mut archive, database), expected);
        let redact = Write::Redact {
            msgid: msgid(database, 1),
            redaction: redaction(),
        };
        store.commit(std::slice::from_ref(&redact)).unwrap();
        log.commit(&[redact]).unwrap();
        let expected = answers(&mut log.archive(), database);
        assert_eq!(answers(&mut archive, database), expected);
    }
}
