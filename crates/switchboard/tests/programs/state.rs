//! The state that all handlers of a run share: the model, and what the world has ready for them.
//! It must never decide anything.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use switchboard::{Lane, Stream};

use crate::model::{Id, Model};

/// An untruth that a run tells the model, to show that the model notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A byte is sent that nobody asked for.
    SendMore,
    /// A send is told of that was not made.
    SendNothing,
    /// A send goes to another source than it should.
    SendElsewhere,
    /// A byte is consumed without a word.
    TakeMore,
    /// The end of a source is told twice.
    EndTwice,
    /// A timer is set for later than told.
    TimeLonger,
    /// A post is told of that was not made.
    PostNothing,
    /// A handler is never dropped.
    Leak,
    /// The end of a peer is not told.
    KeepEnd,
}

impl Lie {
    pub const ALL: [Lie; 9] = [
        Lie::SendMore,
        Lie::SendNothing,
        Lie::SendElsewhere,
        Lie::TakeMore,
        Lie::EndTwice,
        Lie::TimeLonger,
        Lie::PostNothing,
        Lie::Leak,
        Lie::KeepEnd,
    ];
}

/// Ends of connections for programs to use; the world makes new ones between two turns.
#[derive(Default)]
pub struct Supplies {
    /// Connections whose other end is the peer of this number.
    pub streams: VecDeque<(usize, Stream)>,
    /// Addresses to connect to; who accepts there is the peer of this number.
    pub doors: VecDeque<(usize, SocketAddr)>,
    /// An address at which nobody listens.
    pub refusing: Option<SocketAddr>,
}

pub struct State {
    pub model: Model,
    pub supplies: Supplies,
    /// The peers that have dialled the listener, and wait.
    pub callers: VecDeque<Id>,
    pub lie: Option<Lie>,
    /// Where jobs keep their order; there is one.
    pub lane: Option<Lane>,
    /// What runs now comes at a time of its own, not as the first thing after an event.
    pub late: bool,
    dropped: Arc<AtomicUsize>,
    /// Where the model goes when the reactor is dropped.
    keep: Sender<Model>,
}

impl State {
    pub fn new(model: Model, lie: Option<Lie>, keep: Sender<Model>) -> State {
        State {
            model,
            supplies: Supplies::default(),
            callers: VecDeque::new(),
            lane: None,
            lie,
            late: false,
            dropped: Arc::default(),
            keep,
        }
    }

    /// Something that has to be dropped before the run is over.
    pub fn counted(&mut self) -> Counted {
        self.model.made += 1;
        Counted(Arc::clone(&self.dropped))
    }

    pub fn dropped(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.dropped)
    }

    /// Whether this is the first opportunity for a lie.
    pub fn lies(&mut self, lie: Lie) -> bool {
        let now = self.lie == Some(lie);
        if now {
            self.lie = None;
        }
        now
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let limits = self.model.limits.clone();
        let empty = Model::new(limits, self.model.in_step);
        // Whoever does not wait for it has failed already.
        let _ = self.keep.send(std::mem::replace(&mut self.model, empty));
    }
}

pub struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
