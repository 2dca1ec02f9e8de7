//! Pipes in recordings: a replay has what came through them from there.

use std::io::{PipeReader, Write, pipe};

use switchboard::{Builder, Context, Driver, Handler, Reactor, ReplayEnd, Result, Stream, Token};
use switchboard::{Recording, Replay};

use crate::tape::{PROGRAM, Tape, VERSION};

/// Sends on what comes, and keeps it.
struct Input {
    output: Token,
}

impl Handler<Vec<u8>> for Input {
    fn handle_read(&mut self, all: &mut Vec<u8>, cx: &mut Context<'_, Vec<u8>>) -> Result {
        let data = cx.recv(usize::MAX);
        all.extend_from_slice(data);
        cx.send_to(self.output, data)
    }

    fn handle_eof(&mut self, all: &mut Vec<u8>, cx: &mut Context<'_, Vec<u8>>) -> Result {
        all.extend_from_slice(b" (the end)");
        cx.close_source(self.output);
        Ok(())
    }
}

struct Output;
impl Handler<Vec<u8>> for Output {}

/// Runs until the input has ended; what was seen of it.
fn run(builder: Builder, input: PipeReader) -> Result<Vec<u8>> {
    let (_shown, output) = pipe()?;
    let mut reactor = builder.build(Vec::new())?;
    reactor.with(|_, cx| -> Result {
        let output = cx.register(Stream::try_from(output)?, Output)?;
        cx.register(Stream::try_from(input)?, Input { output })?;
        Ok(())
    })?;
    reactor.run()?;
    Ok(std::mem::take(reactor.state_mut()))
}

fn what_came_through_a_pipe_is_replayed(tape: &Tape) {
    let (input, mut typed) = pipe().expect("a pipe can be made");
    typed.write_all(b"hello").expect("it holds five bytes");
    drop(typed);
    let recording = Recording::new(&tape.path, PROGRAM, VERSION);
    let builder = Reactor::builder().driver(tape.driver).record(recording);
    let all = run(builder, input).expect("it ends well");
    assert_eq!(all, b"hello (the end)");
    let replay = Replay::open(&tape.path, PROGRAM, VERSION).expect("it is there");
    let (nothing, _nobody) = pipe().expect("a pipe can be made");
    let replayed = run(Reactor::builder().replay(&replay), nothing);
    assert_eq!(replayed.expect("nothing differs"), all);
    let outcome = replay.outcome().expect("nothing differs");
    assert_eq!(outcome, ReplayEnd::Complete);
}

on_each_driver! {
    what_came_through_a_pipe_is_replayed
}
