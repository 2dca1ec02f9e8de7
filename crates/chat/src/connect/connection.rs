//! The connection to the server, for both kinds of client: made, listened to, lost, made again.
//!
//! It must never show anything or read any input: the [`Conversation`] does.

use std::io::{self, ErrorKind};
use std::time::Duration;

use switchboard::{
    Close, ConnectOptions, Context, Deadline, Handler, LoopContext, Result, Time, TimerId, Token,
};
use switchboard_chat::backoff::Backoff;
use switchboard_chat::cli::ConnectArgs;
use switchboard_chat::explain;
use switchboard_chat::host_port::HostPort;

use switchboard_chat::alarm::Alarm;

/// A server that vanished without a word is found after this time.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// A connection that held so long ends a row of tries. One that a full server accepts, only to
/// say so and close, does not.
const STABLE: Duration = Duration::from_secs(1);

/// What a kind of client does with its connection. Its methods are called by the handlers here.
pub trait Conversation: Sized + 'static {
    /// Where the connection goes, and which one it is now.
    fn link(&mut self) -> &mut Link;

    /// A new connection stands.
    fn connected(&mut self, cx: &mut LoopContext<'_, Self>);

    /// Takes what it can of `data`, all that was received and not taken so far, and says how much
    /// that was. Also called at the deadline that it asks for, and at the end of the stream.
    fn received(&mut self, cx: &mut LoopContext<'_, Self>, data: &[u8]) -> Result<usize>;

    /// The server has finished sending; `received` is called once more.
    fn server_ended(&mut self);

    /// When `received` is to be called again although nothing came.
    fn deadline_ns(&self) -> Option<u64>;

    /// There is room again for messages.
    fn has_room(&mut self, cx: &mut LoopContext<'_, Self>);

    /// The connection is gone, or did not come about, and is tried again; `notice` says both.
    fn interrupted(&mut self, cx: &mut LoopContext<'_, Self>, notice: &str);

    /// The same, but that was the last try; `notice` says what to do.
    fn lost(&mut self, cx: &mut LoopContext<'_, Self>, notice: &str);
}

/// Where to connect, how often to try, and the connection that stands.
#[derive(Debug)]
pub struct Link {
    address: HostPort,
    timeout: Option<Duration>,
    backoff: Backoff,
    tries_max: u32,
    wait: Duration,
    connected: Option<(Token, Time)>,
}

impl Link {
    /// A link that is not connected yet.
    pub fn new(args: &ConnectArgs) -> Link {
        let tries_max = args.reconnect.unwrap_or(0);
        Link {
            address: args.address.clone(),
            timeout: args.timeout.0,
            backoff: Backoff::new(tries_max),
            tries_max,
            wait: Duration::ZERO,
            connected: None,
        }
    }

    /// From now on, a lost connection is tried again for ever, unless a number was asked for.
    pub fn keep_trying(&mut self) {
        if self.tries_max == 0 {
            self.tries_max = u32::MAX;
            self.backoff = Backoff::new(self.tries_max);
        }
    }

    /// How long it is from the last interruption to the next try.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Where it goes.
    pub fn address(&self) -> &HostPort {
        &self.address
    }

    /// The connection, while there is one.
    pub fn token(&self) -> Option<Token> {
        self.connected.map(|(token, _)| token)
    }

    /// What happened, for a person, with advice or without.
    fn explain(&self, why: &Close, with_advice: bool) -> String {
        let address = &self.address;
        let explain = if with_advice {
            explain::cannot_connect
        } else {
            explain::no_connection
        };
        match why {
            Close::ConnectFailed(error) => explain(address, error),
            Close::TimedOut(Deadline::Connect) => {
                explain(address, &io::Error::from(ErrorKind::TimedOut))
            }
            Close::Io(error) if error.kind() == ErrorKind::ConnectionReset => {
                explain(address, error)
            }
            Close::Io(error) => format!("the connection to {address} broke: {error}"),
            Close::Requested | Close::Eof if with_advice => {
                format!("the server at {address} has left; with --reconnect its return is awaited")
            }
            Close::Requested | Close::Eof => format!("the server at {address} has left"),
            why => why.to_string(),
        }
    }
}

/// Begins to connect. Success and failure arrive at the conversation.
pub fn dial<S: Conversation>(state: &mut S, cx: &mut LoopContext<'_, S>) {
    let link = state.link();
    let options = ConnectOptions::default()
        .with_timeout(link.timeout)
        .with_keepalive(KEEPALIVE_IDLE);
    let endpoint = (link.address.host(), link.address.port());
    let dialled = cx.connect_with(endpoint, options, Connection::default());
    if let Err(error) = dialled {
        state.lost(cx, &error.to_string()); // the reactor is shutting down
    }
}

/// The handler of one connection.
#[derive(Debug, Default)]
struct Connection {
    alarm: Alarm,
}

impl Connection {
    fn receive<S: Conversation>(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        let data = cx.data();
        let taken = state.received(cx, data)?;
        cx.consume(taken);
        self.alarm.arm(cx, state.deadline_ns())
    }
}

impl<S: Conversation> Handler<S> for Connection {
    fn handle_connect(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        state.link().connected = Some((cx.token(), cx.now()));
        state.connected(cx);
        Ok(())
    }

    fn handle_read(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        self.receive(state, cx)
    }

    fn handle_write(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        state.has_room(cx);
        Ok(())
    }

    fn handle_timer(&mut self, state: &mut S, cx: &mut Context<'_, S>, timer: TimerId) -> Result {
        self.alarm.fired(timer);
        self.receive(state, cx)
    }

    fn handle_eof(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        state.server_ended();
        self.receive(state, cx)?;
        cx.close();
        Ok(())
    }

    fn handle_close(&mut self, state: &mut S, cx: &mut Context<'_, S>, why: &Close) {
        let now = cx.now();
        let random = cx.random();
        let link = state.link();
        if let Some((_, since)) = link.connected.take()
            && now - since >= STABLE
        {
            link.backoff.reset();
        }
        if matches!(why, Close::Shutdown) {
            return; // the conversation has ended before
        }
        let Some(wait) = link.backoff.next(random) else {
            let mut notice = link.explain(why, link.tries_max == 0);
            if link.tries_max > 0 {
                notice = format!("{notice}; gave up after {} tries in a row", link.tries_max);
            }
            return state.lost(cx, &notice);
        };
        link.wait = wait;
        let (what, try_number, of) = (
            link.explain(why, false),
            link.backoff.tries(),
            link.tries_max,
        );
        let seconds = wait.as_secs_f32();
        let notice = format!("{what}; try {try_number} of {of} in {seconds:.1} s");
        state.interrupted(cx, &notice);
        if cx.after(wait, dial).is_err() {
            state.lost(cx, &notice); // no timer left to try again with
        }
    }
}
