//! What the server says of itself: `MOTD`, `LUSERS`, `VERSION`, `TIME`, `ADMIN`, `INFO`, `LINKS`,
//! `STATS`. It must never tell who is connected from where.

use super::{Call, Entry};
use crate::irc::message::Message;
use crate::irc::numeric::*;
use crate::irc::render::IsoTime;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("MOTD", 0, |call, _| call.motd()),
    Entry::new("LUSERS", 0, |call, _| call.lusers()),
    Entry::new("VERSION", 0, version),
    Entry::new("TIME", 0, time),
    Entry::new("ADMIN", 0, admin),
    Entry::new("INFO", 0, info),
    Entry::new("LINKS", 0, links),
    Entry::new("STATS", 0, stats),
];

fn version(call: &mut Call<'_, '_>, _: &Message<'_>) {
    let config = call.config();
    let text = "https://ircv3.net, UTF-8 only";
    call.numeric_text(RPL_VERSION, &[&config.version, &config.server], text);
    let nick = call.nick();
    let isupport = call.isupport();
    isupport.write(call.view.reply, &config.server, &nick);
}

fn time(call: &mut Call<'_, '_>, _: &Message<'_>) {
    let (server, unix_ms) = (&call.config().server, call.view.now.unix_ms);
    let seconds = (unix_ms / 1000).to_string();
    let text = IsoTime(unix_ms).to_string();
    call.numeric_text(RPL_TIME, &[server, &seconds, "0"], &text);
}

/// Who runs the server, in up to three lines of the operator's.
fn admin(call: &mut Call<'_, '_>, _: &Message<'_>) {
    let config = call.config();
    if config.admin_info.is_empty() {
        call.numeric(ERR_NOADMININFO, &[&config.server]);
        return;
    }
    call.numeric(RPL_ADMINME, &[&config.server]);
    let numerics = [RPL_ADMINLOC1, RPL_ADMINLOC2, RPL_ADMINEMAIL];
    for (numeric, line) in numerics.into_iter().zip(&config.admin_info) {
        call.numeric_text(numeric, &[], line);
    }
}

fn info(call: &mut Call<'_, '_>, _: &Message<'_>) {
    let config = call.config();
    let lines = [
        format!("{} runs {}", config.network, config.version),
        format!("This server was started {}", config.created),
        "Rooms keep their history: see CHATHISTORY and SEARCH in HELP".to_owned(),
    ];
    for line in &lines {
        call.numeric_text(RPL_INFO, &[], line);
    }
    call.numeric(RPL_ENDOFINFO, &[]);
}

fn links(call: &mut Call<'_, '_>, _: &Message<'_>) {
    let config = call.config();
    let server = &*config.server;
    let text = format!("0 {}", config.network);
    call.numeric_text(RPL_LINKS, &[server, server], &text);
    call.numeric(RPL_ENDOFLINKS, &["*"]);
}

/// `u`: since when it runs; `o`: who administers it. Other letters have an empty report.
fn stats(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let letter = message.params.get(0).and_then(|query| query.chars().next());
    let letter = letter.unwrap_or('*');
    match letter {
        'u' => {
            let text = match call.config().started_unix_ms {
                Some(then) => up(call.view.now.unix_ms.saturating_sub(then) / 1000),
                None => format!("Server up since {}", call.config().created),
            };
            call.numeric_text(RPL_STATSUPTIME, &[], &text);
        }
        'o' => {
            let admins = call.chat().settings().admins.clone();
            for admin in admins {
                call.numeric(RPL_STATSOLINE, &["O", "*", "*", &admin]);
            }
        }
        _ => {}
    }
    call.numeric(RPL_ENDOFSTATS, &[&letter.to_string()]);
}

fn up(seconds: u64) -> String {
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "Server Up {days} days {hours}:{minutes:02}:{:02}",
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_the_start_is_told_in_days() {
        assert_eq!(up(0), "Server Up 0 days 0:00:00");
        assert_eq!(up(2 * 86_400 + 3 * 3600 + 62), "Server Up 2 days 3:01:02");
    }
}
