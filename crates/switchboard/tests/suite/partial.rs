//! What a handler leaves of bytes that it cannot use yet: the first part of a message, or
//! questions whose answers have no room.

use crate::probe::Probe;
use crate::world::{World, assert_same, pattern};

pub fn a_partial_line_asks_for_no_further_turn(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|log, cx| {
        log.note(cx.data().len());
        Ok(())
    }));
    world.settle();
    assert_eq!(world.reactor.next_timeout(), None);
    for part in ["half ", "a line"] {
        let before = world.log().all().len();
        world.send_at_once(peer, part);
        world.drive_until("it", |world| world.log().all().len() > before);
        assert_eq!(world.reactor.next_timeout(), None, "only bytes can come");
    }
    assert_eq!(world.log().of("near"), ["5", "11"]);
}

/// While it is lent, the inbox is not where the bounds look for it.
pub fn bounds_that_are_set_over_unread_bytes_hold_for_both(world: &mut World) {
    const LIMIT: usize = 1000;
    world.with_options(|options| options.with_inbox_limit(LIMIT));
    let mut offered = false;
    let (_, peer) = world.open(Probe::new("near").on_read(move |log, cx| {
        log.note(cx.data().len());
        cx.set_options(cx.options())?;
        if cx.data().len() >= LIMIT {
            log.keep(cx.recv(usize::MAX));
        } else if !offered {
            offered = true;
            cx.again(); // the next call brings no new bytes
        }
        Ok(())
    }));
    world.send_at_once(peer, &pattern(2 * LIMIT)[..600]);
    world.drive_until("the offer", |world| world.log().of("near").len() == 2);
    assert_eq!(world.log().of("near"), ["600", "600"]);
    world.send_at_once(peer, &pattern(2 * LIMIT)[600..]);
    world.drive_until("all bytes", |world| {
        world.log().bytes("near").len() == 2 * LIMIT
    });
    assert_same(world.log().bytes("near"), &pattern(2 * LIMIT));
    assert_eq!(world.log().of("near"), ["600", "600", "1000", "1000"]);
}

const QUESTIONS: usize = 200;
const ANSWER: &[u8; 20] = b"the answer to a line";

/// Answers each line, and leaves those to which the answer does not fit.
fn answering(world: &mut World) -> Probe {
    world.with_options(|options| options.with_watermarks(512, 1024));
    Probe::new("near").on_read(|_, cx| {
        while let Some(end) = cx.data().iter().position(|byte| *byte == b'\n') {
            match cx.send(ANSWER) {
                Ok(()) => cx.consume(end + 1),
                Err(error) if error.is_full() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// The outbox drains in the tick in which it was full, so no event of the network follows.
pub fn questions_left_for_want_of_room_are_offered_again(world: &mut World) {
    let probe = answering(world);
    let (_, peer) = world.open(probe);
    world.send_at_once(peer, "question\n".repeat(QUESTIONS));
    world.drive_until_received(peer, ANSWER.repeat(QUESTIONS));
    world.settle();
    assert_eq!(world.reactor.buffered(), 0, "nothing is left");
    assert_eq!(world.log().why("near"), None);
}

pub fn questions_left_for_want_of_room_are_answered_before_the_end(world: &mut World) {
    let probe = answering(world);
    let (_, peer) = world.open(probe);
    world.send(peer, "question\n".repeat(QUESTIONS));
    world.finish(peer);
    world.push(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    world.drive_until("our end", |world| world.end(peer).is_some());
    world.assert_received(peer, ANSWER.repeat(QUESTIONS));
    assert_eq!(world.log().count("near", "eof"), 1);
}
