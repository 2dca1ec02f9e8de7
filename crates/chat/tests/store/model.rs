//! Random writes on both stores, and all that can be asked compared: of histories with what the
//! documentation of a span says, word by word, and of the rest with each other.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use switchboard_chat::chat::command::{Kind, MaskList, Role};
use switchboard_chat::chat::event::{Message, Place};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::query::{Anchor, Answer, Conversation, Entry, Query, Span};
use switchboard_chat::store::record::{Happening, MaskChange, MaskEntry, RoomRecord, What, Write};
use switchboard_chat::store::retention::Retention;

use crate::world::{World, identity, redaction};

/// The number of the stores' own database is not known here: this stands for it.
const OWN: u32 = 0xdeca_fbad;
const FOREIGN: u32 = 7;

const ROOMS: [&str; 3] = ["#A", "#a", "#b"];
const PEOPLE: [&str; 3] = ["Ann", "bob", "carl"];
const WORDS: [&str; 4] = ["one", "Two", "two-three", "one's"];

/// One thing that happens; its number comes from its place among all.
#[derive(Debug, Clone)]
enum Step {
    Say(&'static str, &'static str, Vec<&'static str>),
    Direct(&'static str, &'static str, bool),
    Import(&'static str, u64),
    Join(&'static str),
    Redact(u64),
    Mask(&'static str, bool),
    Role(&'static str, &'static str, u8),
    Room(&'static str, bool),
    NoRoom(&'static str, bool),
    Mark(&'static str, &'static str, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (room, person) = (|| select(&ROOMS[..]), || select(&PEOPLE[..]));
    let words = prop::collection::vec(select(&WORDS[..]), 0..4);
    prop_oneof![
        4 => (room(), person(), words).prop_map(|(a, b, c)| Step::Say(a, b, c)),
        2 => (person(), person(), any::<bool>()).prop_map(|(a, b, c)| Step::Direct(a, b, c)),
        1 => (room(), 0..60_u64).prop_map(|(a, b)| Step::Import(a, b)),
        2 => room().prop_map(Step::Join),
        1 => (0..60_u64).prop_map(Step::Redact),
        1 => (select(&["a", "A", "b"][..]), any::<bool>()).prop_map(|(a, b)| Step::Mask(a, b)),
        1 => (room(), person(), 0..4_u8).prop_map(|(a, b, c)| Step::Role(a, b, c)),
        1 => (room(), any::<bool>()).prop_map(|(a, b)| Step::Room(a, b)),
        1 => (room(), any::<bool>()).prop_map(|(a, b)| Step::NoRoom(a, b)),
        1 => (person(), room(), 0..9_u64).prop_map(|(a, b, c)| Step::Mark(a, b, c)),
    ]
}

fn message(msgid: Msgid, unix_ms: u64, place: Place, from: &str, text: String) -> Write {
    Write::Message(Arc::new(Message {
        msgid,
        unix_ms,
        place,
        from: identity(from, Some(from)),
        kind: Kind::Message,
        text: text.into(),
        tags: Vec::new(),
        redacted: None,
    }))
}

fn parted(msgid: Msgid, unix_ms: u64, room: &str) -> Write {
    Write::Happened(Arc::new(Happening {
        msgid,
        unix_ms,
        room: room.into(),
        source: "ann!a@h".into(),
        account: None,
        what: What::Parted("bye".into()),
    }))
}

/// As a write on a database of this number.
fn to_write(number: u64, step: &Step, database: u32) -> Write {
    let own = |sequence| Msgid { database, sequence };
    let lower = |name: &str| Arc::<str>::from(name.to_lowercase());
    // Several of one time.
    let unix_ms = number / 3 * 2;
    match step {
        Step::Say(room, from, words) => {
            let place = Place::Room((*room).into());
            message(own(number), unix_ms, place, from, words.join(" "))
        }
        Step::Direct(from, to, has_account) => {
            let place = Place::Person {
                nick: (*to).into(),
                account: has_account.then(|| (*to).into()),
            };
            message(own(number), unix_ms, place, from, "psst".to_owned())
        }
        Step::Import(room, unix_ms) => {
            // In a database, the later number is not of an earlier time.
            let msgid = Msgid {
                database: FOREIGN,
                sequence: unix_ms + 1,
            };
            let place = Place::Room((*room).into());
            message(msgid, *unix_ms, place, "bob", "one".to_owned())
        }
        Step::Join(room) => parted(own(number), unix_ms, room),
        Step::Redact(which) => Write::Redact {
            msgid: own(*which),
            redaction: redaction(),
        },
        Step::Mask(mask, added) => {
            let mask: Arc<str> = (*mask).into();
            let entry = MaskEntry {
                mask: mask.clone(),
                by: "op".into(),
                unix_ms,
            };
            Write::Mask {
                room: "#a".into(),
                list: MaskList::Ban,
                entry: match added {
                    true => MaskChange::Added(entry),
                    false => MaskChange::Removed { mask },
                },
            }
        }
        Step::Role(room, account, role) => Write::Role {
            room: lower(room),
            account: lower(account),
            role: [Role::Member, Role::Voice, Role::Operator, Role::Owner][usize::from(*role)],
        },
        Step::Room(room, topic) => Write::Room(Arc::new(RoomRecord {
            name: (*room).into(),
            topic: topic.then(|| ("topic".into(), "ann!a@h".into(), unix_ms)),
            ..RoomRecord::default()
        })),
        Step::NoRoom(room, history) => Write::NoRoom {
            room: lower(room),
            history: *history,
        },
        Step::Mark(account, target, unix_ms) => Write::ReadMark {
            account: lower(account),
            target: lower(target),
            unix_ms: *unix_ms,
        },
    }
}

/// The same as a store whose database has the number [`OWN`] would have said it.
fn renamed(answer: Answer, database: u32) -> Answer {
    let named = |msgid: &mut Msgid| {
        if msgid.database == database {
            msgid.database = OWN;
        }
    };
    let entry = |mut entry: Entry| {
        match &mut entry {
            Entry::Message(message) => named(&mut Arc::make_mut(message).msgid),
            Entry::Happening(happening) => named(&mut Arc::make_mut(happening).msgid),
        }
        entry
    };
    match answer {
        Answer::Entries(entries) => Answer::Entries(entries.into_iter().map(entry).collect()),
        other => other,
    }
}

fn anchor(database: u32, (kind, value): (u8, u64)) -> Anchor {
    match kind {
        0 => Anchor::Time(value),
        kind => Anchor::Msgid(Msgid {
            database: if kind == 1 { database } else { FOREIGN },
            sequence: value,
        }),
    }
}

fn span(database: u32, kind: u8, one: (u8, u64), other: (u8, u64)) -> Span {
    let (one, other) = (anchor(database, one), anchor(database, other));
    match kind {
        0 => Span::Latest(None),
        1 => Span::Latest(Some(one)),
        2 => Span::Before(one),
        3 => Span::After(one),
        4 => Span::Around(one),
        _ => Span::Between(one, other),
    }
}

/// What a span means, from all entries of a history in order.
fn expected(all: &[Entry], everything: &[Entry], span: Span, limit: usize) -> Vec<Entry> {
    // Whether an entry is before an anchor, and whether it is after it.
    let sides = |entry: &Entry, anchor: Anchor| match anchor {
        Anchor::Time(time) => (entry.place().unix_ms < time, entry.place().unix_ms > time),
        Anchor::Msgid(msgid) => {
            let same = everything
                .iter()
                .filter(|it| it.place().database == msgid.database);
            let known = same.filter(|it| it.place().sequence <= msgid.sequence);
            let unix_ms = known.map(|it| it.place().unix_ms).max().unwrap_or(0);
            let its = (unix_ms, msgid.database, msgid.sequence);
            let place = entry.place();
            let this = (place.unix_ms, place.database, place.sequence);
            (this < its, this > its)
        }
    };
    let all = all.iter().cloned();
    let first = |part: Vec<Entry>, n: usize| part[..n.min(part.len())].to_vec();
    let last = |part: Vec<Entry>, n: usize| part[part.len().saturating_sub(n)..].to_vec();
    match span {
        Span::Latest(None) => last(all.collect(), limit),
        Span::Latest(Some(it)) => last(all.filter(|e| sides(e, it).1).collect(), limit),
        Span::Before(it) => last(all.filter(|e| sides(e, it).0).collect(), limit),
        Span::After(it) => first(all.filter(|e| sides(e, it).1).collect(), limit),
        Span::Around(it) => {
            let (before, from): (Vec<_>, Vec<_>) = all.partition(|e| sides(e, it).0);
            [last(before, limit / 2), first(from, limit - limit / 2)].concat()
        }
        Span::Between(one, other) => {
            let up: Vec<_> = all
                .clone()
                .filter(|e| sides(e, one).1 && sides(e, other).0)
                .collect();
            let down: Vec<_> = all
                .filter(|e| sides(e, other).1 && sides(e, one).0)
                .collect();
            match up.is_empty() {
                false => first(up, limit),
                true => last(down, limit),
            }
        }
    }
}

fn history(world: &mut World, conversation: &Conversation, span: Span, limit: usize) -> Answer {
    let query = Query::History {
        conversation: conversation.clone(),
        span,
        limit,
        happenings: true,
    };
    let database = world.database;
    renamed(world.ask(&query), database)
}

fn stored(steps: &[Step], batch: usize, retention: Retention) -> [World; 2] {
    [World::sqlite, World::log].map(|make| {
        let mut world = make(retention);
        let database = world.database;
        let numbered = (1..).zip(steps);
        let writes: Vec<Write> = numbered
            .map(|(number, step)| to_write(number, step, database))
            .collect();
        for writes in writes.chunks(batch) {
            world.commit(writes);
        }
        world
    })
}

fn conversations() -> Vec<Conversation> {
    let rooms = ["#a", "#b"].map(|room| Conversation::Room(room.into()));
    let pairs = [("Ann", "bob"), ("ann", "carl"), ("bob", "bob")];
    let pairs = pairs.map(|(one, other)| Conversation::between(one, other));
    rooms.into_iter().chain(pairs).collect()
}

fn all(world: &mut World) -> Vec<(Conversation, Vec<Entry>)> {
    let read = |conversation: Conversation| match history(
        world,
        &conversation,
        Span::Latest(None),
        1000,
    ) {
        Answer::Entries(entries) => (conversation, entries),
        other => panic!("a history is answered by {other:?}"),
    };
    conversations().into_iter().map(read).collect()
}

type Ask = (u8, (u8, u64), (u8, u64), usize);

fn ask() -> impl Strategy<Value = Ask> {
    let anchor = || (0..3_u8, 0..60_u64);
    (0..6_u8, anchor(), anchor(), 0..8_usize)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn histories_are_what_they_are_said_to_be(
        steps in prop::collection::vec(step(), 0..60),
        asks in prop::collection::vec(ask(), 30),
        batch in 1..20_usize,
    ) {
        let mut worlds = stored(&steps, batch, Retention::default());
        for world in &mut worlds {
            let database = world.database;
            // Of what was said in a room that is gone, the times are known until it is removed.
            world.prune(0).unwrap();
            let read = all(world);
            let everything: Vec<Entry> =
                read.iter().flat_map(|(_, entries)| entries.clone()).collect();
            // Of those in no conversation nothing can be asked, but they have their places.
            let numbered = (1..).zip(&steps);
            let loose = numbered.filter_map(|(number, step)| match to_write(number, step, OWN) {
                Write::Message(message) if matches!(message.place, Place::Person { .. }) => {
                    Some(Entry::Message(message))
                }
                _ => None,
            });
            let everything: Vec<Entry> = everything.into_iter().chain(loose).collect();
            for (conversation, entries) in &read {
                for (kind, one, other, limit) in &asks {
                    let own = span(OWN, *kind, *one, *other);
                    let expected = expected(entries, &everything, own, *limit);
                    let its = span(database, *kind, *one, *other);
                    let found = history(world, conversation, its, *limit);
                    prop_assert_eq!(found, Answer::Entries(expected), "{:?} {}", own, limit);
                }
            }
        }
    }

    #[test]
    fn both_stores_say_the_same(
        steps in prop::collection::vec(step(), 0..80),
        batch in 1..20_usize,
        keep in (0..3_u8, 0..30_u64, 0..9_u64),
        between in (0..60_u64, 0..60_u64),
        limit in 0..9_usize,
    ) {
        let retention = Retention {
            max_age: (keep.0 == 0).then(|| Duration::from_millis(keep.1)),
            max_count: (keep.0 == 1).then_some(keep.2),
            max_bytes: (keep.0 == 2).then_some(keep.1 * 220),
        };
        let mut worlds = stored(&steps, batch, retention);
        let mut queries: Vec<Query> = ["one", "TWO", "three two", "one's"]
            .map(|words| Query::Search {
                conversations: conversations(),
                words: words.into(),
                from: (limit % 2 == 0).then(|| "BOB".into()),
                before: Some(Anchor::Time(between.0)),
                limit,
            })
            .into();
        for account in ["ann", "bob"] {
            queries.push(Query::ReadMarks { account: account.into() });
            queries.push(Query::Targets {
                account: Some(account.into()),
                rooms: vec!["#a".into(), "#b".into()],
                between,
                limit,
            });
        }
        for pruned in [false, true] {
            let answers = worlds.each_mut().map(|world| {
                if pruned {
                    world.prune(50).unwrap();
                }
                let database = world.database;
                let mut snapshot = world.store.load().unwrap();
                snapshot.database = OWN;
                let asked = queries.iter().map(|query| renamed(world.ask(query), database));
                let asked: Vec<Answer> = asked.collect();
                (snapshot, asked, all(world))
            });
            let [sqlite, log] = answers;
            prop_assert_eq!(sqlite, log);
        }
    }
}
