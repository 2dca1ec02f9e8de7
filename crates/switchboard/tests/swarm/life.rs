//! What every handler may rely on, checked at each of its calls: the order of a source's events, and
//! that the end is told once and last. It must never ask what a scenario means to do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Shutdown;
use std::time::Duration;

use fastrand::Rng;
use switchboard::{
    Address, Close, ConnectOptions, Context, Done, Error, Handler, JobId, LoopContext, Reactor,
    Result, SourceOptions, Stream, TimerId, ToEndpoint, Token, UdpSocket,
};

/// The state of a host, with the lives of its sources. A host that crashes forgets them.
pub trait Alive: 'static {
    fn lives(&mut self) -> &mut Lives;
}

#[derive(Default)]
pub struct Lives {
    open: BTreeMap<Token, Life>,
    /// All tokens there ever were.
    known: BTreeSet<Token>,
    /// Tokens of sources that have ended, the newest last.
    pub ended: Vec<Token>,
    /// Whose method runs.
    running: Option<Token>,
    jobs: BTreeSet<JobId>,
}

#[derive(Default)]
struct Life {
    /// Made by `connect`, and not connected yet.
    connecting: bool,
    eof: bool,
}

impl Lives {
    fn begin(&mut self, token: Token, connecting: bool) {
        assert!(self.known.insert(token), "{token} is given twice");
        let eof = false;
        self.open.insert(token, Life { connecting, eof });
    }

    fn enter(&mut self, token: Token, event: &str) -> &mut Life {
        assert_eq!(self.running, None, "{event} of {token} inside another call");
        self.running = Some(token);
        let life = self.open.get_mut(&token);
        life.unwrap_or_else(|| panic!("{event} of {token}, which has ended or never was"))
    }

    /// Asks for all sorts of things with a token whose source has ended: nothing may come of it,
    /// least of all for the source that has its place now.
    pub fn poke_an_ended_one<S: Alive>(&self, rng: &mut Rng, cx: &mut LoopContext<'_, S>) {
        let Some(token) = rng.choice(&self.ended).copied() else {
            return;
        };
        let stale = |outcome: Result| {
            assert!(
                matches!(outcome, Err(Error::Stale(of)) if of == token),
                "{outcome:?}"
            );
        };
        assert!(!cx.is_open(token));
        assert_eq!(cx.source_outbox_len(token), 0);
        stale(cx.send_to(token, "for nobody"));
        let somebody = std::net::SocketAddr::from(([10, 0, 0, 1], 53));
        stale(cx.send_datagram_to(token, "for nobody", somebody));
        stale(cx.shutdown_source(token, Shutdown::Both));
        stale(cx.set_source_timer(token, Duration::ZERO).map(drop));
        stale(cx.set_source_options(token, SourceOptions::default()));
        cx.pause_source(token);
        cx.resume_source(token);
        cx.close_source(token);
        cx.abort_source(token);
    }

    /// How many sources there are.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

/// Hands everything on to a handler, and checks that it may be told that now.
pub struct Watched<H>(pub H);

impl<H> Watched<H> {
    fn call<S: Alive, T>(
        &mut self,
        state: &mut S,
        cx: &mut Context<'_, S>,
        event: &str,
        check: impl FnOnce(&mut Life),
        call: impl FnOnce(&mut H, &mut S, &mut Context<'_, S>) -> T,
    ) -> T {
        check(state.lives().enter(cx.token(), event));
        let result = call(&mut self.0, state, cx);
        state.lives().running = None;
        result
    }
}

impl<S: Alive, H: Handler<S>> Handler<S> for Watched<H> {
    fn handle_connect(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        let check = |life: &mut Life| {
            assert!(life.connecting, "connected twice, or without asking");
            life.connecting = false;
        };
        self.call(state, cx, "handle_connect", check, |h, state, cx| {
            h.handle_connect(state, cx)
        })
    }

    fn handle_accepted(
        &mut self,
        state: &mut S,
        cx: &mut Context<'_, S>,
        stream: Stream,
    ) -> Result {
        let check = |_: &mut Life| {};
        self.call(state, cx, "handle_accepted", check, |h, state, cx| {
            h.handle_accepted(state, cx, stream)
        })
    }

    fn handle_read(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        assert!(!cx.data().is_empty(), "handle_read of nothing");
        let check = |life: &mut Life| {
            assert!(!life.connecting, "read before it is connected");
            assert!(!life.eof, "read behind the end");
        };
        self.call(state, cx, "handle_read", check, |h, state, cx| {
            h.handle_read(state, cx)
        })
    }

    fn handle_eof(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        let check = |life: &mut Life| {
            assert!(!life.connecting, "an end before it is connected");
            assert!(
                !std::mem::replace(&mut life.eof, true),
                "the end is told twice"
            );
        };
        self.call(state, cx, "handle_eof", check, |h, state, cx| {
            h.handle_eof(state, cx)
        })
    }

    fn handle_datagram(
        &mut self,
        state: &mut S,
        cx: &mut Context<'_, S>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        let check = |_: &mut Life| {};
        self.call(state, cx, "handle_datagram", check, |h, state, cx| {
            h.handle_datagram(state, cx, bytes, from)
        })
    }

    fn handle_write(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        let low = cx.options().low_watermark();
        assert!(cx.outbox_len() <= low, "there is no room to write");
        let check = |life: &mut Life| assert!(!life.connecting, "write before it is connected");
        self.call(state, cx, "handle_write", check, |h, state, cx| {
            h.handle_write(state, cx)
        })
    }

    fn handle_signal(&mut self, state: &mut S, cx: &mut Context<'_, S>, signal: i32) -> Result {
        let check = |_: &mut Life| {};
        self.call(state, cx, "handle_signal", check, |h, state, cx| {
            h.handle_signal(state, cx, signal)
        })
    }

    fn handle_timer(&mut self, state: &mut S, cx: &mut Context<'_, S>, timer: TimerId) -> Result {
        let check = |_: &mut Life| {};
        self.call(state, cx, "handle_timer", check, |h, state, cx| {
            h.handle_timer(state, cx, timer)
        })
    }

    fn handle_done(&mut self, state: &mut S, cx: &mut Context<'_, S>, done: Done) -> Result {
        assert!(state.lives().jobs.insert(done.job), "a job is done twice");
        let check = |_: &mut Life| {};
        self.call(state, cx, "handle_done", check, |h, state, cx| {
            h.handle_done(state, cx, done)
        })
    }

    fn handle_error(&mut self, state: &mut S, cx: &mut Context<'_, S>, error: &Error) {
        // An error of `handle_accepted` is told inside of nothing, too.
        let check = |_: &mut Life| {};
        self.call(state, cx, "handle_error", check, |h, state, cx| {
            h.handle_error(state, cx, error)
        });
    }

    fn handle_close(&mut self, state: &mut S, cx: &mut Context<'_, S>, why: &Close) {
        let check = |_: &mut Life| {};
        self.call(state, cx, "handle_close", check, |h, state, cx| {
            h.handle_close(state, cx, why)
        });
        let lives = state.lives();
        lives.open.remove(&cx.token());
        lives.ended.push(cx.token());
    }
}

/// Registers a connection under watch.
pub fn register<S: Alive>(
    state: &mut S,
    cx: &mut LoopContext<'_, S>,
    stream: Stream,
    handler: impl Handler<S>,
) -> Result<Token> {
    let token = cx.register(stream, Watched(handler))?;
    state.lives().begin(token, false);
    Ok(token)
}

/// Connects under watch.
pub fn connect<S: Alive>(
    state: &mut S,
    cx: &mut LoopContext<'_, S>,
    to: impl ToEndpoint,
    options: ConnectOptions,
    handler: impl Handler<S>,
) -> Result<Token> {
    let token = cx.connect_with(to, options, Watched(handler))?;
    state.lives().begin(token, true);
    Ok(token)
}

/// Listens under watch.
pub fn listen<S: Alive>(
    reactor: &mut Reactor<S>,
    to: &str,
    handler: impl Handler<S>,
) -> Result<Token> {
    let token = reactor.listen(to, Watched(handler))?;
    reactor.state_mut().lives().begin(token, false);
    Ok(token)
}

/// Gives a UDP socket to a reactor under watch.
pub fn register_udp<S: Alive>(
    reactor: &mut Reactor<S>,
    socket: UdpSocket,
    handler: impl Handler<S>,
) -> Result<Token> {
    let token = reactor.register_udp(socket, Watched(handler))?;
    reactor.state_mut().lives().begin(token, false);
    Ok(token)
}

/// Catches a signal under watch.
pub fn signals<S: Alive>(
    state: &mut S,
    cx: &mut LoopContext<'_, S>,
    handler: impl Handler<S>,
) -> Result<Token> {
    let token = cx.signals(&[switchboard::signal::SIGHUP], Watched(handler))?;
    state.lives().begin(token, false);
    Ok(token)
}
