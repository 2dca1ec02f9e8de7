//! The program that is recorded and replayed: guests send it commands, a line each, that together
//! use all that a handler can ask for. It must never decide by anything but what the reactor says.

use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard::signal::SIGUSR2;
use switchboard::{
    Builder, Bytes, Close, Context, Done, Error, Handler, OutboxPolicy, Rate, Reactor, Result,
    SourceOptions, Stream, TimerId, Token,
};

/// What one line of the program does otherwise than it did when it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Twist {
    #[default]
    None,
    /// One byte of an echo.
    Byte,
    /// `half` shuts down nothing.
    NoShutdown,
    /// `close` aborts.
    Abort,
    /// A guest is paused when it has come.
    Pause,
    /// `job` starts none.
    NoJob,
    /// `lane` has its job done on another one.
    OtherLane,
}

/// What happened, as the program saw it: addresses, times, reasons and all.
#[derive(Clone, Debug, Default)]
pub struct Log {
    notes: Arc<Mutex<Vec<String>>>,
    twist: Twist,
}

impl Log {
    pub fn new(twist: Twist) -> Log {
        Log {
            twist,
            ..Log::default()
        }
    }

    fn note(&self, note: impl Into<String>) {
        self.notes.lock().unwrap().push(note.into());
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }

    pub fn has(&self, part: &str) -> bool {
        self.notes().iter().any(|note| note.contains(part))
    }
}

/// The bounds that a recording and its replay have in common.
pub fn builder() -> Builder {
    let options = SourceOptions::default()
        .with_inbox_limit(64 * 1024)
        .with_watermarks(16 * 1024, 32 << 20);
    Reactor::builder()
        .source_options(options)
        .close_timeout(Duration::from_millis(500))
        .shutdown_timeout(Duration::from_millis(500))
}

/// Sets it up, and runs it to its end.
pub fn run(builder: Builder, log: &Log, listens: impl FnOnce(SocketAddr)) -> Result {
    let mut reactor = builder.build(log.clone())?;
    reactor.with(|_, cx| cx.signals(&[SIGUSR2], Signals))?;
    let listener = reactor.bind("127.0.0.1:0")?;
    let address = listener.local()?.ip().expect("it is an IP address");
    log.note(format!("listens at {address}"));
    reactor.listen_on(listener, Door)?;
    listens(address);
    reactor.run()
}

struct Signals;

impl Handler<Log> for Signals {
    fn handle_signal(&mut self, log: &mut Log, _: &mut Context<'_, Log>, signal: i32) -> Result {
        log.note(format!("signal {signal}"));
        Ok(())
    }
}

pub struct Door;

impl Handler<Log> for Door {
    fn handle_accepted(
        &mut self,
        log: &mut Log,
        cx: &mut Context<'_, Log>,
        stream: Stream,
    ) -> Result {
        log.note(format!("guest {} at {}", stream.peer()?, stream.local()?));
        let guest = cx.register(stream, Guest)?;
        if log.twist == Twist::Pause {
            cx.pause_source(guest);
        }
        Ok(())
    }
}

struct Guest;

impl Guest {
    fn obey(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, line: &str) -> Result {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<usize>().map_err(Error::other);
        match command {
            "echo" if log.twist == Twist::Byte => cx.send(line.replace("world", "World") + "\n"),
            "echo" => cx.send(line.to_owned() + "\n"),
            "random" => {
                let random = cx.random();
                cx.send(format!("{random}\n"))
            }
            "time" => {
                log.note(format!("{:?} {:?}", cx.now(), cx.wall_time()));
                cx.send(format!("{:?}\n", cx.now()))
            }
            "signals" => cx.send(format!("{}\n", log.has("signal "))),
            "limits" => {
                let rate = Rate::per_second(1000).with_burst(20);
                let timeout = Duration::from_millis(30);
                cx.set_options(cx.options().with_read_rate(rate).with_read_timeout(timeout))
            }
            "timer" => cx.set_timer(Duration::from_millis(5)).map(drop),
            "after" => {
                let me = cx.token();
                let later = Duration::from_millis(3);
                cx.after(later, move |_, cx| {
                    let _ = cx.send_to(me, "after\n");
                })
                .map(drop)
            }
            "big" => {
                let pattern: Vec<u8> = (0..number()?).map(|i| (i * 31) as u8).collect();
                cx.send(pattern)
            }
            "feed" => feed(cx, number()?),
            "dial" => dial(cx, &format!("127.0.0.1:{rest}")),
            "lookup" => dial(cx, &format!("{rest}:1")),
            "job" if log.twist == Twist::NoJob => Ok(()),
            "job" => {
                let text = rest.to_owned();
                cx.offload_replayable(move || text.to_uppercase()).map(drop)
            }
            "lane" => on_a_lane(cx, rest, log.twist),
            "badjob" => cx
                .offload_replayable(|| -> String { panic!("a bad job") })
                .map(drop),
            "plainjob" => cx.offload(|| "a value".to_owned()).map(drop),
            "panic" => panic!("told to"),
            "error" => Err("told to".into()),
            "pause" => {
                cx.pause_reading();
                cx.set_timer(Duration::from_millis(4)).map(drop)
            }
            "half" if log.twist == Twist::NoShutdown => Ok(()),
            "half" => cx.shutdown(Shutdown::Write),
            "close" if log.twist == Twist::Abort => {
                cx.abort();
                Ok(())
            }
            "close" => {
                cx.close();
                Ok(())
            }
            "stop" => {
                cx.stop();
                Ok(())
            }
            _ => Err(format!("what is {command:?}?").into()),
        }
    }
}

fn on_a_lane(cx: &mut Context<'_, Log>, words: &str, twist: Twist) -> Result {
    let lanes = [cx.open_lane("one")?, cx.open_lane("another")?];
    let lane = lanes[usize::from(twist == Twist::OtherLane)];
    for word in words.split(' ').map(str::to_owned) {
        cx.offload_on_replayable(lane, move || word.to_uppercase())?;
    }
    Ok(())
}

/// Many sends, of which the oldest are dropped.
fn feed(cx: &mut Context<'_, Log>, count: usize) -> Result {
    let options = cx.options().with_policy(OutboxPolicy::DropOldest);
    cx.set_options(options.with_watermarks(4 * 1024, 64 * 1024))?;
    for number in 0..count {
        cx.send_bytes(Bytes::from(format!("{number:>1023}\n")))?;
    }
    Ok(())
}

fn dial(cx: &mut Context<'_, Log>, address: &str) -> Result {
    let asker = cx.token();
    let token = cx.connect(address, Dialled { asker })?;
    cx.send_to(token, "hello from inside\n")
}

impl Handler<Log> for Guest {
    fn handle_read(&mut self, log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        while let Some(end) = cx.data().iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&cx.data()[..end]).into_owned();
            cx.consume(end + 1);
            self.obey(log, cx, &line)?;
        }
        Ok(())
    }

    fn handle_eof(&mut self, log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        log.note("eof");
        cx.send("goodbye\n")?;
        cx.close();
        Ok(())
    }

    fn handle_write(&mut self, log: &mut Log, _: &mut Context<'_, Log>) -> Result {
        log.note("write");
        Ok(())
    }

    fn handle_timer(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, _: TimerId) -> Result {
        log.note(format!("timer at {:?}", cx.now()));
        cx.resume_reading();
        cx.send("timer\n")
    }

    fn handle_done(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, done: Done) -> Result {
        let text = match done.take::<String>() {
            Ok(text) => text,
            Err(error) => error.to_string(),
        };
        log.note(format!("job: {text}"));
        cx.send(text + "\n")
    }

    fn handle_error(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, error: &Error) {
        log.note(format!("error: {error}"));
        let _ = cx.send(format!("error: {error}\n"));
    }

    fn handle_close(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, why: &Close) {
        log.note(format!("{} closed: {why}", cx.token()));
    }
}

/// A connection that a guest had made.
struct Dialled {
    asker: Token,
}

impl Handler<Log> for Dialled {
    fn handle_connect(&mut self, log: &mut Log, _: &mut Context<'_, Log>) -> Result {
        log.note("dialled");
        Ok(())
    }

    fn handle_read(&mut self, _: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        let data = cx.recv(usize::MAX); // goes on as it lies, if it is large
        cx.send_to(self.asker, data)
    }

    fn handle_close(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, why: &Close) {
        log.note(format!("dialled closed: {why}"));
        let _ = cx.send_to(self.asker, format!("dialled closed: {why}\n"));
    }
}
