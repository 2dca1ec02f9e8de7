//! `connect` on a terminal: keys and lines of the server to the [`Client`], its picture to the screen.
//!
//! It must never set the terminal non-blocking: the shell that started this program reads the same
//! terminal, and would find it so. Writing therefore may block, while the person has stopped the
//! output; nobody but that person waits for this process: the server gives up a client that does not
//! read.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};
use switchboard::signal::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use switchboard::{Context, Handler, Interest, LoopContext, OnPanic, Reactor, Ready, Result, Time};
use switchboard_chat::chat::names;
use switchboard_chat::cli::{ConnectArgs, LogLevel};
use switchboard_chat::irc::lines::{LineSplitter, Step};
use switchboard_chat::logging::Log;
use switchboard_chat::screen::view::Theme;
use switchboard_chat::screen::{Client, Wish};
use switchboard_chat::terminal::{RawMode, size};

use super::connection::{Conversation, Link, dial};
use super::painter::Painter;
use super::user_name;

/// After the last words: how long the server may take to finish, too.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// One read takes so many bytes of keys; a paste comes in several.
const KEYS_BYTES_MAX: usize = 4096;

const TICK: Duration = Duration::from_secs(1);

/// A server that says nothing for so long is asked, and given up after as long again.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Screen {
    client: Client,
    painter: Painter,
    link: Link,
    splitter: LineSplitter,
    raw_mode: RawMode,
    /// When the server last said something.
    heard: Time,
    is_asked: bool,
    /// Further tries are made by themselves only after a first success, or if they were asked for.
    has_been_in: bool,
    exit: Option<(ExitCode, String)>,
}

/// Runs until the person leaves, or the server cannot be reached at first.
///
/// # Errors
/// The terminal or the reactor cannot be set up.
pub fn run(args: &ConnectArgs) -> std::result::Result<ExitCode, String> {
    // On the same terminal, log lines would go through the picture.
    let _log = (!stderr().is_terminal()).then(|| Log::start(args.log.level(LogLevel::Warn)));
    let nick = args.name.clone().unwrap_or_else(user_name);
    names::check_nick(&nick)
        .map_err(|error| format!("{nick} cannot be a name in the chat: {error}; see --name"))?;
    let raw_mode = RawMode::enter(stdin()).map_err(|error| {
        format!("cannot read keys from this terminal: {error}; pipe the input in instead")
    })?;
    let theme = Theme {
        has_colours: std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
    };
    let size = size(stdout());
    let painter = Painter::enter(theme, size).map_err(|error| error.to_string())?;
    let mut reactor = Reactor::builder()
        .driver(args.driver)
        .close_timeout(GOODBYE_TIMEOUT)
        .on_panic(OnPanic::Stop)
        .build(Screen {
            client: Client::new(&nick, 0, size),
            painter,
            link: Link::new(args),
            splitter: LineSplitter::new(),
            raw_mode,
            heard: Time::from_nanos(0),
            is_asked: false,
            has_been_in: false,
            exit: None,
        })
        .map_err(|error| error.to_string())?;
    let rooms = args.room.clone();
    let begin = move |screen: &mut Screen, cx: &mut LoopContext<'_, Screen>| -> Result {
        screen.client = Client::new(&nick, cx.random(), size);
        screen.client.model.want(&rooms);
        cx.signals(&[SIGINT, SIGTERM, SIGHUP, SIGWINCH], Signals)?;
        cx.watch(stdin(), Interest::Read, Keyboard)?;
        cx.after(TICK, tick)?;
        screen.show(cx);
        dial(screen, cx);
        Ok(())
    };
    let outcome = reactor.with(begin).and_then(|()| reactor.run());
    let end = reactor.state_mut().exit.take();
    drop(reactor); // the terminal is as it was, before the last words
    outcome.map_err(|error| error.to_string())?;
    let (exit, words) = end.unwrap_or((ExitCode::FAILURE, String::new()));
    if !words.is_empty() {
        eprintln!("switchboard: {words}");
    }
    Ok(exit)
}

/// Once a second.
fn tick(screen: &mut Screen, cx: &mut LoopContext<'_, Screen>) {
    if screen.exit.is_some() {
        return;
    }
    screen.client.model.tick();
    let silence = cx.now() - screen.heard;
    if let Some(connection) = screen.link.token() {
        if silence > SILENCE * 2 {
            cx.abort_source(connection);
        } else if silence > SILENCE && !screen.is_asked {
            screen.is_asked = true;
            screen.client.model.ping();
        }
    }
    screen.proceed(cx);
    if cx.after(TICK, tick).is_err() {
        screen.leave(cx, ExitCode::FAILURE, "no timer is left");
    }
}

impl Screen {
    /// Sends what is to be sent, and shows how things are.
    fn proceed(&mut self, cx: &mut LoopContext<'_, Screen>) {
        let out = self.client.model.take_out();
        if let Some(connection) = self.link.token()
            && !out.is_empty()
            && cx.send_to(connection, &out[..]).is_err()
        {
            // What was refused is asked for, or looked for, on the next connection.
            cx.abort_source(connection);
        }
        self.show(cx);
    }

    /// A terminal that is gone ends the program.
    fn show(&mut self, cx: &LoopContext<'_, Screen>) {
        if self.exit.is_none() && self.painter.paint(&self.client).is_err() {
            self.exit = Some((ExitCode::FAILURE, String::new()));
            cx.shutdown_handle().abort();
        }
    }

    fn leave(&mut self, cx: &mut LoopContext<'_, Screen>, exit: ExitCode, words: &str) {
        if self.exit.is_some() {
            return cx.shutdown_handle().abort(); // once more, while the last words are being sent
        }
        self.exit = Some((exit, words.to_owned()));
        self.client.model.quit();
        let out = self.client.model.take_out();
        if let Some(connection) = self.link.token() {
            // If it does not go out, the connection is gone, which says the same.
            let _ = cx.send_to(connection, &out[..]);
        }
        cx.stop();
    }

    fn typed(&mut self, cx: &mut LoopContext<'_, Screen>, keys: &[u8]) {
        for wish in self.client.typed(keys) {
            match wish {
                Wish::Quit => {
                    let words = match self.client.model.unsettled() {
                        0 => String::new(),
                        1 => "one message is not known to be stored".to_owned(),
                        many => format!("{many} messages are not known to be stored"),
                    };
                    return self.leave(cx, ExitCode::SUCCESS, &words);
                }
                Wish::Suspend => self.suspend(cx),
                Wish::Redraw => self.painter.forget(),
            }
        }
        self.proceed(cx);
    }

    /// Stops this job, as Ctrl-Z does where it is not a key, until the shell continues it.
    fn suspend(&mut self, cx: &LoopContext<'_, Screen>) {
        let away = self.painter.leave();
        let lent = self.raw_mode.lend(|| {
            // It returns when the job goes on: at once, if there is no shell that could do that.
            let _ = kill_current_process_group(Signal::TSTP);
        });
        let back = self.painter.come_back();
        if away.is_err() || lent.is_err() || back.is_err() {
            self.exit = Some((ExitCode::FAILURE, String::new()));
            cx.shutdown_handle().abort();
        }
        self.resized();
    }

    fn resized(&mut self) {
        self.client.size = size(stdout());
        self.painter.resize(self.client.size);
    }
}

impl Conversation for Screen {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn connected(&mut self, cx: &mut LoopContext<'_, Screen>) {
        self.heard = cx.now();
        self.is_asked = false;
        if !std::mem::replace(&mut self.has_been_in, true) {
            self.link.keep_trying();
        }
        self.splitter = LineSplitter::new();
        self.client.model.connected();
        self.proceed(cx);
    }

    fn received(&mut self, cx: &mut LoopContext<'_, Screen>, data: &[u8]) -> Result<usize> {
        self.heard = cx.now();
        self.is_asked = false;
        let mut taken = 0;
        loop {
            match self.splitter.next(&data[taken..]) {
                Step::Line { line, consumed } => {
                    self.client.model.line(line);
                    taken += consumed;
                }
                Step::TooLong { consumed } => taken += consumed,
                Step::NeedMore { consumed } => {
                    taken += consumed;
                    break;
                }
            }
        }
        self.proceed(cx);
        Ok(taken)
    }

    fn server_ended(&mut self) {}

    fn deadline_ns(&self) -> Option<u64> {
        None
    }

    fn has_room(&mut self, cx: &mut LoopContext<'_, Screen>) {
        self.proceed(cx);
    }

    fn interrupted(&mut self, cx: &mut LoopContext<'_, Screen>, notice: &str) {
        let why = notice.split("; try ").next().unwrap_or_default();
        let seconds = self.link.wait().as_secs_f32().ceil() as u64;
        self.client.model.disconnected(why, seconds);
        self.proceed(cx);
    }

    fn lost(&mut self, cx: &mut LoopContext<'_, Screen>, notice: &str) {
        self.leave(cx, ExitCode::FAILURE, notice);
    }
}

/// Reads the keys.
struct Keyboard;

impl Handler<Screen> for Keyboard {
    fn handle_ready(
        &mut self,
        screen: &mut Screen,
        cx: &mut Context<'_, Screen>,
        _ready: Ready,
    ) -> Result {
        let mut keys = [0; KEYS_BYTES_MAX];
        match rustix::io::read(stdin(), &mut keys) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(count @ 1..) => screen.typed(cx, &keys[..count]),
            // The terminal is gone: its window was closed.
            Ok(0) | Err(_) => screen.leave(cx, ExitCode::FAILURE, ""),
        }
        Ok(())
    }
}

/// A new size, or a reason to leave.
struct Signals;

impl Handler<Screen> for Signals {
    fn handle_signal(
        &mut self,
        screen: &mut Screen,
        cx: &mut Context<'_, Screen>,
        signal: i32,
    ) -> Result {
        if signal == SIGWINCH {
            screen.resized();
            screen.show(cx);
        } else {
            screen.leave(cx, ExitCode::SUCCESS, "");
        }
        Ok(())
    }
}
