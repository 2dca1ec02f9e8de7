//! What a random program is: plain data, which prints as it is and shrinks well.
//! It must never hold a token, an address or a time: those are made while it runs.

use switchboard::{OutboxPolicy, SourceOptions};

/// A reactor's bounds, what happens to it one after the other, and how it ends.
#[derive(Clone, Debug)]
pub struct Program {
    pub limits: Limits,
    pub events: Vec<Event>,
    pub ending: Ending,
    /// Everything comes to rest before the next event, and asks that could overtake one another
    /// are left out: then what happens does not depend on time.
    pub in_step: bool,
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub max_sources: usize,
    pub max_buffered: usize,
    pub max_posts: usize,
    pub max_jobs: usize,
    pub close_timeout_millis: u64,
    /// Bytes that each end of a connection buffers, if not the system's choice.
    pub narrow: Option<usize>,
    pub bounds: Bounds,
    /// What becomes of the connections that the listener accepts, in turn; without any there is
    /// no listener.
    pub accepts: Vec<Accept>,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub what: Happening,
    pub then: Drive,
}

/// How far the reactor and its peers are driven after an event.
#[derive(Clone, Copy, Debug)]
pub enum Drive {
    Rest,
    Turns(usize),
}

/// What happens from outside. A `Pick` chooses among the peers' ends that there are.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A connection is registered.
    Open(Behaviour),
    /// A peer connects to the listener.
    Dial,
    /// The program connects to a peer.
    Connect(Behaviour),
    /// A peer sends a message; `steps` is what its handler does when it has all of it.
    Arrive {
        at: Pick,
        len: usize,
        steps: Script,
    },
    Finish(Pick),
    Reset(Pick),
    Leave(Pick),
    /// A peer stops reading, or goes on.
    SetReads(Pick, bool),
    /// `Reactor::with`.
    Ask(Script),
    /// Milliseconds pass.
    Pass(u64),
}

/// Chooses one of those that there are at that moment.
#[derive(Clone, Copy, Debug)]
pub struct Pick(pub usize);

impl Pick {
    pub fn of(self, len: usize) -> Option<usize> {
        self.0.checked_rem(len)
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The source whose handler runs.
    Me,
    /// Any source that there ever was, so that stale tokens are used as well.
    Any(Pick),
}

/// What is done in one call.
pub type Script = Vec<Step>;

#[derive(Clone, Debug)]
pub enum Step {
    Send(Target, usize, How),
    /// Sends on up to so many bytes of the message that has just come, as they lie.
    Forward(Target, usize),
    Close(Target),
    Abort(Target),
    ShutWrite(Target),
    ShutRead(Target),
    Pause(Target),
    Resume(Target),
    SetBounds(Target, Bounds),
    Timer(Target, u64),
    Interval(u64),
    Cancel(Pick),
    After(u64, Script),
    Post(Script),
    /// A job, which panics or not, and runs on a lane or not.
    Offload(bool, bool),
    Again,
    Replace,
    Register(Box<Behaviour>),
    /// To a peer that is there, or to nobody.
    Connect(bool, Box<Behaviour>),
    Fail,
    Panic,
}

impl Step {
    pub fn is_panic(&self) -> bool {
        matches!(self, Step::Panic)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Copied,
    Owned,
    Shared,
}

/// How a handler takes its bytes, and what it does in its calls: the n-th call of a method runs
/// the n-th script of its list, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    pub reading: Reading,
    pub bounds: Option<Bounds>,
    pub connect: Vec<Script>,
    /// Without a script, the end of the peer is answered with `close`.
    pub eof: Vec<Script>,
    pub write: Vec<Script>,
    pub timer: Vec<Script>,
    pub done: Vec<Script>,
    pub error: Vec<Script>,
    pub close: Vec<Script>,
}

#[derive(Clone, Copy, Debug, Default)]
pub enum Reading {
    /// All that is there.
    #[default]
    All,
    /// Whole messages, and leaves the beginning of the next.
    Messages,
    /// Portions of at most so many bytes.
    Portions(usize),
    /// Looks at new bytes first, and takes them when it is called again.
    Shy,
    /// Leaves the last so many bytes unread.
    Lagging(usize),
}

/// What becomes of an accepted connection.
#[derive(Clone, Debug)]
pub enum Accept {
    Register(Box<Behaviour>),
    Drop,
    Fail,
    Panic,
}

/// As [`SourceOptions`], in small numbers that print.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub low: usize,
    pub high: usize,
    pub inbox: usize,
    pub policy: OutboxPolicy,
    pub backpressure: Option<bool>,
}

impl Default for Bounds {
    fn default() -> Bounds {
        let options = SourceOptions::default();
        Bounds {
            low: options.low_watermark(),
            high: options.high_watermark(),
            inbox: 256 * 1024,
            policy: OutboxPolicy::Refuse,
            backpressure: None,
        }
    }
}

impl Bounds {
    pub fn options(&self) -> SourceOptions {
        let options = SourceOptions::default()
            .with_watermarks(self.low, self.high)
            .with_inbox_limit(self.inbox)
            .with_policy(self.policy);
        match self.backpressure {
            None => options,
            Some(backpressure) => options.with_backpressure(backpressure),
        }
    }
}

/// How a run ends, after its last event.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// Every source is closed, and all peers take what comes.
    CloseAll,
    /// A shutdown, and all peers take what comes.
    Shutdown,
    /// A shutdown that waits for nothing.
    Abort,
    /// The reactor is dropped as it is.
    Drop,
}
