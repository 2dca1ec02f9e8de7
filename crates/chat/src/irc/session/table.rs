//! Which commands there are: names, functions, and what they need. It must never do what one of them
//! is for.

use super::{
    Call, about, accounts, administration, batches, cap, certificates, help, history, list,
    members, modes, monitor, nickserv, presence, read_marks, redaction, registration, rooms, sasl,
    search, speaking, who, whois,
};
use crate::irc::message::Message;

/// When a command may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// At any time.
    Nothing,
    /// Once the client has said who it is.
    Registration,
    /// Before that.
    NoRegistration,
}

/// One command.
pub(crate) struct Entry {
    /// In capitals.
    pub(crate) name: &'static str,
    /// Fewer parameters are answered by `461`.
    pub(crate) params_min: usize,
    pub(crate) needs: Needs,
    pub(crate) run: fn(&mut Call<'_, '_>, &Message<'_>),
}

impl Entry {
    /// A command of registered clients.
    pub(crate) const fn new(
        name: &'static str,
        params_min: usize,
        run: fn(&mut Call<'_, '_>, &Message<'_>),
    ) -> Entry {
        Entry {
            name,
            params_min,
            needs: Needs::Registration,
            run,
        }
    }

    /// The same at another time.
    pub(crate) const fn when(self, needs: Needs) -> Entry {
        Entry { needs, ..self }
    }
}

/// All commands, the frequent ones first.
const TABLES: &[&[Entry]] = &[
    speaking::COMMANDS,
    presence::COMMANDS,
    rooms::COMMANDS,
    modes::COMMANDS,
    registration::COMMANDS,
    cap::COMMANDS,
    redaction::COMMANDS,
    batches::COMMANDS,
    sasl::COMMANDS,
    accounts::COMMANDS,
    nickserv::COMMANDS,
    members::COMMANDS,
    who::COMMANDS,
    whois::COMMANDS,
    list::COMMANDS,
    monitor::COMMANDS,
    history::COMMANDS,
    search::COMMANDS,
    read_marks::COMMANDS,
    about::COMMANDS,
    help::COMMANDS,
    certificates::COMMANDS,
    administration::COMMANDS,
];

/// The command of this name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    let mut all = TABLES.iter().flat_map(|table| table.iter());
    all.find(|entry| entry.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_there_once_and_in_capitals() {
        let names = TABLES.iter().flat_map(|table| table.iter());
        let mut names: Vec<_> = names.map(|entry| entry.name).collect();
        assert!(names.iter().all(|name| *name == name.to_ascii_uppercase()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(find("privmsg").is_some() && find("PRIVMSGS").is_none());
    }
}
