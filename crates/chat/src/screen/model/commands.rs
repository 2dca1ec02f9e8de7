//! What a person types: a message, or a command. It must never send a line that begins like a command
//! and is none: that is most often a slip.

use super::{Connection, Kind, Look, Model};
use crate::chat::names;

/// A command: its word, what stands behind it, and what it does.
#[derive(Debug)]
pub struct Command {
    /// With its slash.
    pub word: &'static str,
    /// What stands behind it.
    pub rest: &'static str,
    /// For the help.
    pub help: &'static str,
}

const fn command(word: &'static str, rest: &'static str, help: &'static str) -> Command {
    Command { word, rest, help }
}

/// All of them, in the order of the help.
pub const COMMANDS: &[Command] = &[
    command("/help", "", "this list"),
    command("/join", "#ROOM", "go into a room, or make one"),
    command(
        "/part",
        "[WHY]",
        "leave the room that is shown, or close the window",
    ),
    command("/msg", "NICK TEXT", "talk to one person alone"),
    command("/me", "TEXT", "say what you do"),
    command("/nick", "NAME", "be called so"),
    command("/topic", "[TEXT]", "show what the room is about, or set it"),
    command("/names", "", "who is here"),
    command("/whois", "NICK", "who that is"),
    command(
        "/away",
        "[WHY]",
        "say that you are away; without WHY, that you are back",
    ),
    command(
        "/search",
        "WORDS",
        "look for words in what was said here (Ctrl-F)",
    ),
    command("/retry", "", "send again what the server did not take"),
    command("/discard", "", "give up what the server did not take"),
    command("/quit", "", "leave (Ctrl-C)"),
];

const KEYS: &str = "Keys: Alt-1..9 or Ctrl-N, Ctrl-P: another window. PageUp, PageDown: older, \
                    newer. Tab: completes names and commands. Up, Down: lines that you sent. \
                    Ctrl-L draws the screen anew, Ctrl-Z lends it to the shell. Times are UTC.";

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// It is done, or on its way.
    Done,
    /// It can be neither now; why is shown, and the line may stay.
    Refused,
    /// The person wants to leave.
    Quit,
}

impl Model {
    /// Takes a line that was typed.
    pub fn submit(&mut self, text: &str) -> Typed {
        if text.trim().is_empty() {
            self.search = None;
            return Typed::Done;
        }
        if text.starts_with('/') && !text.starts_with("//") {
            return self.command(text);
        }
        // Two slashes are one that is meant.
        let text = text.strip_prefix('/').unwrap_or(text);
        self.search = None;
        let room = self.room();
        let problem = match room.kind {
            Kind::Server => "nobody hears you here: /join #room, or Ctrl-N for the next window",
            Kind::Room if !room.is_wanted => "you are not in this room any more: /join it again",
            _ => "",
        };
        if !problem.is_empty() {
            self.tell_here(Look::Error, problem);
            return Typed::Refused;
        }
        self.post_here(text, Look::Message)
    }

    fn post_here(&mut self, text: &str, look: Look) -> Typed {
        if self.post(self.current, text, look) {
            return Typed::Done;
        }
        let problem = "too many messages are on their way: wait, or /discard those that failed";
        self.tell_here(Look::Error, problem);
        Typed::Refused
    }

    fn command(&mut self, text: &str) -> Typed {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let word = word.to_lowercase();
        match word.as_str() {
            "/help" => self.help(),
            "/quit" => return Typed::Quit,
            "/me" if !rest.is_empty() => return self.me(rest),
            "/search" if !rest.is_empty() => return self.online(|it| it.look_for(rest)),
            "/retry" => self.retry(true),
            "/discard" => self.retry(false),
            "/part" => self.part(rest),
            "/names" => self.names(),
            "/topic" if rest.is_empty() => self.show_topic(),
            "/topic" => return self.in_room(|it, room| it.say(&["TOPIC", room, rest])),
            "/join" if !rest.is_empty() => return self.online(|it| it.join(rest)),
            "/nick" if !rest.is_empty() => return self.online(|it| it.say(&["NICK", rest])),
            "/whois" if !rest.is_empty() => return self.online(|it| it.say(&["WHOIS", rest])),
            "/away" => {
                return self.online(|it| match rest {
                    "" => it.say(&["AWAY"]),
                    why => it.say(&["AWAY", why]),
                });
            }
            "/msg" => match rest.split_once(char::is_whitespace) {
                Some((to, text)) => return self.message(to, text.trim_start()),
                None => return self.explain(&word),
            },
            _ => return self.explain(&word),
        }
        Typed::Done
    }

    /// A command that is not known, or not whole.
    fn explain(&mut self, word: &str) -> Typed {
        let known = COMMANDS.iter().find(|it| it.word == word);
        let text = match known {
            Some(known) => format!("write {} {}: {}", known.word, known.rest, known.help),
            None => {
                let near = COMMANDS.iter().map(|it| it.word);
                let near = near.min_by_key(|it| strsim::levenshtein(it, word));
                let near = near.filter(|it| strsim::levenshtein(it, word) <= 2);
                let near = near.map_or(String::new(), |it| format!(" (is it {it}?)"));
                format!("there is no {word}{near}; /help shows what there is, //text says /text")
            }
        };
        self.tell_here(Look::Error, &text);
        Typed::Refused
    }

    fn help(&mut self) {
        for it in COMMANDS {
            let left = format!("{} {}", it.word, it.rest);
            self.tell_here(Look::Info, &format!("{left:<18} {}", it.help));
        }
        self.tell_here(Look::Info, KEYS);
    }

    fn online(&mut self, act: impl FnOnce(&mut Model)) -> Typed {
        if self.connection != Connection::Online {
            self.tell_here(Look::Error, "there is no connection at present");
            return Typed::Refused;
        }
        act(self);
        Typed::Done
    }

    fn in_room(&mut self, act: impl FnOnce(&mut Model, &str)) -> Typed {
        if self.room().kind != Kind::Room {
            self.tell_here(Look::Error, "this is no room: Ctrl-N shows the next window");
            return Typed::Refused;
        }
        let name = self.room().name.clone();
        self.online(|it| act(it, &name))
    }

    fn join(&mut self, rest: &str) {
        let (name, key) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = match names::is_channel(name) {
            true => name.to_owned(),
            false => format!("#{name}"),
        };
        if let Some(index) = self.find(&name)
            && self.rooms[index].is_joined
        {
            return self.show_room(index + 1);
        }
        self.wants_to_see = Some(name.clone());
        match key.trim() {
            "" => self.say(&["JOIN", &name]),
            key => self.say(&["JOIN", &name, key]),
        }
    }

    fn part(&mut self, why: &str) {
        let room = self.room();
        let name = room.name.clone();
        match room.kind {
            Kind::Server => self.tell_here(Look::Error, "this window stays; /quit leaves"),
            Kind::Room if room.is_joined => self.say(&["PART", &name, why]),
            _ => self.close_room(self.current),
        }
    }

    fn me(&mut self, text: &str) -> Typed {
        match self.room().kind {
            Kind::Server => self.in_room(|_, _| {}),
            _ => self.post_here(text, Look::Action),
        }
    }

    fn message(&mut self, to: &str, text: &str) -> Typed {
        if names::is_channel(to) && self.find(to).is_none_or(|it| !self.rooms[it].is_joined) {
            let text = format!("you are not in {to}: /join it first");
            self.tell_here(Look::Error, &text);
            return Typed::Refused;
        }
        let index = self.open(to);
        if index == 0 {
            self.tell_here(Look::Error, "too many windows are open: /part closes one");
            return Typed::Refused;
        }
        self.show_room(index + 1);
        self.post_here(text, Look::Message)
    }

    fn names(&mut self) {
        let members = self.room().members.values();
        let names: Vec<String> = members
            .map(|it| format!("{}{}", it.signs, it.nick))
            .collect();
        let text = format!("{} here: {}", names.len(), names.join(", "));
        self.tell_here(Look::Info, &text);
    }

    fn show_topic(&mut self) {
        let text = match self.room().topic.as_str() {
            "" => "no topic is set; /topic TEXT sets one".to_owned(),
            topic => format!("the topic is: {topic}"),
        };
        self.tell_here(Look::Info, &text);
    }
}
