//! The numerics: their three digits, names and standard texts.
//!
//! It must never decide when one is sent, nor with which parameters.
//!
//! The list is that of the [Modern IRC Client Protocol](https://modern.ircdocs.horse/#numerics), as
//! far as a server without links to others sends them, with those of the IRCv3 specifications (bot
//! mode, message tags, metadata, monitor, SASL, WHOX) and of
//! [widespread use](https://defs.ircdocs.horse/defs/numerics).

use std::fmt;

/// One numeric. [`reply`](super::write::reply) writes it.
///
/// ```
/// use switchboard_chat::irc::numeric::{ALL, RPL_WELCOME};
///
/// assert_eq!(RPL_WELCOME.digits(), "001");
/// assert_eq!(RPL_WELCOME.to_string(), "001 RPL_WELCOME");
/// assert!(ALL.contains(&RPL_WELCOME));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numeric {
    digits: &'static str,
    name: &'static str,
    text: &'static str,
}

impl Numeric {
    /// The command as it is sent: three digits.
    pub const fn digits(self) -> &'static str {
        self.digits
    }

    /// The name by which the documents call it.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The text that is its last parameter. Empty if that says something new each time, or if there
    /// is none.
    pub const fn text(self) -> &'static str {
        self.text
    }

    /// Whether it says that a command failed.
    pub fn is_error(self) -> bool {
        self.name.starts_with("ERR_")
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.digits, self.name)
    }
}

macro_rules! numerics {
    ($($name:ident $digits:literal $text:literal;)*) => {
        $(
            #[doc = concat!("`", $digits, "` ", $text)]
            pub const $name: Numeric = Numeric {
                digits: $digits,
                name: stringify!($name),
                text: $text,
            };
        )*

        /// All of them, in order.
        pub const ALL: &[Numeric] = &[$($name),*];
    };
}

numerics! {
    RPL_WELCOME "001" "";
    RPL_YOURHOST "002" "";
    RPL_CREATED "003" "";
    RPL_MYINFO "004" "";
    RPL_ISUPPORT "005" "are supported by this server";
    RPL_BOUNCE "010" "";
    RPL_STATSLINKINFO "211" "";
    RPL_STATSCOMMANDS "212" "";
    RPL_ENDOFSTATS "219" "End of /STATS report";
    RPL_UMODEIS "221" "";
    RPL_STATSUPTIME "242" "";
    RPL_STATSOLINE "243" "";
    RPL_LUSERCLIENT "251" "";
    RPL_LUSEROP "252" "operator(s) online";
    RPL_LUSERUNKNOWN "253" "unknown connection(s)";
    RPL_LUSERCHANNELS "254" "channels formed";
    RPL_LUSERME "255" "";
    RPL_ADMINME "256" "Administrative info";
    RPL_ADMINLOC1 "257" "";
    RPL_ADMINLOC2 "258" "";
    RPL_ADMINEMAIL "259" "";
    RPL_TRYAGAIN "263" "Please wait a while and try again.";
    RPL_LOCALUSERS "265" "";
    RPL_GLOBALUSERS "266" "";
    RPL_WHOISCERTFP "276" "";
    RPL_NONE "300" "";
    RPL_AWAY "301" "";
    RPL_USERHOST "302" "";
    RPL_ISON "303" "";
    RPL_UNAWAY "305" "You are no longer marked as being away";
    RPL_NOWAWAY "306" "You have been marked as being away";
    RPL_WHOISREGNICK "307" "has identified for this nick";
    RPL_WHOISUSER "311" "";
    RPL_WHOISSERVER "312" "";
    RPL_WHOISOPERATOR "313" "is an IRC operator";
    RPL_WHOWASUSER "314" "";
    RPL_ENDOFWHO "315" "End of WHO list";
    RPL_WHOISIDLE "317" "seconds idle, signon time";
    RPL_ENDOFWHOIS "318" "End of /WHOIS list";
    RPL_WHOISCHANNELS "319" "";
    RPL_WHOISSPECIAL "320" "";
    RPL_LISTSTART "321" "Users  Name";
    RPL_LIST "322" "";
    RPL_LISTEND "323" "End of /LIST";
    RPL_CHANNELMODEIS "324" "";
    RPL_CHANNEL_URL "328" "";
    RPL_CREATIONTIME "329" "";
    RPL_WHOISACCOUNT "330" "is logged in as";
    RPL_NOTOPIC "331" "No topic is set";
    RPL_TOPIC "332" "";
    RPL_TOPICWHOTIME "333" "";
    RPL_WHOISBOT "335" "is a bot";
    RPL_INVITELIST "336" "";
    RPL_ENDOFINVITELIST "337" "End of /INVITE list";
    RPL_WHOISACTUALLY "338" "Is actually using host";
    RPL_USERIP "340" "";
    RPL_INVITING "341" "";
    RPL_INVEXLIST "346" "";
    RPL_ENDOFINVEXLIST "347" "End of Channel Invite Exception List";
    RPL_EXCEPTLIST "348" "";
    RPL_ENDOFEXCEPTLIST "349" "End of channel exception list";
    RPL_VERSION "351" "";
    RPL_WHOREPLY "352" "";
    RPL_NAMREPLY "353" "";
    RPL_WHOSPCRPL "354" "";
    RPL_LINKS "364" "";
    RPL_ENDOFLINKS "365" "End of /LINKS list";
    RPL_ENDOFNAMES "366" "End of /NAMES list";
    RPL_BANLIST "367" "";
    RPL_ENDOFBANLIST "368" "End of channel ban list";
    RPL_ENDOFWHOWAS "369" "End of WHOWAS";
    RPL_INFO "371" "";
    RPL_MOTD "372" "";
    RPL_ENDOFINFO "374" "End of INFO list";
    RPL_MOTDSTART "375" "";
    RPL_ENDOFMOTD "376" "End of /MOTD command.";
    RPL_WHOISHOST "378" "";
    RPL_WHOISMODES "379" "";
    RPL_YOUREOPER "381" "You are now an IRC operator";
    RPL_REHASHING "382" "Rehashing";
    RPL_TIME "391" "";
    RPL_VISIBLEHOST "396" "is now your displayed host";
    ERR_UNKNOWNERROR "400" "";
    ERR_NOSUCHNICK "401" "No such nick/channel";
    ERR_NOSUCHSERVER "402" "No such server";
    ERR_NOSUCHCHANNEL "403" "No such channel";
    ERR_CANNOTSENDTOCHAN "404" "Cannot send to channel";
    ERR_TOOMANYCHANNELS "405" "You have joined too many channels";
    ERR_WASNOSUCHNICK "406" "There was no such nickname";
    ERR_TOOMANYTARGETS "407" "Too many targets";
    ERR_NOORIGIN "409" "No origin specified";
    ERR_INVALIDCAPCMD "410" "Invalid CAP command";
    ERR_NORECIPIENT "411" "";
    ERR_NOTEXTTOSEND "412" "No text to send";
    ERR_NOTOPLEVEL "413" "No toplevel domain specified";
    ERR_WILDTOPLEVEL "414" "Wildcard in toplevel domain";
    ERR_BADMASK "415" "Bad server/host mask";
    ERR_TOOMANYMATCHES "416" "Too many matches";
    ERR_INPUTTOOLONG "417" "Input line was too long";
    ERR_UNKNOWNCOMMAND "421" "Unknown command";
    ERR_NOMOTD "422" "MOTD File is missing";
    ERR_NOADMININFO "423" "No administrative info available";
    ERR_NONICKNAMEGIVEN "431" "No nickname given";
    ERR_ERRONEUSNICKNAME "432" "Erroneous nickname";
    ERR_NICKNAMEINUSE "433" "Nickname is already in use";
    ERR_NICKCOLLISION "436" "Nickname collision";
    ERR_UNAVAILRESOURCE "437" "Nick/channel is temporarily unavailable";
    ERR_USERNOTINCHANNEL "441" "They aren't on that channel";
    ERR_NOTONCHANNEL "442" "You're not on that channel";
    ERR_USERONCHANNEL "443" "is already on channel";
    ERR_NOTREGISTERED "451" "You have not registered";
    ERR_NEEDMOREPARAMS "461" "Not enough parameters";
    ERR_ALREADYREGISTERED "462" "You may not reregister";
    ERR_NOPERMFORHOST "463" "Your host isn't among the privileged";
    ERR_PASSWDMISMATCH "464" "Password incorrect";
    ERR_YOUREBANNEDCREEP "465" "You are banned from this server.";
    ERR_KEYSET "467" "Channel key already set";
    ERR_LINKCHANNEL "470" "Forwarding to another channel";
    ERR_CHANNELISFULL "471" "Cannot join channel (+l)";
    ERR_UNKNOWNMODE "472" "is unknown mode char to me";
    ERR_INVITEONLYCHAN "473" "Cannot join channel (+i)";
    ERR_BANNEDFROMCHAN "474" "Cannot join channel (+b)";
    ERR_BADCHANNELKEY "475" "Cannot join channel (+k)";
    ERR_BADCHANMASK "476" "Bad Channel Mask";
    ERR_NEEDREGGEDNICK "477" "You need to be identified to a registered account to join this channel";
    ERR_BANLISTFULL "478" "Channel list is full";
    ERR_NOPRIVILEGES "481" "Permission Denied- You're not an IRC operator";
    ERR_CHANOPRIVSNEEDED "482" "You're not channel operator";
    ERR_CANTKILLSERVER "483" "You cant kill a server!";
    ERR_UNIQOPRIVSNEEDED "485" "You're not the original channel operator";
    ERR_SECUREONLYCHAN "489" "Cannot join channel (secure connection required)";
    ERR_NOOPERHOST "491" "No O-lines for your host";
    ERR_UMODEUNKNOWNFLAG "501" "Unknown MODE flag";
    ERR_USERSDONTMATCH "502" "Cant change mode for other users";
    ERR_HELPNOTFOUND "524" "No help available on this topic";
    ERR_INVALIDKEY "525" "Key is not well-formed";
    ERR_CANTSENDTOUSER "531" "Cannot send to user";
    RPL_STARTTLS "670" "STARTTLS successful, proceed with TLS handshake";
    RPL_WHOISSECURE "671" "is using a secure connection";
    ERR_STARTTLS "691" "STARTTLS failed";
    ERR_INVALIDMODEPARAM "696" "";
    ERR_LISTMODEALREADYSET "697" "";
    ERR_LISTMODENOTSET "698" "";
    RPL_HELPSTART "704" "";
    RPL_HELPTXT "705" "";
    RPL_ENDOFHELP "706" "";
    ERR_TARGCHANGE "707" "Targets changing too fast, message dropped";
    RPL_KNOCK "710" "has asked for an invite.";
    RPL_KNOCKDLVR "711" "Your KNOCK has been delivered.";
    ERR_TOOMANYKNOCK "712" "Too many KNOCKs";
    ERR_CHANOPEN "713" "Channel is open.";
    ERR_KNOCKONCHAN "714" "You are already on that channel.";
    ERR_NOPRIVS "723" "Insufficient oper privileges.";
    RPL_QUIETLIST "728" "";
    RPL_ENDOFQUIETLIST "729" "End of Channel Quiet List";
    RPL_MONONLINE "730" "";
    RPL_MONOFFLINE "731" "";
    RPL_MONLIST "732" "";
    RPL_ENDOFMONLIST "733" "End of MONITOR list";
    ERR_MONLISTFULL "734" "Monitor list is full.";
    ERR_MLOCKRESTRICTED "742" "MODE cannot be set due to channel having an active MLOCK restriction policy";
    RPL_WHOISKEYVALUE "760" "";
    RPL_KEYVALUE "761" "";
    RPL_KEYNOTSET "766" "key not set";
    RPL_METADATASUBOK "770" "";
    RPL_METADATAUNSUBOK "771" "";
    RPL_METADATASUBS "772" "";
    RPL_METADATASYNCLATER "774" "";
    RPL_LOGGEDIN "900" "";
    RPL_LOGGEDOUT "901" "You are now logged out";
    ERR_NICKLOCKED "902" "You must use a nick assigned to you";
    RPL_SASLSUCCESS "903" "SASL authentication successful";
    ERR_SASLFAIL "904" "SASL authentication failed";
    ERR_SASLTOOLONG "905" "SASL message too long";
    ERR_SASLABORTED "906" "SASL authentication aborted";
    ERR_SASLALREADY "907" "You have already authenticated using SASL";
    RPL_SASLMECHS "908" "are available SASL mechanisms";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_in_order_and_each_stands_for_one_thing() {
        assert!(ALL.is_sorted_by_key(|numeric| numeric.digits));
        assert!(ALL.windows(2).all(|pair| pair[0].digits != pair[1].digits));
        let mut names: Vec<_> = ALL.iter().map(|numeric| numeric.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn each_has_three_digits_and_a_name_that_says_its_kind() {
        for numeric in ALL {
            assert_eq!(numeric.digits.len(), 3, "{numeric}");
            assert!(
                numeric.digits.bytes().all(|b| b.is_ascii_digit()),
                "{numeric}"
            );
            assert!(
                numeric.is_error() || numeric.name.starts_with("RPL_"),
                "{numeric}"
            );
            assert!(!numeric.text.contains(['\r', '\n', '\0']), "{numeric}");
        }
    }

    #[test]
    fn the_extensions_are_there() {
        let code = |name: &str| {
            let found = ALL.iter().find(|numeric| numeric.name == name);
            found.map(|numeric| numeric.digits)
        };
        assert_eq!(code("ERR_INPUTTOOLONG"), Some("417"));
        assert_eq!(code("RPL_WHOISBOT"), Some("335"));
        assert_eq!(code("RPL_WHOSPCRPL"), Some("354"));
        assert_eq!(code("ERR_MONLISTFULL"), Some("734"));
        assert_eq!(code("RPL_SASLMECHS"), Some("908"));
        assert_eq!(code("RPL_METADATASYNCLATER"), Some("774"));
    }
}
