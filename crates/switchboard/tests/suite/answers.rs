//! Answers of many megabytes: while they go out, neither the end of the peer nor the other
//! direction may suffer.

use switchboard::{Bytes, Context};

use crate::probe::{Log, Probe};
use crate::world::{World, assert_same, pattern};

const MANY: usize = 16 * 1024 * 1024; // more than the network holds for one connection

/// The kernel repeats that the peer has finished with each event that there is room again.
pub fn the_end_is_told_once_while_the_answer_to_it_goes_out(world: &mut World) {
    let answer = Bytes::from(pattern(MANY));
    for backpressure in [true, false] {
        world.with_options(|options| {
            options
                .with_watermarks(64 * 1024, MANY)
                .with_backpressure(backpressure)
        });
        let message = answer.clone();
        let probe = Probe::new("near").on_eof(move |_, cx| cx.send(&message));
        let (token, peer) = world.open(probe);
        world.send(peer, "a question");
        world.finish(peer);
        world.drive_until("the answer", |world| world.received(peer).len() >= MANY);
        world.settle();
        world.assert_received(peer, &answer);
        assert_eq!(world.log().of("near"), ["eof", "write"]);
        world.with(|cx| cx.close_source(token));
        assert_eq!(world.drive_to_end("near"), "Eof");
    }
}

/// Both ends have much to send. If each read only what the other has taken, neither would.
pub fn one_that_asks_without_waiting_gets_all_answers(world: &mut World) {
    const FIRST: usize = 64 * 1024 + 1; // above low, so that `handle_write` follows
    let (_, address) = world.listen(
        Probe::new("listener")
            .on_accepted(|_, cx, stream| cx.register(stream, Probe::echo("echo")).map(drop)),
    );
    let question = pattern(MANY);
    let first = Bytes::copy_from_slice(&question[..FIRST]);
    let mut sent = FIRST;
    let probe = Probe::new("near").on_write(move |_: &mut Log, cx: &mut Context<'_, Log>| {
        while sent < MANY {
            let end = MANY.min(sent + 64 * 1024);
            match cx.send(&question[sent..end]) {
                Ok(()) => sent = end,
                Err(error) if error.is_full() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    world.with(|cx| {
        let token = cx.connect(address, probe).expect("there is room");
        cx.send_to(token, first).expect("there is room");
    });
    world.drive_until("all answers", |world| {
        world.log().bytes("near").len() >= MANY
    });
    assert_same(world.log().bytes("near"), &pattern(MANY));
}
