//! One ring: how it is set up, what is submitted to it, and what has come back.
//! It must never be freed, nor its buffers, while the kernel has an operation of it under way.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use io_uring::squeue::Flags;
use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::event::EventfdFlags;
use rustix::io::Errno;

use super::buffers::Buffers;
use super::sends::{Sends, TOLD};
use super::{Setup, Told};

/// `io_uring_enter(2)`: complete what has been deferred, and wait if so many are wanted.
const GETEVENTS: u32 = 1;
/// `io_uring_enter(2)`: the last argument carries a timeout.
const EXT_ARG: u32 = 1 << 3;

/// `IORING_CQE_F_BUFFER`, `IORING_CQE_F_MORE` and `IORING_CQE_F_BUF_MORE` of `io_uring_enter(2)`.
const GOES_ON: u32 = 1 | 1 << 1 | 1 << 4;

/// The completion of something that nobody waits for.
pub(super) const IGNORED: u64 = u64::MAX;

/// How often a ring that is dropped asks the kernel for the last completions, 10 ms apart.
const LAST_TRIES: usize = 100;

pub(super) struct Ring {
    uring: IoUring,
    pub(super) buffers: Buffers,
    /// Readable when there is something to do, once somebody has asked for it.
    event: OwnedFd,
    has_event: Cell<bool>,
    /// The last look has found completions. The kernel finishes no more than some (20 in Linux
    /// 6.18) each time it is asked, and tells the eventfd of none of those that it leaves over.
    may_have_more: bool,
    enabled: bool,
    /// Submitted operations whose last completion has not come.
    under_way: usize,
    /// How many entries are taken before one is refused.
    #[cfg(test)]
    pub(super) refuses_after: Option<usize>,
}

impl Ring {
    pub(super) fn new(setup: &Setup) -> io::Result<Ring> {
        let uring = build(setup)?;
        if !uring.params().is_feature_skip_cqe_on_success() || !uring.params().is_feature_nodrop() {
            return Err(Errno::OPNOTSUPP.into());
        }
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let buffers = Buffers::new(&uring.submitter(), setup)?;
        Ok(Ring {
            uring,
            buffers,
            event,
            has_event: Cell::new(false),
            may_have_more: false,
            enabled: false,
            under_way: 0,
            #[cfg(test)]
            refuses_after: None,
        })
    }

    /// A ring for a single issuer belongs to the thread that enables it: the one of the first tick.
    pub(super) fn enable(&mut self) -> io::Result<()> {
        if !self.enabled {
            self.uring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        Ok(())
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The ring's own descriptor would not wake an epoll that watches it: with deferred completions
    /// there is nothing in the ring yet. An eventfd is told of those too, at a price for each, so
    /// the kernel learns of it only when somebody asks.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        if !self.has_event.replace(true) {
            let submitter = self.uring.submitter();
            if let Err(error) = submitter.register_eventfd(self.event.as_raw_fd()) {
                tracing::error!(%error, "the reactor's descriptor will not tell of events");
            }
            // Nobody was told of what has come already. (The call fails if the ring is not enabled,
            // and then nothing can have come.)
            // SAFETY: it submits nothing, and there is no argument that could be invalid. The queue
            // of completions is looked at by this thread alone, and by nobody else now.
            let has_more = unsafe {
                let _ = submitter.enter::<()>(0, 0, GETEVENTS, None);
                !self.uring.completion_shared().is_empty()
            };
            if has_more {
                let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes()); // never full: new
            }
        }
        self.event.as_fd()
    }

    /// Whether who polls the descriptor has to look once more, since it may not be told.
    pub(super) fn may_hide_more(&self) -> bool {
        self.may_have_more && self.has_event.get()
    }

    /// Before the wait: what comes later makes it readable anew.
    fn reset_descriptor(&self) {
        if self.has_event.get() {
            let _ = rustix::io::read(&self.event, &mut [0; 8]); // fails if it was not readable
        }
    }

    /// Queues an operation that ends with a completion of its own.
    ///
    /// # Safety
    /// What `entry` points to stays valid until that completion.
    pub(super) unsafe fn start(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: promised by the caller.
        unsafe { self.push(entry)? };
        self.under_way += 1;
        Ok(())
    }

    /// Queues all sends that are due, as `attempt` does.
    ///
    /// # Safety
    /// As for `attempt`, of all that they point to.
    pub(super) unsafe fn attempt_all(&mut self, sends: &mut Sends) -> io::Result<()> {
        loop {
            let mut queue = self.uring.submission();
            let room = queue.capacity() - queue.len();
            // Who polls the descriptor would be woken for nothing by each that is told.
            let told = if self.has_event.get() { 0 } else { TOLD };
            sends.queue(room, told, &self.buffers, |entry| {
                // SAFETY: promised by the caller. (There is room.)
                let _ = unsafe { queue.push(&entry) };
            });
            drop(queue);
            if sends.are_queued() {
                return Ok(());
            }
            self.make_room()?;
        }
    }

    /// Queues an operation that ends when it is submitted, and has a completion if it fails.
    ///
    /// # Safety
    /// What `entry` points to stays valid until [`is_submitted`](Self::is_submitted).
    pub(super) unsafe fn attempt(&mut self, entry: squeue::Entry) -> io::Result<()> {
        // SAFETY: promised by the caller.
        unsafe { self.push(&entry.flags(Flags::SKIP_SUCCESS)) }
    }

    /// Ends the operation with this number, whose own completion says whether that was in time.
    pub(super) fn cancel(&mut self, number: u64) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(number).build().user_data(IGNORED);
        // SAFETY: it points to nothing.
        unsafe { self.attempt(entry) }
    }

    /// # Safety
    /// As for the two kinds above.
    unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        #[cfg(test)]
        self.refuse()?;
        loop {
            // SAFETY: promised by the caller.
            if unsafe { self.uring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.make_room()?;
        }
    }

    /// As if the queue were full, and the kernel without memory to take something out of it.
    #[cfg(test)]
    fn refuse(&mut self) -> io::Result<()> {
        match &mut self.refuses_after {
            None => Ok(()),
            Some(0) => Err(Errno::NOMEM.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Submits what fills the queue.
    #[cold]
    fn make_room(&mut self) -> io::Result<()> {
        self.enter(0, None)?;
        if self.uring.submission().is_full() {
            return Err(Errno::BUSY.into()); // the kernel is out of memory
        }
        Ok(())
    }

    /// Whether the kernel has taken all that was queued.
    pub(super) fn is_submitted(&mut self) -> bool {
        self.uring.submission().is_empty()
    }

    /// The one system call of a tick: submits, completes, and waits for `wanted` completions.
    pub(super) fn wait(&mut self, wanted: u32, timeout: Option<Duration>) -> io::Result<()> {
        self.reset_descriptor();
        self.enter(wanted, timeout)
    }

    fn enter(&mut self, wanted: u32, timeout: Option<Duration>) -> io::Result<()> {
        let queued = self.uring.submission().len() as u32; // at most the size of the queue
        let timespec = timeout.map(Timespec::from);
        let args = match &timespec {
            Some(timespec) => SubmitArgs::new().timespec(timespec),
            None => SubmitArgs::new(),
        };
        let submitter = self.uring.submitter();
        // SAFETY: `args` and the time that it points to live until the call returns. What the
        // queued entries point to was promised when they were pushed.
        let result = unsafe { submitter.enter(queued, wanted, GETEVENTS | EXT_ARG, Some(&args)) };
        match result.map_err(|error| Errno::from_io_error(&error)) {
            Ok(_) => Ok(()),
            // Nothing came in time, or a signal did; or (the last two) the kernel wants us to take
            // completions before it takes more from us.
            Err(Some(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN)) => Ok(()),
            Err(error) => Err(error.unwrap_or(Errno::IO).into()),
        }
    }

    /// Takes all completions that there are, gives `sent` the numbers and results of sends, and
    /// appends those of others that `is_kept` wants. About bytes of receives that go on, in a buffer
    /// that goes on, that is asked only if `asks_all`: nearly all are of that kind.
    #[inline]
    pub(super) fn drain(
        &mut self,
        told: &mut Vec<Told>,
        asks_all: bool,
        mut sent: impl FnMut(u64, i32),
        mut is_kept: impl FnMut(&Told) -> bool,
    ) -> io::Result<()> {
        self.may_have_more = false;
        loop {
            let queue = self.uring.completion();
            self.may_have_more |= !queue.is_empty();
            for entry in queue {
                let (number, result, flags) = (entry.user_data(), entry.result(), entry.flags());
                if number >= SEND {
                    if number != IGNORED {
                        sent(number, result);
                    }
                    continue;
                }
                // In the order of the completions: none says where its bytes begin.
                let start = match cqueue::buffer_select(flags) {
                    Some(buffer) => {
                        let len = result.max(0) as u32;
                        self.buffers.take(buffer, len, cqueue::buffer_more(flags))
                    }
                    None => 0,
                };
                let new = Told {
                    number,
                    result,
                    flags,
                    start,
                };
                if flags & GOES_ON == GOES_ON && !asks_all {
                    told.push(new);
                    continue;
                }
                if !cqueue::more(flags) {
                    self.under_way -= 1;
                }
                if is_kept(&new) {
                    told.push(new);
                }
            }
            // What did not fit waits in the kernel until it is asked for.
            if !self.uring.submission().cq_overflow() {
                return Ok(());
            }
            self.enter(0, None)?;
        }
    }

    /// Ends all operations, appends what they still bring, and waits until the kernel has let go
    /// of the buffers. Whether it has.
    pub(super) fn end(&mut self, told: &mut Vec<Told>) -> bool {
        if !self.enabled {
            return true; // nothing was ever submitted
        }
        for _ in 0..LAST_TRIES {
            if self.under_way == 0 {
                return true;
            }
            let all = CancelBuilder::any();
            let at_once = Some(Timespec::from(Duration::ZERO));
            // Fails where nothing is left to cancel; the completions say what is.
            let _ = self.uring.submitter().register_sync_cancel(at_once, all);
            let a_moment = Some(Duration::from_millis(10));
            let entered = self.enter(1, a_moment);
            if entered.is_err() || self.drain(told, true, |_, _| {}, |_| true).is_err() {
                return false;
            }
        }
        self.under_way == 0
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.end(&mut Vec::new()) {
            self.buffers.free(&self.uring.submitter());
        } else {
            // The kernel may still write to them: they stay its own.
            tracing::error!("operations do not end: their buffers are left to the kernel");
        }
    }
}

/// Sends have a number above all others.
pub(super) const SEND: u64 = 1 << 63;

/// With deferred completions where the kernel has them (6.1), else with cooperative ones, and
/// without the array of indices that nobody needs (6.6).
fn build(setup: &Setup) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_clamp()
        .setup_cqsize(setup.completions)
        .setup_submit_all()
        .setup_r_disabled();
    if !setup.is_deferred {
        return builder.setup_coop_taskrun().build(setup.submissions);
    }
    let mut deferred = builder.clone();
    deferred.setup_single_issuer().setup_defer_taskrun();
    let mut plain = deferred.clone();
    plain.setup_no_sqarray();
    for wanted in [plain, deferred] {
        match wanted.build(setup.submissions) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {}
            result => return result,
        }
    }
    builder.setup_coop_taskrun().build(setup.submissions)
}
