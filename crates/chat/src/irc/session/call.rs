//! One command while it runs: what its function may ask for and say. It must never be kept.

use std::sync::Arc;

use super::capture::Capture;
use super::jobs::{HashJob, Hashed};
use super::{Hashing, QUESTIONS_MAX, Question, Session, State, Todo, View, table};
use crate::chat::Chat;
use crate::chat::command::{Command, Label, Target};
use crate::chat::ids::UserId;
use crate::chat::outlet::Outlet;
use crate::chat::refusal::Refusal;
use crate::irc::caps::Caps;
use crate::irc::config::IrcConfig;
use crate::irc::message::Message;
use crate::irc::names;
use crate::irc::numeric::{
    ERR_ALREADYREGISTERED, ERR_NEEDMOREPARAMS, ERR_NOTREGISTERED, ERR_UNKNOWNCOMMAND, Numeric,
};
use crate::irc::refusals;
use crate::irc::render::{Scene, source};
use crate::irc::write::{self, Line};
use crate::store::StoreError;
use crate::store::query::{Answer, Query};

/// A command that runs.
pub(crate) struct Call<'c, 'v> {
    pub(crate) session: &'c mut Session,
    pub(crate) view: &'c mut View<'v>,
    label: Label,
    /// The label's answer comes when something is stored, or found.
    is_later: bool,
}

impl<'c, 'v> Call<'c, 'v> {
    pub(super) fn new(session: &'c mut Session, view: &'c mut View<'v>, label: Label) -> Self {
        Call {
            session,
            view,
            label,
            is_later: false,
        }
    }

    pub(super) fn finish(self) -> (Label, bool) {
        (self.label, self.is_later)
    }

    /// Looks the command up, and runs it if the client may.
    pub(super) fn run(&mut self, message: &Message<'_>) {
        use table::Needs;
        if self.take_for_batch(message) {
            return;
        }
        let Some(entry) = table::find(message.command) else {
            // Before it has said who it is, nobody learns which commands there are.
            match self.session.user() {
                Some(_) => self.numeric(ERR_UNKNOWNCOMMAND, &[message.command]),
                None => self.numeric(ERR_NOTREGISTERED, &[]),
            }
            return;
        };
        let is_in = self.session.user().is_some();
        match entry.needs {
            Needs::Registration if !is_in => self.numeric(ERR_NOTREGISTERED, &[]),
            Needs::NoRegistration if is_in => self.numeric(ERR_ALREADYREGISTERED, &[]),
            _ if message.params.len() < entry.params_min => {
                self.numeric(ERR_NEEDMOREPARAMS, &[entry.name]);
            }
            _ => (entry.run)(self, message),
        }
        if !is_in {
            self.enter_if_ready();
        }
    }

    /// Who asks. Only commands that need registration may call it: nobody is a user before.
    pub(crate) fn me(&self) -> UserId {
        self.session
            .user()
            .expect("the table has checked that it is a user")
    }

    /// The chat, to be read.
    pub(crate) fn chat(&self) -> &Chat {
        self.view.chat
    }

    /// The choices of the operator.
    pub(crate) fn config(&self) -> &'v IrcConfig {
        self.view.config
    }

    /// What the client understands.
    pub(crate) fn caps(&self) -> Caps {
        self.session.caps
    }

    /// How the client is called in answers: `*` if it is not called anything yet.
    pub(crate) fn nick(&self) -> Arc<str> {
        let nick = match &self.session.state {
            State::Greeting(greeting) => greeting.nick(),
            State::In(me) => self.view.chat.user(*me).map(|me| &me.identity().nick),
            State::Over => None,
        };
        nick.map_or_else(|| "*".into(), Arc::clone)
    }

    /// The label to give to a durable command: its answer then comes when that is stored.
    pub(crate) fn label(&self) -> Label {
        self.label.clone()
    }

    /// The label is answered by what comes later.
    pub(super) fn answer_later(&mut self) {
        self.is_later = true;
    }

    /// What this command says answers another label than its own.
    pub(super) fn set_label(&mut self, label: Label) {
        self.label = label;
    }

    /// The label is answered by what was written so far, whatever comes later.
    pub(crate) fn answer_now(&mut self) {
        self.is_later = false;
    }

    /// Answers a numeric with its standard text.
    pub(crate) fn numeric(&mut self, numeric: Numeric, params: &[&str]) {
        let nick = self.nick();
        write::reply(
            self.view.reply,
            &self.view.config.server,
            numeric,
            &nick,
            params,
        );
    }

    /// Answers a numeric with a text of its own.
    pub(crate) fn numeric_text(&mut self, numeric: Numeric, params: &[&str], text: &str) {
        let nick = self.nick();
        let line = Line::new(self.view.reply).numeric(&self.view.config.server, numeric, &nick);
        line.params(params.iter().copied()).text(text);
    }

    /// Answers `FAIL command code context :text`, or what comes next to it for who has not asked for
    /// standard replies.
    pub(crate) fn fail(&mut self, command: &str, code: &str, context: &[&str], text: &str) {
        let nick = self.nick();
        let scene = refusals::Scene {
            server: &self.view.config.server,
            nick: &nick,
            caps: self.session.caps,
            command,
            about: None,
        };
        refusals::fail(self.view.reply, &scene, code, context, text);
    }

    /// Answers why something was not done; `about` is what it was asked of, if that is a room or a
    /// user.
    pub(crate) fn refuse(&mut self, command: &str, about: Option<&str>, refusal: &Refusal) {
        let nick = self.nick();
        let scene = refusals::Scene {
            server: &self.view.config.server,
            nick: &nick,
            caps: self.session.caps,
            command,
            about,
        };
        refusals::write(self.view.reply, &scene, refusal);
    }

    /// Begins a line to the client.
    pub(crate) fn line(&mut self) -> Line<'_> {
        Line::new(self.view.reply)
    }

    /// Asks the chat. What it tells this user at once is written among the answers; what has to be
    /// stored first is answered later, under the label that the command has.
    ///
    /// # Errors
    /// Nothing was done.
    pub(crate) fn command(&mut self, command: Command) -> Result<(), Refusal> {
        let me = self.me();
        let pending = |chat: &Chat| chat.user(me).map_or(0, crate::chat::User::pending);
        let before = pending(self.view.chat);
        let now = self.view.now;
        let done = self.capturing(|chat, out| chat.command(me, command, now, out));
        self.is_later |= pending(self.view.chat) > before;
        done
    }

    /// Asks the chat, and answers if it refuses; whether it did not.
    pub(crate) fn command_or_refuse(
        &mut self,
        name: &str,
        about: Option<&str>,
        command: Command,
    ) -> bool {
        let done = self.command(command);
        if let Err(refusal) = &done {
            self.refuse(name, about, refusal);
        }
        done.is_ok()
    }

    /// Runs something on the chat with an outlet that writes what concerns this user among the
    /// answers.
    pub(crate) fn capturing<T>(&mut self, run: impl FnOnce(&mut Chat, &mut dyn Outlet) -> T) -> T {
        let me = self.me();
        let view = &mut *self.view;
        let mut out = Capture {
            out: view.out,
            me,
            scene: Scene {
                server: &view.config.server,
                unix_ms: view.now.unix_ms,
                caps: self.session.caps,
                own: true,
            },
            reply: view.reply,
        };
        run(view.chat, &mut out)
    }

    /// Asks the archive; `then` runs with the answer, and what it writes is what the label of this
    /// command waits for. Too many questions at once are refused.
    pub(crate) fn ask(
        &mut self,
        query: Query,
        then: impl FnOnce(&mut Call<'_, '_>, Result<Answer, StoreError>) + 'static,
    ) -> Result<(), Refusal> {
        self.question(query, self.label.clone(), then)?;
        self.is_later = true;
        Ok(())
    }

    /// Asks the archive for the session's own needs: no label waits for it.
    pub(crate) fn ask_aside(
        &mut self,
        query: Query,
        then: impl FnOnce(&mut Call<'_, '_>, Result<Answer, StoreError>) + 'static,
    ) -> Result<(), Refusal> {
        self.question(query, None, then)
    }

    fn question(
        &mut self,
        query: Query,
        label: Label,
        then: impl FnOnce(&mut Call<'_, '_>, Result<Answer, StoreError>) + 'static,
    ) -> Result<(), Refusal> {
        if self.session.questions.len() >= QUESTIONS_MAX {
            return Err(Refusal::Busy);
        }
        let ticket = self.session.next_ticket();
        self.session.questions.push(Question {
            ticket,
            label,
            then: Box::new(then),
        });
        self.view.todo.push(Todo::Ask(ticket, query));
        Ok(())
    }

    /// Has something hashed off the loop; `then` runs with the result, or with `None` if it could not
    /// be done. One at a time for a client, or giving up and beginning anew would ask for any number
    /// of them.
    pub(super) fn hash(
        &mut self,
        job: HashJob,
        then: impl FnOnce(&mut Call<'_, '_>, Option<Hashed>) + 'static,
    ) -> Result<(), Refusal> {
        if self.session.hashing.is_some() {
            return Err(Refusal::Busy);
        }
        let ticket = self.session.next_ticket();
        self.session.hashing = Some(Box::new(Hashing {
            ticket,
            label: self.label.clone(),
            then: Box::new(then),
        }));
        self.is_later = true;
        self.view.todo.push(Todo::Hash(ticket, Box::new(job)));
        Ok(())
    }

    /// `nick!user@host`, as far as it is known.
    pub(super) fn own_source(&self) -> String {
        let me = self.session.user().and_then(|me| self.chat().user(me));
        match (me, &self.session.state) {
            (Some(me), _) => source(me.identity()),
            (None, State::Greeting(greeting)) => greeting.source(),
            _ => "*".to_owned(),
        }
    }

    /// Ends the session.
    pub(crate) fn end(&mut self, reason: &str) {
        self.session.end(reason, self.view);
    }
}

/// A target of a message: a room, or a person.
pub(crate) fn target(name: &str) -> Target {
    match names::is_channel(name) {
        true => Target::Room(name.into()),
        false => Target::Person(name.into()),
    }
}
