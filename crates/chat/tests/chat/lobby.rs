//! The lobby's guests, and rooms that make way: what nobody owns.

use switchboard_chat::chat::command::{AdminCommand, Change, Command, Flag};
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::store::StoreError;
use switchboard_chat::store::record::Write;

use super::world::World;

fn change(room: &str, change: Change) -> Command {
    Command::Change {
        room: room.into(),
        changes: vec![change],
        label: Some("c".into()),
    }
}

#[test]
fn a_guest_hears_no_lobby_that_it_could_not_come_into() {
    let mut world = World::new();
    let ann = world.enter("ann");
    world.join(ann, "#lobby").unwrap();
    world.promote(ann);
    let guest = world
        .chat
        .enter_guest("host".into(), None, world.now)
        .unwrap();
    world.chat.listen(guest, true);
    world
        .ask(ann, change("#lobby", Change::Key(Some("key".into()))))
        .unwrap();
    world.store_all();
    world.heard.events.clear();
    world.say(ann, "#lobby", "among us").unwrap();
    world.store_all();
    world.chat.listen(guest, true);
    world.say(ann, "#lobby", "still").unwrap();
    world.store_all();
    assert!(world.events(guest).is_empty());
    let (chat, heard, now) = (&mut world.chat, &mut world.heard, world.now);
    let refused = chat.post(guest, (None, "x"), None, now, heard);
    assert_eq!(refused, Err(Refusal::CannotSpeak("#lobby".into())));
    assert!(
        chat.command(guest, Command::BecomeAdmin(None), now, heard)
            .is_err()
    );
}

#[test]
fn guests_follow_the_lobby_to_another_name() {
    let mut world = World::new();
    let guest = world
        .chat
        .enter_guest("host".into(), None, world.now)
        .unwrap();
    world.chat.listen(guest, true);
    let settings = Settings {
        lobby: "#hall".into(),
        ..Settings::default()
    };
    world.chat.reconfigure(settings, world.now);
    assert!(world.chat.room("#lobby").is_none());
    let ann = world.enter("ann");
    world.join(ann, "#hall").unwrap();
    world.say(ann, "#hall", "hello").unwrap();
    world.store_all();
    assert_eq!(world.texts(guest), ["hello"]);
    world.leave(guest);
    world.say(ann, "#hall", "gone?").unwrap();
    world.store_all();
}

fn crowded(rooms_max: usize) -> World {
    World::with(Settings {
        rooms_max,
        join_rate: None,
        ..Settings::default()
    })
}

fn part(room: &str) -> Command {
    Command::Part {
        room: room.into(),
        reason: "".into(),
    }
}

fn history(room: &str, history: bool) -> Write {
    let room = room.into();
    Write::NoRoom { room, history }
}

#[test]
fn rooms_that_nobody_uses_make_way_for_others() {
    let mut world = crowded(4);
    let ann = world.enter("ann");
    for room in ["#a", "#b", "#c"] {
        world.join(ann, room).unwrap();
        world.say(ann, room, "hello").unwrap();
    }
    world
        .ask(ann, change("#b", Change::Flag(Flag::Secret, true)))
        .unwrap();
    world.store_all();
    let full = Err(Refusal::TooManyRoomsInAll(4));
    assert_eq!(world.join(ann, "#d"), full, "all are used");
    for room in ["#b", "#a"] {
        world.ask(ann, part(room)).unwrap();
    }
    world.store_all();
    // Of one that is as new nothing is lost, though it was used later.
    assert_eq!(world.join(ann, "#d"), Err(Refusal::Busy));
    assert!(world.chat.room("#a").is_some(), "not before it is stored");
    world.store_next(Err(StoreError::Full));
    assert!(world.chat.room("#a").is_some());
    assert_eq!(world.join(ann, "#d"), Err(Refusal::Busy));
    world.store_all();
    assert_eq!(world.stored.last(), Some(&history("#a", false)));
    assert!(world.chat.room("#a").is_none() && world.chat.room("#b").is_some());
    world.join(ann, "#d").unwrap();
    assert_eq!(world.join(ann, "#e"), Err(Refusal::Busy));
    world.store_all();
    // Nobody who comes into a room of that name later reads what was secret.
    assert_eq!(world.stored.last(), Some(&history("#b", true)));
    world.join(ann, "#b").unwrap();
    assert!(!world.chat.room("#b").unwrap().has(Flag::Secret));
}

#[test]
fn the_longest_unused_room_goes_and_before_there_are_too_many() {
    let mut world = crowded(20);
    let ann = world.enter("ann");
    let rooms: Vec<String> = (10..28).map(|number| format!("#{number}")).collect();
    for room in &rooms {
        world.join(ann, room).unwrap();
        world
            .ask(ann, change(room, Change::Limit(Some(9))))
            .unwrap();
    }
    world.store_all();
    world.ask(ann, part("#17")).unwrap();
    world.ask(ann, part("#13")).unwrap();
    world.join(ann, "#new").unwrap();
    assert!(world.chat.room("#17").is_some());
    world.store_all();
    assert!(world.chat.room("#17").is_none() && world.chat.room("#13").is_some());
}

#[test]
fn a_room_that_somebody_uses_again_stays() {
    let mut world = crowded(2);
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    world
        .ask(ann, change("#a", Change::Limit(Some(9))))
        .unwrap();
    world.ask(ann, part("#a")).unwrap();
    world.store_all();
    assert_eq!(world.join(ann, "#b"), Err(Refusal::Busy));
    world.join(ann, "#a").unwrap();
    world.store_all();
    assert_eq!(world.chat.room("#a").unwrap().limit(), Some(9));
    world.ask(ann, part("#a")).unwrap();
    world.promote(ann);
    assert_eq!(world.join(ann, "#b"), Err(Refusal::Busy));
    // While it is taken out of the store nobody comes in, and who changes it makes a new one.
    let batch = world.chat.next_batch().unwrap();
    assert!(batch.contains(&history("#a", true)));
    assert_eq!(world.join(ann, "#a"), Err(Refusal::Busy));
    world
        .ask(ann, change("#a", Change::Limit(Some(5))))
        .unwrap();
    world.stored.extend(batch.iter().cloned());
    world.chat.stored(&Ok(()), world.now, &mut world.heard);
    world.store_all();
    assert_eq!(world.chat.room("#a").unwrap().limit(), Some(5));
    let written = world.stored.iter().rev();
    let mut written = written.filter(|it| matches!(it, Write::Room(_) | Write::NoRoom { .. }));
    assert!(matches!(written.next(), Some(Write::Room(room)) if room.limit == Some(5)));
}

#[test]
fn rooms_of_accounts_stay_until_those_are_suspended() {
    let mut world = crowded(2);
    world.account("ann");
    let ann = world.enter_as("ann", Some("ann")).unwrap();
    world.join(ann, "#a").unwrap();
    world.store_all();
    world.leave(ann);
    let root = world.enter("root");
    world.promote(root);
    let full = Err(Refusal::TooManyRoomsInAll(2));
    assert_eq!(world.join(root, "#b"), full);
    let suspend = AdminCommand::Suspend {
        account: "ann".into(),
    };
    world.ask(root, Command::Admin(suspend, None)).unwrap();
    world.store_all();
    assert_eq!(world.join(root, "#b"), Err(Refusal::Busy));
    world.store_all();
    world.join(root, "#b").unwrap();
}
