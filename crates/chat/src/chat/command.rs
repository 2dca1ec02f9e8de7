//! What a user can ask of the chat. It must never hold a protocol's own words: an adapter has
//! translated them.

use std::sync::Arc;

use super::ids::Msgid;

/// What a protocol wants to be reminded of when the answer to a durable command comes, such as an
/// IRC label. The chat does not look into it.
pub type Label = Option<Arc<str>>;

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A room, by its name as the user wrote it.
    Room(Arc<str>),
    /// A user by nick, or an account that is not connected.
    Person(Arc<str>),
}

/// What kind of message it is. Automatic programs answer nothing to a `Notice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Said by somebody.
    Message,
    /// Not to be answered by a program.
    Notice,
    /// No text, tags only, and worth keeping: a reaction, for one.
    Tags,
}

/// A tag of the client's own, without its `+`, unescaped.
pub type Tag = (Arc<str>, Arc<str>);

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// To whom.
    pub target: Target,
    /// What kind of message.
    pub kind: Kind,
    /// The text; lines of one message are separated by `\n`. Empty for [`Kind::Tags`].
    pub text: Arc<str>,
    /// What clients tell each other about it.
    pub tags: Vec<Tag>,
    /// Comes back with the receipt.
    pub label: Label,
}

/// A list of a room's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaskList {
    /// Who may not come in or speak (`b`).
    Ban,
    /// Who may although banned (`e`).
    Exemption,
    /// Who needs no invitation (`I`).
    Invitation,
    /// Who may be there but not speak (`b` with `m:` in front).
    Mute,
}

/// A switch of a room's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// `i`: only who was invited.
    InviteOnly,
    /// `m`: only voices and above speak.
    Moderated,
    /// `n`: only members speak.
    NoOutsiders,
    /// `s`: outsiders do not see that it exists.
    Secret,
    /// `t`: only operators set the topic.
    TopicLocked,
    /// `R`: only who is logged in comes in.
    AccountsOnly,
    /// `M`: only who is logged in (and voices and above) speaks.
    AccountsSpeak,
}

/// What somebody may do in a room; each one may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Role {
    /// Nothing special.
    #[default]
    Member,
    /// `+v`: speaks in a moderated room.
    Voice,
    /// `+o`: topic, modes, kicks, bans, roles below owner.
    Operator,
    /// `+q`: everything, roles of other owners included.
    Owner,
}

/// One change of a room's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A switch.
    Flag(Flag, bool),
    /// The key (`k`) that comes with each join; `None` takes it away.
    Key(Option<Arc<str>>),
    /// The most members (`l`); `None` takes the limit away.
    Limit(Option<u32>),
    /// A mask on one of the lists, or off it.
    Mask {
        /// Which list.
        list: MaskList,
        /// `nick!user@host` with `*` and `?`, an account as `~a:NAME`, or a network in the host.
        mask: Arc<str>,
        /// On the list, or off it.
        add: bool,
    },
    /// A role for a member, or taken away. With an account it outlives the connection.
    Role {
        /// The member's nick.
        nick: Arc<str>,
        /// Which role.
        role: Role,
        /// Given, or taken away.
        add: bool,
    },
}

/// What a server administrator can do; each one is in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminCommand {
    /// Ends a user's connection.
    Kill {
        /// Whose.
        nick: Arc<str>,
        /// Told to the user.
        reason: Arc<str>,
    },
    /// Nobody whose address or `user@host` matches gets in.
    Ban {
        /// An address, a network as `10.0.0.0/8`, or a mask.
        mask: Arc<str>,
        /// How long, in seconds; `None`: until it is taken back.
        seconds: Option<u64>,
        /// Told to whom it turns away.
        reason: Arc<str>,
    },
    /// Takes a ban back.
    Unban {
        /// As it was given.
        mask: Arc<str>,
    },
    /// Makes an invitation for one registration.
    Invite {
        /// Drawn at random by the adapter: whoever knows it can register.
        code: Arc<str>,
    },
    /// Gives an account a new verifier, in SCRAM's text form.
    SetPassword {
        /// Whose.
        account: Arc<str>,
        /// The verifier.
        verifier: Arc<str>,
    },
    /// Ends an account; its name stays reserved.
    Suspend {
        /// Which.
        account: Arc<str>,
    },
    /// A line for everybody who is connected.
    Announce(Arc<str>),
}

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Come into a room; it is made if it is not there.
    Join {
        /// Which.
        room: Arc<str>,
        /// If it asks for one.
        key: Option<Arc<str>>,
    },
    /// Leave a room.
    Part {
        /// Which.
        room: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// Say something: stored before anybody sees it.
    Say(Say),
    /// Tell others something that is worth nothing a minute later, such as typing: never stored.
    Signal {
        /// Whom.
        target: Target,
        /// What.
        tags: Vec<Tag>,
    },
    /// Set a room's topic: stored before anybody sees it.
    SetTopic {
        /// Which room.
        room: Arc<str>,
        /// Empty: none.
        text: Arc<str>,
        /// Comes back with the receipt.
        label: Label,
    },
    /// Change a room's settings: stored before anybody sees it.
    Change {
        /// Which room.
        room: Arc<str>,
        /// All of them, or none.
        changes: Vec<Change>,
        /// Comes back with the receipt.
        label: Label,
    },
    /// Put somebody out of a room.
    Kick {
        /// Which room.
        room: Arc<str>,
        /// Whom.
        nick: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// Let somebody into a room once.
    Invite {
        /// Which room.
        room: Arc<str>,
        /// Whom.
        nick: Arc<str>,
    },
    /// Another nick.
    Rename {
        /// Which.
        nick: Arc<str>,
    },
    /// Another name for people to read.
    SetRealname(Arc<str>),
    /// Away with a reason, or back.
    SetAway(Option<Arc<str>>),
    /// Says of itself that it is a program.
    SetBot(bool),
    /// Take a message back: stored before anybody sees it.
    Redact {
        /// Where it was said.
        target: Target,
        /// Which.
        msgid: Msgid,
        /// Why.
        reason: Arc<str>,
        /// Comes back with the receipt.
        label: Label,
    },
    /// Make an account, with the verifier of its password: stored before it is answered.
    Register {
        /// Its name.
        account: Arc<str>,
        /// SCRAM's text form.
        verifier: Arc<str>,
        /// If registration is by invitation.
        invitation: Option<Arc<str>>,
        /// Comes back with the receipt.
        label: Label,
    },
    /// The adapter has checked who it is.
    LogIn {
        /// Which account.
        account: Arc<str>,
    },
    /// No account any more.
    LogOut,
    /// Another verifier for one's own account.
    SetPassword {
        /// SCRAM's text form.
        verifier: Arc<str>,
        /// Comes back with the receipt.
        label: Label,
    },
    /// This client certificate logs in to one's own account from now on; or no longer.
    SetCertificate {
        /// Its SHA-256 fingerprint, in small hexadecimal digits.
        fingerprint: Arc<str>,
        /// On, or off.
        add: bool,
        /// Comes back with the receipt.
        label: Label,
    },
    /// Up to where one has read: told to one's other connections.
    MarkRead {
        /// Where.
        target: Target,
        /// The time of the last message that was read, in milliseconds since 1970.
        unix_ms: u64,
    },
    /// Become a server administrator, by the name that the configuration gives; the adapter has
    /// checked the password.
    BecomeAdmin(Label),
    /// Administrators only.
    Admin(AdminCommand, Label),
}
