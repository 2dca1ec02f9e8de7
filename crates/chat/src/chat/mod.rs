//! The chat itself: users, rooms, roles, messages and limits. Commands go in, events come out.
//!
//! It must never touch a socket, a clock, a thread or a disk, and nobody is told of a message, a
//! topic or a setting before the store has said that it is durable.
//!
//! ```text
//! adapter ── command ──▶ Chat ── next_batch ──▶ store
//!    ▲                    │ ▲                     │
//!    └────── Outlet ──────┘ └────── stored ───────┘
//! ```
//!
//! What is worth keeping (messages, topics, settings, accounts) is checked, put into a queue, and
//! done only when its batch is stored. What is not (who comes and goes, typing) is done at once.

mod accounts;
mod administration;
mod admission;
mod audience;
mod batch;
pub mod command;
pub mod entries;
pub mod event;
mod former;
mod governing;
pub mod ids;
mod joining;
pub mod letters;
mod marks;
pub mod masks;
pub mod names;
pub mod outlet;
mod pending;
mod presence;
pub mod refusal;
mod room_settings;
mod rooms;
pub mod settings;
mod speaking;
mod storing;
mod unused_rooms;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::store::record::{AccountRecord, Snapshot};
use admission::Admissions;
use command::{Command, Label};
use event::Identity;
use former::Former;
use ids::{Moment, UserId};
use marks::Marks;
use outlet::Outlet;
use pending::Pending;
use refusal::Refusal;
use rooms::{Room, Rooms};
use settings::Settings;
use users::Users;

pub use admission::Admission;
pub use former::FORMER_MAX;
pub use marks::MARKS_MAX;
pub use rooms::{Room as RoomView, RoomId};
pub use users::User;

/// Who somebody wants to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// How the others are to call this user.
    pub nick: Arc<str>,
    /// What the client was run as.
    pub user: Arc<str>,
    /// Where it comes from, as the others may see it.
    pub host: Arc<str>,
    /// A name for people to read.
    pub realname: Arc<str>,
    /// The account that it has shown to be its own.
    pub account: Option<Arc<str>>,
    /// The address, if it comes from a network.
    pub from: Option<IpAddr>,
}

/// All of a server's chat that is in memory.
#[derive(Debug)]
pub struct Chat {
    settings: Settings,
    users: Users,
    rooms: Rooms,
    /// By their folded names.
    accounts: BTreeMap<Arc<str>, Arc<AccountRecord>>,
    /// Who logs in with which certificate: the fingerprint, the account's folded name.
    certificates: BTreeMap<Arc<str>, Arc<str>>,
    /// What accounts' names look like, and the account's folded name: nobody imitates them.
    looks: BTreeMap<Arc<str>, Arc<str>>,
    /// What the names look like that are being registered.
    registering: BTreeSet<Arc<str>>,
    invitations: BTreeSet<Arc<str>>,
    admissions: Admissions,
    /// Who watches a nick, by its folded name.
    watchers: BTreeMap<Arc<str>, BTreeSet<UserId>>,
    pending: Pending,
    former: Former,
    marks: Marks,
    database: u32,
    last_sequence: u64,
    /// The last message that anybody was told of.
    last_told: u64,
    last_unix_ms: u64,
    guests_seen: u64,
    /// How often somebody has left a room.
    emptyings: u64,
    /// For lists of users that are made and thrown away: kept for its memory.
    scratch: Vec<UserId>,
}

impl Chat {
    /// A chat in which nobody is yet, with what was stored.
    pub fn new(settings: Settings, snapshot: Snapshot) -> Chat {
        let mut rooms = Rooms::default();
        for record in snapshot.rooms {
            rooms.add(|id| Room::restored(id, record));
        }
        for (room, list, entry) in snapshot.masks {
            if let Some(room) = rooms.find(&room).and_then(|id| rooms.get_mut(id)) {
                room.settings.add_mask(list, entry);
            }
        }
        for (room, account, role) in snapshot.roles {
            if let Some(room) = rooms.find(&room).and_then(|id| rooms.get_mut(id)) {
                room.settings.set_role(account, role);
            }
        }
        let mut chat = Chat {
            users: Users::default(),
            rooms,
            accounts: BTreeMap::new(),
            certificates: BTreeMap::new(),
            looks: BTreeMap::new(),
            registering: BTreeSet::new(),
            invitations: snapshot.invitations.into_iter().collect(),
            admissions: Admissions::new(snapshot.bans),
            watchers: BTreeMap::new(),
            pending: Pending::default(),
            former: Former::default(),
            marks: Marks::new(),
            database: snapshot.database,
            last_sequence: snapshot.last_sequence,
            last_told: snapshot.last_sequence,
            last_unix_ms: snapshot.last_unix_ms,
            guests_seen: 0,
            emptyings: 0,
            scratch: Vec::new(),
            settings,
        };
        for account in snapshot.accounts {
            chat.keep_account(Arc::new(account));
        }
        chat.ensure_lobby(chat.last_unix_ms);
        chat
    }

    /// Other bounds and choices from now on. Who is in already stays in.
    pub fn reconfigure(&mut self, settings: Settings, now: Moment) {
        let before = self.rooms.find(&self.settings.lobby);
        self.settings = settings;
        self.ensure_lobby(now.unix_ms);
        let after = self.rooms.find(&self.settings.lobby);
        if let Some((before, after)) = before.zip(after).filter(|(one, other)| one != other) {
            // Guests hear the lobby, whichever that is.
            let moved = self.rooms.get_mut(before);
            let moved = moved.map(|room| std::mem::take(&mut room.listeners));
            if let Some(room) = self.rooms.get_mut(after) {
                room.listeners = moved.unwrap_or_default();
            }
            self.recheck_listeners(after);
            self.drop_if_unused(before);
        }
    }

    /// Does what `user` asks for, or says why not.
    ///
    /// What has to be stored first is done later, and then told to `user` too.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn command(
        &mut self,
        user: UserId,
        command: Command,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        // A plain client has nothing but the lobby, by `post` and `listen`.
        if self.known(user)?.guest {
            return Err(Refusal::NeedsAccount);
        }
        match command {
            Command::Join { room, key } => self.join(user, &room, key.as_deref(), now, out),
            Command::Part { room, reason } => self.part(user, &room, reason, now, out),
            Command::Kick { room, nick, reason } => self.kick(user, &room, nick, reason, now, out),
            Command::Invite { room, nick } => self.invite(user, &room, nick, now, out),
            Command::Say(say) => self.say(user, say, now, out),
            Command::Signal { target, tags } => self.signal(user, target, tags, now, out),
            Command::Redact {
                target,
                msgid,
                reason,
                label,
            } => self.redact(user, target, msgid, reason, label, now, out),
            Command::SetTopic { room, text, label } => {
                self.set_topic(user, &room, text, label, now, out)
            }
            Command::Change {
                room,
                changes,
                label,
            } => self.change(user, &room, changes, label, now, out),
            Command::Rename { nick } => self.rename(user, nick, now, out),
            Command::SetRealname(realname) => self.set_realname(user, realname, now, out),
            Command::SetAway(reason) => self.set_away(user, reason, now, out),
            Command::SetBot(bot) => {
                self.not_too_fast(user, now)?;
                self.change_identity(user, |who| who.bot = bot, out)
            }
            Command::Register {
                account,
                verifier,
                invitation,
                label,
            } => self.register(user, account, verifier, invitation, label, now, out),
            Command::LogIn { account } => self.log_in(user, &account, now, out),
            Command::LogOut => {
                self.not_too_fast(user, now)?;
                self.log_out(user, out)
            }
            Command::SetPassword { verifier, label } => {
                self.set_password(user, verifier, label, out)
            }
            Command::SetCertificate {
                fingerprint,
                add,
                label,
            } => self.set_certificate(user, fingerprint, add, label, out),
            Command::MarkRead { target, unix_ms } => {
                // Nobody has read what comes later.
                let latest = self.last_unix_ms.max(now.unix_ms);
                self.mark_read(user, target, unix_ms.min(latest), now, out)
            }
            Command::BecomeAdmin(label) => self.become_admin(user, label, now, out),
            Command::Admin(command, label) => self.administer(user, command, label, now, out),
        }
    }

    /// The bounds and choices.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A user who is connected.
    pub fn user(&self, user: UserId) -> Option<&User> {
        self.users.get(user)
    }

    /// Who is called so.
    pub fn find(&self, nick: &str) -> Option<UserId> {
        self.users.find(nick)
    }

    /// Everybody who has a nick, by nick.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.by_nick()
    }

    /// How many have a nick, and how many have not.
    pub fn population(&self) -> (usize, usize) {
        let guests = self.users.guests();
        (self.users.len() - guests, guests)
    }

    /// How many administrators are connected.
    pub fn admin_count(&self) -> usize {
        self.users.admins()
    }

    /// A room by its name.
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.get(self.rooms.find(name)?)
    }

    /// A room.
    pub fn room_by_id(&self, room: RoomId) -> Option<&Room> {
        self.rooms.get(room)
    }

    /// All rooms, by their names.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.by_name()
    }

    /// How many rooms there are.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// An account, whether it is connected or not.
    pub fn account(&self, name: &str) -> Option<&Arc<AccountRecord>> {
        self.accounts.get(names::fold(name).as_ref())
    }

    /// The account that this client certificate logs in to; none, if it is suspended.
    pub fn account_by_certificate(&self, fingerprint: &str) -> Option<&Arc<AccountRecord>> {
        let account = self.accounts.get(self.certificates.get(fingerprint)?);
        account.filter(|account| !account.suspended)
    }

    /// Whether nothing waits to be stored and nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many commands wait for the next batch.
    pub fn waiting(&self) -> usize {
        self.pending.waiting()
    }

    fn identity(&self, user: UserId) -> Result<&Arc<Identity>, Refusal> {
        Ok(self.known(user)?.identity())
    }

    /// A command of somebody who is gone is refused as nobody's.
    fn known(&self, user: UserId) -> Result<&User, Refusal> {
        let nobody = || Refusal::NoSuchNick("*".into());
        self.users.get(user).ok_or_else(nobody)
    }

    /// A time for what is stored now: never earlier than that of anything before.
    fn stamp(&mut self, now: Moment) -> u64 {
        self.last_unix_ms = self.last_unix_ms.max(now.unix_ms);
        self.last_unix_ms
    }

    /// The last message that those who were to be told of it were told of. Later ones are still to
    /// be told, to whoever is in by then.
    pub fn last_told(&self) -> ids::Msgid {
        ids::Msgid {
            database: self.database,
            sequence: self.last_told,
        }
    }

    fn next_msgid(&mut self) -> ids::Msgid {
        self.last_sequence += 1;
        ids::Msgid {
            database: self.database,
            sequence: self.last_sequence,
        }
    }

    /// A line of text that is not a message, within its bound.
    fn line(&self, text: &str) -> Result<(), Refusal> {
        let max = self.settings.line_bytes_max;
        if text.len() > max {
            return Err(Refusal::TooLong(max));
        }
        Ok(())
    }

    fn not_too_fast(&mut self, user: UserId, now: Moment) -> Result<(), Refusal> {
        let rate = self.settings.join_rate;
        let Some((rate, user)) = rate.zip(self.users.get_mut(user)) else {
            return Ok(());
        };
        if user.admin || user.joins.take(rate, now.monotonic_ns) {
            return Ok(());
        }
        let wait_ns = user.joins.wait_ns(rate, now.monotonic_ns);
        Err(Refusal::TooFast(wait_ns.div_ceil(1_000_000)))
    }
}

/// What a durable command is remembered as: who asked, and what to remind it of.
type Asker = Option<(UserId, Label)>;
