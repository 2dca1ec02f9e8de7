//! `connect --room`: rooms over IRC, for scripts and pipes. It must never end with success while a
//! message is not known to be stored, nor set the standard streams non-blocking: they may be shared.

use std::io::{self, ErrorKind, IsTerminal, Write, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use rustix::io::Errno;
use switchboard::{
    Context, Error, Handler, Interest, LoopContext, Reactor, Ready, Result, Time, Token,
};
use switchboard_chat::cli::{ConnectArgs, LogLevel};
use switchboard_chat::escape::Escaped;
use switchboard_chat::irc::lines::{LineSplitter, Step};
use switchboard_chat::limits::as_ns;
use switchboard_chat::logging::Log;
use switchboard_chat::room_client::{Event, RoomClient, Said};

use super::connection::{Conversation, Link, dial};
use super::user_name;

/// When all is stored: how long the server may take to finish, too.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// One read takes so many bytes of input, and a line has no more.
const INPUT_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
struct Rooms {
    client: RoomClient,
    link: Link,
    splitter: LineSplitter,
    rooms: Vec<String>,
    follows: bool,
    json: bool,
    /// The input, until its end.
    input: Option<Token>,
    /// A line of it that has not ended.
    typed: Vec<u8>,
    out: Vec<u8>,
    is_ready: bool,
    refused: usize,
    timeout_ns: Option<u64>,
    /// When the server last said something that was waited for.
    heard_ns: u64,
    awaits_answer: bool,
    end: Option<(ExitCode, Option<String>)>,
}

/// Runs until all is stored, or, if it follows, until somebody ends it.
///
/// # Errors
/// What went wrong, in one line.
pub fn run(args: &ConnectArgs) -> std::result::Result<ExitCode, String> {
    let log = Log::start(args.log.level(LogLevel::Warn));
    let reads = args.send.is_none() && !args.follow;
    let nick = args.name.clone().unwrap_or_else(user_name);
    let mut reactor = Reactor::builder()
        .driver(args.driver)
        .close_timeout(GOODBYE_TIMEOUT)
        .build(Rooms {
            client: RoomClient::new(&nick, args.room.clone(), args.last as usize),
            link: Link::new(args),
            splitter: LineSplitter::new(),
            rooms: args.room.clone(),
            follows: args.follow || (reads && stdin().is_terminal()),
            json: args.json,
            input: None,
            typed: Vec::new(),
            out: Vec::new(),
            is_ready: false,
            refused: 0,
            timeout_ns: args.timeout.0.map(as_ns),
            heard_ns: 0,
            awaits_answer: false,
            end: None,
        })
        .map_err(|error| error.to_string())?;
    if let Some(text) = &args.send {
        let rooms = reactor.state_mut();
        for room in &args.room {
            rooms.client.say(room, text, &mut rooms.out);
        }
    }
    let begin = move |rooms: &mut Rooms, cx: &mut LoopContext<'_, Rooms>| -> Result {
        if reads {
            let input = cx.watch(stdin(), Interest::Read, Input)?;
            cx.pause_source(input); // until the rooms are joined
            rooms.input = Some(input);
        }
        rooms.heard_ns = cx.now().as_nanos();
        dial(rooms, cx);
        Ok(())
    };
    let outcome = reactor.with(begin).and_then(|()| reactor.run());
    outcome.map_err(|error| error.to_string())?;
    drop(log);
    let end = reactor.state_mut().end.take();
    let (exit, words) = end.ok_or("the reactor stopped before the conversation did")?;
    if let Some(words) = words {
        eprintln!("switchboard: {words}");
    }
    Ok(exit)
}

impl Rooms {
    /// Sends what is to be sent, and sees whether that was all.
    fn proceed(&mut self, cx: &mut LoopContext<'_, Rooms>) {
        if self.end.is_some() {
            return;
        }
        if let Some(connection) = self.link.token() {
            let sent = cx.send_to(connection, &self.out[..]);
            self.out.clear();
            match sent {
                // It is about to end, and `interrupted` to have this looked for and sent again.
                Ok(()) | Err(Error::Stale(_)) => {}
                Err(error) => {
                    return self.finish(cx, ExitCode::FAILURE, Some(error.to_string()));
                }
            }
        }
        if let Some(input) = self.input {
            match self.is_ready && self.client.wants_text() {
                true => cx.resume_source(input),
                false => cx.pause_source(input),
            }
        }
        let is_done = self.is_ready && self.input.is_none() && self.client.unsettled() == 0;
        if is_done && !self.follows {
            let exit = if self.refused == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
            return self.finish(cx, exit, None);
        }
        if !self.is_ready || self.client.unsettled() > 0 {
            self.await_answer(cx);
        }
    }

    /// Has a timer run for as long as an answer is awaited.
    fn await_answer(&mut self, cx: &mut LoopContext<'_, Rooms>) {
        let Some(timeout_ns) = self.timeout_ns.filter(|_| !self.awaits_answer) else {
            return;
        };
        let due = move |rooms: &mut Rooms, cx: &mut LoopContext<'_, Rooms>| {
            rooms.awaits_answer = false;
            let waits =
                rooms.link.token().is_some() && (!rooms.is_ready || rooms.client.unsettled() > 0);
            if waits && cx.now().as_nanos() >= rooms.heard_ns.saturating_add(timeout_ns) {
                let words = "the server does not answer; allow more time with --timeout";
                rooms.fail(cx, words);
            } else if waits {
                rooms.await_answer(cx);
            }
        };
        let deadline = Time::from_nanos(self.heard_ns.saturating_add(timeout_ns));
        let wait = (deadline - cx.now()).max(Duration::from_millis(1));
        match cx.after(wait, due) {
            Ok(_) => self.awaits_answer = true,
            Err(error) => self.fail(cx, &error.to_string()),
        }
    }

    fn happened(&mut self, cx: &mut LoopContext<'_, Rooms>, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Ready => self.is_ready = true,
                Event::Said(said) if self.follows => self.show(cx, &said),
                Event::Said(_) => {}
                Event::Stored(msgid) => tracing::info!("stored as {}", msgid.unwrap_or_default()),
                Event::Refused(why) => {
                    self.refused += 1;
                    eprintln!("switchboard: not sent: {}", Escaped::new(why.as_bytes()));
                }
                Event::Failed(why) => {
                    let why = Escaped::new(why.as_bytes()).to_string();
                    self.fail(cx, &why);
                }
            }
        }
    }

    /// Whoever reads it may have enough, as `head` does: no reason for words.
    fn show(&mut self, cx: &mut LoopContext<'_, Rooms>, said: &Said) {
        let line = if self.json {
            serde_json::to_string(said).unwrap_or_default() // of texts, so it does not fail
        } else {
            in_words(said, self.rooms.len() > 1)
        };
        let mut output = stdout().lock();
        match writeln!(output, "{line}").and_then(|()| output.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.finish(cx, ExitCode::SUCCESS, None);
            }
            Err(error) => self.fail(cx, &format!("cannot write what is said: {error}")),
        }
    }

    fn fail(&mut self, cx: &mut LoopContext<'_, Rooms>, why: &str) {
        let words = match self.client.unsettled() {
            0 => why.to_owned(),
            1 => format!("{why}; one message is not known to be stored"),
            many => format!("{why}; {many} messages are not known to be stored"),
        };
        self.finish(cx, ExitCode::FAILURE, Some(words));
    }

    fn finish(&mut self, cx: &mut LoopContext<'_, Rooms>, exit: ExitCode, words: Option<String>) {
        if self.end.is_none() {
            self.end = Some((exit, words));
            if let Some(connection) = self.link.token() {
                // If it does not go out, the connection is gone, which says the same.
                let _ = cx.send_to(connection, "QUIT\r\n");
            }
            cx.stop();
        }
    }

    fn typed(&mut self, cx: &mut LoopContext<'_, Rooms>, ends: bool) {
        loop {
            let newline = self.typed.iter().position(|byte| *byte == b'\n');
            let (line, taken) = match newline {
                Some(at) => (&self.typed[..at], at + 1),
                None if ends && !self.typed.is_empty() => (&self.typed[..], self.typed.len()),
                None if self.typed.len() > INPUT_BYTES_MAX => {
                    return self.fail(cx, "a line of the input is too long");
                }
                None => return,
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Ok(text) = std::str::from_utf8(line) else {
                return self.fail(cx, "a line of the input is not UTF-8");
            };
            let text = text.to_owned();
            self.typed.drain(..taken);
            if !text.is_empty() {
                for room in &self.rooms {
                    self.client.say(room, &text, &mut self.out);
                }
            }
        }
    }
}

fn in_words(said: &Said, with_room: bool) -> String {
    let time = said.time.get(11..19).unwrap_or_default();
    let room = if with_room {
        format!("{} ", said.room)
    } else {
        String::new()
    };
    let nick = Escaped::new(said.nick.as_bytes());
    let lines = said
        .text
        .split('\n')
        .map(|line| Escaped::new(line.as_bytes()).to_string());
    let text = lines.collect::<Vec<_>>().join("\n    ");
    let room = Escaped::new(room.as_bytes());
    match said.kind {
        "action" => format!("{time} {room}* {nick} {text}"),
        "notice" => format!("{time} {room}-{nick}- {text}"),
        _ => format!("{time} {room}{nick}: {text}"),
    }
}

impl Conversation for Rooms {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn connected(&mut self, cx: &mut LoopContext<'_, Rooms>) {
        tracing::info!("connected to {}", self.link.address());
        self.heard_ns = cx.now().as_nanos();
        self.splitter = LineSplitter::new();
        self.out.clear();
        self.client.connected(&mut self.out);
        self.proceed(cx);
    }

    fn received(&mut self, cx: &mut LoopContext<'_, Rooms>, data: &[u8]) -> Result<usize> {
        self.heard_ns = cx.now().as_nanos();
        let mut taken = 0;
        let mut events = Vec::new();
        loop {
            match self.splitter.next(&data[taken..]) {
                Step::Line { line, consumed } => {
                    self.client.line(line, &mut self.out, &mut events);
                    taken += consumed;
                }
                Step::TooLong { consumed } => taken += consumed,
                Step::NeedMore { consumed } => {
                    taken += consumed;
                    break;
                }
            }
        }
        self.happened(cx, events);
        self.proceed(cx);
        Ok(taken)
    }

    fn server_ended(&mut self) {}

    fn deadline_ns(&self) -> Option<u64> {
        None
    }

    fn has_room(&mut self, cx: &mut LoopContext<'_, Rooms>) {
        self.proceed(cx);
    }

    fn interrupted(&mut self, cx: &mut LoopContext<'_, Rooms>, notice: &str) {
        tracing::warn!("{notice}");
        self.is_ready = false;
        self.client.disconnected();
        self.proceed(cx);
    }

    fn lost(&mut self, cx: &mut LoopContext<'_, Rooms>, notice: &str) {
        self.client.disconnected();
        self.fail(cx, notice);
    }
}

/// Reads the input.
struct Input;

impl Handler<Rooms> for Input {
    fn handle_ready(&mut self, rooms: &mut Rooms, cx: &mut Context<'_, Rooms>, _: Ready) -> Result {
        let mut input = vec![0; INPUT_BYTES_MAX];
        match rustix::io::read(stdin(), &mut input) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
            Err(error) => {
                let error = io::Error::from(error);
                rooms.fail(cx, &format!("cannot read the input: {error}"));
            }
            Ok(0) => {
                rooms.typed(cx, true);
                rooms.input = None;
                cx.close();
            }
            Ok(count) => {
                rooms.typed.extend_from_slice(&input[..count]);
                rooms.typed(cx, false);
            }
        }
        rooms.proceed(cx);
        Ok::<(), Error>(())
    }
}
