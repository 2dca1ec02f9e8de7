//! One IRC client, whatever carries its lines: lines in, lines and things to do out.
//!
//! It must never touch a socket, a clock or the system's randomness: its carrier passes them in by a
//! [`View`], and does what is [to do](Todo).
//!
//! # How a carrier drives it
//! * [`Session::line`] for each line, [`Session::too_long`] for one that was too long. Then send what
//!   is in [`View::reply`], do what is in [`View::todo`], and look at [`Session::user`] and
//!   [`Session::viewer`], which may be new: by them, the server's outlet renders what others tell
//!   this user.
//! * [`Session::answered`] and [`Session::hashed`] with what became of a [`Todo`].
//! * [`Session::wake`] when [`Session::due`] is there.
//! * [`Session::lost`] when the connection has ended, whoever ended it.
//!
//! What the chat tells the user as a consequence of its own line stands among the answers to it, so
//! that a label's answer is whole; all other events go by the outlet.

mod about;
mod accounts;
mod administration;
mod backlog;
mod batches;
mod call;
mod cap;
mod capture;
mod certificates;
mod help;
mod history;
mod jobs;
pub(crate) mod labels;
mod list;
mod members;
pub(crate) mod modes;
mod monitor;
mod nickserv;
mod pieces;
mod presence;
mod read_marks;
mod redaction;
mod registration;
mod rooms;
mod sasl;
mod search;
mod speaking;
mod table;
mod welcome;
mod who;
mod whois;

use std::fmt;
use std::sync::Arc;

use super::caps::Caps;
use super::config::IrcConfig;
use super::message::{Message, ParseError};
use super::numeric::{ERR_INPUTTOOLONG, ERR_UNKNOWNCOMMAND};
use super::render::{self, Carrier, Viewer};
use super::tags::Tags;
use super::write::Line;
use crate::accounts::fingerprint::Fingerprint;
use crate::accounts::sasl::Exchange;
use crate::chat::Chat;
use crate::chat::command::Label;
use crate::chat::ids::{Moment, UserId};
use crate::chat::outlet::Outlet;
use crate::store::StoreError;
use crate::store::query::{Answer, Query};

use batches::Batch;
pub(crate) use call::Call;
pub use jobs::{HashJob, Hashed};
use pieces::Pieces;
use registration::Greeting;
pub use registration::Origin;
pub(crate) use table::Entry;

/// Questions of one client that are under way; more are refused.
const QUESTIONS_MAX: usize = 8;

/// All that a line may need, lent by the carrier.
pub struct View<'a> {
    /// The chat.
    pub chat: &'a mut Chat,
    /// The way to other users.
    pub out: &'a mut dyn Outlet,
    /// Now.
    pub now: Moment,
    /// The operator's choices.
    pub config: &'a IrcConfig,
    /// Where lines for this client are appended, each with CR LF; see [`Carrier::carry`].
    pub reply: &'a mut Vec<u8>,
    /// Where the carrier's tasks are appended.
    pub todo: &'a mut Vec<Todo>,
    /// Fills with random bytes: for the nonces of logins.
    pub random: &'a mut dyn FnMut(&mut [u8]),
}

/// What a question or a job is called while it is under way; one client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(u32);

/// What the carrier has to do.
#[derive(Debug)]
pub enum Todo {
    /// Ask the archive, and call [`Session::answered`].
    Ask(Ticket, Query),
    /// Run it off the loop, and call [`Session::hashed`]; `None` if there is no room for it.
    Hash(Ticket, Box<HashJob>),
    /// Close the connection when all that was written is sent. The client has been told why.
    Close,
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut view = f.debug_struct("View");
        view.field("now", &self.now).finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut session = f.debug_struct("Session");
        session
            .field("user", &self.user())
            .field("caps", &self.caps)
            .finish_non_exhaustive()
    }
}

/// What is done with an answer.
type Continue = Box<dyn FnOnce(&mut Call<'_, '_>, Result<Answer, StoreError>)>;

/// A question under way, and the label that waits for it.
struct Question {
    ticket: Ticket,
    label: Label,
    then: Continue,
}

/// What is done with a hash.
type ContinueHashed = Box<dyn FnOnce(&mut Call<'_, '_>, Option<Hashed>)>;

/// A job under way, and the label that waits for it.
struct Hashing {
    ticket: Ticket,
    label: Label,
    then: ContinueHashed,
}

enum State {
    /// It has not said who it is.
    Greeting(Box<Greeting>),
    /// A user.
    In(UserId),
    /// Nothing more is said.
    Over,
}

/// One client. What only registration needs is dropped after it.
pub struct Session {
    state: State,
    caps: Caps,
    carrier: Carrier,
    tls: bool,
    /// The version of the negotiation of capabilities: 302 and later have values.
    cap_version: u16,
    heard_ns: u64,
    /// When it was asked whether it is there, if it has said nothing since.
    pinged_ns: Option<u64>,
    tickets: u32,
    questions: Vec<Question>,
    hashing: Option<Box<Hashing>>,
    /// A login under way.
    exchange: Option<Box<Exchange>>,
    certificate: Option<Box<Fingerprint>>,
    /// Nobody on the way can read what is said.
    is_private: bool,
    login_failures: u8,
    batch: Option<Box<Batch>>,
    /// A long list that is under way.
    pieces: Option<Box<Pieces>>,
    /// The archive was asked up to where the account has read.
    fetches_marks: bool,
}

impl Session {
    /// A client that has just come, and has said nothing.
    pub fn new(origin: Origin, carrier: Carrier, now: Moment) -> Session {
        Session {
            tls: origin.tls,
            is_private: origin.is_private(),
            certificate: origin.certificate.map(Box::new),
            state: State::Greeting(Box::new(Greeting::new(origin, now))),
            caps: Caps::NONE,
            carrier,
            cap_version: 301,
            heard_ns: now.monotonic_ns,
            pinged_ns: None,
            tickets: 0,
            questions: Vec::new(),
            hashing: None,
            exchange: None,
            login_failures: 0,
            batch: None,
            pieces: None,
            fetches_marks: false,
        }
    }

    fn next_ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets = self.tickets.wrapping_add(1);
        ticket
    }

    /// Who it is, once it has said so.
    pub fn user(&self) -> Option<UserId> {
        match self.state {
            State::In(user) => Some(user),
            _ => None,
        }
    }

    /// How it sees events.
    pub fn viewer(&self) -> Viewer {
        Viewer::new(self.caps, self.carrier)
    }

    /// Whether nothing more is said to it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Does what a line without its newline asks for.
    pub fn line(&mut self, line: &[u8], view: &mut View<'_>) {
        self.heard_ns = view.now.monotonic_ns;
        self.pinged_ns = None;
        match Message::from_client(line) {
            Ok(message) => self.with_label(message.tags, view, |call| call.run(&message)),
            Err(error) => self.unreadable(&error, view),
        }
    }

    /// A line was longer than lines are, and skipped.
    pub fn too_long(&mut self, view: &mut View<'_>) {
        self.unreadable(&ParseError::TooLong, view);
    }

    fn unreadable(&mut self, error: &ParseError<'_>, view: &mut View<'_>) {
        match error {
            ParseError::Empty | ParseError::NoCommand => {}
            ParseError::TooLong => self.with_label(Tags::default(), view, |call| {
                call.numeric(ERR_INPUTTOOLONG, &[]);
            }),
            ParseError::NotUtf8 { command, tags } => self.with_label(*tags, view, |call| {
                call.fail(command, "INVALID_UTF8", &[], &error.to_string());
            }),
            ParseError::ForbiddenByte => self.with_label(Tags::default(), view, |call| {
                call.fail("*", "INVALID_LINE", &[], &error.to_string());
            }),
            ParseError::BadCommand { command, tags } => self.with_label(*tags, view, |call| {
                call.numeric(ERR_UNKNOWNCOMMAND, &[command]);
            }),
        }
    }

    fn with_label(
        &mut self,
        tags: Tags<'_>,
        view: &mut View<'_>,
        run: impl FnOnce(&mut Call<'_, '_>),
    ) {
        let mut label = None;
        if !tags.is_empty() && render::answers_labels(self.caps) {
            let value = tags.get("label").map(|label| label.unescaped());
            let fits = |label: &str| !label.is_empty() && label.len() <= labels::LABEL_BYTES_MAX;
            label = value.filter(|label| fits(label)).map(Arc::from);
        }
        self.call(label, view, run);
    }

    fn call(&mut self, label: Label, view: &mut View<'_>, run: impl FnOnce(&mut Call<'_, '_>)) {
        if self.is_over() {
            return;
        }
        let start = view.reply.len();
        let mut call = Call::new(self, view, label);
        run(&mut call);
        let (label, is_later) = call.finish();
        if let Some(label) = label.filter(|_| !is_later) {
            labels::put(view.reply, start, &label, &view.config.server);
        }
    }

    /// What became of a question. One that the session does not wait for is ignored.
    pub fn answered(
        &mut self,
        ticket: Ticket,
        answer: Result<Answer, StoreError>,
        view: &mut View<'_>,
    ) {
        let mut waiting = self.questions.iter();
        let Some(index) = waiting.position(|question| question.ticket == ticket) else {
            return;
        };
        let question = self.questions.remove(index);
        if self.questions.is_empty() {
            self.questions = Vec::new();
        }
        self.call(question.label, view, |call| (question.then)(call, answer));
    }

    /// What became of a hash; `None` if it could not be computed. One that the session does not wait
    /// for is ignored.
    pub fn hashed(&mut self, ticket: Ticket, hashed: Option<Hashed>, view: &mut View<'_>) {
        let is_it = |hashing: &mut Box<Hashing>| hashing.ticket == ticket;
        if let Some(hashing) = self.hashing.take_if(is_it) {
            let Hashing { label, then, .. } = *hashing;
            self.call(label, view, |call| then(call, hashed));
        }
    }

    /// When [`wake`](Session::wake) is to be called, in nanoseconds of the monotonic clock. It moves
    /// with each line, so a timer that comes early asks again.
    pub fn due(&self, config: &IrcConfig) -> u64 {
        let after = |ns: u64, wait: std::time::Duration| {
            ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
        };
        let piece = self.pieces.as_ref().map_or(u64::MAX, |list| list.due_ns());
        let silence = match (&self.state, self.pinged_ns) {
            (State::Over, _) => u64::MAX,
            (State::Greeting(greeting), _) => {
                after(greeting.since_ns(), config.registration_timeout)
            }
            (State::In(_), Some(pinged)) => after(pinged, config.ping_timeout),
            (State::In(_), None) => after(self.heard_ns, config.ping_after),
        };
        silence.min(piece)
    }

    /// Asks whether the client is there, or gives it up, if it is time to.
    pub fn wake(&mut self, view: &mut View<'_>) {
        if view.now.monotonic_ns < self.due(view.config) {
            return;
        }
        if self.pieces.is_some() {
            // Nobody is silent while there is something to read.
            self.heard_ns = view.now.monotonic_ns;
            self.next_piece(view);
            return;
        }
        match self.state {
            State::Over => {}
            State::Greeting(_) => self.end("you have not said who you are", view),
            State::In(_) if self.pinged_ns.is_some() => {
                let seconds = view.config.ping_timeout.as_secs();
                self.end(&format!("no answer for {seconds} seconds"), view);
            }
            State::In(_) => {
                self.pinged_ns = Some(view.now.monotonic_ns);
                let server = &view.config.server;
                Line::new(view.reply).from(server, "PING").text(server);
            }
        }
    }

    /// The connection has ended.
    pub fn lost(&mut self, reason: &str, view: &mut View<'_>) {
        if let Some(user) = self.user() {
            view.chat.leave(user, reason, view.now, view.out);
        }
        self.state = State::Over;
        self.questions = Vec::new();
        self.hashing = None;
        self.exchange = None;
        self.batch = None;
        self.pieces = None;
    }

    /// Ends the session from here, and has the connection closed.
    fn end(&mut self, reason: &str, view: &mut View<'_>) {
        self.lost(reason, view);
        write_error(view.reply, reason);
        view.todo.push(Todo::Close);
    }
}

/// The last line that a client is sent, for whoever closes a connection (see
/// [`Outlet::dismiss`]).
pub fn write_error(out: &mut Vec<u8>, reason: &str) {
    Line::new(out).command("ERROR").text(reason);
}
