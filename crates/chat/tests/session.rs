//! A client of `serve` from the first byte to the last, without a socket: what is logged, what is
//! answered, and when it has to go.

use std::time::Duration;

use proptest::prelude::*;
use switchboard_chat::answers::Answers;
use switchboard_chat::limits::Limits;
use switchboard_chat::session::{Answer, Session, Step};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

/// Stands for the handler, the inbox and an outbox that may have no room.
struct World {
    limits: Limits,
    answers: Answers,
    session: Session,
    inbox: Vec<u8>,
    now_ns: u64,
    room: usize,
    owed: Option<Answer>,
    log: Vec<String>,
    sent: Vec<u8>,
    ended: Option<&'static str>,
}

impl World {
    fn new(limits: Limits) -> World {
        World {
            answers: Answers::new(&limits),
            session: Session::new(&limits, 0),
            limits,
            inbox: Vec::new(),
            now_ns: 0,
            room: usize::MAX,
            owed: None,
            log: Vec::new(),
            sent: Vec::new(),
            ended: None,
        }
    }

    fn pump(&mut self) {
        while self.ended.is_none() {
            match self.session.next(&self.limits, &self.inbox, self.now_ns) {
                Step::Message {
                    text,
                    consumed,
                    answer,
                } => {
                    self.log.push(String::from_utf8_lossy(text).into_owned());
                    self.inbox.drain(..consumed);
                    self.answer(answer);
                }
                Step::Refused {
                    consumed,
                    answer,
                    first,
                } => {
                    if first {
                        self.log.push("(too fast)".to_owned());
                    }
                    self.inbox.drain(..consumed);
                    self.answer(answer);
                }
                Step::Farewell(why) => {
                    self.sent.extend_from_slice(self.answers.farewell(why));
                    self.ended = Some("farewell");
                }
                Step::Close => self.ended = Some("close"),
                Step::Wait => break,
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        let bytes = self.answers.verdict(answer.verdict, answer.newline);
        if bytes.len() > self.room {
            self.owed = Some(answer);
            self.session.hold();
        } else {
            self.room -= bytes.len();
            self.sent.extend_from_slice(bytes);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        self.pump();
    }

    /// Time passes; the timer fires whenever the session asked for it.
    fn wait(&mut self, ns: u64) {
        let until_ns = self.now_ns + ns;
        while let Some(at_ns) = self
            .session
            .deadline(&self.limits)
            .filter(|at| *at <= until_ns)
        {
            if self.ended.is_some() {
                break;
            }
            assert!(
                at_ns >= self.now_ns,
                "the deadline is over and nothing came of it"
            );
            self.now_ns = at_ns;
            self.pump();
            assert_ne!(
                self.session.deadline(&self.limits),
                Some(at_ns).filter(|_| self.ended.is_none())
            );
        }
        self.now_ns = until_ns;
    }

    fn drained(&mut self, room: usize) {
        self.room = room;
        if let Some(answer) = self.owed.take() {
            self.session.go_on();
            self.answer(answer);
        }
        self.pump();
    }

    fn end(&mut self) {
        self.session.end();
        self.pump();
    }

    fn sent(&self) -> &str {
        std::str::from_utf8(&self.sent).unwrap()
    }
}

#[test]
fn every_line_has_its_receipt() {
    let mut world = World::new(Limits::DEFAULT);
    world.receive(b"one\ntwo\r\n\nhal");
    assert_eq!(world.log, ["one", "two", ""]);
    assert_eq!(
        world.sent(),
        "Message received\nMessage received\nMessage received\n"
    );
    world.wait(SECOND);
    assert_eq!(world.log.len(), 3);
    world.receive(b"f\n");
    assert_eq!(world.log[3], "half");
    world.end();
    assert_eq!(world.ended, Some("close"));
}

#[test]
fn a_client_without_newlines_is_answered_at_its_pauses() {
    let mut world = World::new(Limits::DEFAULT);
    world.receive(b"hello");
    world.wait(199 * MS);
    assert_eq!(world.sent(), "");
    world.receive(b" you");
    world.wait(199 * MS);
    assert_eq!(world.sent(), "");
    world.wait(MS);
    assert_eq!(world.log, ["hello you"]);
    assert_eq!(world.sent(), "Message received");
    world.receive(b"bye");
    world.end();
    assert_eq!(world.log, ["hello you", "bye"]);
    assert_eq!(world.sent(), "Message receivedMessage received");
    assert_eq!(world.ended, Some("close"));
}

#[test]
fn too_long_is_told_and_ends_it() {
    let mut world = World::new(Limits {
        message_bytes_max: 4,
        ..Limits::DEFAULT
    });
    world.receive(b"1234\n12345");
    assert_eq!(
        world.sent(),
        "Message received\n\
         Error: message longer than 4 bytes; the server closes this connection\n"
    );
    assert_eq!(world.ended, Some("farewell"));
}

#[test]
fn idle_counts_messages_and_not_bytes() {
    let mut world = World::new(Limits {
        idle: Some(Duration::from_secs(5)),
        ..Limits::DEFAULT
    });
    world.wait(4 * SECOND);
    world.receive(b"still here\n");
    world.wait(4 * SECOND);
    world.receive(b"drip");
    world.wait(SECOND - 1);
    assert_eq!(world.sent(), "Message received\n");
    world.wait(1);
    assert_eq!(
        world.sent(),
        "Message received\nError: no message for 5s; the server closes this connection\n"
    );
    assert_eq!(world.ended, Some("farewell"));
}

#[test]
fn a_message_that_waited_while_the_server_was_busy_is_not_too_late() {
    let mut world = World::new(Limits {
        idle: Some(Duration::from_secs(5)),
        ..Limits::DEFAULT
    });
    world.now_ns = 6 * SECOND;
    world.receive(b"hello\n");
    assert_eq!(world.sent(), "Message received\n");
    assert_eq!(world.session.deadline(&world.limits), Some(11 * SECOND));
}

#[test]
fn without_an_idle_limit_nothing_ends_a_silent_client() {
    let mut world = World::new(Limits {
        idle: None,
        ..Limits::DEFAULT
    });
    assert_eq!(world.session.deadline(&world.limits), None);
    world.wait(1_000_000 * SECOND);
    world.receive(b"a\n");
    assert_eq!(world.sent(), "Message received\n");
}

#[test]
fn over_the_rate_each_message_is_refused_and_the_first_is_logged() {
    let rate = Some(Limits::rate_with_burst(1));
    let mut world = World::new(Limits {
        rate,
        ..Limits::DEFAULT
    });
    world.receive(&b"x\n".repeat(12));
    assert_eq!(world.log[10..], ["(too fast)"]);
    let refusal = "Error: more than 1 message a second; this message was not taken\n";
    assert_eq!(
        world.sent(),
        ["Message received\n".repeat(10), refusal.repeat(2)].concat()
    );
    world.wait(SECOND);
    world.receive(b"y\ny\n");
    assert_eq!(world.log[11..], ["y", "(too fast)"]);
}

#[test]
fn a_full_outbox_stops_the_client_and_loses_nothing() {
    let mut world = World::new(Limits::DEFAULT);
    world.room = 20;
    world.receive(b"a\nb\nc\n");
    assert_eq!((world.log.len(), world.inbox.as_slice()), (2, &b"c\n"[..]));
    world.receive(b"d");
    world.end();
    assert_eq!(world.ended, None);
    world.drained(17);
    assert_eq!(world.log.len(), 3);
    world.drained(usize::MAX);
    assert_eq!(world.log, ["a", "b", "c", "d"]);
    assert_eq!(
        world.sent(),
        ["Message received\n".repeat(3), "Message received".into()].concat()
    );
    assert_eq!(world.ended, Some("close"));
}

#[test]
fn bytes_that_waited_for_room_have_not_paused() {
    let mut world = World::new(Limits::DEFAULT);
    world.room = 0;
    world.receive(b"one");
    world.wait(200 * MS);
    world.receive(b"tw");
    world.wait(SECOND);
    world.drained(usize::MAX);
    assert_eq!(world.log, ["one"]);
    world.wait(199 * MS);
    world.receive(b"o");
    world.wait(200 * MS);
    assert_eq!(world.log, ["one", "two"]);
}

#[test]
fn who_never_reads_is_idle_in_the_end() {
    let mut world = World::new(Limits {
        idle: Some(Duration::from_secs(5)),
        ..Limits::DEFAULT
    });
    world.room = 0;
    world.receive(b"a\nb\n");
    world.wait(5 * SECOND);
    assert_eq!(
        world.sent(),
        "Error: no message for 5s; the server closes this connection\n"
    );
    assert_eq!(world.ended, Some("farewell"));
}

proptest! {
    /// However bytes, room and time come: each line is answered exactly once, in order.
    #[test]
    fn exactly_one_answer_a_message(
        lines in prop::collection::vec("[a-z]{0,12}", 1..40),
        steps in prop::collection::vec((1_usize..30, 0_usize..40, 0_u64..50), 400),
    ) {
        let limits = Limits { rate: None, ..Limits::DEFAULT };
        let stream: Vec<u8> = lines.iter().flat_map(|l| [l.as_bytes(), b"\n"].concat()).collect();
        let mut world = World::new(Limits { pause: None, ..limits });
        world.room = 0;
        let mut rest = stream.as_slice();
        for (size, room, ms) in steps {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            world.receive(piece);
            world.wait(ms * MS);
            world.drained(room);
        }
        world.receive(rest);
        world.drained(usize::MAX);
        prop_assert_eq!(&world.log, &lines);
        prop_assert_eq!(world.sent(), "Message received\n".repeat(lines.len()));
    }
}
