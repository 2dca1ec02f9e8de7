//! A plain client: lines out, one answer for each. It must never take an answer for another line's.

use std::collections::VecDeque;
use std::net::Shutdown;

use switchboard::{Close, Context, Handler, Result, Time, TimerId};

use crate::book::{Heard, LOBBY, Phase};
use crate::text::Id;
use crate::town::{self, Speech, Town};

/// What is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Said(Id),
    Command,
    /// `/quiet`: it is heeded at once, and answered when what was said before it is.
    Quiet,
    /// A command when all was well: it shows that the connection is there.
    Check,
}

pub struct Plain {
    me: usize,
    /// What is not answered, in order.
    waiting: VecDeque<Line>,
    heard: Time,
    ended: bool,
    checked: bool,
}

impl Plain {
    pub fn new(me: usize) -> Plain {
        Plain {
            me,
            waiting: VecDeque::new(),
            heard: Time::ZERO,
            ended: false,
            checked: false,
        }
    }

    fn act(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        // Nobody answers who has nothing to answer.
        let is_owed = !self.waiting.is_empty() || self.ended;
        if is_owed && town::is_lost(cx, self.heard) {
            cx.abort();
            return Ok(());
        }
        match town.book.phase.get() {
            Phase::Leaving => return self.leave(cx),
            Phase::Silent => {}
            Phase::Settling => {
                self.say(town, cx)?;
                self.command("/listen", Line::Check, cx)?;
            }
            Phase::Talking => match town::draw(cx, 12) {
                0..7 => self.say(town, cx)?,
                7 => (0..town::draw(cx, 8)).try_for_each(|_| self.say(town, cx))?,
                8 | 9 => self.command("/listen", Line::Command, cx)?,
                10 => {
                    town.book.with(self.me, |it| it.rooms.clear());
                    self.command("/quiet", Line::Quiet, cx)?;
                }
                _ => self.leave(cx)?,
            },
        }
        self.look(town);
        Ok(())
    }

    fn say(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        if self.ended {
            return Ok(());
        }
        if let Some(id) = town.book.say(self.me) {
            let mut line = id.text();
            if id.number.is_multiple_of(3) {
                line = format!("{}: {line}", self.me);
            }
            line.push('\n');
            cx.send(line)?;
            self.waiting.push_back(Line::Said(id));
        }
        Ok(())
    }

    fn command(&mut self, line: &str, what: Line, cx: &mut Context<'_, Town>) -> Result {
        if !self.ended {
            cx.send(format!("{line}\n"))?;
            self.waiting.push_back(what);
        }
        Ok(())
    }

    fn leave(&mut self, cx: &mut Context<'_, Town>) -> Result {
        if self.ended {
            cx.abort();
            return Ok(());
        }
        match town::draw(cx, 3) {
            // What is not answered yet is answered all the same.
            0 => {
                self.ended = true;
                cx.shutdown(Shutdown::Write)
            }
            _ => town::go(cx),
        }
    }

    fn look(&self, town: &Town) {
        let is_owed = |line: &Line| matches!(line, Line::Said(_));
        let content = self.checked && !self.waiting.iter().any(is_owed);
        town.book
            .with(self.me, |it| it.content = content && it.said >= it.quota);
    }

    fn hear(&mut self, line: &str, town: &mut Town) {
        if let Some(said) = line.strip_prefix('<') {
            let (_, text) = said.split_once("> ").expect("somebody has said it");
            let Some((id, place)) = town.book.seen(text) else {
                return;
            };
            let (is_own, is_in) = town.book.with(self.me, |it| {
                (it.own.contains(&id), it.rooms.contains_key(LOBBY))
            });
            assert!(!is_own, "{id} is heard by who has said it");
            if is_in {
                town.book.heard(self.me, LOBBY, place);
            }
        } else if line == "Message received" {
            match self.waiting.pop_front() {
                Some(Line::Said(id)) => town.book.receipted(id),
                other => panic!("a receipt for {other:?}"),
            }
        } else if let Some(why) = line.strip_prefix("Error: ") {
            match self.waiting.pop_front() {
                Some(Line::Said(id)) => town.book.refused(id, why),
                // A farewell, perhaps.
                Some(Line::Command | Line::Quiet | Line::Check) | None => {}
            }
        } else if line.starts_with("You hear") {
            self.check(line);
            let is_quiet = self.waiting.contains(&Line::Quiet);
            town.book.with(self.me, |it| {
                if !is_quiet && !it.rooms.contains_key(LOBBY) {
                    it.rooms.insert(LOBBY.to_owned(), Heard::of_join(0));
                }
            });
        } else {
            assert!(line.starts_with("You do not hear"), "{line:?}");
            self.check(line);
        }
    }

    fn check(&mut self, line: &str) {
        match self.waiting.pop_front() {
            Some(Line::Command | Line::Quiet) => {}
            Some(Line::Check) => self.checked = true,
            other => panic!("{line:?} for {other:?}"),
        }
    }
}

impl Handler<Town> for Plain {
    fn handle_connect(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        self.heard = cx.now();
        town.book.with(self.me, |it| it.deaf_to_itself = true);
        town::wait(town, cx)
    }

    fn handle_timer(&mut self, town: &mut Town, cx: &mut Context<'_, Town>, _: TimerId) -> Result {
        self.act(town, cx)?;
        town::wait(town, cx)
    }

    fn handle_read(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        self.heard = cx.now();
        while let Some(line) = town::line(cx) {
            let line = String::from_utf8(line).expect("nobody sends anything but text");
            self.hear(&line, town);
        }
        self.look(town);
        Ok(())
    }

    fn handle_close(&mut self, town: &mut Town, cx: &mut Context<'_, Town>, _: &Close) {
        town::come_back(town, cx, self.me, Speech::Plain);
    }
}
