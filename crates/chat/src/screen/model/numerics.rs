//! Answers with a number, and standard replies. It must never hide an error: what is not known here is
//! shown as it came.

use super::hearing::{last, tag};
use super::{Connection, Kind, Look, Model};
use crate::chat::names;
use crate::irc::message::Message;

/// Rooms of up to so many members are asked who of them is away.
const ASK_WHO_MAX: usize = 200;

impl Model {
    pub(super) fn answered(&mut self, message: &Message<'_>) {
        let param = |index| message.params.get(index).unwrap_or_default();
        match message.command {
            "001" => {
                param(0).clone_into(&mut self.nick);
                self.tell(0, Look::Info, last(message));
            }
            "005" => self.supports(message),
            "376" | "422" => {
                if message.is("376") {
                    self.tell(0, Look::Info, last(message));
                }
                self.come_in();
            }
            "331" => self.set_topic(param(1), ""),
            "332" => self.set_topic(param(1), param(2)),
            "353" => self.listed(param(2), last(message)),
            "366" => self.list_ends(param(1)),
            "352" => self.set_away(param(5), param(6).starts_with('G')),
            "305" => self.is_away = false,
            "306" => self.is_away = true,
            "311" | "312" | "317" | "319" | "330" => self.about_somebody(message),
            "301" => {
                let text = format!("{} is away: {}", param(1), param(2));
                self.tell_here(Look::Info, &text);
            }
            "315" | "318" | "333" | "329" => {}
            "432" | "433" if self.connection == Connection::Greeting => self.another_name(message),
            "FAIL" => self.failed(message),
            "WARN" | "NOTE" => self.tell_here(Look::Notice, last(message)),
            command if command.starts_with(['4', '5']) && command.len() == 3 => {
                self.refused(message);
            }
            command if command.starts_with(['2', '3', '6']) && command.len() == 3 => {
                let words = message.params.as_slice().get(1..).unwrap_or_default();
                let index = match command.starts_with('2') || command == "372" || command == "375" {
                    true => 0,
                    false => self.current,
                };
                self.tell(index, Look::Info, &words.join(" "));
            }
            command if command.starts_with('0') => self.tell(0, Look::Info, last(message)),
            _ => {}
        }
    }

    fn about_somebody(&mut self, message: &Message<'_>) {
        let param = |index| message.params.get(index).unwrap_or_default();
        let who = param(1);
        let text = match message.command {
            "311" => format!("{who} is {}@{}: {}", param(2), param(3), param(5)),
            "317" => format!("{who} has said nothing for {} s", param(2)),
            "319" => format!("{who} is in {}", param(2)),
            "330" => format!("{who} is logged in as {}", param(2)),
            _ => return, // there is one server
        };
        self.tell_here(Look::Info, &text);
    }

    fn supports(&mut self, message: &Message<'_>) {
        for word in message.params.iter().skip(1) {
            if let Some(lobby) = word.strip_prefix("LOBBY=") {
                self.lobby = Some(lobby.to_owned());
            }
            if let Some(Ok(page)) = word.strip_prefix("CHATHISTORY=").map(str::parse) {
                self.page = usize::clamp(page, 1, super::history::PAGE);
            }
        }
    }

    /// The server has said all that it says first: into the rooms.
    fn come_in(&mut self) {
        if self.connection == Connection::Online {
            return; // somebody has asked for the message of the day
        }
        self.connection = Connection::Online;
        let wanted = self.rooms.iter().filter(|it| it.is_wanted);
        let mut wanted: Vec<String> = wanted.map(|it| it.name.clone()).collect();
        if wanted.is_empty()
            && let Some(lobby) = self.lobby.clone()
        {
            self.wants_to_see = Some(lobby.clone());
            wanted.push(lobby);
        }
        for name in wanted {
            self.say(&["JOIN", &name]);
        }
        for index in 0..self.rooms.len() {
            if self.rooms[index].kind == Kind::Person {
                self.resolve(index, false);
            }
        }
    }

    fn another_name(&mut self, message: &Message<'_>) {
        self.names_tried += 1;
        self.nick = match message.command {
            "432" => format!(
                "guest{}",
                self.random % 10_000 + u64::from(self.names_tried)
            ),
            _ => format!("{}{}", self.wanted_nick, self.names_tried + 1),
        };
        if self.names_tried > super::NAMES_MAX {
            return self.tell(0, Look::Error, "no free name was found; begin with --name");
        }
        let text = format!(
            "{}: {}; you are called {} for now (/nick changes that)",
            message.params.get(1).unwrap_or_default(),
            last(message),
            self.nick
        );
        self.tell(0, Look::Error, &text);
        let nick = self.nick.clone();
        self.say(&["NICK", &nick]);
    }

    fn set_topic(&mut self, name: &str, topic: &str) {
        if let Some(index) = self.find(name) {
            topic.clone_into(&mut self.rooms[index].topic);
        }
    }

    fn listed(&mut self, name: &str, members: &str) {
        let Some(index) = self.find(name) else {
            return;
        };
        let room = &mut self.rooms[index];
        if !std::mem::replace(&mut room.is_listing, true) {
            room.members.clear();
        }
        for member in members.split(' ').filter(|it| !it.is_empty()) {
            room.enter(member);
        }
    }

    fn list_ends(&mut self, name: &str) {
        let Some(index) = self.find(name) else {
            return;
        };
        let room = &mut self.rooms[index];
        room.is_listing = false;
        if !room.is_joined {
            return;
        }
        let count = room.members.len();
        let needs_history = !room.is_caught_up && !room.is_loading() && room.second_look.is_none();
        if count <= ASK_WHO_MAX {
            self.say(&["WHO", name]);
        }
        if needs_history {
            self.catch_up(index);
        }
    }

    fn failed(&mut self, message: &Message<'_>) {
        let param = |index| message.params.get(index).unwrap_or_default();
        let label = tag(message, "label").unwrap_or_default();
        if self.refuse(&label, param(1), last(message)) {
            return;
        }
        match param(0) {
            "MARKREAD" => {} // guests have none
            "CHATHISTORY" => {
                let rooms = message.params.iter().find_map(|it| self.find(it));
                if let Some(index) = rooms {
                    self.no_page(index, last(message));
                }
            }
            "SEARCH" => {
                self.search = None;
                self.tell_here(Look::Error, &format!("no search: {}", last(message)));
            }
            what => {
                let text = format!("{what}: {}", last(message));
                self.tell_here(Look::Error, &text);
            }
        }
    }

    fn refused(&mut self, message: &Message<'_>) {
        let label = tag(message, "label").unwrap_or_default();
        if self.refuse(&label, message.command, last(message)) {
            return;
        }
        let about = message.params.get(1).unwrap_or_default();
        let index = self.find(about).unwrap_or(self.current);
        let text = match message.params.len() {
            0..=2 => last(message).to_owned(),
            _ => format!("{about}: {}", last(message)),
        };
        self.tell(index, Look::Error, &text);
        // A room that does not let us in is not asked again by itself.
        let is_about_joining = matches!(
            message.command,
            "403" | "405" | "471" | "473" | "474" | "475" | "476" | "477"
        );
        if is_about_joining && names::is_channel(about) && !self.rooms[index].is_joined {
            self.rooms[index].is_wanted = false;
            self.tell_here(Look::Error, &text);
        }
    }
}
