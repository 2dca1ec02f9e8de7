//! Nobody sees what is not stored, and a receipt means that it is.

use std::sync::Arc;

use proptest::prelude::*;
use switchboard_chat::chat::Chat;
use switchboard_chat::chat::command::{Change, Command, Flag};
use switchboard_chat::chat::event::Event;
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::store::StoreError;
use switchboard_chat::store::record::{Snapshot, Write};

use super::world::World;

#[test]
fn nobody_sees_a_message_before_it_is_stored() {
    let mut world = World::new();
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.join(ann, "#a").unwrap();
    world.join(bob, "#A").unwrap();
    world.store_all();
    world.forget();
    world.say(ann, "#a", "hello").unwrap();
    let batch = world.chat.next_batch().unwrap();
    assert!(world.events(ann).is_empty() && world.events(bob).is_empty());
    assert!(
        batch
            .iter()
            .any(|write| matches!(write, Write::Message(m) if &*m.text == "hello"))
    );
    world.chat.stored(&Ok(()), world.now, &mut world.heard);
    for user in [ann, bob] {
        let [
            Event::Said {
                message,
                sender,
                label,
            },
        ] = world.events(user)
        else {
            panic!("{:?}", world.events(user));
        };
        assert_eq!(
            (&*message.text, *sender, label.as_deref()),
            ("hello", Some(ann), Some("hello"))
        );
        assert_eq!(message.msgid.sequence, 1);
    }
}

#[test]
fn what_comes_while_a_batch_is_under_way_goes_together_next() {
    let mut world = World::new();
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    world.say(ann, "#a", "1").unwrap();
    assert!(world.chat.next_batch().is_some());
    world.say(ann, "#a", "2").unwrap();
    world.say(ann, "#a", "3").unwrap();
    assert!(world.chat.next_batch().is_none(), "one batch at a time");
    world.chat.stored(&Ok(()), world.now, &mut world.heard);
    assert_eq!(world.texts(ann), ["1"]);
    let texts = |write: &Write| match write {
        Write::Message(message) => Some(message.text.to_string()),
        _ => None,
    };
    let batch = world.chat.next_batch().unwrap();
    assert_eq!(
        batch.iter().filter_map(texts).collect::<Vec<_>>(),
        ["2", "3"]
    );
    world.chat.stored(&Ok(()), world.now, &mut world.heard);
    assert_eq!(world.texts(ann), ["1", "2", "3"]);
    assert!(world.chat.next_batch().is_none());
    assert!(world.chat.is_settled());
}

#[test]
fn a_full_disk_is_told_to_the_sender_and_to_nobody_else() {
    let mut world = World::new();
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.join(ann, "#a").unwrap();
    world.join(bob, "#a").unwrap();
    world.store_all();
    world.forget();
    world.say(ann, "#a", "lost").unwrap();
    world.store_next(Err(StoreError::Full));
    assert!(world.events(bob).is_empty() && world.events(ann).is_empty());
    let [(user, label, Err(Refusal::CannotStore(why)))] = &world.heard.answers[..] else {
        panic!("{:?}", world.heard.answers);
    };
    assert_eq!(
        (*user, label.as_deref(), &**why),
        (ann, Some("lost"), "the disk is full")
    );
    world.say(ann, "#a", "kept").unwrap();
    world.store_all();
    assert_eq!(world.texts(bob), ["kept"]);
}

#[test]
fn a_sender_with_too_much_waiting_is_stopped_and_goes_on() {
    let mut world = World::with(Settings {
        pending_per_user: 4,
        ..Settings::default()
    });
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    for text in ["1", "2", "3", "4"] {
        world.say(ann, "#a", text).unwrap();
    }
    assert_eq!(world.heard.congested, [(ann, true)]);
    assert_eq!(world.say(ann, "#a", "5"), Err(Refusal::Busy));
    world.store_all();
    assert_eq!(world.heard.congested, [(ann, true), (ann, false)]);
    world.say(ann, "#a", "5").unwrap();
    world.store_all();
    assert_eq!(world.texts(ann), ["1", "2", "3", "4", "5"]);
}

#[test]
fn all_that_waits_is_bounded() {
    let mut world = World::with(Settings {
        pending_bytes_max: 5000,
        message_rate: None,
        ..Settings::default()
    });
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    let taken = (0..1000)
        .take_while(|_| world.say(ann, "#a", "text").is_ok())
        .count();
    assert!((10..20).contains(&taken), "{taken}");
    world.store_all();
    assert_eq!(world.texts(ann).len(), taken);
}

#[test]
fn settings_that_wait_build_upon_each_other() {
    let mut world = World::new();
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    let flag = |flag| Command::Change {
        room: "#a".into(),
        changes: vec![Change::Flag(flag, true)],
        label: None,
    };
    world.ask(ann, flag(Flag::Secret)).unwrap();
    world.ask(ann, flag(Flag::Moderated)).unwrap();
    world.store_all();
    let mut rooms = world.stored.iter().filter_map(|write| match write {
        Write::Room(room) => Some(room),
        _ => None,
    });
    let last = rooms.next_back().unwrap();
    assert!(last.flags.contains(&Flag::Secret) && last.flags.contains(&Flag::Moderated));
    let room = world.chat.room("#a").unwrap();
    assert_eq!(room.flags().collect::<Vec<_>>(), last.flags);
}

#[test]
fn a_setting_upon_one_that_failed_is_made_without_it() {
    let mut world = World::new();
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    let flag = |flag| Command::Change {
        room: "#a".into(),
        changes: vec![Change::Flag(flag, true)],
        label: None,
    };
    world.ask(ann, flag(Flag::Secret)).unwrap();
    assert!(world.chat.next_batch().is_some());
    world.ask(ann, flag(Flag::Moderated)).unwrap();
    world
        .chat
        .stored(&Err(StoreError::Full), world.now, &mut world.heard);
    assert_eq!(world.heard.answers.len(), 1);
    world.store_all();
    let room = world.chat.room("#a").unwrap();
    assert!(!room.has(Flag::Secret) && room.has(Flag::Moderated));
    world.ask(ann, flag(Flag::InviteOnly)).unwrap();
    world.store_all();
    let mut rooms = world.stored.iter().filter_map(|write| match write {
        Write::Room(room) => Some(room),
        _ => None,
    });
    let last = rooms.next_back().unwrap();
    assert_eq!(
        last.flags,
        world.chat.room("#a").unwrap().flags().collect::<Vec<_>>()
    );
}

#[test]
fn msgids_and_times_go_on_after_a_restart() {
    let snapshot = Snapshot {
        database: 7,
        last_sequence: 41,
        last_unix_ms: 5_000_000,
        ..Snapshot::default()
    };
    let mut world = World::new();
    world.chat = Chat::new(Settings::default(), snapshot);
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    world.say(ann, "#a", "hello").unwrap();
    world.store_all();
    let Some(Event::Said { message, .. }) = world.events(ann).last() else {
        panic!("{:?}", world.events(ann));
    };
    assert_eq!(message.msgid.to_string(), "00000007-2a");
    // The clock is behind what is stored: a history never goes back in time.
    assert_eq!(message.unix_ms, 5_000_000);
}

#[derive(Debug, Clone)]
enum Step {
    Say(usize, usize),
    Join(usize, usize),
    Part(usize, usize),
    Store(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_usize, 0..2_usize).prop_map(|(user, room)| Step::Say(user, room)),
        1 => (0..4_usize, 0..2_usize).prop_map(|(user, room)| Step::Join(user, room)),
        1 => (0..4_usize, 0..2_usize).prop_map(|(user, room)| Step::Part(user, room)),
        2 => prop::bool::weighted(0.8).prop_map(Step::Store),
    ]
}

proptest! {
    /// Whatever happens: what a user has seen in a room is a part without gaps, for as long as it
    /// was in there, of what is stored of the room; each message once, in the order of the store.
    #[test]
    fn all_see_the_same_in_the_same_order(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::with(Settings { message_rate: None, join_rate: None, ..Settings::default() });
        let users = ["a", "b", "c", "d"].map(|nick| world.enter(nick));
        let rooms = ["#x", "#y"];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Say(user, room) => {
                    let _ = world.say(users[user], rooms[room], &number.to_string());
                }
                Step::Join(user, room) => world.join(users[user], rooms[room]).unwrap(),
                Step::Part(user, room) => {
                    let command = Command::Part { room: rooms[room].into(), reason: "".into() };
                    let _ = world.ask(users[user], command);
                }
                Step::Store(works) => {
                    world.store_next(if works { Ok(()) } else { Err(StoreError::Full) });
                }
            }
        }
        world.store_all();
        let stored: Vec<Arc<_>> = world.stored.iter().filter_map(|write| match write {
            Write::Message(message) => Some(Arc::clone(message)),
            _ => None,
        }).collect();
        prop_assert!(stored.is_sorted_by(|a, b| a.msgid < b.msgid && a.unix_ms <= b.unix_ms));
        for user in users {
            let seen: Vec<_> = world.events(user).iter().filter_map(|event| match event {
                Event::Said { message, .. } => Some(message.msgid),
                _ => None,
            }).collect();
            prop_assert!(seen.is_sorted_by(|a, b| a < b), "in order, each once");
            prop_assert!(seen.iter().all(|msgid| stored.iter().any(|m| m.msgid == *msgid)));
            // Its own messages are all receipted, whether or not it has left meanwhile.
            let own: Vec<_> = stored.iter().filter(|m| m.from.nick == world.chat.user(user).unwrap().identity().nick).collect();
            prop_assert!(own.iter().all(|message| seen.contains(&message.msgid)));
        }
    }
}
