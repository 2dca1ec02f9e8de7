//! Why something was not done, in the words of IRC: each refusal of the chat as a numeric, or as a
//! standard reply. It must never say more than the refusal does.
//!
//! The source is <https://ircv3.net/specs/extensions/standard-replies>.

use super::caps::{self, Caps};
use super::numeric::*;
use super::write::Line;
use crate::chat::refusal::Refusal;

/// Who is refused what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'s> {
    /// How the server calls itself.
    pub(crate) server: &'s str,
    /// How the client is called.
    pub(crate) nick: &'s str,
    /// The client's.
    pub(crate) caps: Caps,
    /// The command, or `*`.
    pub(crate) command: &'s str,
    /// What the command was about: a room or a user.
    pub(crate) about: Option<&'s str>,
}

/// The two ways of saying no.
enum Answer<'r> {
    Numeric(Numeric, Vec<&'r str>),
    Fail(&'static str, Vec<&'r str>),
}

/// Appends the answer to a command that was refused.
pub(crate) fn write(out: &mut Vec<u8>, scene: &Scene<'_>, refusal: &Refusal) {
    let text = refusal.to_string();
    match answer(refusal, scene) {
        Answer::Numeric(numeric, params) => {
            let line = Line::new(out).numeric(scene.server, numeric, scene.nick);
            line.params(params).text(&text);
        }
        Answer::Fail(code, context) => fail(out, scene, code, &context, &text),
    }
}

/// Appends `FAIL command code context :text`; for a client that does not know it, `400` with the
/// same text.
pub(crate) fn fail(out: &mut Vec<u8>, scene: &Scene<'_>, code: &str, context: &[&str], text: &str) {
    if scene.caps.has(caps::STANDARD_REPLIES) {
        let line = Line::new(out).from(scene.server, "FAIL");
        let line = line.param(scene.command).param(code);
        line.params(context.iter().copied()).text(text);
    } else {
        let line = Line::new(out).numeric(scene.server, ERR_UNKNOWNERROR, scene.nick);
        line.param(scene.command).text(text);
    }
}

fn answer<'r>(refusal: &'r Refusal, scene: &Scene<'r>) -> Answer<'r> {
    use Answer::{Fail, Numeric};
    use Refusal::*;
    let about = scene.about.unwrap_or("*");
    match refusal {
        NoSuchRoom(room) => Numeric(ERR_NOSUCHCHANNEL, vec![room]),
        NoSuchNick(nick) => Numeric(ERR_NOSUCHNICK, vec![nick]),
        NoSuchMessage => Fail("UNKNOWN_MSGID", vec![about]),
        BadRoomName(name) => Numeric(ERR_BADCHANMASK, vec![name]),
        BadNick(nick) => Numeric(ERR_ERRONEUSNICKNAME, vec![nick]),
        BadMask(mask) => Numeric(ERR_BADMASK, vec![mask]),
        NickInUse(nick) | NickReserved(nick) => Numeric(ERR_NICKNAMEINUSE, vec![nick]),
        NotInRoom(room) => Numeric(ERR_NOTONCHANNEL, vec![room]),
        TheyAreNotInRoom(nick, room) => Numeric(ERR_USERNOTINCHANNEL, vec![nick, room]),
        AlreadyInRoom(nick, room) => Numeric(ERR_USERONCHANNEL, vec![nick, room]),
        NeedsOperator(room) => Numeric(ERR_CHANOPRIVSNEEDED, vec![room]),
        InviteOnly(room) => Numeric(ERR_INVITEONLYCHAN, vec![room]),
        BadKey(room) => Numeric(ERR_BADCHANNELKEY, vec![room]),
        RoomFull(room) => Numeric(ERR_CHANNELISFULL, vec![room]),
        Banned(room) => Numeric(ERR_BANNEDFROMCHAN, vec![room]),
        CannotSpeak(room) => Numeric(ERR_CANNOTSENDTOCHAN, vec![room]),
        NeedsAccount if scene.command == "JOIN" => Numeric(ERR_NEEDREGGEDNICK, vec![about]),
        NeedsAccount => Fail("ACCOUNT_REQUIRED", context(scene)),
        NeedsAdmin => Numeric(ERR_NOPRIVILEGES, vec![]),
        TooManyRooms(_) => Numeric(ERR_TOOMANYCHANNELS, vec![about]),
        TooManyRoomsInAll(_) => Numeric(ERR_UNAVAILRESOURCE, vec![about]),
        ListFull(list) => Numeric(ERR_BANLISTFULL, vec![list, "*"]),
        TooLong(_) => Numeric(ERR_INPUTTOOLONG, vec![]),
        NoText => Numeric(ERR_NOTEXTTOSEND, vec![]),
        TooFast(_) => match scene.caps.has(caps::STANDARD_REPLIES) {
            true => Fail("RATE_LIMITED", context(scene)),
            false => Numeric(RPL_TRYAGAIN, vec![scene.command]),
        },
        TooManyConnections(_) | BannedFromServer(_) => Numeric(ERR_YOUREBANNEDCREEP, vec![]),
        AccountExists(name) => Fail("ACCOUNT_EXISTS", vec![name]),
        BadAccountName(name) => Fail("BAD_ACCOUNT_NAME", vec![name]),
        RegistrationClosed => Fail("DISALLOWED", context(scene)),
        BadInvitation => Fail("INVALID_INVITATION", context(scene)),
        CannotStore(_) => Fail("CANNOT_STORE", context(scene)),
        CannotRead(_) => Fail("CANNOT_READ", context(scene)),
        Busy => Fail("TEMPORARILY_UNAVAILABLE", context(scene)),
    }
}

fn context<'s>(scene: &Scene<'s>) -> Vec<&'s str> {
    scene.about.into_iter().collect()
}
