//! Why the chat does not do what a user asks for. It must never be told in a protocol's own words
//! here; `Display` says it in a sentence for people, with what to do.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

/// Why a command was refused. Nothing of it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No room of this name.
    NoSuchRoom(Arc<str>),
    /// Nobody of this nick, and no account.
    NoSuchNick(Arc<str>),
    /// No stored message of this name there.
    NoSuchMessage,
    /// Names of rooms begin with `#`, and have no spaces, commas or invisible characters.
    BadRoomName(Arc<str>),
    /// Not a nick.
    BadNick(Arc<str>),
    /// Not a mask.
    BadMask(Arc<str>),
    /// Somebody else has it, or it is an account's.
    NickInUse(Arc<str>),
    /// The nick is an account's: log in to it first.
    NickReserved(Arc<str>),
    /// The user is not in this room.
    NotInRoom(Arc<str>),
    /// The other one is not in this room.
    TheyAreNotInRoom(Arc<str>, Arc<str>),
    /// The other one is in this room already.
    AlreadyInRoom(Arc<str>, Arc<str>),
    /// Needs this right in the room.
    NeedsOperator(Arc<str>),
    /// Only who was invited.
    InviteOnly(Arc<str>),
    /// The key is missing or wrong.
    BadKey(Arc<str>),
    /// As many members as its limit allows.
    RoomFull(Arc<str>),
    /// Banned there.
    Banned(Arc<str>),
    /// May not speak there: moderated, muted or not a member.
    CannotSpeak(Arc<str>),
    /// Log in first.
    NeedsAccount,
    /// Only for server administrators.
    NeedsAdmin,
    /// In as many rooms as the limit allows.
    TooManyRooms(usize),
    /// As many rooms as the server allows.
    TooManyRoomsInAll(usize),
    /// As many entries on that list as the limit allows.
    ListFull(Arc<str>),
    /// The text is longer than this, in bytes.
    TooLong(usize),
    /// There is nothing in it.
    NoText,
    /// Too many at once; try again after so many milliseconds.
    TooFast(u64),
    /// As many connections from this network as the limit allows.
    TooManyConnections(usize),
    /// An administrator has banned this address or user.
    BannedFromServer(Arc<str>),
    /// There is an account of this name.
    AccountExists(Arc<str>),
    /// Not a name for an account.
    BadAccountName(Arc<str>),
    /// Registration is closed.
    RegistrationClosed,
    /// The invitation is missing, used or wrong.
    BadInvitation,
    /// The disk is full, or fails: nothing was stored. Reading goes on.
    CannotStore(Arc<str>),
    /// What is stored cannot be read: the disk fails. What is said now goes on.
    CannotRead(Arc<str>),
    /// More waits to be stored than the limit allows.
    Busy,
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use Refusal::*;
        match self {
            NoSuchRoom(room) => write!(f, "there is no room {room}"),
            NoSuchNick(nick) => write!(f, "nobody here is called {nick}"),
            NoSuchMessage => write!(f, "there is no such message"),
            BadRoomName(name) => write!(
                f,
                "{name} is no name for a room: it begins with # and has no spaces, commas or \
                 invisible characters"
            ),
            BadNick(nick) => write!(
                f,
                "{nick} is no nick: up to 32 bytes of letters of one script, digits and \
                 -_[]{{}}\\|`^, not a digit first"
            ),
            BadMask(mask) => write!(
                f,
                "{mask} is no mask: write nick!user@host with * and ?, a network, or ~a:ACCOUNT"
            ),
            NickInUse(nick) => write!(f, "somebody else is called {nick}"),
            NickReserved(nick) => {
                write!(
                    f,
                    "{nick} belongs to an account: log in to it to use the nick"
                )
            }
            NotInRoom(room) => write!(f, "you are not in {room}: join it first"),
            TheyAreNotInRoom(nick, room) => write!(f, "{nick} is not in {room}"),
            AlreadyInRoom(nick, room) => write!(f, "{nick} is in {room} already"),
            NeedsOperator(room) => write!(f, "only operators of {room} can do that"),
            InviteOnly(room) => write!(f, "{room} is for invited people: ask an operator"),
            BadKey(room) => write!(f, "{room} needs a key, and this is not it"),
            RoomFull(room) => write!(f, "{room} is full"),
            Banned(room) => write!(f, "you are banned from {room}"),
            CannotSpeak(room) => write!(f, "you may not speak in {room}"),
            NeedsAccount => write!(f, "log in to an account first"),
            NeedsAdmin => write!(f, "only administrators of the server can do that"),
            TooManyRooms(limit) => write!(f, "you are in {limit} rooms, which is the limit"),
            TooManyRoomsInAll(limit) => {
                write!(f, "the server has {limit} rooms, which is its limit")
            }
            ListFull(room) => write!(f, "that list of {room} is full: take an entry off first"),
            TooLong(bytes) => write!(f, "longer than {bytes} bytes"),
            NoText => write!(f, "there is no text"),
            TooFast(ms) => write!(f, "too fast: try again in {ms} ms"),
            TooManyConnections(limit) => {
                write!(
                    f,
                    "{limit} connections from your network, which is the limit"
                )
            }
            BannedFromServer(reason) => write!(f, "you are banned from this server: {reason}"),
            AccountExists(name) => write!(f, "there is an account {name} already"),
            BadAccountName(name) => write!(f, "{name} is no name for an account"),
            RegistrationClosed => write!(f, "this server makes no new accounts"),
            BadInvitation => write!(
                f,
                "registration needs an invitation code that is not used yet"
            ),
            CannotStore(why) => write!(f, "not stored, try again later: {why}"),
            CannotRead(why) => write!(f, "cannot be read, try again later: {why}"),
            Busy => write!(f, "the server is busy storing: try again in a moment"),
        }
    }
}

impl std::error::Error for Refusal {}
