//! What users are told. It must never say how a protocol writes it.

use std::sync::Arc;

use super::command::{Change, Kind, Label, Role, Tag};
use super::ids::{Msgid, UserId};

/// Who somebody was when something happened. Shared: a change makes a new one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// How the others call this user.
    pub nick: Arc<str>,
    /// What the client said it was run as.
    pub user: Arc<str>,
    /// Where the connection comes from, as the others may see it.
    pub host: Arc<str>,
    /// Who it is, if it has logged in.
    pub account: Option<Arc<str>>,
    /// A name for people to read.
    pub realname: Arc<str>,
    /// It says of itself that it is a program.
    pub bot: bool,
}

impl Identity {
    /// `nick!user@host`.
    pub fn source(&self) -> Arc<str> {
        format!("{}!{}@{}", self.nick, self.user, self.host).into()
    }
}

/// Where a message was said, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a room, under its name as it is shown.
    Room(Arc<str>),
    /// From a person to another one, under the name that the sender wrote.
    Person {
        /// The nick that it was sent to.
        nick: Arc<str>,
        /// The account that it was sent to.
        account: Option<Arc<str>>,
    },
}

impl Place {
    /// The room's name, or the person's.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Place::Room(name) => name,
            Place::Person { nick, .. } => nick,
        }
    }
}

/// A message that is stored. Nobody ever sees one that is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub msgid: Msgid,
    /// When the server took it, in milliseconds since 1970. Never earlier than the one before.
    pub unix_ms: u64,
    /// Where.
    pub place: Place,
    /// Who.
    pub from: Arc<Identity>,
    /// What kind.
    pub kind: Kind,
    /// The text, its lines separated by `\n`; empty if it was redacted.
    pub text: Arc<str>,
    /// What clients tell each other about it.
    pub tags: Vec<Tag>,
    /// Who took it back, when and why.
    pub redacted: Option<Arc<Redaction>>,
}

impl Message {
    /// What its sender does, as in `waves`, if it says that in the way of IRC clients (`/me waves`).
    pub fn action(&self) -> Option<&str> {
        let action = self.text.strip_prefix("\x01ACTION ")?;
        Some(action.strip_suffix('\x01').unwrap_or(action))
    }
}

/// That a message was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// The nick of who did it.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// Something that users are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody said something. The sender is among those who are told: its receipt.
    Said {
        /// What, and by whom.
        message: Arc<Message>,
        /// The connection that it came from; none of those that are here for an imported one.
        sender: Option<UserId>,
        /// The sender's.
        label: Label,
    },
    /// Something short-lived, such as typing.
    Signalled {
        /// Who.
        from: Arc<Identity>,
        /// Where.
        place: Place,
        /// What.
        tags: Vec<Tag>,
    },
    /// A message was taken back.
    Redacted {
        /// Who did it.
        by: Arc<Identity>,
        /// Where it was said.
        place: Place,
        /// Which.
        msgid: Msgid,
        /// Why.
        reason: Arc<str>,
        /// That of who did it.
        sender: Option<UserId>,
        /// That of who did it.
        label: Label,
    },
    /// Somebody came into a room.
    Joined {
        /// Who.
        user: Arc<Identity>,
        /// Away with this reason.
        away: Option<Arc<str>>,
        /// Which, as it is shown.
        room: Arc<str>,
    },
    /// Somebody left a room.
    Parted {
        /// Who.
        user: Arc<Identity>,
        /// Which.
        room: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// Somebody was put out of a room.
    Kicked {
        /// By whom.
        by: Arc<Identity>,
        /// Which room.
        room: Arc<str>,
        /// Whom.
        nick: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// Somebody is gone.
    Quit {
        /// Who.
        user: Arc<Identity>,
        /// Why.
        reason: Arc<str>,
    },
    /// Somebody is called otherwise, or has another name for people, or has logged in or out.
    Changed {
        /// Before.
        from: Arc<Identity>,
        /// Now.
        to: Arc<Identity>,
    },
    /// Somebody is away, or back.
    Away {
        /// Who.
        user: Arc<Identity>,
        /// Why, if away.
        reason: Option<Arc<str>>,
    },
    /// The room has a new topic.
    Topic {
        /// By whom.
        by: Arc<Identity>,
        /// Which room.
        room: Arc<str>,
        /// Empty: none.
        text: Arc<str>,
        /// When, in milliseconds since 1970.
        unix_ms: u64,
        /// That of who set it.
        sender: Option<UserId>,
        /// That of who set it.
        label: Label,
    },
    /// The room's settings are changed.
    RoomChanged {
        /// By whom; the server itself gives roles to who has them by account.
        by: Option<Arc<Identity>>,
        /// Which room.
        room: Arc<str>,
        /// How. None if it was so already: only who asked for it is told.
        changes: Vec<Change>,
        /// That of who changed them.
        sender: Option<UserId>,
        /// That of who changed them.
        label: Label,
    },
    /// Somebody was invited: told to the invited one, and to those in the room who may invite.
    Invited {
        /// By whom.
        by: Arc<Identity>,
        /// The invited one.
        nick: Arc<str>,
        /// The invited one's connection.
        invited: UserId,
        /// Into which room.
        room: Arc<str>,
    },
    /// Up to where this account has read, from another of its connections.
    MarkedRead {
        /// Where.
        place: Place,
        /// In milliseconds since 1970.
        unix_ms: u64,
    },
    /// A nick that this user watches is there, or gone.
    Watched {
        /// Who; the nick alone if it is gone.
        nick: Arc<str>,
        /// Who it is.
        user: Option<Arc<Identity>>,
    },
    /// Something about somebody whose nick this user watches: told to those who share no room in
    /// which they hear of it anyway.
    OfWatched(Box<Event>),
    /// The server says something to everybody.
    Announced(Arc<str>),
}

/// What became of a durable command of one user's own that nobody else is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// The account is there, and this connection is logged in to it.
    Registered {
        /// Its name.
        account: Arc<str>,
    },
    /// The password is another one.
    PasswordSet,
    /// The certificate logs in, or no longer does.
    CertificateSet,
    /// This user is an administrator of the server now.
    Administrator {
        /// What it is called.
        nick: Arc<str>,
    },
    /// An administrator's command is done; an invitation code, if it was for one.
    Administered {
        /// What to show.
        text: Arc<str>,
    },
}

/// A member of a room, as lists show one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What this user may do there.
    pub role: Role,
}
