//! `switchboard export`, `import` and `backup`, as a user runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_chat::chat::command::Kind;
use switchboard_chat::chat::event::{Identity, Message, Place, Redaction};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::Store;
use switchboard_chat::store::record::{AccountRecord, Happening, RoomRecord, What, Write};
use switchboard_chat::store::sqlite::SqliteStore;

/// A directory that goes with its test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-exchange-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(words: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(words)
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What it writes, if all goes well.
#[track_caller]
fn said(words: &[&str], data: &Path) -> String {
    let output = run(words, data);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {problem}");
    assert_eq!(problem, "");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that it says when it fails.
#[track_caller]
fn complaint(words: &[&str], data: &Path) -> String {
    let output = run(words, data);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    let problem = String::from_utf8(output.stderr).unwrap();
    assert_eq!(problem.lines().count(), 1, "{problem}");
    problem
}

fn message(store: &mut SqliteStore, sequence: u64, text: &str) -> Message {
    Message {
        msgid: Msgid {
            database: store.load().unwrap().database,
            sequence,
        },
        unix_ms: 86_400_000 * sequence,
        place: Place::Room("#Lobby".into()),
        from: Arc::new(Identity {
            nick: "ann".into(),
            user: "a".into(),
            host: "h".into(),
            account: Some("Ann".into()),
            realname: "Ann".into(),
            bot: false,
        }),
        kind: Kind::Message,
        text: text.into(),
        tags: Vec::new(),
        redacted: None,
    }
}

const NASTY: &str = "<script>alert('1')</script> & \x1b[2J \u{202e}back\nsecond \\ line";

/// Some data: five messages, one of them direct, a topic, a room and an account.
fn filled() -> (Directory, SqliteStore) {
    let directory = Directory::new();
    let mut store = SqliteStore::open(directory.file("switchboard.db")).unwrap();
    let first = message(&mut store, 1, "first");
    let mut writes = vec![
        message(&mut store, 2, NASTY),
        Message {
            tags: vec![("reply".into(), "x y".into())],
            ..message(&mut store, 3, "third")
        },
        Message {
            redacted: Some(Arc::new(Redaction {
                by: "op".into(),
                reason: "rude".into(),
                unix_ms: 5,
            })),
            ..message(&mut store, 4, "")
        },
        Message {
            place: Place::Person {
                nick: "bob".into(),
                account: Some("Bob".into()),
            },
            ..message(&mut store, 5, "psst")
        },
        first.clone(),
    ]
    .into_iter()
    .map(|message| Write::Message(Arc::new(message)))
    .collect::<Vec<Write>>();
    writes.push(Write::Happened(Arc::new(Happening {
        msgid: Msgid {
            sequence: 6,
            ..first.msgid
        },
        unix_ms: 86_400_000 * 6,
        room: "#Lobby".into(),
        source: "ann!a@h".into(),
        account: None,
        what: What::Topic("<b>new</b>".into()),
    })));
    writes.push(Write::Room(Arc::new(RoomRecord {
        name: "#Lobby".into(),
        ..RoomRecord::default()
    })));
    writes.push(Write::Account(Arc::new(AccountRecord {
        name: "Ann".into(),
        verifier: "SCRAM-SHA-256$4096:salt$keys".into(),
        ..AccountRecord::default()
    })));
    store.commit(&writes).unwrap();
    (directory, store)
}

#[test]
fn what_is_exported_can_be_imported_again_and_again() {
    let (from, _server) = filled();
    let file = from.file("all.jsonl");
    assert_eq!(said(&["export", file.to_str().unwrap()], &from.0), "");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let exported = fs::read_to_string(&file).unwrap();
    let mut lines = exported.lines();
    assert_eq!(
        lines.next(),
        Some(r#"{"type":"switchboard-export","version":1}"#)
    );
    assert_eq!(lines.count(), 8);
    assert!(!exported.contains('\x1b'));
    let parent = Directory::new();
    let to = parent.file("new/directory");
    for _ in 0..2 {
        let said = said(&["import", file.to_str().unwrap()], &to);
        assert_eq!(said, "8 lines are stored\n");
        assert_eq!(self::said(&["export"], &to), exported);
    }
    let mode = fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_room_is_exported_for_people() {
    let (data, _server) = filled();
    let room = ["export", "--room", "#LOBBY", "--format"];
    let text = said(&[&room[..], &["text"]].concat(), &data.0);
    let expected = [
        "# #LOBBY, times in UTC",
        "1970-01-02 00:00:00 <ann> first",
        "1970-01-03 00:00:00 <ann> <script>alert('1')</script> & \\x1b[2J \\u{202e}back",
        "1970-01-03 00:00:00 <ann> second \\\\ line",
        "1970-01-04 00:00:00 <ann> third",
        "1970-01-05 00:00:00 <ann> (taken back by op: rude)",
        "1970-01-07 00:00:00 -!- ann set the topic: <b>new</b>",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    let html = said(&[&room[..], &["html"]].concat(), &data.0);
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; \\u{1b}[2J"));
    assert!(html.contains("&lt;b&gt;new&lt;/b&gt;"));
    assert!(!html.contains("<script") && !html.contains("psst") && !html.contains('\u{202e}'));
}

#[test]
fn an_export_begins_and_ends_when_it_should() {
    let (data, _server) = filled();
    let texts = |words: &[&str]| {
        let room = ["export", "--room", "#lobby"];
        let lines = said(&[&room[..], words].concat(), &data.0);
        lines.lines().count() - 1
    };
    assert_eq!(texts(&[]), 5);
    assert_eq!(texts(&["--since", "1970-01-03"]), 4);
    assert_eq!(texts(&["--until", "1970-01-03"]), 1);
    let both = ["--since", "1970-01-03T00:00:00Z", "--until", "1970-01-05"];
    assert_eq!(texts(&both), 2);
    assert_eq!(texts(&["--since", "7d"]), 0);
}

#[test]
fn what_cannot_be_exported_is_said_and_leaves_no_file() {
    let (data, _server) = filled();
    let before = data.names();
    let file = data.file("out");
    let words = ["export", "--room", "#loby", file.to_str().unwrap()];
    let problem = complaint(&words, &data.0);
    assert!(
        problem.contains("no room #loby") && problem.contains("#Lobby"),
        "{problem}"
    );
    let database = data.file("switchboard.db");
    for command in ["export", "backup"] {
        let problem = complaint(&[command, database.to_str().unwrap()], &data.0);
        assert!(problem.contains("the data itself"), "{problem}");
    }
    assert_eq!(data.names(), before);
    let nowhere = complaint(&["export"], &data.file("nowhere"));
    assert!(
        nowhere.contains("there is no") && nowhere.contains("--data"),
        "{nowhere}"
    );
    let html = run(&["export", "--format", "html"], &data.0);
    assert_eq!(html.status.code(), Some(2));
}

#[test]
fn a_damaged_import_says_where() {
    let (from, _server) = filled();
    let exported = said(&["export"], &from.0);
    let lines: Vec<&str> = exported.lines().collect();
    let to = Directory::new();
    let file = to.file("damaged");
    let import = |text: &str| {
        fs::write(&file, text).unwrap();
        complaint(&["import", file.to_str().unwrap()], &to.0)
    };
    let with = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number] = line;
        lines.join("\n") + "\n"
    };
    let problem = import(&with(4, "{\"type\":\"message\"}"));
    assert!(problem.contains("line 5: missing field"), "{problem}");
    assert!(
        problem.contains("the 0 lines before are stored"),
        "{problem}"
    );
    let unknown = lines[1].replace("\"name\"", "\"nome\"");
    assert!(import(&with(1, &unknown)).contains("line 2: unknown field"));
    assert!(import(&with(0, "{}")).contains("line 1: this is no export"));
    let later = lines[0].replace("\"version\":1", "\"version\":2");
    assert!(import(&with(0, &later)).contains("a later version"));
    let cut = &exported[..exported.len() - 10];
    assert!(import(cut).contains("not complete"));
    // Nothing of any of them was stored.
    assert_eq!(said(&["export"], &to.0).lines().count(), 1);
}

#[test]
fn a_server_in_the_way_of_an_import_is_said() {
    let (data, _server) = filled();
    let file = data.file("all");
    said(&["export", file.to_str().unwrap()], &data.0);
    let problem = complaint(&["import", file.to_str().unwrap()], &data.0);
    let process = format!("process {} has", std::process::id());
    assert!(problem.contains(&process), "{problem}");
}

#[test]
fn a_backup_is_complete_while_a_server_stores() {
    let (data, mut server) = filled();
    let exported = said(&["export"], &data.0);
    let copy = Directory::new();
    let file = copy.file("switchboard.db");
    fs::write(&file, "an older one").unwrap();
    let said_of_it = said(&["backup", file.to_str().unwrap()], &data.0);
    assert!(said_of_it.contains("complete and good"), "{said_of_it}");
    assert_eq!(copy.names(), ["switchboard.db"]);
    // What is stored meanwhile and later is not in it.
    let later = message(&mut server, 9, "later");
    server.commit(&[Write::Message(Arc::new(later))]).unwrap();
    let restored = SqliteStore::open(&file).unwrap();
    drop(restored);
    assert_eq!(said(&["export"], &copy.0), exported);
}

#[test]
fn a_damaged_database_gives_no_backup() {
    let (data, mut server) = filled();
    let many: Vec<Write> = (10..400)
        .map(|number| Write::Message(Arc::new(message(&mut server, number, "text"))))
        .collect();
    server.commit(&many).unwrap();
    drop(server);
    let database = data.file("switchboard.db");
    let mut bytes = fs::read(&database).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(&database, bytes).unwrap();
    let file = data.file("copy");
    let problem = complaint(&["backup", file.to_str().unwrap()], &data.0);
    assert!(problem.contains("damaged"), "{problem}");
    let left = data.names();
    assert!(left.iter().all(|name| !name.contains("copy")), "{left:?}");
}
