//! Both kinds of `connect` without a socket: a person at a terminal, and a pipe.

use proptest::prelude::*;
use switchboard_chat::answers::Answers;
use switchboard_chat::limits::Limits;
use switchboard_chat::piped::{LINE_BYTES_MAX, LineTooLong, Piped};
use switchboard_chat::receipts::{Outcome, UNANSWERED_MAX};
use switchboard_chat::replies::{REPLY_BYTES_MAX, ReplyTooLong};
use switchboard_chat::session::{Session, Step};
use switchboard_chat::talk::{Leave, Talk};

const SECOND: u64 = 1_000_000_000;

fn shown(screen: &[u8]) -> String {
    String::from_utf8(screen.to_vec()).unwrap()
}

struct Person {
    talk: Talk,
    screen: Vec<u8>,
    wire: Vec<u8>,
    room: bool,
}

impl Person {
    fn new(name: Option<&str>) -> Person {
        let (talk, screen, wire) = (Talk::new(name, 60), Vec::new(), Vec::new());
        Person {
            talk,
            screen,
            wire,
            room: true,
        }
    }

    fn typed(&mut self, keys: &str) -> Option<Leave> {
        let Person {
            talk,
            screen,
            wire,
            room,
        } = self;
        talk.typed(keys.as_bytes(), screen, |message| {
            if *room {
                wire.extend_from_slice(message);
            }
            *room
        })
    }

    /// What appeared on the screen since the last look.
    fn sees(&mut self) -> String {
        shown(&std::mem::take(&mut self.screen))
    }
}

#[test]
fn a_person_says_lines_and_sees_answers() {
    let mut person = Person::new(Some("ann"));
    person
        .talk
        .connected("connected to localhost:8080", &mut person.screen);
    assert!(person.sees().contains("connected to localhost:8080\r\n"));
    assert_eq!(person.typed("hello\r\rhow are you\r"), None);
    assert_eq!(shown(&person.wire), "ann: hello\nann: how are you\n");
    person.sees();
    let taken = person
        .talk
        .received(b"Message received\nMess", 0, &mut person.screen);
    assert_eq!(taken, Ok(17));
    assert!(person.sees().contains("Message received\r\n"));
    person.talk.server_ended();
    assert_eq!(person.talk.received(b"Mess", 0, &mut person.screen), Ok(4));
    assert!(person.sees().contains("Mess\r\n"));
}

#[test]
fn an_answer_without_a_newline_is_shown_when_its_server_pauses() {
    let mut person = Person::new(None);
    assert_eq!(
        person
            .talk
            .received(b"Message received", 5, &mut person.screen),
        Ok(0)
    );
    let at_ns = person.talk.deadline().unwrap();
    assert_eq!(
        person
            .talk
            .received(b"Message received", at_ns, &mut person.screen),
        Ok(16)
    );
    assert!(person.sees().contains("Message received\r\n"));
}

#[test]
fn what_cannot_be_sent_is_not_lost() {
    let mut person = Person::new(None);
    person.typed("early\r");
    assert!(person.sees().contains("not sent: there is no connection"));
    person.talk.connected("connected", &mut person.screen);
    person.room = false;
    person.typed("\r");
    assert!(person.sees().contains("not sent: the server takes nothing"));
    person.room = true;
    person.typed("\r");
    assert_eq!(shown(&person.wire), "early\n");
    person
        .talk
        .disconnected("the server has left", &mut person.screen);
    person.typed("late\r");
    assert!(person.sees().contains("the server has left"));
    assert_eq!(shown(&person.wire), "early\n");
}

#[test]
fn ctrl_z_loses_nothing_that_was_typed() {
    let mut person = Person::new(None);
    person.talk.connected("connected", &mut person.screen);
    assert_eq!(person.typed("ab\x1ac\rd"), Some(Leave::Suspend));
    assert_eq!(shown(&person.wire), "abc\n");
    assert!(
        person.sees().ends_with("\r\x1b[K"),
        "the row is the shell's"
    );
    person.talk.resized(60, &mut person.screen);
    assert!(person.sees().ends_with("> d"));
}

#[test]
fn ways_to_leave() {
    let mut person = Person::new(None);
    assert_eq!(person.typed("\x04"), Some(Leave::EndOfInput));
    assert_eq!(person.typed("half\x03"), Some(Leave::Interrupt));
    person.sees();
    person.talk.leave("Exiting client", &mut person.screen);
    assert_eq!(person.sees(), "\r\x1b[KExiting client\r\n");
}

#[test]
fn a_server_without_newlines_or_pauses_is_given_up() {
    let endless = vec![b'x'; REPLY_BYTES_MAX + 1];
    let mut person = Person::new(None);
    assert_eq!(
        person.talk.received(&endless, 0, &mut person.screen),
        Err(ReplyTooLong)
    );
}

/// A pipe and a server's session, with nothing in between.
struct Run {
    piped: Piped,
    limits: Limits,
    answers: Answers,
    session: Session,
    /// The server has said its farewell.
    left: bool,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    out: Vec<u8>,
    now_ns: u64,
}

impl Run {
    fn new(limits: Limits) -> Run {
        let mut piped = Piped::new(None, Some(SECOND));
        piped.connected();
        Run {
            piped,
            answers: Answers::new(&limits),
            session: Session::new(&limits, 0),
            limits,
            left: false,
            to_server: Vec::new(),
            to_client: Vec::new(),
            out: Vec::new(),
            now_ns: 0,
        }
    }

    fn client(&mut self) {
        let taken = self
            .piped
            .received(&self.to_client, self.now_ns, &mut self.out)
            .unwrap();
        self.to_client.drain(..taken);
        let wire = &mut self.to_server;
        let send = |message: &[u8]| {
            wire.extend_from_slice(message);
            true
        };
        self.piped.send_lines(self.now_ns, send).unwrap();
    }

    fn server(&mut self) {
        while !self.left {
            let (consumed, bytes) =
                match self
                    .session
                    .next(&self.limits, &self.to_server, self.now_ns)
                {
                    Step::Message {
                        consumed, answer, ..
                    }
                    | Step::Refused {
                        consumed, answer, ..
                    } => (
                        consumed,
                        self.answers.verdict(answer.verdict, answer.newline),
                    ),
                    Step::Farewell(farewell) => {
                        let line = self.answers.farewell(farewell);
                        self.to_client.extend_from_slice(line);
                        self.left = true;
                        return;
                    }
                    Step::Wait | Step::Close => return,
                };
            self.to_server.drain(..consumed);
            self.to_client.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self) -> Option<Outcome> {
        self.piped.end_input();
        for _ in 0..10_000 {
            self.client();
            self.server();
            if self.piped.receipts().outcome().is_some() {
                break;
            }
        }
        self.piped.receipts().outcome()
    }
}

#[test]
fn two_lines_two_receipts_and_done() {
    let mut run = Run::new(Limits::DEFAULT);
    run.piped.input(b"a\nb\n");
    assert_eq!(run.finish(), Some(Outcome::AllReceived));
    assert_eq!(shown(&run.out), "Message received\nMessage received\n");
    assert_eq!(run.piped.answer_deadline(), None);
}

#[test]
fn empty_lines_count_and_the_last_line_needs_no_newline() {
    let mut run = Run::new(Limits::DEFAULT);
    run.piped.input(b"a\n\nb");
    assert_eq!(run.finish(), Some(Outcome::AllReceived));
    assert_eq!(shown(&run.out), "Message received\n".repeat(3));
}

#[test]
fn more_lines_than_may_be_open_wait_for_answers() {
    let mut run = Run::new(Limits {
        rate: None,
        ..Limits::DEFAULT
    });
    let lines = UNANSWERED_MAX as usize * 3 + 7;
    run.piped.input(&b"x\n".repeat(lines));
    run.client();
    assert!(!run.piped.wants_input());
    assert_eq!(run.piped.receipts().unanswered(), UNANSWERED_MAX);
    assert_eq!(run.finish(), Some(Outcome::AllReceived));
    assert_eq!(run.out.len(), lines * "Message received\n".len());
}

#[test]
fn a_message_that_is_too_long_for_the_server_ends_the_run() {
    let mut run = Run::new(Limits {
        message_bytes_max: 4,
        ..Limits::DEFAULT
    });
    run.piped.input(b"1234\n12345\n1\n");
    assert_eq!(run.finish(), None);
    run.piped.disconnected();
    assert_eq!(run.piped.receipts().outcome(), Some(Outcome::Unanswered));
    assert!(shown(&run.out).contains("Error: message longer than 4 bytes"));
    assert_eq!(
        run.piped.receipts().summary().unwrap(),
        "1 of 3 messages were not answered"
    );
}

#[test]
fn an_answer_may_take_so_long_and_no_longer() {
    let mut run = Run::new(Limits::DEFAULT);
    run.now_ns = 5 * SECOND;
    run.piped.input(b"a\nb\n");
    run.client();
    assert_eq!(run.piped.answer_deadline(), Some(6 * SECOND));
    run.now_ns = 6 * SECOND - 1;
    assert!(!run.piped.timed_out(run.now_ns));
    run.to_client.extend_from_slice(b"Message received\n");
    run.client();
    assert_eq!(run.piped.answer_deadline(), Some(7 * SECOND - 1));
    assert!(run.piped.timed_out(7 * SECOND - 1));
}

#[test]
fn a_message_that_finds_no_room_is_offered_again() {
    let mut piped = Piped::new(Some("ann"), None);
    piped.connected();
    piped.input(b"one\ntwo\n");
    piped.end_input();
    let mut offered = Vec::new();
    let mut rooms = [true, false, true].into_iter();
    for _ in 0..2 {
        let sent = piped.send_lines(0, |message| {
            offered.push(shown(message));
            rooms.next().unwrap()
        });
        assert_eq!(sent, Ok(()));
    }
    assert_eq!(offered, ["ann: one\n", "ann: two\n", "ann: two\n"]);
    assert_eq!(piped.receipts().unanswered(), 2);
}

#[test]
fn without_a_connection_nothing_is_read_or_sent() {
    let mut run = Run::new(Limits::DEFAULT);
    run.piped.input(b"a\nb");
    run.client();
    run.piped.disconnected();
    assert!(!run.piped.wants_input());
    run.to_server.clear();
    run.piped.end_input();
    run.client();
    assert_eq!(
        (run.to_server.len(), run.piped.receipts().outcome()),
        (0, None)
    );
    run.piped.connected();
    run.client();
    assert_eq!(run.to_server, b"b\n");
}

#[test]
fn a_line_without_an_end_is_no_text() {
    let mut piped = Piped::new(None, None);
    piped.connected();
    piped.input(&vec![b'x'; LINE_BYTES_MAX + 1]);
    assert_eq!(piped.send_lines(0, |_| true), Err(LineTooLong));
}

proptest! {
    /// Any text in any pieces: every line arrives once, in order, and is answered once.
    #[test]
    fn every_line_is_answered_once(
        text in "([a-z]{0,6}\r?\n){0,40}[a-z]{0,3}",
        sizes in prop::collection::vec(1_usize..20, 60),
    ) {
        let mut run = Run::new(Limits { rate: None, ..Limits::DEFAULT });
        let mut rest = text.as_bytes();
        for size in sizes {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            prop_assert!(run.piped.wants_input());
            run.piped.input(piece);
            run.client();
            run.server();
        }
        run.piped.input(rest);
        prop_assert_eq!(run.finish(), Some(Outcome::AllReceived));
        prop_assert_eq!(shown(&run.out), "Message received\n".repeat(text.lines().count()));
    }
}
