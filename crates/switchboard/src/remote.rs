//! Closures from other threads.
//! It must never block the thread that posts, nor run a closure anywhere but in the loop's thread.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::LoopContext;
use crate::core::{Core, Request, Seen};
use crate::driver::Waker;
use crate::guard::guard;
use crate::program::Program;

/// Closures run in one tick at most; the rest waits for the next, which does not sleep.
const TICK_POSTS: usize = 256;

/// A closure on its way to a reactor.
pub type Post<S> = Box<dyn FnOnce(&mut S, &mut LoopContext<'_, S>) + Send>;

/// The queue between [`Remote`]s and their reactor.
pub(crate) struct Posts<S: 'static> {
    sender: Sender<Post<S>>,
    receiver: Receiver<Post<S>>,
    waker: Arc<Waker>,
    remotes: AtomicUsize,
    /// The reactor is gone.
    closed: AtomicBool,
}

impl<S: 'static> Posts<S> {
    pub(crate) fn new(limit: usize, waker: Arc<Waker>) -> Posts<S> {
        let (sender, receiver) = bounded(limit);
        Posts {
            sender,
            receiver,
            waker,
            remotes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// The reactor ends: nothing is taken any more, and what waits is dropped. (A closure that
    /// holds a [`Remote`] would otherwise keep the queue, and the queue the closure.)
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        while let Ok(post) = self.receiver.try_recv() {
            let _ = guard(move || drop(post)); // what it holds may panic; that ends nothing
        }
    }

    /// Whether anybody is left who could post.
    pub(crate) fn has_remotes(&self) -> bool {
        self.remotes.load(Ordering::Acquire) > 0
    }
}

/// Runs closures in a reactor's thread, from any other thread.
///
/// It is `Send` and `Sync` even if the state `S` is not, since only the closure travels. While
/// a `Remote` exists, [`Reactor::run`](crate::Reactor::run) does not end for lack of sources.
///
/// ```
/// use switchboard::Reactor;
///
/// let mut reactor = Reactor::new(0)?;
/// let remote = reactor.remote();
/// let thread = std::thread::spawn(move || remote.post(|count, _| *count += 1).is_ok());
/// reactor.run()?; // until the last remote is gone and all is done
/// assert!(thread.join().unwrap());
/// assert_eq!(*reactor.state(), 1);
/// # Ok::<(), switchboard::Error>(())
/// ```
pub struct Remote<S: 'static> {
    posts: Arc<Posts<S>>,
}

impl<S: 'static> Remote<S> {
    pub(crate) fn new(posts: &Arc<Posts<S>>) -> Remote<S> {
        posts.remotes.fetch_add(1, Ordering::AcqRel);
        Remote {
            posts: Arc::clone(posts),
        }
    }

    /// Has `closure` run in the reactor's thread, after those posted before: in its next tick, or
    /// in a later one if more than 256 wait.
    ///
    /// Never blocks. Allocates if the closure captures anything; makes a system call only if the
    /// reactor has not been woken yet.
    ///
    /// # Errors
    /// Gives the closure back if as many as [`max_posts`](crate::Builder::max_posts) wait
    /// already, or if the reactor is gone.
    pub fn post<F>(&self, closure: F) -> Result<(), PostError<S>>
    where
        F: FnOnce(&mut S, &mut LoopContext<'_, S>) + Send + 'static,
    {
        let post = boxed(closure);
        if self.is_closed() {
            return Err(PostError(post));
        }
        // The queue holds a receiver of its own, so "disconnected" cannot be.
        match self.posts.sender.try_send(post) {
            Ok(()) => {
                self.posts.waker.wake();
                if self.is_closed() {
                    self.posts.close(); // it ended between the two looks: nobody else empties it
                }
                Ok(())
            }
            Err(error) => Err(PostError(error.into_inner())),
        }
    }

    /// Whether the reactor is gone, so that posting is in vain.
    pub fn is_closed(&self) -> bool {
        self.posts.closed.load(Ordering::SeqCst)
    }
}

/// Puts a closure into its box, unless it came back from a full queue and is in one already: with
/// one box more for every try, the call would at last go through so many that the stack overflows.
fn boxed<S: 'static, F>(closure: F) -> Post<S>
where
    F: FnOnce(&mut S, &mut LoopContext<'_, S>) + Send + 'static,
{
    let mut closure = Some(closure);
    let any: &mut dyn Any = &mut closure;
    let came_back = any.downcast_mut::<Option<Post<S>>>();
    match (came_back.and_then(Option::take), closure) {
        (Some(post), _) => post,
        (None, Some(closure)) => Box::new(closure),
        (None, None) => unreachable!("whoever took it is the case above"),
    }
}

impl<S: 'static> Clone for Remote<S> {
    fn clone(&self) -> Remote<S> {
        Remote::new(&self.posts)
    }
}

impl<S: 'static> Drop for Remote<S> {
    fn drop(&mut self) {
        if self.posts.remotes.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The reactor may be waiting for nothing but this one.
            self.posts.waker.wake();
        }
    }
}

impl<S: 'static> fmt::Debug for Remote<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("waiting", &self.posts.receiver.len())
            .finish()
    }
}

/// The queue was full, or the reactor is gone; here is the closure again.
pub struct PostError<S: 'static>(pub Post<S>);

impl<S: 'static> fmt::Debug for PostError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<S: 'static> fmt::Display for PostError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reactor's queue of posted closures is full (post again later), or the reactor is gone")
    }
}

impl<S: 'static> std::error::Error for PostError<S> {}

impl<S: 'static> Core<S> {
    /// Step 4 of a tick.
    pub(crate) fn run_posted(&mut self, program: &mut Program<S>) {
        for _ in 0..TICK_POSTS {
            let Ok(post) = self.posts.receiver.try_recv() else {
                return;
            };
            tracing::trace!("posted closure");
            self.see(|| Seen::Post);
            if self.is_recorded {
                let what = "a closure that was posted to the reactor";
                self.requests.push(Request::Unrecordable(what));
            }
            self.run_closure(program, post);
        }
    }

    /// Runs a closure that belongs to no source; a panic in it (or in its drop) ends it alone.
    pub(crate) fn run_closure(
        &mut self,
        program: &mut Program<S>,
        closure: impl FnOnce(&mut S, &mut LoopContext<'_, S>),
    ) {
        let outcome = guard(|| closure(&mut program.state, &mut self.context()));
        self.adopt_handlers(program);
        self.note_any_panic(outcome);
    }
}
