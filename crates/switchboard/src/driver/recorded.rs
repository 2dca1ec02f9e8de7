//! Recording: a driver that wraps another one, and writes down what passes through the seam.
//! It must never change what passes, nor fail or wait because of the recording.
//!
//! What the core computes again in a replay is not written: timers, inboxes, watermarks, tokens.
//! Of an outbox, its new bytes are written at each flush, and how many of all went out.

#[cfg(unix)]
mod children;
mod datagrams;
mod entry;
mod files;
mod frame;
mod header;
mod outcome;
mod pace;
mod reader;
mod relays;
mod replayer;
#[cfg(feature = "tls")]
mod secured;
mod sink;
mod text;

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::ops::Range;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Choice, Completion, Driver, Event, Resource, Waker};
use crate::guard::guard;
use crate::net::{ConnectOptions, Endpoint, UnixAddress};
use crate::offload::{Codec, Done, Job};
use crate::outbox::Outbox;
use crate::stage::{Stage, Staged};
use crate::{Error, Listener, Recording, Time, Token};
use entry::{Answer, Call, End, Went};
use sink::Sink;

pub(crate) use header::{Header, open};
pub(crate) use outcome::Shared;
pub(crate) use replayer::Replayer;

pub(crate) struct Recorder {
    inner: Driver,
    sink: Sink,
    outboxes: Outboxes,
    /// How the values of the jobs under way are written.
    codecs: BTreeMap<u64, Codec>,
    /// A wait has returned, and the clock was not read since.
    tick_begins: bool,
}

impl Recorder {
    pub(crate) fn new(
        inner: Driver,
        recording: &Recording,
        header: &Header,
    ) -> io::Result<Recorder> {
        Ok(Recorder {
            inner,
            sink: Sink::create(recording, header)?,
            outboxes: Outboxes::default(),
            codecs: BTreeMap::new(),
            tick_begins: false,
        })
    }

    pub(crate) fn choice(&self) -> Choice {
        self.inner.choice()
    }

    fn is_over(&self) -> bool {
        self.sink.is_over()
    }

    /// The recording ends with what was noted until now.
    #[cold]
    fn end(&mut self, why: &End) {
        self.sink.end(why);
        self.codecs.clear();
    }

    fn note(&mut self, call: &Call, answer: &Answer) {
        if !self.is_over() {
            entry::put_call(self.sink.entries(), call, answer);
        }
    }

    pub(crate) fn unrecordable(&mut self, what: &str) {
        if !self.is_over() {
            self.end(&End::Unrecordable(what.to_owned()));
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.inner.now()
    }

    pub(crate) fn read_clock(&mut self) -> Time {
        let now = self.inner.read_clock();
        if !self.is_over() {
            match std::mem::take(&mut self.tick_begins) {
                true => entry::put_tick(self.sink.entries(), now),
                false => entry::put_clock(self.sink.entries(), now),
            }
        }
        now
    }

    pub(crate) fn wall_time(&mut self) -> SystemTime {
        let time = self.inner.wall_time();
        if !self.is_over() {
            entry::put_wall_time(self.sink.entries(), time);
        }
        time
    }

    pub(crate) fn heed_stop(&mut self, asked: u8, heeded: u8) -> u8 {
        let level = self.inner.heed_stop(asked, heeded);
        if level != heeded && !self.is_over() {
            entry::put_stop(self.sink.entries(), level);
        }
        level
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.wait(timeout)?;
        self.tick_begins = true;
        Ok(())
    }

    #[inline]
    pub(crate) fn next_received(&mut self) -> Option<(Token, &[u8])> {
        self.sink.cut();
        let (token, bytes) = self.inner.next_received_live()?;
        if !self.sink.is_over() {
            self.sink.put_received(token, bytes);
        }
        Some((token, bytes))
    }

    pub(crate) fn next(&mut self) -> Option<Completion<'_>> {
        self.sink.cut();
        let Some(mut completion) = self.inner.next() else {
            if !self.sink.is_over() {
                entry::put_nothing_more(self.sink.entries());
            }
            return None;
        };
        if self.sink.is_over() {
            return Some(completion);
        }
        let Completion { token, event } = &mut completion;
        let unrecordable = match event {
            Event::Accepted(stream) => {
                stream.get_to_know();
                None
            }
            Event::Done(done) => note_done(self.sink.entries(), &mut self.codecs, *token, done),
            Event::Unsent(rest) => {
                self.outboxes.put_back(*token, rest.len());
                None
            }
            #[cfg(unix)]
            Event::ReceivedWith(..) => Some("descriptors that came with bytes"),
            #[cfg(unix)]
            Event::Ready(_) => Some("the readiness of a watched descriptor"),
            _ => None,
        };
        match unrecordable {
            None => entry::put_event(self.sink.entries(), *token, event),
            Some(what) => {
                self.sink.end(&End::Unrecordable(what.to_owned()));
            }
        }
        Some(completion)
    }

    pub(crate) fn has_backlog(&self) -> bool {
        self.inner.has_backlog()
    }

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> io::Result<Listener> {
        let listener = self.inner.bind(endpoint);
        if !self.is_over() {
            let answer = match &listener {
                Ok(listener) => addresses_of(listener),
                Err(error) => Answer::of(&Err(crate::net::copy_of(error))),
            };
            self.note(&Call::Bind(endpoint.to_string()), &answer);
        }
        listener
    }

    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        let kind = resource.kind();
        // The program's own descriptor is asked in there, and may panic: as it did, so it will.
        let outcome = guard(|| self.inner.register(token, resource));
        let answer = match &outcome {
            Ok(result) => Answer::of(result),
            Err(message) => Answer::Panicked(message.clone()),
        };
        self.note(&Call::Register(token, kind), &answer);
        outcome.unwrap_or_else(|message| resume_unwind(Box::new(message)))
    }

    pub(crate) fn listen(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        let result = self.inner.listen(token, addresses);
        let call = Call::Listen(token, addresses.to_vec());
        self.note(&call, &Answer::of(&result));
        result
    }

    pub(crate) fn connect(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        let result = self.inner.connect(token, address, options);
        self.note(&Call::Connect(token, address), &Answer::of(&result));
        result
    }

    pub(crate) fn connect_unix(
        &mut self,
        token: Token,
        address: &UnixAddress,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        let result = self.inner.connect_unix(token, address, options);
        let call = Call::ConnectUnix(token, address.clone());
        self.note(&call, &Answer::of(&result));
        result
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        let call = Call::Resolve(token, host.clone());
        let result = self.inner.resolve(token, host);
        self.note(&call, &Answer::of(&result));
        result
    }

    pub(crate) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        let (id, codec, call) = (job.id.0, job.codec, Call::of_job(token, &job));
        let result = self.inner.offload(token, job);
        if let (Some(codec), Ok(()), false) = (codec, &result, self.is_over()) {
            self.codecs.insert(id, codec);
        }
        self.note(&call, &Answer::of(&result));
        result
    }

    #[inline]
    pub(crate) fn send(&mut self, token: Token, outbox: &mut Outbox) -> io::Result<()> {
        if self.is_over() {
            return self.inner.send(token, outbox);
        }
        let before = outbox.len();
        let old = self.outboxes.known(token, outbox);
        let new = outbox.pieces(old);
        entry::put_send(self.sink.entries(), token, before - old, new);
        let result = self.inner.send(token, outbox);
        let went = Went::of(before - outbox.len(), before);
        entry::put_sent(self.sink.entries(), went, result.as_ref().err());
        self.outboxes.flushed(token, outbox.len());
        self.sink.cut();
        result
    }

    /// What is staged stands in front of an outbox that is empty.
    #[inline]
    pub(crate) fn send_staged(
        &mut self,
        token: Token,
        stage: &Stage,
        staged: Staged,
    ) -> io::Result<usize> {
        let result = self.inner.send_staged_live(token, stage, staged);
        let bytes = stage.bytes(staged);
        if self.is_over() {
            return result;
        }
        if matches!(result, Ok(went) if went == bytes.len()) {
            self.sink.put_sent(token, bytes);
        } else {
            let went = *result.as_ref().unwrap_or(&0);
            self.outboxes.flushed(token, bytes.len() - went);
            entry::put_send(self.sink.entries(), token, bytes.len(), [bytes].into_iter());
            entry::put_sent(self.sink.entries(), Went::Some(went), result.as_ref().err());
        }
        self.sink.cut();
        result
    }

    pub(crate) fn keep_stage(&mut self, stage: &mut Stage) {
        self.inner.keep_stage(stage);
    }

    #[inline]
    pub(crate) fn forward(&mut self, token: Token, lent: Range<usize>) -> io::Result<usize> {
        let result = self.inner.forward(token, lent.clone());
        let call = Call::Forward(token, lent);
        self.note(&call, &Answer::of_count(&result));
        result
    }

    pub(crate) fn is_flushed(&mut self, token: Token) -> bool {
        let is_flushed = self.inner.is_flushed(token);
        if !is_flushed && !self.is_over() {
            entry::put_unflushed(self.sink.entries(), token);
        }
        is_flushed
    }

    pub(crate) fn finish_closing(&mut self) -> io::Result<()> {
        self.inner.finish_closing()
    }

    /// The tick is over, and a sleep may follow.
    pub(crate) fn end_turn(&mut self) {
        self.sink.commit();
    }

    pub(crate) fn rest(&mut self) -> io::Result<()> {
        self.inner.rest()
    }

    pub(crate) fn lent(&self, range: Range<usize>) -> &[u8] {
        self.inner.lent(range)
    }

    pub(crate) fn set_reading(&mut self, token: Token, reading: bool) {
        self.inner.set_reading(token, reading);
        self.note(&Call::SetReading(token, reading), &Answer::Nothing);
    }

    /// A reactor that drains has ended its recording.
    pub(crate) fn stop_accepting(&mut self, token: Token) {
        self.inner.stop_accepting(token);
    }

    pub(crate) fn has_stopped_accepting(&mut self, token: Token) -> bool {
        self.inner.has_stopped_accepting(token)
    }

    pub(crate) fn set_room(&mut self, token: Token, room: usize) {
        self.inner.set_room(token, room);
        self.note(&Call::SetRoom(token, room), &Answer::Nothing);
    }

    pub(crate) fn shutdown(&mut self, token: Token, how: Shutdown) {
        self.inner.shutdown(token, how);
        self.note(&Call::Shutdown(token, how), &Answer::Nothing);
    }

    pub(crate) fn close(&mut self, token: Token) {
        self.note(&Call::Close(token), &Answer::Nothing);
        self.outboxes.flushed(token, 0);
        self.inner.close(token);
    }

    pub(crate) fn begin_drop(&mut self) {
        self.note(&Call::Drop, &Answer::Nothing);
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.inner.waker()
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.inner.descriptor()
    }
}

/// Elsewhere, nothing of this is asked of a driver.
impl Driver {
    /// Whether somebody has to be told of what no recording can hold.
    pub(crate) fn is_recorded(&self) -> bool {
        matches!(self, Driver::Recorder(_) | Driver::Replayer(_))
    }

    /// Something of the program's own has come that no recording can hold.
    pub(crate) fn unrecordable(&mut self, what: &str) {
        match self {
            Driver::Recorder(recorder) => recorder.unrecordable(what),
            Driver::Replayer(replayer) => replayer.unrecordable(what),
            _ => {}
        }
    }

    /// Whether a replay has nothing more to bring until the program asks for something; `None`
    /// where there is no replay.
    pub(crate) fn is_replayed(&self) -> Option<bool> {
        match self {
            Driver::Replayer(replayer) => Some(replayer.is_over()),
            _ => None,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end(&End::Complete);
    }
}

/// Writes what a job has returned, or says what cannot be written.
#[cold]
fn note_done(
    entries: &mut Vec<u8>,
    codecs: &mut BTreeMap<u64, Codec>,
    token: Token,
    done: &Done,
) -> Option<&'static str> {
    let job = done.job.0;
    let codec = codecs.remove(&job);
    match (&done.value, codec) {
        (Err(Error::Panicked(message)), _) => entry::put_done(entries, token, job, Err(message)),
        (Ok(value), Some(codec)) => {
            let mut bytes = Vec::new();
            (codec.encode)(&**value, &mut bytes);
            entry::put_done(entries, token, job, Ok(&bytes));
        }
        _ => return Some("the value of a job not given to `offload_replayable` or its like"),
    }
    None
}

/// Where a listener listens: what a replay answers when it is asked.
fn addresses_of(listener: &Listener) -> Answer {
    match listener.locals() {
        Ok(addresses) => Answer::Addresses(addresses),
        Err(_) => Answer::Addresses(Vec::new()),
    }
}

/// How much of each outbox has been in an entry: the recorder and the replayer must agree on it.
#[derive(Default)]
struct Outboxes {
    /// By slot: the generation, and how many bytes are left of what was there at the last flush.
    left: Vec<(u32, usize)>,
}

impl Outboxes {
    /// How many bytes at the front of `outbox` are known from an earlier flush.
    #[inline]
    fn known(&mut self, token: Token, outbox: &mut Outbox) -> usize {
        let dropped = outbox.take_dropped();
        match self.left.get(token.slot as usize) {
            // What a policy has dropped since was the oldest. If it dropped new bytes too, part of
            // a message that was begun counts as new once more, in the replay as well.
            Some((generation, left)) if *generation == token.generation => {
                left.saturating_sub(dropped).min(outbox.len())
            }
            _ => 0,
        }
    }

    /// What went out earlier waits again, in front.
    #[cold]
    fn put_back(&mut self, token: Token, bytes: usize) {
        let slot = token.slot as usize;
        let left = match self.left.get(slot) {
            Some((generation, left)) if *generation == token.generation => *left,
            _ => 0,
        };
        self.flushed(token, left + bytes);
    }

    #[inline]
    fn flushed(&mut self, token: Token, left: usize) {
        let slot = token.slot as usize;
        if slot >= self.left.len() {
            self.left.resize(slot + 1, (0, 0));
        }
        self.left[slot] = (token.generation, left);
    }
}

#[cfg(test)]
mod tests;
