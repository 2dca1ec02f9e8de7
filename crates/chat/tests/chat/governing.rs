//! Roles, switches, lists, kicks and topics: who may, and what follows.

use switchboard_chat::chat::command::{Change, Command, Flag, MaskList, Role};
use switchboard_chat::chat::event::Event;
use switchboard_chat::chat::ids::UserId;
use switchboard_chat::chat::refusal::Refusal;

use super::world::World;

fn change(world: &mut World, user: UserId, change: Change) -> Result<(), Refusal> {
    let result = world.ask(
        user,
        Command::Change {
            room: "#a".into(),
            changes: vec![change],
            label: None,
        },
    );
    world.store_all();
    result
}

fn mask(list: MaskList, mask: &str, add: bool) -> Change {
    let mask = mask.into();
    Change::Mask { list, mask, add }
}

fn role(nick: &str, role: Role, add: bool) -> Change {
    let nick = nick.into();
    Change::Role { nick, role, add }
}

fn pair() -> (World, UserId, UserId) {
    let mut world = World::new();
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.join(ann, "#a").unwrap();
    (world, ann, bob)
}

#[test]
fn a_ban_keeps_out_and_an_exemption_lets_in() {
    let (mut world, ann, bob) = pair();
    change(&mut world, ann, mask(MaskList::Ban, "bob", true)).unwrap();
    assert_eq!(world.join(bob, "#a"), Err(Refusal::Banned("#a".into())));
    change(&mut world, ann, mask(MaskList::Exemption, "*!bob@*", true)).unwrap();
    world.join(bob, "#a").unwrap();
    world.say(bob, "#a", "hello").unwrap();
    change(&mut world, ann, mask(MaskList::Exemption, "*!bob@*", false)).unwrap();
    assert_eq!(
        world.say(bob, "#a", "x"),
        Err(Refusal::CannotSpeak("#a".into()))
    );
    change(&mut world, ann, role("bob", Role::Voice, true)).unwrap();
    world.say(bob, "#a", "voiced").unwrap();
    let listed = world.chat.room("#a").unwrap().masks(MaskList::Ban);
    assert_eq!(
        listed
            .iter()
            .map(|entry| (&*entry.mask, &*entry.by))
            .collect::<Vec<_>>(),
        [("bob!*@*", "ann")]
    );
}

#[test]
fn a_mute_lets_in_and_keeps_quiet() {
    let (mut world, ann, bob) = pair();
    change(&mut world, ann, mask(MaskList::Mute, "bob", true)).unwrap();
    world.join(bob, "#a").unwrap();
    assert_eq!(
        world.say(bob, "#a", "x"),
        Err(Refusal::CannotSpeak("#a".into()))
    );
}

#[test]
fn invitations_keys_and_limits() {
    let (mut world, ann, bob) = pair();
    change(&mut world, ann, Change::Flag(Flag::InviteOnly, true)).unwrap();
    assert_eq!(world.join(bob, "#a"), Err(Refusal::InviteOnly("#a".into())));
    let invite = Command::Invite {
        room: "#a".into(),
        nick: "bob".into(),
    };
    world.ask(ann, invite).unwrap();
    assert!(matches!(
        world.events(bob).last(),
        Some(Event::Invited { .. })
    ));
    world.join(bob, "#a").unwrap();
    let eve = world.enter("eve");
    change(&mut world, ann, Change::Flag(Flag::InviteOnly, false)).unwrap();
    change(&mut world, ann, Change::Key(Some("open".into()))).unwrap();
    assert_eq!(world.join(eve, "#a"), Err(Refusal::BadKey("#a".into())));
    change(&mut world, ann, Change::Limit(Some(2))).unwrap();
    let with_key = Command::Join {
        room: "#a".into(),
        key: Some("open".into()),
    };
    assert_eq!(
        world.ask(eve, with_key.clone()),
        Err(Refusal::RoomFull("#a".into()))
    );
    change(&mut world, ann, Change::Limit(None)).unwrap();
    world.ask(eve, with_key).unwrap();
}

#[test]
fn members_change_nothing_and_operators_not_their_owners() {
    let mut world = World::new();
    world.account("ann");
    let ann = world.enter_as("ann", Some("ann")).unwrap();
    let (bob, eve) = (world.enter("bob"), world.enter("eve"));
    for user in [ann, bob, eve] {
        world.join(user, "#a").unwrap();
    }
    assert_eq!(
        world.chat.room("#a").unwrap().role_of(ann),
        Some(Role::Owner)
    );
    let refused = Err(Refusal::NeedsOperator("#a".into()));
    assert_eq!(
        change(&mut world, bob, Change::Flag(Flag::Secret, true)),
        refused
    );
    change(&mut world, ann, role("bob", Role::Operator, true)).unwrap();
    assert_eq!(
        change(&mut world, bob, role("bob", Role::Owner, true)),
        refused
    );
    assert_eq!(
        change(&mut world, bob, role("ann", Role::Owner, false)),
        refused
    );
    change(&mut world, bob, role("eve", Role::Voice, true)).unwrap();
    let kick = |nick: &str| Command::Kick {
        room: "#a".into(),
        nick: nick.into(),
        reason: "out".into(),
    };
    assert_eq!(world.ask(bob, kick("ann")), refused);
    world.ask(bob, kick("eve")).unwrap();
    assert!(matches!(
        world.events(eve).last(),
        Some(Event::Kicked { .. })
    ));
    assert_eq!(world.chat.room("#a").unwrap().role_of(eve), None);
}

#[test]
fn a_role_of_an_account_outlives_the_connection() {
    let mut world = World::new();
    world.account("ann");
    world.account("bob");
    let ann = world.enter_as("ann", Some("ann")).unwrap();
    let bob = world.enter_as("bob", Some("bob")).unwrap();
    world.join(ann, "#a").unwrap();
    world.join(bob, "#a").unwrap();
    change(&mut world, ann, role("bob", Role::Operator, true)).unwrap();
    world.chat.leave(bob, "", world.now, &mut world.heard);
    let bob = world.enter_as("bob", Some("bob")).unwrap();
    world.join(bob, "#a").unwrap();
    assert_eq!(
        world.chat.room("#a").unwrap().role_of(bob),
        Some(Role::Operator)
    );
    assert!(
        world
            .events(ann)
            .iter()
            .any(|event| matches!(event, Event::RoomChanged { by: None, .. }))
    );
    // All leave: the room is an account's, so it stays.
    world.chat.leave(bob, "", world.now, &mut world.heard);
    world.chat.leave(ann, "", world.now, &mut world.heard);
    assert!(world.chat.room("#a").is_some());
}

#[test]
fn the_topic_is_told_when_it_is_stored() {
    let (mut world, ann, bob) = pair();
    world.join(bob, "#a").unwrap();
    let topic = |text: &str| Command::SetTopic {
        room: "#a".into(),
        text: text.into(),
        label: None,
    };
    assert_eq!(
        world.ask(bob, topic("x")),
        Err(Refusal::NeedsOperator("#a".into()))
    );
    world.ask(ann, topic("hello")).unwrap();
    assert_eq!(world.chat.room("#a").unwrap().topic(), None);
    world.store_all();
    assert_eq!(world.chat.room("#a").unwrap().topic().unwrap().0, "hello");
    assert!(
        matches!(world.events(bob).last(), Some(Event::Topic { text, .. }) if &**text == "hello")
    );
}
