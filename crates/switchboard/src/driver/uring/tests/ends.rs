//! What becomes of descriptors and bytes that are on their way when something ends.
//! It must never need a second thread, nor a wait that nothing ends: each step has a bound.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};

use rustix::event::PollFlags;

use super::*;
use crate::ConnectOptions;

/// Whether the other end is closed by now.
fn has_ended(far: &mut StdStream) -> bool {
    far.set_nonblocking(true).expect("a socket can");
    let read = far.read(&mut [0; 8]);
    !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

fn listen(rig: &mut Rig, token: Token) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local().expect("it is bound");
    let registered = rig.uring.register(token, Resource::Listener(listener));
    registered.expect("it listens");
    address.ip().expect("it is an IP address")
}

/// The kernel accepts on its own, and has told of it or not when the driver is dropped.
#[test]
fn connections_that_nobody_has_taken_are_closed_with_the_driver() {
    if !works() {
        return;
    }
    for is_told in [true, false] {
        let mut rig = Rig::new(&Setup::default());
        let address = listen(&mut rig, token(0, 0));
        rig.tick();
        let connect = |_| StdStream::connect(address).expect("it listens");
        let far: Vec<StdStream> = (0..5).map(connect).collect();
        if is_told {
            rig.uring.wait(TICK).expect("it can wait");
        }
        drop(rig);
        for mut far in far {
            assert!(has_ended(&mut far), "accepted, and told: {is_told}");
        }
    }
}

/// A peer may answer, and reset the connection before it reads what comes next.
#[test]
fn what_came_before_a_send_failed_is_handed_out_first() {
    if !works() {
        return;
    }
    for (is_paused, expected) in [(false, 9), (true, 0)] {
        let mut rig = Rig::new(&TINY);
        let it = token(0, 0);
        let mut far = rig.register(it);
        rig.send(&[(it, b"a question".to_vec())]);
        rig.tick();
        far.write_all(b"an answer").expect("it fits");
        drop(far); // with the question unread, so it is a reset
        rig.uring.set_reading(it, !is_paused);
        rig.send(&[(it, b"another".to_vec())]);
        let mut len = 0;
        'ticks: for _ in 0..TICKS {
            rig.uring.wait(TICK).expect("it can wait");
            while let Some(Completion { event, .. }) = rig.uring.next() {
                match event {
                    Event::Received(bytes) => len += bytes.len(),
                    Event::Failed(_) => break 'ticks,
                    _ => {}
                }
            }
        }
        assert_eq!(len, expected, "paused: {is_paused}");
    }
}

#[test]
fn a_pause_does_not_keep_a_connection_from_being_made() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let options = ConnectOptions::default();
    let begun = rig.uring.connect(it, address, &options);
    begun.expect("it can begin");
    rig.uring.set_reading(it, false);
    rig.tick_until("the connection", |rig| rig.told(it, "connected"));
    let (mut far, _) = listener.accept().expect("it is connected");
    far.write_all(b"early").expect("it fits");
    (0..5).for_each(|_| rig.tick());
    assert_eq!(rig.len(it), 0);
    rig.uring.set_reading(it, true);
    rig.tick_until("the bytes", |rig| rig.len(it) == 5);
}

/// The peers of attempts that lost see an end, and no byte.
fn assert_unused(listener: &StdListener) {
    let (mut far, _) = listener.accept().expect("it was connected");
    let patience = Some(Duration::from_secs(10));
    far.set_read_timeout(patience).expect("a socket can");
    match far.read(&mut [0; 4]) {
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("{other:?} instead of the end"),
    }
}

#[test]
fn the_first_attempt_that_succeeds_is_the_connection_and_the_others_end() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let bind = |_| StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let listeners: Vec<StdListener> = (0..4).map(bind).collect();
    let options = ConnectOptions::default();
    for listener in &listeners {
        let address = listener.local_addr().expect("it is bound");
        let begun = rig.uring.connect(it, address, &options);
        begun.expect("it can begin");
    }
    rig.uring.set_reading(it, false); // holds for whichever it will be
    rig.tick_until("a connection", |rig| rig.told(it, "connected"));
    rig.uring.finish_closing().expect("it can close");
    (0..5).for_each(|_| rig.tick());
    assert_eq!(rig.notes, [(it, "connected".to_owned())]);
    assert_eq!(rig.uring.table.ended(), 0);
    let (mut far, _) = listeners[0].accept().expect("it is the first");
    listeners[1..].iter().for_each(assert_unused);
    far.write_all(b"early").expect("it fits");
    (0..5).for_each(|_| rig.tick());
    assert_eq!(rig.len(it), 0);
    rig.uring.set_reading(it, true);
    assert!(rig.send(&[(it, b"to the winner".to_vec())]));
    rig.tick_until("the bytes", |rig| rig.len(it) == 5);
    let mut buffer = [0; 13];
    far.read_exact(&mut buffer).expect("they were sent");
    assert_eq!(&buffer, b"to the winner");
}

#[test]
fn attempts_fail_one_by_one_and_a_close_ends_those_that_are_left() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(0, 0);
    let options = ConnectOptions::default();
    let free = || {
        let unused = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        unused.local_addr().expect("it is bound")
    };
    for _ in 0..3 {
        let begun = rig.uring.connect(it, free(), &options);
        begun.expect("it can begin");
    }
    let failed = (it, "failed".to_owned());
    rig.tick_until("all refusals", |rig| rig.notes.len() == 3);
    assert!(rig.notes.iter().all(|note| *note == failed));
    // Another one begins after all have failed, and is ended with the source.
    let begun = rig.uring.connect(it, free(), &options);
    begun.expect("it can begin");
    let begun = rig.uring.connect(it, free(), &options);
    begun.expect("it can begin");
    rig.uring.close(it);
    (0..5).for_each(|_| rig.tick());
    rig.uring.finish_closing().expect("it can close");
    assert_eq!(rig.notes.len(), 3, "a closed source was told");
    assert_eq!(rig.uring.table.ended(), 0);
}

/// None says where in a buffer its bytes lie, so the kernel must tell in the order of receiving:
/// even if one receives once, and the other goes on.
#[test]
fn receives_of_both_kinds_in_one_batch_get_their_own_bytes() {
    if !works() {
        return;
    }
    for turned in [false, true] {
        let mut rig = Rig::new(&Setup::default());
        let all: Vec<Token> = (0..10).map(|slot| token(slot, 0)).collect();
        let mut far = Vec::new();
        for (seed, token) in all.iter().enumerate() {
            far.push(rig.register(*token));
            if (seed % 2 == 0) == turned {
                rig.uring.set_room(*token, 1000);
            }
        }
        for (seed, far) in far.iter_mut().enumerate() {
            far.write_all(&pattern(100 + seed, seed)).expect("it fits");
        }
        for round in 1..3 {
            rig.tick_until("all bytes", |rig| {
                let len = |seed| (100 + seed) * round;
                (0..10).all(|seed| rig.len(all[seed]) == len(seed))
            });
            for (seed, far) in far.iter_mut().enumerate() {
                far.write_all(&pattern(100 + seed, seed)).expect("it fits");
            }
        }
        for (seed, token) in all.iter().enumerate() {
            let expected = pattern(100 + seed, seed).repeat(2);
            assert!(rig.bytes[token] == expected, "{token}");
        }
    }
}

/// Older kernels complete at once what newer ones defer.
#[test]
fn a_descriptor_that_is_asked_for_late_tells_of_what_has_come() {
    if !works() {
        return;
    }
    for is_deferred in [true, false] {
        let setup = Setup {
            is_deferred,
            ..TINY
        };
        let mut rig = Rig::new(&setup);
        let mut far = rig.register(token(0, 0));
        rig.tick();
        rig.tick_until("nothing to do", |rig| !rig.uring.has_backlog());
        far.write_all(b"x").expect("it fits");
        let descriptor = rig.uring.descriptor();
        let mut polled = [rustix::event::PollFd::new(&descriptor, PollFlags::IN)];
        let patience = rustix::event::Timespec::try_from(Duration::from_secs(10));
        let patience = patience.expect("it is short");
        let polled = rustix::event::poll(&mut polled, Some(&patience));
        assert_eq!(polled.expect("one can poll it"), 1, "{is_deferred}");
    }
}

#[test]
fn a_ring_without_deferred_completions_works_as_well() {
    if !works() {
        return;
    }
    let setup = Setup {
        is_deferred: false,
        ..TINY
    };
    let mut rig = Rig::new(&setup);
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

/// However much there is room for: whoever gets it may be one of many.
#[test]
fn what_was_kept_is_handed_out_in_parts_of_the_usual_size() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&Setup::default());
    let it = token(0, 0);
    let mut far = rig.register(it);
    rig.uring.set_room(it, usize::MAX);
    rig.tick();
    rig.uring.set_reading(it, false);
    far.set_nonblocking(true).expect("a socket can");
    let message = pattern(1 << 20, 4);
    let mut written = 0;
    while let Ok(n @ 1..) = far.write(&message[written..]) {
        written += n;
    }
    for _ in 0..5 {
        rig.tick();
    }
    let (_, place) = rig.uring.table.find(it).expect("it is there");
    let kept = place.kept().bytes.len();
    assert!(kept > READ_BUFFER, "the premise: {kept} of {written}");
    rig.uring.set_reading(it, true);
    let mut len = 0;
    for _ in 0..TICKS {
        rig.uring.wait(TICK).expect("it can wait");
        while let Some(Completion { event, .. }) = rig.uring.next() {
            if let Event::Received(bytes) = event {
                assert!(bytes.len() <= READ_BUFFER, "{} bytes", bytes.len());
                assert!(bytes == &message[len..][..bytes.len()]);
                len += bytes.len();
            }
        }
        if len == written {
            break;
        }
    }
    assert_eq!(len, written);
}
