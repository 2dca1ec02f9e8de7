//! Runs a program with its input and output going through a reactor: `filter PROGRAM [ARGUMENT]...`,
//! such as `filter tr a-z A-Z`. It ends as the program does.
//! It must never read what it has no room for: who does not read makes the one before it wait.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

use switchboard::signal::{SIGINT, SIGTERM};
use switchboard::{Close, Context, Handler, Process, Reactor, Result, Stream, Token};

#[derive(Default)]
struct Filter {
    /// Readers that wait, and for room in which writer.
    waiting: Vec<(Token, Token)>,
    /// How the program has ended, as a shell says it.
    code: Option<u8>,
    is_all_shown: bool,
}

impl Filter {
    fn stop_if_done(&self, cx: &Context<'_, Filter>) {
        if self.code.is_some() && self.is_all_shown {
            cx.stop(); // though our own input may go on
        }
    }
}

/// Passes on what it reads.
struct From {
    to: Token,
}

impl Handler<Filter> for From {
    fn handle_read(&mut self, filter: &mut Filter, cx: &mut Context<'_, Filter>) -> Result {
        let data = cx.data();
        match cx.send_to(self.to, data) {
            Ok(()) => cx.consume(data.len()),
            Err(error) if error.is_full() => {
                cx.pause_reading();
                filter.waiting.push((cx.token(), self.to));
            }
            Err(_) => cx.close(), // nobody reads it any more
        }
        Ok(())
    }

    fn handle_close(&mut self, _: &mut Filter, cx: &mut Context<'_, Filter>, _: &Close) {
        cx.close_source(self.to); // when all is written
    }
}

/// The input of the program, or our output.
struct To {
    is_output: bool,
}

impl Handler<Filter> for To {
    fn handle_write(&mut self, filter: &mut Filter, cx: &mut Context<'_, Filter>) -> Result {
        let me = cx.token();
        for (from, _) in filter.waiting.extract_if(.., |(_, to)| *to == me) {
            cx.resume_source(from);
        }
        Ok(())
    }

    fn handle_close(&mut self, filter: &mut Filter, cx: &mut Context<'_, Filter>, _: &Close) {
        let me = cx.token();
        for (from, _) in filter.waiting.extract_if(.., |(_, to)| *to == me) {
            cx.close_source(from);
        }
        filter.is_all_shown |= self.is_output;
        filter.stop_if_done(cx);
    }
}

struct Program;

impl Handler<Filter> for Program {
    fn handle_exit(
        &mut self,
        filter: &mut Filter,
        cx: &mut Context<'_, Filter>,
        status: ExitStatus,
    ) -> Result {
        let signal = status.signal().map(|signal| 128 + signal);
        filter.code = u8::try_from(status.code().or(signal).unwrap_or(1)).ok();
        filter.stop_if_done(cx);
        Ok(())
    }

    fn handle_close(&mut self, filter: &mut Filter, cx: &mut Context<'_, Filter>, why: &Close) {
        if let Close::Io(error) = why {
            eprintln!("filter: {error}");
            filter.code = Some(127);
            cx.stop();
        }
    }
}

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("which PROGRAM is to run?")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let mut process = Process::new(command).with_kill_on_close(true);
    let (input, output) = (process.stdin_pipe()?, process.stdout_pipe()?);
    let mut reactor = Reactor::new(Filter::default())?;
    reactor.stop_on_signals(&[SIGINT, SIGTERM])?;
    reactor.with(|_, cx| -> Result {
        let to = cx.register(input, To { is_output: false })?;
        cx.register(Stream::stdin()?, From { to })?;
        let to = cx.register(Stream::stdout()?, To { is_output: true })?;
        cx.register(output, From { to })?;
        cx.spawn(process, Program)?;
        Ok(())
    })?;
    reactor.run()?;
    Ok(reactor
        .state()
        .code
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
