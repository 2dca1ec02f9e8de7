//! A plain client: lines go in, each one is answered when it is stored, and the lobby hears it.
//!
//! It must never decide what a message is: `session.rs` does.

use switchboard::{Close, Context, Handler, Result, TimerId};

use super::greeting::Visitor;
use super::links::{self, Carrier};
use super::storage::moment;
use super::{Server, departed};
use crate::alarm::Alarm;
use crate::answers::{Answers, Farewell, Verdict};
use crate::chat::ids::UserId;
use crate::escape::Escaped;
use crate::logging::TEXT_BYTES_MAX;
use crate::session::{Answer, Session, Step};

/// What a client types to hear the lobby, and to hear it no longer.
const LISTEN: &str = "/listen";
const QUIET: &str = "/quiet";

/// Answers that wait for a client that does not read: no message is taken above the second number,
/// until there are fewer than the first one says.
const PLAIN_WATERMARKS: (usize, usize) = (16 * 1024, 64 * 1024);

/// The longest name in front of a message.
const NAME_BYTES_MAX: usize = 64;

/// The handler of one plain client.
#[derive(Debug)]
pub(super) struct PlainClient {
    visitor: Option<Visitor>,
    user: UserId,
    session: Session,
    alarm: Alarm,
}

impl PlainClient {
    /// Makes what this connection has sent, and will send, messages.
    pub(super) fn take_over(
        visitor: Visitor,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        ended: bool,
    ) -> Result {
        let now = moment(cx);
        let host = links::host_of(&visitor.peer);
        let from = links::ip_of(&visitor.peer);
        let user = match server.chat.enter_guest(host, from, now) {
            Ok(user) => user,
            Err(refusal) => {
                cx.send(Answers::refused(&refusal, true))?;
                cx.close();
                departed(server, cx, visitor, &Close::Requested);
                cx.replace_handler(super::Gone);
                return Ok(());
            }
        };
        server.links.add(user, cx.token(), Carrier::plain());
        let (low, high) = PLAIN_WATERMARKS;
        cx.set_options(cx.options().with_watermarks(low, high))?;
        let mut client = PlainClient {
            visitor: Some(visitor),
            user,
            session: Session::new(&server.limits, cx.now().as_nanos()),
            alarm: Alarm::default(),
        };
        if ended {
            client.session.end();
        }
        client.proceed(server, cx)?;
        cx.replace_handler(client);
        Ok(())
    }

    fn proceed(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        if links::settle(server, cx, self.user)? {
            self.session.go_on();
        } else {
            self.session.hold();
        }
        loop {
            let now_ns = cx.now().as_nanos();
            match self.session.next(&server.limits, cx.data(), now_ns) {
                Step::Message {
                    text,
                    consumed,
                    answer,
                } => {
                    cx.consume(consumed);
                    self.take(text, answer, server, cx)?;
                }
                Step::Refused {
                    consumed,
                    answer,
                    first,
                } => {
                    if first {
                        tracing::warn!("{} sends too fast; its messages are refused", self.peer());
                    }
                    cx.consume(consumed);
                    server.links.with_due(self.user, |due| {
                        due.answer(Verdict::TooFast, answer.newline)
                    });
                }
                Step::Farewell(why) => return self.send_away(server, cx, why),
                Step::Close => {
                    server.links.with_due(self.user, |due| due.closing = true);
                    links::settle(server, cx, self.user)?;
                    return Ok(());
                }
                Step::Wait => {
                    let deadline_ns = self.session.deadline(&server.limits);
                    return self.alarm.arm(cx, deadline_ns);
                }
            }
            if !links::settle(server, cx, self.user)? {
                self.session.hold();
            }
        }
    }

    fn take(
        &mut self,
        text: &[u8],
        answer: Answer,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
    ) -> Result {
        let peer = self.peer();
        tracing::debug!("{peer}: {}", Escaped::new(text).limit(TEXT_BYTES_MAX));
        let text: &str = &String::from_utf8_lossy(text);
        let (user, now) = (self.user, moment(cx));
        if text == LISTEN || text == QUIET {
            server.chat.listen(user, text == LISTEN);
            let lobby = &server.chat.settings().lobby;
            let line = match text {
                LISTEN => format!("You hear {lobby} now; {QUIET} ends that\n"),
                _ => format!("You do not hear {lobby} any more; {LISTEN} begins again\n"),
            };
            server
                .links
                .with_due(user, |due| due.line(line.into_bytes()));
            return Ok(());
        }
        let (name, said) = with_name(text);
        let outcome = server.tell(cx, |chat, out| {
            chat.post(user, (name, said), None, now, out)
        });
        server.links.with_due(user, |due| match &outcome {
            Ok(()) => due.wait(answer.newline),
            Err(refusal) => due.line(Answers::refused(refusal, answer.newline)),
        });
        Ok(())
    }

    fn send_away(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        why: Farewell,
    ) -> Result {
        let peer = self.peer();
        let line = server.answers.farewell(why).to_vec();
        tracing::warn!("{peer} is sent away: {}", Escaped::new(line.trim_ascii()));
        // What it is due comes first: it may be on its way to the disk.
        server.links.with_due(self.user, |due| {
            due.line(line);
            due.closing = true;
        });
        cx.pause_reading();
        links::settle(server, cx, self.user)?;
        Ok(())
    }

    fn peer(&self) -> String {
        let peer = self
            .visitor
            .as_ref()
            .map(|visitor| visitor.peer.to_string());
        peer.unwrap_or_default()
    }
}

/// `NAME: TEXT` is what a client with an id sends.
fn with_name(text: &str) -> (Option<&str>, &str) {
    match text.split_once(": ") {
        Some((name, said)) if is_name(name) => (Some(name), said),
        _ => (None, text),
    }
}

fn is_name(name: &str) -> bool {
    let visible = |c: char| !c.is_whitespace() && crate::escape::is_plain(c);
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(visible)
}

impl Handler<Server> for PlainClient {
    fn handle_read(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.proceed(server, cx)
    }

    fn handle_write(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.proceed(server, cx)
    }

    fn handle_eof(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.session.end();
        self.proceed(server, cx)
    }

    fn handle_timer(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        timer: TimerId,
    ) -> Result {
        self.alarm.fired(timer);
        self.proceed(server, cx)
    }

    fn handle_close(&mut self, server: &mut Server, cx: &mut Context<'_, Server>, why: &Close) {
        let now = moment(cx);
        server.links.remove(self.user);
        server.tell(cx, |chat, out| chat.leave(self.user, "left", now, out));
        if let Some(visitor) = self.visitor.take() {
            departed(server, cx, visitor, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_who_it_is() {
        assert_eq!(with_name("ann: hello"), (Some("ann"), "hello"));
        assert_eq!(with_name("12: a: b"), (Some("12"), "a: b"));
        for text in ["hello", "so it is: no", ": x", "ann:hello", "a\u{202e}b: x"] {
            assert_eq!(with_name(text), (None, text));
        }
    }
}
