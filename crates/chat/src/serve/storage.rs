//! Who keeps the store busy: one batch after the other, on a lane of its own.
//!
//! It must never wait for the disk in the loop's thread, nor have two batches under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use switchboard::signal::{SIGHUP, SIGUSR2};
use switchboard::{Context, Done, Handler, JobId, Lane, LoopContext, Result, TimerId, Token};

use super::certificate::Reading;
use super::dice::Dice;
use super::{Server, Stop, open_doors, signal, stop_when_settled};
use crate::chat::Chat;
use crate::chat::ids::Moment;
use crate::store::query::{Answer, Query};
use crate::store::record::{Snapshot, Write};
use crate::store::{Archive, Store, StoreError};

/// How often what retention no longer keeps is looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// How long nothing is tried after the store has failed: each try is told to somebody as a failure,
/// and a full disk is not emptied within a second.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A batch of so many writes says that the server is busy.
const BUSY: usize = 4;

/// How long what waits then waits for more: the shortest time that a timer has. (It may be twice as
/// long, since timers are kept by the millisecond.)
const GATHER: Duration = Duration::from_millis(1);

/// The store, the archive, and what is being done with them.
pub struct Storage {
    /// Before the store, so that it is closed first: the last one who closes the database empties
    /// its log, and this one may not.
    archive: Arc<Mutex<Box<dyn Archive>>>,
    /// One job has it at a time, in the lane's thread: nobody ever waits for this lock, nor for the
    /// other one, but for the last job of all.
    store: Arc<Mutex<Box<dyn Store>>>,
    lanes: Option<Lanes>,
    /// The keeper's timer for the next batch is running.
    called: bool,
    /// Under way. The keeper looks for the next one when it is done.
    batch: Option<JobId>,
    /// How many writes it has, or the last one had.
    batch_len: usize,
    /// Why the last batch was not stored.
    pub(super) failing: Option<StoreError>,
    pub(super) batches: u64,
}

struct Lanes {
    keeper: Token,
    store: Lane,
    archive: Lane,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage")
            .field("called", &self.called)
            .field("failing", &self.failing)
            .finish_non_exhaustive()
    }
}

impl Storage {
    /// Over a store and an archive of the same data.
    pub fn new(store: Box<dyn Store>, archive: Box<dyn Archive>) -> Storage {
        Storage {
            store: Arc::new(Mutex::new(store)),
            archive: Arc::new(Mutex::new(archive)),
            lanes: None,
            called: false,
            batch: None,
            batch_len: 0,
            failing: None,
            batches: 0,
        }
    }

    /// Of nothing: for a replay, which has what the store and the archive said from its recording,
    /// and for a server that does not have the data yet.
    pub fn absent() -> Storage {
        Storage::new(Box::new(Absent), Box::new(Absent))
    }

    /// Has those of another one, before anything was asked of them.
    pub(super) fn fill(&mut self, other: Storage) {
        self.store = other.store;
        self.archive = other.archive;
    }

    /// Something waits to be stored: the keeper looks in this tick, after everything that has come
    /// in it, so that all of it goes together.
    pub(super) fn call(&mut self, cx: &mut LoopContext<'_, Server>) -> Result {
        let Some(lanes) = self.lanes.as_ref() else {
            return Ok(());
        };
        if self.called || self.batch.is_some() {
            return Ok(());
        }
        cx.set_source_timer(lanes.keeper, Duration::ZERO)?;
        self.called = true;
        Ok(())
    }

    /// Asks the archive; the answer comes to `handle_done` of the source that asks, as a
    /// `Result<Answer, StoreError>`.
    ///
    /// # Errors
    /// As many wait as the lane takes.
    pub fn ask(&self, cx: &mut Context<'_, Server>, query: Query) -> Result<JobId> {
        let Some(lanes) = &self.lanes else {
            return Err(switchboard::Error::other("the archive is not open yet"));
        };
        let archive = Arc::clone(&self.archive);
        cx.offload_on_replayable(lanes.archive, move || -> Answered {
            archive
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .ask(&query)
        })
    }
}

/// What a question to the archive comes back as.
pub type Answered = std::result::Result<Answer, StoreError>;

type Loaded = std::result::Result<Snapshot, StoreError>;

/// Whether there is more to remove.
type Pruned = std::result::Result<bool, StoreError>;

type Stored = std::result::Result<(), StoreError>;

/// The moment as both clocks show it.
pub(super) fn moment(cx: &LoopContext<'_, Server>) -> Moment {
    let unix = cx
        .wall_time()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment {
        monotonic_ns: cx.now().as_nanos(),
        unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The source that the store's jobs belong to. Its descriptor is one end of a pair that nobody
/// writes to: it is there as long as the server.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pruning: Option<TimerId>,
    loading: Option<JobId>,
    loaded: bool,
    closing: Option<JobId>,
    certificates: Reading,
}

impl Keeper {
    /// Opens the lanes, of which `keeper` is to be told.
    pub(super) fn start(
        server: &mut Server,
        cx: &mut LoopContext<'_, Server>,
        keeper: Token,
    ) -> Result {
        server.dice = Dice::new(|| cx.random());
        // Nobody has it yet but the server.
        if let Some(irc) = Arc::get_mut(&mut server.irc) {
            let now = humantime::format_rfc3339_seconds(cx.wall_time());
            irc.created = now.to_string().into();
            irc.started_unix_ms = Some(moment(cx).unix_ms);
        }
        server.storage.lanes = Some(Lanes {
            keeper,
            store: cx.open_lane("store")?,
            archive: cx.open_lane("archive")?,
        });
        server.storage.call(cx)
    }

    /// The first job: what was stored before. The doors are opened when it is there.
    fn load(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        let Some(lanes) = &server.storage.lanes else {
            return Ok(());
        };
        let store = Arc::clone(&server.storage.store);
        let job = cx.offload_on_replayable(lanes.store, move || -> Loaded {
            store.lock().unwrap_or_else(PoisonError::into_inner).load()
        })?;
        self.loading = Some(job);
        Ok(())
    }

    fn loaded(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        loaded: Loaded,
    ) -> Result {
        self.loading = None;
        self.loaded = true;
        match loaded {
            Ok(snapshot) => {
                server.chat = Chat::new(server.chat.settings().clone(), snapshot);
                open_doors(server, cx)?;
                server.storage.call(cx)
            }
            Err(error) => {
                tracing::error!("what was stored cannot be read: {error}");
                server.stop = Stop::AtOnce;
                cx.stop();
                Ok(())
            }
        }
    }

    fn store_next(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        if server.storage.batch.is_some() {
            return Ok(());
        }
        let Some(lanes) = &server.storage.lanes else {
            return Ok(());
        };
        let Some(batch) = server.chat.next_batch() else {
            return Ok(());
        };
        let batch_len = batch.len();
        let store = Arc::clone(&server.storage.store);
        let job = cx.offload_on_replayable(lanes.store, move || -> Stored {
            store
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .commit(&batch)
        })?;
        server.storage.batch = Some(job);
        server.storage.batch_len = batch_len;
        Ok(())
    }

    /// Begins the next batch after one that was stored, unless that was a large one and less waits
    /// now: then a moment later. A commit costs some tens of times what one message more in it does,
    /// and while what was told is sent, and answered, there is more to come.
    fn go_on(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        let (waiting, last) = (server.chat.waiting(), server.storage.batch_len);
        if waiting >= last || last < BUSY {
            return self.store_next(server, cx);
        }
        if waiting > 0 {
            server.storage.called = true;
            cx.set_timer(GATHER)?;
        }
        Ok(())
    }

    /// The last job: the process that takes over waits for it.
    fn close(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        let Some(lanes) = &server.storage.lanes else {
            return Ok(());
        };
        let store = Arc::clone(&server.storage.store);
        let archive = Arc::clone(&server.storage.archive);
        let job = cx.offload_on_replayable(lanes.store, move || -> Stored {
            *archive.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(Absent);
            *store.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(Absent);
            Ok(())
        })?;
        self.closing = Some(job);
        Ok(())
    }

    fn prune(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        let Some(lanes) = &server.storage.lanes else {
            return Ok(());
        };
        let store = Arc::clone(&server.storage.store);
        let unix_ms = moment(cx).unix_ms;
        cx.offload_on_replayable(lanes.store, move || -> Pruned {
            store
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .prune(unix_ms)
        })?;
        Ok(())
    }
}

impl Handler<Server> for Keeper {
    fn handle_timer(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        timer: TimerId,
    ) -> Result {
        if self.pruning == Some(timer) {
            self.pruning = Some(cx.set_timer(PRUNE_EVERY)?);
            return self.prune(server, cx);
        }
        server.storage.called = false;
        if self.pruning.is_none() {
            self.pruning = Some(cx.set_timer(PRUNE_EVERY)?);
        }
        if !self.loaded {
            return match self.loading {
                None => self.load(server, cx),
                Some(_) => Ok(()),
            };
        }
        if self.closing.is_some() {
            return Ok(()); // of what waits now nobody will hear any more
        }
        if server.stop == Stop::Replaced && server.chat.is_settled() {
            return self.close(server, cx);
        }
        self.store_next(server, cx)
    }

    fn handle_signal(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        number: i32,
    ) -> Result {
        match (number, &server.again) {
            (SIGHUP, _) => self.certificates.begin(server, cx),
            (SIGUSR2, Some(start)) => start.again(),
            (SIGUSR2, None) => tracing::error!("how this program was started is not known"),
            _ => signal(server, cx),
        }
        Ok(())
    }

    fn handle_done(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        done: Done,
    ) -> Result {
        if self.loading == Some(done.job) {
            let loaded = done
                .take::<Loaded>()
                .unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())));
            return self.loaded(server, cx, loaded);
        }
        if self.certificates.is_read_by(done.job) {
            self.certificates.end(server, cx, done);
            return Ok(());
        }
        if self.closing == Some(done.job) {
            cx.stop();
            return Ok(());
        }
        if server.storage.batch != Some(done.job) {
            return match done.take::<Pruned>()? {
                // Batches that have come meanwhile are before the next step on the lane.
                Ok(true) if self.closing.is_none() => self.prune(server, cx),
                Ok(_) => Ok(()),
                Err(error) => {
                    tracing::error!("old messages are not removed: {error}");
                    Ok(())
                }
            };
        }
        server.storage.batch = None;
        // A panic in the store is a batch of which nobody knows what became.
        let outcome = done
            .take::<Stored>()
            .unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())));
        server.storage.batches += 1;
        server.storage.report(&outcome);
        let failed = outcome.is_err();
        let now = moment(cx);
        server.tell(cx, |chat, out| chat.stored(&outcome, now, out));
        stop_when_settled(server, cx);
        if failed {
            server.storage.called = true;
            cx.set_timer(PAUSE_AFTER_FAILURE).map(drop)
        } else {
            self.go_on(server, cx)
        }
    }
}

impl Storage {
    /// Says once that the store fails, and once that it works again.
    fn report(&mut self, outcome: &Stored) {
        match outcome {
            Ok(()) => {
                if self.failing.take().is_some() {
                    tracing::info!("messages are stored again");
                }
            }
            Err(error) => {
                if self.failing.as_ref() != Some(error) {
                    tracing::error!("messages are not stored: {error}");
                    self.failing = Some(error.clone());
                }
            }
        }
    }
}

/// In a replay no job runs.
struct Absent;

const ABSENT: &str = "there is no store in a replay";

impl Store for Absent {
    fn load(&mut self) -> std::result::Result<Snapshot, StoreError> {
        Err(StoreError::Failed(ABSENT.to_owned()))
    }

    fn commit(&mut self, _: &[Write]) -> std::result::Result<(), StoreError> {
        Err(StoreError::Failed(ABSENT.to_owned()))
    }

    fn prune(&mut self, _: u64) -> std::result::Result<bool, StoreError> {
        Err(StoreError::Failed(ABSENT.to_owned()))
    }
}

impl Archive for Absent {
    fn ask(&mut self, _: &Query) -> std::result::Result<Answer, StoreError> {
        Err(StoreError::Failed(ABSENT.to_owned()))
    }
}
