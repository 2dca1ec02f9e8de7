//! What is stored, as values. It must never say how: that is the business of each store.

use std::sync::Arc;

use crate::chat::command::{Flag, MaskList, Role};
use crate::chat::event::{Message, Place, Redaction};
use crate::chat::ids::Msgid;

/// One thing to make durable. Each one can be done twice with the same result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A message. A direct one belongs to both accounts, if both are.
    Message(Arc<Message>),
    /// Something else that happened in a room, for its history.
    Happened(Arc<Happening>),
    /// The text of a message and its tags go, that it was there stays. The first one counts.
    Redact {
        /// Which.
        msgid: Msgid,
        /// By whom and why.
        redaction: Arc<Redaction>,
    },
    /// A room and its settings, as they are now; its lists and roles come on their own.
    Room(Arc<RoomRecord>),
    /// A room is gone, with its settings, lists and roles.
    NoRoom {
        /// Its folded name.
        room: Arc<str>,
        /// Whether what was said there is gone too; else it is found again under the room's name.
        history: bool,
    },
    /// A mask on a list of a room, or off it.
    Mask {
        /// The room's folded name.
        room: Arc<str>,
        /// Which list.
        list: MaskList,
        /// Who put it there and when; `None`: off the list.
        entry: MaskChange,
    },
    /// What an account may do in a room; `Member` takes the record away.
    Role {
        /// The room's folded name.
        room: Arc<str>,
        /// The account's folded name.
        account: Arc<str>,
        /// What.
        role: Role,
    },
    /// An account as it is now.
    Account(Arc<AccountRecord>),
    /// Up to where an account has read. A mark never goes back.
    ReadMark {
        /// The account's folded name.
        account: Arc<str>,
        /// Where: a room's folded name, or another account's or nick's.
        target: Arc<str>,
        /// In milliseconds since 1970.
        unix_ms: u64,
    },
    /// Who may not come in.
    ServerBan(Arc<ServerBan>),
    /// A ban that is over.
    NoServerBan {
        /// As it was given.
        mask: Arc<str>,
    },
    /// An invitation code for one registration; used or not.
    Invitation {
        /// The code.
        code: Arc<str>,
        /// The account that it was used for.
        used_by: Option<Arc<str>>,
    },
    /// What an administrator did.
    Audit {
        /// When, in milliseconds since 1970.
        unix_ms: u64,
        /// Who.
        admin: Arc<str>,
        /// What, in words.
        action: Arc<str>,
    },
}

/// See [`Write::Mask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskChange {
    /// On the list.
    Added(MaskEntry),
    /// Off it.
    Removed {
        /// As it was given.
        mask: Arc<str>,
    },
}

/// An entry on a list of a room's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskEntry {
    /// As it was given.
    pub mask: Arc<str>,
    /// The nick of who put it there.
    pub by: Arc<str>,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// Something in a room that is no message, for the history of who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Its name, from the same row as those of the messages.
    pub msgid: Msgid,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Which room, under its name as it is shown.
    pub room: Arc<str>,
    /// Who: `nick!user@host`.
    pub source: Arc<str>,
    /// The account of who.
    pub account: Option<Arc<str>>,
    /// What.
    pub what: What,
}

/// See [`Happening`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Came in.
    Joined {
        /// A name for people to read.
        realname: Arc<str>,
    },
    /// Left the room.
    Parted(Arc<str>),
    /// Left the server.
    Quit(Arc<str>),
    /// Put somebody out.
    Kicked {
        /// Whom.
        nick: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// Is called otherwise.
    Renamed(Arc<str>),
    /// Set the topic.
    Topic(Arc<str>),
    /// Changed modes, in IRC's words as shown to members: `+o-v ann bob`.
    Modes(Arc<str>),
}

/// A room and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomRecord {
    /// As it is shown; its folded form names it.
    pub name: Arc<str>,
    /// When it was made, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// Text, who set it (`nick!user@host`), when.
    pub topic: Option<(Arc<str>, Arc<str>, u64)>,
    /// The switches that are on, in order.
    pub flags: Vec<Flag>,
    /// What joining needs.
    pub key: Option<Arc<str>>,
    /// The most members.
    pub limit: Option<u32>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountRecord {
    /// As it is shown; its folded form names it.
    pub name: Arc<str>,
    /// The verifier of its password, in SCRAM's text form.
    pub verifier: Arc<str>,
    /// When it was made, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// SHA-256 fingerprints of client certificates that log in to it.
    pub certificates: Vec<Arc<str>>,
    /// An administrator has ended it: nobody logs in to it, and nobody gets its name.
    pub suspended: bool,
}

/// Who may not come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerBan {
    /// An address, a network, or a mask.
    pub mask: Arc<str>,
    /// Told to whom it turns away.
    pub reason: Arc<str>,
    /// The administrator.
    pub by: Arc<str>,
    /// When it was made, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// When it ends.
    pub until_unix_ms: Option<u64>,
}

/// All that a server needs in memory when it starts. Messages stay where they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Of the names of its messages.
    pub database: u32,
    /// The last name of a message that was ever given.
    pub last_sequence: u64,
    /// The time of the last message.
    pub last_unix_ms: u64,
    /// All rooms.
    pub rooms: Vec<RoomRecord>,
    /// Their lists: the room's folded name, which list, the entry.
    pub masks: Vec<(Arc<str>, MaskList, MaskEntry)>,
    /// The room's folded name, the account's folded name, what it may do there.
    pub roles: Vec<(Arc<str>, Arc<str>, Role)>,
    /// All accounts.
    pub accounts: Vec<AccountRecord>,
    /// All bans; what is over goes when the store is pruned.
    pub bans: Vec<ServerBan>,
    /// Invitations that nobody has used.
    pub invitations: Vec<Arc<str>>,
}

/// The folded name of a conversation, as histories are asked for.
///
/// For a room, its folded name. For people: two accounts, in order, or nothing to be asked for.
pub fn conversation(place: &Place, sender_account: Option<&str>) -> Option<String> {
    match place {
        Place::Room(name) => Some(name.to_ascii_lowercase()),
        Place::Person { account, .. } => {
            let mut pair = [
                account.as_deref()?.to_ascii_lowercase(),
                sender_account?.to_ascii_lowercase(),
            ];
            pair.sort_unstable();
            // No account has a space in its name.
            Some(pair.join(" "))
        }
    }
}
