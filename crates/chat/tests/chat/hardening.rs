//! What was wrong once: rights, secrets and bounds at their edges.

use switchboard_chat::chat::command::{
    AdminCommand, Change, Command, Flag, MaskList, Role, Target,
};
use switchboard_chat::chat::event::Event;
use switchboard_chat::chat::ids::UserId;
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::store::StoreError;
use switchboard_chat::store::record::Write;

use super::world::{World, replayed};

fn change(room: &str, change: Change) -> Command {
    Command::Change {
        room: room.into(),
        changes: vec![change],
        label: Some("c".into()),
    }
}

fn rename(nick: &str) -> Command {
    Command::Rename { nick: nick.into() }
}

fn register(account: &str) -> Command {
    Command::Register {
        account: account.into(),
        verifier: "v".into(),
        invitation: None,
        label: Some("r".into()),
    }
}

fn owned() -> (World, UserId) {
    let mut world = World::new();
    world.account("ann");
    let ann = world.enter_as("ann", Some("ann")).unwrap();
    world.join(ann, "#a").unwrap();
    (world, ann)
}

#[test]
fn a_room_that_could_not_be_stored_is_stored_with_the_next_message() {
    let (mut world, ann) = owned();
    world.store_next(Err(StoreError::Full));
    world.say(ann, "#a", "lost").unwrap();
    world.store_next(Err(StoreError::Full));
    world.say(ann, "#a", "kept").unwrap();
    world.store_all();
    let snapshot = replayed(&world.stored);
    assert!(snapshot.rooms.iter().any(|room| &*room.name == "#a"));
    assert_eq!(snapshot.roles, [("#a".into(), "ann".into(), Role::Owner)]);
}

#[test]
fn a_room_of_which_nothing_could_be_stored_goes_with_the_last_one() {
    let (mut world, ann) = owned();
    world.say(ann, "#a", "lost").unwrap();
    world.leave(ann);
    assert!(world.chat.room("#a").is_some(), "something waits for it");
    world.store_next(Err(StoreError::Full));
    assert!(world.chat.room("#a").is_none());
}

#[test]
fn two_changes_of_an_account_that_wait_are_both_made() {
    let (mut world, ann) = owned();
    let password = Command::SetPassword {
        verifier: "new".into(),
        label: None,
    };
    let certificate = |user: &str| Command::SetCertificate {
        fingerprint: user.into(),
        add: true,
        label: None,
    };
    world.ask(ann, password).unwrap();
    world.ask(ann, certificate("f1")).unwrap();
    world.ask(ann, certificate("f2")).unwrap();
    world.store_all();
    let account = world.chat.account("ann").unwrap();
    assert_eq!(&*account.verifier, "new");
    assert_eq!(account.certificates, ["f1".into(), "f2".into()]);
}

#[test]
fn one_certificate_is_one_accounts() {
    let (mut world, ann) = owned();
    world.account("bob");
    let bob = world.enter_as("bob", Some("bob")).unwrap();
    for user in [ann, bob] {
        let certificate = Command::SetCertificate {
            fingerprint: "f".into(),
            add: true,
            label: Some("f".into()),
        };
        world.ask(user, certificate).unwrap();
    }
    world.store_all();
    let refused = Err(Refusal::AccountExists("this certificate".into()));
    assert_eq!(
        world.heard.answers.last(),
        Some(&(bob, Some("f".into()), refused))
    );
    assert_eq!(
        &*world.chat.account_by_certificate("f").unwrap().name,
        "ann"
    );
}

#[test]
fn a_switch_that_waits_to_go_off_can_be_turned_on_behind_it() {
    let (mut world, ann) = owned();
    world
        .ask(ann, change("#a", Change::Flag(Flag::Secret, true)))
        .unwrap();
    world.store_all();
    for on in [false, true] {
        world
            .ask(ann, change("#a", Change::Flag(Flag::Secret, on)))
            .unwrap();
    }
    world.store_all();
    assert!(world.chat.room("#a").unwrap().has(Flag::Secret));
}

#[test]
fn lists_stay_within_their_bound_while_much_waits() {
    let mut world = World::with(Settings {
        masks_per_list: 3,
        ..Settings::default()
    });
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    for number in 0..6 {
        let mask = format!("nick{number}").into();
        let ban = Change::Mask {
            list: MaskList::Ban,
            mask,
            add: true,
        };
        world.ask(ann, change("#a", ban)).unwrap();
    }
    world.store_all();
    assert_eq!(world.chat.room("#a").unwrap().masks(MaskList::Ban).len(), 3);
    let full = |(_, _, outcome): &&(_, _, _)| *outcome == Err(Refusal::ListFull("#a".into()));
    assert_eq!(world.heard.answers.iter().filter(full).count(), 3);
    let long = format!("~a:{}", "x".repeat(9000)).into();
    let ban = Change::Mask {
        list: MaskList::Mute,
        mask: long,
        add: true,
    };
    assert!(matches!(
        world.ask(ann, change("#a", ban)),
        Err(Refusal::BadMask(_))
    ));
}

#[test]
fn a_role_that_waits_is_for_whom_it_was_meant() {
    let mut world = World::new();
    let (ann, bob, eve) = (world.enter("ann"), world.enter("bob"), world.enter("eve"));
    for user in [ann, bob, eve] {
        world.join(user, "#a").unwrap();
    }
    let role = Change::Role {
        nick: "bob".into(),
        role: Role::Operator,
        add: true,
    };
    world.ask(ann, change("#a", role)).unwrap();
    world.ask(bob, rename("bobby")).unwrap();
    world.ask(eve, rename("bob")).unwrap();
    world.store_all();
    let room = world.chat.room("#a").unwrap();
    assert_eq!(room.role_of(bob), Some(Role::Operator));
    assert_eq!(room.role_of(eve), Some(Role::Member));
}

#[test]
fn a_role_that_is_taken_is_taken_from_all_connections_of_the_account() {
    let (mut world, ann) = owned();
    world.account("bob");
    let bob = world.enter_as("bob", Some("bob")).unwrap();
    let phone = world.enter_as("bob-phone", Some("bob")).unwrap();
    world.join(bob, "#a").unwrap();
    world.join(phone, "#a").unwrap();
    for add in [true, false] {
        let role = Change::Role {
            nick: "bob".into(),
            role: Role::Operator,
            add,
        };
        world.ask(ann, change("#a", role)).unwrap();
        world.store_all();
        let expected = if add { Role::Operator } else { Role::Member };
        let room = world.chat.room("#a").unwrap();
        assert_eq!(room.role_of(bob), Some(expected));
        assert_eq!(room.role_of(phone), Some(expected));
    }
}

#[test]
fn who_takes_over_a_nick_does_not_get_what_was_said_to_it() {
    let mut world = World::new();
    let (ann, bob, eve) = (world.enter("ann"), world.enter("bob"), world.enter("eve"));
    world.say(ann, "bob", "for bob alone").unwrap();
    world.leave(bob);
    world.ask(eve, rename("bob")).unwrap();
    world.store_all();
    assert!(world.texts(eve).is_empty());
    assert_eq!(world.texts(ann), ["for bob alone"], "its receipt");
}

#[test]
fn a_secret_room_is_not_there_for_outsiders() {
    let (mut world, ann) = owned();
    let eve = world.enter("eve");
    world
        .ask(ann, change("#a", Change::Flag(Flag::Secret, true)))
        .unwrap();
    world.store_all();
    let none = Refusal::NoSuchRoom("#A".into());
    let target = Target::Room("#A".into());
    assert_eq!(world.say(eve, "#A", "x"), Err(none.clone()));
    assert_eq!(world.chat.conversation_of(eve, &target), Err(none.clone()));
    let flag = Change::Flag(Flag::Secret, false);
    assert_eq!(world.ask(eve, change("#A", flag)), Err(none.clone()));
    let commands = [
        Command::Part {
            room: "#A".into(),
            reason: "".into(),
        },
        Command::Kick {
            room: "#A".into(),
            nick: "ann".into(),
            reason: "".into(),
        },
        Command::Invite {
            room: "#A".into(),
            nick: "ann".into(),
        },
        Command::SetTopic {
            room: "#A".into(),
            text: "".into(),
            label: None,
        },
        Command::Signal {
            target,
            tags: Vec::new(),
        },
    ];
    for command in commands {
        assert_eq!(world.ask(eve, command), Err(none.clone()));
    }
    assert!(!world.chat.may_see(eve, world.chat.room("#a").unwrap()));
    world.join(eve, "#a").unwrap();
    assert!(world.chat.may_see(eve, world.chat.room("#a").unwrap()));
}

#[test]
fn nobody_owns_what_others_have_spoken_in_by_coming_first() {
    let mut world = World::new();
    world.account("eve");
    let ann = world.enter("ann");
    world.join(ann, "#a").unwrap();
    world.say(ann, "#a", "hello").unwrap();
    world.store_all();
    world.leave(ann);
    let eve = world.enter_as("eve", Some("eve")).unwrap();
    world.join(eve, "#a").unwrap();
    world.store_all();
    let room = world.chat.room("#a").unwrap();
    assert_eq!(room.role_of(eve), Some(Role::Operator));
    assert_eq!(room.roles().count(), 0);
}

#[test]
fn an_account_owns_as_many_rooms_as_one_user_is_in() {
    let mut world = World::with(Settings {
        rooms_per_user: 2,
        ..Settings::default()
    });
    world.account("ann");
    let ann = world.enter_as("ann", Some("ann")).unwrap();
    for room in ["#a", "#b", "#c"] {
        world.join(ann, room).unwrap();
        let part = Command::Part {
            room: room.into(),
            reason: "".into(),
        };
        world.ask(ann, part).unwrap();
        world.store_all();
    }
    let there = world.chat.rooms().map(|room| room.name().to_string());
    assert_eq!(there.collect::<Vec<_>>(), ["#a", "#b", "#lobby"]);
}

#[test]
fn nobody_imitates_an_account() {
    let mut world = World::new();
    world.account("раураӏ");
    let (eve, bob) = (world.enter("eve"), world.enter("bob"));
    assert_eq!(
        world.ask(eve, rename("PayPal")),
        Err(Refusal::NickReserved("PayPal".into()))
    );
    assert_eq!(
        world.ask(eve, register("paypal")),
        Err(Refusal::AccountExists("paypal".into()))
    );
    // Nor one that is being registered.
    world.ask(eve, register("eve2")).unwrap();
    assert_eq!(
        world.ask(bob, rename("EVE2")),
        Err(Refusal::NickReserved("EVE2".into()))
    );
    world.store_all();
    assert!(world.chat.account("eve2").is_some());
}

#[test]
fn an_owner_gets_the_nick_back_from_who_has_logged_out() {
    let (mut world, ann) = owned();
    world.ask(ann, Command::LogOut).unwrap();
    let again = world.enter_as("ann", Some("ann")).unwrap();
    assert_eq!(world.heard.dismissed[0].0, ann);
    assert_eq!(world.chat.find("ann"), Some(again));
}

#[test]
fn a_suspended_account_does_not_come_in() {
    let (mut world, ann) = owned();
    world.leave(ann);
    let root = world.enter("root");
    world.promote(root);
    let suspend = AdminCommand::Suspend {
        account: "ann".into(),
    };
    world.ask(root, Command::Admin(suspend, None)).unwrap();
    world.store_all();
    assert!(matches!(
        world.enter_as("x", Some("ann")),
        Err(Refusal::BannedFromServer(_))
    ));
    assert_eq!(
        world.enter_as("x", Some("nobody")),
        Err(Refusal::NeedsAccount)
    );
}

#[test]
fn an_administrator_makes_an_account_for_somebody_else() {
    let mut world = World::new();
    let root = world.enter("root");
    world.promote(root);
    world.ask(root, register("bob")).unwrap();
    world.store_all();
    assert!(world.chat.account("bob").is_some());
    assert_eq!(world.chat.user(root).unwrap().account(), None);
}

#[test]
fn what_an_administrator_does_is_in_the_audit_log_first() {
    let mut world = World::new();
    let (root, eve) = (world.enter("root"), world.enter("eve"));
    world.promote(root);
    world.store_all();
    let kill = AdminCommand::Kill {
        nick: "eve".into(),
        reason: "spam".into(),
    };
    let announce = AdminCommand::Announce("hear".into());
    for command in [announce, kill] {
        world
            .ask(root, Command::Admin(command, Some("a".into())))
            .unwrap();
    }
    assert!(world.events(eve).is_empty() && world.chat.user(eve).is_some());
    world.store_all();
    assert!(matches!(world.events(eve), [Event::Announced(_)]));
    assert!(world.chat.user(eve).is_none());
    assert_eq!(world.heard.answers.len(), 2);
    let audits = |write: &&Write| matches!(write, Write::Audit { .. });
    assert_eq!(world.stored.iter().filter(audits).count(), 3);
}

#[test]
fn a_ban_of_the_server_is_not_walked_around() {
    let (mut world, ann) = owned();
    let (root, eve) = (world.enter("root"), world.enter("eve"));
    world.leave(ann);
    world.promote(root);
    let ban = |mask: &str| {
        let (mask, reason) = (mask.into(), "no".into());
        Command::Admin(
            AdminCommand::Ban {
                mask,
                seconds: None,
                reason,
            },
            None,
        )
    };
    world.ask(root, ban("~a:ann")).unwrap();
    world.ask(root, ban("spam*")).unwrap();
    assert_eq!(
        world.ask(root, ban("*")),
        Err(Refusal::BadMask("*!*@*".into()))
    );
    world.store_all();
    let banned = Err(Refusal::BannedFromServer("no".into()));
    assert_eq!(
        world.ask(
            eve,
            Command::LogIn {
                account: "ann".into()
            }
        ),
        banned
    );
    assert_eq!(world.ask(eve, rename("spammer")), banned);
}

#[test]
fn read_marks_are_told_once_they_are_stored_and_only_of_people_there_are() {
    let (mut world, ann) = owned();
    world.store_all();
    world.forget();
    let mark = |target| Command::MarkRead { target, unix_ms: 5 };
    assert_eq!(
        world.ask(ann, mark(Target::Person("nobody".into()))),
        Err(Refusal::NoSuchNick("nobody".into()))
    );
    world.ask(ann, mark(Target::Room("#a".into()))).unwrap();
    assert!(world.events(ann).is_empty());
    world.store_all();
    assert!(matches!(
        world.events(ann),
        [Event::MarkedRead { unix_ms: 5, .. }]
    ));
}
