//! Standard input to standard output, as `cat` does it: `copy [--driver auto|readiness|io_uring]`.
//! Either may be a terminal, a pipe, a file or a socket, and is left as it was.
//! It must never read what it has no room for: who does not read the output makes the input wait.

use std::process::ExitCode;

use switchboard::{Close, Context, Handler, Reactor, Result, Stream, Token};

#[derive(Default)]
struct Copy {
    input: Option<Token>,
    failure: Option<String>,
}

struct Input {
    output: Token,
}

impl Handler<Copy> for Input {
    fn handle_read(&mut self, _: &mut Copy, cx: &mut Context<'_, Copy>) -> Result {
        let data = cx.data();
        match cx.send_to(self.output, data) {
            Ok(()) => cx.consume(data.len()),
            Err(error) if error.is_full() => cx.pause_reading(),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn handle_close(&mut self, copy: &mut Copy, cx: &mut Context<'_, Copy>, why: &Close) {
        if !matches!(why, Close::Eof | Close::Shutdown) {
            copy.failure.get_or_insert(format!("cannot read: {why}"));
        }
        cx.close_source(self.output); // when all is written
    }
}

struct Output;

impl Handler<Copy> for Output {
    fn handle_write(&mut self, copy: &mut Copy, cx: &mut Context<'_, Copy>) -> Result {
        if let Some(input) = copy.input {
            cx.resume_source(input);
        }
        Ok(())
    }

    fn handle_close(&mut self, copy: &mut Copy, cx: &mut Context<'_, Copy>, why: &Close) {
        if !matches!(why, Close::Requested | Close::Shutdown) {
            copy.failure.get_or_insert(format!("cannot write: {why}"));
            cx.stop();
        }
    }
}

fn main() -> Result<ExitCode> {
    let mut builder = Reactor::builder();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--driver" => builder = builder.driver(arguments.next().unwrap_or_default().parse()?),
            other => return Err(format!("what is {other:?}?").into()),
        }
    }
    let mut reactor = builder.build(Copy::default())?;
    let (input, output) = (Stream::stdin()?, Stream::stdout()?);
    reactor.with(|copy, cx| -> Result {
        let output = cx.register(output, Output)?;
        copy.input = Some(cx.register(input, Input { output })?);
        Ok(())
    })?;
    reactor.run()?;
    match &reactor.state().failure {
        None => Ok(ExitCode::SUCCESS),
        Some(failure) => {
            eprintln!("copy: {failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}
