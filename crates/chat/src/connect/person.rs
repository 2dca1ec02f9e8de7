//! `connect` on a terminal: keys and answers to the conversation, what it draws to the screen.
//!
//! It must never set the terminal non-blocking: the shell that started this program reads the same
//! terminal, and would find it so. Writing therefore may block, while the person has stopped the
//! output; nobody but that person waits for this process.

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};
use switchboard::signal::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use switchboard::{Context, Error, Handler, Interest, LoopContext, Reactor, Ready, Result};
use switchboard_chat::cli::{ConnectArgs, LogLevel};
use switchboard_chat::logging::Log;
use switchboard_chat::talk::{Leave, Talk};
use switchboard_chat::terminal::{RawMode, columns};

use super::connection::{Conversation, Link, dial};

const GOODBYE: &str = "Exiting client";

/// After Ctrl-D: how long the server may take to finish, too.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// One read takes so many bytes of keys; a paste comes in several.
const KEYS_BYTES_MAX: usize = 4096;

#[derive(Debug)]
struct Person {
    talk: Talk,
    link: Link,
    raw_mode: RawMode,
    /// What is to be drawn; empty between two events.
    screen: Vec<u8>,
    /// Set once the last words have been said.
    exit: Option<ExitCode>,
}

/// Runs until the person or the server leaves.
///
/// # Errors
/// The terminal or the reactor cannot be set up.
pub fn run(args: &ConnectArgs) -> std::result::Result<ExitCode, String> {
    // On the same terminal, log lines would go through the line that is being typed.
    let _log = (!stderr().is_terminal()).then(|| Log::start(args.log.level(LogLevel::Warn)));
    let raw_mode = RawMode::enter(stdin()).map_err(|error| {
        format!("cannot read keys from this terminal: {error}; pipe the input in instead")
    })?;
    let mut reactor = Reactor::builder()
        .driver(args.driver)
        .close_timeout(GOODBYE_TIMEOUT)
        .build(Person {
            talk: Talk::new(args.name.as_deref(), columns(stdout())),
            link: Link::new(args),
            raw_mode,
            screen: Vec::new(),
            exit: None,
        })
        .map_err(|error| error.to_string())?;
    reactor
        .with(begin)
        .and_then(|()| reactor.run())
        .map_err(|error| error.to_string())?;
    Ok(reactor.state().exit.unwrap_or(ExitCode::FAILURE))
}

fn begin(person: &mut Person, cx: &mut LoopContext<'_, Person>) -> Result {
    cx.signals(&[SIGINT, SIGTERM, SIGHUP, SIGWINCH], Signals)?;
    cx.watch(stdin(), Interest::Read, Keyboard)?;
    person.talk.begin(&mut person.screen);
    person.show(cx);
    dial(person, cx);
    Ok(())
}

impl Person {
    /// Draws what has come together. A terminal that is gone ends the program.
    fn show(&mut self, cx: &LoopContext<'_, Person>) {
        let mut terminal = stdout().lock();
        let shown = terminal
            .write_all(&self.screen)
            .and_then(|()| terminal.flush());
        self.screen.clear();
        if shown.is_err() {
            self.exit.get_or_insert(ExitCode::FAILURE);
            cx.shutdown_handle().abort();
        }
    }

    /// The last words, said once.
    fn leave(&mut self, words: &str, exit: ExitCode) {
        if self.exit.is_none() {
            self.exit = Some(exit);
            self.talk.leave(words, &mut self.screen);
        }
    }

    fn typed(&mut self, cx: &mut LoopContext<'_, Person>, keys: &[u8]) {
        if self.exit.is_some() {
            if keys.contains(&0x03) {
                cx.shutdown_handle().abort(); // Ctrl-C while the last words are being sent
            }
            return;
        }
        let connection = self.link.token();
        let send = |message: &[u8]| {
            connection.is_some_and(|connection| cx.send_to(connection, message).is_ok())
        };
        match self.talk.typed(keys, &mut self.screen, send) {
            None => {}
            Some(Leave::Interrupt) => {
                self.leave(GOODBYE, ExitCode::SUCCESS);
                cx.shutdown_handle().abort();
            }
            Some(Leave::EndOfInput) => {
                self.leave(GOODBYE, ExitCode::SUCCESS);
                cx.stop();
            }
            Some(Leave::Suspend) => self.suspend(cx),
        }
        self.show(cx);
    }

    /// Stops this job, as Ctrl-Z does where it is not a key, until the shell continues it.
    fn suspend(&mut self, cx: &LoopContext<'_, Person>) {
        self.show(cx);
        let lent = self.raw_mode.lend(|| {
            // It returns when the job goes on: at once, if there is no shell that could do that.
            let _ = kill_current_process_group(Signal::TSTP);
        });
        if lent.is_err() {
            self.exit.get_or_insert(ExitCode::FAILURE);
            cx.shutdown_handle().abort();
        }
        self.talk.resized(columns(stdout()), &mut self.screen);
    }
}

impl Conversation for Person {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn connected(&mut self, cx: &mut LoopContext<'_, Person>) {
        let notice = format!("connected to {}; Ctrl-C leaves", self.link.address());
        self.talk.connected(&notice, &mut self.screen);
        self.show(cx);
    }

    fn received(&mut self, cx: &mut LoopContext<'_, Person>, data: &[u8]) -> Result<usize> {
        let now_ns = cx.now().as_nanos();
        let taken = self.talk.received(data, now_ns, &mut self.screen);
        self.show(cx);
        taken.map_err(Error::other)
    }

    fn server_ended(&mut self) {
        self.talk.server_ended();
    }

    fn deadline_ns(&self) -> Option<u64> {
        self.talk.deadline()
    }

    fn has_room(&mut self, _cx: &mut LoopContext<'_, Person>) {}

    fn interrupted(&mut self, cx: &mut LoopContext<'_, Person>, notice: &str) {
        self.talk.disconnected(notice, &mut self.screen);
        self.show(cx);
    }

    fn lost(&mut self, cx: &mut LoopContext<'_, Person>, notice: &str) {
        self.leave(notice, ExitCode::FAILURE);
        self.show(cx);
        cx.stop();
    }
}

/// Reads the keys.
struct Keyboard;

impl Handler<Person> for Keyboard {
    fn handle_ready(
        &mut self,
        person: &mut Person,
        cx: &mut Context<'_, Person>,
        _ready: Ready,
    ) -> Result {
        let mut keys = [0; KEYS_BYTES_MAX];
        match rustix::io::read(stdin(), &mut keys) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(count @ 1..) => person.typed(cx, &keys[..count]),
            // The terminal is gone: its window was closed.
            Ok(0) | Err(_) => {
                person.exit.get_or_insert(ExitCode::FAILURE);
                cx.shutdown_handle().abort();
            }
        }
        Ok(())
    }
}

/// A new width, or a reason to leave.
struct Signals;

impl Handler<Person> for Signals {
    fn handle_signal(
        &mut self,
        person: &mut Person,
        cx: &mut Context<'_, Person>,
        signal: i32,
    ) -> Result {
        if signal == SIGWINCH {
            if person.exit.is_none() {
                person.talk.resized(columns(stdout()), &mut person.screen);
            }
        } else {
            person.leave(GOODBYE, ExitCode::SUCCESS);
            cx.shutdown_handle().abort();
        }
        person.show(cx);
        Ok(())
    }
}
