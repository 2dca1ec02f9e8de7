//! `CHATHISTORY`: what was said before. It must never answer to somebody whom the chat does not let
//! read there, nor send anything that was not asked for.
//!
//! The source is <https://ircv3.net/specs/extensions/chathistory>.

mod request;

use std::sync::Arc;

use super::{Call, Entry};
use crate::chat::ids::Msgid;
use crate::irc::caps;
use crate::irc::message::Message;
use crate::irc::render::playback;
use crate::irc::render::{IsoTime, Scene};
use crate::irc::write::Line;
use crate::store::StoreError;
use crate::store::query::{Anchor, Answer, Conversation, Entry as Past, Query, Span};
pub(super) use request::time;
use request::{Asked, Wrong};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("CHATHISTORY", 0, chathistory)];

/// A batch is closed before the next one begins, so one name is enough.
const BATCH: &str = "history";

/// A page that shows nothing (all of it was taken back, or is of a kind that the client does not
/// want) is followed by the next one, so often: an empty answer means that there is no more.
const EMPTY_PAGES_MAX: usize = 8;

/// A part of a history that is being looked for.
struct Page {
    /// The subcommand, for errors.
    command: &'static str,
    /// The target as it is shown.
    target: Arc<str>,
    conversation: Conversation,
    span: Span,
    limit: usize,
    empty_pages: usize,
}

fn chathistory(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let asked = request::read(message.params.as_slice(), call.config().history_max);
    match asked {
        Err(wrong) => call.wrong(&wrong),
        Ok(Asked::Targets { between, limit }) => call.ask_targets(between, limit),
        Ok(Asked::Span {
            command,
            target,
            span,
            limit,
        }) => match call.readable(&target) {
            Ok((shown, conversation)) => call.ask_page(Page {
                command,
                target: shown,
                conversation,
                span,
                limit,
                empty_pages: 0,
            }),
            Err(refusal) => {
                let text = refusal.to_string();
                let context = [command, &*target];
                call.fail("CHATHISTORY", "INVALID_TARGET", &context, &text);
            }
        },
    }
}

impl Call<'_, '_> {
    fn wrong(&mut self, wrong: &Wrong) {
        let context: Vec<&str> = wrong.context.iter().map(String::as_str).collect();
        self.fail("CHATHISTORY", wrong.code, &context, wrong.text);
    }

    /// The conversation with a target, and how the target is shown, if this user may read it.
    pub(super) fn readable(
        &self,
        target: &str,
    ) -> Result<(Arc<str>, Conversation), crate::chat::refusal::Refusal> {
        let chat = self.chat();
        let conversation = chat.conversation_of(self.me(), &super::call::target(target))?;
        let shown = match &conversation {
            Conversation::Room(name) => chat.room(name).map(|room| room.name()),
            Conversation::Between(..) => {
                let them = chat.find(target).and_then(|them| chat.user(them));
                them.map(|them| &them.identity().nick)
            }
        };
        Ok((
            shown.map_or_else(|| target.into(), Arc::clone),
            conversation,
        ))
    }

    fn ask_page(&mut self, page: Page) {
        let query = Query::History {
            conversation: page.conversation.clone(),
            span: page.span,
            limit: page.limit,
            happenings: self.caps().has(caps::EVENT_PLAYBACK),
        };
        let (command, target) = (page.command, Arc::clone(&page.target));
        if let Err(refusal) = self.ask(query, |call, answer| call.show_page(page, answer)) {
            let text = refusal.to_string();
            self.fail("CHATHISTORY", "MESSAGE_ERROR", &[command, &target], &text);
        }
    }

    fn show_page(&mut self, page: Page, answer: Result<Answer, StoreError>) {
        let entries = match answer {
            Ok(Answer::Entries(entries)) => entries,
            Ok(_) => Vec::new(),
            Err(error) => {
                let text = error.to_string();
                let context = [page.command, &*page.target];
                self.fail("CHATHISTORY", "MESSAGE_ERROR", &context, &text);
                return;
            }
        };
        let is_empty = !entries
            .iter()
            .any(|entry| playback::is_shown(entry, &self.scene()));
        let goes_on = is_empty && entries.len() >= page.limit && page.empty_pages < EMPTY_PAGES_MAX;
        if let Some(span) = further(page.span, &entries).filter(|_| goes_on) {
            self.ask_page(Page {
                span,
                empty_pages: page.empty_pages + 1,
                ..page
            });
            return;
        }
        self.show_entries(&["chathistory", &page.target], &entries);
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            server: &self.view.config.server,
            unix_ms: self.view.now.unix_ms,
            caps: self.session.caps,
            own: false,
        }
    }

    /// A batch of this kind with the entries that this client is shown.
    pub(super) fn show_entries(&mut self, kind: &[&str], entries: &[Past]) {
        self.in_batch(kind, |call, batch| {
            let server = &call.view.config.server;
            let scene = Scene {
                server,
                unix_ms: call.view.now.unix_ms,
                caps: call.session.caps,
                own: false,
            };
            for entry in entries {
                if playback::is_shown(entry, &scene) {
                    playback::entry(call.view.reply, entry, &scene, batch);
                }
            }
        });
    }

    /// What is written in a batch, if the client knows what one is.
    fn in_batch(&mut self, kind: &[&str], run: impl FnOnce(&mut Self, Option<&str>)) {
        let server = &self.view.config.server;
        if !self.caps().has(caps::BATCH) {
            run(self, None);
            return;
        }
        let line = Line::new(self.view.reply).from(server, "BATCH");
        let line = line.param(&format!("+{BATCH}"));
        line.params(kind.iter().copied()).end();
        run(self, Some(BATCH));
        let line = Line::new(self.view.reply).from(server, "BATCH");
        line.param(&format!("-{BATCH}")).end();
    }

    fn ask_targets(&mut self, between: (u64, u64), limit: usize) {
        let chat = self.chat();
        let me = chat.user(self.me());
        let rooms = me.map_or(&[][..], |me| me.rooms()).iter();
        let rooms = rooms.filter_map(|id| chat.room_by_id(*id));
        let account = me.and_then(|me| me.account());
        let query = Query::Targets {
            account: account.map(|account| crate::irc::names::folded(account)),
            rooms: rooms.map(|room| Arc::clone(room.folded())).collect(),
            between,
            limit,
        };
        let asked = self.ask(query, |call, answer| match answer {
            Ok(Answer::Targets(targets)) => call.show_targets(&targets),
            Ok(_) => call.show_targets(&[]),
            Err(error) => call.no_targets(&error.to_string()),
        });
        if let Err(refusal) = asked {
            self.no_targets(&refusal.to_string());
        }
    }

    fn no_targets(&mut self, text: &str) {
        self.fail("CHATHISTORY", "MESSAGE_ERROR", &["TARGETS"], text);
    }

    fn show_targets(&mut self, targets: &[(Arc<str>, u64)]) {
        self.in_batch(&["draft/chathistory-targets"], |call, batch| {
            let server = &call.view.config.server;
            for (name, unix_ms) in targets {
                let mut line = Line::new(call.view.reply);
                if let Some(batch) = batch {
                    line = line.tag("batch", batch);
                }
                let line = line.from(server, "CHATHISTORY").param("TARGETS");
                line.param(name).param(&IsoTime(*unix_ms).to_string()).end();
            }
        });
    }
}

/// What comes behind a page on the way that `span` goes; `None`: it goes no way.
fn further(span: Span, page: &[Past]) -> Option<Span> {
    let (first, last) = (anchor(page.first()?), anchor(page.last()?));
    match span {
        Span::Latest(None) | Span::Before(_) => Some(Span::Before(first)),
        Span::Latest(Some(until)) => Some(Span::Between(first, until)),
        Span::After(_) => Some(Span::After(last)),
        Span::Between(from, until) => {
            let is_forwards = match from {
                Anchor::Time(unix_ms) => unix_ms <= place(page.first()?).1,
                Anchor::Msgid(msgid) => msgid <= place(page.first()?).0,
            };
            let next = if is_forwards { last } else { first };
            Some(Span::Between(next, until))
        }
        Span::Around(_) => None,
    }
}

fn anchor(entry: &Past) -> Anchor {
    Anchor::Msgid(place(entry).0)
}

fn place(entry: &Past) -> (Msgid, u64) {
    match entry {
        Past::Message(message) => (message.msgid, message.unix_ms),
        Past::Happening(happening) => (happening.msgid, happening.unix_ms),
    }
}
