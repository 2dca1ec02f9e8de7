//! What becomes of a send between the call and the kernel: its place among the others, and how
//! many of them go out together.

#[cfg(unix)]
use std::io::{ErrorKind, Read};
use std::net::Shutdown;
#[cfg(unix)]
use std::net::TcpStream;
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::time::Duration;

#[cfg(unix)]
use socket2::{Domain, Socket, Type};
use switchboard::{Bytes, Error, OutboxPolicy};

use crate::peers::End;
use crate::probe::Probe;
#[cfg(unix)]
use crate::world::assert_same;
use crate::world::{World, pattern};

/// `handle_error` is another call, and is lent nothing of what the failed one has forwarded.
pub fn what_a_failed_call_forwarded_goes_out_before_the_words_of_handle_error(world: &mut World) {
    const QUESTION: usize = 8 * 1024; // large enough to be forwarded without a copy
    let probe = Probe::new("near")
        .on_read(|log, cx| {
            if cx.data().len() < QUESTION {
                return Ok(()); // the rest is on its way
            }
            log.note("read");
            let data = cx.recv(usize::MAX);
            cx.send(data)?;
            Err("no more of this".into())
        })
        .on_error(|_, cx| cx.send("sorry"));
    let (_, peer) = world.open(probe);
    world.send_at_once(peer, pattern(QUESTION));
    let mut expected = pattern(QUESTION);
    expected.extend_from_slice(b"sorry");
    world.drive_until("our end", |world| world.end(peer).is_some());
    world.assert_received(peer, expected);
    assert_eq!(world.end(peer), Some(End::Finished));
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Error(no more of this)");
    assert_eq!(
        world.log().of("near"),
        [
            "read",
            "error no more of this",
            "closed Error(no more of this)"
        ]
    );
}

/// A pair of sockets that keep what each call of the system sends apart from the next, as those of
/// TCP do not.
#[cfg(unix)]
fn packets() -> (TcpStream, TcpStream) {
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).expect("a pair can be");
    far.set_nonblocking(true).expect("a socket can");
    let stream = |socket| TcpStream::from(OwnedFd::from(socket));
    (stream(near), stream(far))
}

#[cfg(unix)]
pub fn many_small_strings_go_out_together_and_in_order(world: &mut World) {
    const MESSAGES: usize = 20_000;
    let (near, mut far) = packets();
    let mut near = switchboard::Stream::try_from(near).expect("a socket can");
    near.set_nodelay(false); // which only TCP knows
    let token = world.with(|cx| cx.register(near, Probe::new("near")));
    let token = token.expect("there is room");
    let messages: Vec<String> = (0..MESSAGES).map(|i| format!("{:03}", i % 1000)).collect();
    let expected = messages.concat();
    world.with(|cx| {
        for message in messages {
            cx.send_to(token, message).expect("there is room");
        }
    });
    let mut received = Vec::new();
    let mut calls = 0;
    let mut packet = vec![0; 1024 * 1024];
    world.drive_until("all messages", |_| {
        loop {
            match far.read(&mut packet) {
                Ok(n) => received.extend_from_slice(&packet[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
            calls += 1;
        }
        received.len() >= expected.len()
    });
    assert_same(&received, expected.as_bytes());
    assert!(calls <= 8, "{calls} calls for {} bytes", received.len());
    assert!(world.log().all().is_empty());
}

/// Small ones would be gathered otherwise, and with their bounds their wholeness would be gone.
pub fn drop_oldest_drops_small_shared_messages_whole(world: &mut World) {
    const EACH: usize = 100;
    const SENT: usize = 30_000; // more than a narrow connection and its outbox hold
    world.with_options(|options| {
        options
            .with_watermarks(1000, 50 * EACH)
            .with_policy(OutboxPolicy::DropOldest)
    });
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    for i in 0..SENT {
        let message = Bytes::from(format!("{i:0>EACH$}"));
        let sent = world.with(|cx| cx.send_to(token, message));
        sent.expect("older messages make room");
        assert!(world.reactor.buffered() <= 50 * EACH);
        if i % 20 == 0 {
            world.turn(Duration::ZERO).expect("a turn goes well");
        }
    }
    world.set_reads(peer, true);
    world.settle();
    let (messages, rest) = world.received(peer).as_chunks::<EACH>();
    assert!(rest.is_empty(), "a message was cut: {} bytes", rest.len());
    let text = |message| std::str::from_utf8(message).expect("it was text");
    let numbers: Vec<usize> = messages
        .iter()
        .map(|message| text(message).parse().expect("a message was cut"))
        .collect();
    assert!(numbers.is_sorted(), "they keep their order");
    assert!(numbers.len() < SENT, "the premise: some were dropped");
    let newest: Vec<usize> = (SENT - 49..SENT).collect();
    assert!(numbers.ends_with(&newest), "the newest that fit stay");
}

pub fn after_our_side_is_shut_down_nothing_can_be_sent(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near"));
    world.with(|cx| {
        cx.send_to(token, "the last").expect("there is room");
        cx.shutdown_source(token, Shutdown::Write).expect("it can");
        let sent = cx.send_to(token, "too late");
        assert!(matches!(sent, Err(Error::SendingEnded(of)) if of == token));
        let again = cx.shutdown_source(token, Shutdown::Write);
        assert!(matches!(again, Err(Error::SendingEnded(of)) if of == token));
        assert!(cx.is_open(token), "it goes on reading");
    });
    world.drive_until("our end", |world| world.end(peer).is_some());
    world.assert_received(peer, "the last");
    let sent = world.with(|cx| cx.send_to(token, "too late"));
    assert!(matches!(sent, Err(Error::SendingEnded(of)) if of == token));
    world.send(peer, "still heard");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    assert_eq!(world.log().bytes("near"), b"still heard");
}

pub fn sends_to_two_sources_in_turn_keep_their_order(world: &mut World) {
    let (first, first_peer) = world.open(Probe::new("first"));
    let (second, second_peer) = world.open(Probe::new("second"));
    let (mut to_first, mut to_second) = (String::new(), String::new());
    for i in 0..100 {
        let (one, other) = (format!("first {i}."), format!("second {i}."));
        world.with(|cx| {
            cx.send_to(first, &one).expect("there is room");
            cx.send_to(second, other.as_bytes()).expect("there is room");
            cx.send_to(second, Bytes::from(other.clone()))
                .expect("there is room");
        });
        to_first += &one;
        to_second += &other.repeat(2);
    }
    assert_eq!(world.reactor.buffered(), to_first.len() + to_second.len());
    world.drive_until_received(first_peer, to_first);
    world.drive_until_received(second_peer, to_second);
    assert_eq!(world.reactor.buffered(), 0);
}

/// More small sends than are staged in one tick, and a shared one behind what is staged.
pub fn many_small_sends_of_one_tick_to_many_sources_arrive(world: &mut World) {
    const EACH: usize = 300;
    let sources: Vec<_> = (0..8).map(|_| world.open(Probe::new("near"))).collect();
    let message = pattern(EACH);
    let shared = Bytes::from(pattern(5000));
    let mut expected = Vec::new();
    for _ in 0..40 {
        for (token, _) in &sources {
            world
                .with(|cx| cx.send_to(*token, &message))
                .expect("there is room");
        }
        expected.extend_from_slice(&message);
    }
    for (token, _) in &sources {
        world
            .with(|cx| cx.send_to(*token, &shared))
            .expect("there is room");
    }
    expected.extend_from_slice(&shared);
    assert_eq!(world.reactor.buffered(), sources.len() * expected.len());
    for (_, peer) in sources {
        world.drive_until_received(peer, &expected);
    }
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn what_an_aborted_source_has_sent_in_the_same_tick_is_not_kept(world: &mut World) {
    let (aborted, peer) = world.open(Probe::new("aborted"));
    let (other, others_peer) = world.open(Probe::new("other"));
    world.with(|cx| {
        cx.send_to(aborted, "lost").expect("there is room");
        cx.send_to(other, "kept").expect("there is room");
        cx.abort_source(aborted);
    });
    assert_eq!(world.drive_to_end("aborted"), "Aborted");
    world.drive_until_received(others_peer, "kept");
    world.assert_received(peer, "");
    assert_eq!(world.reactor.buffered(), 0);
}

/// A `handle_close` comes after the tick's outboxes are flushed, and before a kernel that is asked
/// later has said how much of them it takes.
pub fn what_a_handle_close_sends_goes_behind_what_was_sent_before(world: &mut World) {
    let (near, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    let leaving = Probe::new("leaving").on_close(move |_, cx| cx.send_to(near, "the last"));
    let (leaving, _) = world.open(leaving);
    let mut expected = pattern(500_000);
    world.with(|cx| {
        cx.send_to(near, &expected).expect("there is room");
        cx.abort_source(leaving);
    });
    assert_eq!(world.drive_to_end("leaving"), "Aborted");
    assert!(
        world.reactor.buffered() > 0,
        "the premise: not all goes out"
    );
    expected.extend_from_slice(b"the last");
    world.set_reads(peer, true);
    world.drive_until_received(peer, expected);
}
