//! All that a handler can ask of its own source. Bare names (`now`, `data`, `options`) look;
//! `send`, `close`, `pause_reading` and their like take effect by the end of this tick.
//! It must never call a handler: what is asked for here is noted, and done after the call.

use std::fmt;
use std::net::Shutdown;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bytes::Bytes;

use crate::core::{Core, Request};
use crate::handler::Handler;
use crate::lanes::Lane;
use crate::names::Asked;
use crate::offload::{Codec, Job, JobId};
use crate::sources::Phase;
use crate::{
    Error, LoopContext, Payload, Replayable, Result, SourceOptions, TimerId, ToEndpoint, Token,
};

/// What a handler's method gets: the bytes, the token and the wishes of its own source, and (by
/// `Deref`) all that [`LoopContext`] offers.
pub struct Context<'a, S: 'static> {
    inner: LoopContext<'a, S>,
    token: Token,
    data: &'a [u8],
    /// How many bytes of `data` are consumed.
    pub(crate) taken: usize,
    pub(crate) again: bool,
}

impl<'a, S: 'static> Context<'a, S> {
    #[inline]
    pub(crate) fn new(
        core: &'a mut Core<S>,
        token: Token,
        data: &'a [u8],
        lent: &'a [u8],
    ) -> Context<'a, S> {
        let inner = LoopContext { core, lent };
        Context {
            inner,
            token,
            data,
            taken: 0,
            again: false,
        }
    }

    /// What the driver has lent. From now on this is copied like any other bytes when it is sent.
    #[cfg(feature = "tls")]
    pub(crate) fn take_lent(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.inner.lent)
    }

    /// The token of this source.
    #[inline]
    pub fn token(&self) -> Token {
        self.token
    }

    /// All unread bytes, without consuming them. They are lent for the length of the call: no
    /// copy, no allocation. Any method of this source may look, a timer's for example; only in
    /// `handle_error` and `handle_close` there is nothing to see.
    #[inline]
    pub fn data(&self) -> &'a [u8] {
        &self.data[self.taken..]
    }

    /// Marks the first `n` unread bytes as read. The rest is kept, and offered together with the
    /// next bytes that arrive (or before, see [`again`](Self::again)).
    ///
    /// # Panics
    /// If there are fewer than `n`.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        assert!(
            n <= self.data().len(),
            "consume({n}) of {} bytes",
            self.data().len()
        );
        self.taken += n;
    }

    /// Takes up to `max` bytes, as a socket's `recv` does: what it leaves is as good as still
    /// in the socket, so `handle_read` is called again for it without waiting for more.
    #[inline]
    pub fn recv(&mut self, max: usize) -> &'a [u8] {
        let data = self.data();
        let n = data.len().min(max);
        self.taken += n;
        self.again |= n < data.len();
        &data[..n]
    }

    /// Has `handle_read` called again for what is left unread, without waiting for more bytes:
    /// at once if this call has consumed something, in the next tick otherwise.
    pub fn again(&mut self) {
        self.again = true;
    }

    /// Appends to this source's outbox; see [`send_to`](LoopContext::send_to).
    ///
    /// # Errors
    /// As [`send_to`](LoopContext::send_to).
    #[inline]
    pub fn send<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result {
        self.inner.send(self.token, payload)
    }

    /// Appends to this source's outbox without a copy: the memory is shared until it is sent.
    ///
    /// # Errors
    /// As [`send_to`](LoopContext::send_to).
    pub fn send_bytes(&mut self, bytes: Bytes) -> Result {
        self.inner.send_to(self.token, bytes)
    }

    /// Bytes that wait in this source's outbox.
    pub fn outbox_len(&self) -> usize {
        self.inner.source_outbox_len(self.token)
    }

    /// The bounds of this source.
    pub fn options(&self) -> SourceOptions {
        self.inner.source_options(self.token).unwrap_or_default()
    }

    /// Sets the bounds of this source; see
    /// [`set_source_options`](LoopContext::set_source_options).
    ///
    /// # Errors
    /// As [`set_source_options`](LoopContext::set_source_options).
    pub fn set_options(&mut self, options: SourceOptions) -> Result {
        self.inner.set_source_options(self.token, options)
    }

    /// Closes this source once its outbox is empty; see [`close_source`](LoopContext::close_source).
    pub fn close(&mut self) {
        self.inner.close_source(self.token);
    }

    /// Closes this source at the end of this tick, whatever is in its outbox.
    pub fn abort(&mut self) {
        self.inner.abort_source(self.token);
    }

    /// Shuts down one side; see [`shutdown_source`](LoopContext::shutdown_source).
    ///
    /// # Errors
    /// As [`shutdown_source`](LoopContext::shutdown_source).
    pub fn shutdown(&mut self, how: Shutdown) -> Result {
        self.inner.shutdown_source(self.token, how)
    }

    /// Stops reading; see [`pause_source`](LoopContext::pause_source).
    pub fn pause_reading(&mut self) {
        self.inner.pause_source(self.token);
    }

    /// Reads on; see [`resume_source`](LoopContext::resume_source).
    pub fn resume_reading(&mut self) {
        self.inner.resume_source(self.token);
        self.again |= !self.data().is_empty(); // the inbox is lent to this call, so it was not seen
    }

    /// Gives this source to another handler when this call returns. What is unread stays, and is
    /// offered to the new one: so one port can find out first what a client speaks.
    pub fn replace_handler(&mut self, handler: impl Handler<S>) {
        let replacement = (self.token, Box::new(handler) as _);
        self.core.handed_over.push(replacement);
    }

    /// Calls `handle_timer` of this source once, after `delay` rounded up to milliseconds, counted
    /// from the beginning of this tick. The timer ends with the source.
    ///
    /// # Errors
    /// [`Error::TooManyTimers`]; [`Error::Stale`] in `handle_close`.
    pub fn set_timer(&mut self, delay: Duration) -> Result<TimerId> {
        self.inner.set_source_timer(self.token, delay)
    }

    /// Calls `handle_timer` of this source every `period` (at least a millisecond), under one
    /// id. A call that comes late delays the following ones. The timer ends with the source.
    ///
    /// # Errors
    /// As [`set_timer`](Self::set_timer).
    pub fn set_interval(&mut self, period: Duration) -> Result<TimerId> {
        let period = period.max(Duration::from_millis(1));
        self.inner
            .start_handler_timer(self.token, period, Some(period))
    }

    /// Runs `job` in another thread, and calls `handle_done` of this source with what it
    /// returns. If the source ends before, the value is dropped. A [recording](crate::Recording)
    /// cannot hold a value of any type, and ends at one: see
    /// [`offload_replayable`](Self::offload_replayable). Jobs run in any order, several at once;
    /// on a [serial lane](LoopContext::open_lane) they do not.
    ///
    /// # Errors
    /// [`Error::TooManyJobs`]; [`Error::Stale`] in `handle_close`. The job is dropped then.
    pub fn offload<T, F>(&mut self, job: F) -> Result<JobId>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.start_job(None, job, None)
    }

    /// As [`offload`](Self::offload), for a value that a [recording](crate::Recording) can hold:
    /// a replay has it from there, and does not run the job.
    ///
    /// # Errors
    /// As [`offload`](Self::offload).
    pub fn offload_replayable<T, F>(&mut self, job: F) -> Result<JobId>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Replayable + Send + 'static,
    {
        self.start_job(None, job, Some(Codec::of::<T>()))
    }

    /// Looks a name up, off the loop. [`handle_done`](crate::Handler::handle_done) is told its
    /// addresses as a `Vec<SocketAddr>`, in the order in which the system would try them, or the
    /// error; never within this call. If the source ends before, they are dropped, and a look-up
    /// that nobody else waits for and that has not begun never begins.
    ///
    /// `connect` and `listen` look names up by themselves, in the same way: by the system's own
    /// resolver (`getaddrinfo`, so `/etc/hosts`, search domains and whatever else the machine is
    /// configured for hold), at most two names at once, equal ones once. An answer is given to
    /// whoever else asks within [`keep_names`](crate::Builder::keep_names). A recording holds the
    /// answers.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::time::Duration;
    /// use switchboard::{Context, Done, Handler, Reactor, Result, TimerId};
    ///
    /// type Found = Vec<SocketAddr>;
    ///
    /// struct Asks;
    ///
    /// impl Handler<Found> for Asks {
    ///     fn handle_timer(
    ///         &mut self,
    ///         _: &mut Found,
    ///         cx: &mut Context<'_, Found>,
    ///         _: TimerId,
    ///     ) -> Result {
    ///         cx.resolve("localhost:80").map(drop)
    ///     }
    ///
    ///     fn handle_done(
    ///         &mut self,
    ///         found: &mut Found,
    ///         cx: &mut Context<'_, Found>,
    ///         done: Done,
    ///     ) -> Result {
    ///         *found = done.take()?;
    ///         cx.close();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new(Found::new())?;
    /// let asks = reactor.listen("localhost:0", Asks)?;
    /// reactor.with(|_, cx| cx.set_source_timer(asks, Duration::ZERO))?;
    /// reactor.run()?;
    /// assert!(reactor.state().contains(&([127, 0, 0, 1], 80).into()));
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// The address is malformed; [`Error::TooManyJobs`] if as many look-ups are under way or waiting
    /// as [`max_jobs`](crate::Builder::max_jobs) allows; [`Error::Stale`] if the source is closing.
    pub fn resolve(&mut self, endpoint: impl ToEndpoint) -> Result<JobId> {
        let token = self.token;
        if !self.is_open(token) {
            return Err(Error::Stale(token));
        }
        let endpoint = endpoint.to_endpoint()?;
        self.core.next_job += 1;
        let job = JobId(self.core.next_job);
        if let Some(known) = self.core.look_up(token, endpoint, Asked::Job(job))? {
            self.core.answer_later(token, job, known)?;
        }
        Ok(job)
    }

    pub(crate) fn start_job<T, F>(
        &mut self,
        lane: Option<Lane>,
        job: F,
        codec: Option<Codec>,
    ) -> Result<JobId>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let token = self.token;
        if !self.is_open(token) {
            return Err(Error::Stale(token));
        }
        let (id, lane) = self.core.begin_job(lane)?;
        let job = Job {
            id,
            lane,
            codec,
            run: Box::new(move || Box::new(job()) as crate::offload::Value),
        };
        self.core.requests.push(Request::Offload(token, job));
        Ok(id)
    }

    /// The same, for a layer between the reactor and a handler, which has to hand back what was
    /// taken and whether to be called again.
    pub(crate) fn reborrow(&mut self) -> Context<'_, S> {
        Context {
            inner: LoopContext {
                core: self.inner.core,
                lent: self.inner.lent,
            },
            ..*self
        }
    }

    /// Whether events still go to the handler that is being called.
    pub(crate) fn is_served(&self) -> bool {
        self.is_open(self.token) && !self.core.is_replaced(self.token)
    }

    /// Whether what is unread has to wait: for the end of a pause, or until a peer that does not
    /// read has taken what it was sent. It is offered again then.
    pub(crate) fn has_to_wait(&self) -> bool {
        self.core.sources.get(self.token).is_some_and(|source| {
            let is_full = source.wants_write || source.refused;
            !source.reads() || is_full && source.has_backpressure()
        })
    }

    /// Whether `handle_read` may be called once more for the same bytes.
    pub(crate) fn may_read(&self) -> bool {
        !self.data().is_empty()
            && !self.core.is_replaced(self.token)
            && self
                .core
                .sources
                .get(self.token)
                .is_some_and(|source| source.phase == Phase::Open && source.reads())
    }
}

impl<'a, S: 'static> Deref for Context<'a, S> {
    type Target = LoopContext<'a, S>;

    fn deref(&self) -> &LoopContext<'a, S> {
        &self.inner
    }
}

impl<'a, S: 'static> DerefMut for Context<'a, S> {
    fn deref_mut(&mut self) -> &mut LoopContext<'a, S> {
        &mut self.inner
    }
}

impl<S: 'static> fmt::Debug for Context<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("token", &self.token)
            .field("unread", &self.data().len())
            .finish_non_exhaustive()
    }
}
