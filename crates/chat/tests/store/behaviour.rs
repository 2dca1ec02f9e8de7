//! What every store does.
//!
//! Length: one list of cases, each of which runs on each store.

use std::sync::Arc;
use std::time::Duration;

use switchboard_chat::chat::command::{Flag, Kind, MaskList, Role};
use switchboard_chat::chat::event::{Message, Place};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::query::{ANSWER_MAX, Anchor, Answer, Conversation, Query, Span};
use switchboard_chat::store::record::{
    AccountRecord, Happening, MaskChange, MaskEntry, RoomRecord, ServerBan, Snapshot, What, Write,
};
use switchboard_chat::store::retention::{Retention, message_bytes};

use crate::world::{World, identity, redaction, room, write};

/// Runs each case on each store.
macro_rules! cases {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[test]
            fn $case() {
                super::$case(crate::world::World::sqlite);
            })*
        }

        mod log {
            $(#[test]
            fn $case() {
                super::$case(crate::world::World::log);
            })*
        }
    };
}

cases! {
    what_is_stored_is_read_back
    a_batch_can_come_twice
    history_is_asked_for_by_place_and_time
    a_message_that_is_gone_still_has_its_place
    entries_from_another_database_come_in_order_of_time
    an_answer_has_a_bound
    what_happened_comes_with_the_messages_or_not
    a_redacted_message_stays_without_its_text
    search_finds_all_words_and_nothing_else
    search_finds_what_was_said_long_ago_and_just_now
    a_number_that_is_given_again_is_searched_again
    targets_are_the_conversations_of_an_account
    marks_never_go_back
    rooms_accounts_and_the_rest_are_loaded_again
    old_entries_go
    surplus_entries_go
    entries_go_when_there_are_too_many_bytes
    names_are_not_given_again_when_all_is_gone
    a_room_that_is_gone_leaves_nothing
    a_room_can_go_without_its_history
}

type Make = fn(Retention) -> World;

fn what_is_stored_is_read_back(make: Make) {
    let mut world = make(Retention::default());
    let message = Message {
        kind: Kind::Notice,
        tags: vec![
            ("reply".into(), "00-1 \"\\".into()),
            ("x".into(), "".into()),
        ],
        ..world.said(1, 1000, "#Lobby", "héllo\nwörld \u{1f980}")
    };
    let direct = Message {
        place: Place::Person {
            nick: "bob".into(),
            account: None,
        },
        ..world.said(2, 1000, "", "psst")
    };
    let redacted = Message {
        redacted: Some(redaction()),
        ..world.said(3, 1001, "#lobby", "")
    };
    let all = [message, direct, redacted];
    world.commit(&all.clone().map(write));
    for message in all {
        let answer = world.ask(&Query::Message(message.msgid));
        assert_eq!(answer, Answer::Message(Some(Arc::new(message))));
    }
    let unknown = Query::Message(world.msgid(4));
    assert_eq!(world.ask(&unknown), Answer::Message(None));
    assert_eq!(
        world.numbers(&room("#lobby"), Span::Latest(None), 9),
        [1, 3]
    );
    let snapshot = world.store.load().unwrap();
    assert_eq!((snapshot.last_sequence, snapshot.last_unix_ms), (3, 1001));
}

fn a_batch_can_come_twice(make: Make) {
    let mut world = make(Retention::default());
    let batch = [
        write(world.said(1, 5, "#a", "one")),
        world.joined(2, 6, "#a"),
        Write::Redact {
            msgid: world.msgid(1),
            redaction: redaction(),
        },
        write(world.said(3, 7, "#a", "three")),
        Write::ServerBan(Arc::new(ban("*!*@host", None))),
        Write::Invitation {
            code: "code".into(),
            used_by: None,
        },
        Write::Invitation {
            code: "code".into(),
            used_by: Some("ann".into()),
        },
        Write::Audit {
            unix_ms: 7,
            admin: "ann".into(),
            action: "did it".into(),
        },
    ];
    world.commit(&batch);
    let (first, snapshot) = (
        world.history(&room("#a"), Span::Latest(None), 9),
        world.store.load().unwrap(),
    );
    world.commit(&batch);
    assert_eq!(world.history(&room("#a"), Span::Latest(None), 9), first);
    assert_eq!(world.store.load().unwrap(), snapshot);
    assert_eq!(first.len(), 3);
    let audit = vec![(7, "ann".into(), "did it".into())];
    assert_eq!(world.ask(&Query::Audit { limit: 9 }), Answer::Audit(audit));
}

/// Numbers 1 to 9, of the times 10, 10, 10, 20, 20, 20, 30, 30, 30.
fn nine(make: Make) -> World {
    let mut world = make(Retention::default());
    let time = |number: u64| 10 + (number - 1) / 3 * 10;
    let said = |number| write(world.said(number, time(number), "#a", "text"));
    let batch: Vec<Write> = (1..=9).map(said).collect();
    world.commit(&batch);
    world
}

fn history_is_asked_for_by_place_and_time(make: Make) {
    let mut world = nine(make);
    let a = room("#a");
    let at = |number| Anchor::Msgid(world.msgid(number));
    let (three, five, seven) = (at(3), at(5), at(7));
    let twenty = Anchor::Time(20);
    let cases: &[(Span, usize, &[u64])] = &[
        (Span::Latest(None), 2, &[8, 9]),
        (Span::Latest(Some(five)), 9, &[6, 7, 8, 9]),
        (Span::Latest(Some(five)), 2, &[8, 9]),
        (Span::Before(five), 2, &[3, 4]),
        (Span::Before(twenty), 2, &[2, 3]),
        (Span::After(five), 2, &[6, 7]),
        (Span::After(twenty), 9, &[7, 8, 9]),
        (Span::Around(five), 4, &[3, 4, 5, 6]),
        (Span::Around(five), 1, &[5]),
        (Span::Around(twenty), 4, &[2, 3, 4, 5]),
        (Span::Between(three, seven), 9, &[4, 5, 6]),
        (Span::Between(three, seven), 2, &[4, 5]),
        (Span::Between(seven, three), 2, &[5, 6]),
        (Span::Between(three, three), 9, &[]),
        (
            Span::Between(Anchor::Time(10), Anchor::Time(30)),
            9,
            &[4, 5, 6],
        ),
        (Span::Between(Anchor::Time(30), Anchor::Time(10)), 1, &[6]),
        (Span::Between(twenty, twenty), 9, &[]),
        (Span::Latest(None), 0, &[]),
        (Span::Before(Anchor::Time(u64::MAX)), 1, &[9]),
    ];
    for (span, limit, expected) in cases {
        assert_eq!(&world.numbers(&a, *span, *limit), expected, "{span:?}");
    }
    assert_eq!(world.numbers(&room("#b"), Span::Latest(None), 9), [0; 0]);
}

fn a_message_that_is_gone_still_has_its_place(make: Make) {
    let mut world = make(Retention::default());
    world.commit(&[
        write(world.said(2, 20, "#a", "")),
        write(world.said(3, 20, "#elsewhere", "")),
        write(world.said(6, 20, "#a", "")),
        write(world.said(7, 30, "#a", "")),
    ]);
    let a = room("#a");
    let before = |number| Span::Before(Anchor::Msgid(world.msgid(number)));
    let spans = [before(1), before(4), before(6), before(u64::MAX)];
    let found = spans.map(|span| world.numbers(&a, span, 9));
    assert_eq!(found, [vec![], vec![2], vec![2], vec![2, 6, 7]]);
}

fn entries_from_another_database_come_in_order_of_time(make: Make) {
    let mut world = make(Retention::default());
    let other = world.database ^ 1;
    let foreign = |sequence, unix_ms| {
        let msgid = Msgid {
            database: other,
            sequence,
        };
        write(Message {
            msgid,
            ..world.said(sequence, unix_ms, "#a", "")
        })
    };
    world.commit(&[
        write(world.said(1, 10, "#a", "")),
        write(world.said(2, 30, "#a", "")),
        foreign(100, 5),
        foreign(101, 20),
        foreign(102, 99),
    ]);
    let found = world.numbers(&room("#a"), Span::Latest(None), 9);
    assert_eq!(found, [100, 1, 101, 2, 102]);
    // They say nothing about the names and times of those that are made here.
    let snapshot = world.store.load().unwrap();
    assert_eq!((snapshot.last_sequence, snapshot.last_unix_ms), (2, 30));
}

fn an_answer_has_a_bound(make: Make) {
    let mut world = make(Retention::default());
    let said = |number| write(world.said(number, number, "#a", "word"));
    let count = ANSWER_MAX as u64 + 5;
    let batch: Vec<Write> = (1..=count).map(said).collect();
    world.commit(&batch);
    let a = room("#a");
    let found = world.numbers(&a, Span::Latest(None), usize::MAX);
    assert_eq!(found, (6..=count).collect::<Vec<_>>());
    let around = Span::Around(Anchor::Time(600));
    assert_eq!(world.history(&a, around, usize::MAX).len(), 500 + 406);
    assert_eq!(
        search(&mut world, "word", None, usize::MAX).len(),
        ANSWER_MAX
    );
}

fn what_happened_comes_with_the_messages_or_not(make: Make) {
    let mut world = make(Retention::default());
    let kinds = [
        What::Joined {
            realname: "Ann".into(),
        },
        What::Parted("bye".into()),
        What::Quit("gone".into()),
        What::Kicked {
            nick: "bob".into(),
            reason: "".into(),
        },
        What::Renamed("anne".into()),
        What::Topic("".into()),
        What::Modes("+o ann".into()),
    ];
    let mut stored = Vec::new();
    for (number, what) in (1..).zip(kinds) {
        let happening = Arc::new(Happening {
            msgid: world.msgid(number * 2),
            unix_ms: 5,
            room: "#Room".into(),
            source: "ann!ann@host".into(),
            account: Some("Ann".into()),
            what,
        });
        stored.push(Arc::clone(&happening));
        world.commit(&[
            write(world.said(number * 2 - 1, 5, "#room", "x")),
            Write::Happened(happening),
        ]);
    }
    let a = room("#room");
    let all = world.history(&a, Span::Latest(None), 99);
    assert_eq!(all.len(), 14);
    for (index, happening) in stored.iter().enumerate() {
        let entry = switchboard_chat::store::query::Entry::Happening(Arc::clone(happening));
        assert_eq!(all[index * 2 + 1], entry);
    }
    assert_eq!(world.numbers(&a, Span::Latest(None), 3), [12, 13, 14]);
    let after = Span::After(Anchor::Msgid(world.msgid(4)));
    assert_eq!(world.numbers(&a, after, 3), [5, 6, 7]);
    let query = Query::History {
        conversation: a,
        span: Span::Latest(None),
        limit: 2,
        happenings: false,
    };
    let Answer::Entries(entries) = world.ask(&query) else {
        panic!("no history");
    };
    assert_eq!(entries, [all[10].clone(), all[12].clone()]);
}

fn a_redacted_message_stays_without_its_text(make: Make) {
    let mut world = make(Retention::default());
    let message = Message {
        tags: vec![("react".into(), "rude too".into())],
        ..world.said(1, 10, "#a", "something rude")
    };
    world.commit(&[write(message.clone())]);
    let redact = |msgid, by: &str| Write::Redact {
        msgid,
        redaction: Arc::new(switchboard_chat::chat::event::Redaction {
            by: by.into(),
            ..(*redaction()).clone()
        }),
    };
    let unknown = Msgid {
        sequence: u64::MAX,
        ..message.msgid
    };
    world.commit(&[
        redact(message.msgid, "op"),
        redact(message.msgid, "late"),
        redact(unknown, "op"),
    ]);
    let expected = Message {
        text: "".into(),
        tags: Vec::new(),
        redacted: Some(redaction()),
        ..message.clone()
    };
    let found = world.ask(&Query::Message(message.msgid));
    assert_eq!(found, Answer::Message(Some(Arc::new(expected))));
    assert_eq!(search(&mut world, "rude", None, 9), [0; 0]);
    // The message that comes again does not bring its text back.
    world.commit(&[write(message.clone())]);
    assert_eq!(world.ask(&Query::Message(message.msgid)), found);
}

fn search(world: &mut World, words: &str, from: Option<&str>, limit: usize) -> Vec<u64> {
    let query = Query::Search {
        conversations: vec![room("#a"), room("#b")],
        words: words.into(),
        from: from.map(Into::into),
        before: None,
        limit,
    };
    match world.ask(&query) {
        Answer::Entries(entries) => entries.iter().map(|it| it.place().sequence).collect(),
        other => panic!("a search is answered by {other:?}"),
    }
}

fn search_finds_all_words_and_nothing_else(make: Make) {
    let mut world = make(Retention::default());
    world.commit(&[
        write(world.said(1, 10, "#a", "The quick brown fox")),
        write(world.said(2, 20, "#b", "a brown, QUICK dog; isn't it?")),
        write(world.said(3, 30, "#secret", "quick brown")),
        write(Message {
            from: identity("bob", None),
            ..world.said(4, 40, "#a", "quickly brown")
        }),
        write(Message {
            from: identity("guest", Some("Bob")),
            ..world.said(5, 40, "#a", "NEAR quick")
        }),
    ]);
    let cases: &[(&str, Option<&str>, usize, &[u64])] = &[
        ("quick brown", None, 9, &[1, 2]),
        ("brown QUICK", None, 1, &[2]),
        ("quick", Some("BOB"), 9, &[5]),
        ("brown", Some("bob"), 9, &[4]),
        ("", None, 9, &[]),
        ("wolf", None, 9, &[]),
        // Nothing of it is taken for a language.
        ("quick OR wolf", None, 9, &[]),
        ("NEAR", None, 9, &[5]),
        ("isn't", None, 9, &[2]),
        ("\"quick\" \"\"", None, 9, &[1, 2, 5]),
        ("qui*", None, 9, &[]),
        ("text:quick", None, 9, &[]),
        ("quick\0brown", None, 9, &[1, 2]),
    ];
    for (words, from, limit, expected) in cases {
        assert_eq!(
            &search(&mut world, words, *from, *limit),
            expected,
            "{words}"
        );
    }
    let before = Query::Search {
        conversations: vec![room("#a"), room("#b")],
        words: "quick".into(),
        from: None,
        before: Some(Anchor::Msgid(world.msgid(2))),
        limit: 9,
    };
    let Answer::Entries(entries) = world.ask(&before) else {
        panic!("no entries");
    };
    assert_eq!(entries.len(), 1);
}

fn targets_are_the_conversations_of_an_account(make: Make) {
    let mut world = make(Retention::default());
    let direct = |number, from: &str, to: &str| {
        write(Message {
            place: Place::Person {
                nick: to.to_lowercase().into(),
                account: Some(to.into()),
            },
            from: identity("nick", Some(from)),
            ..world.said(number, number * 10, "", "psst")
        })
    };
    world.commit(&[
        write(world.said(1, 10, "#Room", "x")),
        direct(2, "Ann", "Bob"),
        direct(3, "Carl", "ANN"),
        direct(4, "Bob", "Carl"),
        write(world.said(5, 50, "#room", "x")),
        write(world.said(6, 60, "#other", "x")),
        direct(7, "Ann", "Ann"),
        world.joined(8, 80, "#room"),
    ]);
    let mut ask = |between, limit| {
        let query = Query::Targets {
            account: Some("ann".into()),
            rooms: vec!["#room".into(), "#unknown".into()],
            between,
            limit,
        };
        match world.ask(&query) {
            Answer::Targets(targets) => targets,
            other => panic!("targets are {other:?}"),
        }
    };
    let target = |name: &str, time| (Arc::from(name), time);
    let (bob, carl) = (target("Bob", 20), target("Carl", 30));
    let (room, ann) = (target("#room", 50), target("Ann", 70));
    let all = [bob.clone(), carl.clone(), room.clone(), ann.clone()];
    assert_eq!(ask((0, u64::MAX), 9), all);
    assert_eq!(ask((0, 99), 2), [bob, carl.clone()]);
    assert_eq!(ask((99, 0), 2), [room.clone(), ann]);
    // The last message counts, and the times themselves do not.
    assert_eq!(ask((20, 70), 9), [carl, room]);
}

fn marks_never_go_back(make: Make) {
    let mut world = make(Retention::default());
    let mark = |target: &str, unix_ms| Write::ReadMark {
        account: "ann".into(),
        target: target.into(),
        unix_ms,
    };
    world.commit(&[
        mark("#b", 5),
        mark("#a", 7),
        mark("#a", 6),
        mark("bob", u64::MAX),
    ]);
    world.commit(&[mark("#b", 4), mark("#b", 6)]);
    let query = Query::ReadMarks {
        account: "ann".into(),
    };
    let Answer::ReadMarks(marks) = world.ask(&query) else {
        panic!("no marks");
    };
    let names: Vec<_> = marks.iter().map(|(name, time)| (&**name, *time)).collect();
    assert_eq!(names[..2], [("#a", 7), ("#b", 6)]);
    assert_eq!((names.len(), names[2].0), (3, "bob"));
}

fn ban(mask: &str, until_unix_ms: Option<u64>) -> ServerBan {
    ServerBan {
        mask: mask.into(),
        reason: "spam".into(),
        by: "admin".into(),
        created_unix_ms: 1,
        until_unix_ms,
    }
}

fn mask(mask: &str) -> MaskEntry {
    MaskEntry {
        mask: mask.into(),
        by: "op".into(),
        unix_ms: 3,
    }
}

fn code(code: &str, used_by: Option<&str>) -> Write {
    Write::Invitation {
        code: code.into(),
        used_by: used_by.map(Into::into),
    }
}

fn rooms() -> [RoomRecord; 2] {
    let plain = RoomRecord {
        name: "#b".into(),
        ..RoomRecord::default()
    };
    let full = RoomRecord {
        name: "#A".into(),
        created_unix_ms: 9,
        topic: Some(("it".into(), "ann!a@h".into(), 4)),
        flags: vec![Flag::InviteOnly, Flag::TopicLocked, Flag::AccountsSpeak],
        key: Some("key".into()),
        limit: Some(u32::MAX),
    };
    [plain, full]
}

fn account() -> AccountRecord {
    AccountRecord {
        name: "Ann".into(),
        verifier: "SCRAM".into(),
        created_unix_ms: 8,
        certificates: vec!["aa".into(), "bb".into()],
        suspended: true,
    }
}

fn rooms_accounts_and_the_rest_are_loaded_again(make: Make) {
    let mut world = make(Retention::default());
    let [plain, full] = rooms();
    let account = account();
    let added = |list, entry| Write::Mask {
        room: "#a".into(),
        list,
        entry: MaskChange::Added(entry),
    };
    let removed = |list, mask: &str| Write::Mask {
        room: "#a".into(),
        list,
        entry: MaskChange::Removed { mask: mask.into() },
    };
    let role = |account: &str, role| Write::Role {
        room: "#a".into(),
        account: account.into(),
        role,
    };
    world.commit(&[
        Write::Room(Arc::new(plain.clone())),
        Write::Room(Arc::new(RoomRecord {
            name: "#a".into(),
            ..plain.clone()
        })),
        Write::Room(Arc::new(full.clone())),
        Write::Account(Arc::new(account.clone())),
        added(MaskList::Mute, mask("z")),
        added(MaskList::Ban, mask("b")),
        added(MaskList::Exemption, mask("b")),
        added(MaskList::Invitation, mask("a")),
        removed(MaskList::Ban, "B"),
        role("zoe", Role::Owner),
        role("bob", Role::Voice),
        role("bob", Role::Member),
        role("bob", Role::Operator),
        Write::ServerBan(Arc::new(ban("z!*@*", Some(5)))),
        Write::ServerBan(Arc::new(ban("a!*@*", None))),
        Write::ServerBan(Arc::new(ban("gone", None))),
        Write::NoServerBan {
            mask: "GONE".into(),
        },
        code("new", None),
        code("used", None),
        code("used", Some("ann")),
    ]);
    let room: Arc<str> = "#a".into();
    let expected = Snapshot {
        database: world.database,
        last_sequence: 0,
        last_unix_ms: 0,
        rooms: vec![full, plain],
        masks: vec![
            (room.clone(), MaskList::Mute, mask("z")),
            (room.clone(), MaskList::Exemption, mask("b")),
            (room.clone(), MaskList::Invitation, mask("a")),
        ],
        roles: vec![
            (room.clone(), "bob".into(), Role::Operator),
            (room, "zoe".into(), Role::Owner),
        ],
        accounts: vec![account],
        bans: vec![ban("z!*@*", Some(5)), ban("a!*@*", None)],
        invitations: vec!["new".into()],
    };
    assert_ne!(expected.database, 0);
    assert_eq!(world.store.load().unwrap(), expected);
    world.prune(5).unwrap();
    assert_eq!(world.store.load().unwrap().bans, [ban("a!*@*", None)]);
}

fn old_entries_go(make: Make) {
    let mut world = make(Retention {
        max_age: Some(Duration::from_millis(100)),
        ..Retention::default()
    });
    let mut batch: Vec<Write> = (1..=1200)
        .map(|number| write(world.said(number, number, "#a", "word")))
        .collect();
    batch.push(world.joined(1201, 1201, "#a"));
    batch.push(write(world.said(1202, 1300, "#b", "word")));
    world.commit(&batch);
    assert!(world.store.prune(1200).unwrap(), "one step removes a part");
    world.prune(1200).unwrap();
    let found = world.numbers(&room("#a"), Span::Latest(None), 999);
    assert_eq!(found, (1100..=1201).collect::<Vec<_>>());
    assert_eq!(search(&mut world, "word", None, 999).len(), 102);
    world.prune(1399).unwrap();
    assert_eq!(world.numbers(&room("#a"), Span::Latest(None), 9), [0; 0]);
    assert_eq!(search(&mut world, "word", None, 999), [1202]);
}

/// More than come into an index of words at a time.
const MANY: u64 = 1_300;

fn search_finds_what_was_said_long_ago_and_just_now(make: Make) {
    let mut world = make(Retention::default());
    let all: Vec<u64> = (1..=MANY).collect();
    for numbers in all.chunks(100) {
        let said =
            |number: &u64| write(world.said(*number, *number, "#a", &format!("n{number} it")));
        let batch: Vec<Write> = numbers.iter().map(said).collect();
        world.commit(&batch);
        let last = numbers[numbers.len() - 1];
        for number in [1, last / 2, last - 1, last] {
            let found = search(&mut world, &format!("IT n{number}"), None, 9);
            assert_eq!(found, [number], "after {last}");
        }
    }
    // In the index, and not yet.
    let gone = [1, MANY - 1];
    let redact = gone.map(|number| Write::Redact {
        msgid: world.msgid(number),
        redaction: redaction(),
    });
    world.commit(&redact);
    let more = (MANY + 1..2 * MANY).map(|number| write(world.said(number, number, "#b", "other")));
    let more: Vec<Write> = more.collect();
    for number in gone {
        assert_eq!(
            search(&mut world, &format!("n{number}"), None, 9),
            [] as [u64; 0]
        );
    }
    world.commit(&more);
    for number in gone {
        assert_eq!(
            search(&mut world, &format!("n{number}"), None, 9),
            [] as [u64; 0]
        );
    }
    assert_eq!(search(&mut world, "it n2", None, 9), [2]);
}

fn a_number_that_is_given_again_is_searched_again(make: Make) {
    let mut world = make(Retention {
        max_age: Some(Duration::from_millis(100)),
        ..Retention::default()
    });
    let new: Vec<Write> = (1..=MANY)
        .map(|number| write(world.said(number, 1_000, "#a", "new")))
        .collect();
    world.commit(&new);
    // Stored last, and the first to go.
    let old = (MANY + 1..=2 * MANY).map(|number| {
        let said = world.said(number, 10, "#a", "old");
        let msgid = Msgid {
            database: world.database ^ 1,
            sequence: number,
        };
        write(Message { msgid, ..said })
    });
    let old: Vec<Write> = old.collect();
    world.commit(&old);
    assert_eq!(search(&mut world, "old", None, 1).len(), 1);
    world.prune(1_000).unwrap();
    assert_eq!(search(&mut world, "old", None, 9), [] as [u64; 0]);
    world.commit(&[write(world.said(3 * MANY, 1_001, "#a", "newest"))]);
    assert_eq!(search(&mut world, "newest", None, 9), [3 * MANY]);
    assert_eq!(search(&mut world, "old", None, 9), [] as [u64; 0]);
}

fn surplus_entries_go(make: Make) {
    let mut world = make(Retention {
        max_count: Some(3),
        ..Retention::default()
    });
    let mut batch = Vec::new();
    for number in 0..10 {
        batch.push(write(world.said(number * 2 + 1, number, "#a", "word")));
        batch.push(world.joined(number * 2 + 2, number, "#a"));
    }
    batch.push(write(world.said(30, 5, "#b", "word")));
    world.commit(&batch);
    world.prune(0).unwrap();
    let found = world.numbers(&room("#a"), Span::Latest(None), 99);
    assert_eq!(found, [15, 16, 17, 18, 19, 20]);
    assert_eq!(search(&mut world, "word", None, 99), [30, 15, 17, 19]);
    assert!(!world.store.prune(0).unwrap());
}

fn entries_go_when_there_are_too_many_bytes(make: Make) {
    let sample = |world: &World, number| world.said(number, number, "#a", &"x".repeat(100));
    let bytes = message_bytes(&sample(&make(Retention::default()), 1));
    let mut world = make(Retention {
        max_bytes: Some(4 * bytes),
        ..Retention::default()
    });
    let batch: Vec<Write> = (1..=6)
        .map(|number| write(sample(&world, number)))
        .collect();
    world.commit(&batch);
    world.commit(&batch);
    world.prune(0).unwrap();
    let a = room("#a");
    assert_eq!(world.numbers(&a, Span::Latest(None), 9), [3, 4, 5, 6]);
    // What was redacted does not count any more.
    let redact = Write::Redact {
        msgid: world.msgid(3),
        redaction: redaction(),
    };
    let short = world.said(7, 7, "#a", "");
    world.commit(&[redact, write(short)]);
    world.prune(0).unwrap();
    let kept = world.numbers(&a, Span::Latest(None), 9);
    assert_eq!(kept, [4, 5, 6, 7]);
}

fn names_are_not_given_again_when_all_is_gone(make: Make) {
    let mut world = make(Retention {
        max_age: Some(Duration::ZERO),
        ..Retention::default()
    });
    let conversation = Conversation::between("ann", "BOB");
    let message = Message {
        place: Place::Person {
            nick: "bob".into(),
            account: Some("Bob".into()),
        },
        ..world.said(77, 500, "", "psst")
    };
    world.commit(&[write(message.clone())]);
    assert_eq!(world.numbers(&conversation, Span::Latest(None), 9), [77]);
    world.prune(1000).unwrap();
    assert_eq!(world.numbers(&conversation, Span::Latest(None), 9), [0; 0]);
    let snapshot = world.store.load().unwrap();
    assert_eq!((snapshot.last_sequence, snapshot.last_unix_ms), (77, 500));
    // A conversation begins anew.
    world.commit(&[write(message)]);
    assert_eq!(world.numbers(&conversation, Span::Latest(None), 9), [77]);
}

/// Two rooms with all that belongs to one.
fn furnished(make: Make) -> World {
    let mut world = make(Retention::default());
    let mut batch = Vec::new();
    for (place, name) in [(0, "#A"), (10, "#b")] {
        let room: Arc<str> = name.to_lowercase().into();
        batch.push(Write::Room(Arc::new(RoomRecord {
            name: name.into(),
            ..RoomRecord::default()
        })));
        batch.push(Write::Mask {
            room: room.clone(),
            list: MaskList::Ban,
            entry: MaskChange::Added(mask("eve!*@*")),
        });
        batch.push(Write::Role {
            room,
            account: "ann".into(),
            role: Role::Voice,
        });
        batch.push(write(world.said(place + 1, place + 1, name, "word")));
        batch.push(world.joined(place + 2, place + 2, name));
    }
    world.commit(&batch);
    world
}

fn no_room(history: bool) -> Write {
    let room = "#a".into();
    Write::NoRoom { room, history }
}

fn check_settings_of_b(world: &mut World) {
    let snapshot = world.store.load().unwrap();
    let rooms: Vec<&str> = snapshot.rooms.iter().map(|room| &*room.name).collect();
    assert_eq!(rooms, ["#b"]);
    assert_eq!((snapshot.masks.len(), snapshot.roles.len()), (1, 1));
    assert_eq!((&*snapshot.masks[0].0, &*snapshot.roles[0].0), ("#b", "#b"));
}

fn a_room_that_is_gone_leaves_nothing(make: Make) {
    let mut world = furnished(make);
    world.commit(&[no_room(true)]);
    world.commit(&[no_room(true)]);
    for pruned in [false, true] {
        if pruned {
            world.prune(0).unwrap();
        }
        check_settings_of_b(&mut world);
        assert_eq!(world.numbers(&room("#a"), Span::Latest(None), 9), [0; 0]);
        assert_eq!(world.numbers(&room("#b"), Span::Latest(None), 9), [11, 12]);
        assert_eq!(search(&mut world, "word", None, 9), [11]);
        let gone = Query::Message(world.msgid(1));
        assert_eq!(world.ask(&gone), Answer::Message(None));
    }
    // A room of that name begins anew, and its msgids go on.
    let batch = [
        no_room(true),
        write(world.said(20, 20, "#a", "word")),
        world.joined(21, 21, "#a"),
    ];
    world.commit(&batch);
    world.commit(&batch);
    for _ in 0..2 {
        assert_eq!(world.numbers(&room("#a"), Span::Latest(None), 9), [20, 21]);
        assert_eq!(search(&mut world, "word", None, 9), [11, 20]);
        world.prune(0).unwrap();
    }
}

fn a_room_can_go_without_its_history(make: Make) {
    let mut world = furnished(make);
    world.commit(&[no_room(false)]);
    world.prune(0).unwrap();
    check_settings_of_b(&mut world);
    assert_eq!(world.numbers(&room("#a"), Span::Latest(None), 9), [1, 2]);
}
