//! Replaying: a driver that answers and brings what a recording holds, and compares what it is
//! asked for. It must never touch a socket, start a thread, or go on behind a divergence.

mod beginning;
mod datagrams;
mod secured;

use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::ops::Range;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use super::Outboxes;
use super::entry::{Answer, Call, End, Entry};
use super::header::Opened;
use super::outcome::{Outcome, Shared};
use super::pace::Pace;
use super::reader::{Reader, Stop};
use super::text::{Text, side_by_side};
use crate::driver::waker::Bell;
use crate::driver::{Completion, Datagram, Event, Waker};
use crate::offload::{Codec, Done, JobId};
use crate::outbox::Outbox;
use crate::replay::{Divergence, ReplayEnd};
use crate::{Address, Error, Result, Time, Token};

pub(super) use datagrams::text_of;

pub(crate) struct Replayer {
    path: PathBuf,
    reader: Reader,
    shared: Arc<Shared>,
    /// Nothing is read or compared any more.
    is_over: bool,
    /// For the next turn to return.
    failure: Option<Error>,
    now: Time,
    tick: u64,
    tick_begins: bool,
    /// What was brought last: whose, and what a trace calls it.
    brought: Option<(Token, &'static str)>,
    /// The bytes of it.
    lent: Vec<u8>,
    /// Where from, if it is a datagram.
    from: Option<Address>,
    outboxes: Outboxes,
    codecs: BTreeMap<u64, Codec>,
    /// Held until their source ends, as a driver would: what their drop does is the program's.
    #[cfg(unix)]
    watched: BTreeMap<Token, Box<dyn AsFd>>,
    pace: Option<Pace>,
    poll: mio::Poll,
    waker: Arc<Waker>,
}

impl Replayer {
    pub(crate) fn new(
        path: PathBuf,
        opened: Opened,
        shared: Arc<Shared>,
        speed: Option<f64>,
    ) -> io::Result<Replayer> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), mio::Token(0))?;
        Ok(Replayer {
            path,
            reader: Reader::new(opened),
            shared,
            is_over: false,
            failure: None,
            now: Time::ZERO,
            tick: 0,
            tick_begins: false,
            brought: None,
            lent: Vec::new(),
            from: None,
            outboxes: Outboxes::default(),
            codecs: BTreeMap::new(),
            #[cfg(unix)]
            watched: BTreeMap::new(),
            pace: speed.map(Pace::new),
            poll,
            waker: Arc::new(Waker::new(Bell::Mio(waker))),
        })
    }

    /// Whether the loop has nothing to do until the program asks for something.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over || !matches!(self.reader.peek(), Ok((Entry::Tick(_), _)))
    }

    /// The end of a turn: what it has to return, once. In the recording it must be the end too.
    pub(crate) fn end_turn(&mut self) -> Result {
        let is_outside = match self.reader.peek() {
            Ok((entry, _)) => entry.is_outside(),
            Err(_) => true,
        };
        if !self.is_over && !is_outside {
            self.brought = None;
            self.differ((None, Text::plain("nothing more in this tick")));
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    fn finish(&mut self, outcome: Outcome) {
        self.is_over = true;
        let slot = self.shared.outcome.lock();
        *slot.unwrap_or_else(PoisonError::into_inner) = Some(outcome.clone());
        self.failure = outcome.into_result().err();
    }

    /// There is no further entry.
    fn stop(&mut self, stop: Stop) {
        self.finish(match stop {
            Stop::Cut(bytes) => Outcome::Same(ReplayEnd::Cut { bytes }),
            Stop::Corrupt(what) => Outcome::Unusable(format!("{} {what}", self.path.display())),
        });
    }

    /// The next entry is not what happens now; it may be that the recording ends here.
    #[cold]
    fn differ(&mut self, (source_now, now): (Option<Token>, Text)) {
        let (source, then) = match self.reader.peek() {
            Err(stop) => return self.stop(stop),
            Ok((Entry::End(End::AtBound), _)) => {
                return self.finish(Outcome::Same(ReplayEnd::AtBound));
            }
            Ok((Entry::End(End::TooSlow), _)) => {
                return self.finish(Outcome::Same(ReplayEnd::TooSlow));
            }
            Ok((Entry::End(End::Unrecordable(what)), _)) => {
                return self.finish(Outcome::Same(ReplayEnd::Unrecordable(what)));
            }
            Ok((entry, _)) => entry.describe(),
        };
        self.diverge(source_now.or(source), &then, &now);
    }

    /// Something else happens than in the recording.
    fn diverge(&mut self, source: Option<Token>, then: &Text, now: &Text) {
        let mut sides = side_by_side(then, now);
        if let Some((token, name)) = self.brought {
            let (_, text) = match name {
                RECEIVED | DATAGRAM => Entry::Received(token, &self.lent).describe(),
                name => (None, Text::plain(format!("({name})"))),
            };
            sides.push_str(&format!("\n  after: {} of {token}", text.show()));
        }
        self.finish(Outcome::Diverged(Divergence {
            tick: self.tick,
            time: self.now,
            source,
            sides,
        }));
    }

    /// What the driver answered then, if it was asked the same; `None` when the replay is over.
    pub(super) fn expect(&mut self, call: &Call) -> Option<Answer> {
        if self.is_over {
            return None;
        }
        if let Ok((Entry::Call(then, answer), len)) = self.reader.peek()
            && then == *call
        {
            self.reader.skip(len);
            return Some(answer);
        }
        self.differ(call.describe());
        None
    }

    /// On a replay that has ended, nothing moves any more.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn read_clock(&mut self) -> Time {
        if self.is_over {
            return self.now;
        }
        let begins = std::mem::take(&mut self.tick_begins);
        match self.reader.peek() {
            Ok((Entry::Tick(now), len)) if begins => {
                self.tick += 1;
                self.set_now(now, len);
            }
            Ok((Entry::Clock(now), len)) if !begins => self.set_now(now, len),
            _ => {
                self.brought = None;
                self.differ((None, Text::plain("use the reactor outside of a tick")));
            }
        }
        self.now
    }

    fn set_now(&mut self, now: Time, len: usize) {
        self.reader.skip(len);
        self.now = now;
        self.brought = None;
        self.shared.ticks.store(self.tick, Ordering::Relaxed);
        self.shared.time.store(now.as_nanos(), Ordering::Relaxed);
        let bytes = self.reader.progress().0;
        self.shared.bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn wall_time(&mut self) -> SystemTime {
        if let Ok((Entry::WallTime(time), len)) = self.reader.peek()
            && !self.is_over
        {
            self.reader.skip(len);
            return time;
        }
        self.differ((None, Text::plain("set up a reactor")));
        SystemTime::UNIX_EPOCH
    }

    pub(crate) fn heed_stop(&mut self, asked: u8, heeded: u8) -> u8 {
        if self.is_over {
            return heeded;
        }
        if let Ok((Entry::Stop(level), len)) = self.reader.peek() {
            self.reader.skip(len);
            return level;
        }
        if asked > heeded {
            self.differ((None, Text::plain("shut the reactor down")));
        }
        heeded
    }

    pub(crate) fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
        if self.is_over {
            return Ok(());
        }
        match self.reader.peek() {
            Ok((Entry::Tick(now), _)) => {
                self.tick_begins = true;
                self.keep_pace(now)
            }
            _ => {
                self.brought = None;
                self.differ((None, Text::plain("begin another tick")));
                Ok(())
            }
        }
    }

    /// Sleeps until a tick of the recording is due.
    fn keep_pace(&mut self, tick: Time) -> io::Result<()> {
        let Some(pace) = &mut self.pace else {
            return Ok(());
        };
        let mut events = mio::Events::with_capacity(1);
        loop {
            let left = pace.left(tick);
            if left.is_zero() {
                return Ok(());
            }
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => self.waker.acknowledge(),
            }
        }
    }

    /// The next tick of a recording never has to be waited for.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.is_over()
    }

    pub(crate) fn next(&mut self) -> Option<Completion<'_>> {
        if self.is_over {
            return None;
        }
        let (token, event) = match self.reader.peek() {
            Ok((Entry::NothingMore, len)) => {
                self.reader.skip(len);
                self.brought = None;
                return None;
            }
            Ok((Entry::Received(token, bytes), len)) => {
                self.lent.clear();
                self.lent.extend_from_slice(bytes);
                self.reader.skip(len);
                self.brought = Some((token, RECEIVED));
                let event = Event::Received(&self.lent);
                return Some(Completion { token, event });
            }
            Ok((
                Entry::Datagram {
                    token,
                    is_truncated,
                    from,
                    bytes,
                },
                len,
            )) => {
                self.lent.clear();
                self.lent.extend_from_slice(bytes);
                let from = self.from.insert(from);
                self.reader.skip(len);
                self.brought = Some((token, DATAGRAM));
                let event = Event::Datagram(Datagram {
                    bytes: &self.lent,
                    from,
                    is_truncated,
                });
                return Some(Completion { token, event });
            }
            Ok((Entry::Happened(token, event), len)) => {
                self.reader.skip(len);
                if let Event::Unsent(rest) = &event {
                    self.outboxes.put_back(token, rest.len());
                }
                (token, event)
            }
            Ok((Entry::Done { token, job, value }, len)) => {
                let value = match (value, self.codecs.remove(&job)) {
                    (Err(message), _) => Some(Err(Error::Panicked(message))),
                    (Ok(bytes), Some(codec)) => (codec.decode)(bytes).map(Ok),
                    (Ok(_), None) => None,
                };
                let Some(value) = value else {
                    let now = format!("job {job} returns something of another type");
                    self.differ((Some(token), Text::plain(now)));
                    return None;
                };
                self.reader.skip(len);
                let job = JobId(job);
                (token, Event::Done(Box::new(Done { job, value })))
            }
            _ => {
                self.differ((None, Text::plain("nothing more before the next event")));
                return None;
            }
        };
        self.brought = Some((token, event.name()));
        Some(Completion { token, event })
    }

    pub(crate) fn send(&mut self, token: Token, outbox: &mut Outbox) -> io::Result<()> {
        let known = self.outboxes.known(token, outbox);
        let (went, result) = self.sent(token, outbox.len(), outbox.pieces(known));
        outbox.advance(went);
        result
    }

    pub(crate) fn send_bytes(&mut self, token: Token, bytes: &[u8]) -> io::Result<usize> {
        let (went, result) = self.sent(token, bytes.len(), [bytes].into_iter());
        result.map(|()| went)
    }

    /// How much of `len` bytes went out then, of which `new` are new since the last flush.
    fn sent<'a>(
        &mut self,
        token: Token,
        len: usize,
        new: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> (usize, io::Result<()>) {
        if self.is_over {
            return (len, Ok(())); // nobody is there to wait for
        }
        if let Ok((Entry::Send(send), size)) = self.reader.peek()
            && send.token == token
            && is_same(send.new, new.clone())
            && let Some(went) = send.went.out_of(len)
        {
            let failed = send.failed;
            self.reader.skip(size);
            self.outboxes.flushed(token, len - went);
            return (went, failed.map_or(Ok(()), Err));
        }
        let new: Vec<u8> = new.flatten().copied().collect();
        self.differ((Some(token), Text::bytes("send", &new)));
        (len, Ok(()))
    }

    pub(crate) fn forward(&mut self, token: Token, lent: Range<usize>) -> io::Result<usize> {
        match self.expect(&Call::Forward(token, lent)) {
            Some(Answer::Count(n)) => Ok(n),
            Some(Answer::Failed(error)) => Err(error),
            _ => Ok(0),
        }
    }

    pub(crate) fn is_flushed(&mut self, token: Token) -> bool {
        match self.reader.peek() {
            Ok((Entry::Unflushed(then), len)) if then == token && !self.is_over => {
                self.reader.skip(len);
                false
            }
            _ => true,
        }
    }

    pub(crate) fn lent(&self, range: Range<usize>) -> &[u8] {
        &self.lent[range]
    }

    pub(crate) fn set_reading(&mut self, token: Token, reading: bool) {
        self.expect(&Call::SetReading(token, reading));
    }

    pub(crate) fn set_room(&mut self, token: Token, room: usize) {
        self.expect(&Call::SetRoom(token, room));
    }

    pub(crate) fn shutdown(&mut self, token: Token, how: Shutdown) {
        self.expect(&Call::Shutdown(token, how));
    }

    pub(crate) fn close(&mut self, token: Token) {
        self.expect(&Call::Close(token));
        self.outboxes.flushed(token, 0);
        #[cfg(unix)]
        self.watched.remove(&token);
    }

    /// Something happens that no recording goes beyond.
    pub(crate) fn unrecordable(&mut self, what: &str) {
        if !self.is_over {
            self.differ((None, Text::plain(what)));
        }
    }

    pub(crate) fn begin_drop(&mut self) {
        self.brought = None;
        self.expect(&Call::Drop);
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}

impl Drop for Replayer {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        match self.reader.peek() {
            Ok((Entry::End(End::Complete), _)) => {
                self.finish(Outcome::Same(ReplayEnd::Complete));
            }
            _ => self.differ((None, Text::plain("nothing more: the reactor is gone"))),
        }
    }
}

const RECEIVED: &str = "received";
const DATAGRAM: &str = "datagram";

/// Whether `pieces`, one after the other, are `whole`.
fn is_same<'a>(mut whole: &[u8], pieces: impl Iterator<Item = &'a [u8]>) -> bool {
    for piece in pieces {
        match whole.strip_prefix(piece) {
            Some(rest) => whole = rest,
            None => return false,
        }
    }
    whole.is_empty()
}
