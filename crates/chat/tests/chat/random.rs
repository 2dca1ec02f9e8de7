//! Whatever users do, and whether or not it can be stored: what is in memory is what is stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use switchboard_chat::chat::command::{
    AdminCommand, Change, Command, Flag, Kind, Label, MaskList, Role, Say, Target,
};
use switchboard_chat::chat::event::Event;
use switchboard_chat::chat::ids::UserId;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::chat::{Chat, RoomView};
use switchboard_chat::store::StoreError;

use super::world::{World, replayed};

const NAMES: [&str; 6] = ["ann", "bob", "Carl", "eve", "root", "zoe"];
/// The last one is always there.
const ROOMS: [&str; 4] = ["#a", "#B", "#c", "#lobby"];
const MASKS: [&str; 4] = ["bob", "*!*@host", "~a:ann", "eve!*@*"];
const LISTS: [MaskList; 4] = [
    MaskList::Ban,
    MaskList::Exemption,
    MaskList::Invitation,
    MaskList::Mute,
];
const FLAGS: [Flag; 4] = [
    Flag::InviteOnly,
    Flag::Moderated,
    Flag::Secret,
    Flag::AccountsOnly,
];
const ROLES: [Role; 4] = [Role::Member, Role::Voice, Role::Operator, Role::Owner];

/// What is done, by whom, and what with: numbers that choose from the lists above.
type Step = (u8, usize, usize, usize, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        (0..32_u8, 0..6_usize, 0..6_usize, 0..4_usize, any::<bool>()),
        1..120,
    )
}

struct Play {
    world: World,
    /// Labels that are owed an answer, and to whom.
    owed: Vec<(UserId, Label)>,
    number: usize,
}

impl Play {
    fn step(&mut self, (what, who, whom, which, on): Step) {
        self.number += 1;
        self.world.pass(10);
        let name = NAMES[who];
        let Some(user) = self.world.chat.find(name) else {
            let account = self.world.chat.account(name).is_some().then_some(name);
            let _ = self.world.enter_as(name, account);
            return;
        };
        match what {
            0..=4 => {
                self.world.store_next(if what > 0 {
                    Ok(())
                } else {
                    Err(StoreError::Full)
                });
            }
            5 => self.world.leave(user),
            _ => {
                let label: Label = Some(self.number.to_string().into());
                let command = command(what, (NAMES[whom].into(), which, on), label.clone());
                self.ask(user, command, label);
            }
        }
    }

    fn ask(&mut self, user: UserId, command: Command, label: Label) {
        let pending = |world: &World| world.chat.user(user).map(|user| user.pending());
        let before = pending(&self.world);
        let done = self.world.ask(user, command);
        let after = pending(&self.world);
        if done.is_err() {
            assert_eq!(before, after, "what is refused does not wait");
        } else if after > before {
            self.owed.push((user, label));
        }
        let answered = self.answers(user, &Some(self.number.to_string().into()));
        assert_eq!(answered, 0, "nothing is answered before it is stored");
    }

    fn answers(&self, user: UserId, label: &Label) -> usize {
        let told = self.world.events(user).iter().filter(|event| match event {
            Event::Said {
                sender, label: it, ..
            }
            | Event::Redacted {
                sender, label: it, ..
            }
            | Event::Topic {
                sender, label: it, ..
            }
            | Event::RoomChanged {
                sender, label: it, ..
            } => *sender == Some(user) && it == label,
            _ => false,
        });
        let answers = &self.world.heard.answers;
        let answers = answers
            .iter()
            .filter(|(to, it, _)| *to == user && it == label);
        told.count() + answers.count()
    }

    fn check_answers(&self) {
        for (user, label) in &self.owed {
            let times = self.answers(*user, label);
            let is_there = !self.world.heard.gone.contains(user);
            assert!(
                times == 1 || (times == 0 && !is_there),
                "{label:?}: {times} answers"
            );
        }
    }
}

fn command(what: u8, (nick, which, on): (Arc<str>, usize, bool), label: Label) -> Command {
    let room: Arc<str> = ROOMS[which].into();
    let change = |change| Command::Change {
        room: room.clone(),
        changes: vec![change],
        label: label.clone(),
    };
    match what {
        6..=10 => Command::Join { room, key: None },
        11 => Command::Part {
            room,
            reason: "".into(),
        },
        12 => Command::Kick {
            room,
            nick,
            reason: "".into(),
        },
        13 => Command::Invite { room, nick },
        14..=16 => Command::Say(Say {
            target: if on {
                Target::Room(room)
            } else {
                Target::Person(nick)
            },
            kind: Kind::Message,
            text: "hello".into(),
            tags: Vec::new(),
            label,
        }),
        17 => Command::SetTopic {
            room,
            text: if on { nick } else { "".into() },
            label,
        },
        18..=19 => change(Change::Flag(FLAGS[which], on)),
        20 => change(Change::Key(on.then(|| "key".into()))),
        21 => change(Change::Limit(on.then_some(3))),
        22 => change(Change::Mask {
            list: LISTS[nick.len() % 4],
            mask: MASKS[which].into(),
            add: on,
        }),
        23..=25 => change(Change::Role {
            nick,
            role: ROLES[which],
            add: on,
        }),
        _ => of_oneself(what, (nick, which, on), label),
    }
}

fn of_oneself(what: u8, (nick, which, on): (Arc<str>, usize, bool), label: Label) -> Command {
    match what {
        26 => Command::Rename { nick },
        27 => Command::Register {
            account: nick,
            verifier: "v".into(),
            invitation: None,
            label,
        },
        28 => match on {
            true => Command::LogIn { account: nick },
            false => Command::LogOut,
        },
        29 => match on {
            true => Command::SetPassword {
                verifier: nick,
                label,
            },
            false => Command::SetCertificate {
                fingerprint: ROOMS[which].into(),
                add: nick.len() > 3,
                label,
            },
        },
        30 => Command::BecomeAdmin(label),
        _ => Command::Admin(of_admin(nick, which, on), label),
    }
}

fn of_admin(nick: Arc<str>, which: usize, on: bool) -> AdminCommand {
    let address = || format!("10.0.0.{}", nick.len()).into();
    match (which, on) {
        (0, true) => AdminCommand::Ban {
            mask: address(),
            seconds: None,
            reason: "".into(),
        },
        (0, false) => AdminCommand::Unban { mask: address() },
        (1, true) => AdminCommand::Kill {
            nick,
            reason: "".into(),
        },
        (1, false) => AdminCommand::Announce("hear".into()),
        (2, true) => AdminCommand::Suspend { account: nick },
        (2, false) => AdminCommand::Invite { code: nick },
        _ => AdminCommand::SetPassword {
            account: nick,
            verifier: "w".into(),
        },
    }
}

/// All that is stored of a room, to be compared.
fn picture(room: &RoomView) -> String {
    let lists: Vec<_> = LISTS.iter().map(|list| room.masks(*list)).collect();
    format!(
        "{} {:?} {:?} {:?} {:?} {lists:?} {:?}",
        room.name(),
        room.topic(),
        room.flags().collect::<Vec<_>>(),
        room.key(),
        room.limit(),
        room.roles().collect::<Vec<_>>(),
    )
}

fn check_indexes(chat: &Chat) {
    let mut memberships = BTreeSet::new();
    for user in chat.users() {
        assert_eq!(chat.find(&user.identity().nick), Some(user.id()));
        for room in user.rooms() {
            let room = chat.room_by_id(*room).unwrap();
            assert!(room.role_of(user.id()).is_some(), "a member of its room");
            assert!(
                memberships.insert((room.folded().clone(), user.id())),
                "once"
            );
        }
    }
    for room in chat.rooms() {
        assert_eq!(chat.room(room.name()).unwrap().name(), room.name());
        for member in room.members() {
            assert!(memberships.remove(&(room.folded().clone(), member.user)));
        }
    }
    assert!(memberships.is_empty());
}

fn check_restart(world: &mut World) {
    let snapshot = replayed(&world.stored);
    let stored: BTreeSet<String> = snapshot
        .rooms
        .iter()
        .map(|room| room.name.to_ascii_lowercase())
        .collect();
    let running = &world.chat;
    let mut restarted = Chat::new(running.settings().clone(), snapshot);
    for room in restarted.rooms() {
        let before = running.room(room.name()).expect("a stored room is there");
        assert_eq!(picture(before), picture(room));
        if stored.contains(&**room.folded()) {
            assert_eq!(before.created_unix_ms(), room.created_unix_ms());
        }
    }
    for room in running.rooms() {
        let is_known = restarted.room(room.name()).is_some();
        assert!(
            is_known || !room.is_empty(),
            "{} is nobody's, and not stored",
            room.name()
        );
        assert!(is_known || room.roles().next().is_none());
    }
    for name in NAMES {
        assert_eq!(running.account(name), restarted.account(name));
    }
    for fingerprint in ROOMS {
        let (before, after) = (
            running.account_by_certificate(fingerprint),
            restarted.account_by_certificate(fingerprint),
        );
        assert_eq!(before, after);
    }
    for host in 1..6 {
        let from = Some(format!("10.0.0.{host}").parse().unwrap());
        let is_let_in = |chat: &mut Chat| chat.admit(from, world.now).is_ok();
        assert_eq!(is_let_in(&mut world.chat), is_let_in(&mut restarted));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_in_memory_is_what_is_stored(steps in steps()) {
        let settings = Settings {
            message_rate: None,
            join_rate: None,
            registration_rate: None,
            masks_per_list: 2,
            big_room: 3,
            batch_max: 3,
            pending_per_user: 8,
            rooms_max: 3,
            ..Settings::default()
        };
        let mut play = Play { world: World::with(settings), owed: Vec::new(), number: 0 };
        for name in ["ann", "bob"] {
            play.world.account(name);
        }
        for step in steps {
            play.step(step);
            check_indexes(&play.world.chat);
        }
        play.world.store_all();
        prop_assert!(play.world.chat.is_settled());
        check_indexes(&play.world.chat);
        play.check_answers();
        check_restart(&mut play.world);
    }
}
