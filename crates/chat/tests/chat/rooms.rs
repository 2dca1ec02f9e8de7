//! Coming, going, speaking: who may, and who is told.

use std::sync::Arc;

use switchboard_chat::chat::command::{Change, Command, Flag, Label, MaskList, Role, Target};
use switchboard_chat::chat::event::{Event, Receipt};
use switchboard_chat::chat::ids::{Moment, UserId};
use switchboard_chat::chat::outlet::Outlet;
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::chat::{Chat, Newcomer};
use switchboard_chat::store::query::Conversation;
use switchboard_chat::store::record::Snapshot;

use super::world::World;

fn part(room: &str) -> Command {
    Command::Part {
        room: room.into(),
        reason: "bye".into(),
    }
}

#[test]
fn a_room_is_there_while_somebody_is_in_it() {
    let mut world = World::new();
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.join(ann, "#a").unwrap();
    world.join(bob, "#A").unwrap();
    assert_eq!(
        world.chat.room("#a").unwrap().role_of(ann),
        Some(Role::Operator)
    );
    assert_eq!(
        world.chat.room("#a").unwrap().role_of(bob),
        Some(Role::Member)
    );
    assert!(
        matches!(world.events(ann).last(), Some(Event::Joined { user, .. }) if &*user.nick == "bob")
    );
    world.ask(ann, part("#a")).unwrap();
    assert!(
        matches!(world.events(bob).last(), Some(Event::Parted { user, .. }) if &*user.nick == "ann")
    );
    assert_eq!(
        world.ask(ann, part("#a")),
        Err(Refusal::NotInRoom("#a".into()))
    );
    world.ask(bob, part("#a")).unwrap();
    assert!(world.chat.room("#a").is_none());
}

#[test]
fn who_leaves_is_missed_once_by_whoever_shares_a_room() {
    let mut world = World::new();
    let (ann, bob, eve) = (world.enter("ann"), world.enter("bob"), world.enter("eve"));
    for room in ["#a", "#b"] {
        world.join(ann, room).unwrap();
        world.join(bob, room).unwrap();
    }
    world.join(eve, "#c").unwrap();
    world.forget();
    world.chat.leave(ann, "gone", world.now, &mut world.heard);
    assert!(matches!(world.events(bob), [Event::Quit { reason, .. }] if &**reason == "gone"));
    assert!(world.events(eve).is_empty());
    assert!(world.chat.user(ann).is_none());
    let again = world.enter("ann");
    assert_ne!(again, ann, "a name of a user is never used again");
}

#[test]
fn a_big_room_announces_nobody() {
    let mut world = World::with(Settings {
        big_room: 2,
        join_rate: None,
        ..Settings::default()
    });
    let users: Vec<UserId> = (0..5).map(|n| world.enter(&format!("u{n}"))).collect();
    for user in &users {
        world.join(*user, "#a").unwrap();
    }
    let joins = |world: &World, user| {
        let joined = |event: &&Event| matches!(event, Event::Joined { .. });
        world.events(user).iter().filter(joined).count()
    };
    assert_eq!(joins(&world, users[0]), 2, "itself and the second one");
    assert_eq!(joins(&world, users[4]), 1, "itself");
    world.forget();
    world.chat.leave(users[4], "", world.now, &mut world.heard);
    world.ask(users[3], part("#a")).unwrap();
    assert!(world.events(users[0]).is_empty());
    world.say(users[0], "#a", "hello").unwrap();
    world.store_all();
    assert_eq!(world.texts(users[2]), ["hello"]);
}

#[test]
fn outsiders_do_not_speak_and_strangers_are_told_why() {
    let mut world = World::new();
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.join(ann, "#a").unwrap();
    assert_eq!(
        world.say(bob, "#a", "x"),
        Err(Refusal::CannotSpeak("#a".into()))
    );
    assert_eq!(
        world.say(bob, "#b", "x"),
        Err(Refusal::NoSuchRoom("#b".into()))
    );
    assert_eq!(
        world.say(bob, "carl", "x"),
        Err(Refusal::NoSuchNick("carl".into()))
    );
    assert_eq!(world.say(ann, "#a", ""), Err(Refusal::NoText));
    assert_eq!(
        world.say(ann, "#a", &"x".repeat(8193)),
        Err(Refusal::TooLong(8192))
    );
    assert_eq!(world.join(ann, "a"), Err(Refusal::BadRoomName("a".into())));
}

#[test]
fn a_guest_speaks_in_the_lobby_and_hears_it_when_it_listens() {
    let mut world = World::new();
    let ann = world.enter("ann");
    world.join(ann, "#lobby").unwrap();
    let guest = world
        .chat
        .enter_guest("host".into(), None, world.now)
        .unwrap();
    let other = world
        .chat
        .enter_guest("host".into(), None, world.now)
        .unwrap();
    let (chat, heard, now) = (&mut world.chat, &mut world.heard, world.now);
    chat.post(guest, (Some("ann"), "hello"), None, now, heard)
        .unwrap();
    world.store_all();
    let Some(Event::Said { message, .. }) = world.events(ann).last() else {
        panic!("{:?}", world.events(ann));
    };
    assert_eq!((&*message.from.nick, &*message.text), ("ann/line", "hello"));
    assert_eq!(world.texts(guest), ["hello"], "its receipt");
    assert!(world.events(other).is_empty());
    world.chat.listen(other, true);
    world.say(ann, "#lobby", "hi").unwrap();
    world.store_all();
    assert_eq!(world.texts(other), ["hi"]);
    assert_eq!(world.texts(guest), ["hello"]);
    world.chat.listen(other, false);
    world.say(ann, "#lobby", "quiet").unwrap();
    world.store_all();
    assert_eq!(world.texts(other), ["hi"]);
    assert_eq!(world.chat.population(), (1, 2));
    world.chat.leave(guest, "", world.now, &mut world.heard);
    assert_eq!(world.chat.population(), (1, 1));
}

#[test]
fn messages_over_the_rate_are_refused_with_the_time_to_wait() {
    let mut world = World::with(Settings {
        message_rate: Some(switchboard_chat::rate::Rate::new(10, 2)),
        ..Settings::default()
    });
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    world.say(ann, "#a", "1").unwrap();
    world.say(ann, "#a", "2").unwrap();
    assert_eq!(world.say(ann, "#a", "3"), Err(Refusal::TooFast(100)));
    world.pass(100);
    world.say(ann, "#a", "3").unwrap();
}

#[test]
fn networks_have_a_limit_and_this_machine_has_none() {
    let mut world = World::with(Settings {
        connections_per_network: 2,
        ..Settings::default()
    });
    let from = |text: &str| Some(text.parse().unwrap());
    let mut admit = |text| world.chat.admit(from(text), world.now);
    let first = admit("2001:db8::1").unwrap();
    let _second = admit("2001:db8::2").unwrap();
    assert_eq!(
        admit("2001:db8:0:0:1::3"),
        Err(Refusal::TooManyConnections(2))
    );
    let _other = admit("2001:db8:0:1::1").unwrap();
    for _ in 0..10 {
        let _local = admit("127.0.0.1").unwrap();
    }
    world.chat.departed(first, world.now);
    assert!(world.chat.admit(from("2001:db8::9"), world.now).is_ok());
}

#[test]
fn members_read_a_rooms_history_and_nobody_else() {
    let mut world = World::new();
    world.account("ann");
    let ann = world.enter_as("ann", Some("ann")).unwrap();
    let (bob, eve, root) = (world.enter("bob"), world.enter("eve"), world.enter("root"));
    world.promote(root);
    world.join(ann, "#a").unwrap();
    world.say(ann, "#a", "before bob").unwrap();
    world.store_all();
    let room: Arc<str> = "#a".into();
    let read = |world: &World, user| {
        let target = Target::Room(room.clone());
        world.chat.conversation_of(user, &target)
    };
    let history = Ok(Conversation::Room(room.clone()));
    assert_eq!(read(&world, root), history, "an administrator does");
    let outside = Err(Refusal::NotInRoom(room.clone()));
    assert_eq!(read(&world, bob), outside);
    world.join(bob, "#a").unwrap();
    assert_eq!(read(&world, bob), history, "all of it");
    let change = |change| Command::Change {
        room: room.clone(),
        changes: vec![change],
        label: None,
    };
    let ban = Change::Mask {
        list: MaskList::Ban,
        mask: "bob".into(),
        add: true,
    };
    let closing = [
        Change::Key(Some("key".into())),
        Change::Flag(Flag::InviteOnly, true),
        ban,
    ];
    for it in closing {
        world.ask(ann, change(it)).unwrap();
        world.store_all();
        assert!(world.join(eve, "#a").is_err());
        assert_eq!(read(&world, eve), outside);
        assert_eq!(read(&world, bob), history, "a member stays one");
    }
    let kick = Command::Kick {
        room: room.clone(),
        nick: "bob".into(),
        reason: "".into(),
    };
    world.ask(ann, kick).unwrap();
    assert_eq!(read(&world, bob), outside);
    world
        .ask(ann, change(Change::Flag(Flag::Secret, true)))
        .unwrap();
    world.store_all();
    let unknown = Err(Refusal::NoSuchRoom(room.clone()));
    assert_eq!(read(&world, bob), unknown);
    world
        .ask(
            ann,
            Command::Part {
                room: room.clone(),
                reason: "".into(),
            },
        )
        .unwrap();
    // Its owner sees the room, and comes in to read.
    assert_eq!(read(&world, ann), outside);
}

/// Counts who is told, and keeps nothing.
#[derive(Default)]
struct Count(usize);

impl Outlet for Count {
    fn tell(&mut self, to: &mut dyn Iterator<Item = UserId>, _: &Event) {
        self.0 += to.count();
    }

    fn answer(&mut self, _: UserId, _: Label, _: Result<Receipt, Refusal>) {
        self.0 += 1;
    }

    fn dismiss(&mut self, _: UserId, _: &str) {}

    fn congested(&mut self, _: UserId) {}

    fn ready(&mut self, _: UserId) {}
}

#[test]
fn that_all_come_back_at_once_costs_as_much_as_they_are() {
    const USERS: usize = 15_000;
    let settings = Settings {
        users_max: USERS,
        ..Settings::default()
    };
    let small = settings.big_room;
    let mut chat = Chat::new(settings, Snapshot::default());
    let (mut count, now) = (Count::default(), Moment::default());
    for _ in 0..2 {
        let users: Vec<UserId> = (0..USERS)
            .map(|number| {
                let newcomer = Newcomer {
                    nick: format!("u{number}").into(),
                    user: "u".into(),
                    host: "host".into(),
                    realname: "u".into(),
                    account: None,
                    from: None,
                };
                let user = chat.enter(newcomer, now, &mut count).unwrap();
                let join = Command::Join {
                    room: "#all".into(),
                    key: None,
                };
                chat.command(user, join, now, &mut count).unwrap();
                user
            })
            .collect();
        // Each hears of itself; of others only while the room is small.
        assert!(count.0 <= USERS + small * small, "{}", count.0);
        count = Count::default();
        for user in users {
            chat.leave(user, "", now, &mut count);
        }
        assert!(count.0 <= small * small, "{}", count.0);
        count = Count::default();
    }
    assert_eq!(chat.population(), (0, 0));
}
