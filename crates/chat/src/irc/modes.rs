//! Modes of a channel: what `MODE #room +o-v+b ada bob *!*@h` asks for, and how changes are printed.
//!
//! It must never know what a mode does, nor who may change it.
//!
//! The kinds are those of `CHANMODES` and `PREFIX` in
//! [ISUPPORT](https://modern.ircdocs.horse/#chanmodes-parameter).

use super::write::Body;

/// Whether, and when, a mode has an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A list (type A): the argument is put on it or taken off it; without one, it is asked for.
    List,
    /// A setting (type B) that has its argument also when it is taken away.
    Setting,
    /// A setting (type C) that has an argument only when it is made.
    SettingOnAdd,
    /// A switch (type D).
    Flag,
    /// A member's role: the argument is a nick.
    Member,
}

/// The modes that there are.
///
/// ```
/// use switchboard_chat::irc::modes::{Asked, Change, ModeTable};
///
/// const MODES: ModeTable = ModeTable {
///     lists: "beI",
///     settings: "k",
///     settings_on_add: "l",
///     flags: "imnst",
///     members: &[('o', '@'), ('v', '+')],
///     arguments_max: 12,
/// };
/// assert_eq!(MODES.chanmodes(), "beI,k,l,imnst");
/// assert_eq!(MODES.prefix(), "(ov)@+");
/// let asked: Vec<_> = MODES.parse(&["+o-t", "ada"]).collect();
/// let op = Change { add: true, letter: 'o', argument: Some("ada") };
/// let topic = Change { add: false, letter: 't', argument: None };
/// assert_eq!(asked, [Ok(Asked::Change(op)), Ok(Asked::Change(topic))]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeTable {
    /// The letters of type A.
    pub lists: &'static str,
    /// The letters of type B.
    pub settings: &'static str,
    /// The letters of type C.
    pub settings_on_add: &'static str,
    /// The letters of type D.
    pub flags: &'static str,
    /// The roles, highest first: letter, and the sign before the nick.
    pub members: &'static [(char, char)],
    /// The most changes with an argument in one command (`MODES`).
    pub arguments_max: usize,
}

/// The most switches that one command may throw. One for each letter is plenty.
pub const FLAGS_MAX: usize = 26;

/// The most arguments of one line: two of the fifteen parameters are the channel and the letters.
const ARGUMENTS_IN_A_LINE_MAX: usize = 13;

impl ModeTable {
    /// The kind of `letter`; `None` if there is no such mode.
    pub fn kind(&self, letter: char) -> Option<Kind> {
        if self.members.iter().any(|(member, _)| *member == letter) {
            return Some(Kind::Member);
        }
        let kinds = [
            (self.lists, Kind::List),
            (self.settings, Kind::Setting),
            (self.settings_on_add, Kind::SettingOnAdd),
            (self.flags, Kind::Flag),
        ];
        let kind = kinds.into_iter().find(|(all, _)| all.contains(letter));
        kind.map(|(_, kind)| kind)
    }

    /// The value of `CHANMODES`.
    pub fn chanmodes(&self) -> String {
        [self.lists, self.settings, self.settings_on_add, self.flags].join(",")
    }

    /// The value of `PREFIX`.
    pub fn prefix(&self) -> String {
        let letters: String = self.members.iter().map(|(letter, _)| letter).collect();
        let signs: String = self.members.iter().map(|(_, sign)| sign).collect();
        format!("({letters}){signs}")
    }

    /// Reads `params`, which are those behind the channel. Allocates nothing.
    ///
    /// The first is letters, and so is a later one that begins with a sign where no argument is
    /// due. Letters before any sign are added. An argument that no letter wants is skipped.
    ///
    /// What is wrong is told in its place, each kind once for a letter, so that one line cannot make
    /// many answers. After [`ModeError::TooMany`], nothing follows.
    pub fn parse<'p, 'a>(&self, params: &'p [&'a str]) -> Parse<'p, 'a> {
        Parse {
            table: *self,
            params,
            letters: "",
            add: true,
            arguments: 0,
            flags: 0,
            told: [0; 3],
            is_first: true,
        }
    }
}

/// What one letter asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A change.
    Change(Change<'a>),
    /// What is on the list of this letter.
    List(char),
}

/// One change of a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Given or made (`+`), or taken away (`-`).
    pub add: bool,
    /// Which mode.
    pub letter: char,
    /// Its argument, which is not empty; `None` if its kind has none here. A setting that is taken
    /// away without its argument has `*`: few people type the key to remove it.
    pub argument: Option<&'a str>,
}

/// What is wrong with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeError {
    /// No such mode: `472 ERR_UNKNOWNMODE`.
    Unknown(char),
    /// Its argument is missing: `461 ERR_NEEDMOREPARAMS` or `696 ERR_INVALIDMODEPARAM`.
    MissingArgument(char),
    /// More changes than [`ModeTable::arguments_max`] or [`FLAGS_MAX`]; this one and what follows
    /// are left out.
    TooMany,
}

impl std::fmt::Display for ModeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::escape::write_char;
        match self {
            ModeError::Unknown(letter) => {
                f.write_str("there is no mode ")?;
                write_char(f, *letter)
            }
            ModeError::MissingArgument(letter) => {
                f.write_str("an argument is missing for the mode ")?;
                write_char(f, *letter)
            }
            ModeError::TooMany => f.write_str("too many changes in one command: send several"),
        }
    }
}

impl std::error::Error for ModeError {}

/// The iterator of [`ModeTable::parse`].
#[derive(Debug, Clone)]
pub struct Parse<'p, 'a> {
    table: ModeTable,
    /// What was not taken yet.
    params: &'p [&'a str],
    letters: &'a str,
    add: bool,
    arguments: usize,
    flags: usize,
    /// The letters that were told to be unknown, to lack an argument, or whose list was asked for:
    /// a bit for each of ASCII, and all others share that of NUL.
    told: [u128; 3],
    is_first: bool,
}

impl<'a> Parse<'_, 'a> {
    fn next_letter(&mut self) -> Option<char> {
        loop {
            let mut letters = self.letters.chars();
            match letters.next() {
                Some(sign @ ('+' | '-')) => {
                    self.add = sign == '+';
                    self.letters = letters.as_str();
                }
                Some(letter) => {
                    self.letters = letters.as_str();
                    return Some(letter);
                }
                None => {
                    let (first, rest) = self.params.split_first()?;
                    self.params = rest;
                    if std::mem::take(&mut self.is_first) || first.starts_with(['+', '-']) {
                        self.letters = first;
                        self.add = true;
                    }
                }
            }
        }
    }

    fn take_argument(&mut self) -> Option<&'a str> {
        let (first, rest) = self.params.split_first()?;
        self.params = rest;
        Some(*first).filter(|argument| !argument.is_empty())
    }

    /// Whether `letter` is told for the first time.
    fn is_news(&mut self, of: usize, letter: char) -> bool {
        let bit = if letter.is_ascii() {
            1 << u32::from(letter)
        } else {
            1
        };
        let is_news = self.told[of] & bit == 0;
        self.told[of] |= bit;
        is_news
    }

    /// What `letter` asks for; `None` if that was told already.
    fn read(&mut self, letter: char) -> Option<Result<Asked<'a>, ModeError>> {
        let add = self.add;
        let change = |argument| {
            let change = Change {
                add,
                letter,
                argument,
            };
            Some(Ok(Asked::Change(change)))
        };
        let Some(kind) = self.table.kind(letter) else {
            let is_news = self.is_news(0, letter);
            return is_news.then_some(Err(ModeError::Unknown(letter)));
        };
        if kind == Kind::Flag || (kind == Kind::SettingOnAdd && !add) {
            self.flags += 1;
            return match self.flags > FLAGS_MAX {
                true => self.too_many(),
                false => change(None),
            };
        }
        let argument = match self.take_argument() {
            None if kind == Kind::List && add => {
                let is_news = self.is_news(2, letter);
                return is_news.then_some(Ok(Asked::List(letter)));
            }
            None if kind == Kind::Setting && !add => "*",
            None => {
                let is_news = self.is_news(1, letter);
                return is_news.then_some(Err(ModeError::MissingArgument(letter)));
            }
            Some(argument) => argument,
        };
        self.arguments += 1;
        match self.arguments > self.table.arguments_max {
            true => self.too_many(),
            false => change(Some(argument)),
        }
    }

    fn too_many(&mut self) -> Option<Result<Asked<'a>, ModeError>> {
        self.params = &[];
        self.letters = "";
        Some(Err(ModeError::TooMany))
    }
}

impl<'a> Iterator for Parse<'_, 'a> {
    type Item = Result<Asked<'a>, ModeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let letter = self.next_letter()?;
            let asked = self.read(letter);
            if asked.is_some() {
                return asked;
            }
        }
    }
}

/// Adds `changes` to a line as they are written most shortly: `+o-v+bb ada bob *!*@h *!*@i`. Give it
/// what [`lines`] made of them, so that they fit. Allocates for the letters.
///
/// ```
/// use switchboard_chat::irc::{modes, write::Line};
///
/// let op = |add, nick| modes::Change { add, letter: 'o', argument: Some(nick) };
/// let mut out = Vec::new();
/// let line = Line::new(&mut out).from("ada!ada@h", "MODE").param("#room");
/// modes::write(line, &[op(true, "bob"), op(true, "eve"), op(false, "joe")]).end();
/// assert_eq!(out, b":ada!ada@h MODE #room +oo-o bob eve joe\r\n");
/// ```
pub fn write<'b>(line: Body<'b>, changes: &[Change<'_>]) -> Body<'b> {
    let mut letters = String::new();
    let mut sign = None;
    for change in changes {
        if sign.replace(change.add) != Some(change.add) {
            letters.push(if change.add { '+' } else { '-' });
        }
        letters.push(change.letter);
    }
    let line = line.param(&letters);
    line.params(changes.iter().filter_map(|change| change.argument))
}

/// Cuts `changes` into as few runs as make a line each: at most `arguments_max` arguments (never more
/// than 13), and `room` bytes, which is what
/// [`text_room`](super::write::text_room) leaves for them.
///
/// A change that is longer than `room` is a run of its own.
pub fn lines<'c, 'a>(
    mut changes: &'c [Change<'a>],
    arguments_max: usize,
    room: usize,
) -> impl Iterator<Item = &'c [Change<'a>]> {
    let arguments_max = arguments_max.clamp(1, ARGUMENTS_IN_A_LINE_MAX);
    std::iter::from_fn(move || {
        let (mut arguments, mut bytes) = (0, 0);
        let fits = |change: &Change<'_>| {
            // A sign for each is more than needed, and never too little.
            bytes += 1 + change.letter.len_utf8();
            if let Some(argument) = change.argument {
                arguments += 1;
                bytes += 1 + argument.len();
            }
            arguments <= arguments_max && bytes <= room
        };
        let count = changes.iter().map(fits).take_while(|fits| *fits).count();
        let (line, rest) = changes.split_at(count.max(1).min(changes.len()));
        changes = rest;
        Some(line).filter(|line| !line.is_empty())
    })
}

#[cfg(test)]
#[path = "modes/tests.rs"]
mod tests;
