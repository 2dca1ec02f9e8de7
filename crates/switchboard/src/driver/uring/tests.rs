//! The hard cases of the ring, on rings and buffers that are too small for anything else.
//! It must never need a second thread, nor a wait that nothing ends: each step has a bound.

use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::time::Duration;

use super::*;
use crate::Listener;
use crate::driver::{Completion, Resource};

mod bounds;
mod ends;
mod rig;

use rig::*;

#[test]
fn nothing_is_lost_when_the_buffers_run_out() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let all: Vec<Token> = (0..20).map(|slot| token(slot, 0)).collect();
    let mut far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    for (seed, far) in far.iter_mut().enumerate() {
        far.write_all(&pattern(30_000, seed)).expect("it fits");
    }
    rig.tick_until("all bytes", |rig| {
        all.iter().all(|token| rig.len(*token) == 30_000)
    });
    for (seed, token) in all.iter().enumerate() {
        assert!(rig.bytes[token] == pattern(30_000, seed), "{token}");
    }
}

#[test]
fn nothing_is_lost_when_completions_overflow() {
    if !works() {
        return;
    }
    let setup = Setup {
        buffers: 64,
        whole_buffers: 256,
        ..TINY
    };
    let mut rig = Rig::new(&setup);
    let all: Vec<Token> = (0..100).map(|slot| token(slot, 0)).collect();
    let mut far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    rig.tick();
    for round in 0..3 {
        // A hundred completions, of which eight fit.
        for (seed, far) in far.iter_mut().enumerate() {
            far.write_all(&pattern(500, seed + round)).expect("it fits");
        }
        rig.tick_until("all bytes", |rig| {
            let len = (round + 1) * 500;
            all.iter().all(|token| rig.len(*token) == len)
        });
    }
    for (seed, token) in all.iter().enumerate() {
        let expected: Vec<u8> = (0..3)
            .flat_map(|round| pattern(500, seed + round))
            .collect();
        assert!(rig.bytes[token] == expected, "{token}");
    }
}

#[test]
fn sends_that_overflow_both_queues_arrive_in_order() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let all: Vec<Token> = (0..50).map(|slot| token(slot, 0)).collect();
    let mut far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    for round in 0..10 {
        let each = all.iter().enumerate();
        let sends: Vec<_> = each
            .map(|(seed, token)| (*token, pattern(100, seed + round)))
            .collect();
        assert!(rig.send(&sends), "all are open");
        rig.tick();
    }
    for (seed, far) in far.iter_mut().enumerate() {
        let mut got = vec![0; 1000];
        far.read_exact(&mut got).expect("it was sent");
        let expected: Vec<u8> = (0..10)
            .flat_map(|round| pattern(100, seed + round))
            .collect();
        assert!(got == expected, "{seed}");
    }
    assert!(rig.unsent.is_empty());
}

/// Nothing else comes that would end the call: what is left is told by the sends alone.
#[test]
fn a_call_does_not_sleep_on_sends_that_fail() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&Setup::default());
    let all: Vec<Token> = (0..8).map(|slot| token(slot, 0)).collect();
    let mut far = Vec::new();
    let mut copies = Vec::new();
    for token in &all {
        let (near, its_far) = pair();
        let copy = near.as_fd().expect("it is a socket");
        let copy = copy.try_clone_to_owned().expect("there is room");
        let registered = rig.uring.register(*token, Resource::Stream(near));
        registered.expect("it is open");
        copies.push(StdStream::from(copy));
        far.push(its_far);
    }
    rig.tick(); // what arms them is behind it
    // None but the sends of a tick that has seen about as many completions are told of.
    for its_far in &mut far {
        its_far.write_all(b"a word").expect("it fits");
    }
    rig.tick();
    assert!(all.iter().all(|token| rig.len(*token) == 6));
    for copy in &mut copies {
        while copy.write(&[7; 1 << 16]).is_ok() {} // until it would block
    }
    let sends: Vec<_> = all.iter().map(|token| (*token, vec![7; 2500])).collect();
    assert!(rig.send(&sends), "all are open");
    let begin = Instant::now();
    rig.uring
        .wait(Some(Duration::from_secs(20)))
        .expect("it can");
    assert!(begin.elapsed() < Duration::from_secs(20));
    while let Some(completion) = rig.uring.next() {
        if let Event::Unsent(rest) = completion.event {
            rig.unsent.push(*rest);
        }
    }
    assert_eq!(rig.unsent.len(), all.len());
}

/// Its sends do not end the call that submits them: that would be a second one for each message.
#[test]
fn a_call_sleeps_on_the_sends_of_a_broadcast() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&Setup::default());
    let all: Vec<Token> = (0..8).map(|slot| token(slot, 0)).collect();
    let mut far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    rig.tick();
    far[0].write_all(b"a word").expect("it fits");
    rig.tick();
    assert_eq!(rig.len(all[0]), 6);
    let sends: Vec<_> = all.iter().map(|token| (*token, vec![7; 100])).collect();
    assert!(rig.send(&sends), "all are open");
    let nap = Duration::from_millis(20);
    let begin = Instant::now();
    rig.uring.wait(Some(nap)).expect("it can");
    assert!(begin.elapsed() >= nap);
    for far in &mut far {
        far.read_exact(&mut [0; 100]).expect("it was sent");
    }
}

/// The kernel takes a part: the rest comes back, and nothing of it is changed or doubled.
#[test]
fn what_a_short_send_leaves_comes_back() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(3, 1);
    let mut far = rig.register(it);
    let message = pattern(8 * 1024 * 1024, 5);
    let mut outbox = Outbox::default();
    for piece in message.chunks(100_000) {
        outbox.push_shared(bytes::Bytes::copy_from_slice(piece));
    }
    far.set_nonblocking(true).expect("a socket can");
    let mut got = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..TICKS {
        rig.uring.send(it, &mut outbox).expect("it is open");
        rig.tick();
        for mut rest in std::mem::take(&mut rig.unsent) {
            rest.append(&mut outbox);
            outbox = rest;
        }
        while let Ok(n @ 1..) = far.read(&mut buffer) {
            got.extend_from_slice(&buffer[..n]);
        }
        if got.len() == message.len() {
            break;
        }
    }
    assert!(got == message, "{} bytes", got.len());
    assert!(rig.told(it, "unsent") && rig.told(it, "sent"));
    assert!(rig.uring.is_flushed(it) && outbox.is_empty());
}

#[test]
fn a_slot_is_used_again_while_completions_of_its_last_source_are_due() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    for generation in 0..50 {
        let it = token(0, generation);
        let mut far = rig.register(it);
        if generation % 2 == 0 {
            rig.tick(); // armed
        }
        far.write_all(&pattern(100, generation as usize))
            .expect("it fits");
        if generation % 3 == 0 {
            rig.tick(); // received
        }
        rig.uring.close(it); // cancelled while it completes
        rig.bytes.clear();
        rig.notes.clear();
        let next = token(0, generation + 1000);
        let mut far = rig.register(next);
        far.write_all(b"for the next").expect("it fits");
        rig.tick_until("its bytes", |rig| rig.len(next) == 12);
        assert!(!rig.bytes.contains_key(&it), "it was closed");
        rig.uring.close(next);
    }
    rig.uring.rest().expect("it can wait");
    assert_eq!(rig.uring.table.ended(), 0, "all places are free");
}

#[test]
fn a_source_closed_while_it_sends_has_its_bytes_sent() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let mut far = rig.register(it);
    rig.tick();
    assert!(rig.send(&[(it, b"last words".to_vec())]));
    rig.uring.close(it);
    rig.uring.rest().expect("it can wait");
    let mut got = String::new();
    far.read_to_string(&mut got).expect("it has ended");
    assert_eq!(got, "last words");
}

/// What was sent on lies in a buffer of the ring, which must not be given back before it has gone.
#[test]
fn forwarded_bytes_are_held_until_they_are_sent() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let mut far = rig.register(it);
    far.set_nonblocking(true).expect("a socket can");
    let message = pattern(200_000, 9);
    let (mut written, mut outbox, mut got) = (0, Outbox::default(), Vec::new());
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..TICKS {
        if let Ok(n) = far.write(&message[written..]) {
            written += n;
        }
        rig.uring.wait(TICK).expect("it can wait");
        loop {
            let len = match rig.uring.next() {
                None => break,
                Some(Completion { event, .. }) => match event {
                    Event::Received(bytes) => bytes.len(),
                    Event::Unsent(mut rest) => {
                        rest.append(&mut outbox);
                        outbox = *rest;
                        continue;
                    }
                    _ => continue,
                },
            };
            let mut sent = 0;
            if outbox.is_empty() {
                sent = rig.uring.forward(it, 0..len).expect("it is open");
            }
            let rest = rig.uring.lent(sent..len).to_vec();
            outbox.push(&rest);
        }
        rig.uring.send(it, &mut outbox).expect("it is open");
        while let Ok(n @ 1..) = far.read(&mut buffer) {
            got.extend_from_slice(&buffer[..n]);
        }
        if got.len() == message.len() {
            break;
        }
    }
    assert!(got == message, "{} bytes of {written}", got.len());
}

#[test]
fn paused_bytes_that_have_arrived_are_handed_out_when_it_is_resumed() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let mut far = rig.register(it);
    rig.tick();
    rig.uring.set_reading(it, false);
    far.write_all(&pattern(6000, 1)).expect("it fits");
    drop(far);
    for _ in 0..5 {
        rig.tick();
    }
    assert_eq!(rig.len(it), 0);
    assert!(rig.notes.is_empty());
    rig.uring.set_room(it, 1000);
    rig.uring.set_reading(it, true);
    rig.tick_until("the end", |rig| rig.told(it, "end of file"));
    assert!(rig.bytes[&it] == pattern(6000, 1));
}

#[test]
fn a_paused_listener_keeps_who_was_accepted() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let listener = Listener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local().expect("it is bound").to_string();
    rig.uring
        .register(it, Resource::Listener(listener))
        .expect("it listens");
    rig.tick();
    rig.uring.set_reading(it, false);
    let connect = |_| StdStream::connect(&address).expect("it listens");
    let far: Vec<StdStream> = (0..30).map(connect).collect();
    for _ in 0..5 {
        rig.tick();
    }
    assert!(rig.accepted.is_empty());
    rig.uring.set_reading(it, true);
    rig.tick_until("all of them", |rig| rig.accepted.len() == far.len());
}

#[test]
fn a_close_reaches_the_peer_without_another_tick() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let all: Vec<Token> = (0..60).map(|slot| token(slot, 0)).collect();
    let far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    rig.tick();
    for token in &all {
        rig.uring.close(*token);
    }
    rig.uring.finish_closing().expect("it can ask the kernel");
    assert_eq!(rig.uring.table.ended(), 0);
    for mut far in far {
        far.set_nonblocking(true).expect("a socket can");
        assert_eq!(far.read(&mut [0; 8]).expect("its end is there"), 0);
    }
}

#[test]
fn what_the_last_tick_sent_goes_out_though_the_driver_is_dropped() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let mut far = rig.register(it);
    rig.tick();
    assert!(rig.send(&[(it, b"last words".to_vec())]));
    rig.uring.close(it);
    drop(rig);
    let mut got = String::new();
    far.read_to_string(&mut got).expect("it has ended");
    assert_eq!(got, "last words");
}

/// Before its first tick, too, a wake-up has to make the descriptor readable: who polls it would
/// otherwise wait for ever.
#[test]
fn a_driver_that_has_not_ticked_asks_for_a_turn() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    assert!(rig.uring.has_backlog());
    rig.tick();
    assert!(!rig.uring.has_backlog());
}

#[test]
fn a_driver_dropped_with_operations_under_way_lets_go_of_all() {
    if !works() {
        return;
    }
    let mut far = Vec::new();
    for ticks in 0..4 {
        let mut rig = Rig::new(&TINY);
        far.extend((0..30).map(|slot| rig.register(token(slot, 0))));
        for _ in 0..ticks {
            rig.tick();
        }
        for far in &mut far {
            let _ = far.write(b"too late for some"); // those of earlier rounds are gone
        }
        assert!(rig.send(&[(token(0, 0), b"x".to_vec())]));
    }
    for far in &mut far {
        far.set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a time");
        let ended = far.read(&mut [0; 8]);
        let waits = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        assert!(
            !ended.is_err_and(|error| waits(&error)),
            "its other end is open"
        );
    }
}

#[test]
fn a_ring_without_incremental_buffers_works_as_well() {
    if !works() {
        return;
    }
    let setup = Setup {
        buffers: 3, // no power of two, which the kernel refuses as it does an unknown flag
        ..TINY
    };
    let mut rig = Rig::new(&setup);
    let it = token(0, 0);
    let mut far = rig.register(it);
    let message = pattern(50_000, 2);
    far.write_all(&message).expect("it fits");
    rig.tick_until("all bytes", |rig| rig.len(it) == message.len());
    assert!(rig.bytes[&it] == message);
}
