//! A store, its archive, and values to put into it. It must never look into a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard::sim::Simulation;
use switchboard_chat::chat::command::Kind;
use switchboard_chat::chat::event::{Identity, Message, Place, Redaction};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::log::LogStore;
use switchboard_chat::store::query::{Answer, Conversation, Entry, Query, Span};
use switchboard_chat::store::record::{Happening, What, Write};
use switchboard_chat::store::retention::Retention;
use switchboard_chat::store::sqlite::SqliteStore;
use switchboard_chat::store::{Archive, Store, StoreError};

/// A directory that goes with its test.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("switchboard.db")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Either store.
pub struct World {
    pub store: Box<dyn Store>,
    pub archive: Box<dyn Archive>,
    pub database: u32,
    _directory: Option<Directory>,
    _simulation: Option<Simulation>,
}

impl World {
    pub fn sqlite(retention: Retention) -> World {
        let directory = Directory::new();
        let mut store = SqliteStore::open(directory.database()).unwrap();
        store.set_retention(retention);
        let archive = Box::new(store.archive().unwrap());
        World {
            _directory: Some(directory),
            ..World::new(Box::new(store), archive)
        }
    }

    pub fn log(retention: Retention) -> World {
        let mut simulation = Simulation::new(1);
        let disk = simulation.disk("server");
        let store = LogStore::open(&disk, 0xdeca_fbad, retention).unwrap();
        let archive = Box::new(store.archive());
        World {
            _simulation: Some(simulation),
            ..World::new(Box::new(store), archive)
        }
    }

    fn new(mut store: Box<dyn Store>, archive: Box<dyn Archive>) -> World {
        World {
            database: store.load().unwrap().database,
            store,
            archive,
            _directory: None,
            _simulation: None,
        }
    }

    pub fn commit(&mut self, writes: &[Write]) {
        self.store.commit(writes).unwrap();
    }

    pub fn ask(&mut self, query: &Query) -> Answer {
        self.archive.ask(query).unwrap()
    }

    pub fn prune(&mut self, unix_ms: u64) -> Result<(), StoreError> {
        while self.store.prune(unix_ms)? {}
        Ok(())
    }

    pub fn history(&mut self, conversation: &Conversation, span: Span, limit: usize) -> Vec<Entry> {
        let query = Query::History {
            conversation: conversation.clone(),
            span,
            limit,
            happenings: true,
        };
        match self.ask(&query) {
            Answer::Entries(entries) => entries,
            other => panic!("a history is answered by {other:?}"),
        }
    }

    /// The numbers of what is in a part of a history.
    pub fn numbers(&mut self, conversation: &Conversation, span: Span, limit: usize) -> Vec<u64> {
        let entries = self.history(conversation, span, limit);
        entries.iter().map(|it| it.place().sequence).collect()
    }

    pub fn msgid(&self, sequence: u64) -> Msgid {
        Msgid {
            database: self.database,
            sequence,
        }
    }

    /// Something that `ann` said in a room, at this number and time.
    pub fn said(&self, sequence: u64, unix_ms: u64, room: &str, text: &str) -> Message {
        Message {
            msgid: self.msgid(sequence),
            unix_ms,
            place: Place::Room(room.into()),
            from: identity("ann", Some("Ann")),
            kind: Kind::Message,
            text: text.into(),
            tags: Vec::new(),
            redacted: None,
        }
    }

    pub fn joined(&self, sequence: u64, unix_ms: u64, room: &str) -> Write {
        Write::Happened(Arc::new(Happening {
            msgid: self.msgid(sequence),
            unix_ms,
            room: room.into(),
            source: "ann!ann@host".into(),
            account: None,
            what: What::Joined {
                realname: "Ann".into(),
            },
        }))
    }
}

pub fn identity(nick: &str, account: Option<&str>) -> Arc<Identity> {
    Arc::new(Identity {
        nick: nick.into(),
        user: nick.into(),
        host: "host".into(),
        account: account.map(Into::into),
        realname: "A name".into(),
        bot: false,
    })
}

pub fn write(message: Message) -> Write {
    Write::Message(Arc::new(message))
}

pub fn redaction() -> Arc<Redaction> {
    Arc::new(Redaction {
        by: "op".into(),
        reason: "rude".into(),
        unix_ms: 99,
    })
}

pub fn room(name: &str) -> Conversation {
    Conversation::Room(name.into())
}
