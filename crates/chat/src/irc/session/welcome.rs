//! What a client is told when it comes in. It must never promise what is not so: each limit is taken
//! from who keeps it.

use super::Call;
use super::modes::{MODES, USER_MODES};
use super::registration::USER_BYTES_MAX;
use crate::irc::isupport::Isupport;
use crate::irc::modes::Kind;
use crate::irc::names::{CHANNEL_BYTES_MAX, CHANNEL_PREFIX, KEY_BYTES_MAX, NICK_BYTES_MAX};
use crate::irc::numeric::{
    ERR_NOMOTD, RPL_CREATED, RPL_ENDOFMOTD, RPL_LUSERCHANNELS, RPL_LUSERCLIENT, RPL_LUSERME,
    RPL_LUSEROP, RPL_MOTD, RPL_MOTDSTART, RPL_MYINFO, RPL_WELCOME, RPL_YOURHOST,
};
use crate::irc::render::source;

impl Call<'_, '_> {
    /// All that is said to a new user.
    pub(super) fn welcome(&mut self) {
        let config = self.config();
        let (server, version) = (&*config.server, &*config.version);
        let Some(me) = self.chat().user(self.me()) else {
            return;
        };
        let who = source(me.identity());
        let text = format!("Welcome to {}, {who}", config.network);
        self.numeric_text(RPL_WELCOME, &[], &text);
        let text = format!("Your host is {server}, running {version}");
        self.numeric_text(RPL_YOURHOST, &[], &text);
        let text = format!("This server was started {}", config.created);
        self.numeric_text(RPL_CREATED, &[], &text);
        let members = MODES.members.iter().map(|(letter, _)| letter);
        let channel_modes: String = MODES.chanmodes().replace(',', "");
        let mut channel_modes: Vec<char> = channel_modes.chars().chain(members.copied()).collect();
        channel_modes.sort_unstable();
        let channel_modes: String = channel_modes.into_iter().collect();
        let with_parameters = |letter: &char| MODES.kind(*letter) != Some(Kind::Flag);
        let parameters: String = channel_modes.chars().filter(with_parameters).collect();
        let params = [server, version, USER_MODES, &channel_modes, &parameters];
        self.numeric(RPL_MYINFO, &params);
        let nick = self.nick();
        self.isupport().write(self.view.reply, server, &nick);
        self.lusers();
        self.motd();
        self.fetch_marks();
    }

    /// What the server can do.
    pub(crate) fn isupport(&self) -> Isupport {
        let (config, settings) = (self.config(), self.chat().settings());
        let line_bytes = settings.line_bytes_max;
        let mut isupport = Isupport::new();
        isupport
            .value("NETWORK", &config.network)
            .value("CASEMAPPING", "ascii")
            .value("CHANTYPES", CHANNEL_PREFIX)
            .value("PREFIX", MODES.prefix())
            .value("CHANMODES", MODES.chanmodes())
            .value("EXTBAN", "~,am")
            .value("ACCOUNTEXTBAN", "a")
            .value("EXCEPTS", "e")
            .value("INVEX", "I")
            .value("MODES", MODES.arguments_max)
            .value(
                "MAXLIST",
                format!("b:{0},e:{0},I:{0}", settings.masks_per_list),
            )
            .value(
                "CHANLIMIT",
                format!("{CHANNEL_PREFIX}:{}", settings.rooms_per_user),
            )
            .value("NICKLEN", NICK_BYTES_MAX)
            .value("USERLEN", USER_BYTES_MAX)
            .value("CHANNELLEN", CHANNEL_BYTES_MAX)
            .value("KEYLEN", KEY_BYTES_MAX)
            .value("TOPICLEN", line_bytes)
            .value("KICKLEN", line_bytes)
            .value("AWAYLEN", line_bytes)
            .value("NAMELEN", line_bytes)
            .value("TARGMAX", targets(config.targets_max))
            .value("BOT", "B")
            .value("MONITOR", settings.watches_per_user)
            .value("ELIST", super::list::ELIST)
            .flag("SAFELIST")
            .flag("WHOX")
            .value("CHATHISTORY", config.history_max)
            .value("MSGREFTYPES", "msgid,timestamp")
            // Of our own making: where the page leads somebody who has been nowhere.
            .value("LOBBY", &settings.lobby)
            .flag("UTF8ONLY");
        isupport
    }

    /// How many are there.
    pub(crate) fn lusers(&mut self) {
        let (users, guests) = self.chat().population();
        let rooms = self.chat().room_count();
        let admins = self.chat().admin_count();
        let text = format!("There are {users} users and {guests} plain clients on 1 servers");
        self.numeric_text(RPL_LUSERCLIENT, &[], &text);
        if admins > 0 {
            self.numeric(RPL_LUSEROP, &[&admins.to_string()]);
        }
        self.numeric(RPL_LUSERCHANNELS, &[&rooms.to_string()]);
        let text = format!("I have {} clients and 0 servers", users + guests);
        self.numeric_text(RPL_LUSERME, &[], &text);
    }

    /// The message of the day.
    pub(crate) fn motd(&mut self) {
        let config = self.config();
        if config.motd.is_empty() {
            self.numeric(ERR_NOMOTD, &[]);
            return;
        }
        let text = format!("- {} Message of the day -", config.server);
        self.numeric_text(RPL_MOTDSTART, &[], &text);
        for line in &config.motd {
            self.numeric_text(RPL_MOTD, &[], &format!("- {line}"));
        }
        self.numeric(RPL_ENDOFMOTD, &[]);
    }
}

/// The commands that take several targets, and how many.
fn targets(messages_max: usize) -> String {
    format!(
        "NAMES:1,WHOIS:{messages_max},PRIVMSG:{messages_max},NOTICE:{messages_max},\
         TAGMSG:{messages_max},JOIN:,PART:,KICK:"
    )
}
