//! `connect` from a pipe or a file: the input to the conversation, the answers to standard output.
//!
//! It must never read input that there is no room for, nor set the standard streams non-blocking:
//! they may be shared with other processes. Writing the answers may block, while nobody reads them;
//! that is the backpressure that the rest of the pipeline expects.

use std::io::{self, ErrorKind, Write, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use rustix::io::Errno;
use switchboard::{
    Context, Error, Handler, Interest, LoopContext, Reactor, Ready, Result, SourceOptions, Time,
    Token,
};
use switchboard_chat::cli::{ConnectArgs, LogLevel};
use switchboard_chat::limits::as_ns;
use switchboard_chat::logging::Log;
use switchboard_chat::piped::{LINE_BYTES_MAX, Piped};

use super::connection::{Conversation, Link, dial};

/// When all is answered: how long the server may take to finish, too.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// One read takes so many bytes of input.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Messages that wait for a server that does not read: above the first number it says when there
/// is room again, and the longest message has to fit below the second.
const OUTBOX_WATERMARKS: (usize, usize) = (64 * 1024, 2 * LINE_BYTES_MAX);

#[derive(Debug)]
struct Pipe {
    piped: Piped,
    link: Link,
    /// The input, until its end.
    input: Option<Token>,
    /// Answers to write; empty between two events.
    out: Vec<u8>,
    /// A timer runs for the next answer.
    awaits_answer: bool,
    /// Set once it has ended, with what to say about it.
    end: Option<End>,
}

#[derive(Debug)]
struct End {
    exit: ExitCode,
    words: Vec<String>,
}

/// Runs until every message is answered, or cannot be.
///
/// # Errors
/// What went wrong, in one line.
pub fn run(args: &ConnectArgs) -> std::result::Result<ExitCode, String> {
    let log = Log::start(args.log.level(LogLevel::Warn));
    let (low, high) = OUTBOX_WATERMARKS;
    let mut reactor = Reactor::builder()
        .driver(args.driver)
        .source_options(SourceOptions::default().with_watermarks(low, high))
        .close_timeout(GOODBYE_TIMEOUT)
        .build(Pipe {
            piped: Piped::new(args.name.as_deref(), args.timeout.0.map(as_ns)),
            link: Link::new(args),
            input: None,
            out: Vec::new(),
            awaits_answer: false,
            end: None,
        })
        .map_err(|error| error.to_string())?;
    reactor
        .with(begin)
        .and_then(|()| reactor.run())
        .map_err(|error| error.to_string())?;
    drop(log);
    let end = reactor.state_mut().end.take();
    let end = end.ok_or("the reactor stopped before the conversation did")?;
    for words in end.words {
        eprintln!("switchboard: {words}");
    }
    Ok(end.exit)
}

fn begin(pipe: &mut Pipe, cx: &mut LoopContext<'_, Pipe>) -> Result {
    let input = cx.watch(stdin(), Interest::Read, Input)?;
    cx.pause_source(input); // until there is a connection
    pipe.input = Some(input);
    dial(pipe, cx);
    Ok(())
}

impl Pipe {
    /// Sends what can be sent, and sees whether that was all.
    fn proceed(&mut self, cx: &mut LoopContext<'_, Pipe>) {
        if self.end.is_some() {
            return;
        }
        if let Some(connection) = self.link.token() {
            let now_ns = cx.now().as_nanos();
            let send = |message: &[u8]| cx.send_to(connection, message).is_ok();
            if let Err(error) = self.piped.send_lines(now_ns, send) {
                return self.fail(cx, error.to_string());
            }
        }
        if let Some(input) = self.input {
            if self.piped.wants_input() {
                cx.resume_source(input);
            } else {
                cx.pause_source(input);
            }
        }
        match self.piped.receipts().outcome() {
            Some(outcome) => {
                let words = self.piped.receipts().summary().into_iter().collect();
                self.finish(cx, outcome.exit_code().into(), words);
            }
            None => self.await_answer(cx),
        }
    }

    /// Has a timer run for as long as an answer is awaited.
    fn await_answer(&mut self, cx: &mut LoopContext<'_, Pipe>) {
        let Some(deadline_ns) = self.piped.answer_deadline().filter(|_| !self.awaits_answer) else {
            return;
        };
        let due = |pipe: &mut Pipe, cx: &mut LoopContext<'_, Pipe>| {
            pipe.awaits_answer = false;
            if pipe.piped.timed_out(cx.now().as_nanos()) {
                let words = "the server does not answer; allow more time with --timeout";
                pipe.fail(cx, words.to_owned());
            } else {
                pipe.await_answer(cx); // there was an answer, and the next one has its own time
            }
        };
        match cx.after(Time::from_nanos(deadline_ns) - cx.now(), due) {
            Ok(_) => self.awaits_answer = true,
            Err(error) => self.fail(cx, error.to_string()),
        }
    }

    /// Writes the answers. Whoever read them may have enough, as `head` does: no reason for words.
    fn show(&mut self, cx: &mut LoopContext<'_, Pipe>) {
        let mut output = stdout().lock();
        let written = output.write_all(&self.out).and_then(|()| output.flush());
        self.out.clear();
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.finish(cx, ExitCode::FAILURE, Vec::new());
            }
            Err(error) => self.fail(cx, format!("cannot write the answers: {error}")),
        }
    }

    fn fail(&mut self, cx: &mut LoopContext<'_, Pipe>, why: String) {
        let summary = self.piped.receipts().summary();
        let words = std::iter::once(why).chain(summary).collect();
        self.finish(cx, ExitCode::FAILURE, words);
    }

    fn finish(&mut self, cx: &mut LoopContext<'_, Pipe>, exit: ExitCode, words: Vec<String>) {
        self.end.get_or_insert(End { exit, words });
        cx.stop();
    }
}

impl Conversation for Pipe {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn connected(&mut self, cx: &mut LoopContext<'_, Pipe>) {
        tracing::info!("connected to {}", self.link.address());
        self.piped.connected();
        self.proceed(cx);
    }

    fn received(&mut self, cx: &mut LoopContext<'_, Pipe>, data: &[u8]) -> Result<usize> {
        let now_ns = cx.now().as_nanos();
        let taken = self.piped.received(data, now_ns, &mut self.out);
        self.show(cx);
        self.proceed(cx);
        taken.map_err(Error::other)
    }

    fn server_ended(&mut self) {
        self.piped.server_ended();
    }

    fn deadline_ns(&self) -> Option<u64> {
        self.piped.reply_deadline()
    }

    fn has_room(&mut self, cx: &mut LoopContext<'_, Pipe>) {
        self.proceed(cx);
    }

    fn interrupted(&mut self, cx: &mut LoopContext<'_, Pipe>, notice: &str) {
        tracing::warn!("{notice}");
        self.piped.disconnected();
        self.proceed(cx);
    }

    fn lost(&mut self, cx: &mut LoopContext<'_, Pipe>, notice: &str) {
        self.piped.disconnected();
        self.fail(cx, notice.to_owned());
    }
}

/// Reads the input.
struct Input;

impl Handler<Pipe> for Input {
    fn handle_ready(
        &mut self,
        pipe: &mut Pipe,
        cx: &mut Context<'_, Pipe>,
        _ready: Ready,
    ) -> Result {
        if !pipe.piped.wants_input() {
            cx.pause_reading();
            return Ok(());
        }
        let mut input = [0; INPUT_BYTES_MAX];
        match rustix::io::read(stdin(), &mut input) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
            Err(error) => pipe.fail(
                cx,
                format!("cannot read the input: {}", io::Error::from(error)),
            ),
            Ok(0) => {
                pipe.piped.end_input();
                pipe.input = None;
                cx.close();
            }
            Ok(count) => pipe.piped.input(&input[..count]),
        }
        pipe.proceed(cx);
        Ok(())
    }
}
