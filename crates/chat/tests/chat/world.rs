//! A chat, its users and a store that does what the test says. It must never tell a test what it
//! expects to hear.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use switchboard_chat::chat::command::{Command, Kind, Label, Role, Say, Target};
use switchboard_chat::chat::event::{Event, Receipt};
use switchboard_chat::chat::ids::{Moment, UserId};
use switchboard_chat::chat::outlet::Outlet;
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::chat::{Chat, Newcomer};
use switchboard_chat::store::StoreError;
use switchboard_chat::store::record::{
    AccountRecord, MaskChange, RoomRecord, ServerBan, Snapshot, Write,
};

/// What everybody has heard, in order.
#[derive(Default)]
pub struct Heard {
    pub events: BTreeMap<UserId, Vec<Event>>,
    pub answers: Vec<(UserId, Label, Result<Receipt, Refusal>)>,
    pub dismissed: Vec<(UserId, String)>,
    pub congested: Vec<(UserId, bool)>,
    /// Who is gone, and must not be told anything any more.
    pub gone: BTreeSet<UserId>,
}

impl Heard {
    fn check(&self, user: UserId, what: &dyn std::fmt::Debug) {
        assert!(
            !self.gone.contains(&user),
            "{user:?} is gone, and told {what:?}"
        );
    }
}

impl Outlet for Heard {
    fn tell(&mut self, to: &mut dyn Iterator<Item = UserId>, event: &Event) {
        let mut told = Vec::new();
        for user in to {
            assert!(!told.contains(&user), "{user:?} is told twice of {event:?}");
            told.push(user);
            self.check(user, event);
            self.events.entry(user).or_default().push(event.clone());
        }
    }

    fn answer(&mut self, to: UserId, label: Label, outcome: Result<Receipt, Refusal>) {
        self.check(to, &outcome);
        self.answers.push((to, label, outcome));
    }

    fn dismiss(&mut self, user: UserId, reason: &str) {
        self.check(user, &reason);
        self.gone.insert(user);
        self.dismissed.push((user, reason.to_owned()));
    }

    fn congested(&mut self, user: UserId) {
        self.check(user, &"to wait");
        self.congested.push((user, true));
    }

    fn ready(&mut self, user: UserId) {
        self.check(user, &"to go on");
        self.congested.push((user, false));
    }
}

pub struct World {
    pub chat: Chat,
    pub heard: Heard,
    pub stored: Vec<Write>,
    pub now: Moment,
}

impl World {
    pub fn new() -> World {
        World::with(Settings::default())
    }

    pub fn with(settings: Settings) -> World {
        World {
            chat: Chat::new(settings, Snapshot::default()),
            heard: Heard::default(),
            stored: Vec::new(),
            now: Moment {
                monotonic_ns: 1,
                unix_ms: 1_000_000,
            },
        }
    }

    pub fn pass(&mut self, ms: u64) {
        self.now.unix_ms += ms;
        self.now.monotonic_ns += ms * 1_000_000;
    }

    pub fn enter(&mut self, nick: &str) -> UserId {
        self.enter_as(nick, None).unwrap()
    }

    pub fn enter_as(&mut self, nick: &str, account: Option<&str>) -> Result<UserId, Refusal> {
        let newcomer = Newcomer {
            nick: nick.into(),
            user: nick.to_ascii_lowercase().into(),
            host: "host".into(),
            realname: nick.into(),
            account: account.map(Into::into),
            from: None,
        };
        self.chat.enter(newcomer, self.now, &mut self.heard)
    }

    pub fn leave(&mut self, user: UserId) {
        self.chat.leave(user, "gone", self.now, &mut self.heard);
        self.heard.gone.insert(user);
    }

    pub fn ask(&mut self, user: UserId, command: Command) -> Result<(), Refusal> {
        self.chat.command(user, command, self.now, &mut self.heard)
    }

    pub fn join(&mut self, user: UserId, room: &str) -> Result<(), Refusal> {
        self.ask(
            user,
            Command::Join {
                room: room.into(),
                key: None,
            },
        )
    }

    pub fn say(&mut self, user: UserId, to: &str, text: &str) -> Result<(), Refusal> {
        let target: Arc<str> = to.into();
        let target = match to.starts_with('#') {
            true => Target::Room(target),
            false => Target::Person(target),
        };
        self.ask(
            user,
            Command::Say(Say {
                target,
                kind: Kind::Message,
                text: text.into(),
                tags: Vec::new(),
                label: Some(text.into()),
            }),
        )
    }

    /// Makes an account whose owner is not connected any more.
    pub fn account(&mut self, name: &str) {
        let user = self.enter(name);
        let command = Command::Register {
            account: name.into(),
            verifier: "verifier".into(),
            invitation: None,
            label: None,
        };
        self.ask(user, command).unwrap();
        self.store_all();
        self.chat.leave(user, "", self.now, &mut self.heard);
        self.heard = Heard::default();
    }

    /// Makes a user an administrator.
    pub fn promote(&mut self, user: UserId) {
        self.ask(user, Command::BecomeAdmin(None)).unwrap();
        self.store_all();
        assert!(self.chat.user(user).unwrap().is_admin());
        self.forget();
    }

    /// The store takes everything that waits.
    pub fn store_all(&mut self) {
        while self.store_next(Ok(())) {}
    }

    pub fn store_next(&mut self, outcome: Result<(), StoreError>) -> bool {
        let Some(batch) = self.chat.next_batch() else {
            return false;
        };
        if outcome.is_ok() {
            self.stored.extend(batch.iter().cloned());
        }
        self.chat.stored(&outcome, self.now, &mut self.heard);
        true
    }

    /// The texts that a user has seen said, in order.
    pub fn texts(&self, user: UserId) -> Vec<String> {
        let said = self.events(user).iter().filter_map(|event| match event {
            Event::Said { message, .. } => Some(message.text.to_string()),
            _ => None,
        });
        said.collect()
    }

    pub fn events(&self, user: UserId) -> &[Event] {
        self.heard.events.get(&user).map_or(&[], Vec::as_slice)
    }

    pub fn forget(&mut self) {
        self.heard = Heard::default();
    }
}

/// What a store that has taken these writes gives to a server that starts.
pub fn replayed(writes: &[Write]) -> Snapshot {
    let fold = |name: &str| name.to_ascii_lowercase();
    let mut rooms = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    let mut roles = BTreeMap::new();
    let mut snapshot = Snapshot::default();
    for write in writes.iter().cloned() {
        match write {
            Write::Message(message) => {
                snapshot.last_sequence = message.msgid.sequence;
                snapshot.last_unix_ms = message.unix_ms;
            }
            Write::Room(room) => {
                rooms.insert(fold(&room.name), RoomRecord::clone(&room));
            }
            Write::NoRoom { room, .. } => {
                rooms.remove(&*room);
                snapshot.masks.retain(|(of, ..)| *of != room);
                roles.retain(|(of, _), _| *of != room);
            }
            Write::Mask { room, list, entry } => {
                assert!(rooms.contains_key(&*room), "a list before its room");
                let masks = &mut snapshot.masks;
                match entry {
                    MaskChange::Added(entry) => masks.push((room, list, entry)),
                    MaskChange::Removed { mask } => {
                        masks.retain(|it| (&it.0, it.1, &it.2.mask) != (&room, list, &mask));
                    }
                }
            }
            Write::Role {
                room,
                account,
                role,
            } => {
                assert!(rooms.contains_key(&*room), "a role before its room");
                match role {
                    Role::Member => roles.remove(&(room, account)),
                    role => roles.insert((room, account), role),
                };
            }
            Write::Account(account) => {
                accounts.insert(fold(&account.name), AccountRecord::clone(&account));
            }
            Write::ServerBan(ban) => snapshot.bans.push(ServerBan::clone(&ban)),
            Write::NoServerBan { mask } => snapshot.bans.retain(|ban| ban.mask != mask),
            Write::Invitation { code, used_by } => match used_by {
                Some(_) => snapshot.invitations.retain(|known| *known != code),
                None => snapshot.invitations.push(code),
            },
            _ => {}
        }
    }
    snapshot.rooms = rooms.into_values().collect();
    snapshot.accounts = accounts.into_values().collect();
    let role = |((room, account), role)| (room, account, role);
    snapshot.roles = roles.into_iter().map(role).collect();
    snapshot
}
