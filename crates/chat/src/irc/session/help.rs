//! `HELP`: what there is to type. It must never name a command that the server does not have.

use super::{Call, Entry, table};
use crate::irc::message::Message;
use crate::irc::numeric::{ERR_HELPNOTFOUND, RPL_ENDOFHELP, RPL_HELPSTART, RPL_HELPTXT};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("HELP", 0, help), Entry::new("HELPOP", 0, help)];

/// How each is used, and what it does.
const TOPICS: &[(&str, &str, &str)] = &[
    ("ADMIN", "", "Who runs this server"),
    (
        "ANNOUNCE",
        "text",
        "Administrators: tells everybody who is connected",
    ),
    (
        "AUDIT",
        "[count]",
        "Administrators: what administrators have done lately",
    ),
    (
        "AWAY",
        "[reason]",
        "Marks you as away; without a reason, as back",
    ),
    (
        "CERT",
        "ADD [fingerprint] | DEL fingerprint | LIST",
        "Client certificates that log in to your account",
    ),
    (
        "CHATHISTORY",
        "LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS ...",
        "What was said before (for clients)",
    ),
    ("INVITE", "nick #room", "Lets somebody into a room once"),
    (
        "INVITECODE",
        "",
        "Administrators: makes a code for one registration",
    ),
    ("JOIN", "#room[,#room...] [key]", "Comes into a room"),
    ("KICK", "#room nick [reason]", "Puts somebody out of a room"),
    (
        "KILL",
        "nick reason",
        "Administrators: ends somebody's connection",
    ),
    (
        "KLINE",
        "[duration] mask [reason]",
        "Administrators: bans from the server, for minutes or as in 1d12h",
    ),
    (
        "LIST",
        "[conditions]",
        "Which rooms there are: masks, >users, <users",
    ),
    (
        "MARKREAD",
        "target [timestamp=...]",
        "Up to where you have read (for clients)",
    ),
    (
        "MODE",
        "#room [modes]",
        "The settings of a room, or of yourself",
    ),
    (
        "MONITOR",
        "+ nicks | - nicks | C | L | S",
        "Tells when somebody comes and goes (for clients)",
    ),
    ("MOTD", "", "The message of the day"),
    ("NAMES", "#room", "Who is in a room"),
    ("NICK", "nick", "Another name"),
    (
        "NICKSERV",
        "IDENTIFY [account] password | REGISTER password | ...",
        "Your account, in the words of other servers",
    ),
    (
        "NOTICE",
        "target text",
        "Says something that is not to be answered by programs",
    ),
    (
        "OPER",
        "name password",
        "Administrators: takes up your rights",
    ),
    ("PART", "#room [reason]", "Leaves a room"),
    ("PASSWD", "password", "Another password for your account"),
    (
        "PRIVMSG",
        "target text",
        "Says something to a room or to somebody",
    ),
    ("QUIT", "[reason]", "Goodbye"),
    ("REDACT", "target msgid [reason]", "Takes a message back"),
    (
        "REGISTER",
        "account|* invitation|* password",
        "Makes an account; * is your nick. Administrators: for others",
    ),
    (
        "SEARCH",
        "in=#room;text=words;...",
        "Looks for messages (for clients)",
    ),
    ("SETNAME", "realname", "Another name for people to read"),
    (
        "SETPASS",
        "account password",
        "Administrators: gives an account another password",
    ),
    ("SUSPEND", "account", "Administrators: ends an account"),
    ("TOPIC", "#room [text]", "What a room is about"),
    ("UNKLINE", "mask", "Administrators: takes a ban back"),
    ("WALLOPS", "text", "Administrators: the same as ANNOUNCE"),
    ("WHO", "mask [%fields]", "Users by room or by mask"),
    ("WHOIS", "nick", "Who somebody is"),
    ("WHOWAS", "nick", "Who somebody was that is gone"),
];

fn help(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let topic = message.params.get(0).unwrap_or("");
    if topic.is_empty() {
        let title = "What there is to type; HELP and a command says more";
        call.numeric_text(RPL_HELPSTART, &["*"], title);
        for commands in TOPICS.chunks(8) {
            let names: Vec<&str> = commands.iter().map(|(name, ..)| *name).collect();
            call.numeric_text(RPL_HELPTXT, &["*"], &names.join(" "));
        }
        call.numeric_text(RPL_ENDOFHELP, &["*"], "End of /HELP");
        return;
    }
    let name = topic.to_ascii_uppercase();
    let found = TOPICS.iter().find(|(known, ..)| *known == name);
    match found {
        Some((name, usage, text)) => {
            let usage = format!("{name} {usage}");
            call.numeric_text(RPL_HELPSTART, &[topic], usage.trim_end());
            call.numeric_text(RPL_HELPTXT, &[topic], text);
            call.numeric_text(RPL_ENDOFHELP, &[topic], "End of /HELP");
        }
        None if table::find(&name).is_some() => {
            call.numeric_text(RPL_HELPSTART, &[topic], &name);
            call.numeric_text(RPL_HELPTXT, &[topic], "Used by clients, not by people");
            call.numeric_text(RPL_ENDOFHELP, &[topic], "End of /HELP");
        }
        None => call.numeric(ERR_HELPNOTFOUND, &[topic]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_is_a_command() {
        for (name, ..) in TOPICS {
            assert!(table::find(name).is_some(), "{name}");
        }
        assert!(TOPICS.is_sorted());
    }
}
