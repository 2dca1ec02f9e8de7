//! The lobby's guests, and rooms that make way: what nobody owns.

use switchboard_chat::chat::command::{Change, Command, Flag};
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::Settings;

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
    world.ask(ann, Command::BecomeAdmin).unwrap();
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
        chat.command(guest, Command::BecomeAdmin, now, heard)
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

#[test]
fn rooms_that_are_as_new_ones_make_way_for_others() {
    let mut world = World::with(Settings {
        rooms_max: 3,
        ..Settings::default()
    });
    let ann = world.enter("ann");
    let part = |room: &str| Command::Part {
        room: room.into(),
        reason: "".into(),
    };
    for room in ["#a", "#b"] {
        world.join(ann, room).unwrap();
        world.say(ann, room, "hello").unwrap();
    }
    world
        .ask(ann, change("#b", Change::Flag(Flag::Secret, true)))
        .unwrap();
    let full = Err(Refusal::TooManyRoomsInAll(3));
    world.ask(ann, part("#b")).unwrap();
    world.store_all();
    assert_eq!(world.join(ann, "#c"), full, "one is used, the other secret");
    world.ask(ann, part("#a")).unwrap();
    world.join(ann, "#c").unwrap();
    assert!(world.chat.room("#a").is_none() && world.chat.room("#b").is_some());
    world.ask(ann, part("#c")).unwrap();
    // It comes back as it was.
    world.join(ann, "#a").unwrap();
    world.say(ann, "#a", "again").unwrap();
    world.store_all();
    assert!(world.chat.room("#a").is_some());
}
