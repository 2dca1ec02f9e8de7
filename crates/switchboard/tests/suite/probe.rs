//! A handler for cases: it notes what it is told, and each method can be replaced by a closure.

use std::collections::BTreeMap;
use std::fmt::Display;
#[cfg(unix)]
use std::process::ExitStatus;
use std::sync::mpsc;

use switchboard::{
    Address, Close, Context, Done, Error, FileDone, FileOutcome, Handler, Result, Stream, TimerId,
};

/// The state that all probes share: what happened, in order, and to whom.
#[derive(Default)]
pub struct Log {
    notes: Vec<(&'static str, String)>,
    bytes: BTreeMap<&'static str, Vec<u8>>,
    /// Whose method runs now.
    current: &'static str,
    /// Who has sent the last datagram.
    pub from: Option<Address>,
    /// For cases whose handlers wait for the case to let them go on.
    pub gate: bool,
    /// Hangs up on whoever waits, once the state is dropped.
    pub on_drop: Option<mpsc::Sender<()>>,
}

impl Log {
    /// Notes something about the probe whose method runs now.
    pub fn note(&mut self, text: impl Display) {
        self.notes.push((self.current, text.to_string()));
    }

    /// Notes something about `name`, for closures that belong to no probe.
    pub fn note_of(&mut self, name: &'static str, text: impl Display) {
        self.notes.push((name, text.to_string()));
    }

    /// Adds to what the probe whose method runs now has received.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.bytes
            .entry(self.current)
            .or_default()
            .extend_from_slice(bytes);
    }

    pub fn all(&self) -> &[(&'static str, String)] {
        &self.notes
    }

    /// What was noted about `name`, in order.
    pub fn of(&self, name: &str) -> Vec<&str> {
        let notes = self.notes.iter().filter(|(of, _)| *of == name);
        notes.map(|(_, note)| note.as_str()).collect()
    }

    pub fn has(&self, name: &str, note: &str) -> bool {
        self.of(name).contains(&note)
    }

    /// How often `note` was noted about `name`.
    pub fn count(&self, name: &str, note: &str) -> usize {
        self.of(name).iter().filter(|of| **of == note).count()
    }

    /// Why `name` ended: what follows `closed ` in its last note.
    pub fn why(&self, name: &str) -> Option<&str> {
        self.of(name).last()?.strip_prefix("closed ")
    }

    /// What `name` has received.
    pub fn bytes(&self, name: &str) -> &[u8] {
        self.bytes.get(name).map_or(&[], Vec::as_slice)
    }
}

type Hook = Box<dyn FnMut(&mut Log, &mut Context<'_, Log>) -> Result>;
type HookWith<A> = Box<dyn FnMut(&mut Log, &mut Context<'_, Log>, A) -> Result>;

/// Notes every event under its name. Without a closure for a method, `handle_read` takes all
/// bytes and keeps them, `handle_eof` closes, and the rest only notes.
pub struct Probe {
    name: &'static str,
    on_connect: Option<Hook>,
    on_secured: Option<Hook>,
    on_accepted: Option<HookWith<Stream>>,
    on_read: Option<Hook>,
    on_eof: Option<Hook>,
    on_write: Option<Hook>,
    on_datagram: Option<HookWith<Vec<u8>>>,
    #[cfg(unix)]
    on_ready: Option<HookWith<switchboard::Ready>>,
    #[cfg(unix)]
    on_exit: Option<HookWith<ExitStatus>>,
    on_timer: Option<HookWith<TimerId>>,
    on_done: Option<HookWith<Done>>,
    on_file: Option<HookWith<FileDone>>,
    on_error: Option<Hook>,
    on_close: Option<Hook>,
    on_drop: Option<Box<dyn FnOnce()>>,
}

/// The builder methods of hooks, one for each method of a handler.
macro_rules! hooks {
    ($($(#[$only:meta])? $method:ident($($argument:ty)?);)*) => {
        $($(#[$only])? pub fn $method(
            mut self,
            hook: impl FnMut(&mut Log, &mut Context<'_, Log> $(, $argument)?) -> Result + 'static,
        ) -> Probe {
            self.$method = Some(Box::new(hook));
            self
        })*
    };
}

impl Probe {
    pub fn new(name: &'static str) -> Probe {
        Probe {
            name,
            on_connect: None,
            on_secured: None,
            on_accepted: None,
            on_read: None,
            on_eof: None,
            on_write: None,
            on_datagram: None,
            #[cfg(unix)]
            on_ready: None,
            #[cfg(unix)]
            on_exit: None,
            on_timer: None,
            on_done: None,
            on_file: None,
            on_error: None,
            on_close: None,
            on_drop: None,
        }
    }

    hooks! {
        on_connect();
        on_secured();
        on_accepted(Stream);
        on_read();
        on_eof();
        on_write();
        on_datagram(Vec<u8>);
        #[cfg(unix)]
        on_ready(switchboard::Ready);
        #[cfg(unix)]
        on_exit(ExitStatus);
        on_timer(TimerId);
        on_done(Done);
        on_file(FileDone);
        on_error();
        on_close();
    }

    /// Runs when the probe is dropped.
    pub fn on_drop(mut self, hook: impl FnOnce() + 'static) -> Probe {
        self.on_drop = Some(Box::new(hook));
        self
    }

    /// Sends back what it receives.
    pub fn echo(name: &'static str) -> Probe {
        Probe::new(name).on_read(|_, cx| {
            let data = cx.recv(usize::MAX);
            cx.send(data)
        })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(hook) = self.on_drop.take() {
            hook();
        }
    }
}

impl Handler<Log> for Probe {
    fn handle_connect(&mut self, log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        log.current = self.name;
        log.note("connected");
        self.on_connect
            .as_mut()
            .map_or(Ok(()), |hook| hook(log, cx))
    }

    fn handle_secured(&mut self, log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        log.current = self.name;
        log.note("secured");
        self.on_secured
            .as_mut()
            .map_or(Ok(()), |hook| hook(log, cx))
    }

    fn handle_accepted(
        &mut self,
        log: &mut Log,
        cx: &mut Context<'_, Log>,
        stream: Stream,
    ) -> Result {
        log.current = self.name;
        log.note("accepted");
        match &mut self.on_accepted {
            Some(hook) => hook(log, cx, stream),
            None => Err(Error::Unhandled("handle_accepted")),
        }
    }

    fn handle_read(&mut self, log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        log.current = self.name;
        match &mut self.on_read {
            Some(hook) => hook(log, cx),
            None => {
                let data = cx.recv(usize::MAX);
                log.keep(data);
                Ok(())
            }
        }
    }

    fn handle_eof(&mut self, log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        log.current = self.name;
        log.note("eof");
        match &mut self.on_eof {
            Some(hook) => hook(log, cx),
            None => {
                cx.close();
                Ok(())
            }
        }
    }

    fn handle_write(&mut self, log: &mut Log, cx: &mut Context<'_, Log>) -> Result {
        log.current = self.name;
        log.note("write");
        self.on_write.as_mut().map_or(Ok(()), |hook| hook(log, cx))
    }

    fn handle_datagram(
        &mut self,
        log: &mut Log,
        cx: &mut Context<'_, Log>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        log.current = self.name;
        let cut = if cx.is_truncated() { ", cut" } else { "" };
        log.note(format_args!("got \"{}\"{cut}", bytes.escape_ascii()));
        log.from = Some(from.clone());
        let hook = self.on_datagram.as_mut();
        hook.map_or(Ok(()), |hook| hook(log, cx, bytes.to_vec()))
    }

    #[cfg(unix)]
    fn handle_ready(
        &mut self,
        log: &mut Log,
        cx: &mut Context<'_, Log>,
        ready: switchboard::Ready,
    ) -> Result {
        log.current = self.name;
        let hook = self.on_ready.as_mut();
        hook.map_or(Ok(()), |hook| hook(log, cx, ready))
    }

    #[cfg(unix)]
    fn handle_signal(&mut self, log: &mut Log, _: &mut Context<'_, Log>, signal: i32) -> Result {
        log.current = self.name;
        log.note(format_args!("signal {signal}"));
        Ok(())
    }

    #[cfg(unix)]
    fn handle_exit(
        &mut self,
        log: &mut Log,
        cx: &mut Context<'_, Log>,
        status: ExitStatus,
    ) -> Result {
        log.current = self.name;
        log.note(status);
        let hook = self.on_exit.as_mut();
        hook.map_or(Ok(()), |hook| hook(log, cx, status))
    }

    fn handle_timer(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, timer: TimerId) -> Result {
        log.current = self.name;
        log.note("timer");
        let hook = self.on_timer.as_mut();
        hook.map_or(Ok(()), |hook| hook(log, cx, timer))
    }

    fn handle_done(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, done: Done) -> Result {
        log.current = self.name;
        log.note("done");
        let hook = self.on_done.as_mut();
        hook.map_or(Ok(()), |hook| hook(log, cx, done))
    }

    /// Notes what came of it, and keeps what was read.
    fn handle_file(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, done: FileDone) -> Result {
        log.current = self.name;
        let note = match &done.result {
            Ok(FileOutcome::Opened { len }) => format!("opened {len}"),
            Ok(FileOutcome::Read { offset, bytes }) => {
                log.keep(bytes);
                format!("read {} at {offset}", bytes.len())
            }
            Ok(FileOutcome::Written { len }) => format!("written {len}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{:?}", error.kind()),
        };
        log.note(note);
        let hook = self.on_file.as_mut();
        hook.map_or(Ok(()), |hook| hook(log, cx, done))
    }

    fn handle_error(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, error: &Error) {
        log.current = self.name;
        log.note(format_args!("error {error}"));
        if let Some(hook) = &mut self.on_error {
            hook(log, cx).expect("this hook has nobody to tell");
        }
    }

    fn handle_close(&mut self, log: &mut Log, cx: &mut Context<'_, Log>, why: &Close) {
        log.current = self.name;
        log.note(format_args!("closed {}", brief(why)));
        if let Some(hook) = &mut self.on_close {
            hook(log, cx).expect("this hook has nobody to tell");
        }
    }
}

/// Says why it ended, in words, under `reason`.
#[cfg(unix)]
pub struct Reason;

#[cfg(unix)]
impl Handler<Log> for Reason {
    fn handle_close(&mut self, log: &mut Log, _: &mut Context<'_, Log>, why: &Close) {
        log.note_of("reason", why);
    }
}

/// The reason without what differs between systems.
pub fn brief(why: &Close) -> String {
    match why {
        Close::ConnectFailed(error) => format!("ConnectFailed({:?})", error.kind()),
        Close::Io(error) => format!("Io({:?})", error.kind()),
        #[cfg(unix)]
        Close::Exited(status) => format!("Exited({status})"),
        Close::Error(error) => format!("Error({error})"),
        Close::Panicked(message) => format!("Panicked({message})"),
        other => format!("{other:?}"),
    }
}
